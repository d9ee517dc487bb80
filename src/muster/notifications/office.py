"""What administrators do with notifications: see and change how the installation tells, and try it out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from muster.model.notice import Channel, Delivery, Notice, NoticeKind, NotificationSettings
from muster.notifications.courier import Courier
from muster.notifications.mail import FindAddresses
from muster.ports.notifier import DeliveryFailed, NotificationSettingsStore, Outbox, TestTold
from muster.ports.world import Ids
from muster.sealing import SealingError

PARTS = ("mail", "webhook", "recipients", "language")


def in_force(kept: NotificationSettings, environment: NotificationSettings) -> NotificationSettings:
    """Returns the settings in force: a part that the environment sets wins over what was kept."""
    return replace(
        kept,
        mail=environment.mail or kept.mail,
        webhook=environment.webhook or kept.webhook,
        recipients=environment.recipients or kept.recipients,
        language=environment.language or kept.language,
    )


class Office:
    """The Notifications of one house."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        store: NotificationSettingsStore,
        environment: NotificationSettings,
        courier: Callable[[], Courier],
        find: FindAddresses,
        check_url: Callable[[str], None],
        ids: Ids,
    ) -> None:
        """Args:
        check_url: raises DeliveryFailed for a webhook that is not to be called.
        courier: made when a test is told, as it holds a client.
        """
        self._outbox = outbox
        self._store = store
        self._environment = environment
        self._courier = courier
        self._find = find
        self._check_url = check_url
        self._ids = ids

    def settings(self) -> NotificationSettings:
        """Returns what is in force."""
        return in_force(self._kept() or NotificationSettings(), self._environment)

    def is_lost(self) -> bool:
        """Whether what was kept cannot be opened, as its key is lost."""
        return self._kept() is None

    def held_by_environment(self) -> frozenset[str]:
        """Returns which parts the environment sets."""
        return frozenset(part for part in PARTS if getattr(self._environment, part))

    def keep(self, settings: NotificationSettings) -> None:
        """Replaces what is kept; what the environment sets is not kept."""
        held = self.held_by_environment()
        kept = self._kept() or NotificationSettings()
        self._store.put(replace(settings, **{part: getattr(kept, part) for part in held}))

    def _kept(self) -> NotificationSettings | None:
        """What is kept; None while the key that opens it is lost."""
        try:
            return self._store.get()
        except SealingError:
            return None

    def check_host(self, host: str, port: int) -> None:
        """Checks that a mail server may be called. Raises: DeliveryFailed."""
        self._find(host, port)

    def check_webhook(self, url: str) -> None:
        """Checks that a webhook may be called. Raises: DeliveryFailed."""
        self._check_url(url)

    def tell_test(self, recipients: Sequence[str], at: datetime) -> Sequence[TestTold]:
        """Tells a test notice at once: to these addresses (none: those of the settings) and to the webhook."""
        settings = self.settings()
        notice = Notice(id=self._ids.new_id(), kind=NoticeKind.TEST, at=at)
        wanted = [(Channel.MAIL, address) for address in (recipients or settings.recipients)]
        if settings.webhook is not None:
            wanted.append((Channel.WEBHOOK, settings.webhook.url))
        courier = self._courier()
        return [self._told(courier, notice, channel, recipient, at) for channel, recipient in wanted]

    def recent(self, limit: int) -> Sequence[Delivery]:
        """Returns the newest deliveries."""
        return self._outbox.recent(limit)

    def _told(self, courier: Courier, notice: Notice, channel: Channel, recipient: str, at: datetime) -> TestTold:
        trouble = None
        try:
            courier.tell(notice, channel, recipient, self._ids.new_id(), at)
        except DeliveryFailed as failure:
            trouble = failure.sentence
        return TestTold(channel=channel, recipient=recipient, trouble=trouble)
