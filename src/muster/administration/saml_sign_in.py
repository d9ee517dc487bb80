"""Signing people in to applications by SAML: which application asks, what is said of a person, and the signed answer.

These functions ask no role: a face calls them for a person who has shown who they are.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from muster.administration.desk import Stores
from muster.expression.evaluate import Environment, EvaluationError, FlowMarker, Value, evaluate
from muster.expression.syntax import parse_expression
from muster.model.application import EnterpriseApplication
from muster.model.directory import DirectoryObject, original_principal_name
from muster.model.single_sign_on import NameFormat, SamlSettings
from muster.ports.world import Ids
from muster.saml.certificates import SigningKey, read_certificate
from muster.saml.documents import Element
from muster.saml.metadata import IdentityProvider, write_identity_provider
from muster.saml.names import SamlRefused, Status
from muster.saml.requests import AuthnRequest
from muster.saml.responses import Statement, write_refusal, write_response

# Claims that tell who it is whatever else was chosen. Source: Entra, SAML token claims.
TENANT_CLAIM = "http://schemas.microsoft.com/identity/claims/tenantid"
OBJECT_CLAIM = "http://schemas.microsoft.com/identity/claims/objectidentifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The identity provider's own addresses below its public one."""

    root: str
    tenant_id: str

    @property
    def entity_id(self) -> str:
        """The identifier: what 8x8 calls IDP Issuer URL/URN."""
        return f"{self.root}/saml2/{self.tenant_id}"

    @property
    def login_url(self) -> str:
        """Where requests go."""
        return f"{self.root}/saml2"

    @property
    def logout_url(self) -> str:
        """Where requests for a logout go: the same address."""
        return f"{self.root}/saml2"

    def metadata_url(self, app_id: str) -> str:
        """The metadata of one application."""
        return f"{self.root}/saml2/metadata/{app_id}"

    def launch_url(self, app_id: str) -> str:
        """Where a tile leads: a sign-in that begins here."""
        return f"{self.root}{launch_path(app_id)}"


def launch_path(app_id: str) -> str:
    """Returns the path of the service that a tile leads to."""
    return f"/saml2/launch/{app_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relying:
    """An application that people can be signed in to, with its settings."""

    application: EnterpriseApplication
    settings: SamlSettings


def find_asking(stores: Stores, identifier: str) -> Relying:
    """Returns the application that has this identifier. Raises: SamlRefused."""
    found = stores.single_sign_on.of_identifier(identifier)
    return find_relying(stores, found or "", shown=identifier)


def find_relying(stores: Stores, name: str, *, shown: str | None = None) -> Relying:
    """Returns an application, by service principal id or app id, with single sign-on. Raises: SamlRefused."""
    application = stores.applications.get(name) if name else None
    settings = None if application is None else stores.single_sign_on.settings(application.service_principal_id)
    if application is None or settings is None or not settings.is_complete:
        raise SamlRefused("issuer", f"No application with single sign-on has the identifier {(shown or name)[:200]!r}.")
    return Relying(application=application, settings=settings)


def reply_url_for(relying: Relying, request: AuthnRequest | None) -> str:
    """Returns where the answer goes: the address that is asked for if it is registered. Raises: SamlRefused."""
    registered = relying.settings.reply_urls
    if request is None or request.reply_url is None:
        return registered[0]
    if request.reply_url not in registered:
        raise SamlRefused("reply-url", f"The reply URL {request.reply_url[:200]!r} is none that is registered.")
    return request.reply_url


def make_statement(
    ids: Ids,
    relying: Relying,
    person: DirectoryObject,
    *,
    addresses: Addresses,
    request: AuthnRequest | None,
    signed_in_at: datetime,
    session_index: str,
    now: datetime,
) -> Statement:
    """Returns what an application is told of a person. Raises: SamlRefused, also for a person without the name."""
    settings = relying.settings
    environment = Environment(now=now, new_guid=ids.new_id, draw=ids.draw, default_domain="")
    named = _texts(settings.name_expression, person, environment, "the NameID")
    if settings.name_format is NameFormat.TRANSIENT:
        named = (new_id(),)
    if len(named) != 1:
        raise SamlRefused("name", f"{person.display_name} has no value for the NameID, {settings.name_expression}.")
    attributes: dict[str, tuple[str, ...]] = {TENANT_CLAIM: (addresses.tenant_id,), OBJECT_CLAIM: (person.object_id,)}
    for claim in settings.claims:
        values = _texts(claim.expression, person, environment, f"the claim {claim.name}")
        if values:
            attributes[claim.name] = values
    return Statement(
        response_id=new_id(),
        assertion_id=new_id(),
        session_index=session_index,
        issuer=addresses.entity_id,
        audience=settings.identifier or "",
        reply_url=reply_url_for(relying, request),
        request_id=None if request is None else request.id,
        name_id=named[0],
        name_format=settings.name_format,
        attributes=attributes,
        at=now,
        signed_in_at=signed_in_at,
    )


def sign_statement(relying: Relying, statement: Statement, key: SigningKey) -> Element:
    """Returns the response that says it, signed as the application's settings ask."""
    return write_response(statement, key, signed=relying.settings.signed, hash_=relying.settings.hash)


def make_refusal(
    stores: Stores, relying: Relying, request: AuthnRequest, *, addresses: Addresses, second: Status, now: datetime
) -> Element:
    """Returns the signed response that says no. Raises: SamlRefused."""
    return write_refusal(
        response_id=new_id(),
        issuer=addresses.entity_id,
        reply_url=reply_url_for(relying, request),
        request_id=request.id,
        at=now,
        status=Status.RESPONDER,
        second=second,
        key=signing_key(stores, relying),
    )


def signing_key(stores: Stores, relying: Relying) -> SigningKey:
    """Returns the key that signs for an application. Raises: SamlRefused if there is none."""
    found = stores.single_sign_on.active_key(relying.application.service_principal_id)
    if found is None:
        raise SamlRefused("certificate", f"{relying.application.display_name} has no signing certificate.")
    certificate, key_pem = found
    return SigningKey(key_pem=key_pem, certificate=read_certificate(certificate.pem.encode()))


def metadata_of(stores: Stores, application: EnterpriseApplication, addresses: Addresses) -> bytes:
    """Returns the identity provider's metadata for an application, the active certificate first."""
    certificates = sorted(
        stores.single_sign_on.certificates(application.service_principal_id), key=lambda each: not each.is_active
    )
    return write_identity_provider(
        IdentityProvider(
            entity_id=addresses.entity_id,
            sign_on_url=addresses.login_url,
            logout_url=addresses.logout_url,
            certificates=tuple(read_certificate(each.pem.encode()) for each in certificates),
        )
    )


def new_id() -> str:
    """Returns an id for a message (xs:ID: it begins with no digit)."""
    return f"_{secrets.token_hex(16)}"


def _texts(expression: str, person: DirectoryObject, environment: Environment, what: str) -> tuple[str, ...]:
    attributes = dict(person.attributes)
    attributes["objectId"] = person.object_id
    principal_name = attributes.get("userPrincipalName")
    if isinstance(principal_name, str):
        attributes["originalUserPrincipalName"] = original_principal_name(principal_name)
    try:
        value: Value = evaluate(parse_expression(expression), attributes, environment)
    except EvaluationError as error:
        raise SamlRefused("claim", f"{what} cannot be made for {person.display_name}: {error}") from None
    if value is None or isinstance(value, FlowMarker):
        return ()
    values = value if isinstance(value, tuple | list) else (value,)
    return tuple(text for each in values if (text := _text(each)))


def _text(value: Value) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
