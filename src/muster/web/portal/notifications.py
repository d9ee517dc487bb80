"""How the installation tells what happens to its jobs: mail server, webhook, recipients; a test; what was delivered."""

from typing import Any

import flask

from muster.administration import notifications
from muster.administration.notifications import SettingsChange
from muster.administration.refusals import Refused, bad_request
from muster.model.language import Language
from muster.model.notice import Channel, DeliveryState, MailSecurity, MailServer, NoticeKind
from muster.model.roles import Permission
from muster.planning.notices import addresses_in
from muster.ui.language import gettext, marked
from muster.web.portal.forms import chosen, done, field, is_ticked, refused_page
from muster.web.portal.logs import applications_by_id
from muster.web.portal.paths import desk

ROWS = 50
SECURITIES = {
    MailSecurity.STARTTLS.value: marked("STARTTLS, usually on port 587"),
    MailSecurity.TLS.value: marked("TLS, usually on port 465"),
    MailSecurity.NONE.value: marked("None: without user and password"),
}
KINDS = {
    NoticeKind.QUARANTINED: marked("Quarantine"),
    NoticeKind.QUARANTINE_CHANGED: marked("Another reason for quarantine"),
    NoticeKind.QUARANTINE_LIFTED: marked("Out of quarantine"),
    NoticeKind.DELETIONS_HELD: marked("Removals held"),
    NoticeKind.APPROVAL_AWAITED: marked("Waits for approval"),
    NoticeKind.JOB_DISABLED: marked("Job switched off"),
    NoticeKind.NO_PROGRESS: marked("No progress"),
    NoticeKind.FAILURES_DIGEST: marked("Failures of the day"),
    NoticeKind.CREDENTIAL_EXPIRES: marked("A credential expires"),
    NoticeKind.TEST: marked("Test"),
}
STATES = {
    DeliveryState.WAITING: (marked("Waiting"), "idle"),
    DeliveryState.SENT: (marked("Sent"), "good"),
    DeliveryState.GIVEN_UP: (marked("Given up"), "bad"),
}
_PARTS = ("mail", "webhook", "recipients", "language")


def show_settings() -> Any:
    """GET /notifications"""
    return _page()


def save() -> Any:
    """POST /notifications: one part as it is filled in, or removed. A webhook's new secret is shown this once."""
    part = chosen("part", _PARTS)
    try:
        made = notifications.update_settings(desk(), _change(part))
    except Refused as refused:
        return refused_page(_page(refusal=refused, part=part), refused)
    return done("/notifications", "saved") if made is None else _page(made=made)


def tell_test() -> Any:
    """POST /notifications/test: what came of telling each recipient, as a part of the page."""
    refusal: Refused | None = None
    told: Any = ()
    try:
        told = notifications.tell_test(desk(), addresses_in(field("to")))
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    return flask.render_template("notifications/told.html", told=told, refusal=refusal)


def _page(*, refusal: Refused | None = None, part: str | None = None, made: str | None = None) -> str:
    shown = notifications.notification_settings(desk())
    return flask.render_template(
        "notifications/page.html",
        settings=shown.settings,
        held=shown.held_by_environment,
        is_lost=shown.is_lost,
        may_manage=desk().may(Permission.MANAGE_INSTALLATION),
        deliveries=notifications.deliveries(desk(), ROWS),
        applications=applications_by_id(),
        securities=SECURITIES,
        kinds=KINDS,
        states=STATES,
        channels={Channel.MAIL: "mail", Channel.WEBHOOK: "world"},
        refusal=refusal,
        refused_part=part,
        form=flask.request.form,
        made=made,
    )


def _change(part: str) -> SettingsChange:
    named = frozenset({part})
    if is_ticked("remove"):
        return SettingsChange(named=named)
    if part == "mail":
        return SettingsChange(named=named, mail=_mail())
    if part == "webhook":
        return SettingsChange(named=named, webhook_url=field("url"), webhook_secret=field("secret") or None)
    if part == "language":
        return SettingsChange(named=named, language=Language(chosen("language", Language)))
    return SettingsChange(named=named, recipients=addresses_in(field("recipients")))


def _mail() -> MailServer:
    port = field("port", 5)
    if not (port.isascii() and port.isdigit()):
        raise bad_request(gettext("The port is a whole number: 587 for STARTTLS, 465 for TLS."))
    return MailServer(
        host=field("host"),
        port=int(port),
        security=MailSecurity(chosen("security", SECURITIES)),
        sender=field("sender"),
        user=field("user") or None,
        password=field("password") or None,
    )
