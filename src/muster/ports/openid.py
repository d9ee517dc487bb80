"""The store of OpenID Connect: settings of applications, signing keys, codes and access tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from muster.model.openid import OpenIdGrant, OpenIdKey, OpenIdSettings


class OpenIdStore(Protocol):
    """Secrets, codes and tokens as hashes; signing keys sealed at rest."""

    def settings(self, service_principal_id: str) -> OpenIdSettings | None:
        """Returns an application's settings, None before they are made."""
        ...

    def all_settings(self) -> Mapping[str, OpenIdSettings]:
        """Returns the settings of all applications that have some, by service principal id."""
        ...

    def put(self, service_principal_id: str, settings: OpenIdSettings) -> None:
        """Keeps settings. Raises: LookupError."""
        ...

    def signing_keys(self) -> Sequence[OpenIdKey]:
        """Returns the signing keys, the newest first."""
        ...

    def add_key(self, key: OpenIdKey, forget_before: datetime) -> None:
        """Keeps a new key; those made before an instant go, but not the one that has signed until now."""
        ...

    def add_code(self, code_hash: str, grant: OpenIdGrant, expires_at: datetime) -> None:
        """Keeps what a code stands for."""
        ...

    def take_code(self, code_hash: str, at: datetime) -> OpenIdGrant | None:
        """Returns what a code stands for and uses it up; None if it is unknown, over or used.

        A code that comes a second time has been stolen by somebody: the token that it was exchanged for is revoked.
        """
        ...

    def add_token(self, code_hash: str, token_hash: str, expires_at: datetime) -> bool:
        """Keeps the access token that a code was exchanged for; False if the code was revoked meanwhile."""
        ...

    def find_token(self, token_hash: str, at: datetime) -> OpenIdGrant | None:
        """Returns what an access token stands for, None if it is unknown, over or revoked."""
        ...

    def reseal(self) -> int:
        """Seals with the key in force what was sealed with an older one, all or nothing; returns how many."""
        ...
