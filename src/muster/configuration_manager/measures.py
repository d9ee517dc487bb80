"""`/readyz` and `/metrics` of the Configuration Manager: whether its database answers, and how SCIM is answered."""

import hmac
import ipaddress
import logging
from collections.abc import Callable, Iterable

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from muster.configuration_manager.calls import CallLog
from muster.configuration_manager.tables import customers
from muster.database.connection import Database
from muster.database.outage import full_disk_of, outage_of
from muster.http_server.messages import Answer, Request

logger = logging.getLogger(__name__)

_CONTENT_TYPE = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")]
_REFUSED = b"Metrics are read from this machine, or with the token that MUSTER_METRICS_TOKEN sets.\n"


def make_trouble(database: Database) -> Callable[[], str | None]:
    """Returns what says why requests cannot be answered now, None if they can."""

    def trouble() -> str | None:
        try:
            with database.read() as connection:
                connection.execute(sa.select(sa.literal(1)))
            # Reading goes on where no write can be kept.
            return None if database.folder is None else full_disk_of(database.folder)
        except Exception as error:
            # A probe is answered, whatever happens.
            outage = outage_of(error)
            if outage is not None:
                return outage
            logger.exception("the readiness check failed")
            return "the database does not answer: look at the log"

    return trouble


def make_measure(
    database: Database, calls: CallLog, token: str | None, *, behind_proxy: bool = False
) -> Callable[[Request], Answer]:
    """Returns what answers a request for metrics: to this machine itself, or to who bears the token.

    Behind a proxy whoever asks seems to be this machine, and not every proxy says that it is one: all need the token.
    """
    registry = CollectorRegistry()
    registry.register(_Calls(database, calls))

    def measure(request: Request) -> Answer:
        if not _is_allowed(request, token, behind_proxy=behind_proxy):
            return Answer(403, _CONTENT_TYPE, _REFUSED)
        return Answer(200, _CONTENT_TYPE, generate_latest(registry))

    return measure


def _is_allowed(request: Request, token: str | None, *, behind_proxy: bool) -> bool:
    presented = request.header(b"authorization") or ""
    if token is not None and presented.startswith("Bearer "):
        return hmac.compare_digest(presented.removeprefix("Bearer ").encode(), token.encode())
    if behind_proxy or request.header(b"x-forwarded-for") is not None or request.header(b"forwarded") is not None:
        return False
    try:
        return ipaddress.ip_address(request.client[0]).is_loopback
    except ValueError:
        return False


class _Calls(Collector):
    def __init__(self, database: Database, calls: CallLog) -> None:
        self._database = database
        self._calls = calls

    def collect(self) -> Iterable[Metric]:
        """Returns counters of this process and a gauge of the database."""
        answered = CounterMetricFamily("muster_scim_requests", "SCIM requests answered, by status.", labels=("status",))
        took = CounterMetricFamily(
            "muster_scim_request_seconds", "Time that their answers took in all, by status.", labels=("status",)
        )
        for status, count in sorted(self._calls.counted.items()):
            answered.add_metric([str(status)], count)
            took.add_metric([str(status)], self._calls.took_us.get(status, 0) / 1_000_000)
        yield answered
        yield took
        try:
            with self._database.read() as connection:
                known = connection.scalar(sa.select(sa.func.count()).select_from(customers))
        except Exception as error:
            # The counters are worth most while the database is away.
            outage = outage_of(error)
            if outage is None:
                raise
            logger.warning("customers could not be counted: %s", outage)
            return
        yield GaugeMetricFamily("muster_customers", "Customers.", value=float(known or 0))
