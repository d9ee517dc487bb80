"""Single sign-on of applications by OpenID Connect (ours; Graph has no such call): settings, secrets, signing keys."""

from typing import Any

from muster.administration import openid
from muster.administration.openid import ShownOpenId
from muster.administration.refusals import bad_request
from muster.model.openid import OpenIdClaim, OpenIdSecret
from muster.web.graph.applications import application_of
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    check_fixed,
    flag_of,
    list_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.render import instant

_FLAGS = {"isEnabled": "is_enabled", "isPublicClient": "is_public", "requiresPkce": "requires_pkce"}
_NAMES = {*_FLAGS, "redirectUris", "signOnUrl", "claims"}


def get_settings(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}/openIdConnect."""
    return _shown(call, openid.openid_of(call.desk, application_of(call).service_principal_id))


def update_settings(call: Call) -> Answer:
    """PATCH /servicePrincipals/{sp}/openIdConnect: what is not given stays."""
    fields = call.fields()
    check_fixed(fields, {}, _NAMES)
    changes: dict[str, Any] = {
        name: flag for given, name in _FLAGS.items() if (flag := flag_of(fields, given)) is not None
    }
    if "redirectUris" in fields:
        uris = list_of(fields, "redirectUris")
        if any(not isinstance(uri, str) for uri in uris):
            raise bad_request("redirectUris takes a list of texts.")
        changes["redirect_uris"] = tuple(uris)
    if "signOnUrl" in fields:
        changes["sign_on_url"] = text_of(fields, "signOnUrl", optional=True)
    if "claims" in fields:
        changes["claims"] = tuple(
            OpenIdClaim(
                name=required_text(claim, "name"),
                expression=required_text(claim, "expression"),
                scope=text_of(claim, "scope", optional=True),
            )
            for claim in object_list(fields, "claims")
        )
    return _shown(call, openid.set_openid(call.desk, application_of(call).service_principal_id, changes))


def add_secret(call: Call) -> Answer:
    """POST /servicePrincipals/{sp}/openIdConnect/secrets: a new one, shown this once."""
    secret, text = openid.add_secret(call.desk, application_of(call).service_principal_id)
    return Answer(status=201, document={**_secret(secret), "secretText": text})


def remove_secret(call: Call) -> Answer:
    """DELETE /servicePrincipals/{sp}/openIdConnect/secrets/{secret}."""
    openid.remove_secret(call.desk, application_of(call).service_principal_id, call.parts["secret"])
    return NO_CONTENT


def roll_key(call: Call) -> Answer:
    """POST /openIdConnect/rollKey: a new key signs from now on; the one before stays published."""
    key = openid.roll_keys(call.desk)
    return Answer(document={"keyId": key.key_id, "createdDateTime": instant(key.created_at)})


def _shown(call: Call, found: ShownOpenId) -> Answer:
    settings = found.settings
    document: Document = {
        "id": found.application.service_principal_id,
        "clientId": found.application.app_id,
        "issuer": f"{call.root.rpartition('/')[0]}/oidc",
        "isEnabled": settings.is_enabled,
        "isPublicClient": settings.is_public,
        "requiresPkce": settings.is_public or settings.requires_pkce,
        "redirectUris": list(settings.redirect_uris),
        "signOnUrl": settings.sign_on_url,
        "claims": [
            {"name": claim.name, "expression": claim.expression, "scope": claim.scope} for claim in settings.claims
        ],
        "secrets": [_secret(each) for each in settings.secrets],
    }
    return call.entity("openIdConnect", document)


def _secret(secret: OpenIdSecret) -> Document:
    return {"keyId": secret.key_id, "hint": secret.hint, "createdDateTime": instant(secret.created_at)}
