"""People's passwords on SQL."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database, upsert
from muster.ports.sign_ins import PersonCredentials
from muster.store.rows import pieces
from muster.store.sign_in_tables import person_credentials as kept
from muster.store.sign_in_tables import recovery_codes, second_factors

_NO_LINK = {"link_hash": None, "link_expires_at": None}


class SqlCredentials:
    """The CredentialStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, person_id: str) -> PersonCredentials | None:
        """Returns a person's credentials; None: they never had any."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(kept).where(kept.c.person_id == person_id)).first()
        if row is None:
            return None
        return PersonCredentials(
            person_id=row.person_id,
            password_hash=row.password_hash,
            must_change=row.must_change,
            changed_at=row.changed_at,
            stamp=row.stamp,
        )

    def set_password(
        self, person_id: str, password_hash: str | None, *, must_change: bool, at: datetime, stamp: str
    ) -> None:
        """Keeps another password, or none; a link to set one ends with it."""
        values = {"password_hash": password_hash, "must_change": must_change, "changed_at": at, "stamp": stamp}
        self._put(person_id, {**values, **_NO_LINK})

    def renew_hash(self, person_id: str, password_hash: str) -> None:
        """Keeps another hash of the same password; sessions go on."""
        self._change(person_id, {"password_hash": password_hash})

    def set_stamp(self, person_id: str, stamp: str) -> None:
        """Ends the person's sessions."""
        if not self._change(person_id, {"stamp": stamp}):
            self._put(person_id, {"password_hash": None, "must_change": False, "stamp": stamp})

    def set_link(self, person_id: str, token_hash: str, expires_at: datetime) -> None:
        """Keeps the one link with which the person may set a password, in place of one before it."""
        link = {"link_hash": token_hash, "link_expires_at": expires_at}
        if not self._change(person_id, link):
            self._put(person_id, {"password_hash": None, "must_change": False, "stamp": "", **link})

    def find_link(self, token_hash: str, at: datetime) -> str | None:
        """Returns whose link it is, None if it is unknown, used or over."""
        valid = sa.and_(kept.c.link_hash == token_hash, kept.c.link_expires_at > at)
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(kept.c.person_id).where(valid)).scalar()
        return found

    def take_link(self, token_hash: str, at: datetime) -> str | None:
        """As `find_link`, and the link is used by it: of two that come at once, one gets it."""
        found = self.find_link(token_hash, at)
        if found is None:
            return None
        with self._database.write() as connection:
            taken = connection.execute(sa.update(kept).where(kept.c.link_hash == token_hash).values(_NO_LINK))
        return found if taken.rowcount == 1 else None

    def _change(self, person_id: str, values: dict[str, Any]) -> bool:
        with self._database.write() as connection:
            changed = connection.execute(sa.update(kept).where(kept.c.person_id == person_id).values(values))
        return changed.rowcount > 0

    def _put(self, person_id: str, values: dict[str, Any]) -> None:
        with self._database.write() as connection:
            upsert(connection, kept, [{"person_id": person_id, **values}], keys=("person_id",))


def end_sessions(connection: Connection, person_ids: Sequence[str]) -> None:
    """Ends the sessions of people, and their links, in the caller's transaction."""
    for piece in pieces(person_ids):
        ended = sa.update(kept).where(kept.c.person_id.in_(piece))
        connection.execute(ended.values({"stamp": secrets.token_hex(16), **_NO_LINK}))


def take_credentials(connection: Connection, person_ids: Sequence[str]) -> None:
    """Takes password and second factor from people, and ends their sessions, in the caller's transaction."""
    for piece in pieces(person_ids):
        for table in (recovery_codes, second_factors):
            connection.execute(sa.delete(table).where(table.c.holder_id.in_(piece)))
        taken = sa.update(kept).where(kept.c.person_id.in_(piece))
        connection.execute(taken.values({"password_hash": None, "must_change": False}))
    end_sessions(connection, person_ids)


def forget(connection: Connection, person_ids: Sequence[str]) -> None:
    """Removes all that purged people signed in with, in the caller's transaction."""
    for piece in pieces(person_ids):
        for table in (recovery_codes, second_factors):
            connection.execute(sa.delete(table).where(table.c.holder_id.in_(piece)))
        connection.execute(sa.delete(kept).where(kept.c.person_id.in_(piece)))
