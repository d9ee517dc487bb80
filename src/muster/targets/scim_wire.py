"""The wire to one SCIM application: every request passes here, at the target's pace, and is counted."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.model.failures import Interrupted, TargetThrottled
from muster.ports.transport import Transport
from muster.scim.client import ClientRequest, TenantAddress, form_url, told_status
from muster.targets.authorization import Authorization
from muster.targets.pace import LONGEST_IN_PLACE, Pace
from muster.targets.scim_failures import Errand, Purpose, failure_without_answer, unsendable
from muster.targets.stopping import StoppableClock

REFUSALS_PER_REQUEST = 20
# Somebody looks on, or all jobs wait.
_PROBE_WAITS = timedelta(seconds=5)
# The target has too much to do, rather than a fault.
_BUSY = frozenset({503, 504})
DEADLINES: Mapping[Purpose, timedelta] = {
    Purpose.PROBE: timedelta(seconds=20),
    Purpose.LIST: timedelta(seconds=60),
    Purpose.LOOKUP: timedelta(seconds=30),
    Purpose.READ: timedelta(seconds=30),
    Purpose.CREATE: timedelta(seconds=60),
    Purpose.UPDATE: timedelta(seconds=60),
    Purpose.DELETE: timedelta(seconds=60),
    Purpose.BULK: timedelta(seconds=120),
}


class ScimWire:
    """Sends requests of several threads over one transport."""

    def __init__(
        self,
        *,
        transport: Transport,
        address: TenantAddress,
        authorization: Authorization,
        media_type: str,
        pace: Pace,
        clock: StoppableClock,
    ) -> None:
        self._transport = transport
        self._address = address
        self._authorization = authorization
        self._media_type = media_type
        self._pace = pace
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._requests

    def send(self, request: ClientRequest, errand: Errand) -> HttpResponse:
        """Returns the answer, once the target no longer asks to wait (429).

        Raises: ProvisioningFailure, UnknownOutcome. Resting if it asks to wait for long.
        """
        presented = self._authorization.headers()
        sent = self._http(request, errand, presented)
        pause, is_renewed = timedelta(), False
        for _ in range(REFUSALS_PER_REQUEST):
            self._clock.check()
            try:
                self._pace.wait(_PROBE_WAITS if errand.purpose is Purpose.PROBE else LONGEST_IN_PLACE)
            except Interrupted:
                self._pace.lost()
                raise
            with self._lock:
                self._requests += 1
            try:
                response = self._transport.send(sent, deadline=DEADLINES[errand.purpose])
            except BaseException as error:
                self._pace.lost()
                if not isinstance(error, ExchangeFailed):
                    raise
                raise failure_without_answer(error, errand) from error
            if errand.purpose.writes:
                response = _as_told(response)
            if response.status == 429:
                pause = self._pace.refuse(response.headers)
                continue
            self._pace.note(response.headers, response.elapsed, is_busy=response.status in _BUSY)
            if response.status == 401 and not is_renewed and self._authorization.renew(presented):
                # A token may end, or be taken back, before its time. What was refused has not been carried out.
                is_renewed = True
                presented = self._authorization.headers()
                sent = self._http(request, errand, presented)
                continue
            return response
        raise TargetThrottled(
            f"The application asks for fewer requests (HTTP 429) and for a pause of {int(pause.total_seconds())} s.",
            status=429,
        )

    def _http(self, request: ClientRequest, errand: Errand, presented: Mapping[str, str]) -> HttpRequest:
        headers = {"Accept": f"{self._media_type}, application/json;q=0.9", "User-Agent": "muster", **presented}
        try:
            body = request.body_bytes()
        except TypeError as error:
            raise unsendable(errand) from error
        if body is not None:
            headers["Content-Type"] = self._media_type
        if request.if_match is not None:
            headers["If-Match"] = request.if_match
        return HttpRequest(method=request.method, url=form_url(self._address, request), headers=headers, body=body)


def _as_told(response: HttpResponse) -> HttpResponse:
    status = told_status(response.status, response.body)
    return response if status == response.status else replace(response, status=status)
