"""An identity provider of another make: pysaml2, which signs by the xmlsec library (its own way is a program)."""

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import xmlsec
from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NameID
from saml2.server import Server
from saml2.sigver import CryptoBackend, SecurityContext

from fakes.saml_responses import DS, Signer

NAMES = {"given_name": "Ada"}


class XmlsecLibrary(CryptoBackend):
    """Signs with the xmlsec library."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def version(self) -> str:
        return "1.2"

    def sign_statement(self, statement: object, node_name: str, key_file: str, node_id: str) -> str:
        root = etree.fromstring(statement if isinstance(statement, bytes) else str(statement).encode())
        for each in root.iter("*"):
            if each.get("ID"):
                xmlsec.tree.add_ids(each, ["ID"])
        node = next(each for each in root.iter("*") if each.get("ID") == node_id)
        signature = node.find(f"{{{DS}}}Signature")
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self._signer.key, xmlsec.KeyFormat.PEM)
        context.sign(signature)
        return etree.tostring(root).decode()


def answer(address: str, *, entity_id: str, acs: str, signer: Signer, folder: str, name: str) -> tuple[str, str]:
    """The SAMLResponse by which pysaml2 answers the request in a redirect's address, and who asked."""
    server = _server(entity_id, acs, signer, folder)
    request = server.parse_authn_request(parse_qs(urlsplit(address).query)["SAMLRequest"][0], BINDING_HTTP_REDIRECT)
    message = request.message
    reply = server.response_args(message, [BINDING_HTTP_POST])
    response = server.create_authn_response(
        NAMES,
        userid=name,
        name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=name),
        sign_assertion=True,
        sign_response=False,
        sign_alg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
        authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": entity_id},
        **reply,
    )
    return base64.b64encode(str(response).encode()).decode(), message.issuer.text


def _server(entity_id: str, acs: str, signer: Signer, folder: str) -> Server:
    key, certificate = Path(folder) / "key.pem", Path(folder) / "cert.pem"
    key.write_text(signer.key)
    certificate.write_text(signer.certificate)
    metadata = f"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{acs}"><SPSSODescriptor
      protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><AssertionConsumerService index="0"
      Binding="{BINDING_HTTP_POST}" Location="{acs}"/></SPSSODescriptor></EntityDescriptor>"""
    config = IdPConfig()
    config.load(
        {
            "entityid": entity_id,
            "key_file": str(key),
            "cert_file": str(certificate),
            "xmlsec_binary": "/bin/true",
            "metadata": {"inline": [metadata]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{entity_id}/sso", BINDING_HTTP_REDIRECT)]},
                    "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
                }
            },
        }
    )
    server = Server(config=config)
    server.sec = SecurityContext(
        XmlsecLibrary(signer), key_file=str(key), cert_file=str(certificate), metadata=server.metadata
    )
    return server
