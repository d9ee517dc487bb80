"""How the installation tells what happens to its jobs: mail server, webhook, recipients; a test; what was delivered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from muster.administration.desk import Change, Desk
from muster.administration.refusals import bad_request, conflict
from muster.model.counting import number_of
from muster.model.language import Language
from muster.model.notice import Delivery, MailSecurity, MailServer, NotificationSettings, Webhook
from muster.model.roles import Permission
from muster.planning.notices import is_mail_address
from muster.ports.notifier import DeliveryFailed, TestTold
from muster.sealing import make_webhook_secret, read_webhook_secret

CATEGORY = "ProvisioningManagement"
RECIPIENTS_LIMIT = 20
TEXT_LIMIT = 1_000
URL_LIMIT = 2_048
_PARTS = {
    "mail": "MUSTER_SMTP_HOST",
    "webhook": "MUSTER_WEBHOOK_URL",
    "recipients": "MUSTER_NOTIFY",
    "language": "MUSTER_NOTIFY_LANGUAGE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSettings:
    """The settings in force, and which parts the environment holds. Faces mask what is secret."""

    settings: NotificationSettings
    held_by_environment: frozenset[str]
    # What was kept cannot be opened: it is entered anew.
    is_lost: bool


def notification_settings(desk: Desk) -> ShownSettings:
    """Returns how the installation tells. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return ShownSettings(
        settings=desk.notifications.settings(),
        held_by_environment=desk.notifications.held_by_environment(),
        is_lost=desk.notifications.is_lost(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """What is to change: of the parts that are `named` (`mail`, `webhook`, `recipients`, `language`), None means none.

    A password of None keeps the one of the same server and user; a secret of None keeps the one of the same address,
    and a new address gets a new one.
    """

    named: frozenset[str]
    mail: MailServer | None = None
    webhook_url: str | None = None
    webhook_secret: str | None = None
    recipients: tuple[str, ...] = ()
    language: Language | None = None


def update_settings(desk: Desk, change: SettingsChange) -> str | None:
    """Changes how the installation tells, all that is named or nothing. Raises: Refused.

    Returns the webhook's signing secret if one was made: it is shown this once.
    """
    desk.require(Permission.MANAGE_INSTALLATION)
    for part in sorted(change.named & desk.notifications.held_by_environment()):
        raise conflict(f"The environment sets this ({_PARTS[part]}): change it there and start the service again.")
    before = desk.notifications.settings()
    after, made = before, None
    if "mail" in change.named:
        after = replace(after, mail=_mail(desk, change.mail, before.mail))
    if "webhook" in change.named:
        webhook, made = _webhook(desk, change, before.webhook)
        after = replace(after, webhook=webhook)
    if "recipients" in change.named:
        recipients = tuple(dict.fromkeys(change.recipients))
        _check_recipients(recipients)
        after = replace(after, recipients=recipients)
    if "language" in change.named:
        after = replace(after, language=change.language)
    desk.notifications.keep(after)
    pairs = (
        ("mail", _mail_shown(before.mail), _mail_shown(after.mail)),
        ("webhook", _origin(before.webhook), _origin(after.webhook)),
        ("recipients", ", ".join(before.recipients) or None, ", ".join(after.recipients) or None),
        ("language", before.language, after.language),
    )
    _note(desk, tuple(pair for pair in pairs if pair[0] in change.named))
    return made


def tell_test(desk: Desk, recipients: Sequence[str] = ()) -> Sequence[TestTold]:
    """Tells a test notice at once and returns what came of it, one a recipient. Raises: Refused."""
    desk.require(Permission.MANAGE_INSTALLATION)
    _check_recipients(recipients)
    settings = desk.notifications.settings()
    if settings.mail is None and (recipients or settings.webhook is None):
        raise bad_request(
            "There is no mail server yet: set one with muster notifications set, or MUSTER_SMTP_HOST.",
            code="NotificationsNotConfigured",
        )
    if not recipients and not settings.recipients and settings.webhook is None:
        raise bad_request("Nobody would be told: name recipients.", code="NotificationsNotConfigured")
    told = desk.notifications.tell_test(recipients, desk.now())
    troubles = sum(each.trouble is not None for each in told)
    _note(desk, (("told", None, f"{number_of(len(told), 'recipient')}, {troubles} in vain"),), "Test notifications")
    return told


def deliveries(desk: Desk, limit: int) -> Sequence[Delivery]:
    """Returns the newest deliveries, with what became of each. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.notifications.recent(limit)


def _mail(desk: Desk, mail: MailServer | None, before: MailServer | None) -> MailServer | None:
    if mail is None:
        return None
    if mail.user is not None and mail.password is None:
        if before is None or (before.host, before.port, before.user) != (mail.host, mail.port, mail.user):
            # Else a stored password could be sent to a server of the caller's choice, and so be read.
            raise bad_request("Another mail server or user needs its password entered.")
        if mail.security is not before.security:
            raise bad_request("Another security needs the password entered.")
        mail = replace(mail, password=before.password)
    _check_mail(desk, mail)
    return mail


def _webhook(desk: Desk, change: SettingsChange, before: Webhook | None) -> tuple[Webhook | None, str | None]:
    url, secret = change.webhook_url, change.webhook_secret
    if url is None:
        return None, None
    _check_webhook(desk, url)
    if secret is not None:
        try:
            read_webhook_secret(secret)
        except ValueError as error:
            raise bad_request(f"The secret cannot be used: {error}.") from None
        return Webhook(url=url, secret=secret), None
    if before is not None and before.url == url:
        return before, None
    made = make_webhook_secret()
    return Webhook(url=url, secret=made), made


def _check_mail(desk: Desk, mail: MailServer) -> None:
    for name, text in (("host", mail.host), ("user", mail.user), ("password", mail.password)):
        if text is not None and (not text or len(text) > TEXT_LIMIT or not text.isprintable()):
            raise bad_request(f"The mail server's {name} takes 1 to {TEXT_LIMIT:,} printable characters.")
    if any(mark.isspace() or mark in "/@?#\\" for mark in mail.host):
        raise bad_request("The mail server's host is a name or an address, without user, path or spaces.")
    if not 1 <= mail.port <= 65_535:
        raise bad_request("The mail server's port is from 1 to 65535; 587 for STARTTLS, 465 for TLS.")
    if not is_mail_address(mail.sender):
        raise bad_request("The sender is one mail address, such as muster@example.com.")
    if mail.user is not None and mail.security is MailSecurity.NONE:
        raise bad_request("Without STARTTLS or TLS the password would go in the clear: choose one of them.")
    if mail.user is None and mail.password is not None:
        raise bad_request("A password needs its user.")
    try:
        desk.notifications.check_host(mail.host, mail.port)
    except DeliveryFailed as failure:
        raise bad_request(failure.sentence, code="InvalidMailServer") from None


def _check_webhook(desk: Desk, url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise bad_request("The webhook's URL is no web address.", code="InvalidWebhook") from None
    is_whole = parts.scheme in ("https", "http") and parts.hostname and not parts.fragment and parts.username is None
    if not is_whole or len(url) > URL_LIMIT or not url.isprintable() or " " in url:
        raise bad_request(
            "The webhook's URL begins with https:// and holds no user, #fragment or spaces.", code="InvalidWebhook"
        )
    try:
        desk.notifications.check_webhook(url)
    except DeliveryFailed as failure:
        raise bad_request(failure.sentence, code="InvalidWebhook") from None


def _check_recipients(recipients: Sequence[str]) -> None:
    wrong = [address for address in recipients if not is_mail_address(address)]
    if wrong:
        raise bad_request(f"“{wrong[0][:100]}” is no mail address, such as it@example.com.")
    if len(recipients) > RECIPIENTS_LIMIT:
        raise bad_request(f"At most {RECIPIENTS_LIMIT} recipients can be named.")


def _mail_shown(mail: MailServer | None) -> str | None:
    return None if mail is None else f"{mail.host}:{mail.port} ({mail.security}), from {mail.sender}"


def _origin(webhook: Webhook | None) -> str | None:
    # The path may be a secret of its own.
    return None if webhook is None else f"{urlsplit(webhook.url).scheme}://{urlsplit(webhook.url).hostname}"


def _note(desk: Desk, changes: tuple[Change, ...], activity: str = "Update notification settings") -> None:
    desk.note(activity, CATEGORY, target=("Installation", desk.tenant_id, "Notifications"), changes=changes)
