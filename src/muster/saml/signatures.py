"""Signatures over XML, by signxml, and over the query of a redirect. What was not signed is not given back.

Source: W3C XML Signature; SAML core §5, bindings §3.4.4.1.
"""

import base64
from collections.abc import Collection
from datetime import datetime
from urllib.parse import quote_plus, unquote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature as InvalidBytes
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from muster.saml.certificates import Certificate, SigningKey, read_key
from muster.saml.documents import Element, child, children, descendants, render
from muster.saml.names import DS, Hash, SamlRefused

ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
_CANONICAL = frozenset({_EXCLUSIVE.value, CanonicalizationMethod.CANONICAL_XML_1_0.value})
_METHODS = {
    Hash.SHA256: (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256, hashes.SHA256),
    Hash.SHA384: (SignatureMethod.RSA_SHA384, DigestAlgorithm.SHA384, hashes.SHA384),
    Hash.SHA512: (SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512, hashes.SHA512),
}
_METHOD_NAMES = frozenset(method.value for method, _, _ in _METHODS.values())
_DIGEST_NAMES = frozenset(digest.value for _, digest, _ in _METHODS.values())
_OF_QUERIES = {method.value: kind for method, _, kind in _METHODS.values()}
_LOCATION = "./"


def sign(element: Element, key: SigningKey, hash_: Hash = Hash.SHA256) -> Element:
    """The element, which has an ID and an issuer, with its signature in the place after the issuer (core §5.4)."""
    method, digest, _ = _METHODS[hash_]
    place = etree.Element(f"{{{DS}}}Signature", nsmap={"ds": DS}, Id="placeholder")
    element.insert(1, place)
    signer = XMLSigner(signature_algorithm=method, digest_algorithm=digest, c14n_algorithm=_EXCLUSIVE)
    return signer.sign(
        element,
        key=key.key_pem.encode(),
        cert=key.certificate.pem,
        reference_uri=f"#{element.get('ID')}",
        id_attribute="ID",
    )


def is_signed(element: Element) -> bool:
    """Whether the element holds a signature of its own."""
    return bool(children(element, DS, "Signature"))


def verify(element: Element, certificates: Collection[Certificate], *, now: datetime) -> Element:
    """What the element's own signature covers: a copy of the element, and nothing else may be read.

    Its signature is a direct child, has one reference, which names this element, and no transform but the two that SAML
    knows. The key is one of `certificates`, whatever the message says of it.

    Raises: SamlRefused.
    """
    name = etree.QName(element).localname
    signature = child(element, DS, "Signature")
    if signature is None:
        raise SamlRefused("unsigned", f"The {name} is not signed.")
    _check_reference(element, signature, name)
    current = [each for each in certificates if each.not_before <= now <= each.not_after]
    if not current:
        raise SamlRefused("certificate-expired", "No certificate of the identity provider is valid now.")
    # The element stands alone here: ids elsewhere in the message cannot be meant.
    alone = render(element)
    for certificate in current:
        config = SignatureConfiguration(
            location=_LOCATION,
            expect_references=1,
            signature_methods=frozenset(method for method, _, _ in _METHODS.values()),
            digest_algorithms=frozenset(digest for _, digest, _ in _METHODS.values()),
            # KeyInfo is what the sender says; the certificate is what we know.
            ignore_ambiguous_key_info=True,
            verification_time=now,
        )
        try:
            verified = XMLVerifier().verify(alone, x509_cert=certificate.pem, id_attribute="ID", expect_config=config)
        except (SignXMLException, InvalidBytes, ValueError, TypeError, AttributeError, etree.LxmlError):
            continue
        covered = None if isinstance(verified, list) else verified.signed_xml
        if covered is None or covered.tag != element.tag or covered.get("ID") != element.get("ID"):
            raise SamlRefused("signature", f"The signature of the {name} covers something else.")
        return covered
    raise SamlRefused("signature", f"The signature of the {name} is not by a key that we know, or does not fit it.")


def _check_reference(element: Element, signature: Element, name: str) -> None:
    own_id = element.get("ID")
    if not own_id or sum(each.get("ID") == own_id for each in element.iter("*")) != 1:
        raise SamlRefused("signature", f"The {name} has no id of its own.")
    if len(list(descendants(signature, DS, "Object"))) or len(list(descendants(signature, DS, "Signature"))) != 1:
        raise SamlRefused("signature", "The signature holds other things.")
    references = list(descendants(signature, DS, "Reference"))
    if len(references) != 1 or references[0].get("URI") != f"#{own_id}":
        raise SamlRefused("signature", f"The signature does not refer to the {name}.")
    for tag, taken in (("SignatureMethod", _METHOD_NAMES), ("DigestMethod", _DIGEST_NAMES)):
        if any(each.get("Algorithm") not in taken for each in descendants(signature, DS, tag)):
            raise SamlRefused("algorithm", "The signature uses an algorithm that is not taken: RSA with SHA-256 is.")
    for transform in descendants(signature, DS, "Transform"):
        if transform.get("Algorithm") not in {ENVELOPED, *_CANONICAL}:
            raise SamlRefused("signature", "The signature transforms what it signs.")


def sign_query(fields: list[tuple[str, str]], key: SigningKey, hash_: Hash = Hash.SHA256) -> str:
    """The query of a redirect with its signature: message, relay state, algorithm, in this order."""
    method, _, kind = _METHODS[hash_]
    query = "&".join(f"{name}={quote_plus(value)}" for name, value in [*fields, ("SigAlg", method.value)])
    signature = read_key(key.key_pem).sign(query.encode(), padding.PKCS1v15(), kind())
    return f"{query}&Signature={quote_plus(base64.b64encode(signature).decode())}"


def verify_query(query: str, name: str, certificates: Collection[Certificate], *, now: datetime) -> None:
    """Checks the signature over a redirect's query, as it was sent. `name` is that of the message's field.

    Raises: SamlRefused.
    """
    parts: dict[str, str] = {}
    for part in query.split("&"):
        field, _, value = part.partition("=")
        # As whoever reads the message reads it: an encoded name is that name, too.
        field = unquote_plus(field)
        if field in parts:
            raise SamlRefused("signature", f"{field[:40]} is given twice.")
        parts[field] = value
    wanted = [each for each in (name, "RelayState", "SigAlg") if each in parts]
    if "Signature" not in parts or "SigAlg" not in parts:
        raise SamlRefused("unsigned", "The request is not signed.")
    signed = "&".join(f"{each}={parts[each]}" for each in wanted).encode()
    kind = _OF_QUERIES.get(unquote_plus(parts["SigAlg"]))
    if kind is None:
        raise SamlRefused("algorithm", "The request is signed with an algorithm that is not taken.")
    try:
        signature = base64.b64decode(unquote_plus(parts["Signature"]), validate=True)
    except ValueError:  # also of what is no ASCII
        raise SamlRefused("signature", "The signature is no base64.") from None
    for certificate in certificates:
        key = x509.load_pem_x509_certificate(certificate.pem.encode()).public_key()
        if not certificate.not_before <= now <= certificate.not_after or not isinstance(key, rsa.RSAPublicKey):
            continue
        try:
            key.verify(signature, signed, padding.PKCS1v15(), kind())
        except InvalidBytes:
            continue
        return
    raise SamlRefused("signature", "The signature of the request is not by a key that we know.")
