"""Uploaded files in the database, for engines on other machines than the web process that took them."""

from datetime import datetime

import sqlalchemy as sa

from muster.database.connection import Database
from muster.store.tables import uploads


class SqlUploads:
    """Files by name, each kept until it is dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, content: bytes, at: datetime) -> None:
        """Keeps a file."""
        with self._database.write() as connection:
            connection.execute(sa.insert(uploads).values(name=name, content=content, at=at))

    def get(self, name: str) -> bytes | None:
        """Returns a file's content."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(uploads.c.content).where(uploads.c.name == name)).scalar()
        return None if found is None else bytes(found)

    def drop(self, name: str) -> None:
        """Removes a file; nothing for one that is gone."""
        with self._database.write() as connection:
            connection.execute(sa.delete(uploads).where(uploads.c.name == name))

    def drop_older(self, than: datetime) -> None:
        """Removes files from before an instant."""
        with self._database.write() as connection:
            connection.execute(sa.delete(uploads).where(uploads.c.at < than))
