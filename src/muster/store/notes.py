"""Notes of faces on SQL, for web processes that share them."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from muster.database.connection import Database
from muster.store.sign_in_tables import face_notes


class SqlNotes:
    """The Notes on SQL, of one face."""

    def __init__(self, database: Database, face: str) -> None:
        self._database = database
        self._face = face

    def add(self, key: str, note: bytes, expires_at: datetime, now: datetime) -> None:
        """Adds a note to those under a key. What has expired by `now` is dropped on the way."""
        with self._database.write() as connection:
            connection.execute(sa.delete(face_notes).where(face_notes.c.expires_at <= now))
            row = {"face": self._face, "name": key, "note": note, "expires_at": expires_at}
            connection.execute(sa.insert(face_notes).values(row))

    def take(self, key: str, now: datetime) -> Sequence[bytes]:
        """Returns the notes under a key that have not expired, in their order, and drops them."""
        taken = (
            sa.delete(face_notes)
            .where(face_notes.c.face == self._face, face_notes.c.name == key)
            .returning(face_notes.c.key, face_notes.c.expires_at, face_notes.c.note)
        )
        with self._database.write() as connection:
            rows = connection.execute(taken).all()
        return [row.note for row in sorted(rows, key=lambda row: row.key) if row.expires_at > now]
