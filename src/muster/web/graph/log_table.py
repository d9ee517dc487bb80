"""The provisioning log as tables, in the three files that Entra's download has, joined on `changeId`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from muster.web.csv_lines import csv_line

Document = Mapping[str, Any]


class Part(StrEnum):
    """Which of the tables."""

    LOGS = "logs"
    STEPS = "steps"
    MODIFIED_PROPERTIES = "modifiedProperties"


_LOG_COLUMNS = (
    "id",
    "activityDateTime",
    "tenantId",
    "jobId",
    "cycleId",
    "changeId",
    "provisioningAction",
    "durationInMilliseconds",
    "initiatedBy/displayName",
    "initiatedBy/initiatorType",
    "servicePrincipal/id",
    "servicePrincipal/displayName",
    "sourceSystem/displayName",
    "targetSystem/displayName",
    "sourceIdentity/id",
    "sourceIdentity/displayName",
    "sourceIdentity/identityType",
    "targetIdentity/id",
    "targetIdentity/displayName",
    "targetIdentity/identityType",
    "provisioningStatusInfo/status",
    "provisioningStatusInfo/errorInformation/errorCode",
    "provisioningStatusInfo/errorInformation/reason",
    "provisioningStatusInfo/errorInformation/errorCategory",
    "provisioningStatusInfo/errorInformation/recommendedAction",
)
_STEP_COLUMNS = ("changeId", "number", "name", "provisioningStepType", "status", "description", "details")
_PROPERTY_COLUMNS = ("changeId", "displayName", "oldValue", "newValue")


def table_lines(entries: Iterable[Document], part: Part) -> Iterator[str]:
    """Returns the lines of a CSV table (RFC 4180) of log entries as Graph shows them, its heading first."""
    columns, rows = _PARTS[part]
    yield csv_line(columns)
    for entry in entries:
        for row in rows(entry):
            yield csv_line(row)


def _log_rows(entry: Document) -> Iterable[Sequence[object]]:
    return ([_at(entry, column) for column in _LOG_COLUMNS],)


def _step_rows(entry: Document) -> Iterable[Sequence[object]]:
    for number, step in enumerate(entry["provisioningSteps"], 1):
        details = "; ".join(f"{name}: {value}" for name, value in step["details"].items())
        yield (
            entry["changeId"],
            number,
            step["name"],
            step["provisioningStepType"],
            step["status"],
            step["description"],
            details,
        )


def _property_rows(entry: Document) -> Iterable[Sequence[object]]:
    for changed in entry["modifiedProperties"]:
        yield (entry["changeId"], changed["displayName"], changed["oldValue"], changed["newValue"])


def _at(entry: Document, path: str) -> object:
    value: Any = entry
    for name in path.split("/"):
        value = None if value is None else value.get(name)
    return value


_PARTS: Mapping[Part, tuple[Sequence[str], Callable[[Document], Iterable[Sequence[object]]]]] = {
    Part.LOGS: (_LOG_COLUMNS, _log_rows),
    Part.STEPS: (_STEP_COLUMNS, _step_rows),
    Part.MODIFIED_PROPERTIES: (_PROPERTY_COLUMNS, _property_rows),
}
