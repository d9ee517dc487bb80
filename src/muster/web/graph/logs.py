"""/auditLogs: what provisioning did and what administrators changed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import orjson

from muster.administration import logs
from muster.administration.refusals import bad_request
from muster.model.conditions import Both, Comparison, Condition, Operator, conjuncts, holds
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.ports.administration import AuditEntry
from muster.ports.cycles import LogQuery
from muster.web.graph import render_logs
from muster.web.graph.call import Answer, Call, Document
from muster.web.graph.log_table import Part, table_lines
from muster.web.graph.properties import Properties, Property, Sort, bind, choice, instants, lists, numbers, texts

_ACTIONS = tuple(action.value for action in ProvisioningAction)
_STATUSES = tuple(status.value for status in LogStatus)
_ACTIVITY = "activityDateTime"
_TICK = timedelta(microseconds=1)
_GUID_CHARACTERS = 36
_BLOCK_CHARACTERS = 64 * 1024

_ENTRY = Properties(
    "a log entry",
    *instants(_ACTIVITY),
    *numbers("durationInMilliseconds"),
    *texts("id", "tenantId", "jobId", "cycleId", "changeId"),
    choice("provisioningAction", *_ACTIONS),
    # What the action and the status are called in /beta.
    Property(path="action", name="provisioningAction", sort=Sort.TEXT, choices=_ACTIONS),
    choice("provisioningStatusInfo/status", *_STATUSES),
    Property(path="statusInfo/status", name="provisioningStatusInfo/status", sort=Sort.TEXT, choices=_STATUSES),
    *texts(
        *(
            f"provisioningStatusInfo/errorInformation/{name}"
            for name in ("errorCode", "reason", "additionalDetails", "errorCategory", "recommendedAction")
        ),
        *(f"initiatedBy/{name}" for name in ("id", "displayName", "initiatorType")),
        *(
            f"{which}/{name}"
            for which in ("servicePrincipal", "sourceSystem", "targetSystem")
            for name in ("id", "displayName")
        ),
        *(
            f"{which}/{name}"
            for which in ("sourceIdentity", "targetIdentity")
            for name in ("id", "displayName", "identityType")
        ),
    ),
    *lists("modifiedProperties", "provisioningSteps"),
    *texts(*(f"modifiedProperties/{name}" for name in ("displayName", "oldValue", "newValue"))),
    *texts(*(f"provisioningSteps/{name}" for name in ("name", "provisioningStepType", "status", "description"))),
)
_AUDIT = Properties(
    "an audit entry",
    *instants(_ACTIVITY),
    *texts("id", "activityDisplayName", "category", "correlationId", "loggedByService", "operationType", "result"),
    *texts("initiatedBy/user/id", "initiatedBy/user/displayName", "initiatedBy/user/userPrincipalName"),
    *texts("initiatedBy/app/displayName", "initiatedBy/app/appId", "initiatedBy/app/servicePrincipalId"),
    *lists("targetResources", "targetResources/modifiedProperties", "additionalDetails"),
    *texts(*(f"targetResources/{name}" for name in ("id", "displayName", "type"))),
    *texts(*(f"targetResources/modifiedProperties/{name}" for name in ("displayName", "oldValue", "newValue"))),
    *texts("additionalDetails/key", "additionalDetails/value"),
)
# What the store searches by itself, exactly.
_EXACT = {
    "id": "entry_id",
    "jobId": "job_id",
    "cycleId": "cycle_id",
    "changeId": "change_id",
    "servicePrincipal/id": "service_principal_id",
    "sourceIdentity/id": "source_id",
    "provisioningAction": "action",
    "provisioningStatusInfo/status": "status",
    "provisioningStatusInfo/errorInformation/errorCode": "error_code",
}
# What the store finds as a whole, and by a part, without case.
_NAME = "sourceIdentity/displayName"
_IDENTITIES = frozenset({_NAME, "targetIdentity/displayName", "targetIdentity/id"})


def export_provisioning(call: Call) -> Answer:
    """GET /auditLogs/provisioning/export?format=csv&part=logs: all that `$filter` finds, as one streamed file."""
    form, part = call.query.get("format", "csv"), call.query.get("part", Part.LOGS.value)
    if form not in ("csv", "json"):
        raise bad_request("format is csv or json.")
    parts = {each.value: each for each in Part}
    if part not in parts:
        raise bad_request(f"part is one of {', '.join(parts)}.")
    query, shown, matches = _search(call)
    entries = (shown(entry) for entry in logs.every_entry(call.desk, query, matches))
    if form == "csv":
        # The mark at the beginning tells spreadsheets that it is UTF-8.
        lines = chain(("\ufeff",), table_lines(entries, parts[part]))
        return _file(lines, "text/csv; charset=utf-8", f"provisioning-{part}.csv")
    return _file(_json_lines(entries), "application/json", "provisioning.json")


def _json_lines(entries: Iterable[Document]) -> Iterator[str]:
    between = "["
    for entry in entries:
        yield f"{between}{orjson.dumps(entry).decode()}"
        between = ",\n"
    yield "]\n" if between != "[" else "[]\n"


def _file(lines: Iterable[str], content_type: str, name: str) -> Answer:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(stream=_blocks(lines), content_type=content_type, headers=headers)


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """Returns lines together in blocks of a size that is worth sending."""
    block: list[str] = []
    length = 0
    for line in lines:
        block.append(line)
        length += len(line)
        if length >= _BLOCK_CHARACTERS:
            yield "".join(block).encode()
            block, length = [], 0
    if block:
        yield "".join(block).encode()


def list_provisioning(call: Call) -> Answer:
    """GET /auditLogs/provisioning."""
    options = call.options()
    query, shown, matches = _search(call)
    entries, next_after = logs.provisioning(call.desk, query, matches)
    total = logs.count_provisioning(call.desk, query, matches) if options.count else None
    return call.collection("auditLogs/provisioning", entries, shown, next_after=next_after, total=total)


def get_provisioning(call: Call) -> Answer:
    """GET /auditLogs/provisioning/{entry}."""
    found = logs.find_entry(call.desk, call.parts["entry"])
    return call.entity("auditLogs/provisioning", _shown_by(call)(found))


def _shown_by(call: Call) -> Callable[[LogEntry], Document]:
    # A reader of logs alone need not read configuration: names come straight from the applications.
    known = {found.service_principal_id: found for found in call.desk.stores.applications.list()}

    def shown(entry: LogEntry) -> Document:
        application = known.get(entry.service_principal_id)
        return render_logs.entry(entry, call.desk.tenant_id, application, is_beta=call.version == "beta")

    return shown


def _search(call: Call) -> tuple[LogQuery, Callable[[LogEntry], Document], Callable[[LogEntry], bool] | None]:
    """Returns what is searched, how an entry is shown, and what is left to look at in each. Raises: Refused."""
    options = call.options()
    condition = bind(options.filter, _ENTRY)
    order = _ENTRY.order(options.order_by, _ACTIVITY)
    query = LogQuery(after=options.after, limit=options.limit, ascending=order is not None and not order[1])
    query, remaining = _narrowed(query, condition)
    shown = _shown_by(call)

    def is_met(entry: LogEntry) -> bool:
        return remaining is None or holds(remaining, shown(entry))

    return query, shown, None if remaining is None else is_met


def list_audits(call: Call) -> Answer:
    """GET /auditLogs/directoryAudits."""
    options = call.options()
    condition = bind(options.filter, _AUDIT)
    order = _AUDIT.order(options.order_by, _ACTIVITY)

    def matches(entry: AuditEntry) -> bool:
        return condition is None or holds(condition, render_logs.audit(entry))

    entries, next_after = logs.audits(
        call.desk, matches, options.after, options.limit, ascending=order is not None and not order[1]
    )
    total = logs.count_audits(call.desk, matches) if options.count else None
    return call.collection("auditLogs/directoryAudits", entries, render_logs.audit, next_after=next_after, total=total)


def get_audit(call: Call) -> Answer:
    """GET /auditLogs/directoryAudits/{entry}."""
    found = logs.find_audit(call.desk, call.parts["entry"])
    return call.entity("auditLogs/directoryAudits", render_logs.audit(found))


def _narrowed(query: LogQuery, condition: Condition | None) -> tuple[LogQuery, Condition | None]:
    """Returns the query with all that the store can search by, and what is left to look at."""
    remaining: list[Condition] = []
    for part in conjuncts(condition):
        narrower = _pushed(query, part) if isinstance(part, Comparison) else None
        if narrower is None:
            remaining.append(part)
        else:
            query, is_exact = narrower
            if not is_exact:
                remaining.append(part)
    return query, Both(parts=tuple(remaining)) if remaining else None


def _pushed(query: LogQuery, comparison: Comparison) -> tuple[LogQuery, bool] | None:
    """Returns the query narrowed by a comparison, and whether that says it all; None if the store cannot."""
    path, operator, value = comparison.path, comparison.operator, comparison.value
    if path == _ACTIVITY and isinstance(value, datetime):
        within = _within(query, operator, value)
        return None if within is None else (within, True)
    if not isinstance(value, str):
        return None
    if path in _EXACT and operator is Operator.EQUALS:
        return _set(query, _EXACT[path], value, is_exact=path != "id")
    # Microsoft's own sample: contains(tolower(servicePrincipal/id), '…').
    if path in _EXACT and path != "id" and operator is Operator.CONTAINS and len(value) == _GUID_CHARACTERS:
        return _set(query, _EXACT[path], value.lower(), is_exact=True)
    if path == _NAME and operator is Operator.EQUALS:
        return _set(query, "source_name", value, is_exact=False)
    if path in _IDENTITIES and operator in (Operator.EQUALS, Operator.CONTAINS, Operator.STARTS, Operator.ENDS):
        return _set(query, "identity", value, is_exact=False)
    return None


def _set(query: LogQuery, field: str, value: str, *, is_exact: bool) -> tuple[LogQuery, bool] | None:
    if getattr(query, field) is not None:
        return None
    narrowing: dict[str, Any] = {field: value}
    return replace(query, **narrowing), is_exact


def _within(query: LogQuery, operator: Operator, at: datetime) -> LogQuery | None:
    since, until = query.since or at, query.until or at
    match operator:
        case Operator.NOT_LESS:
            return replace(query, since=max(since, at))
        case Operator.GREATER:
            return replace(query, since=max(since, at + _TICK))
        case Operator.NOT_GREATER:
            return replace(query, until=min(until, at))
        case Operator.LESS:
            return replace(query, until=min(until, at - _TICK))
        case Operator.EQUALS:
            return replace(query, since=max(since, at), until=min(until, at))
        case _:
            return None
