"""The courier: decides to whom a notice goes, carries it there, and tries again what did not arrive."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from muster.database.saying import Trouble
from muster.model.language import Language
from muster.model.notice import Channel, Delivery, JobAudience, Notice, NoticeKind, NotificationSettings
from muster.notifications.letter import write_letter
from muster.notifications.mail import Mailer, form_mail
from muster.notifications.webhook import call, form_request
from muster.planning.notices import next_delivery
from muster.ports.notifier import DeliveryFailed, NewDelivery, Outbox
from muster.ports.transport import Transport
from muster.ports.world import Clock, Ids

LOOK_EVERY = timedelta(seconds=1)
# Longer than an attempt can take: mail has a handful of steps of twenty seconds.
_LEASE = timedelta(minutes=10)
_AT_ONCE = 20
_AFTER_FAILURE = timedelta(seconds=30)
_NO_MAIL_SERVER = "No mail server is set: set one (muster notifications set), and this is sent."

logger = logging.getLogger(__name__)

# service principal id -> its display name and whom its settings name.
Audience = Callable[[str], tuple[str, JobAudience]]


class Courier:
    """Works through the outbox. Several may, on several machines."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        settings: Callable[[], NotificationSettings],
        audience: Audience,
        mailer: Mailer,
        transport: Transport,
        root: str | None,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Args:
        root: the address of the portal, for links.
        """
        self._outbox = outbox
        self._settings = settings
        self._audience = audience
        self._mailer = mailer
        self._transport = transport
        self._root = root
        self._clock = clock
        self._ids = ids

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        trouble = Trouble(logger, "the courier's round")
        while not stop.wait(LOOK_EVERY.total_seconds()):
            try:
                self.work()
                trouble.works()
            except Exception as error:
                # What is to be told waits in the database.
                trouble.fails(error)
                stop.wait(_AFTER_FAILURE.total_seconds())

    def work(self) -> int:
        """Addresses what is new and carries what is due; returns how many deliveries were tried."""
        for notice in self._outbox.unaddressed(_AT_ONCE):
            self._outbox.address(notice.id, self._deliveries(notice), self._clock.now())
        now = self._clock.now()
        due = self._outbox.take(now, now + _LEASE, _AT_ONCE)
        for delivery in due:
            self._carry(delivery)
        return len(due)

    def tell(self, notice: Notice, channel: Channel, recipient: str, delivery_id: str, at: datetime) -> None:
        """Carries a notice to one recipient now. Raises: DeliveryFailed."""
        settings = self._settings()
        name = self._audience(notice.service_principal_id)[0] if notice.service_principal_id else ""
        if channel is Channel.MAIL:
            if settings.mail is None:
                raise DeliveryFailed(_NO_MAIL_SERVER)
            letter = write_letter(notice, name, self._root, settings.language or Language.ENGLISH)
            message = form_mail(
                letter, sender=settings.mail.sender, recipient=recipient, delivery_id=delivery_id, at=notice.at
            )
            self._mailer.send(settings.mail, message, recipient)
            return
        if settings.webhook is None or settings.webhook.url != recipient:
            raise DeliveryFailed("This webhook is no longer set.", is_final=True)
        # Programs are told in English, whatever people read.
        letter = write_letter(notice, name, self._root)
        call(self._transport, form_request(settings.webhook, notice, letter, name, delivery_id, at))

    def _deliveries(self, notice: Notice) -> Sequence[NewDelivery]:
        settings = self._settings()
        audience = self._audience(notice.service_principal_id)[1] if notice.service_principal_id else JobAudience()
        named = audience.expiry if notice.kind is NoticeKind.CREDENTIAL_EXPIRES else audience.recipients
        found = [(Channel.MAIL, address) for address in dict.fromkeys((*named, *settings.recipients))]
        if settings.webhook is not None:
            found.append((Channel.WEBHOOK, settings.webhook.url))
        return [NewDelivery(id=self._ids.new_id(), channel=channel, recipient=to) for channel, to in found]

    def _carry(self, delivery: Delivery) -> None:
        try:
            self.tell(delivery.notice, delivery.channel, delivery.recipient, delivery.id, self._clock.now())
        except DeliveryFailed as failure:
            again = None if failure.is_final else next_delivery(delivery.attempts, self._clock.now())
            self._outbox.failed(delivery.id, failure.sentence, again)
        else:
            self._outbox.sent(delivery.id, self._clock.now())
