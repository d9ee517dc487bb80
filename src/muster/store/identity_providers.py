"""The store of the provider that signing in is delegated to: one row, sealed."""

import sqlalchemy as sa

from muster.database.connection import Database, upsert
from muster.model.identity_provider import IdentityProvider
from muster.sealing import Sealer
from muster.store.encoding import decode, encode
from muster.store.openid_tables import identity_providers

_FIELD = "installation/identityProvider"
_KEY = 1


class SqlIdentityProviders:
    """The IdentityProviderStore on SQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def get(self) -> IdentityProvider | None:
        """Returns the provider, None before there is one. Raises: SealingError."""
        with self._database.read() as connection:
            sealed = connection.execute(sa.select(identity_providers.c.sealed)).scalar()
        return None if sealed is None else decode(self._sealer.unseal(sealed, field=_FIELD).encode(), IdentityProvider)

    def put(self, provider: IdentityProvider | None) -> None:
        """Keeps the provider in place of the one before; None: there is none any more."""
        with self._database.write() as connection:
            if provider is None:
                connection.execute(sa.delete(identity_providers))
                return
            row = {"key": _KEY, "sealed": self._sealer.seal(encode(provider).decode(), field=_FIELD)}
            upsert(connection, identity_providers, [row], keys=("key",))

    def reseal(self) -> int:
        """Seals the provider anew if an older key has sealed it; returns how many values that were."""
        with self._database.write() as connection:
            sealed = connection.execute(sa.select(identity_providers.c.sealed)).scalar()
            if sealed is None or self._sealer.is_current(sealed):
                return 0
            anew = self._sealer.seal(self._sealer.unseal(sealed, field=_FIELD), field=_FIELD)
            connection.execute(sa.update(identity_providers).values(sealed=anew))
        return 1
