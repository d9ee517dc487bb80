"""The store of single sign-on: settings of applications, and their signing keys."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from muster.model.single_sign_on import SamlSettings, SigningCertificate


class IdentifierTaken(Exception):
    """Another application of the tenant has this identifier."""


class SingleSignOnStore(Protocol):
    """Settings by application; signing keys sealed at rest."""

    def settings(self, service_principal_id: str) -> SamlSettings | None:
        """Returns an application's settings, None before they are made."""
        ...

    def all_settings(self) -> Mapping[str, SamlSettings]:
        """Returns the settings of all applications that have some, by service principal id."""
        ...

    def put(self, service_principal_id: str, settings: SamlSettings) -> None:
        """Keeps settings. Raises: IdentifierTaken, LookupError."""
        ...

    def of_identifier(self, identifier: str) -> str | None:
        """Returns the service principal id of the application with an identifier, unless it is in the recycle bin."""
        ...

    def certificates(self, service_principal_id: str) -> Sequence[SigningCertificate]:
        """Returns an application's certificates, the newest first."""
        ...

    def all_certificates(self) -> Sequence[tuple[str, SigningCertificate]]:
        """Returns the active certificates of all applications, with the application's service principal id."""
        ...

    def add_key(self, service_principal_id: str, certificate: SigningCertificate, key_pem: str) -> None:
        """Keeps a key with its certificate; an active one takes the place of the one before."""
        ...

    def activate(self, service_principal_id: str, key_id: str) -> bool:
        """Makes a certificate the one that signs; False if there is none such."""
        ...

    def remove_key(self, service_principal_id: str, key_id: str) -> bool:
        """Removes a certificate that is not active; False if there is none such."""
        ...

    def active_key(self, service_principal_id: str) -> tuple[SigningCertificate, str] | None:
        """Returns the certificate that signs and its private key in the clear: for signing only, never for a face."""
        ...

    def reseal(self) -> int:
        """Seals with the key in force what was sealed with an older one, all or nothing; returns how many."""
        ...
