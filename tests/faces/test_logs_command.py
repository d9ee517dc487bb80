"""`muster logs`: what its options take, and who may use it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import typer

from faces.house import House, Started
from muster.cli.api import Api, ApiError, LocalApi
from muster.cli.logs import logs, read_since
from muster.model.directory import ObjectKind
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.roles import Role
from muster.ports.cycles import Settlement


@pytest.fixture
def filled(house: House, job: Started) -> House:
    cycle = job.cycle()
    for number, status in enumerate((LogStatus.SUCCESS, LogStatus.FAILURE, LogStatus.SUCCESS)):
        entry = LogEntry(
            id=f"e{number}",
            at=house.clock.at + timedelta(minutes=number),
            job_id=job.id,
            cycle_id=cycle.id,
            change_id=f"change-{number}",
            service_principal_id=job.sp,
            action=ProvisioningAction.CREATE,
            status=status,
            object_kind="User",
            source_id=f"s{number}",
            source_name=f"Ada O'{number}",
            target_id=None,
            target_name=None,
            steps=(),
            modified=(),
            duration=timedelta(0),
        )
        settlement = Settlement(kind=ObjectKind.USER, source_id=entry.source_id, entry=entry)
        house.stores.cycles.settle(cycle, [settlement])
    return house


def entries(house: House, role: Role, capsys: Any, monkeypatch: pytest.MonkeyPatch, app: str, **said: Any) -> list[str]:
    """Returns the ids of what the command prints for a token with a role."""

    @contextmanager
    def opened(*_: object) -> Iterator[Api]:
        yield LocalApi(house.site, house.token_for(role))

    monkeypatch.setattr("muster.cli.logs.open_api", opened)
    logs(app, as_json=True, **said)
    return [entry["id"] for entry in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize("role", [Role.REPORTS_READER, Role.GLOBAL_READER])
def test_whoever_may_read_logs_sees_those_of_an_application_by_name_or_id(
    filled: House, job: Started, capsys: Any, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    name = filled.call("GET", f"/servicePrincipals/{job.sp}").body["displayName"]
    for app in (name, job.sp):
        assert entries(filled, role, capsys, monkeypatch, app) == ["e2", "e1", "e0"]
        assert entries(filled, role, capsys, monkeypatch, app, top=2) == ["e2", "e1"]
        assert entries(filled, role, capsys, monkeypatch, app, status=LogStatus.FAILURE) == ["e1"]
        since = read_since((filled.clock.at + timedelta(minutes=1)).isoformat())
        assert entries(filled, role, capsys, monkeypatch, app, since=since) == ["e2", "e1"]


def test_a_reader_of_logs_alone_names_a_user_as_the_log_does(
    filled: House, job: Started, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in ("Ada O'1", "s1"):
        assert entries(filled, Role.REPORTS_READER, capsys, monkeypatch, job.sp, who=who) == ["e1"]
    assert entries(filled, Role.REPORTS_READER, capsys, monkeypatch, "another") == []


def test_who_may_not_read_logs_is_refused(
    filled: House, job: Started, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ApiError, match=r"logs\.read"):
        entries(filled, Role.USER_ADMINISTRATOR, capsys, monkeypatch, job.sp)


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z or provisioningStatusInfo/status eq 'success'", "yesterday", ""]
)
def test_since_takes_an_instant_and_nothing_else(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no instant: it takes one such as 2026-01-31T00:00:00Z"):
        read_since(text)


@pytest.mark.parametrize(
    ("option", "value", "takes"),
    [
        ("--since", "2026-01-01T00:00:00Z or id eq 'x'", "is no instant"),
        ("--status", "success' or status eq 'failure", "'success', 'warning', 'failure', 'skipped'"),
    ],
)
def test_a_wrong_value_is_wrong_usage(option: str, value: str, takes: str) -> None:
    command = [sys.executable, "-m", "muster", "logs", "8x8", option, value]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "200"})
    assert done.returncode == 2
    assert takes in done.stderr
