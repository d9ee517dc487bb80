"""What processes measure for Prometheus themselves; the rest is read from the store when somebody asks."""

from datetime import timedelta

from prometheus_client import Histogram

# Seconds. Labels are few: jobs are made by administrators, faces and classes of status are ours.
_LEAVERS = Histogram(
    "muster_leaver_seconds",
    "From the change in the directory that takes somebody's account away until the target has confirmed it.",
    ("job",),
    buckets=(1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400),
)
_ANSWERS = Histogram(
    "muster_web_request_seconds",
    "Requests to this service: how long the answer took, by face and outcome (2xx to 5xx).",
    ("face", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def measure_leaver(job_id: str, latency: timedelta) -> None:
    """Notes how long somebody who left has kept their account."""
    _LEAVERS.labels(job_id).observe(max(latency.total_seconds(), 0.0))


def measure_answer(face: str, status: int, seconds: float) -> None:
    """Notes how long an answer took. `face`: one of a few, never what the caller sent."""
    _ANSWERS.labels(face, f"{status // 100}xx").observe(seconds)
