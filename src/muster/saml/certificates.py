"""Signing keys with their self-signed certificates, and certificates that others hand over."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from muster.saml.names import SamlRefused

KEY_BITS = 2048
LASTS = timedelta(days=3 * 365)
LIMIT_CERTIFICATE_BYTES = 65_536
LIMIT_SUBJECT_CHARACTERS = 64
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and what is shown of it. The thumbprint is SHA-1 in hexadecimal, as Entra shows and is asked for;
    nothing is trusted by it."""

    pem: str
    subject: str
    thumbprint: str
    not_before: datetime
    not_after: datetime

    @property
    def der(self) -> bytes:
        """The certificate as bytes: Certificate (Raw)."""
        return x509.load_pem_x509_certificate(self.pem.encode()).public_bytes(Encoding.DER)

    @property
    def base64(self) -> str:
        """The certificate as one line, for metadata and KeyInfo."""
        return base64.b64encode(self.der).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key (PEM, never shown) and its certificate."""

    key_pem: str
    certificate: Certificate

    def __repr__(self) -> str:
        """Without the key."""
        return f"SigningKey({self.certificate.thumbprint})"


def make_signing_key(subject: str, *, now: datetime, ends_at: datetime | None = None) -> SigningKey:
    """A new RSA key with a certificate signed by itself that ends in three years, or when it is said."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject[:LIMIT_SUBJECT_CHARACTERS])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ: a certificate made this minute is used this minute.
        .not_valid_before(now - timedelta(minutes=10))
        .not_valid_after(ends_at or now + LASTS)
        .sign(key, hashes.SHA256())
    )
    return SigningKey(
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), certificate=_shown(made)
    )


def read_certificate(content: bytes) -> Certificate:
    """A certificate given as PEM, as base64 without its frame, or as DER. Raises: SamlRefused."""
    if len(content) > LIMIT_CERTIFICATE_BYTES:
        raise SamlRefused("certificate", f"The certificate is larger than {LIMIT_CERTIFICATE_BYTES} bytes.")
    if b"PRIVATE KEY" in content:
        raise SamlRefused("certificate", "That is a private key: keep it to yourself, and give the certificate alone.")
    try:
        made = x509.load_der_x509_certificate(_der(content))
        key = made.public_key()
    except (ValueError, TypeError):
        raise SamlRefused(
            "certificate", "That is no certificate: give one as Base64 (PEM, .cer) or as DER (raw)."
        ) from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
        raise SamlRefused("certificate", f"The certificate's key must be an RSA key of at least {KEY_BITS} bits.")
    return _shown(made)


def read_key(key_pem: str) -> rsa.RSAPrivateKey:
    """A private key of ours."""
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a signing key is an RSA key")
    return key


def _der(content: bytes) -> bytes:
    text = content.decode("ascii", "ignore").strip()
    framed = _PEM.search(text)
    if framed is not None:
        text = framed[1]
    elif content[:1] == b"\x30" and len(text) < len(content):
        return content
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return content


def _shown(made: x509.Certificate) -> Certificate:
    return Certificate(
        pem=made.public_bytes(Encoding.PEM).decode(),
        subject=made.subject.rfc4514_string() or "–",
        thumbprint=hashlib.sha1(made.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest().upper(),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
    )
