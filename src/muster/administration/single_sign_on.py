"""An application's single sign-on as an administrator sets it up: settings, claims, metadata of the application."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

from muster.administration.applications import find_application, require_managed, template_of
from muster.administration.desk import Change, Desk
from muster.administration.my_apps import is_assigned
from muster.administration.people import find_user
from muster.administration.refusals import bad_request, conflict
from muster.administration.saml_sign_in import (
    Addresses,
    find_relying,
    make_statement,
    new_id,
    sign_statement,
    signing_key,
)
from muster.administration.signing_certificates import create_certificate
from muster.administration.signing_in import Reception
from muster.expression.nodes import Attribute, children_of
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.gallery.page import GalleryPage
from muster.model.application import EnterpriseApplication
from muster.model.directory import ATTRIBUTES_OF, ObjectKind
from muster.model.roles import Permission
from muster.model.single_sign_on import SamlSettings, SigningCertificate
from muster.planning.notices import is_mail_address
from muster.ports.single_sign_on import IdentifierTaken
from muster.saml.certificates import make_signing_key, read_certificate
from muster.saml.documents import Element
from muster.saml.metadata import read_service_provider
from muster.saml.names import LIMIT_RELAY_STATE_CHARACTERS, SamlRefused

CATEGORY = "ApplicationManagement"
ADDRESS_LIMIT = 2_048
REPLY_URLS_LIMIT = 50
CLAIMS_LIMIT = 50
NOTIFIED_LIMIT = 5
_NAMES = tuple(field.name for field in fields(SamlSettings))
# An identifier is any URI: an address or a URN.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSignOn:
    """What there is of an application's single sign-on."""

    application: EnterpriseApplication
    settings: SamlSettings
    certificates: Sequence[SigningCertificate]


def sign_on_of(desk: Desk, service_principal_id: str) -> ShownSignOn:
    """Returns an application's single sign-on; before it is set up what its gallery page suggests. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    store = desk.stores.single_sign_on
    return ShownSignOn(
        application=application,
        settings=store.settings(application.service_principal_id) or suggested(template_of(desk, application)),
        certificates=store.certificates(application.service_principal_id),
    )


def suggested(page: GalleryPage) -> SamlSettings:
    """Returns the settings that a gallery page suggests, not enabled."""
    facts = {fact.name: fact.value for fact in page.facts}
    reply_url = facts.get("samlReplyUrl")
    return SamlSettings(
        identifier=facts.get("samlIdentifier"),
        reply_urls=() if reply_url is None else (reply_url,),
        sign_on_url=facts.get("samlSignOnUrl"),
    )


def set_sign_on(
    desk: Desk, service_principal_id: str, changes: Mapping[str, Any], *, is_whole: bool = True
) -> ShownSignOn:
    """Returns single sign-on with some of its settings (fields of SamlSettings) changed. Raises: Refused, naming one.

    Whoever enables it first gets a signing certificate. `is_whole`: it is not enabled before it has its addresses.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    before = sign_on_of(desk, service_principal_id)
    application = before.application
    require_managed(desk, application)
    settings = replace(before.settings, **changes)
    _check(settings, is_whole=is_whole)
    if settings.request_certificate is not None and settings.request_certificate != before.settings.request_certificate:
        settings = replace(settings, request_certificate=_certificate(settings.request_certificate))
    try:
        desk.stores.single_sign_on.put(application.service_principal_id, settings)
    except IdentifierTaken:
        raise conflict(
            f"Another application has the identifier {settings.identifier}: requests could not be told apart. "
            "Use that application, or take the identifier from it first.",
            code="IdentifierTaken",
        ) from None
    told = tuple(
        (f"singleSignOn.{name}", _shown(getattr(before.settings, name)), _shown(getattr(settings, name)))
        for name in _NAMES
        if getattr(before.settings, name) != getattr(settings, name)
    )
    if told:
        _note(desk, "Update application", application, told)
    if settings.is_enabled and not before.certificates:
        create_certificate(desk, application.service_principal_id)
    return sign_on_of(desk, application.service_principal_id)


def take_metadata(desk: Desk, service_principal_id: str, content: bytes) -> ShownSignOn:
    """Returns single sign-on with what an application's metadata says of its addresses. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    try:
        found = read_service_provider(content)
    except SamlRefused as refused:
        raise bad_request(refused.sentence, code="InvalidMetadata") from None
    return set_sign_on(
        desk,
        service_principal_id,
        {"identifier": found.entity_id, "reply_urls": found.reply_urls, "logout_url": found.logout_url},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSignOn:
    """What a person's application would be sent; it was sent to nobody."""

    name_id: str
    name_format: str
    reply_url: str
    attributes: Mapping[str, Sequence[str]]
    # Whether the person may sign in to it.
    is_assigned: bool
    response: Element


def try_sign_on(desk: Desk, service_principal_id: str, principal: str, addresses: Addresses) -> TriedSignOn:
    """Returns the response that a person, by id or principal name, would get. Raises: Refused, saying why none.

    It is signed by a key made for this alone: nobody can sign in as somebody else with what is shown.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    person = find_user(desk, principal)
    now = desk.now()
    try:
        relying = find_relying(desk.stores, application.service_principal_id)
        statement = make_statement(
            desk.ids,
            relying,
            person,
            addresses=addresses,
            request=None,
            signed_in_at=now,
            session_index=new_id(),
            now=now,
        )
        signing_key(desk.stores, relying)
    except SamlRefused as refused:
        raise bad_request(refused.sentence, code="SignOnNotPossible") from None
    reception = Reception(stores=desk.stores, clock=desk.clock, ids=desk.ids)
    return TriedSignOn(
        name_id=statement.name_id,
        name_format=statement.name_format.value,
        reply_url=statement.reply_url,
        attributes=statement.attributes,
        is_assigned=is_assigned(reception, person, application.service_principal_id),
        response=sign_statement(relying, statement, make_signing_key("For a test alone", now=now)),
    )


def _check(settings: SamlSettings, *, is_whole: bool) -> None:
    if settings.identifier is not None and (
        not _URI.fullmatch(settings.identifier) or len(settings.identifier) > ADDRESS_LIMIT
    ):
        raise bad_request("identifier takes a URI, such as https://sso.8x8.com/saml2.")
    if len(settings.reply_urls) > REPLY_URLS_LIMIT:
        raise bad_request(f"replyUrls takes at most {REPLY_URLS_LIMIT} addresses.")
    for name, addresses in (
        ("replyUrls", settings.reply_urls),
        ("signOnUrl", (settings.sign_on_url,)),
        ("logoutUrl", (settings.logout_url,)),
    ):
        for address in addresses:
            if address is not None:
                _check_address(name, address)
    if settings.relay_state is not None and (
        len(settings.relay_state) > LIMIT_RELAY_STATE_CHARACTERS or not settings.relay_state.isprintable()
    ):
        raise bad_request(f"relayState takes up to {LIMIT_RELAY_STATE_CHARACTERS} printable characters.")
    _check_expression("nameIdExpression", settings.name_expression)
    _check_claims(settings)
    if len(settings.notified) > NOTIFIED_LIMIT or not all(is_mail_address(each) for each in settings.notified):
        raise bad_request(f"notificationEmailAddresses takes up to {NOTIFIED_LIMIT} mail addresses.")
    if is_whole and settings.is_enabled and not settings.is_complete:
        raise bad_request(
            "Single sign-on needs an identifier and a reply URL: the application's documentation names both."
        )


def _check_claims(settings: SamlSettings) -> None:
    if len(settings.claims) > CLAIMS_LIMIT:
        raise bad_request(f"claims takes at most {CLAIMS_LIMIT} claims.")
    names = [claim.name for claim in settings.claims]
    for claim in settings.claims:
        if not claim.name.strip() or len(claim.name) > ADDRESS_LIMIT or not claim.name.isprintable():
            raise bad_request("A claim needs a name, such as a URI.")
        if names.count(claim.name) > 1:
            raise bad_request(f"The claim {claim.name} is there twice.")
        _check_expression(f"The claim {claim.name}", claim.expression)


def _check_expression(what: str, text: str) -> None:
    try:
        node = parse_expression(text)
    except ExpressionSyntaxError as error:
        raise bad_request(f"{what}: {error}", code="InvalidExpression") from None
    known = ATTRIBUTES_OF[ObjectKind.USER]
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Attribute) and each.name not in known and not each.name.startswith("extension_"):
            raise bad_request(f"{what}: people have no attribute [{each.name}].", code="InvalidExpression")
        waiting.extend(children_of(each))


def _check_address(name: str, address: str) -> None:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    is_safe = host is not None and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))
    if not is_safe or len(address) > ADDRESS_LIMIT or not address.isprintable() or " " in address or parts.username:
        raise bad_request(f"{name} takes an address that begins with https:// (http:// on this machine alone).")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _certificate(text: str) -> str:
    try:
        return read_certificate(text.encode()).pem
    except SamlRefused as refused:
        raise bad_request(f"verificationCertificate: {refused.sentence}", code="InvalidCertificate") from None


def _shown(value: Any) -> str | None:
    match value:
        case None | ():
            return None
        case tuple():
            return ", ".join(
                f"{each.name}={each.expression}" if hasattr(each, "expression") else each for each in value
            )
        case _:
            return str(value)


def _note(desk: Desk, activity: str, application: EnterpriseApplication, changes: tuple[Change, ...]) -> None:
    desk.note(
        activity,
        CATEGORY,
        target=("ServicePrincipal", application.service_principal_id, application.display_name),
        changes=changes,
    )
