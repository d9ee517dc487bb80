"""/notifications (ours): how the installation tells what happens to its jobs, a test of it, and what was delivered."""

from muster.administration import notifications
from muster.administration.refusals import bad_request
from muster.administration.secrets import MASK
from muster.model.language import Language
from muster.model.notice import Delivery, MailSecurity, MailServer
from muster.ports.notifier import TestTold
from muster.web.graph.call import Answer, Call, Document, list_of, required_text, text_of
from muster.web.graph.render import instant


def get_settings(call: Call) -> Answer:
    """GET /notifications/settings, everything that is secret masked."""
    return call.entity("notifications/settings", _settings(notifications.notification_settings(call.desk)))


def update_settings(call: Call) -> Answer:
    """PATCH /notifications/settings: `mail`, `webhook`, `recipients`, `language`; others stay, null removes."""
    fields = call.fields()
    unknown = sorted(set(fields) - {"mail", "webhook", "recipients", "language"})
    if unknown or not fields:
        named = f"“{unknown[0][:60]}” is none of them" if unknown else "none is given"
        raise bad_request(f"The settings are mail, webhook, recipients and language: {named}.")
    webhook = _object(fields.get("webhook"), "webhook")
    secret = None if webhook is None else text_of(webhook, "secret", optional=True)
    change = notifications.SettingsChange(
        named=frozenset(fields),
        mail=_mail(_object(fields.get("mail"), "mail")),
        webhook_url=None if webhook is None else required_text(webhook, "url"),
        webhook_secret=None if secret == MASK else secret,
        recipients=_addresses(fields),
        language=_language(fields),
    )
    made = notifications.update_settings(call.desk, change)
    document = _settings(notifications.notification_settings(call.desk))
    if made is not None:
        # Shown this once.
        document["webhook"]["secret"] = made
    return call.entity("notifications/settings", document)


def tell_test(call: Call) -> Answer:
    """POST /notifications/test: {"recipients": […]}, or nothing for those of the settings."""
    told = notifications.tell_test(call.desk, _addresses(call.fields(optional=True)))
    return Answer(document={"value": [_told(each) for each in told]})


def list_deliveries(call: Call) -> Answer:
    """GET /notifications/deliveries, newest first."""
    found = notifications.deliveries(call.desk, call.options().limit)
    return call.collection("notifications/deliveries", found, _delivery)


def _mail(given: Document | None) -> MailServer | None:
    if given is None:
        return None
    security = text_of(given, "security", optional=True) or MailSecurity.STARTTLS.value
    known = {each.value: each for each in MailSecurity}
    if security not in known:
        raise bad_request(f"mail.security is one of {', '.join(known)}.")
    port = given.get("port", 465 if security == MailSecurity.TLS else 587)
    if not isinstance(port, int) or isinstance(port, bool):
        raise bad_request("mail.port takes a whole number.")
    password = text_of(given, "password", optional=True)
    return MailServer(
        host=required_text(given, "host"),
        port=port,
        security=known[security],
        sender=required_text(given, "sender"),
        user=text_of(given, "user", optional=True),
        password=None if password == MASK else password,
    )


def _addresses(fields: Document) -> tuple[str, ...]:
    given = list_of(fields, "recipients")
    if any(not isinstance(item, str) for item in given):
        raise bad_request('recipients takes a list of mail addresses: ["it@example.com"].')
    return tuple(given)


def _language(fields: Document) -> Language | None:
    given = text_of(fields, "language", optional=True)
    known = {each.value: each for each in Language}
    if given is not None and given not in known:
        raise bad_request(f"language is one of {', '.join(known)}, or null for English.")
    return None if given is None else known[given]


def _object(value: object, name: str) -> Document | None:
    if value is not None and not isinstance(value, dict):
        raise bad_request(f"{name} takes an object, or null for none.")
    return value


def _settings(shown: notifications.ShownSettings) -> Document:
    mail, webhook = shown.settings.mail, shown.settings.webhook
    return {
        "mail": None
        if mail is None
        else {
            "host": mail.host,
            "port": mail.port,
            "security": mail.security.value,
            "sender": mail.sender,
            "user": mail.user,
            "password": None if mail.password is None else MASK,
        },
        "webhook": None if webhook is None else {"url": webhook.url, "secret": MASK},
        "recipients": list(shown.settings.recipients),
        "language": shown.settings.language,
        "heldByEnvironment": sorted(shown.held_by_environment),
    }


def _told(told: TestTold) -> Document:
    return {
        "channel": told.channel.value,
        "recipient": told.recipient,
        "arrived": told.trouble is None,
        "trouble": told.trouble,
    }


def _delivery(found: Delivery) -> Document:
    return {
        "id": found.id,
        "channel": found.channel.value,
        "recipient": found.recipient,
        "state": found.state.value,
        "attempts": found.attempts,
        "sentDateTime": instant(found.sent_at),
        "nextAttemptDateTime": instant(found.next_attempt_at) if found.state.value == "waiting" else None,
        "trouble": found.trouble,
        "notice": {
            "id": found.notice.id,
            "kind": found.notice.kind.value,
            "activityDateTime": instant(found.notice.at),
            "servicePrincipalId": found.notice.service_principal_id,
            "jobId": found.notice.job_id,
            "reason": found.notice.reason,
            "count": found.notice.count,
        },
    }
