"""The contract of the outbox, and of how the installation tells."""

from datetime import timedelta

import sqlalchemy as sa

from fakes.company import NOW
from muster.database.connection import Database
from muster.model.failures import FailureRecord
from muster.model.notice import (
    Cause,
    Channel,
    DeliveryState,
    MailSecurity,
    MailServer,
    Notice,
    NoticeKind,
    NotificationSettings,
    Webhook,
)
from muster.ports.notifier import NewDelivery
from muster.store.open import Store

MINUTE = timedelta(minutes=1)
NOTICE = Notice(
    id="n1",
    kind=NoticeKind.QUARANTINED,
    at=NOW,
    service_principal_id="sp",
    job_id="job",
    reason="EncounteredQuarantineException",
    failure=FailureRecord(code="InvalidCredentials", sentence="401.", remedy="Enter a token."),
    causes=(Cause(code="EntryConflict", sentence="Taken.", remedy="Free it.", count=3),),
    count=3,
    since=NOW,
    next_attempt_at=NOW + MINUTE,
)
TO_ANN = NewDelivery(id="d1", channel=Channel.MAIL, recipient="ann@example.com")
TO_HOOK = NewDelivery(id="d2", channel=Channel.WEBHOOK, recipient="https://hooks.example.com/")


def test_a_notice_waits_for_its_addresses_and_is_kept_once(store: Store) -> None:
    assert store.outbox.unaddressed(10) == ()
    store.outbox.notify(NOTICE)
    store.outbox.notify(NOTICE)
    assert list(store.outbox.unaddressed(10)) == [NOTICE]


def test_a_notice_is_addressed_once(store: Store) -> None:
    store.outbox.notify(NOTICE)
    store.outbox.address("n1", [TO_ANN], NOW)
    store.outbox.address("n1", [TO_HOOK], NOW)
    store.outbox.notify(NOTICE)
    assert list(store.outbox.unaddressed(10)) == []
    assert [each.id for each in store.outbox.recent(10)] == ["d1"]


def test_a_notice_for_nobody_is_done_with(store: Store) -> None:
    store.outbox.notify(NOTICE)
    store.outbox.address("n1", [], NOW)
    assert list(store.outbox.unaddressed(10)) == []
    assert list(store.outbox.take(NOW, NOW + MINUTE, 10)) == []


def test_what_was_taken_is_kept_from_others_until_its_time_is_over(store: Store) -> None:
    store.outbox.notify(NOTICE)
    store.outbox.address("n1", [TO_ANN, TO_HOOK], NOW)
    assert list(store.outbox.take(NOW - MINUTE, NOW, 10)) == []
    first = store.outbox.take(NOW, NOW + MINUTE, 1)
    assert [(each.id, each.attempts, each.notice) for each in first] == [("d1", 1, NOTICE)]
    assert [each.id for each in store.outbox.take(NOW, NOW + MINUTE, 10)] == ["d2"]
    assert list(store.outbox.take(NOW, NOW + MINUTE, 10)) == []
    # Whoever took them has died.
    again = store.outbox.take(NOW + MINUTE, NOW + 2 * MINUTE, 10)
    assert [(each.id, each.attempts) for each in again] == [("d1", 2), ("d2", 2)]


def test_what_arrived_or_was_given_up_is_not_tried_again(store: Store) -> None:
    store.outbox.notify(NOTICE)
    store.outbox.address("n1", [TO_ANN, TO_HOOK], NOW)
    store.outbox.take(NOW, NOW + MINUTE, 10)
    store.outbox.sent("d1", NOW)
    store.outbox.failed("d2", "The webhook answered HTTP 410.", None)
    assert list(store.outbox.take(NOW + timedelta(days=9), NOW + timedelta(days=10), 10)) == []
    newest, oldest = store.outbox.recent(10)
    assert (newest.state, newest.trouble) == (DeliveryState.GIVEN_UP, "The webhook answered HTTP 410.")
    assert (oldest.state, oldest.sent_at, oldest.trouble) == (DeliveryState.SENT, NOW, None)


def test_what_failed_is_tried_again_at_its_time(store: Store) -> None:
    store.outbox.notify(NOTICE)
    store.outbox.address("n1", [TO_ANN], NOW)
    store.outbox.take(NOW, NOW + MINUTE, 10)
    store.outbox.failed("d1", "no answer", NOW + 5 * MINUTE)
    assert list(store.outbox.take(NOW + 4 * MINUTE, NOW + 9 * MINUTE, 10)) == []
    assert [each.trouble for each in store.outbox.take(NOW + 5 * MINUTE, NOW + 9 * MINUTE, 10)] == ["no answer"]


def test_the_settings_come_back_and_lie_sealed(store: Store, store_database: Database) -> None:
    assert store.notification_settings.get() == NotificationSettings()
    settings = NotificationSettings(
        mail=MailServer(
            host="mail.example.com",
            port=587,
            security=MailSecurity.STARTTLS,
            sender="muster@example.com",
            user="muster",
            password="s3cret-word",
        ),
        webhook=Webhook(url="https://hooks.example.com/", secret="whsec_c2VjcmV0"),
        recipients=("it@example.com",),
    )
    store.notification_settings.put(NotificationSettings())
    store.notification_settings.put(settings)
    assert store.notification_settings.get() == settings
    with store_database.read() as connection:
        rows = connection.execute(sa.text("SELECT sealed FROM notification_settings")).all()
    assert len(rows) == 1
    assert b"s3cret-word" not in bytes(rows[0][0])
    assert "s3cret-word" not in repr(settings) and "whsec_" not in repr(settings)
