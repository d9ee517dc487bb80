"""The store of app registrations and of who owns what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role


class ClientStore(Protocol):
    """App registrations and their secrets, which are kept as hashes."""

    def add(self, client: ClientApplication) -> None:
        """Keeps a new registration (its secrets are added one by one)."""
        ...

    def get(self, name: str) -> ClientApplication | None:
        """Returns a registration by application id, service principal id or app id."""
        ...

    def list(self) -> Sequence[ClientApplication]:
        """Returns all registrations by display name."""
        ...

    def change(
        self,
        application_id: str,
        *,
        display_name: str | None = None,
        roles: frozenset[Role] | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Changes what is given."""
        ...

    def remove(self, application_id: str) -> None:
        """Removes a registration with its secrets and access tokens."""
        ...

    def add_secret(self, application_id: str, secret: ClientSecret, secret_hash: str) -> None:
        """Keeps a secret."""
        ...

    def remove_secret(self, application_id: str, key_id: str) -> bool:
        """Removes a secret and the access tokens it was exchanged for; False if there is none."""
        ...

    def find_secret(self, app_id: str, secret_hash: str) -> ClientSecret | None:
        """Returns the secret of a client with a hash, expired ones too."""
        ...

    def add_access_token(
        self, app_id: str, key_id: str, token_id: str, token_hash: str, at: datetime, expires_at: datetime
    ) -> None:
        """Keeps an access token, notes the secret's use, and forgets the client's tokens that have expired."""
        ...


class OwnerStore(Protocol):
    """Who owns which application (by service principal id) or group (by object id)."""

    def add(self, subject_id: str, owner_id: str) -> bool:
        """Makes an owner; False for one that is one already."""
        ...

    def remove(self, subject_id: str, owner_id: str) -> bool:
        """Takes ownership away; False if there was none."""
        ...

    def owners(self, subject_id: str) -> Sequence[str]:
        """Returns the ids of the owners, in the order in which they became so."""
        ...

    def owned_by(self, owner_id: str) -> frozenset[str]:
        """Returns the ids of what somebody owns."""
        ...
