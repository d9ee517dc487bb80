"""`/metrics` and `/readyz` of both parties."""

import re
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from documents.reading import read
from faces.house import House, Started
from muster.bootstrap.measuring import AT_LEAST_EVERY, Teller
from muster.model.exchange import ConnectionFailed, HttpRequest, HttpResponse
from muster.targets.measured import MeasuredTransport
from muster.telemetry.measures import MEASURES, measure_request
from muster.web.metrics import is_allowed, render
from played_configuration_manager import ask, configuration_manager
from waiting import eventually

TOKEN = "a token of some length"


@pytest.mark.parametrize(
    ("environ", "token", "allowed"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, None, True),
        ({"REMOTE_ADDR": "::1"}, None, True),
        ({"REMOTE_ADDR": "192.0.2.1"}, None, False),
        ({"REMOTE_ADDR": ""}, None, False),
        ({}, None, False),
        # A proxy on this machine speaks for somebody elsewhere.
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, None, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}, None, False),
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, TOKEN, True),
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": "Bearer another"}, TOKEN, False),
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, None, False),
        ({"REMOTE_ADDR": "192.0.2.1"}, TOKEN, False),
    ],
)
def test_metrics_are_for_this_machine_or_who_bears_the_token(
    environ: dict[str, Any], token: str | None, allowed: bool
) -> None:
    assert is_allowed(environ, token) is allowed


def test_behind_a_proxy_metrics_are_for_who_bears_the_token_alone() -> None:
    # nginx's plain proxy_pass adds no header that would tell.
    here = {"REMOTE_ADDR": "127.0.0.1"}
    assert not is_allowed(here, None, behind_proxy=True)
    assert not is_allowed(here, TOKEN, behind_proxy=True)
    assert is_allowed({**here, "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, TOKEN, behind_proxy=True)


def test_metrics_tell_the_state_of_every_job(job: Started) -> None:
    text = render(job.house.services).decode()
    found = samples(text)
    assert found["muster_engine_up"] == 1
    assert found[name_of("muster_job_quarantined", job)] == 0
    assert found[name_of("muster_job_escrow", job)] == 0
    job.house.trouble = "no engine is running"
    assert samples(render(job.house.services).decode())["muster_engine_up"] == 0
    assert "secret" not in text.lower()


def test_a_request_from_elsewhere_is_refused_and_told_how_to_ask(house: House) -> None:
    # The house's requests name no address that they come from.
    answer = house.call("GET", "/metrics", token=None, version="")
    assert answer.status == 403
    assert "MUSTER_METRICS_TOKEN" in answer.text
    assert house.call("GET", "/metrics", token="any", version="").status == 403


class Lost:
    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        raise ConnectionFailed("gone", sent=True)  # at once, not at the deadline


def test_requests_to_a_target_are_counted_by_how_they_ended() -> None:
    def told(what: str) -> float:
        labels = {"target": "Measured", "method": "GET", "outcome": "lost"}
        return MEASURES.get_sample_value(f"muster_target_request_seconds_{what}", labels) or 0.0

    request = HttpRequest(method="GET", url="https://scim.example/Users")
    with pytest.raises(ConnectionFailed):
        MeasuredTransport(Lost(), "Measured").send(request, deadline=timedelta(days=1))
    assert told("count") == 1
    assert told("sum") < timedelta(hours=1).total_seconds(), "the time that it took, not the time that it had"


def test_the_configuration_manager_tells_its_readiness_and_its_requests(tmp_path: Path) -> None:
    with configuration_manager(tmp_path / "manager") as manager:
        customer = manager.customer("lantaarn")
        assert ask(f"{manager.url}/readyz").body == b"ready\n"
        assert customer.ask("GET", "/Users").status == 200
        assert customer.ask("GET", "/Users/none").status == 404

        def counted() -> Mapping[str, float]:
            return samples(ask(f"{manager.url}/metrics").body.decode())

        assert eventually(lambda: counted().get('muster_scim_requests_total{status="404"}') == 1.0)
        assert counted()['muster_scim_requests_total{status="200"}'] == 1
        assert counted()["muster_customers"] == 1
        refused = ask(f"{manager.url}/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert refused.status == 403


def test_every_metric_has_its_row_on_the_page_of_operations(job: Started) -> None:
    job.house.call("GET", "/users")
    names = re.findall(r"^# TYPE (muster_\w+) ", render(job.house.services).decode(), re.MULTILINE)
    assert {"muster_leaver_seconds", "muster_web_request_seconds", "muster_job_escrow"} <= set(names)
    assert len(names) == len(set(names)), "a family is told once, or Prometheus refuses the page"
    page = read("operations.md")
    assert [name for name in names if f"`{name}" not in page] == []


def test_answers_are_measured_by_face_and_never_by_what_the_caller_sent(house: House) -> None:
    def count(outcome: str) -> float:
        labels = {"face": "/v1.0", "outcome": outcome}
        return MEASURES.get_sample_value("muster_web_request_seconds_count", labels) or 0.0

    before = count("2xx"), count("4xx")
    house.call("GET", "/users")
    house.call("GET", "/made/up/by/the/caller")
    assert (count("2xx"), count("4xx")) == (before[0] + 1, before[1] + 1)
    assert "made/up" not in render(house.services).decode()


def test_while_the_database_is_away_the_probe_says_so_and_own_figures_are_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.user()

    def away(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(house.store.measures, "recent", away)
    shown = render(house.services).decode()
    assert samples(shown)["muster_engine_up"] == 0
    assert "muster_web_request_seconds_count" in shown
    monkeypatch.setattr(type(house), "trouble", property(away), raising=False)
    answer = house.call("GET", "/readyz", token=None, version="")
    assert answer.status == 503
    assert "look at its folder's rights and disk" in answer.text


def test_what_engines_measure_is_shown_by_engine_until_they_are_silent(house: House) -> None:
    measure_request("Engines", "POST", "2xx", timedelta(milliseconds=30))
    for engine in ("e1", "e2"):
        Teller(house.store.measures, house.clock, engine).tell()
    told = samples(render(house.services).decode())
    for process in ("e1", "e2", "web"):
        labels = f'method="POST",outcome="2xx",process="{process}",target="Engines"'
        assert told[f"muster_target_request_seconds_count{{{labels}}}"] == 1
        bucket = 'le="0.05",' + labels
        assert told[f"muster_target_request_seconds_bucket{{{bucket}}}"] == 1
    house.clock.at += timedelta(minutes=4)
    Teller(house.store.measures, house.clock, "e1").tell()
    page = render(house.services).decode()
    assert 'process="e1"' in page
    assert 'process="e2"' not in page
    house.clock.at += timedelta(hours=2)
    Teller(house.store.measures, house.clock, "e1").tell()
    assert list(house.store.measures.recent(house.clock.at - timedelta(days=1))) == ["e1"], "the others are dropped"


def test_an_engine_tells_what_is_new_and_now_and_then_that_it_is_there(house: House) -> None:
    class Counting:
        told = 0
        is_away = False

        def put(self, *_: object) -> None:
            if self.is_away:
                raise OSError("the disk is full")
            self.told += 1

    measures = Counting()
    teller = Teller(measures, house.clock, "e1")  # type: ignore[arg-type]  # nothing is read
    for _ in range(3):
        teller.tell()
    assert measures.told == 1
    measures.is_away = True
    measure_request("Told", "GET", "2xx", timedelta(0))
    teller.tell()
    measures.is_away = False
    teller.tell()
    assert measures.told == 2, "told once there is room"
    house.clock.at += AT_LEAST_EVERY
    teller.tell()
    assert measures.told == 3


def samples(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def name_of(metric: str, job: Started) -> str:
    found = [name for name in samples(render(job.house.services).decode()) if name.startswith(metric + "{")]
    assert len(found) >= 1
    return next(name for name in found if job.id in name)
