"""What people are shown of a certificate."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """A certificate in words, and itself as PEM."""

    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    # SHA-256 of the whole certificate, as browsers show it: AB:CD:…
    fingerprint: str
    # Host names and addresses that it is for.
    names: tuple[str, ...]
    is_authority: bool
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCertificate:
    """What a server presents when it is connected to, its own certificate first."""

    host: str
    chain: tuple[ShownCertificate, ...]
    # Why a connection is refused as things stand; None: it is trusted.
    problem: str | None
    # The certificate of the chain that trust can be put in; None: there is none, its authority must be asked for.
    trustable: ShownCertificate | None
