"""Single sign-on of an application as a configuration says it, and as what admins set up."""

from typing import Any

from muster.administration.applications import template_of
from muster.administration.desk import Desk
from muster.administration.openid import set_openid
from muster.administration.single_sign_on import set_sign_on, suggested
from muster.model.application import EnterpriseApplication
from muster.model.configuration_sign_on import OpenIdSignOn, SamlSignOn, SignOnPart
from muster.model.openid import OpenIdClaim
from muster.model.single_sign_on import Claim

# By the fields of the settings: what a configuration calls them.
_SAML = {
    "is_enabled": "enabled",
    "identifier": "identifier",
    "reply_urls": "reply_urls",
    "sign_on_url": "sign_on_url",
    "relay_state": "relay_state",
    "logout_url": "logout_url",
    "name_expression": "name_id",
    "name_format": "name_id_format",
    "claims": "claims",
    "signed": "signing_option",
    "hash": "signing_algorithm",
    "request_certificate": "verification_certificate",
    "notified": "notified",
}
_OPENID = {
    "is_enabled": "enabled",
    "redirect_uris": "redirect_uris",
    "sign_on_url": "sign_on_url",
    "is_public": "public_client",
    "requires_pkce": "requires_pkce",
    "claims": "claims",
}
# Texts that a null takes away; of everything else null says nothing.
_REMOVABLE = frozenset({"identifier", "sign_on_url", "relay_state", "logout_url", "request_certificate"})


def export_saml(desk: Desk, application: EnterpriseApplication) -> SamlSignOn | None:
    """Returns how people are signed in by SAML, None before anybody has set it up.

    A text that is not there, though the gallery page suggests one, is a null: without it an apply would fill it in.
    """
    found = desk.stores.single_sign_on.settings(application.service_principal_id)
    if found is None:
        return None
    hints = suggested(template_of(desk, application))
    given = {name: getattr(found, of) for of, name in _SAML.items()}
    given["claims"] = {claim.name: claim.expression for claim in found.claims}
    taken = {
        name: None
        for of, name in _SAML.items()
        if of in _REMOVABLE and given[name] is None and getattr(hints, of) is not None
    }
    return SamlSignOn.model_validate(_by_alias(SamlSignOn, given) | _aliased(SamlSignOn, taken))


def export_openid(desk: Desk, service_principal_id: str) -> OpenIdSignOn | None:
    """Returns how people are signed in by OpenID Connect, None before anybody has set it up."""
    found = desk.stores.openid.settings(service_principal_id)
    if found is None:
        return None
    given = {name: getattr(found, of) for of, name in _OPENID.items()}
    given["claims"] = {claim.name: {"expression": claim.expression, "scope": claim.scope} for claim in found.claims}
    return OpenIdSignOn.model_validate(_by_alias(OpenIdSignOn, given))


def set_saml(desk: Desk, service_principal_id: str, wanted: SamlSignOn) -> None:
    """Sets single sign-on by SAML up as it is wanted. Raises: Refused."""
    changes = _changes(wanted, _SAML)
    if wanted.claims is not None:
        changes["claims"] = tuple(Claim(name=name, expression=text) for name, text in wanted.claims.items())
    if changes:
        set_sign_on(desk, service_principal_id, changes)


def set_open_id(desk: Desk, service_principal_id: str, wanted: OpenIdSignOn) -> None:
    """Sets single sign-on by OpenID Connect up as it is wanted. Raises: Refused."""
    changes = _changes(wanted, _OPENID)
    if wanted.claims is not None:
        changes["claims"] = tuple(
            OpenIdClaim(name=name, expression=claim.expression, scope=claim.scope)
            for name, claim in wanted.claims.items()
        )
    if changes:
        set_openid(desk, service_principal_id, changes)


def _changes(wanted: SignOnPart, names: dict[str, str]) -> dict[str, Any]:
    """The fields that a part names."""
    found = {}
    for of, name in names.items():
        value = getattr(wanted, name)
        if name in wanted.model_fields_set and (value is not None or of in _REMOVABLE):
            found[of] = tuple(value) if isinstance(value, list) else value
    return found


def _by_alias(part: type[SignOnPart], given: dict[str, Any]) -> dict[str, Any]:
    return _aliased(part, {name: value for name, value in given.items() if value is not None})


def _aliased(part: type[SignOnPart], given: dict[str, Any]) -> dict[str, Any]:
    return {part.model_fields[name].alias or name: value for name, value in given.items()}
