"""The way to an LDAP server: its address, checked by the guard, a socket, and TLS with the certificates one trusts."""

import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from muster.model.exchange import AddressRefused, ExchangeFailed
from muster.model.failures import SystemUnreachable
from muster.sources.ldap.results import REMEDY
from muster.transport.certificates import CertificateInvalid, read_certificates
from muster.transport.guard import AddressGuard, CheckedTarget

_PORTS = {"ldap": 389, "ldaps": 636}
_UNKNOWN_AUTHORITY = "Enter the certificate of the authority that signed the server's among those to trust."
_NAME_REMEDY = "Enter the server by a name or an address that stands in its certificate."
# Source: OpenSSL, X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH.
_CERTIFICATE_REMEDIES = {
    9: "Set the clocks of both machines, or renew the certificate at the server.",
    10: "Renew the certificate at the server.",
    62: _NAME_REMEDY,
    64: _NAME_REMEDY,
}


class Encryption(StrEnum):
    """How a connection to port 389 goes on; `ldaps://` is encrypted from the start."""

    START_TLS = "startTls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where the server is, who binds, and whom to trust. Without a bind DN the bind is anonymous."""

    url: str
    encryption: Encryption = Encryption.START_TLS
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    # Certificates to trust beside the usual ones.
    ca_pem: str | None = None


def check_address(guard: AddressGuard, address: ServerAddress) -> tuple[str, CheckedTarget]:
    """Returns the scheme and where to connect. Raises: SystemUnreachable."""
    parts = urlsplit(address.url.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1 or parts.path not in ("", "/") or parts.query:
        remedy = "Write it as ldaps://server.example or ldap://server.example:389."
        raise SystemUnreachable(f"“{address.url[:200]}” is no address of an LDAP server.", remedy=remedy)
    is_plain = parts.scheme == "ldap" and address.encryption is Encryption.NONE
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    try:
        # The guard knows two kinds of connections: those that others can read, and those that they cannot.
        target = guard.check(f"{'http' if is_plain else 'https'}://{host}:{port or _PORTS[parts.scheme]}")
    except AddressRefused as error:
        remedy = "Correct the address, or start the service with --allow-target and its network (MUSTER_ALLOW_TARGETS)."
        sentence = error.sentence.replace("plain http", "an unencrypted connection").replace(
            "use https", "use ldaps://"
        )
        raise SystemUnreachable(f"{sentence}.", remedy=remedy) from None
    except ExchangeFailed as error:
        raise SystemUnreachable(f"{error.sentence[:1].upper()}{error.sentence[1:]}.", remedy=REMEDY) from None
    return parts.scheme, target


def connect(target: CheckedTarget, origin: str, within: timedelta) -> socket.socket:
    """Returns a connected socket. Raises: SystemUnreachable."""
    seconds = within.total_seconds()
    for number, address in enumerate(target.addresses, start=1):
        try:
            connection = socket.create_connection((address, target.port), timeout=seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            if number == len(target.addresses):
                raise SystemUnreachable(f"{origin} cannot be reached: {reason_of(error)}.", remedy=REMEDY) from None
    raise AssertionError("a target has at least one address")


def tls_context(ca_pem: str | None) -> ssl.SSLContext:
    """Returns how certificates are checked. Raises: SystemUnreachable for those that cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        try:
            read_certificates(ca_pem)
            context.load_verify_locations(cadata=ca_pem)
        except (CertificateInvalid, ssl.SSLError) as error:
            remedy = "Enter it in PEM, with the lines that begin with -----."
            raise SystemUnreachable(f"The certificate to trust cannot be used: {error}.", remedy=remedy) from None
    return context


def encrypt(context: ssl.SSLContext, plain: socket.socket, host: str, origin: str) -> ssl.SSLSocket:
    """Returns the socket with TLS on it. Raises: SystemUnreachable."""
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        remedy = _CERTIFICATE_REMEDIES.get(error.verify_code, _UNKNOWN_AUTHORITY)
        raise SystemUnreachable(
            f"The certificate of {origin} is not trusted: {error.verify_message}.", remedy=remedy
        ) from None
    except OSError as error:
        plain.close()
        raise SystemUnreachable(f"{origin} does not speak TLS: {reason_of(error)}.", remedy=REMEDY) from None


def reason_of(error: OSError) -> str:
    """Returns what went wrong, in a few words."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return getattr(error, "reason", None) or error.strerror or str(error)
