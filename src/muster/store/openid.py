"""OpenID Connect on SQL: a code is used by one statement, and what is over goes with the next code."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from muster.database.connection import Database, upsert
from muster.model.openid import OpenIdGrant, OpenIdKey, OpenIdSettings
from muster.sealing import Sealer, SealingError
from muster.store.applications import application_key
from muster.store.encoding import decode, encode
from muster.store.openid_tables import openid_grants, openid_keys, openid_settings
from muster.store.tables import applications


class SqlOpenId:
    """The OpenIdStore on SQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def settings(self, service_principal_id: str) -> OpenIdSettings | None:
        """Returns an application's settings, None before they are made."""
        statement = (
            sa.select(openid_settings.c.settings)
            .join(applications, applications.c.key == openid_settings.c.application_key)
            .where(applications.c.service_principal_id == service_principal_id)
        )
        with self._database.read() as connection:
            found = connection.execute(statement).scalar()
        return None if found is None else decode(found, OpenIdSettings)

    def all_settings(self) -> Mapping[str, OpenIdSettings]:
        """Returns the settings of all applications that have some, by service principal id."""
        query = sa.select(applications.c.service_principal_id, openid_settings.c.settings).join(
            applications, applications.c.key == openid_settings.c.application_key
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.service_principal_id: decode(row.settings, OpenIdSettings) for row in rows}

    def put(self, service_principal_id: str, settings: OpenIdSettings) -> None:
        """Keeps settings. Raises: LookupError."""
        with self._database.write() as connection:
            row = {
                "application_key": application_key(connection, service_principal_id),
                "settings": encode(settings),
            }
            upsert(connection, openid_settings, [row], keys=("application_key",))

    def signing_keys(self) -> Sequence[OpenIdKey]:
        """Returns the signing keys that can be opened, the newest first: new ones follow on those that are lost."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(openid_keys).order_by(openid_keys.c.created_at.desc(), openid_keys.c.key_id)
            ).all()
        found = []
        for row in rows:
            try:
                private_pem = self._sealer.unseal(row.sealed, field=_field(row.key_id))
            except SealingError:
                continue
            found.append(OpenIdKey(key_id=row.key_id, created_at=row.created_at, private_pem=private_pem))
        return found

    def add_key(self, key: OpenIdKey, forget_before: datetime) -> None:
        """Keeps a new key; those made before an instant go, but not the one that has signed until now."""
        sealed = self._sealer.seal(key.private_pem, field=_field(key.key_id))
        with self._database.write() as connection:
            before = connection.execute(
                sa.select(openid_keys.c.key_id, openid_keys.c.created_at).order_by(openid_keys.c.created_at.desc())
            ).all()
            # The newest of them has signed until now.
            gone = [row.key_id for row in before[1:] if row.created_at < forget_before]
            if gone:
                connection.execute(sa.delete(openid_keys).where(openid_keys.c.key_id.in_(gone)))
            connection.execute(
                sa.insert(openid_keys).values(key_id=key.key_id, created_at=key.created_at, sealed=sealed)
            )

    def add_code(self, code_hash: str, grant: OpenIdGrant, expires_at: datetime) -> None:
        """Keeps what a code stands for."""
        with self._database.write() as connection:
            over = sa.delete(openid_grants).where(openid_grants.c.expires_at < grant.authenticated_at)
            connection.execute(over)
            connection.execute(
                sa.insert(openid_grants).values(
                    code_hash=code_hash, is_used=False, expires_at=expires_at, content=encode(grant)
                )
            )

    def take_code(self, code_hash: str, at: datetime) -> OpenIdGrant | None:
        """Returns what a code stands for and uses it up; one that comes a second time revokes its token."""
        it = openid_grants.c.code_hash == code_hash
        with self._database.write() as connection:
            used = sa.update(openid_grants).where(it, openid_grants.c.is_used.is_(False)).values(is_used=True)
            if connection.execute(used).rowcount == 0:
                connection.execute(sa.delete(openid_grants).where(it))
                return None
            row = connection.execute(sa.select(openid_grants).where(it)).one()
        return decode(row.content, OpenIdGrant) if row.expires_at > at else None

    def add_token(self, code_hash: str, token_hash: str, expires_at: datetime) -> bool:
        """Keeps the access token that a code was exchanged for; False if the code was revoked meanwhile."""
        it = openid_grants.c.code_hash == code_hash
        with self._database.write() as connection:
            kept = sa.update(openid_grants).where(it, openid_grants.c.token_hash.is_(None))
            return connection.execute(kept.values(token_hash=token_hash, expires_at=expires_at)).rowcount == 1

    def find_token(self, token_hash: str, at: datetime) -> OpenIdGrant | None:
        """Returns what an access token stands for, None if it is unknown, over or revoked."""
        valid = sa.and_(openid_grants.c.token_hash == token_hash, openid_grants.c.expires_at > at)
        with self._database.read() as connection:
            found = connection.execute(sa.select(openid_grants.c.content).where(valid)).scalar()
        return None if found is None else decode(found, OpenIdGrant)

    def reseal(self) -> int:
        """Seals with the key in force what was sealed with an older one, all or nothing; returns how many."""
        with self._database.write() as connection:
            rows = connection.execute(sa.select(openid_keys.c.key_id, openid_keys.c.sealed)).all()
            older = [row for row in rows if not self._sealer.is_current(row.sealed)]
            for row in older:
                field = _field(row.key_id)
                anew = self._sealer.seal(self._sealer.unseal(row.sealed, field=field), field=field)
                it = openid_keys.c.key_id == row.key_id
                connection.execute(sa.update(openid_keys).where(it).values(sealed=anew))
        return len(older)


def _field(key_id: str) -> str:
    return f"openIdKeys/{key_id}"
