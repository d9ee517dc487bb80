"""The log of sign-ins on SQL."""

from collections.abc import Sequence

import sqlalchemy as sa

from muster.database.connection import Database
from muster.model.sign_in import SignIn
from muster.ports.sign_ins import SignInQuery
from muster.store.encoding import decode, encode
from muster.store.sign_in_tables import sign_ins


class SqlSignInLog:
    """The SignInLog on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: SignIn) -> None:
        """Writes an entry."""
        names = (entry.principal_name, entry.display_name, entry.application_name or "")
        with self._database.write() as connection:
            connection.execute(
                sa.insert(sign_ins).values(
                    entry_id=entry.id,
                    at=entry.at,
                    person_id=entry.person_id,
                    application_id=entry.application_id,
                    result=entry.result.value,
                    identity="\n".join(names).casefold(),
                    entry=encode(entry),
                )
            )

    def search(self, query: SignInQuery) -> tuple[Sequence[SignIn], str | None]:
        """Returns entries, newest first unless ascending, and the key to go on after."""
        key = sign_ins.c.key
        statement = sa.select(key, sign_ins.c.entry).order_by(key if query.ascending else key.desc())
        for column, wanted in (
            (sign_ins.c.entry_id, query.entry_id),
            (sign_ins.c.person_id, query.person_id),
            (sign_ins.c.application_id, query.application_id),
            (sign_ins.c.result, None if query.result is None else query.result.value),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        if query.search is not None:
            statement = statement.where(sign_ins.c.identity.contains(query.search.casefold(), autoescape=True))
        if query.since is not None:
            statement = statement.where(sign_ins.c.at >= query.since)
        if query.until is not None:
            statement = statement.where(sign_ins.c.at <= query.until)
        if query.after is not None:
            statement = statement.where(key > int(query.after) if query.ascending else key < int(query.after))
        with self._database.read() as connection:
            rows = connection.execute(statement.limit(query.limit + 1)).all()
        page = rows[: query.limit]
        more = len(rows) > query.limit and page
        return [decode(row.entry, SignIn) for row in page], str(page[-1].key) if more else None
