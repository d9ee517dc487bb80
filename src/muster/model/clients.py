"""App registrations: programs that sign in to the API with a client id and a secret."""

from dataclasses import dataclass
from datetime import datetime

from muster.model.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A secret as it is listed (Graph passwordCredential); the secret itself is kept only as a hash."""

    key_id: str
    display_name: str | None
    # Its first characters, by which people know it again.
    hint: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """A token or secret that ends: its id, what to call it, and when it ends."""

    id: str
    name: str
    expires_at: datetime
    # The application whose signing certificate it is.
    service_principal_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientApplication:
    """An app registration with its service principal, Graph's application and servicePrincipal in one."""

    application_id: str
    service_principal_id: str
    # The client id.
    app_id: str
    display_name: str
    roles: frozenset[Role]
    created_at: datetime
    secrets: tuple[ClientSecret, ...] = ()
    is_enabled: bool = True
