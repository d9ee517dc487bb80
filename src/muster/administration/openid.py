"""An application's sign-on by OpenID Connect as an administrator sets it up, and the keys that sign the tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from muster.administration.applications import find_application, require_managed
from muster.administration.desk import Desk, Stores
from muster.administration.refusals import bad_request, not_found
from muster.expression.nodes import Attribute, children_of
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.model.application import EnterpriseApplication
from muster.model.directory import ATTRIBUTES_OF, COMPUTED_ATTRIBUTES, ObjectKind
from muster.model.openid import RESERVED_CLAIMS, SCOPES, OpenIdClaim, OpenIdKey, OpenIdSecret, OpenIdSettings
from muster.model.roles import Permission
from muster.ports.world import Ids
from muster.sealing import hash_token, make_token

CATEGORY = "ApplicationManagement"
SECRET_PREFIX = "muster_o_"  # noqa: S105  what leaked secrets are recognised by, no secret
HINT_CHARACTERS = len(SECRET_PREFIX) + 3
ADDRESS_LIMIT = 2_048
ADDRESSES_LIMIT = 50
CLAIMS_LIMIT = 50
# One in use, and one to change to.
SECRETS_LIMIT = 2
KEY_LIFETIME = timedelta(days=90)
# Tokens live for an hour; applications keep published keys for a day or so.
KEY_PUBLISHED = timedelta(days=7)
# What browsers do something with themselves: `javascript.x` is no domain of anybody's.
_BROWSERS_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "ftp", "http", "https", "javascript", "vbscript", "view-source"}
)
_NAMES = frozenset(field.name for field in fields(OpenIdSettings)) - {"secrets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOpenId:
    """An application with its settings."""

    application: EnterpriseApplication
    settings: OpenIdSettings


def openid_of(desk: Desk, service_principal_id: str) -> ShownOpenId:
    """Returns an application's settings, the defaults before they are made. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    found = desk.stores.openid.settings(application.service_principal_id) or OpenIdSettings()
    return ShownOpenId(application=application, settings=found)


def set_openid(desk: Desk, service_principal_id: str, changes: Mapping[str, Any]) -> ShownOpenId:
    """Returns the settings with some of them (fields of OpenIdSettings) changed. Raises: Refused, naming one."""
    desk.require(Permission.WRITE_CONFIGURATION)
    before = openid_of(desk, service_principal_id)
    require_managed(desk, before.application)
    after = replace(before.settings, **{name: value for name, value in changes.items() if name in _NAMES})
    _check(after)
    if after == before.settings:
        return before
    desk.stores.openid.put(before.application.service_principal_id, after)
    told = tuple(
        (f"openIdConnect.{name}", _shown(getattr(before.settings, name)), _shown(getattr(after, name)))
        for name in sorted(_NAMES)
        if getattr(before.settings, name) != getattr(after, name)
    )
    desk.note("Update application", CATEGORY, target=_target(before.application), changes=told)
    return ShownOpenId(application=before.application, settings=after)


def add_secret(desk: Desk, service_principal_id: str) -> tuple[OpenIdSecret, str]:
    """Returns a new secret's entry and the secret itself, which is shown this once. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    found = openid_of(desk, service_principal_id)
    require_managed(desk, found.application)
    if len(found.settings.secrets) >= SECRETS_LIMIT:
        raise bad_request(f"An application has at most {SECRETS_LIMIT} secrets: remove the one that is not used.")
    text = make_token(SECRET_PREFIX)
    secret = OpenIdSecret(
        key_id=desk.ids.new_id(), secret_hash=hash_token(text), hint=text[:HINT_CHARACTERS], created_at=desk.now()
    )
    kept = replace(found.settings, secrets=(*found.settings.secrets, secret))
    desk.stores.openid.put(found.application.service_principal_id, kept)
    changes = (("openIdConnect.secrets", None, secret.key_id),)
    desk.note("Add client secret", CATEGORY, target=_target(found.application), changes=changes)
    return secret, text


def remove_secret(desk: Desk, service_principal_id: str, key_id: str) -> None:
    """Removes a secret; the application cannot use it any more. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    found = openid_of(desk, service_principal_id)
    left = tuple(each for each in found.settings.secrets if each.key_id != key_id)
    if len(left) == len(found.settings.secrets):
        raise not_found("Secret", key_id)
    desk.stores.openid.put(found.application.service_principal_id, replace(found.settings, secrets=left))
    changes = (("openIdConnect.secrets", key_id, None),)
    desk.note("Remove client secret", CATEGORY, target=_target(found.application), changes=changes)


def roll_keys(desk: Desk) -> OpenIdKey:
    """Returns a new signing key, which signs from now on; the one before stays published. Raises: Refused."""
    desk.require(Permission.MANAGE_INSTALLATION)
    key = _new_key(desk.stores, desk.ids, desk.now())
    target = ("Installation", desk.tenant_id, "OpenID Connect")
    desk.note("Roll signing key", CATEGORY, target=target, changes=(("keyId", None, key.key_id),))
    return key


def signing_key(stores: Stores, ids: Ids, at: datetime) -> OpenIdKey:
    """Returns the key that signs; a new one if there is none, or the newest has signed for long enough."""
    keys = stores.openid.signing_keys()
    if keys and at - keys[0].created_at < KEY_LIFETIME:
        return keys[0]
    return _new_key(stores, ids, at)


def _new_key(stores: Stores, ids: Ids, at: datetime) -> OpenIdKey:
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = OpenIdKey(key_id=ids.new_id(), created_at=at, private_pem=pem)
    stores.openid.add_key(key, at - KEY_PUBLISHED)
    return key


def _check(settings: OpenIdSettings) -> None:
    if len(settings.redirect_uris) > ADDRESSES_LIMIT:
        raise bad_request(f"redirectUris takes up to {ADDRESSES_LIMIT} addresses.")
    for uri in settings.redirect_uris:
        _check_address("redirectUris", uri)
    if len(set(settings.redirect_uris)) < len(settings.redirect_uris):
        raise bad_request("redirectUris names an address twice.")
    if settings.sign_on_url is not None:
        _check_address("signOnUrl", settings.sign_on_url)
    if settings.is_enabled and not settings.redirect_uris:
        raise bad_request("redirectUris needs an address before single sign-on is enabled.")
    if len(settings.claims) > CLAIMS_LIMIT:
        raise bad_request(f"claims takes up to {CLAIMS_LIMIT} claims.")
    for claim in settings.claims:
        _check_claim(claim, [each.name for each in settings.claims])


def _check_claim(claim: OpenIdClaim, names: list[str]) -> None:
    what = f"The claim {claim.name[:100]}"
    if not claim.name or len(claim.name) > 200 or not claim.name.isprintable() or " " in claim.name:
        raise bad_request("A claim has a name of 1 to 200 printable characters without blanks.")
    if claim.name in RESERVED_CLAIMS:
        raise bad_request(f"{what} is one that every token has: choose another name.")
    if names.count(claim.name) > 1:
        raise bad_request(f"{what} is there twice.")
    if claim.scope is not None and claim.scope not in SCOPES:
        raise bad_request(f"{what}: scope is one of {', '.join(SCOPES)}.")
    try:
        waiting = [parse_expression(claim.expression)]
    except ExpressionSyntaxError as error:
        raise bad_request(f"{what}: {error}", code="InvalidExpression") from None
    known = {*ATTRIBUTES_OF[ObjectKind.USER], *COMPUTED_ATTRIBUTES[:1]}
    while waiting:
        node = waiting.pop()
        if isinstance(node, Attribute) and node.name not in known:
            raise bad_request(f"{what}: people have no attribute [{node.name}].", code="InvalidExpression")
        waiting.extend(children_of(node))


def _check_address(name: str, address: str) -> None:
    """An address that a browser is sent to: https, http on this machine alone, or a scheme of a mobile app."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise bad_request(f"{name}: “{address[:100]}” is no address.") from None
    is_local = host in ("localhost", "127.0.0.1", "::1")
    is_web = bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_local))
    # RFC 8252 §7.1: a scheme of one's own is a domain name backwards.
    labels = parts.scheme.split(".")
    is_domain = len(labels) > 1 and all(labels) and labels[0] not in _BROWSERS_SCHEMES
    is_app = name == "redirectUris" and is_domain and parts.scheme.isascii()
    if len(address) > ADDRESS_LIMIT or not address.isprintable() or " " in address or not (is_web or is_app):
        raise bad_request(f"{name} takes addresses that begin with https:// (http:// on this machine alone).")
    if parts.fragment or parts.username or "*" in address or address.endswith("#"):
        raise bad_request(f"{name} takes whole addresses, without user, asterisk or fragment.")


def _shown(value: Any) -> str | None:
    if isinstance(value, tuple):
        texts = (f"{each.name}={each.expression}" if isinstance(each, OpenIdClaim) else str(each) for each in value)
        return "; ".join(texts) or None
    return None if value is None else str(value)


def _target(application: EnterpriseApplication) -> tuple[str, str, str]:
    return ("ServicePrincipal", application.service_principal_id, application.display_name)
