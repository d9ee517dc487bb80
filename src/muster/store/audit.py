"""The audit log on SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.ports.administration import AuditEntry
from muster.store.encoding import decode, encode, id_number
from muster.store.tables import audit


class SqlAudit:
    """The AuditStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        """Writes an entry."""
        with self._database.write() as connection:
            write_entry(connection, entry)

    def get(self, entry_id: str) -> AuditEntry | None:
        """Returns an entry, None if there is none of that id."""
        statement = sa.select(audit.c.entry).where(audit.c.id_number == id_number(entry_id))
        with self._database.read() as connection:
            found = [decode(document, AuditEntry) for document in connection.execute(statement).scalars()]
        return next((entry for entry in found if entry.id == entry_id), None)

    def search(
        self, *, after: str | None, limit: int, ascending: bool = False
    ) -> tuple[Sequence[AuditEntry], str | None]:
        """Returns entries, newest first unless ascending, and the key to go on after."""
        key = audit.c.key
        statement = sa.select(key, audit.c.entry).order_by(key if ascending else key.desc()).limit(limit + 1)
        if after is not None:
            statement = statement.where(key > int(after) if ascending else key < int(after))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        page = rows[:limit]
        more = len(rows) > limit and page
        return [decode(row.entry, AuditEntry) for row in page], str(page[-1].key) if more else None


def write_entry(connection: Connection, entry: AuditEntry) -> None:
    """Writes an entry in the caller's transaction."""
    connection.execute(sa.insert(audit).values(id_number=id_number(entry.id), at=entry.at, entry=encode(entry)))
