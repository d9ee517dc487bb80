"""What every folder of tests may ask for: one PostgreSQL server a run, and the spans that are told."""

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coverage import Coverage

from fakes.store import Place, use_place
from played_postgres import NO_POSTGRES, PlayedServer, postgres_server

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


TESTS = Path(__file__).parent
MEASURED = {"unit", "exchanges"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses names that differ from process to process: those that run side by side share tests out by them."""
    addressed = [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]+", item.nodeid)]
    if addressed:
        raise pytest.UsageError(f"give the cases ids of their own: {', '.join(addressed)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measures, where a run measures, the folders that reach every branch of the pure rooms: a test that is measured
    takes two thirds more, and what the others reach besides would be no test of these rooms."""
    measuring = None if item.path.relative_to(TESTS).parts[0] in MEASURED else Coverage.current()
    if measuring is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture(scope="session")
def server() -> Iterator[PlayedServer | None]:
    """The server of this run; None where there is neither one nor the wheel that brings it."""
    with postgres_server() as started:
        yield started


@pytest.fixture(scope="session")
def postgres(server: PlayedServer | None) -> str | None:
    """The URL of its first, empty database."""
    return None if server is None else server.url


@pytest.fixture(scope="session")
def own_server() -> Iterator[PlayedServer]:
    """A server that a test may stop and start."""
    with postgres_server() as started:
        if started is None or started.folder is None:
            pytest.skip(NO_POSTGRES)
        yield started


@pytest.fixture
def place(request: pytest.FixtureRequest, server: PlayedServer | None) -> Iterator[str]:
    """Where `fresh_database` makes its databases during a test: "sqlite", or "postgresql" by a parameter."""
    where = getattr(request, "param", "sqlite")
    if where == "sqlite":
        yield where
        return
    if server is None:
        pytest.skip(NO_POSTGRES)
    with use_place(Place(server)):
        yield where


@pytest.fixture
def spans() -> "Iterator[InMemorySpanExporter]":
    """What is told to OpenTelemetry during a test; loaded for those that ask."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from muster.telemetry.traces import start_traces, stop_traces

    exporter = InMemorySpanExporter()
    start_traces("muster", exporter)
    yield exporter
    stop_traces()
