"""`/metrics`: the state of every job in Prometheus' text format, read from the store when somebody asks.

Requests from this machine itself are answered; others, and all behind a proxy, need the token that the operator has set
(MUSTER_METRICS_TOKEN).
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from muster.database.outage import outage_of
from muster.model.job import Counters, ScheduleState
from muster.sealing import hash_token, is_token
from muster.telemetry.measures import Family, join_figures, take_figures
from muster.web.services import Services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# An engine that has told nothing for so long is gone.
_RECENT = timedelta(minutes=3)
_DAY = timedelta(days=1)
_LABELS = ("application", "job")


def is_allowed(environ: dict[str, Any], token: str | None, *, behind_proxy: bool = False) -> bool:
    """Whether a request may read metrics: it bears the token, or comes from this machine by no proxy.

    Behind a proxy whoever asks seems to be this machine, and not every proxy says that it is one.
    """
    presented = str(environ.get("HTTP_AUTHORIZATION", ""))
    if token is not None and presented.startswith("Bearer "):
        return is_token(presented.removeprefix("Bearer "), hash_token(token))
    if behind_proxy or "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
        return False
    try:
        return ipaddress.ip_address(str(environ.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False


def render(services: Services) -> bytes:
    """Returns the metrics of the installation; while its database is away, those that this process has itself."""
    try:
        return _rendered(_Jobs(services), _Figures(services))
    except Exception as error:
        if outage_of(error) is None:
            raise
        return _rendered(_OwnFigures())


def _rendered(*collectors: Collector) -> bytes:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


class _OwnFigures(Collector):
    """What this process has measured itself. No engine works without the database."""

    def collect(self) -> Iterable[Metric]:
        """Returns the histograms of this process."""
        yield _engine_up(is_up=False)
        yield from join_figures({"web": take_figures()})


class _Figures(Collector):
    """What this process and the engines have measured themselves."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Returns the histograms, each sample with the process that it is of."""
        told = self._services.stores.measures.recent(self._services.clock.now() - _RECENT)
        engines = {engine: msgspec.json.decode(figures, type=list[Family]) for engine, figures in told.items()}
        return join_figures({**engines, "web": take_figures()})


def _engine_up(*, is_up: bool) -> Metric:
    gauge = GaugeMetricFamily("muster_engine_up", "Whether an engine works on the installation.")
    gauge.add_metric([], int(is_up))
    return gauge


class _Jobs(Collector):
    """What the store knows of each job."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Returns the gauges."""
        trouble = self._services.trouble()
        yield _engine_up(is_up=trouble is None)
        yield from self._of_jobs()

    def _of_jobs(self) -> Iterator[Metric]:
        stores, now = self._services.stores, self._services.clock.now()
        gauges = {
            name: GaugeMetricFamily(f"muster_job_{name}", text, labels=_LABELS)
            for name, text in (
                ("active", "Whether provisioning is started."),
                ("cycle_age_seconds", "Seconds since the last cycle ended."),
                ("cycle_running_seconds", "Seconds since the running cycle began; 0: none runs."),
                ("quarantined", "Whether the job is in quarantine."),
                ("escrow", "Objects that failed and wait to be tried again."),
                ("links", "Accounts that the job has linked."),
            )
        }
        objects = GaugeMetricFamily(
            "muster_job_objects_day", "Objects of the cycles of 24 hours, by outcome.", labels=(*_LABELS, "outcome")
        )
        for job in stores.jobs.list():
            application = stores.applications.get(job.service_principal_id)
            labels = [application.display_name if application is not None else "", job.id]
            running = stores.cycles.running(job.id)
            ended = job.last_cycle_ended_at
            values = {
                "active": float(job.schedule_state is ScheduleState.ACTIVE),
                "cycle_age_seconds": float("nan") if ended is None else (now - ended).total_seconds(),
                "cycle_running_seconds": 0.0 if running is None else (now - running.began_at).total_seconds(),
                "quarantined": float(job.quarantine is not None),
                "escrow": float(stores.links.count_escrows(job.id)),
                "links": float(stores.links.count_links(job.id)),
            }
            for name, value in values.items():
                gauges[name].add_metric(labels, value)
            counted = stores.cycles.counted_since(job.id, now - _DAY)
            for field in fields(Counters):
                objects.add_metric([*labels, field.name], getattr(counted, field.name))
        yield from gauges.values()
        yield objects
