"""The tap on the wire: while it is open, what goes to a target and comes back is kept, without secrets.

No header is kept, for credentials are in them. Of bodies and addresses, passwords and the values of attributes whose
mapping redacts are taken out, wherever they stand; so are the credentials themselves, should a target give them back.
"""

import json
import logging
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.model.wire import WireExchange, without_secrets
from muster.ports.transport import Transport
from muster.ports.wire import WireLog, concerned
from muster.ports.world import Clock
from muster.telemetry.ids import known_ids

logger = logging.getLogger(__name__)

BODY_CHARACTERS = 16_384
LOOK_EVERY = timedelta(seconds=5)
HIDDEN = "[Redact]"
_ALWAYS_HIDDEN = frozenset({"password", "secret", "token", "access_token", "refresh_token", "client_secret"})


class TappedTransport:
    """A Transport that keeps its exchanges while the job's wire log is on; asked for at most every five seconds."""

    def __init__(
        self,
        inner: Transport,
        *,
        log: WireLog,
        job_id: str,
        open_until: Callable[[], datetime | None],
        redacted: Collection[str],
        secrets: Callable[[], Collection[str]],
        clock: Clock,
    ) -> None:
        """Args:
        redacted: target attributes whose mapping redacts, as mappings name them.
        secrets: credentials in the clear, never kept.
        """
        self._inner = inner
        self._log = log
        self._job_id = job_id
        self._open_until = open_until
        self._redacted = frozenset(leaf_name(name) for name in redacted)
        self._hidden = _ALWAYS_HIDDEN | self._redacted
        self._secrets = secrets
        self._clock = clock
        self._lock = threading.Lock()
        self._until: datetime | None = None
        self._asked_at: datetime | None = None

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """Returns the answer of the transport within."""
        if not self._is_open():
            return self._inner.send(request, deadline=deadline)
        began_at = self._clock.now()
        try:
            response = self._inner.send(request, deadline=deadline)
        except ExchangeFailed as failure:
            self._keep(request, None, failure.sentence, began_at)
            raise
        self._keep(request, response, None, began_at)
        return response

    def _is_open(self) -> bool:
        now = self._clock.now()
        with self._lock:
            if self._asked_at is None or now - self._asked_at >= LOOK_EVERY:
                self._asked_at = now
                self._until = self._open_until()
            return self._until is not None and now < self._until

    def _keep(
        self, request: HttpRequest, response: HttpResponse | None, trouble: str | None, began_at: datetime
    ) -> None:
        exchange = WireExchange(
            at=began_at,
            job_id=self._job_id,
            source_id=concerned(),
            method=request.method,
            url=self._address(request.url),
            request_body=self._text(request.body),
            status=None if response is None else response.status,
            response_body=None if response is None else self._text(response.body),
            elapsed=self._clock.now() - began_at,
            trouble=None if trouble is None else self._without_secrets(trouble),
            cycle_id=known_ids().get("cycle_id"),
        )
        try:
            self._log.record(exchange)
        except Exception:
            # Looking on must not change what is looked at.
            logger.exception("an exchange could not be kept in the wire log", extra={"job_id": self._job_id})

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        asked = unquote_plus(parts.query).lower()
        if any(name in asked for name in self._hidden):
            return self._without_secrets(parts._replace(query=HIDDEN).geturl())
        return self._without_secrets(url)

    def _text(self, body: bytes | None) -> str | None:
        if not body:
            return None
        try:
            text = json.dumps(self._masked(json.loads(body)), ensure_ascii=False)
        except (ValueError, RecursionError):
            # No JSON: a page of a proxy, or cut off. What cannot be read cannot be masked.
            text = body[:BODY_CHARACTERS].decode("utf-8", "replace")
            if any(name in text.lower() for name in (*self._redacted, '"password"')):
                return HIDDEN
        text = self._without_secrets(text)
        return text if len(text) <= BODY_CHARACTERS else f"{text[:BODY_CHARACTERS]}…"

    def _masked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        if not isinstance(value, dict):
            return value
        path = value.get("path")
        hides_value = isinstance(path, str) and self._hides(path)
        return {
            key: HIDDEN
            if item is not None and (self._hides(key) or (hides_value and key == "value"))
            else self._masked(item)
            for key, item in value.items()
        }

    def _hides(self, name: str) -> bool:
        return leaf_name(name) in self._hidden or name.lower() in self._hidden

    def _without_secrets(self, text: str) -> str:
        return without_secrets(text, self._secrets())


def leaf_name(path: str) -> str:
    """Returns the name by which an attribute of a mapping stands in bodies, in lower case.

    `urn:…:User:department` is department, `name.givenName` givenname, `emails[type eq "work"].value` emails.
    """
    plain = path.rpartition(":")[2] if path.lower().startswith("urn:") and "[" not in path else path
    before, bracket, _ = plain.partition("[")
    return (before if bracket else plain.rpartition(".")[2]).rpartition(":")[2].lower()
