"""Attacks on a SAML service provider, as a table: each makes of a good claim what must be refused.

Source: Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (2012), for the eight forms of signature
wrapping; Duo (2018) for comments in names; OASIS SAML 2.0 core §5, bindings, profiles §4.1.4.3.
"""

import copy
from collections.abc import Callable, Mapping
from datetime import timedelta

from lxml import etree
from signxml import XMLSigner
from signxml.algorithms import DigestAlgorithm, SignatureMethod

from fakes.saml_responses import (
    DS,
    EXCLUSIVE,
    SAML,
    SAMLP,
    Claim,
    Signer,
    assertion_of,
    good,
    make_assertion,
    make_response,
    make_signer,
    sign,
    sign_assertion,
    signature_of,
)

VICTIM = "victim@contoso.example"
Attack = Callable[[Claim, Signer], bytes]


def _bytes(element: etree._Element) -> bytes:
    return etree.tostring(element)


def _claimed(**changes: object) -> Attack:
    """A response that is signed well and says something else."""
    return lambda claim, signer: _bytes(good(claim.but(**changes), signer))


# ---------------------------------------------------------------- signatures


def _unsigned(claim: Claim, _: Signer) -> bytes:
    return _bytes(make_response(claim))


def _wrong_key(claim: Claim, _: Signer) -> bytes:
    return _bytes(good(claim, make_signer()))


def _wrong_key_named_right(claim: Claim, signer: Signer) -> bytes:
    return _bytes(good(claim, Signer(key=make_signer().key, certificate=signer.certificate)))


def _response_signed_alone(claim: Claim, signer: Signer) -> bytes:
    return _bytes(sign(make_response(claim), signer))


def _altered(claim: Claim, signer: Signer) -> bytes:
    return _bytes(good(claim, signer)).replace(claim.name_id.encode(), VICTIM.encode())


def _removed_value(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    value = response.find(f".//{{{DS}}}SignatureValue")
    assert value is not None
    value.text = ""
    return _bytes(response)


def _other_response_signature(claim: Claim, signer: Signer) -> bytes:
    """The assertion's signature is good, and the response's is by another key."""
    return _bytes(sign(good(claim, signer), make_signer()))


def _algorithm(name: str) -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        return _bytes(good(claim, signer)).replace(SignatureMethod.RSA_SHA256.value.encode(), name.encode())

    return make


class _Old(XMLSigner):
    """A signer that signs with what is refused today."""

    def check_deprecated_methods(self) -> None:
        """Nothing is refused."""


def _old(method: SignatureMethod, digest: DigestAlgorithm) -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        xml_signer = _Old(c14n_algorithm=EXCLUSIVE, signature_algorithm=method, digest_algorithm=digest)
        return _bytes(sign_assertion(make_response(claim), signer, xml_signer))

    return make


def _keyed_hash(claim: Claim, signer: Signer) -> bytes:
    """A keyed hash, with the certificate that everybody has as its key."""
    response = make_response(claim)
    assertion = assertion_of(response)
    place = etree.Element(f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS})
    assertion.insert(1, place)
    xml_signer = XMLSigner(c14n_algorithm=EXCLUSIVE, signature_algorithm=SignatureMethod.HMAC_SHA256)
    made = xml_signer.sign(assertion, key=signer.certificate.encode(), reference_uri=f"#{assertion.get('ID')}")
    response.replace(assertion_of(response), made)
    return _bytes(response)


def _transform(algorithm: str, inner: str = "") -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        response = good(claim, signer)
        transforms = response.find(f".//{{{DS}}}Transforms")
        assert transforms is not None
        transforms.insert(
            1, etree.fromstring(f'<ds:Transform xmlns:ds="{DS}" Algorithm="{algorithm}">{inner}</ds:Transform>')
        )
        return _bytes(response)

    return make


def _reference(uri: str) -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        response = good(claim, signer)
        reference = response.find(f".//{{{DS}}}Reference")
        assert reference is not None
        reference.set("URI", uri)
        return _bytes(response)

    return make


def _void_canonical_form(claim: Claim, signer: Signer) -> bytes:
    """A relative namespace makes some canonicalisers give nothing, and the digest of nothing is well known."""
    response = good(claim, signer)
    text = _bytes(response).replace(b"<saml:Assertion ", b'<saml:Assertion xmlns:ns="1" ', 1)
    digest = response.findtext(f".//{{{DS}}}DigestValue") or ""
    return text.replace(digest.encode(), b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")


# ---------------------------------------------------------------- wrapping


def _evil(element: etree._Element, *, keep_id: bool = False) -> etree._Element:
    """A copy without its signature that names the victim."""
    evil = copy.deepcopy(element)
    for found in list(evil.iter(f"{{{DS}}}Signature")):
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)
    if not keep_id:
        evil.set("ID", "_evil")
    for name in evil.iter(f"{{{SAML}}}NameID"):
        name.text = VICTIM
    return evil


def _wrap_response_in_signature(claim: Claim, signer: Signer) -> bytes:
    whole = sign(good(claim, signer), signer)
    evil = _evil(whole)
    signature = whole[1]
    whole.remove(signature)
    etree.SubElement(signature, f"{{{DS}}}Object").append(whole)
    evil.insert(1, signature)
    return _bytes(evil)


def _wrap_response_beside_signature(claim: Claim, signer: Signer) -> bytes:
    whole = sign(good(claim, signer), signer)
    evil = _evil(whole)
    signature = whole[1]
    whole.remove(signature)
    evil.insert(1, whole)
    evil.insert(2, signature)
    return _bytes(evil)


def _wrap_evil_before(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    response.insert(list(response).index(original), _evil(original))
    return _bytes(response)


def _wrap_evil_after(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    response.append(_evil(assertion_of(response)))
    return _bytes(response)


def _wrap_original_within(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    response.replace(original, evil)
    evil.append(original)
    return _bytes(response)


def _wrap_signature_moved(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    signature = signature_of(original)
    original.remove(signature)
    evil.insert(1, signature)
    response.insert(list(response).index(original), evil)
    return _bytes(response)


def _wrap_original_in_signature(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    signature = signature_of(original)
    original.remove(signature)
    response.replace(original, evil)
    evil.insert(1, signature)
    signature.append(original)
    return _bytes(response)


def _wrap_in_extensions(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    extensions = etree.Element(f"{{{SAMLP}}}Extensions")
    extensions.append(_evil(assertion_of(response), keep_id=True))
    response.insert(1, extensions)
    return _bytes(response)


def _wrap_original_in_object(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    signature = signature_of(original)
    original.remove(signature)
    response.replace(original, evil)
    evil.insert(1, signature)
    etree.SubElement(signature, f"{{{DS}}}Object").append(original)
    return _bytes(response)


def _wrap_original_in_extensions(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    response.replace(original, evil)
    extensions = etree.Element(f"{{{SAMLP}}}Extensions")
    extensions.append(original)
    response.insert(1, extensions)
    return _bytes(response)


def _same_id_twice(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    response.insert(list(response).index(original), _evil(original, keep_id=True))
    return _bytes(response)


def _id_of_response(claim: Claim, signer: Signer) -> bytes:
    """Response and assertion have one id: which of them is signed?"""
    response = good(claim, signer)
    response.set("ID", assertion_of(response).get("ID") or "")
    return _bytes(response)


def _second_id_attribute(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    original = assertion_of(response)
    evil = _evil(original)
    evil.set("Id", original.get("ID") or "")
    evil.insert(1, copy.deepcopy(signature_of(original)))
    response.insert(list(response).index(original), evil)
    return _bytes(response)


def _two_signed(claim: Claim, signer: Signer) -> bytes:
    response = good(claim, signer)
    response.append(sign(make_assertion(claim), signer))
    return _bytes(response)


def _encrypted(claim: Claim, _: Signer) -> bytes:
    response = make_response(claim)
    encrypted = etree.Element(f"{{{SAML}}}EncryptedAssertion")
    encrypted.append(assertion_of(response))
    response.append(encrypted)
    return _bytes(response)


# ---------------------------------------------------------------- texts and documents


def _comment(where: Callable[[str], str]) -> Attack:
    """The person `victim….evil` is real; a comment, which no signature covers, cuts the name for some parsers."""

    def make(claim: Claim, signer: Signer) -> bytes:
        full = f"{claim.name_id}.evil.example"
        return _bytes(good(claim.but(name_id=full), signer)).replace(full.encode(), where(full).encode())

    return make


def _typed(declaration: str, name: str) -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        body = _bytes(good(claim, signer)).replace(claim.name_id.encode(), name.encode())
        return f"<!DOCTYPE samlp:Response {declaration}>".encode() + body

    return make


_BOMB = "[" + '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)) + "]"


def _large(claim: Claim, signer: Signer) -> bytes:
    return _bytes(good(claim.but(name_id="a" * 3_000_000), signer))


def _deep(claim: Claim, signer: Signer) -> bytes:
    nested = b"<a>" * 5_000 + b"</a>" * 5_000
    return _bytes(good(claim, signer)).replace(b"</samlp:Response>", nested + b"</samlp:Response>")


def _many(claim: Claim, signer: Signer) -> bytes:
    crowd = b"<a/>" * 60_000
    return _bytes(good(claim, signer)).replace(b"</samlp:Response>", crowd + b"</samlp:Response>")


def _plain(text: bytes) -> Attack:
    return lambda _claim, _signer: text


def _other_root(claim: Claim, signer: Signer) -> bytes:
    return _bytes(good(claim, signer)).replace(b"samlp:Response", b"samlp:LogoutResponse")


def _assertion_alone(claim: Claim, signer: Signer) -> bytes:
    return _bytes(assertion_of(good(claim, signer)))


def _other_encoding(claim: Claim, signer: Signer) -> bytes:
    return etree.tostring(good(claim, signer), encoding="UTF-16")


def _version(claim: Claim, signer: Signer) -> bytes:
    response = make_response(claim)
    assertion_of(response).set("Version", "1.1")
    return _bytes(sign_assertion(response, signer))


def _without(tag: str) -> Attack:
    def make(claim: Claim, signer: Signer) -> bytes:
        response = make_response(claim)
        found = response.find(f".//{{{SAML}}}{tag}")
        assert found is not None
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)
        return _bytes(sign_assertion(response, signer))

    return make


def _two_names(claim: Claim, signer: Signer) -> bytes:
    response = make_response(claim)
    subject = response.find(f".//{{{SAML}}}Subject")
    assert subject is not None
    second = copy.deepcopy(subject[0])
    second.text = VICTIM
    subject.insert(0, second)
    return _bytes(sign_assertion(response, signer))


def _proxy_restriction(claim: Claim, signer: Signer) -> bytes:
    """A condition nobody here knows: an assertion whose conditions are not understood is not valid (core §2.5.1)."""
    response = make_response(claim)
    conditions = response.find(f".//{{{SAML}}}Conditions")
    assert conditions is not None
    etree.SubElement(conditions, f"{{{SAML}}}Condition").text = "unknown"
    return _bytes(sign_assertion(response, signer))


_AGO = timedelta(hours=-2)
XSLT = (
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    '<xsl:template match="/"><xsl:copy-of select="document(\'/etc/passwd\')"/></xsl:template></xsl:stylesheet>'
)

ATTACKS: Mapping[str, Attack] = {
    "unsigned": _unsigned,
    "signed by another key": _wrong_key,
    "signed by another key that names our certificate": _wrong_key_named_right,
    "the response signed, the assertion not": _response_signed_alone,
    "altered after it was signed": _altered,
    "the value of the signature removed": _removed_value,
    "a second signature by another key": _other_response_signature,
    "signed with SHA-1": _old(SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256),
    "a digest of SHA-1": _old(SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1),
    "algorithm SHA-1 written over": _algorithm("http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    "algorithm MD5": _algorithm("http://www.w3.org/2001/04/xmldsig-more#rsa-md5"),
    "algorithm none": _algorithm("none"),
    "no algorithm": _algorithm(""),
    "a keyed hash with the public certificate": _keyed_hash,
    "a transform by XSLT": _transform("http://www.w3.org/TR/1999/REC-xslt-19991116", XSLT),
    "a transform by XPath": _transform(
        "http://www.w3.org/TR/1999/REC-xpath-19991116", f'<ds:XPath xmlns:ds="{DS}">0</ds:XPath>'
    ),
    "a reference to a file": _reference("file:///etc/passwd"),
    "a reference to an address": _reference("http://127.0.0.1:1/x"),
    "a reference to the whole document": _reference(""),
    "a reference to nothing": _reference("#_nothing"),
    "an empty canonical form": _void_canonical_form,
    "wrapping 1: the signed response within the signature": _wrap_response_in_signature,
    "wrapping 2: the signed response beside the signature": _wrap_response_beside_signature,
    "wrapping 3: an assertion before the signed one": _wrap_evil_before,
    "wrapping 3b: an assertion after the signed one": _wrap_evil_after,
    "wrapping 4: the signed assertion within another": _wrap_original_within,
    "wrapping 5: the signature moved into another assertion": _wrap_signature_moved,
    "wrapping 6: the signed assertion within the moved signature": _wrap_original_in_signature,
    "wrapping 7: another assertion in the extensions": _wrap_in_extensions,
    "wrapping 8: the signed assertion in an object of the signature": _wrap_original_in_object,
    "wrapping 9: the signed assertion in the extensions": _wrap_original_in_extensions,
    "wrapping 10: the same id twice": _same_id_twice,
    "wrapping 11: response and assertion of one id": _id_of_response,
    "wrapping 12: a second attribute as the id": _second_id_attribute,
    "two signed assertions": _two_signed,
    "an encrypted assertion that is none": _encrypted,
    "another audience": _claimed(audience="https://other.example/saml2"),
    "no audience": _claimed(audience=None),
    "another recipient": _claimed(recipient="https://other.example/saml2"),
    "no recipient": _claimed(recipient=None),
    "another destination": _claimed(destination="https://other.example/saml2"),
    "no destination": _claimed(destination=None),
    "another issuer": _claimed(issuer="https://other.example/"),
    "another issuer of the assertion": _claimed(assertion_issuer="https://other.example/"),
    "an answer to another request": _claimed(request_id="_another"),
    "confirmed for another request": _claimed(confirmed_request="_another"),
    "expired": _claimed(not_before=_AGO, not_after=timedelta(hours=-1)),
    "not yet valid": _claimed(not_before=timedelta(hours=1), not_after=timedelta(hours=2)),
    "confirmation expired": _claimed(confirmed_until=timedelta(hours=-1)),
    "confirmation without an end": _claimed(confirmed_until=None),
    "session over": _claimed(session_until=timedelta(hours=-1)),
    "not confirmed by bearer": _claimed(method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"),
    "status not success": _claimed(status="urn:oasis:names:tc:SAML:2.0:status:Responder"),
    "no subject": _without("Subject"),
    "no name": _without("NameID"),
    "no conditions": _without("Conditions"),
    "no statement of a sign-in": _without("AuthnStatement"),
    "an empty name": _claimed(name_id=""),
    "two names": _two_names,
    "a condition that is not known": _proxy_restriction,
    "SAML 1.1": _version,
    "a comment in the name": _comment(lambda name: name.replace(".evil", "<!---->.evil")),
    "a comment before the name": _comment(lambda name: f"<!-- x -->{name}"),
    "a processing instruction in the name": _comment(lambda name: name.replace(".evil", "<?x y?>.evil")),
    "an element in the name": _comment(lambda name: name.replace(".evil", "<b/>.evil")),
    "a document type": _typed("[]", "x"),
    "an entity of a file": _typed('[<!ENTITY x SYSTEM "file:///etc/passwd">]', "&x;"),
    "an entity of an address": _typed('[<!ENTITY x SYSTEM "http://127.0.0.1:1/">]', "&x;"),
    "a document type from elsewhere": _typed('SYSTEM "http://127.0.0.1:1/x.dtd"', "x"),
    "a parameter entity": _typed('[<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]', "x"),
    "an entity bomb": _typed(_BOMB, "&a9;"),
    "a quadratic bomb": _typed('[<!ENTITY a "' + "b" * 50_000 + '">]', "&a;" * 5_000),
    "too large": _large,
    "too deep": _deep,
    "too many elements": _many,
    "nothing": _plain(b""),
    "no XML": _plain(b"user=victim"),
    "not base64": _plain(b"\xff\xfe\x00"),
    "cut off": lambda claim, signer: _bytes(good(claim, signer))[:-20],
    "another message": _other_root,
    "an assertion without a response": _assertion_alone,
    "another encoding": _other_encoding,
}
