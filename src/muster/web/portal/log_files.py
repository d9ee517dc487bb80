"""The provisioning log as a file: CSV that no spreadsheet takes for formulas, or JSON, an entry at a time."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from muster.model.log import LogEntry
from muster.web.csv_lines import csv_line

COLUMNS = (
    "activityDateTime",
    "changeId",
    "cycleId",
    "jobId",
    "provisioningAction",
    "status",
    "objectType",
    "sourceName",
    "sourceId",
    "targetName",
    "targetId",
    "durationInMilliseconds",
    "errorCode",
    "reason",
    "modifiedProperties",
)


def write_csv(entries: Iterable[LogEntry]) -> Iterator[str]:
    """Returns the lines of a CSV file, with a byte order mark so that spreadsheets read it as UTF-8."""
    yield "\ufeff" + csv_line(COLUMNS)
    for entry in entries:
        row = _row(entry)
        changed = "; ".join(
            f"{each['displayName']}: {each['oldValue'] or ''} -> {each['newValue'] or ''}"
            for each in row["modifiedProperties"]
        )
        yield csv_line([changed if name == "modifiedProperties" else row[name] for name in COLUMNS])


def write_json(entries: Iterable[LogEntry]) -> Iterator[str]:
    """Returns the pieces of a JSON list, each entry with its steps and modified properties."""
    yield "["
    for number, entry in enumerate(entries):
        row = _row(entry) | {
            "provisioningSteps": [
                {
                    "name": step.name,
                    "type": step.type.value,
                    "status": step.status.value,
                    "description": step.description,
                    "details": dict(step.details),
                }
                for step in entry.steps
            ]
        }
        yield ("," if number else "") + json.dumps(row, ensure_ascii=False)
    yield "]\n"


def _row(entry: LogEntry) -> dict[str, Any]:
    failure = entry.failure
    return {
        "activityDateTime": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "changeId": entry.change_id,
        "cycleId": entry.cycle_id,
        "jobId": entry.job_id,
        "provisioningAction": entry.action.value,
        "status": entry.status.value,
        "objectType": entry.object_kind,
        "sourceName": entry.source_name,
        "sourceId": entry.source_id,
        "targetName": entry.target_name,
        "targetId": entry.target_id,
        "durationInMilliseconds": round(entry.duration.total_seconds() * 1000),
        "errorCode": failure.code if failure else entry.skip_reason.value if entry.skip_reason else None,
        "reason": failure.sentence if failure else entry.reason,
        "modifiedProperties": [
            {"displayName": each.display_name, "oldValue": each.old_value, "newValue": each.new_value}
            for each in entry.modified
        ],
    }
