"""App registrations, their secrets and access tokens, and owners, on SQL."""

import builtins
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role
from muster.store.access import join_roles, split_roles
from muster.store.access_tables import client_secrets, clients, owners, tokens


class SqlClients:
    """The ClientStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, client: ClientApplication) -> None:
        """Keeps a new registration."""
        with self._database.write() as connection:
            connection.execute(
                sa.insert(clients).values(
                    application_id=client.application_id,
                    service_principal_id=client.service_principal_id,
                    app_id=client.app_id,
                    display_name=client.display_name,
                    roles=join_roles(client.roles),
                    created_at=client.created_at,
                    is_enabled=client.is_enabled,
                )
            )

    def get(self, name: str) -> ClientApplication | None:
        """Returns a registration by application id, service principal id or app id."""
        columns = (clients.c.application_id, clients.c.service_principal_id, clients.c.app_id)
        with self._database.read() as connection:
            row = connection.execute(sa.select(clients).where(sa.or_(*(column == name for column in columns)))).first()
            return None if row is None else _clients(connection, [row])[0]

    def list(self) -> Sequence[ClientApplication]:
        """Returns all registrations by display name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(clients).order_by(clients.c.key)).all()
            found = _clients(connection, rows)
        return sorted(found, key=lambda client: client.display_name.casefold())

    def change(
        self,
        application_id: str,
        *,
        display_name: str | None = None,
        roles: frozenset[Role] | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Changes what is given."""
        values = {
            **({} if display_name is None else {"display_name": display_name}),
            **({} if roles is None else {"roles": join_roles(roles)}),
            **({} if is_enabled is None else {"is_enabled": is_enabled}),
        }
        if values:
            with self._database.write() as connection:
                of_it = clients.c.application_id == application_id
                connection.execute(sa.update(clients).where(of_it).values(values))

    def remove(self, application_id: str) -> None:
        """Removes a registration with its secrets, access tokens and what it owns."""
        with self._database.write() as connection:
            of_it = clients.c.application_id == application_id
            owner = sa.select(clients.c.service_principal_id).where(of_it).scalar_subquery()
            connection.execute(
                sa.delete(owners).where(sa.or_(owners.c.owner_id == owner, owners.c.subject_id == owner))
            )
            connection.execute(sa.delete(clients).where(of_it))

    def add_secret(self, application_id: str, secret: ClientSecret, secret_hash: str) -> None:
        """Keeps a secret. Raises LookupError."""
        with self._database.write() as connection:
            connection.execute(
                sa.insert(client_secrets).values(
                    key_id=secret.key_id,
                    client_key=_key(connection, clients.c.application_id, application_id),
                    secret_hash=secret_hash,
                    display_name=secret.display_name,
                    hint=secret.hint,
                    created_at=secret.created_at,
                    expires_at=secret.expires_at,
                )
            )

    def remove_secret(self, application_id: str, key_id: str) -> bool:
        """Removes a secret and the access tokens it was exchanged for; False if there is none."""
        with self._database.write() as connection:
            key = _key(connection, clients.c.application_id, application_id)
            gone = sa.delete(client_secrets).where(
                client_secrets.c.client_key == key, client_secrets.c.key_id == key_id
            )
            return connection.execute(gone).rowcount > 0

    def find_secret(self, app_id: str, secret_hash: str) -> ClientSecret | None:
        """Returns the secret of a client with a hash, expired ones too."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(client_secrets)
                .join(clients)
                .where(clients.c.app_id == app_id, client_secrets.c.secret_hash == secret_hash)
            ).first()
        return None if row is None else _secret(row)

    def add_access_token(
        self, app_id: str, key_id: str, token_id: str, token_hash: str, at: datetime, expires_at: datetime
    ) -> None:
        """Keeps an access token, notes the secret's use, and forgets the client's tokens that have expired."""
        with self._database.write() as connection:
            key = _key(connection, clients.c.app_id, app_id)
            name = connection.execute(sa.select(clients.c.display_name).where(clients.c.key == key)).scalar_one()
            secrets = sa.select(client_secrets.c.key_id).where(client_secrets.c.client_key == key)
            connection.execute(sa.delete(tokens).where(tokens.c.secret_key_id.in_(secrets), tokens.c.expires_at <= at))
            connection.execute(
                sa.insert(tokens).values(
                    token_id=token_id,
                    secret_key_id=key_id,
                    token_hash=token_hash,
                    name=name,
                    roles="",
                    created_at=at,
                    expires_at=expires_at,
                )
            )
            used = sa.update(client_secrets).where(client_secrets.c.key_id == key_id).values(last_used_at=at)
            connection.execute(used)


class SqlOwners:
    """The OwnerStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, subject_id: str, owner_id: str) -> bool:
        """Makes an owner; False for one that is one already."""
        of_both = sa.and_(owners.c.subject_id == subject_id, owners.c.owner_id == owner_id)
        with self._database.write() as connection:
            if connection.execute(sa.select(owners.c.key).where(of_both)).first() is not None:
                return False
            connection.execute(sa.insert(owners).values(subject_id=subject_id, owner_id=owner_id))
        return True

    def remove(self, subject_id: str, owner_id: str) -> bool:
        """Takes ownership away; False if there was none."""
        gone = sa.delete(owners).where(owners.c.subject_id == subject_id, owners.c.owner_id == owner_id)
        with self._database.write() as connection:
            return connection.execute(gone).rowcount > 0

    def owners(self, subject_id: str) -> Sequence[str]:
        """Returns the ids of the owners, in the order in which they became so."""
        statement = sa.select(owners.c.owner_id).where(owners.c.subject_id == subject_id).order_by(owners.c.key)
        with self._database.read() as connection:
            return connection.execute(statement).scalars().all()

    def owned_by(self, owner_id: str) -> frozenset[str]:
        """Returns the ids of what somebody owns."""
        statement = sa.select(owners.c.subject_id).where(owners.c.owner_id == owner_id)
        with self._database.read() as connection:
            return frozenset(connection.execute(statement).scalars())


def _key(connection: Connection, column: sa.ColumnElement[Any], value: str) -> int:
    key = connection.execute(sa.select(clients.c.key).where(column == value)).scalar()
    if key is None:
        raise LookupError(f"there is no app registration {value}")
    return int(key)


def _clients(connection: Connection, rows: Sequence[Row[Any]]) -> builtins.list[ClientApplication]:
    keys = [row.key for row in rows]
    of_them = sa.select(client_secrets).where(client_secrets.c.client_key.in_(keys))
    secrets: dict[int, list[ClientSecret]] = {}
    for secret in connection.execute(of_them.order_by(client_secrets.c.created_at, client_secrets.c.key_id)):
        secrets.setdefault(secret.client_key, []).append(_secret(secret))
    return [
        ClientApplication(
            application_id=row.application_id,
            service_principal_id=row.service_principal_id,
            app_id=row.app_id,
            display_name=row.display_name,
            roles=split_roles(row.roles),
            created_at=row.created_at,
            secrets=tuple(secrets.get(row.key, ())),
            is_enabled=row.is_enabled,
        )
        for row in rows
    ]


def _secret(row: Row[Any]) -> ClientSecret:
    return ClientSecret(
        key_id=row.key_id,
        display_name=row.display_name,
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
