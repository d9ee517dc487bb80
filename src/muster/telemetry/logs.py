"""Logging of a process to its standard error: lines for people, or JSON objects for programs (one a line)."""

import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import orjson

from muster.telemetry.ids import known_ids

_OURS = "muster"
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# What a record has of itself: all else was given as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object: `at` (UTC), `level`, `logger`, `message`, the ids that hold, and extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **known_ids(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _OWN)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        # A line is written whatever somebody hands over; a lone surrogate has no UTF-8.
        try:
            return orjson.dumps(line, default=str).decode()
        except (orjson.JSONEncodeError, TypeError):
            safe = {name: str(value).encode("utf-8", "replace").decode() for name, value in line.items()}
            return orjson.dumps(safe).decode()


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to the standard error as it is then: who takes it over for a while gets the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        self.stream = sys.stderr
        super().emit(record)


def write_object(level: int, sentence: str) -> bool:
    """Writes what a process says of itself as an object of its log, whatever is logged; False: it logs no objects."""
    record = logging.LogRecord(_OURS, level, "", 0, sentence, None, None)
    writing = [each for each in logging.getLogger().handlers if isinstance(each.formatter, JsonFormatter)]
    for each in writing:
        each.handle(record)
    return bool(writing)


def start_logging(level: str, shape: str) -> None:
    """Logs to the standard error of the process. Args: level: as in settings; shape: a LogFormat."""
    handler = _StandardError()
    handler.setFormatter(JsonFormatter() if shape == LogFormat.JSON else logging.Formatter(TEXT))
    root = logging.getLogger()
    # Not those of somebody else, such as a test runner's.
    for other in [each for each in root.handlers if type(each) in (logging.StreamHandler, _StandardError)]:
        root.removeHandler(other)
    root.addHandler(handler)
    logging.getLogger(_OURS).setLevel(level.upper())
    # Libraries tell at debug what passes through them: signxml whole assertions, others requests with their tokens.
    root.setLevel(max(logging.INFO, logging.getLogger(_OURS).level))
    logging.getLogger("alembic").setLevel(logging.WARNING)
