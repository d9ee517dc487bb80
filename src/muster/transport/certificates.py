"""Certificates: read from PEM, shown in words, and looked at where a server presents them."""

import socket
import ssl
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from muster.model.certificates import ShownCertificate
from muster.model.exchange import ConnectionFailed, ExchangeFailed, TransportTimeout
from muster.transport.guard import AddressGuard, CheckedTarget

MOST_CERTIFICATES = 50
_LOOK_WITHIN = timedelta(seconds=10)


class CertificateInvalid(ValueError):
    """A PEM text that holds no certificate or key that can be used; the sentence says why, and shows none of it."""


def read_certificates(pem: str) -> tuple[ShownCertificate, ...]:
    """Returns the certificates of a PEM text. Raises: CertificateInvalid."""
    return tuple(_shown(item) for item in _load(pem))


def check_identity(certificate_pem: str, key_pem: str) -> None:
    """Checks that a key is the one of the first certificate, and can be used as it is. Raises: CertificateInvalid."""
    certificate = _load(certificate_pem)[0]
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except TypeError:
        raise CertificateInvalid("the key is locked with a password: give it without one") from None
    except ValueError:
        raise CertificateInvalid("there is no private key in it, in PEM (-----BEGIN PRIVATE KEY-----)") from None
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        raise CertificateInvalid("the key belongs to another certificate")


def look_at_chain(guard: AddressGuard, url: str) -> tuple[ShownCertificate, ...]:
    """Returns what the server of an https address presents, trusted or not. Nothing is sent to it.

    Raises: AddressRefused, ConnectionFailed, TransportTimeout.
    """
    target = guard.check(url)
    if target.scheme != "https":
        raise ConnectionFailed(f"{target.origin} has no certificate: it is called over plain http", sent=False)
    # Looking is not trusting: the chain is shown to somebody who decides, and the connection carries nothing.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for number, address in enumerate(target.addresses, start=1):
        try:
            return _look(context, target, address)
        except ExchangeFailed:
            if number == len(target.addresses):
                raise
    raise AssertionError("a target has at least one address")


def _look(context: ssl.SSLContext, target: CheckedTarget, address: str) -> tuple[ShownCertificate, ...]:
    seconds = _LOOK_WITHIN.total_seconds()
    try:
        with (
            socket.create_connection((address, target.port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=target.host.strip("[]")) as connection,
        ):
            return tuple(_shown(x509.load_der_x509_certificate(item)) for item in _presented(connection))
    except TimeoutError:
        raise TransportTimeout(f"{target.origin} did not answer within {seconds:.0f} seconds", sent=False) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise ConnectionFailed(f"{target.origin} cannot be connected to: {reason}", sent=False) from None
    except ValueError:
        raise ConnectionFailed(f"{target.origin} presents a certificate that cannot be read", sent=False) from None


def find_trustable(chain: tuple[ShownCertificate, ...]) -> ShownCertificate | None:
    """Returns the certificate of a chain that trust can be put in: its last authority, or a server's own that signed
    itself. A certificate that another authority signed vouches for nothing by itself."""
    authority = next((item for item in reversed(chain) if item.is_authority), None)
    if authority is not None:
        return authority
    return chain[0] if chain and _signed_itself(_load(chain[0].pem)[0]) else None


def split_pem(pem: bytes) -> list[bytes]:
    """Returns each certificate of a bundle as PEM of its own. Raises: CertificateInvalid."""
    return [item.pem.encode() for item in read_certificates(pem.decode("ascii", "replace"))]


def _presented(connection: ssl.SSLSocket) -> list[bytes]:
    """The whole chain where Python can tell it (3.13), else what its private spelling tells, else the first alone."""
    ask: Any = getattr(connection, "get_unverified_chain", None)
    if ask is not None:
        return [bytes(item) for item in ask()]
    hidden: Any = getattr(getattr(connection, "_sslobj", None), "get_unverified_chain", None)
    if hidden is not None:
        return [ssl.PEM_cert_to_DER_cert(item.public_bytes()) for item in hidden()]
    first = connection.getpeercert(binary_form=True)
    return [] if first is None else [first]


def _load(pem: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise CertificateInvalid("there is no certificate in it, in PEM (-----BEGIN CERTIFICATE-----)") from None
    if len(found) > MOST_CERTIFICATES:
        raise CertificateInvalid(f"there are more than {MOST_CERTIFICATES} certificates in it")
    return found


def _shown(certificate: x509.Certificate) -> ShownCertificate:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex().upper()
    return ShownCertificate(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        serial_number=f"{certificate.serial_number:X}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=":".join(fingerprint[place : place + 2] for place in range(0, len(fingerprint), 2)),
        names=_names(certificate),
        is_authority=_is_authority(certificate),
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return name.rfc4514_string() or (str(common[0].value) if common else "")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    return (*hosts, *(str(address) for address in found.get_values_for_type(x509.IPAddress)))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _signed_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public_bytes(key: Any) -> bytes:
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found
