"""The provisioning log as a file: CSV in three tables, JSON; whole, streamed, and safe to open in a spreadsheet."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from faces.house import House, Started
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.log import LogEntry, LogStatus, ModifiedProperty, ProvisioningAction, Step, StepType
from muster.model.roles import Role
from muster.ports.cycles import Settlement
from muster.web.csv_lines import csv_line
from muster.web.portal.log_files import write_csv

EXPORT = "/auditLogs/provisioning/export"


def _entry(number: int, job: Started, **values: Any) -> LogEntry:
    given: dict[str, Any] = {
        "id": f"e{number}",
        "at": job.house.clock.at + timedelta(seconds=number),
        "job_id": job.id,
        "cycle_id": "cycle-1",
        "change_id": f"change-{number}",
        "service_principal_id": job.sp,
        "action": ProvisioningAction.CREATE,
        "status": LogStatus.SUCCESS,
        "object_kind": "User",
        "source_id": f"s{number}",
        "source_name": f"Ada {number}",
        "target_id": None,
        "target_name": None,
        "steps": (
            Step(
                name="EntryImport", type=StepType.IMPORT, status=LogStatus.SUCCESS, description="d", details={"a": "b"}
            ),
        ),
        "modified": (ModifiedProperty(display_name="title", old_value=None, new_value="=1+1"),),
        "duration": timedelta(milliseconds=12),
        **values,
    }
    return LogEntry(**given)


def _log(job: Started, *entries: LogEntry) -> None:
    cycle = job.cycle()
    job.house.stores.cycles.settle(
        cycle, [Settlement(kind=ObjectKind.USER, source_id=entry.source_id, entry=entry) for entry in entries]
    )


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_all_entries_are_in_the_csv_newest_first(house: House, job: Started) -> None:
    _log(job, *(_entry(number, job) for number in range(1_203)))
    answer = house.call("GET", f"{EXPORT}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="provisioning-logs.csv"'
    heading, *rows = _rows(answer.text)
    assert len(rows) == 1_203
    assert [row[heading.index("id")] for row in rows[:2]] == ["e1202", "e1201"]
    assert {len(row) for row in rows} == {len(heading)}


def test_the_three_tables_are_joined_on_the_change(house: House, job: Started) -> None:
    _log(job, _entry(1, job))
    steps = _rows(house.call("GET", f"{EXPORT}?part=steps").text)
    changed = _rows(house.call("GET", f"{EXPORT}?part=modifiedProperties").text)
    assert steps[1] == ["change-1", "1", "EntryImport", "import", "success", "d", "a: b"]
    assert changed[1] == ["change-1", "title", "", "'=1+1"]


@pytest.mark.parametrize(
    "name",
    ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠1", '=HYPERLINK("http://x","y")'],
)
def test_a_cell_never_begins_a_formula(house: House, job: Started, name: str) -> None:
    _log(job, _entry(1, job, source_name=name))
    heading, row = _rows(house.call("GET", EXPORT).text)
    assert row[heading.index("sourceIdentity/displayName")] == f"'{name}"
    heading, row = _rows("".join(write_csv([_entry(1, job, source_name=name)])))
    assert row[heading.index("sourceName")] == f"'{name}", "the portal's file"


def test_quotes_commas_and_line_breaks_stay_within_their_cell() -> None:
    assert csv_line(['a"b', "c,d", "e\nf", None, 5]) == '"a""b","c,d","e\nf",,5\r\n'


def test_a_filter_holds_for_the_file_too(house: House, job: Started) -> None:
    failure = FailureRecord(code="EntryConflict", sentence="Taken.", remedy="Free it.", status=409)
    _log(job, _entry(1, job), _entry(2, job, status=LogStatus.FAILURE, failure=failure))
    wanted = "provisioningStatusInfo/errorInformation/errorCode eq 'EntryConflict'"
    found = json.loads(house.call("GET", f"{EXPORT}?format=json&$filter={wanted}").text)
    assert [entry["id"] for entry in found] == ["e2"]
    part = "contains(provisioningStatusInfo/errorInformation/reason,'aken')"
    heading, row = _rows(house.call("GET", f"{EXPORT}?$filter={part}").text)
    assert row[heading.index("provisioningStatusInfo/errorInformation/reason")] == "Taken."


def test_an_empty_log_is_an_empty_file(house: House) -> None:
    assert house.call("GET", f"{EXPORT}?format=json").text == "[]\n"
    assert len(_rows(house.call("GET", EXPORT).text)) == 1


@pytest.mark.parametrize(
    ("query", "said"), [("format=xlsx", "csv or json"), ("part=all", "logs, steps"), ("$filter=x eq", "")]
)
def test_a_wrong_wish_is_refused(house: House, query: str, said: str) -> None:
    answer = house.call("GET", f"{EXPORT}?{query}")
    assert (answer.status, said in answer.message) == (400, True)


def test_who_may_not_read_logs_gets_no_file(house: House) -> None:
    assert house.call("GET", EXPORT, token=house.token_for(Role.USER_ADMINISTRATOR)).status == 403
