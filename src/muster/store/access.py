"""Administrators, API tokens and the installation's identity on SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from muster.database.connection import Database
from muster.model.roles import Caller, Role
from muster.ports.administration import ApiToken
from muster.store.access_tables import administrators, client_secrets, clients, owners, tokens
from muster.store.tables import installation

# A token's last use is written at most this often, so that reading by the API does not become writing.
_USE_NOTED_EVERY = timedelta(minutes=1)
_SHOWN = (
    tokens.c.token_id,
    tokens.c.name,
    tokens.c.roles,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.last_used_at,
)


class SqlAccess:
    """The AccessStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._token = database.prepare(
            sa.select(*_SHOWN, clients.c.service_principal_id, clients.c.roles.label("client_roles"))
            .select_from(tokens.outerjoin(client_secrets).outerjoin(clients))
            .where(
                tokens.c.token_hash == sa.bindparam("given"),
                sa.or_(clients.c.is_enabled.is_(None), clients.c.is_enabled),
            )
        )

    def add_token(self, token: ApiToken, token_hash: str) -> None:
        """Keeps a token."""
        with self._database.write() as connection:
            connection.execute(
                sa.insert(tokens).values(
                    token_id=token.id,
                    token_hash=token_hash,
                    name=token.name,
                    roles=join_roles(token.roles),
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                    last_used_at=token.last_used_at,
                )
            )

    def token(self, token_hash: str, at: datetime) -> ApiToken | None:
        """Returns the token with a hash unless it has expired; notes its use (to the minute)."""
        found = self._token.fetch_one({"given": token_hash})
        if found is None:
            return None
        token = _token(*found)
        if token.expires_at is not None and token.expires_at <= at:
            return None
        if token.last_used_at is None or at - token.last_used_at >= _USE_NOTED_EVERY:
            with self._database.write() as connection:
                connection.execute(sa.update(tokens).where(tokens.c.token_id == token.id).values(last_used_at=at))
        return token

    def tokens(self) -> Sequence[ApiToken]:
        """Returns all tokens but access tokens of app registrations, the oldest first."""
        statement = sa.select(*_SHOWN).where(tokens.c.secret_key_id.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(tokens.c.created_at, tokens.c.token_id)).all()
        return [_token(*row) for row in rows]

    def remove_token(self, token_id: str) -> bool:
        """Revokes a token; False if there is none."""
        with self._database.write() as connection:
            connection.execute(sa.delete(owners).where(owners.c.owner_id == token_id))
            return connection.execute(sa.delete(tokens).where(tokens.c.token_id == token_id)).rowcount > 0

    def add_administrator(self, caller: Caller, password_hash: str) -> None:
        """Keeps an administrator. Raises ValueError when the name is taken (without case)."""
        with self._database.write() as connection:
            folded = caller.display_name.casefold()
            taken = connection.execute(sa.select(administrators).where(administrators.c.folded_name == folded)).first()
            if taken is not None:
                raise ValueError(f"there is an administrator named {caller.display_name} already: choose another name")
            connection.execute(
                sa.insert(administrators).values(
                    administrator_id=caller.id,
                    name=caller.display_name,
                    folded_name=folded,
                    roles=join_roles(caller.roles),
                    password_hash=password_hash,
                )
            )

    def administrator(self, name: str) -> tuple[Caller, str] | None:
        """Returns an administrator and the password's hash."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(administrators).where(administrators.c.folded_name == name.casefold())
            ).first()
        return None if row is None else (_caller(row), row.password_hash)

    def administrators(self) -> Sequence[Caller]:
        """Returns all administrators by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(administrators).order_by(administrators.c.folded_name)).all()
        return [_caller(row) for row in rows]

    def set_roles(self, administrator_id: str, roles: frozenset[Role]) -> None:
        """Gives an administrator other roles."""
        of_them = administrators.c.administrator_id == administrator_id
        with self._database.write() as connection:
            connection.execute(sa.update(administrators).where(of_them).values(roles=join_roles(roles)))

    def remove_administrator(self, administrator_id: str) -> bool:
        """Removes an administrator with what they own; False if there is none."""
        with self._database.write() as connection:
            connection.execute(sa.delete(owners).where(owners.c.owner_id == administrator_id))
            gone = sa.delete(administrators).where(administrators.c.administrator_id == administrator_id)
            return connection.execute(gone).rowcount > 0

    def count_administrators(self) -> int:
        """Returns how many there are."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(administrators)).scalar_one())

    def tenant_id(self) -> str:
        """Returns the installation's tenant GUID."""
        with self._database.read() as connection:
            return str(connection.execute(sa.select(installation.c.tenant_id)).scalar_one())


def join_roles(roles: frozenset[Role]) -> str:
    """Returns roles as a column holds them."""
    return ",".join(sorted(role.value for role in roles))


def split_roles(roles: str) -> frozenset[Role]:
    """Returns the roles of a column."""
    return frozenset(Role(role) for role in roles.split(",") if role)


def _token(
    token_id: str,
    name: str,
    roles: str,
    created_at: datetime,
    expires_at: datetime | None,
    last_used_at: datetime | None,
    client_id: str | None = None,
    client_roles: str | None = None,
) -> ApiToken:
    """A client's roles are those it has now, not those it had when it signed in."""
    return ApiToken(
        id=token_id,
        name=name,
        roles=split_roles(roles if client_roles is None else client_roles),
        created_at=created_at,
        expires_at=expires_at,
        last_used_at=last_used_at,
        client_id=client_id,
    )


def _caller(row: Row[Any]) -> Caller:
    return Caller(id=row.administrator_id, display_name=row.name, roles=split_roles(row.roles))
