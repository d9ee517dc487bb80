"""The certificates by which an application's responses are signed: made, exchanged without a gap, removed."""

from datetime import datetime, timedelta

from muster.administration.applications import find_application, require_managed
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, conflict, not_found
from muster.model.application import EnterpriseApplication
from muster.model.roles import Permission
from muster.model.single_sign_on import SigningCertificate
from muster.saml.certificates import make_signing_key

CATEGORY = "ApplicationManagement"
CERTIFICATES_LIMIT = 10
SHORTEST, LONGEST = timedelta(days=1), timedelta(days=10 * 366)
SUBJECT_LIMIT = 64
DEFAULT_SUBJECT = "Muster Federated SSO Certificate"


def create_certificate(
    desk: Desk, service_principal_id: str, *, subject: str | None = None, ends_at: datetime | None = None
) -> SigningCertificate:
    """Returns a new certificate; the first of an application is active, later ones are only published. Raises: Refused.

    So the application can learn a new certificate before anything is signed by it.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    store, now = desk.stores.single_sign_on, desk.now()
    present = store.certificates(application.service_principal_id)
    if len(present) >= CERTIFICATES_LIMIT:
        raise conflict(f"An application has at most {CERTIFICATES_LIMIT} certificates: remove one first.")
    name = (subject or DEFAULT_SUBJECT).removeprefix("CN=").strip()
    if not 0 < len(name) <= SUBJECT_LIMIT or not name.isprintable():
        raise bad_request(f"displayName takes CN= and up to {SUBJECT_LIMIT} printable characters.")
    if ends_at is not None and not SHORTEST <= ends_at - now <= LONGEST:
        raise bad_request("endDateTime takes an instant between a day and ten years from now.")
    key = make_signing_key(name, now=now, ends_at=ends_at)
    made = SigningCertificate(
        key_id=desk.ids.new_id(),
        pem=key.certificate.pem,
        thumbprint=key.certificate.thumbprint,
        subject=key.certificate.subject,
        not_before=now,
        not_after=key.certificate.not_after,
        is_active=not present,
    )
    store.add_key(application.service_principal_id, made, key.key_pem)
    _note(desk, "Add signing certificate", application, None, made.thumbprint)
    return made


def activate_certificate(desk: Desk, service_principal_id: str, name: str) -> SigningCertificate:
    """Returns the certificate, by key id or thumbprint, by which responses are signed from now on. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application, found = _find(desk, service_principal_id, name)
    if found.not_after <= desk.now():
        raise conflict("The certificate has expired: make a new one.")
    if not found.is_active:
        # By the list, as the key of the one before need not open: it may be lost.
        present = desk.stores.single_sign_on.certificates(application.service_principal_id)
        old = next((each.thumbprint for each in present if each.is_active), None)
        desk.stores.single_sign_on.activate(application.service_principal_id, found.key_id)
        _note(desk, "Activate signing certificate", application, old, found.thumbprint)
    return _find(desk, service_principal_id, found.key_id)[1]


def remove_certificate(desk: Desk, service_principal_id: str, name: str) -> None:
    """Removes a certificate, by key id or thumbprint, that is not active. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application, found = _find(desk, service_principal_id, name)
    if not desk.stores.single_sign_on.remove_key(application.service_principal_id, found.key_id):
        raise conflict("Responses are signed by this certificate: activate another one first.")
    _note(desk, "Remove signing certificate", application, found.thumbprint, None)


def _find(desk: Desk, service_principal_id: str, name: str) -> tuple[EnterpriseApplication, SigningCertificate]:
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    for each in desk.stores.single_sign_on.certificates(application.service_principal_id):
        if name == each.key_id or name.upper() == each.thumbprint:
            return application, each
    raise not_found("Signing certificate", name)


def _note(desk: Desk, activity: str, application: EnterpriseApplication, old: str | None, new: str | None) -> None:
    desk.note(
        activity,
        CATEGORY,
        target=("ServicePrincipal", application.service_principal_id, application.display_name),
        changes=(("thumbprint", old, new),),
    )
