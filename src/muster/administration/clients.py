"""App registrations: programs that sign in with a client id and a secret, and the access tokens they get."""

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.administration.desk import Change, Desk, Stores
from muster.administration.refusals import bad_request, not_found
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Permission, Role
from muster.ports.world import Ids
from muster.sealing import hash_token, make_token

CATEGORY = "ApplicationManagement"
NAME_LIMIT = 120
# For one in use, one to rotate to, and some left over.
SECRETS_LIMIT = 10
SECRET_PREFIX = "muster_s_"  # noqa: S105  what leaked secrets are recognised by, no secret
HINT_CHARACTERS = len(SECRET_PREFIX) + 3
# Microsoft Graph, addPassword: two years unless an end is given.
SECRET_LIFETIME = timedelta(days=730)
TOKEN_LIFETIME = timedelta(hours=1)


def create_client(desk: Desk, display_name: str, roles: Collection[Role] = ()) -> ClientApplication:
    """Returns the new registration, without a secret yet. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = ClientApplication(
        application_id=desk.ids.new_id(),
        service_principal_id=desk.ids.new_id(),
        app_id=desk.ids.new_id(),
        display_name=_checked_name(display_name),
        roles=frozenset(roles),
        created_at=desk.now(),
    )
    desk.stores.clients.add(client)
    _note(desk, "Add application", client, (("roles", None, shown_roles(client.roles)),))
    return client


def clients(desk: Desk) -> Sequence[ClientApplication]:
    """Returns all registrations by name, without the secrets themselves. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.clients.list()


def known_client(desk: Desk, name: str) -> ClientApplication | None:
    """Returns a registration by one of its ids, None for a name that is none's. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    found = desk.stores.clients.get(name)
    return found if found is not None and desk.reaches(found.service_principal_id) else None


def find_client(desk: Desk, name: str) -> ClientApplication:
    """Returns a registration by application id, service principal id or client id. Raises: Refused."""
    found = known_client(desk, name)
    if found is None:
        raise not_found("Application", name)
    return found


def rename_client(desk: Desk, name: str, display_name: str) -> None:
    """Gives a registration another name. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    new_name = _checked_name(display_name)
    if new_name != client.display_name:
        desk.stores.clients.change(client.application_id, display_name=new_name)
        _note(desk, "Update application", client, (("displayName", client.display_name, new_name),))


def switch_client(desk: Desk, name: str, *, is_enabled: bool) -> None:
    """Lets a registration sign in or not; switched off, its access tokens are refused at once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    if is_enabled is not client.is_enabled:
        desk.stores.clients.change(client.application_id, is_enabled=is_enabled)
        changes = (("accountEnabled", str(client.is_enabled), str(is_enabled)),)
        _note(desk, "Update service principal", client, changes)


def set_client_roles(desk: Desk, name: str, roles: frozenset[Role]) -> None:
    """Gives a registration these roles; access tokens in use have them at once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    if roles != client.roles:
        desk.stores.clients.change(client.application_id, roles=roles)
        _note(desk, "Update application", client, (("roles", shown_roles(client.roles), shown_roles(roles)),))


def remove_client(desk: Desk, name: str) -> None:
    """Removes a registration; its access tokens end at once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    desk.stores.clients.remove(client.application_id)
    _note(desk, "Delete application", client)


def add_secret(
    desk: Desk, name: str, display_name: str | None = None, expires_at: datetime | None = None
) -> tuple[ClientSecret, str]:
    """Returns a new secret's entry and the secret itself, which is shown this once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    if len(client.secrets) >= SECRETS_LIMIT:
        raise bad_request(f"An application has at most {SECRETS_LIMIT} secrets: remove one that is no longer used.")
    if display_name is not None:
        _checked_name(display_name)
    ends = expires_at or desk.now() + SECRET_LIFETIME
    if ends <= desk.now():
        raise bad_request("endDateTime must lie in the future.")
    text = make_token(SECRET_PREFIX)
    secret = ClientSecret(
        key_id=desk.ids.new_id(),
        display_name=display_name,
        hint=text[:HINT_CHARACTERS],
        created_at=desk.now(),
        expires_at=ends,
    )
    desk.stores.clients.add_secret(client.application_id, secret, hash_token(text))
    _note(desk, "Add client secret", client, (("passwordCredentials", None, f"{secret.key_id} until {ends:%Y-%m-%d}"),))
    return secret, text


def remove_secret(desk: Desk, name: str, key_id: str) -> None:
    """Removes a secret; access tokens it was exchanged for end at once. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    client = find_client(desk, name)
    if not desk.stores.clients.remove_secret(client.application_id, key_id):
        raise bad_request(f"No password credential found with keyId “{key_id[:100]}”.")
    _note(desk, "Remove client secret", client, (("passwordCredentials", key_id, None),))


# ---------------------------------------------------------------- signing in


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An access token as it is given out."""

    token: str
    lifetime: timedelta


class SignInRefused(Exception):
    """A client may not sign in. `error` is OAuth's code, `number` Entra's (AADSTS…)."""

    def __init__(self, error: str, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.error = error
        self.number = number
        self.sentence = sentence


def issue_token(
    stores: Stores, ids: Ids, at: datetime, *, client_id: str, secret: str, issuer: str, tenant_id: str
) -> Issued:
    """Returns an access token for a client id and its secret. Raises: SignInRefused.

    The token has the form of a JWT, as some clients read its claims; in the place of the signature stands chance, and
    only the whole token's hash is kept: nobody can make one, and it ends when its secret is removed.
    """
    client = stores.clients.get(client_id)
    if client is None or client.app_id != client_id:
        raise SignInRefused(
            "unauthorized_client", 700016, f"Application with identifier '{client_id[:100]}' was not found."
        )
    if not client.is_enabled:
        raise SignInRefused("unauthorized_client", 7000112, f"Application '{client.app_id}' is disabled.")
    found = stores.clients.find_secret(client.app_id, hash_token(secret))
    if found is None:
        raise SignInRefused(
            "invalid_client",
            7000215,
            f"Invalid client secret provided for app '{client.app_id}': send the secret, not its id.",
        )
    if found.expires_at <= at:
        raise SignInRefused(
            "invalid_client",
            7000222,
            f"The provided client secret of app '{client.app_id}' expired on {found.expires_at:%Y-%m-%d}: add another.",
        )
    token_id = ids.new_id()
    ends = min(at + TOKEN_LIFETIME, found.expires_at)
    claims = {
        "aud": issuer,
        "iss": f"{issuer}/{tenant_id}/v2.0",
        "iat": int(at.timestamp()),
        "nbf": int(at.timestamp()),
        "exp": int(ends.timestamp()),
        "appid": client.app_id,
        "app_displayname": client.display_name,
        "azp": client.app_id,
        "idtyp": "app",
        "oid": client.service_principal_id,
        "sub": client.service_principal_id,
        "tid": tenant_id,
        "roles": sorted(role.value for role in client.roles),
        "uti": token_id,
        "ver": "2.0",
    }
    token = ".".join((_part({"typ": "JWT", "alg": "HS256"}), _part(claims), make_token("")))
    stores.clients.add_access_token(client.app_id, found.key_id, token_id, hash_token(token), at, ends)
    return Issued(token=token, lifetime=ends - at)


def shown_roles(roles: Collection[Role]) -> str | None:
    """Returns roles as the audit log shows them."""
    return ", ".join(sorted(role.value for role in roles)) or None


def _part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode().rstrip("=")


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not stripped or len(stripped) > NAME_LIMIT or not stripped.isprintable():
        raise bad_request(f"displayName takes 1 to {NAME_LIMIT} printable characters.")
    return stripped


def _note(desk: Desk, activity: str, client: ClientApplication, changes: tuple[Change, ...] = ()) -> None:
    desk.note(activity, CATEGORY, target=("Application", client.application_id, client.display_name), changes=changes)
