"""Metadata: what an identity provider and a service provider tell each other of themselves. Source: SAML metadata."""

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from muster.saml.certificates import Certificate, read_certificate
from muster.saml.documents import Element, add, child, children, descendants, is_element, parse, require_child, text_of
from muster.saml.names import DS, METADATA, SAMLP, Binding, NameFormat, SamlRefused

LIMIT_METADATA_BYTES = 1_048_576
LIMIT_CERTIFICATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """An identity provider: its identifier, where requests go, and by which certificates it signs."""

    entity_id: str
    sign_on_url: str
    logout_url: str | None
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProvider:
    """A service provider: its identifier and where answers go, the default first."""

    entity_id: str
    reply_urls: tuple[str, ...]
    logout_url: str | None


def write_identity_provider(provider: IdentityProvider) -> bytes:
    """The metadata document of an identity provider."""
    root = _entity(provider.entity_id)
    role = add(root, METADATA, "IDPSSODescriptor", WantAuthnRequestsSigned="false", protocolSupportEnumeration=SAMLP)
    _add_keys(role, provider.certificates)
    if provider.logout_url is not None:
        add(role, METADATA, "SingleLogoutService", Binding=Binding.REDIRECT.value, Location=provider.logout_url)
    for format_ in NameFormat:
        add(role, METADATA, "NameIDFormat", format_.value)
    for binding in Binding:
        add(role, METADATA, "SingleSignOnService", Binding=binding.value, Location=provider.sign_on_url)
    return _document(root)


def write_service_provider(provider: ServiceProvider) -> bytes:
    """The metadata document of a service provider that wants assertions signed."""
    root = _entity(provider.entity_id)
    role = add(
        root,
        METADATA,
        "SPSSODescriptor",
        AuthnRequestsSigned="false",
        WantAssertionsSigned="true",
        protocolSupportEnumeration=SAMLP,
    )
    if provider.logout_url is not None:
        add(role, METADATA, "SingleLogoutService", Binding=Binding.REDIRECT.value, Location=provider.logout_url)
    add(role, METADATA, "NameIDFormat", NameFormat.EMAIL.value)
    for index, address in enumerate(provider.reply_urls):
        add(
            role,
            METADATA,
            "AssertionConsumerService",
            Binding=Binding.POST.value,
            Location=address,
            index=str(index),
            isDefault="true" if index == 0 else None,
        )
    return _document(root)


def read_identity_provider(content: bytes) -> IdentityProvider:
    """The identity provider of a metadata document. Raises: SamlRefused."""
    entity = _read_entity(content, "IDPSSODescriptor")
    role = require_child(entity, METADATA, "IDPSSODescriptor")
    certificates = _read_keys(role)
    if not certificates:
        raise SamlRefused("metadata", "The metadata has no signing certificate.")
    sign_on = _locations(role, "SingleSignOnService", (Binding.REDIRECT, Binding.POST))
    if not sign_on:
        raise SamlRefused("metadata", "The metadata has no address for signing in by HTTP-Redirect or HTTP-POST.")
    logout = _locations(role, "SingleLogoutService", (Binding.REDIRECT,))
    return IdentityProvider(
        entity_id=_entity_id(entity),
        sign_on_url=sign_on[0],
        logout_url=logout[0] if logout else None,
        certificates=certificates,
    )


def read_service_provider(content: bytes) -> ServiceProvider:
    """The service provider of a metadata document. Raises: SamlRefused."""
    entity = _read_entity(content, "SPSSODescriptor")
    role = require_child(entity, METADATA, "SPSSODescriptor")
    replies = _locations(role, "AssertionConsumerService", (Binding.POST,))
    if not replies:
        raise SamlRefused("metadata", "The metadata has no address for answers by HTTP-POST.")
    logout = _locations(role, "SingleLogoutService", (Binding.REDIRECT,))
    return ServiceProvider(
        entity_id=_entity_id(entity), reply_urls=tuple(replies), logout_url=logout[0] if logout else None
    )


def _entity(entity_id: str) -> Element:
    root = etree.Element(f"{{{METADATA}}}EntityDescriptor", nsmap={None: METADATA, "ds": DS})
    root.set("entityID", entity_id)
    return root


def _add_keys(role: Element, certificates: Sequence[Certificate]) -> None:
    for certificate in certificates:
        data = add(add(add(role, METADATA, "KeyDescriptor", use="signing"), DS, "KeyInfo"), DS, "X509Data")
        add(data, DS, "X509Certificate", certificate.base64)


def _document(root: Element) -> bytes:
    rendered: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return rendered


def _read_entity(content: bytes, role: str) -> Element:
    root = parse(content, limit_bytes=LIMIT_METADATA_BYTES)
    entities = (
        [root] if is_element(root, METADATA, "EntityDescriptor") else children(root, METADATA, "EntityDescriptor")
    )
    playing = [each for each in entities if child(each, METADATA, role) is not None]
    if len(playing) != 1:
        what = "an identity provider" if role.startswith("IDP") else "a service provider"
        raise SamlRefused("metadata", f"The file is no metadata of one entity that is {what}.")
    return playing[0]


def _entity_id(entity: Element) -> str:
    name: str = entity.get("entityID") or ""
    if not name:
        raise SamlRefused("metadata", "The metadata has no entityID.")
    return name


def _read_keys(role: Element) -> tuple[Certificate, ...]:
    found: list[Certificate] = []
    for descriptor in children(role, METADATA, "KeyDescriptor"):
        if descriptor.get("use") in (None, "signing"):
            found += [
                read_certificate(text_of(each).encode()) for each in descendants(descriptor, DS, "X509Certificate")
            ]
    return tuple(found[:LIMIT_CERTIFICATES])


def _locations(role: Element, tag: str, bindings: tuple[Binding, ...]) -> list[str]:
    """Addresses by the order of the bindings; of a default reply address that one first."""
    found = children(role, METADATA, tag)
    found.sort(key=lambda each: each.get("isDefault") not in ("true", "1"))
    return [
        each.get("Location")
        for binding in bindings
        for each in found
        if each.get("Binding") == binding.value and each.get("Location")
    ]
