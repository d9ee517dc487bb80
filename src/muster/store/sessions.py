"""Sessions on SQL, for web processes that share them: a sign-out at one of them is one at all."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from muster.database.connection import Database
from muster.store.encoding import decode, encode
from muster.store.sign_in_tables import sessions
from muster.ui.sessions import Session


class SqlShelf:
    """The SessionShelf on SQL, of one face."""

    def __init__(self, database: Database, face: str) -> None:
        self._database = database
        self._face = face

    def get(self, key: str) -> Session | None:
        """Returns a session."""
        wanted = sa.select(sessions.c.session).where(sessions.c.face == self._face, sessions.c.hash == key)
        with self._database.read() as connection:
            found = connection.execute(wanted).scalar()
        return None if found is None else decode(found, Session)

    def add(self, key: str, session: Session) -> None:
        """Keeps a new session."""
        with self._database.write() as connection:
            connection.execute(sa.insert(sessions).values(self._row(key, session)))

    def change(self, key: str, session: Session, *, was: Session, also: tuple[str, Session] | None = None) -> bool:
        """Changes a session that is still there as it `was`, and adds another with it; returns whether it was so."""
        at = sessions.c.face == self._face, sessions.c.hash == key
        with self._database.write() as connection:
            # Locked until it is written: whoever exchanges the secret at the same time waits, and is seen then.
            kept = connection.execute(sa.select(sessions.c.session).where(*at).with_for_update()).scalar()
            if kept is None or not decode(kept, Session).is_exchanged_as(was):
                return False
            connection.execute(sa.update(sessions).where(*at).values(self._row(key, session)))
            if also is not None:
                connection.execute(sa.insert(sessions).values(self._row(*also)))
        return True

    def _row(self, key: str, session: Session) -> dict[str, Any]:
        return {
            "face": self._face,
            "hash": key,
            "csrf_token": session.csrf_token,
            "began_at": session.began_at,
            "session": encode(session),
        }

    def end(self, csrf_token: str) -> None:
        """Drops a session under every key that it has had."""
        ended = sa.delete(sessions).where(sessions.c.face == self._face, sessions.c.csrf_token == csrf_token)
        with self._database.write() as connection:
            connection.execute(ended)
            # A key that was just being exchanged for another held the first one up: the other is seen only now.
            connection.execute(ended)

    def drop_before(self, began_at: datetime) -> None:
        """Drops sessions that began before an instant."""
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.face == self._face, sessions.c.began_at < began_at))
