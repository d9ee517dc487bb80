"""Telling people and systems what happened to a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muster.model.notice import Channel, Delivery, Notice, NotificationSettings


class Notifier(Protocol):
    """Takes what is to be told. It is told later, by the engine process, and survives a crash."""

    def notify(self, notice: Notice) -> None:
        """Keeps a notice to be told; nothing for one whose id is known already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """Whom a notice is told to."""

    id: str
    channel: Channel
    recipient: str


class Outbox(Notifier, Protocol):
    """Notices and their deliveries."""

    def unaddressed(self, limit: int) -> Sequence[Notice]:
        """Returns notices of which it is not decided yet to whom they are told, oldest first."""
        ...

    def address(self, notice_id: str, wanted: Sequence[NewDelivery], at: datetime) -> None:
        """Fixes, once, to whom a notice is told; nobody is an answer too."""
        ...

    def take(self, at: datetime, until: datetime, limit: int) -> Sequence[Delivery]:
        """Returns deliveries that are due, and keeps them from every other taker until an instant.

        Whoever dies with them lets them fall due again then: at least once, under the same id.
        """
        ...

    def sent(self, delivery_id: str, at: datetime) -> None:
        """Notes that a delivery has arrived."""
        ...

    def failed(self, delivery_id: str, trouble: str, next_attempt_at: datetime | None) -> None:
        """Notes that an attempt failed and when the next one is due; None: it is given up."""
        ...

    def recent(self, limit: int) -> Sequence[Delivery]:
        """Returns deliveries, newest first."""
        ...


class NotificationSettingsStore(Protocol):
    """How the installation tells; sealed at rest, as a password and a signing secret are in it."""

    def get(self) -> NotificationSettings:
        """Returns the settings; empty ones before any were kept."""
        ...

    def put(self, settings: NotificationSettings) -> None:
        """Replaces the settings."""
        ...

    def reseal(self) -> int:
        """Seals with the key in force what an older one has sealed; returns how many values that were."""
        ...


class DeliveryFailed(Exception):
    """An attempt to tell failed. The sentence says why, without any secret; `is_final`: trying again is of no use."""

    def __init__(self, sentence: str, *, is_final: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_final = is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class TestTold:
    """What came of telling one recipient a test notice; `trouble` None: it arrived."""

    channel: Channel
    recipient: str
    trouble: str | None


class Notifications(Protocol):
    """What administrators do with notifications."""

    def settings(self) -> NotificationSettings:
        """Returns what is in force: what the environment sets, else what was kept."""
        ...

    def is_lost(self) -> bool:
        """Whether what was kept cannot be opened, as its key is lost: it is entered anew."""
        ...

    def held_by_environment(self) -> frozenset[str]:
        """Returns which parts (`mail`, `webhook`, `recipients`) the environment sets and nobody can change here."""
        ...

    def keep(self, settings: NotificationSettings) -> None:
        """Replaces what is kept."""
        ...

    def check_host(self, host: str, port: int) -> None:
        """Checks that a mail server may be called. Raises: DeliveryFailed."""
        ...

    def check_webhook(self, url: str) -> None:
        """Checks that a webhook may be called. Raises: DeliveryFailed."""
        ...

    def tell_test(self, recipients: Sequence[str], at: datetime) -> Sequence[TestTold]:
        """Tells a test notice at once: to these addresses (none: those of the settings) and to the webhook."""
        ...

    def recent(self, limit: int) -> Sequence[Delivery]:
        """Returns the newest deliveries."""
        ...
