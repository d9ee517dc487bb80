"""Single sign-on of an application by SAML: Graph's addTokenSigningCertificate, and settings as one document (ours)."""

import base64
from datetime import datetime
from typing import Any

from muster.administration import signing_certificates, single_sign_on
from muster.administration.refusals import bad_request
from muster.administration.saml_sign_in import Addresses, metadata_of
from muster.administration.single_sign_on import ShownSignOn
from muster.model.single_sign_on import Claim, Hash, NameFormat, SamlSettings, Signed, SigningCertificate
from muster.saml.certificates import read_certificate
from muster.saml.documents import render_pretty
from muster.web.graph.applications import application_of
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    list_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.render import instant

MODE = "saml"
_TEXTS = {
    "identifier": "identifier",
    "signOnUrl": "sign_on_url",
    "relayState": "relay_state",
    "logoutUrl": "logout_url",
    "verificationCertificate": "request_certificate",
}
_CHOICES = {
    "nameIdFormat": ("name_format", NameFormat),
    "signingOption": ("signed", Signed),
    "signingAlgorithm": ("hash", Hash),
}
_LISTS = {"replyUrls": "reply_urls", "notificationEmailAddresses": "notified"}
_FIELDS = frozenset(
    {*_TEXTS, *_CHOICES, *_LISTS, "preferredSingleSignOnMode", "nameIdExpression", "claims"}
    | {"preferredTokenSigningKeyThumbprint", "metadata"}
)


def get_sign_on(call: Call) -> Answer:
    """GET …/{sp}/singleSignOn: settings, certificates, and the addresses that the application needs of us."""
    return _shown(call, single_sign_on.sign_on_of(call.desk, application_of(call).service_principal_id))


def update_sign_on(call: Call) -> Answer:
    """PATCH …/{sp}/singleSignOn: changes what is given; `metadata` is that of the application."""
    sp, fields = application_of(call).service_principal_id, call.fields()
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise bad_request(f"singleSignOn has no property {unknown[0][:60]}; it has {', '.join(sorted(_FIELDS))}.")
    shown = single_sign_on.sign_on_of(call.desk, sp)
    metadata = text_of(fields, "metadata", optional=True)
    if metadata is not None:
        shown = single_sign_on.take_metadata(call.desk, sp, metadata.encode())
    changes = read_changes(fields)
    if changes:
        shown = single_sign_on.set_sign_on(call.desk, sp, changes)
    thumbprint = text_of(fields, "preferredTokenSigningKeyThumbprint", optional=True)
    if thumbprint is not None:
        signing_certificates.activate_certificate(call.desk, sp, thumbprint)
        shown = single_sign_on.sign_on_of(call.desk, sp)
    return _shown(call, shown)


def add_certificate(call: Call) -> Answer:
    """POST …/{sp}/addTokenSigningCertificate: {"displayName": "CN=…", "endDateTime": "…"}."""
    sp, fields = application_of(call).service_principal_id, call.fields(optional=True)
    name = text_of(fields, "displayName", optional=True)
    ends = text_of(fields, "endDateTime", optional=True)
    made = signing_certificates.create_certificate(call.desk, sp, subject=name, ends_at=_instant(ends))
    return call.entity("selfSignedCertificate", certificate(made), status=200)


def remove_certificate(call: Call) -> Answer:
    """DELETE …/{sp}/tokenSigningCertificates/{certificate}: one that is not active, by key id or thumbprint."""
    sp = application_of(call).service_principal_id
    signing_certificates.remove_certificate(call.desk, sp, call.parts["certificate"])
    return NO_CONTENT


def get_metadata(call: Call) -> Answer:
    """GET …/{sp}/federationMetadata: the identity provider's metadata for this application, as XML."""
    shown = single_sign_on.sign_on_of(call.desk, application_of(call).service_principal_id)
    content = metadata_of(call.desk.stores, shown.application, _addresses(call))
    return Answer(stream=iter((content,)), content_type="application/samlmetadata+xml")


def test_sign_on(call: Call) -> Answer:
    """POST …/{sp}/singleSignOn/test: {"principalId": "…"}; the response that this person would get, sent to nobody."""
    sp = application_of(call).service_principal_id
    principal = required_text(call.fields(), "principalId")
    tried = single_sign_on.try_sign_on(call.desk, sp, principal, _addresses(call))
    return Answer(
        document={
            "nameId": tried.name_id,
            "nameIdFormat": tried.name_format,
            "replyUrl": tried.reply_url,
            "attributes": [{"name": name, "values": list(values)} for name, values in tried.attributes.items()],
            "isAssigned": tried.is_assigned,
            "response": render_pretty(tried.response),
        }
    )


def read_changes(fields: Document) -> dict[str, Any]:
    """Returns the settings that a document names, as fields of SamlSettings. Raises: Refused."""
    changes: dict[str, Any] = {}
    for name, to in _TEXTS.items():
        if name in fields:
            changes[to] = text_of(fields, name, optional=True)
    for name, (to, choices) in _CHOICES.items():
        if name in fields:
            changes[to] = _choice(name, required_text(fields, name), choices)
    for name, to in _LISTS.items():
        if name in fields:
            items = list_of(fields, name)
            if any(not isinstance(item, str) for item in items):
                raise bad_request(f"The property {name} takes a list of texts.")
            changes[to] = tuple(items)
    if "preferredSingleSignOnMode" in fields:
        mode = text_of(fields, "preferredSingleSignOnMode", optional=True)
        if mode not in (None, MODE):
            raise bad_request(f"preferredSingleSignOnMode takes {MODE}, or null for none.")
        changes["is_enabled"] = mode == MODE
    if "nameIdExpression" in fields:
        changes["name_expression"] = required_text(fields, "nameIdExpression")
    if "claims" in fields:
        changes["claims"] = tuple(
            Claim(name=required_text(item, "name"), expression=required_text(item, "expression"))
            for item in object_list(fields, "claims")
        )
    return changes


def settings_document(settings: SamlSettings) -> Document:
    """Returns settings as they are read and written."""
    return {
        "preferredSingleSignOnMode": MODE if settings.is_enabled else None,
        **{name: getattr(settings, of) for name, of in _TEXTS.items()},
        **{name: list(getattr(settings, of)) for name, of in _LISTS.items()},
        **{name: getattr(settings, of).value for name, (of, _) in _CHOICES.items()},
        "nameIdExpression": settings.name_expression,
        "claims": [{"name": claim.name, "expression": claim.expression} for claim in settings.claims],
    }


def certificate(found: SigningCertificate) -> Document:
    """Returns Graph's selfSignedCertificate; `isActive` is ours. The private key never leaves."""
    return {
        "keyId": found.key_id,
        "customKeyIdentifier": base64.b64encode(bytes.fromhex(found.thumbprint)).decode(),
        "displayName": found.subject,
        "thumbprint": found.thumbprint,
        "startDateTime": instant(found.not_before),
        "endDateTime": instant(found.not_after),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": read_certificate(found.pem.encode()).base64,
        "isActive": found.is_active,
    }


def _shown(call: Call, shown: ShownSignOn) -> Answer:
    addresses = _addresses(call)
    active = next((each.thumbprint for each in shown.certificates if each.is_active), None)
    return Answer(
        document={
            **settings_document(shown.settings),
            "preferredTokenSigningKeyThumbprint": active,
            "certificates": [certificate(each) for each in shown.certificates],
            "identityProvider": {
                "identifier": addresses.entity_id,
                "loginUrl": addresses.login_url,
                "logoutUrl": addresses.logout_url,
                "metadataUrl": addresses.metadata_url(shown.application.app_id),
                "userAccessUrl": addresses.launch_url(shown.application.app_id),
            },
        }
    )


def _addresses(call: Call) -> Addresses:
    return Addresses(root=call.root.rpartition("/")[0], tenant_id=call.desk.tenant_id)


def _choice(name: str, value: str, choices: Any) -> Any:
    try:
        return choices(value)
    except ValueError:
        raise bad_request(f"{name} takes one of {', '.join(each.value for each in choices)}.") from None


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request("endDateTime takes an instant such as 2029-01-31T00:00:00Z.") from None
    if at.tzinfo is None:
        raise bad_request("endDateTime takes an instant with its zone, such as 2029-01-31T00:00:00Z.")
    return at
