"""The kit that processes tell of themselves by: lines, ids, spans; OpenTelemetry is loaded when asked for alone."""

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr
from contextvars import copy_context

import orjson
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from muster.bootstrap.folder import StartRefused
from muster.bootstrap.telling import refuse_without_traces
from muster.cli.main import main
from muster.settings import load_settings
from muster.telemetry.ids import bound, known_ids
from muster.telemetry.logs import JsonFormatter, start_logging
from muster.telemetry.traces import check_traces, span


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root, ours = logging.getLogger(), logging.getLogger("muster")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def line_of(message: str, *arguments: object, **more: object) -> dict[str, object]:
    record = logging.getLogger("muster.test").makeRecord(
        "muster.test", logging.WARNING, "file", 1, message, arguments, None, extra=dict(more)
    )
    found: dict[str, object] = orjson.loads(JsonFormatter().format(record))
    return found


def test_a_line_is_one_json_object_with_ids_and_extras() -> None:
    with bound(request_id="r1"), bound(job_id="j1"):
        line = line_of("%d failed", 3, seconds=0.5)
    assert line["message"] == "3 failed"
    assert (line["level"], line["logger"]) == ("warning", "muster.test")
    assert (line["request_id"], line["job_id"], line["seconds"]) == ("r1", "j1", 0.5)
    assert str(line["at"]).endswith("+00:00")
    assert known_ids() == {}


@pytest.mark.parametrize("odd", ["\ud800", "two\nlines", object(), 2**80, {1: "key"}])
def test_a_line_stays_one_line_of_json_whatever_is_told(odd: object) -> None:
    line = line_of("it was %s", odd, odd=odd)
    assert str(line["message"]).startswith("it was ")
    assert "odd" in line


def test_a_traceback_is_within_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.getLogger("muster").makeRecord("muster", 40, "f", 1, "failed", (), sys.exc_info())
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: broken" in orjson.loads(text)["exception"]


def test_ids_reach_threads_that_run_in_a_copy_of_the_context_and_no_others() -> None:
    seen: list[dict[str, str]] = []
    with bound(cycle_id="c1"):
        context = copy_context()
        threads = [
            threading.Thread(target=context.run, args=(lambda: seen.append(dict(known_ids())),)),
            threading.Thread(target=lambda: seen.append(dict(known_ids()))),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == [{"cycle_id": "c1"}, {}]


def test_logging_can_be_started_twice_and_writes_each_line_once(root_logger: logging.Logger) -> None:
    start_logging("info", "text")
    start_logging("info", "json")
    with redirect_stderr(io.StringIO()) as written:
        logging.getLogger("muster.test").info("once")
    (line,) = written.getvalue().splitlines()
    assert orjson.loads(line)["message"] == "once"
    assert root_logger.level == logging.INFO


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("worker", "a worker needs --database"),
        ("serve --host 0.0.0.0", "listening on 0.0.0.0 without TLS"),
        ("configuration-manager serve --host 0.0.0.0", "listening on 0.0.0.0 without TLS"),
    ],
)
def test_a_server_that_logs_objects_is_refused_its_start_in_one(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    assert root_logger.handlers
    monkeypatch.setenv("MUSTER_LOG_FORMAT", "json")
    monkeypatch.setattr("sys.argv", ["muster", *line.split()])
    with redirect_stderr(io.StringIO()) as written, pytest.raises(SystemExit):
        main()
    (told,) = map(orjson.loads, written.getvalue().splitlines())
    assert (told["level"], said in told["message"]) == ("error", True)


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [("debug", ["debug", "info", "warning"], ["info", "warning"]), ("warning", ["warning"], ["warning"])],
)
def test_libraries_never_log_what_passes_through_them(
    root_logger: logging.Logger, level: str, ours: list[str], theirs: list[str]
) -> None:
    start_logging(level, "json")
    with redirect_stderr(io.StringIO()) as written:
        for name in ("muster.test", "signxml.processor"):
            for each in (logging.DEBUG, logging.INFO, logging.WARNING):
                logging.getLogger(name).log(each, "a line")
    lines = [orjson.loads(line) for line in written.getvalue().splitlines()]
    told = {
        name: [line["level"] for line in lines if line["logger"] == name]
        for name in ("muster.test", "signxml.processor")
    }
    assert told == {"muster.test": ours, "signxml.processor": theirs}
    assert root_logger.handlers


def test_a_span_tells_the_class_of_an_exception_and_not_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), bound(request_id="r1"), span("http", face="/v1.0") as told:
        told.note(status=500)
        raise ValueError("a secret")
    (written,) = spans.get_finished_spans()
    assert dict(written.attributes or {}) == {"muster.request_id": "r1", "muster.face": "/v1.0", "muster.status": 500}
    assert written.status.description == "ValueError"
    assert "secret" not in written.to_json()


def test_without_the_extra_a_start_that_asks_for_traces_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_traces(wanted=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check_traces(wanted=False)
    with pytest.raises(StartRefused, match=r"install muster\[otel\], or unset MUSTER_TRACES"):
        refuse_without_traces(load_settings(traces=True))


def test_nothing_of_the_extra_is_loaded_unasked() -> None:
    code = (
        "import sys, muster.bootstrap.engine_process, muster.bootstrap.web_process\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
