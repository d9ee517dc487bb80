"""What whoever runs Muster is told of a cycle: lines with ids, one trace a cycle, and how long leavers waited."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from playing import APP, JOB, Trip

from muster.model.exchange import HttpRequest, HttpResponse
from muster.targets.measured import MeasuredTransport
from muster.telemetry.logs import JsonFormatter
from muster.telemetry.measures import MEASURES
from muster.telemetry.traces import start_traces, stop_traces


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trip:
    trip = Trip(tmp_path)
    monkeypatch.setattr("muster.store.changes._now", trip.clock.now)
    return trip


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("muster")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def waited(below: float) -> tuple[float, float]:
    """How many leavers were measured, and how many of them within so many seconds."""
    name, labels = "muster_leaver_seconds", {"job": JOB}
    counted = MEASURES.get_sample_value(f"{name}_count", labels) or 0.0
    within = MEASURES.get_sample_value(f"{name}_bucket", {**labels, "le": str(below)}) or 0.0
    return counted, within


@pytest.mark.parametrize("leaves", ["unassign", "block", "delete"])
def test_a_leaver_is_measured_from_the_change_to_the_target_s_answer(trip: Trip, leaves: str) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.clock.advance(timedelta(hours=2))
    counted, within_5, within_30 = waited(5.0)[0], waited(5.0)[1], waited(30.0)[1]
    match leaves:
        case "unassign":
            trip.unassign(ada)
        case "block":
            trip.edit(ada, accountEnabled=False)
        case "delete":
            trip.soft_delete(ada)
    trip.clock.advance(timedelta(seconds=19))
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    assert waited(5.0) == (counted + 1, within_5)
    assert waited(30.0) == (counted + 1, within_30 + 1)


def test_who_is_found_by_a_full_pass_or_waits_in_escrow_is_measured_as_far_as_it_is_known(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.run()
    counted = waited(60.0)[0]
    trip.unassign(ada)
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert waited(60.0)[0] == counted, "since when Ada should have gone nobody knows"
    trip.transport.fault = lambda *_: HttpResponse(status=500, headers={}, body=b"", elapsed=timedelta(0))
    trip.unassign(bob)
    trip.run()
    trip.transport.fault = None
    within = waited(900.0)[1]
    trip.clock.advance(timedelta(hours=1))
    trip.run()
    assert trip.at_target()["bob@lantaarn.example"]["active"] is False
    assert waited(900.0) == (counted + 1, within), "the hour in escrow counts"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The spans that a receiver of OTLP over HTTP is sent while traces are on, as it reads them."""
    received: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            received.extend(span for of in sent.resource_spans for kind in of.scope_spans for span in kind.spans)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        start_traces("muster")
        yield received
        stop_traces()
        server.shutdown()


def test_a_receiver_of_otlp_gets_the_spans_of_a_cycle_with_their_ids(trip: Trip, collector: list[Any]) -> None:
    trip.hire("Ada")
    cycle = trip.run()
    assert cycle is not None
    stop_traces()  # what waits is sent

    def told(span: Any) -> dict[str, str]:
        return {each.key: each.value.string_value for each in span.attributes}

    (root,) = [each for each in collector if each.name == "cycle"]
    pages = [each for each in collector if each.name == "page"]
    assert not root.parent_span_id
    assert told(root)["muster.cycle_id"] == cycle.id
    assert len(pages) > 3
    for page in pages:
        assert (page.trace_id, page.parent_span_id) == (root.trace_id, root.span_id)
        assert (told(page)["muster.job_id"], told(page)["muster.cycle_id"]) == (JOB, cycle.id)


def test_a_cycle_is_one_trace_with_its_pages_and_requests(trip: Trip, spans: InMemorySpanExporter) -> None:
    trip.transport = MeasuredTransport(trip.transport, "8x8")  # type: ignore[assignment]  # stands in its place
    ada = trip.hire("Ada")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    # Another process carries it on, in the same trace.
    other = trip.new_engine()
    while other.advance(cycle.id):
        pass
    told: list[Any] = list(spans.get_finished_spans())
    (root,) = [each for each in told if each.name == "cycle"]
    pages = [each for each in told if each.name == "page"]
    requests = [each for each in told if each.name == "request"]
    assert root.parent is None
    assert root.attributes["muster.created"] == 1
    assert root.attributes["muster.cycle_id"] == cycle.id
    assert len(pages) > 3
    assert {each.parent.span_id for each in pages} == {root.context.span_id}
    within = {each.context.span_id for each in pages}
    of_cycle = [each for each in requests if each.parent is not None]
    assert {each.parent.span_id for each in of_cycle} <= within
    assert {each.context.trace_id for each in [*pages, *of_cycle]} == {root.context.trace_id}
    (made,) = [each for each in of_cycle if each.attributes["muster.method"] == "POST"]
    assert made.attributes["muster.object_id"] == ada
    assert made.attributes["muster.job_id"] == JOB
    assert made.attributes["muster.status"] == 201
    assert "lantaarn.example" not in "".join(each.to_json() for each in told), "names stay out of traces"


def test_lines_bear_the_ids_of_job_and_cycle_and_no_name(trip: Trip, lines: io.StringIO) -> None:
    trip.hire("Ada")
    trip.hire("Bob", physicalDeliveryOfficeName="Nowhere")
    cycle = trip.run()
    assert cycle is not None
    told = [orjson.loads(line) for line in lines.getvalue().splitlines()]
    begun = next(each for each in told if each["message"].startswith("a cycle begins"))
    ended = next(each for each in told if each["message"].startswith("a cycle ended"))
    for line in (begun, ended):
        assert (line["job_id"], line["cycle_id"], line["level"]) == (JOB, cycle.id, "info")
    assert ended["counters"] == {"expected": 2, "evaluated": 2, "created": 1, "failed": 1} | {
        name: ended["counters"][name] for name in ("requests", "writes")
    }
    assert "lantaarn.example" not in lines.getvalue()


def test_a_cycle_that_fails_is_a_warning_with_its_code(trip: Trip, lines: io.StringIO) -> None:
    def refuse(request: HttpRequest, _: Any) -> HttpResponse:
        return HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta(0))

    trip.hire("Ada")
    trip.transport.fault = refuse
    trip.run()
    told = [orjson.loads(line) for line in lines.getvalue().splitlines()]
    (ended,) = [each for each in told if each["message"].startswith("a cycle ended")]
    assert (ended["level"], ended["job_id"]) == ("warning", JOB)
    assert "[InvalidCredentials]" in ended["message"]
    assert APP not in ended["message"]
