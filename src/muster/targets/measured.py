"""Requests to targets, counted, timed and traced: how many, how they ended, how long they took."""

from datetime import timedelta

from prometheus_client import Histogram

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.ports.transport import Transport
from muster.ports.wire import concerned
from muster.telemetry.traces import span

# Seconds. The count of a series is how many requests there were: its rate is the rate at the target.
_REQUESTS = Histogram(
    "muster_target_request_seconds",
    "Requests to a target: how long the answer took. outcome: 2xx to 5xx, or lost.",
    ("target", "method", "outcome"),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


class MeasuredTransport:
    """A transport that notes each exchange under the name of its target."""

    def __init__(self, inner: Transport, target: str) -> None:
        self._inner = inner
        self._target = target

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """The answer of the transport. Raises what that raises."""
        with span("request", target=self._target, method=request.method, object_id=concerned() or "") as told:
            try:
                response = self._inner.send(request, deadline=deadline)
            except ExchangeFailed:
                _REQUESTS.labels(self._target, request.method, "lost").observe(deadline.total_seconds())
                raise
            told.note(status=response.status)
            outcome = f"{response.status // 100}xx"
            _REQUESTS.labels(self._target, request.method, outcome).observe(response.elapsed.total_seconds())
            return response
