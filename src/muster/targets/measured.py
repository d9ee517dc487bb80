"""Requests to targets, counted, timed and traced: how many, how they ended, how long they took."""

import time
from datetime import timedelta

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.ports.transport import Transport
from muster.ports.wire import concerned
from muster.telemetry.measures import measure_request
from muster.telemetry.traces import span


class MeasuredTransport:
    """A transport that notes each exchange under the name of its target."""

    def __init__(self, inner: Transport, target: str) -> None:
        self._inner = inner
        self._target = target

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """The answer of the transport. Raises what that raises."""
        with span("request", target=self._target, method=request.method, object_id=concerned() or "") as told:
            began = time.monotonic()
            try:
                response = self._inner.send(request, deadline=deadline)
            except ExchangeFailed:
                measure_request(self._target, request.method, "lost", timedelta(seconds=time.monotonic() - began))
                raise
            told.note(status=response.status)
            measure_request(self._target, request.method, f"{response.status // 100}xx", response.elapsed)
            return response
