"""Mail through a real mail server, webhooks to a real receiver, and the courier between them and the outbox."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from contract.played_servers import Authority, PlayedServer, answer
from fakes.mail_server import PASSWORD, USER, Kept, mail_server
from fakes.store import fresh_store
from fakes.world import EPOCH, CountingIds, StillClock
from muster.model.failures import FailureRecord
from muster.model.job import QuarantineReason
from muster.model.language import Language
from muster.model.notice import (
    Cause,
    DeliveryState,
    JobAudience,
    MailSecurity,
    MailServer,
    Notice,
    NoticeKind,
    NotificationSettings,
    Webhook,
)
from muster.notifications.courier import Courier
from muster.notifications.letter import write_letter
from muster.notifications.mail import Mailer, form_mail
from muster.notifications.webhook import sign
from muster.ports.notifier import DeliveryFailed
from muster.sealing import make_webhook_secret, read_webhook_secret
from muster.settings import parse_network
from muster.store.open import Store
from muster.transport.client import open_transport

LOOPBACK = (parse_network("127.0.0.0/8"),)
NOTICE = Notice(
    id="n1",
    kind=NoticeKind.QUARANTINED,
    at=EPOCH,
    service_principal_id="sp",
    job_id="job",
    reason="EncounteredEscrowProportionThreshold",
    failure=FailureRecord(
        code="EncounteredEscrowProportionThreshold", sentence="52 failed.", remedy="Look at the log."
    ),
    causes=(
        Cause(code="EntryConflict", sentence="Taken.", remedy="Free it.", count=40),
        Cause(code="MissingValues", sentence="mail is <empty> & required.", remedy="Fill it.", count=12),
    ),
    count=52,
    since=EPOCH,
    next_attempt_at=EPOCH + timedelta(minutes=40),
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def _context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


def _server(kept: Kept, security: MailSecurity, **values: object) -> MailServer:
    server = MailServer(host="localhost", port=kept.port, security=security, sender="muster@example.com")
    return replace(server, **values)  # type: ignore[arg-type]  # fields by name


def _send(server: MailServer, context: ssl.SSLContext, recipient: str = "it@example.com") -> None:
    letter = write_letter(NOTICE, "8x8", "https://muster.example.com")
    message = form_mail(letter, sender=server.sender, recipient=recipient, delivery_id="d1", at=EPOCH)
    Mailer(lambda host, port: ("127.0.0.1",), context).send(server, message, recipient)


# ---------------------------------------------------------------- mail


def test_a_mail_says_what_happened_why_what_to_do_and_where_to_look() -> None:
    with mail_server() as kept:
        _send(_server(kept, MailSecurity.NONE), ssl.create_default_context())
    (mail,) = kept.mails
    assert mail["Subject"] == "[Muster] 8x8: provisioning is in quarantine"
    assert (mail["From"], mail["To"]) == ("muster@example.com", "it@example.com")
    assert mail["Message-ID"] == "<d1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]  # both are there
    for expected in (
        "too large a share of the changes failed (EncounteredEscrowProportionThreshold)",
        "- 40 × EntryConflict: Taken. Free it.",
        "- 12 × MissingValues",
        "- Look at the log.",
        "2026-01-05 08:40 UTC",
        "https://muster.example.com/applications/sp/logs?status=failure",
    ):
        assert expected in text
    assert "mail is &lt;empty&gt; &amp; required." in html
    assert '<a href="https://muster.example.com/applications/sp">' in html


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_of_notice_can_be_written(kind: NoticeKind) -> None:
    letter = write_letter(replace(NOTICE, kind=kind, causes=()), "8x8", None)
    assert letter.subject.startswith("[Muster] ")
    assert len(letter.happened) > 40 and letter.todo and not letter.links
    assert all(part in letter.text for part in (letter.happened, *letter.todo))


@pytest.mark.parametrize(
    ("kind", "reason", "page"),
    [
        (NoticeKind.DELETIONS_HELD, None, "held"),
        (NoticeKind.APPROVAL_AWAITED, None, "held"),
        (NoticeKind.QUARANTINE_CHANGED, QuarantineReason.TOO_MANY_DELETES.value, "held"),
        (NoticeKind.FAILURES_DIGEST, None, "logs?status=failure"),
    ],
)
def test_a_letter_leads_to_what_it_tells_of(kind: NoticeKind, reason: str | None, page: str) -> None:
    letter = write_letter(replace(NOTICE, kind=kind, reason=reason), "8x8", "https://m")
    assert [address for _, address in letter.links] == [
        "https://m/applications/sp",
        f"https://m/applications/sp/{page}",
    ]


@pytest.mark.parametrize("reason", list(QuarantineReason))
def test_every_reason_has_words(reason: QuarantineReason) -> None:
    assert f"({reason.value})" in write_letter(replace(NOTICE, reason=reason.value), "8x8", None).happened


@pytest.mark.parametrize(
    "name", ["8x8\r\nBcc: thief@example.com", "8x8\nX: y", "8x8\u2028X: y", "8x8\x00\x1b[31m", "x" * 5000]
)
def test_a_name_cannot_bring_a_header_of_its_own(name: str) -> None:
    letter = write_letter(replace(NOTICE, causes=(replace(NOTICE.causes[0], sentence=name),)), name, "https://m")
    message = form_mail(letter, sender="muster@example.com", recipient="it@example.com", delivery_id="d", at=EPOCH)
    raw = bytes(message).partition(b"\r\n\r\n")[0]
    names = {line.split(b":")[0].lower() for line in raw.split(b"\r\n") if not line.startswith((b" ", b"\t"))}
    assert names <= {
        b"subject",
        b"from",
        b"to",
        b"date",
        b"message-id",
        b"auto-submitted",
        b"x-auto-response-suppress",
        b"mime-version",
        b"content-type",
    }
    assert "\n" not in letter.subject and "\x1b" not in letter.text


@pytest.mark.parametrize("recipient", ["a@example.com\r\nBcc: thief@example.com", "a@example.com\nX: y"])
def test_a_recipient_with_a_line_break_is_refused(recipient: str) -> None:
    letter = write_letter(NOTICE, "8x8", None)
    with pytest.raises(DeliveryFailed) as failed:
        form_mail(letter, sender="muster@example.com", recipient=recipient, delivery_id="d", at=EPOCH)
    assert failed.value.is_final


def test_starttls_with_a_sign_in(authority: Authority) -> None:
    context = authority.server_context(authority.issue("mail", names=("localhost",)))
    with mail_server(starttls=context, asks_sign_in=True) as kept:
        _send(_server(kept, MailSecurity.STARTTLS, user=USER, password=PASSWORD), _context(authority))
        assert len(kept.envelopes) == 1
        with pytest.raises(DeliveryFailed, match="does not accept user and password") as failed:
            _send(_server(kept, MailSecurity.STARTTLS, user=USER, password="wrong-word"), _context(authority))
        assert "wrong-word" not in failed.value.sentence and not failed.value.is_final


def test_tls_from_the_first_byte(authority: Authority) -> None:
    context = authority.server_context(authority.issue("mail", names=("localhost",)))
    with mail_server(tls=context) as kept:
        _send(_server(kept, MailSecurity.TLS), _context(authority))
        assert len(kept.envelopes) == 1


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
@pytest.mark.parametrize("wrong", ["unknown authority", "another name"])
def test_a_certificate_that_cannot_be_trusted_stops_the_mail(
    authority: Authority, tmp_path: Path, security: MailSecurity, wrong: str
) -> None:
    name = "elsewhere.example.com" if wrong == "another name" else "localhost"
    context = authority.server_context(authority.issue("mail", names=(name,)))
    trusted = _context(authority) if wrong == "another name" else ssl.create_default_context()
    servers = {MailSecurity.STARTTLS: {"starttls": context}, MailSecurity.TLS: {"tls": context}}
    with mail_server(**servers[security]) as kept:  # type: ignore[arg-type]  # one of the two
        with pytest.raises(DeliveryFailed, match="is not trusted"):
            _send(_server(kept, security), trusted)
        assert kept.envelopes == []


def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    with mail_server() as kept:
        with pytest.raises(DeliveryFailed, match="does not offer STARTTLS"):
            _send(_server(kept, MailSecurity.STARTTLS), ssl.create_default_context())
        assert kept.envelopes == []


@pytest.mark.parametrize(("refusal", "is_final"), [("550 no such user", True), ("451 try later", False)])
def test_a_refused_recipient_is_final_if_the_server_says_so(refusal: str, is_final: bool) -> None:
    with mail_server() as kept:
        kept.refuse["it@example.com"] = refusal
        with pytest.raises(DeliveryFailed, match="refuses the recipient") as failed:
            _send(_server(kept, MailSecurity.NONE), ssl.create_default_context())
        assert failed.value.is_final is is_final
        assert refusal[:3] in failed.value.sentence


def test_nobody_at_the_port_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    server = MailServer(host="localhost", port=port, security=MailSecurity.NONE, sender="m@example.com")
    with pytest.raises(DeliveryFailed, match="cannot be talked to"):
        _send(server, ssl.create_default_context())


# ---------------------------------------------------------------- courier


class Desk:
    """A courier over a store, with a mail server and a webhook that a test chooses."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = fresh_store(folder)
        self.clock = StillClock()
        self.settings = NotificationSettings()
        self.named: tuple[str, ...] = ()
        self.courier = Courier(
            outbox=self.store.outbox,
            settings=lambda: self.settings,
            audience=lambda sp: ("8x8", JobAudience(recipients=self.named)),
            mailer=Mailer(lambda host, port: ("127.0.0.1",), ssl.create_default_context()),
            transport=open_transport(allowed=LOOPBACK),
            root="https://muster.example.com",
            clock=self.clock,
            ids=CountingIds(),
        )

    def states(self) -> list[tuple[str, DeliveryState, int]]:
        return [(each.recipient, each.state, each.attempts) for each in reversed(self.store.outbox.recent(10))]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def kept() -> Iterator[Kept]:
    with mail_server() as server:
        yield server


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_each_recipient_gets_one_mail_of_an_event(desk: Desk, kept: Kept) -> None:
    desk.settings = NotificationSettings(mail=_server(kept, MailSecurity.NONE), recipients=("all@example.com",))
    desk.named = ("job@example.com", "all@example.com")
    desk.store.outbox.notify(NOTICE)
    desk.store.outbox.notify(NOTICE)
    assert desk.courier.work() == 2
    assert desk.courier.work() == 0
    assert [envelope.rcpt_tos for envelope in kept.envelopes] == [["job@example.com"], ["all@example.com"]]
    assert desk.states() == [
        ("job@example.com", DeliveryState.SENT, 1),
        ("all@example.com", DeliveryState.SENT, 1),
    ]


def test_what_did_not_arrive_is_tried_again_later_and_later_under_one_message_id(desk: Desk, kept: Kept) -> None:
    desk.settings = NotificationSettings(mail=_server(kept, MailSecurity.NONE), recipients=("it@example.com",))
    kept.refuse["it@example.com"] = "451 try later"
    desk.store.outbox.notify(NOTICE)
    assert [desk.courier.work(), desk.courier.work()] == [1, 0]
    desk.clock.advance(timedelta(minutes=1))
    assert [desk.courier.work(), desk.courier.work()] == [1, 0]
    kept.refuse.clear()
    desk.clock.advance(timedelta(minutes=5))
    assert desk.courier.work() == 1
    assert desk.states() == [("it@example.com", DeliveryState.SENT, 3)]
    assert [mail["Message-ID"] for mail in kept.mails] == [f"<{desk.store.outbox.recent(1)[0].id}@example.com>"]


def test_a_courier_that_died_while_sending_sends_again_under_the_same_message_id(
    desk: Desk, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.settings = NotificationSettings(mail=_server(kept, MailSecurity.NONE), recipients=("it@example.com",))
    desk.store.outbox.notify(NOTICE)
    monkeypatch.setattr(type(desk.store.outbox), "sent", _killed)
    with pytest.raises(KeyboardInterrupt):
        desk.courier.work()
    monkeypatch.undo()
    assert desk.courier.work() == 0
    desk.clock.advance(timedelta(minutes=10))
    assert [desk.courier.work(), desk.courier.work()] == [1, 0]
    assert len(kept.mails) == 2
    assert len({mail["Message-ID"] for mail in kept.mails}) == 1


def test_without_a_mail_server_it_waits_until_one_is_set(desk: Desk, kept: Kept) -> None:
    desk.named = ("it@example.com",)
    desk.store.outbox.notify(NOTICE)
    desk.courier.work()
    assert "No mail server" in str(desk.store.outbox.recent(1)[0].trouble)
    desk.settings = NotificationSettings(mail=_server(kept, MailSecurity.NONE))
    desk.clock.advance(timedelta(minutes=1))
    desk.courier.work()
    assert len(kept.mails) == 1


def test_after_three_days_it_is_given_up(desk: Desk) -> None:
    desk.named = ("it@example.com",)
    desk.store.outbox.notify(NOTICE)
    for _ in range(9):
        desk.courier.work()
        desk.clock.advance(timedelta(hours=24))
    assert desk.states() == [("it@example.com", DeliveryState.GIVEN_UP, 9)]


def test_nobody_to_tell_is_no_trouble(desk: Desk) -> None:
    desk.store.outbox.notify(NOTICE)
    assert desk.courier.work() == 0
    assert desk.states() == []


# ---------------------------------------------------------------- webhook


def _told(desk: Desk, receiver: PlayedServer, secret: str) -> None:
    desk.settings = NotificationSettings(webhook=Webhook(url=receiver.url, secret=secret))
    desk.store.outbox.notify(NOTICE)
    desk.courier.work()


def test_a_webhook_is_told_everything_with_a_signature_that_can_be_checked(desk: Desk) -> None:
    receiver, secret = PlayedServer(answer()), make_webhook_secret()
    _told(desk, receiver, secret)
    (request,) = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.decode().partition(":") for line in head.split(b"\r\n")[1:])
    }
    # As a receiver that has never seen our code would check it.
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == int(EPOCH.timestamp())
    told = json.loads(body)
    assert (told["type"], told["data"]["jobId"]) == ("quarantined", "job")
    assert told["data"]["causes"][0] == {
        "code": "EntryConflict",
        "message": "Taken.",
        "recommendedAction": "Free it.",
        "count": 40,
    }
    assert secret not in request.decode()
    receiver.close()


def test_the_signature_is_that_of_the_published_example() -> None:
    # Source: the example of the Standard Webhooks specification.
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("204 No Content", DeliveryState.SENT),
        ("500 Oops", DeliveryState.WAITING),
        # Not followed: it could lead into the operator's network.
        ("302 Found", DeliveryState.WAITING),
        ("410 Gone", DeliveryState.GIVEN_UP),
    ],
)
def test_what_the_receiver_answers_decides(desk: Desk, status: str, state: DeliveryState) -> None:
    receiver = PlayedServer(answer(b"", status=status, headers=("Location: http://127.0.0.1:1/",)))
    _told(desk, receiver, make_webhook_secret())
    assert desk.states() == [(receiver.url, state, 1)]
    assert len(receiver.requests) == 1
    receiver.close()


@pytest.mark.parametrize("url", ["https://169.254.169.254/latest", "https://10.0.0.1/", "http://example.com/"])
def test_a_webhook_does_not_reach_into_the_operators_network(desk: Desk, url: str) -> None:
    desk.settings = NotificationSettings(webhook=Webhook(url=url, secret=make_webhook_secret()))
    desk.store.outbox.notify(NOTICE)
    desk.courier.work()
    trouble = desk.store.outbox.recent(1)[0].trouble
    assert trouble is not None and ("not called" in trouble or "resolved" in trouble)


def test_a_webhook_that_was_changed_meanwhile_is_not_told_what_was_meant_for_the_old_one(desk: Desk) -> None:
    receiver = PlayedServer(answer(status="500 Oops"))
    _told(desk, receiver, make_webhook_secret())
    desk.settings = NotificationSettings()
    desk.clock.advance(timedelta(minutes=1))
    desk.courier.work()
    assert desk.states() == [(receiver.url, DeliveryState.GIVEN_UP, 2)]
    receiver.close()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_äöü"])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        read_webhook_secret(text)


@pytest.mark.parametrize("kind", list(NoticeKind))
@pytest.mark.parametrize("count", [1, 1_200])
def test_every_kind_of_notice_is_written_in_dutch(kind: NoticeKind, count: int) -> None:
    english, dutch = (
        write_letter(
            replace(NOTICE, kind=kind, count=count, concerns="The API token “ci”"), "8x8", "https://m.example.com", each
        )
        for each in Language
    )
    assert '<html lang="nl">' in dutch.html and '<html lang="en">' in english.html
    pairs = zip(
        (english.subject, english.happened, *english.todo), (dutch.subject, dutch.happened, *dutch.todo), strict=True
    )
    assert [one for one, other in pairs if one == other and one != "Look at the log."] == []
    assert "Wat te doen:" in dutch.text
    assert "Fouten in het logboek: https://" in dutch.text or "Tegengehouden: https://" in dutch.text
    assert "1,200" not in dutch.text


def test_mails_are_in_the_language_of_the_installation(desk: Desk, kept: Kept) -> None:
    server = _server(kept, MailSecurity.NONE)
    desk.settings = NotificationSettings(mail=server, recipients=("all@example.com",), language=Language.DUTCH)
    desk.store.outbox.notify(NOTICE)
    assert desk.courier.work() == 1
    (envelope,) = kept.envelopes
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["Subject"] == "[Muster] 8x8: de inrichting is in quarantaine"
