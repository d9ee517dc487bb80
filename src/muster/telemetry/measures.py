"""What processes measure for Prometheus themselves; the rest is read from the store when somebody asks.

Each process has its own figures, and may hand them to another as plain values. They are kept in memory: files that are
mapped into it, as prometheus-client has them for several processes, end a process by a signal once the disk is full.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Histogram, Metric

MEASURES = CollectorRegistry()
# Family, what it tells, and its samples: name, labels, value.
Sample: TypeAlias = tuple[str, dict[str, str], float]
Family: TypeAlias = tuple[str, str, list[Sample]]

# Seconds. Labels are few: applications and jobs are made by administrators, faces and classes of status are ours.
_LEAVERS = Histogram(
    "muster_leaver_seconds",
    "From the change in the directory that takes somebody's account away until the target has confirmed it.",
    ("job",),
    buckets=(1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400),
    registry=MEASURES,
)
_ANSWERS = Histogram(
    "muster_web_request_seconds",
    "Requests to this service: how long the answer took, by face and outcome (2xx to 5xx).",
    ("face", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=MEASURES,
)
# The count of a series is how many requests there were: its rate is the rate at the target.
_REQUESTS = Histogram(
    "muster_target_request_seconds",
    "Requests to a target: how long the answer took. outcome: 2xx to 5xx, or lost.",
    ("target", "method", "outcome"),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=MEASURES,
)


def measure_leaver(job_id: str, latency: timedelta) -> None:
    """Notes how long somebody who left has kept their account."""
    _LEAVERS.labels(job_id).observe(max(latency.total_seconds(), 0.0))


def measure_answer(face: str, status: int, seconds: float) -> None:
    """Notes how long an answer took. `face`: one of a few, never what the caller sent."""
    _ANSWERS.labels(face, f"{status // 100}xx").observe(seconds)


def measure_request(target: str, method: str, outcome: str, duration: timedelta) -> None:
    """Notes how long a request to a target took."""
    _REQUESTS.labels(target, method, outcome).observe(duration.total_seconds())


def take_figures() -> list[Family]:
    """Returns what this process has measured since it began."""
    return [
        (
            family.name,
            family.documentation,
            # When a series began is a series of its own that nobody asks for.
            [(each.name, each.labels, each.value) for each in family.samples if not each.name.endswith("_created")],
        )
        for family in MEASURES.collect()
    ]


def join_figures(processes: Mapping[str, Sequence[Family]]) -> Iterable[Metric]:
    """Returns the figures of processes, by their names, as metrics whose samples say whose they are."""
    joined: dict[str, Metric] = {}
    for process, families in processes.items():
        for name, text, samples in families:
            metric = joined.setdefault(name, Metric(name, text, "histogram"))
            for sample, labels, value in samples:
                metric.add_sample(sample, {**labels, "process": process}, value)
    return joined.values()
