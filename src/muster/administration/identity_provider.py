"""The other OpenID Connect provider that signing in is delegated to: settings, a look at it, whom it vouches for."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlsplit

from muster.administration.desk import Desk, Stores
from muster.administration.refusals import RefusalKind, Refused, bad_request
from muster.model.directory import DirectoryObject, ObjectKind
from muster.model.identity_provider import (
    DISCOVERY_PATH,
    Endpoints,
    FederationRefused,
    IdentityProvider,
    MatchingAttribute,
)
from muster.model.names import is_same_name
from muster.model.roles import Permission
from muster.ports.directory import DirectoryQuery
from muster.sealing import SealingError

CATEGORY = "Policy"
URL_LIMIT = 2_048
_TEXTS = {"display_name": 100, "client_id": 500, "scope": 1_000, "claim": 100}
_NAMES = {
    "display_name": "displayName",
    "discovery_url": "wellKnownEndpoint",
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "scope": "scope",
    "claim": "matchingClaim",
    "matched_by": "matchingAttribute",
    "serves_people": "signsInPeople",
    "serves_administrators": "signsInAdministrators",
    "keeps_passwords": "keepsPasswords",
}
# By what the API and refusals call them.
GRAPH_NAMES: Mapping[str, str] = {name: field for field, name in _NAMES.items()}


def identity_provider(desk: Desk) -> IdentityProvider | None:
    """Returns the provider, None if people sign in with passwords alone. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.identity_providers.get()


def kept_identity_provider(desk: Desk) -> tuple[IdentityProvider | None, bool]:
    """Returns the provider, and whether there is one whose key is lost, to be entered anew. Raises: Refused."""
    try:
        return identity_provider(desk), False
    except SealingError:
        return None, True


def set_identity_provider(desk: Desk, changes: Mapping[str, Any]) -> IdentityProvider:
    """Returns the provider with some of its settings (fields of IdentityProvider) changed. Raises: Refused, naming one.

    Who has the provider vouch for administrators decides who gets in: it needs the right to manage access, too.
    """
    desk.require(Permission.MANAGE_INSTALLATION)
    desk.require(Permission.MANAGE_ACCESS)
    before, _ = kept_identity_provider(desk)
    missing = [_NAMES[name] for name in ("display_name", "discovery_url", "client_id") if not changes.get(name)]
    if before is None and missing:
        raise bad_request(f"The property {missing[0]} is required and takes a text.")
    after = IdentityProvider(**changes) if before is None else replace(before, **changes)
    after = replace(after, discovery_url=_discovery_url(after.discovery_url))
    _check(after)
    is_kept = before is not None and before.client_secret is not None and "client_secret" not in changes
    if is_kept and _party(before) != _party(after):
        # Else a kept secret could be sent to an address of the caller's choice, and so be read.
        raise bad_request("Another provider or client needs its clientSecret entered.")
    if after == before:
        return after
    desk.stores.identity_providers.put(after)
    told = tuple(
        (_NAMES[each.name], _shown(before, each.name), _shown(after, each.name))
        for each in fields(IdentityProvider)
        if before is None or getattr(before, each.name) != getattr(after, each.name)
    )
    desk.note("Update identity provider", CATEGORY, target=_target(desk, after), changes=told)
    return after


def remove_identity_provider(desk: Desk) -> None:
    """Removes the provider: everybody signs in with passwords again. Raises: Refused."""
    desk.require(Permission.MANAGE_INSTALLATION)
    desk.require(Permission.MANAGE_ACCESS)
    before, is_lost = kept_identity_provider(desk)
    if before is None and not is_lost:
        raise nobody()
    desk.stores.identity_providers.put(None)
    changes = () if before is None else (("wellKnownEndpoint", before.discovery_url, None),)
    desk.note("Remove identity provider", CATEGORY, target=_target(desk, before), changes=changes)


def look_at_identity_provider(desk: Desk) -> Endpoints:
    """Returns what the provider says of itself now. Raises: Refused, with what it did wrong."""
    desk.require(Permission.MANAGE_INSTALLATION)
    provider = desk.stores.identity_providers.get()
    if provider is None:
        raise nobody()
    try:
        return desk.relying_party.look(provider, desk.now())
    except FederationRefused as refused:
        raise bad_request(refused.sentence, code="IdentityProviderNotUsable") from None


def nobody() -> Refused:
    """Returns the refusal for an installation that has no other provider."""
    return Refused(
        RefusalKind.NOT_FOUND,
        "Request_ResourceNotFound",
        "There is no identity provider: people sign in with passwords of this directory.",
    )


def find_vouched(stores: Stores, provider: IdentityProvider, value: str) -> DirectoryObject | None:
    """Returns whom of the directory the value of the provider's claim names, blocked people too.

    None if it is nobody, or more than one: then nobody knows which.
    """
    if provider.matched_by is MatchingAttribute.USER_PRINCIPAL_NAME:
        person = stores.directory.get(ObjectKind.USER, value)
        # The store finds by object id, too.
        is_it = person is not None and is_same_name(str(person.attributes.get("userPrincipalName")), value)
        return person if is_it else None
    query = DirectoryQuery(kind=ObjectKind.USER, comparisons=(("mail", "eq", value),), limit=2)
    found = stores.directory.search(query).objects
    is_one = len(found) == 1 and is_same_name(str(found[0].attributes.get("mail")), value)
    return found[0] if is_one else None


def _discovery_url(text: str) -> str:
    """The discovery address; an issuer is completed to it."""
    given = text.strip()
    try:
        parts = urlsplit(given)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("https", "http") or len(given) > URL_LIMIT or not given.isprintable():
        raise bad_request("wellKnownEndpoint takes an address such as https://id.example.com" + DISCOVERY_PATH + ".")
    if parts.query or parts.fragment or parts.username or " " in given:
        raise bad_request("wellKnownEndpoint takes an address without user, query or fragment.")
    return given if given.endswith(DISCOVERY_PATH) else given.rstrip("/") + DISCOVERY_PATH


def _check(provider: IdentityProvider) -> None:
    for name, limit in _TEXTS.items():
        text = getattr(provider, name)
        if not text.strip() or len(text) > limit or not text.isprintable():
            raise bad_request(f"{_NAMES[name]} takes a text of 1 to {limit} characters.")
    secret = provider.client_secret
    if secret is not None and not (0 < len(secret) <= 2_000 and secret.isprintable()):
        raise bad_request("clientSecret takes a text of 1 to 2,000 characters, or null for a public client.")
    if "openid" not in provider.scope.split():
        raise bad_request("scope has to name openid.")
    if not provider.keeps_passwords and not provider.serves_people:
        raise bad_request("keepsPasswords cannot be false while signsInPeople is: nobody could sign in.")


def _party(provider: IdentityProvider | None) -> tuple[str, str] | None:
    return None if provider is None else (provider.discovery_url, provider.client_id)


def _shown(provider: IdentityProvider | None, name: str) -> str | None:
    value = None if provider is None else getattr(provider, name)
    return None if value is None else "*" if name == "client_secret" else str(value)


def _target(desk: Desk, provider: IdentityProvider | None) -> tuple[str, str, str]:
    return ("IdentityProvider", desk.tenant_id, "" if provider is None else provider.display_name)
