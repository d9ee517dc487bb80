"""One request to a target with its answer, as the wire log shows it: secrets and redacted values are out already."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# A job's setting (ours): until this instant its requests are kept.
WIRE_LOG_UNTIL_SETTING = "WireLogUntil"
# What is shorter is not masked.
SECRET_CHARACTERS = 4


class WireKind(StrEnum):
    """Exchanges of one kind."""

    # No answer, or one that refuses.
    FAILED = "failed"
    # What may change something there.
    WRITES = "writes"
    # The application asked to wait (429).
    WAITS = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireExchange:
    """What was sent and answered. Bodies are text, cut at a limit; `trouble`: why no answer came."""

    at: datetime
    job_id: str
    # Of the object it was about; None: of none in particular.
    source_id: str | None
    method: str
    url: str
    request_body: str | None
    status: int | None
    response_body: str | None
    elapsed: timedelta
    trouble: str | None = None
    # The cycle that it was sent in; None: a test of the connection, a preview.
    cycle_id: str | None = None


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Returns a text with each of the secrets masked. One of up to three characters is none: it stands in any sentence,
    which would not be readable without it."""
    for secret in secrets:
        if len(secret) >= SECRET_CHARACTERS:
            text = text.replace(secret, "•••")
    return text
