"""Traces by OpenTelemetry, for whoever has installed the extra `otel` and switched them on; otherwise nothing.

A cycle is one trace, whichever processes work on it, before and after a restart: its trace id is made of the cycle's
id, as is the span id of its root, so that every piece can name its parent before the root itself is written, which is
when the cycle ends. Where traces go to is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT …).
"""

import hashlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster.telemetry.ids import known_ids

logger = logging.getLogger(__name__)

_PARTS = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

Attribute = str | int | float | bool
# Trace and span id that the next span is to have: those of a root.
_WANTED: ContextVar[tuple[int, int] | None] = ContextVar("wanted", default=None)


class TracesMissing(Exception):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "MUSTER_TRACES is set, and OpenTelemetry is not installed: install muster[otel], or unset MUSTER_TRACES"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracing:
    """The library's parts, once it is loaded."""

    api: Any
    tracer: Any
    provider: Any


_tracing: _Tracing | None = None


def check_traces(*, wanted: bool) -> None:
    """Raises TracesMissing if traces are wanted and the extra is not installed; loads nothing of it."""
    if wanted and any(importlib.util.find_spec(name) is None for name in ("opentelemetry", *_PARTS)):
        raise TracesMissing


def start_traces(service: str, exporter: Any = None) -> None:
    """Sends spans from now on, in the name of this service. `exporter`: where to, else by OTLP over HTTP.

    Raises: TracesMissing.
    """
    global _tracing
    try:
        from opentelemetry import trace  # the extra: loaded for whoever asks for it
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
    except ImportError:
        raise TracesMissing from None

    class Ids(IdGenerator):
        """Chance, but for roots."""

        def __init__(self) -> None:
            self._chance = RandomIdGenerator()

        def generate_trace_id(self) -> int:
            wanted = _WANTED.get()
            return self._chance.generate_trace_id() if wanted is None else wanted[0]

        def generate_span_id(self) -> int:
            wanted = _WANTED.get()
            return self._chance.generate_span_id() if wanted is None else wanted[1]

    provider = TracerProvider(resource=Resource.create({"service.name": service}), id_generator=Ids())
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        processor: Any = BatchSpanProcessor(OTLPSpanExporter())
    else:
        processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    _tracing = _Tracing(api=trace, tracer=provider.get_tracer("muster"), provider=provider)
    logger.info("traces are sent")


def stop_traces() -> None:
    """Sends what waits, and nothing more."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing is not None:
        tracing.provider.shutdown()


class Span:
    """What is told of a span while it lasts."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    def note(self, **attributes: Attribute) -> None:
        """Adds attributes."""
        if self._inner is not None:
            self._inner.set_attributes(_named(attributes))

    def fail(self, why: str) -> None:
        """Says that it went wrong."""
        if self._inner is not None and _tracing is not None:
            self._inner.set_status(_tracing.api.Status(_tracing.api.StatusCode.ERROR, why))


_SILENT = Span()


@contextmanager
def span(name: str, *, of_cycle: str | None = None, **attributes: Attribute) -> Iterator[Span]:
    """Traces the block, with the ids that hold as attributes. `of_cycle`: as a piece of the trace of this cycle.

    An exception goes through; of it only its class is told, as its text may hold what a trace must not.
    """
    tracing = _tracing
    if tracing is None:
        yield _SILENT
        return
    context = None if of_cycle is None else _context_of(tracing, of_cycle)
    with tracing.tracer.start_as_current_span(
        name,
        context=context,
        attributes=_named({**known_ids(), **attributes}),
        record_exception=False,
        set_status_on_exception=False,
    ) as inner:
        told = Span(inner)
        try:
            yield told
        except BaseException as error:
            told.fail(type(error).__name__)
            raise


def tell_cycle(cycle_id: str, began_at: datetime, ended_at: datetime, **attributes: Attribute) -> None:
    """Writes the root of a cycle's trace, once it has ended."""
    tracing = _tracing
    if tracing is None:
        return
    token = _WANTED.set(_ids_of(cycle_id))
    try:
        root = tracing.tracer.start_span(
            "cycle",
            context=tracing.api.set_span_in_context(tracing.api.INVALID_SPAN),
            start_time=_nanoseconds(began_at),
            attributes=_named({**known_ids(), **attributes}),
        )
    finally:
        _WANTED.reset(token)
    root.end(end_time=_nanoseconds(ended_at))


def _context_of(tracing: _Tracing, cycle_id: str) -> Any:
    trace_id, span_id = _ids_of(cycle_id)
    parent = tracing.api.SpanContext(
        trace_id=trace_id, span_id=span_id, is_remote=True, trace_flags=tracing.api.TraceFlags(1)
    )
    return tracing.api.set_span_in_context(tracing.api.NonRecordingSpan(parent))


def _ids_of(cycle_id: str) -> tuple[int, int]:
    digest = hashlib.sha256(cycle_id.encode()).digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1


def _named(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {f"muster.{name}": value for name, value in attributes.items()}


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000_000)
