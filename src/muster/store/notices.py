"""The outbox of notices on SQL, and how the installation tells, sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database, upsert
from muster.model.notice import Channel, Delivery, DeliveryState, Notice, NotificationSettings
from muster.ports.notifier import NewDelivery
from muster.sealing import Sealer
from muster.store.encoding import decode, encode
from muster.store.operator_tables import deliveries, notices, notification_settings

_FIELD = "installation/notifications"
_WAITING = DeliveryState.WAITING.value


class SqlOutbox:
    """The Outbox on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Asked once a second: looking does not wait for other writers.
        self._any_unaddressed = database.prepare(
            sa.select(notices.c.key).where(notices.c.addressed == sa.bindparam("addressed")).limit(1)
        )
        self._any_due = database.prepare(
            sa.select(deliveries.c.key)
            .where(
                deliveries.c.state == sa.bindparam("state"),
                deliveries.c.next_attempt_at <= sa.bindparam("at", type_=deliveries.c.next_attempt_at.type),
            )
            .limit(1)
        )

    def notify(self, notice: Notice) -> None:
        """Keeps a notice to be told; nothing for one whose id is known already."""
        with self._database.write() as connection:
            keep_notice(connection, notice)

    def unaddressed(self, limit: int) -> Sequence[Notice]:
        """Returns notices of which it is not decided yet to whom they are told, oldest first."""
        if self._any_unaddressed.fetch_one({"addressed": False}) is None:
            return ()
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(notices.c.notice).where(~notices.c.addressed).order_by(notices.c.key).limit(limit)
            ).all()
        return [decode(row.notice, Notice) for row in rows]

    def address(self, notice_id: str, wanted: Sequence[NewDelivery], at: datetime) -> None:
        """Fixes, once, to whom a notice is told; nobody is an answer too."""
        with self._database.write() as connection:
            key = connection.execute(
                sa.update(notices)
                .where(notices.c.notice_id == notice_id, ~notices.c.addressed)
                .values(addressed=True)
                .returning(notices.c.key)
            ).scalar()
            if key is None or not wanted:
                return
            connection.execute(
                sa.insert(deliveries),
                [
                    {
                        "delivery_id": each.id,
                        "notice_key": key,
                        "channel": each.channel.value,
                        "recipient": each.recipient,
                        "state": _WAITING,
                        "attempts": 0,
                        "next_attempt_at": at,
                    }
                    for each in wanted
                ],
            )

    def take(self, at: datetime, until: datetime, limit: int) -> Sequence[Delivery]:
        """Returns deliveries that are due, and keeps them from every other taker until an instant."""
        if self._any_due.fetch_one({"state": _WAITING, "at": at}) is None:
            return ()
        with self._database.write() as connection:
            due = (
                sa.select(deliveries.c.key)
                .where(deliveries.c.state == _WAITING, deliveries.c.next_attempt_at <= at)
                .order_by(deliveries.c.key)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            keys = list(connection.execute(due).scalars())
            if not keys:
                return ()
            connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.key.in_(keys))
                .values(next_attempt_at=until, attempts=deliveries.c.attempts + 1)
            )
            rows = connection.execute(
                _select_deliveries().where(deliveries.c.key.in_(keys)).order_by(deliveries.c.key)
            ).all()
        return [_delivery(row) for row in rows]

    def sent(self, delivery_id: str, at: datetime) -> None:
        """Notes that a delivery has arrived."""
        self._change(delivery_id, state=DeliveryState.SENT.value, sent_at=at, trouble=None)

    def failed(self, delivery_id: str, trouble: str, next_attempt_at: datetime | None) -> None:
        """Notes that an attempt failed and when the next one is due; None: it is given up."""
        if next_attempt_at is None:
            self._change(delivery_id, state=DeliveryState.GIVEN_UP.value, trouble=trouble)
        else:
            self._change(delivery_id, next_attempt_at=next_attempt_at, trouble=trouble)

    def recent(self, limit: int) -> Sequence[Delivery]:
        """Returns deliveries, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(_select_deliveries().order_by(deliveries.c.key.desc()).limit(limit)).all()
        return [_delivery(row) for row in rows]

    def _change(self, delivery_id: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(sa.update(deliveries).where(deliveries.c.delivery_id == delivery_id).values(**values))


class SqlNotificationSettings:
    """The NotificationSettingsStore on SQL."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def get(self) -> NotificationSettings:
        """Returns the settings; empty ones before any were kept. Raises: SealingError."""
        with self._database.read() as connection:
            sealed = connection.execute(sa.select(notification_settings.c.sealed)).scalar()
        if sealed is None:
            return NotificationSettings()
        return decode(self._sealer.unseal(sealed, field=_FIELD).encode(), NotificationSettings)

    def put(self, settings: NotificationSettings) -> None:
        """Replaces the settings."""
        sealed = self._sealer.seal(encode(settings).decode(), field=_FIELD)
        with self._database.write() as connection:
            upsert(connection, notification_settings, [{"key": 1, "sealed": sealed}], keys=("key",))

    def reseal(self) -> int:
        """Seals the settings anew if an older key has sealed them; returns how many values that were."""
        with self._database.write() as connection:
            sealed = connection.execute(sa.select(notification_settings.c.sealed)).scalar()
            if sealed is None or self._sealer.is_current(sealed):
                return 0
            anew = self._sealer.seal(self._sealer.unseal(sealed, field=_FIELD), field=_FIELD)
            connection.execute(sa.update(notification_settings).values(sealed=anew))
        return 1


def keep_notice(connection: Connection, notice: Notice) -> None:
    """Keeps a notice in the caller's transaction, so that what is told and what has happened are one."""
    row = {"notice_id": notice.id, "at": notice.at, "addressed": False, "notice": encode(notice)}
    upsert(connection, notices, row, keys=("notice_id",), update=())


def _select_deliveries() -> sa.Select[Any]:
    return sa.select(deliveries, notices.c.notice).join(notices, notices.c.key == deliveries.c.notice_key)


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.delivery_id,
        notice=decode(row.notice, Notice),
        channel=Channel(row.channel),
        recipient=row.recipient,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        sent_at=row.sent_at,
        trouble=row.trouble,
    )
