"""Administrators of the console: their passwords, sessions, and the one-time link that makes the first one."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.customers import ConsoleRefusal
from muster.configuration_manager.tables import administrators, installation, sessions
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, is_unique_violation, serialize, upsert
from muster.model.password_policy import find_weakness
from muster.sealing import hash_password, hash_token, is_password, is_token, make_token

SESSION_LASTS = timedelta(hours=8)
LIMIT_NAME_CHARACTERS = 128
SET_UP = "set-up token hash"
PUBLIC_URL = "public url"


class Role(StrEnum):
    """What an account of the console may do: everything, look, or nothing any more."""

    ADMINISTRATOR = "administrator"
    READER = "reader"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in account; `csrf_token` must come with every form."""

    administrator: str
    role: Role
    csrf_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """An account of the console as it is listed."""

    name: str
    role: Role
    created_at: datetime


class Administrators:
    """The administrators in the database."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def create_administrator(self, name: str, password: str, *, now: datetime, role: Role = Role.ADMINISTRATOR) -> None:
        """Adds an administrator. Raises ConsoleRefusal for a name that is taken or a password that is too weak."""
        if not name.strip() or len(name) > LIMIT_NAME_CHARACTERS:
            raise ConsoleRefusal(f"an administrator's name has 1 to {LIMIT_NAME_CHARACTERS} characters")
        if (weakness := find_weakness(password, (name,))) is not None:
            raise ConsoleRefusal(weakness.removesuffix("."))
        try:
            row = {"name": name, "password_hash": hash_password(password), "role": role.value, "created_at": now}
        except ValueError as error:
            raise ConsoleRefusal(str(error)) from None

        def work(connection: Connection) -> None:
            connection.execute(sa.insert(administrators), row)
            connection.execute(sa.delete(installation).where(installation.c.name == SET_UP))

        try:
            self._writer.run(work)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise ConsoleRefusal(f"there is an administrator named {name} already: choose another name") from None

    def list_administrators(self) -> list[Administrator]:
        """All accounts of the console by name."""
        query = sa.select(administrators).order_by(administrators.c.name)
        with self._database.read() as connection:
            return [
                Administrator(name=row.name, role=Role(row.role), created_at=row.created_at)
                for row in connection.execute(query)
            ]

    def change_role(self, name: str, role: Role) -> None:
        """Gives the account that role; tokens it issued work while it is an administrator.

        Raises ConsoleRefusal for a name that is not there, and for the last administrator.
        """

        def work(connection: Connection) -> None:
            serialize(connection, "console roles")
            rows = connection.execute(sa.select(administrators.c.name, administrators.c.role)).all()
            if name not in {row.name for row in rows}:
                raise ConsoleRefusal(f"there is no administrator named {name}: 'admin list' shows all")
            others = [row for row in rows if row.role == Role.ADMINISTRATOR.value and row.name != name]
            if role is not Role.ADMINISTRATOR and not others:
                raise ConsoleRefusal(f"{name} is the last administrator: give the role to another account first")
            connection.execute(sa.update(administrators).where(administrators.c.name == name).values(role=role.value))

        self._writer.run(work)

    def is_last(self, name: str) -> bool:
        """Whether a user of this name, in any letter case, is the only administrator."""
        query = sa.select(administrators.c.name).where(administrators.c.role == Role.ADMINISTRATOR.value).limit(2)
        with self._database.read() as connection:
            names = list(connection.scalars(query))
        return len(names) == 1 and names[0].casefold() == name.casefold()

    def sign_in(self, name: str, password: str, *, now: datetime) -> str | None:
        """The session's secret for the cookie, or None when name and password do not fit."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(administrators.c.key, administrators.c.password_hash).where(
                    administrators.c.name == name, administrators.c.role != Role.NONE.value
                )
            ).first()
        if not is_password(password, None if row is None else row.password_hash) or row is None:
            return None
        secret = make_token("")
        values = {
            "digest": hash_token(secret),
            "administrator_key": row.key,
            "csrf_token": secrets.token_urlsafe(24),
            "expires_at": now + SESSION_LASTS,
        }

        def work(connection: Connection) -> None:
            connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
            connection.execute(sa.insert(sessions), values)

        self._writer.run(work)
        return secret

    def find_session(self, secret: str, *, now: datetime) -> Session | None:
        """The session of a cookie's secret, or None when it is unknown or has ended."""
        query = (
            sa.select(administrators.c.name, administrators.c.role, sessions.c.csrf_token)
            .join(administrators, administrators.c.key == sessions.c.administrator_key)
            .where(
                sessions.c.digest == hash_token(secret),
                sessions.c.expires_at > now,
                administrators.c.role != Role.NONE.value,
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Session(administrator=row.name, role=Role(row.role), csrf_token=row.csrf_token)

    def sign_out(self, secret: str) -> None:
        """Ends the session."""
        digest = hash_token(secret)
        self._writer.run(lambda connection: connection.execute(sa.delete(sessions).where(sessions.c.digest == digest)))

    def open_set_up(self) -> str | None:
        """A token for the one-time set-up link while there is no administrator, else None; an older link ends."""
        with self._database.read() as connection:
            if connection.scalar(sa.select(administrators.c.key).limit(1)) is not None:
                return None
        token = make_token("")
        row = {"name": SET_UP, "value": hash_token(token)}
        self._writer.run(lambda connection: upsert(connection, installation, row, keys=("name",)))
        return token

    def is_set_up_token(self, token: str) -> bool:
        """Whether the one-time set-up link holds."""
        stored = read_installation(self._database, SET_UP)
        return stored is not None and is_token(token, stored)


def read_installation(database: Database, name: str) -> str | None:
    """What the installation keeps under this name."""
    with database.read() as connection:
        value: str | None = connection.scalar(sa.select(installation.c.value).where(installation.c.name == name))
    return value


def write_installation(writer: Writer, name: str, value: str) -> None:
    """Keeps the value under this name."""
    row = {"name": name, "value": value}
    writer.run(lambda connection: upsert(connection, installation, row, keys=("name",)))
