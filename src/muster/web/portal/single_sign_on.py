"""An application's single sign-on by SAML: its numbered cards, certificates, downloads, and a test."""

from typing import Any

import flask

from muster.administration import signing_certificates, single_sign_on
from muster.administration.refusals import Refused, bad_request
from muster.administration.saml_sign_in import Addresses, metadata_of
from muster.model.single_sign_on import Claim, Hash, NameFormat, Signed
from muster.saml.certificates import read_certificate
from muster.saml.documents import render_pretty
from muster.saml.names import SamlRefused
from muster.ui.language import gettext
from muster.web.portal.forms import done, field, is_ticked
from muster.web.portal.paths import desk
from muster.web.portal.shelves import find_shelf, show

METADATA_BYTES = 60_000
CLAIMS_CHARACTERS = 20_000


def show_sign_on(sp: str, refusal: Refused | None = None, tried: Any = None) -> Any:
    """GET /applications/<sp>/single-sign-on"""
    found = find_shelf(sp)
    shown = single_sign_on.sign_on_of(desk(), found.sp)
    settings = shown.settings
    return show(
        "applications/single_sign_on.html",
        found,
        settings=settings,
        certificates=shown.certificates,
        idp=_addresses(),
        formats=tuple(NameFormat),
        options=tuple(Signed),
        hashes=tuple(Hash),
        verification=_verifying(settings.request_certificate),
        claims="\n".join(f"{claim.name} = {claim.expression}" for claim in settings.claims),
        refusal=refusal,
        tried=tried,
        response=None if tried is None else render_pretty(tried.response),
        form=flask.request.form,
    )


def save_sign_on(sp: str) -> Any:
    """POST /applications/<sp>/single-sign-on"""
    found = find_shelf(sp)
    try:
        file = flask.request.files.get("metadata")
        if file is not None and file.filename:
            single_sign_on.take_metadata(desk(), found.sp, file.read(METADATA_BYTES))
            return done(found.to("single-sign-on"), "saved")
        single_sign_on.set_sign_on(
            desk(),
            found.sp,
            {
                **_verification(),
                "is_enabled": is_ticked("enabled"),
                "identifier": field("identifier") or None,
                "reply_urls": tuple(field("reply_urls", CLAIMS_CHARACTERS).split()),
                "sign_on_url": field("sign_on_url") or None,
                "relay_state": field("relay_state") or None,
                "logout_url": field("logout_url") or None,
                "name_expression": field("name_expression"),
                "name_format": NameFormat(_one_of("name_format", NameFormat)),
                "claims": _claims(field("claims", CLAIMS_CHARACTERS)),
                "signed": Signed(_one_of("signed", Signed)),
                "hash": Hash(_one_of("hash", Hash)),
                "notified": tuple(field("notified").replace(",", " ").split()),
            },
        )
    except Refused as refused:
        return show_sign_on(sp, refused), 400
    return done(found.to("single-sign-on"), "saved")


def change_certificates(sp: str) -> Any:
    """POST /applications/<sp>/single-sign-on/certificates: makes one, or activates or removes the one that is named."""
    found = find_shelf(sp)
    try:
        if name := field("activate", 100):
            signing_certificates.activate_certificate(desk(), found.sp, name)
        elif name := field("remove", 100):
            signing_certificates.remove_certificate(desk(), found.sp, name)
        else:
            signing_certificates.create_certificate(desk(), found.sp)
    except Refused as refused:
        return show_sign_on(sp, refused), 400
    return done(found.to("single-sign-on"), "saved")


def test_sign_on(sp: str) -> Any:
    """POST /applications/<sp>/single-sign-on/test: the response that a person would get, decoded."""
    found = find_shelf(sp)
    try:
        tried = single_sign_on.try_sign_on(desk(), found.sp, field("principal", 200), _addresses())
    except Refused as refused:
        return show_sign_on(sp, refused), 400
    return show_sign_on(sp, tried=tried)


def download(sp: str, name: str) -> Any:
    """GET /applications/<sp>/single-sign-on/<name>: certificate.cer (Base64), certificate.crt (raw), metadata.xml."""
    found = find_shelf(sp)
    shown = single_sign_on.sign_on_of(desk(), found.sp)
    active = next((each for each in shown.certificates if each.is_active), None)
    if active is None:
        flask.abort(404)
    certificate = read_certificate(active.pem.encode())
    contents = {
        "certificate.cer": (certificate.pem.encode(), "application/x-pem-file"),
        "certificate.crt": (certificate.der, "application/pkix-cert"),
        "metadata.xml": (
            metadata_of(desk().stores, shown.application, _addresses()),
            "application/samlmetadata+xml",
        ),
    }
    if name not in contents:
        flask.abort(404)
    content, kind = contents[name]
    response = flask.Response(content, mimetype=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _verifying(pem: str | None) -> Any:
    return None if pem is None else read_certificate(pem.encode())


def _verification() -> dict[str, Any]:
    """The certificate that requests must be signed by: another one, none any more, or nothing about it."""
    file = flask.request.files.get("verification")
    if file is not None and file.filename:
        try:
            return {"request_certificate": read_certificate(file.read(METADATA_BYTES)).pem}
        except SamlRefused as refused:
            sentence = gettext("The file is no certificate of an RSA key, in PEM or DER.")
            raise bad_request(sentence, code="InvalidCertificate") from refused
    return {"request_certificate": None} if is_ticked("unsigned") else {}


def _claims(text: str) -> tuple[Claim, ...]:
    claims = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, separator, expression = line.partition(" = ")
        if not separator:
            raise bad_request(gettext("A claim is written “name = expression”, one a line."))
        claims.append(Claim(name=name.strip(), expression=expression.strip()))
    return tuple(claims)


def _one_of(name: str, choices: Any) -> str:
    value = field(name, 100)
    if value not in {each.value for each in choices}:
        raise bad_request(gettext("Choose one of the list."))
    return value


def _addresses() -> Addresses:
    rooms = flask.current_app.extensions["services"]
    return Addresses(root=rooms.root(flask.request.environ), tenant_id=desk().tenant_id)
