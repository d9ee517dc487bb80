"""HTTP out, as targets need it."""

from datetime import timedelta
from typing import Protocol

from muster.model.exchange import HttpRequest, HttpResponse


class Transport(Protocol):
    """Sends one request to a checked address; follows no redirect.

    Raises `ConnectionFailed` and `TransportTimeout` (whether the request may have been received stands in `sent`) and
    `AddressRefused`.
    """

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """Returns the answer whole, whatever its status."""
        ...
