"""How the house tells: mail server and webhook of environment or API, the outbox, and the courier that works it."""

import ssl
from collections.abc import Callable
from dataclasses import replace

from muster.bootstrap.house import House
from muster.bootstrap.keys import told_by
from muster.model.exchange import AddressRefused, ExchangeFailed
from muster.model.language import Language
from muster.model.notice import JobAudience, MailSecurity, MailServer, NotificationSettings, Webhook
from muster.notifications.courier import Courier
from muster.notifications.mail import FindAddresses, Mailer
from muster.notifications.office import Office, in_force
from muster.planning.notices import audience_of, read_notification_settings
from muster.ports.notifier import DeliveryFailed
from muster.settings import SERVICE_PORT, Settings
from muster.transport.client import open_transport
from muster.transport.guard import AddressGuard, resolve_name


def make_office(house: House) -> Office:
    """Returns what administrators do with notifications."""
    return Office(
        outbox=house.store.outbox,
        store=house.store.notification_settings,
        environment=environment_of(house.settings),
        courier=lambda: make_courier(house),
        find=_finder(house.settings),
        check_url=webhook_check(
            AddressGuard(allowed=house.settings.allow_targets), by_proxy=house.settings.proxy is not None
        ),
        ids=house.ids,
    )


def make_courier(house: House) -> Courier:
    """Returns the courier over the house's outbox."""
    environment = environment_of(house.settings)

    def settings() -> NotificationSettings:
        return in_force(house.store.notification_settings.get(), environment)

    def audience(service_principal_id: str) -> tuple[str, JobAudience]:
        application = house.store.applications.get(service_principal_id)
        if application is None:
            # Removed meanwhile: those who hear of everything are told all the same.
            return service_principal_id, JobAudience()
        named = read_notification_settings(told_by(house.store.secrets, service_principal_id))
        sign_on = house.store.single_sign_on.settings(service_principal_id)
        told = () if sign_on is None else sign_on.notified
        return application.display_name, replace(audience_of(named), expiry=told)

    ca_pem = house.settings.ca_file.read_bytes() if house.settings.ca_file is not None else None
    return Courier(
        outbox=house.store.outbox,
        settings=settings,
        audience=audience,
        mailer=Mailer(_finder(house.settings), _context(ca_pem)),
        transport=open_transport(allowed=house.settings.allow_targets, ca_pem=ca_pem, proxy=house.settings.proxy),
        root=root_of(house.settings),
        clock=house.clock,
        ids=house.ids,
    )


def environment_of(settings: Settings) -> NotificationSettings:
    """Returns what the environment says of notifications."""
    mail = None
    if settings.smtp_host is not None and settings.mail_from is not None:
        mail = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=MailSecurity(settings.smtp_security),
            sender=settings.mail_from,
            user=settings.smtp_user,
            password=settings.smtp_password,
        )
    webhook = None
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        webhook = Webhook(url=settings.webhook_url, secret=settings.webhook_secret)
    language = None if settings.notify_language is None else Language(settings.notify_language)
    return NotificationSettings(mail=mail, webhook=webhook, recipients=settings.notify, language=language)


def root_of(settings: Settings) -> str:
    """Returns the address of the portal, for links."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_cert is not None else "http"
    return f"{scheme}://{settings.host}:{settings.port or SERVICE_PORT}"


def _finder(settings: Settings) -> FindAddresses:
    """A mail server that an administrator enters is checked like a target; the environment's is the operator's own."""
    guard = AddressGuard(allowed=settings.allow_targets)

    def find(host: str, port: int) -> tuple[str, ...]:
        try:
            if host == settings.smtp_host:
                return tuple(dict.fromkeys(resolve_name(host, port)))
            return guard.check(f"https://{f'[{host}]' if ':' in host else host}:{port}/").addresses
        except ExchangeFailed as failure:
            raise DeliveryFailed(f"The mail server {host}:{port} is not called: {failure.sentence}.") from None
        except OSError as error:
            raise DeliveryFailed(f"The name {host} cannot be resolved: {error.strerror}.") from None

    return find


def webhook_check(guard: AddressGuard, *, by_proxy: bool = False) -> Callable[[str], None]:
    """Returns what refuses an address that would not be called, when it is entered and not when something is told."""

    def check(url: str) -> None:
        try:
            guard.check(url, by_proxy=by_proxy)
        except AddressRefused as refused:
            raise DeliveryFailed(f"The webhook would not be told: {refused.sentence}.") from None
        except ExchangeFailed:
            # A name that is not known just now may be tomorrow; a test notice says whether it is.
            return

    return check


def _context(ca_pem: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem is not None:
        context.load_verify_locations(cadata=ca_pem.decode())
    return context
