"""/auditLogs: what provisioning did and what administrators changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from muster.administration import logs
from muster.administration.refusals import bad_request
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.ports.administration import AuditEntry
from muster.ports.cycles import LogQuery
from muster.web.graph import render_logs
from muster.web.graph.call import Answer, Call, Document
from muster.web.graph.odata import Comparison, broken_filter, read_instant

# Graph's property -> the search's field. Compared with eq.
_EXACT = {
    "jobid": "job_id",
    "cycleid": "cycle_id",
    "changeid": "change_id",
    "serviceprincipal/id": "service_principal_id",
    "sourceidentity/id": "source_id",
}
_CHOICES: dict[str, tuple[str, frozenset[str]]] = {
    "provisioningaction": ("action", frozenset(action.value for action in ProvisioningAction)),
    "action": ("action", frozenset(action.value for action in ProvisioningAction)),
    "provisioningstatusinfo/status": ("status", frozenset(status.value for status in LogStatus)),
    "statusinfo/status": ("status", frozenset(status.value for status in LogStatus)),
}
_IDENTITIES = frozenset(
    {"sourceidentity/displayname", "targetidentity/displayname", "targetidentity/id", "sourceidentity/id"}
)
_ORDERS = frozenset({"activitydatetime desc"})
_INSTANT = "activitydatetime"
_TICK = timedelta(microseconds=1)

_AUDIT_FIELDS: dict[str, Callable[[AuditEntry], str]] = {
    "activitydisplayname": lambda entry: entry.activity,
    "category": lambda entry: entry.category,
    "result": lambda entry: entry.result,
    "initiatedby/user/id": lambda entry: entry.by.id,
    "initiatedby/user/displayname": lambda entry: entry.by.display_name,
    "loggedbyservice": lambda entry: str(render_logs.audit(entry)["loggedByService"]),
}


def list_provisioning(call: Call) -> Answer:
    """GET /auditLogs/provisioning."""
    options = call.options()
    _check_order(options.order_by)
    query = LogQuery(after=options.after, limit=options.limit)
    others: list[tuple[str, str]] = []
    for comparison in options.filter:
        if comparison.operator == "ne" and comparison.path.lower() in _EXACT and isinstance(comparison.value, str):
            others.append((_EXACT[comparison.path.lower()], comparison.value))
        else:
            query = _narrowed(query, comparison)

    def matches(entry: LogEntry) -> bool:
        return all(getattr(entry, field) != value for field, value in others)

    entries, next_after = logs.provisioning(call.desk, query, matches if others else None)
    # A reader of logs alone need not read configuration: names come straight from the applications.
    known = {found.service_principal_id: found for found in call.desk.stores.applications.list()}

    def shown(entry: LogEntry) -> Document:
        return render_logs.entry(entry, call.desk.tenant_id, known.get(entry.service_principal_id))

    return call.collection("auditLogs/provisioning", entries, shown, next_after=next_after)


def list_audits(call: Call) -> Answer:
    """GET /auditLogs/directoryAudits."""
    options = call.options()
    _check_order(options.order_by)
    tests = [_audit_test(comparison) for comparison in options.filter]

    def matches(entry: AuditEntry) -> bool:
        return all(test(entry) for test in tests)

    entries, next_after = logs.audits(call.desk, matches, options.after, options.limit)
    return call.collection("auditLogs/directoryAudits", entries, render_logs.audit, next_after=next_after)


def _check_order(order: str | None) -> None:
    if order is not None and " ".join(order.lower().split()) not in _ORDERS:
        raise bad_request("$orderby takes activityDateTime desc: the log is read newest first.")


def _narrowed(query: LogQuery, comparison: Comparison) -> LogQuery:
    path, operator, value = comparison.path.lower(), comparison.operator, comparison.value
    if path == _INSTANT:
        return _within(query, comparison)
    if not isinstance(value, str):
        raise broken_filter(comparison.position, f"{comparison.path} is compared with a text in single quotes")
    if operator == "eq" and path in _EXACT:
        return _set(query, _EXACT[path], value, comparison)
    if operator == "eq" and path in _CHOICES:
        field, choices = _CHOICES[path]
        wanted = {choice.lower(): choice for choice in choices}.get(value.lower())
        if wanted is None:
            raise broken_filter(
                comparison.position, f"{comparison.path} is one of {', '.join(sorted(choices))}, not “{value[:60]}”"
            )
        return _set(query, field, wanted, comparison)
    if operator in ("co", "eq") and path in _IDENTITIES:
        return _set(query, "identity", value, comparison)
    # Microsoft's own sample: contains(tolower(servicePrincipal/id), '…').
    if operator == "co" and path in _EXACT and comparison.folded:
        return _set(query, _EXACT[path], value, comparison)
    raise broken_filter(
        comparison.position,
        f"{comparison.path} cannot be searched with {operator}; there are jobId, cycleId, changeId, "
        "servicePrincipal/id, sourceIdentity/id, provisioningAction and provisioningStatusInfo/status with eq, "
        "sourceIdentity/displayName "
        "and targetIdentity/displayName with contains, activityDateTime with gt, ge, lt and le",
    )


def _set(query: LogQuery, field: str, value: str, comparison: Comparison) -> LogQuery:
    if getattr(query, field) not in (None, value):
        raise broken_filter(comparison.position, f"{comparison.path} is compared twice")
    narrowing: dict[str, Any] = {field: value}
    return replace(query, **narrowing)


def _within(query: LogQuery, comparison: Comparison) -> LogQuery:
    at = _instant(comparison)
    match comparison.operator:
        case "ge":
            return replace(query, since=at)
        case "gt":
            return replace(query, since=at + _TICK)
        case "le":
            return replace(query, until=at)
        case "lt":
            return replace(query, until=at - _TICK)
        case "eq":
            return replace(query, since=at, until=at)
    raise broken_filter(comparison.position, f"activityDateTime cannot be compared with {comparison.operator}")


def _instant(comparison: Comparison) -> datetime:
    value = comparison.value
    if isinstance(value, str):
        # Lenient: many scripts quote the instant.
        value = read_instant(value)
    if not isinstance(value, datetime):
        raise broken_filter(comparison.position, "activityDateTime is compared with an instant (2026-01-31T00:00:00Z)")
    return value


def _audit_test(comparison: Comparison) -> Callable[[AuditEntry], bool]:
    path, operator = comparison.path.lower(), comparison.operator
    if path == _INSTANT:
        at = _instant(comparison)
        orders: dict[str, Callable[[AuditEntry], bool]] = {
            "ge": lambda entry: entry.at >= at,
            "gt": lambda entry: entry.at > at,
            "le": lambda entry: entry.at <= at,
            "lt": lambda entry: entry.at < at,
        }
        if operator in orders:
            return orders[operator]
    elif path in _AUDIT_FIELDS and isinstance(comparison.value, str):
        field, wanted = _AUDIT_FIELDS[path], comparison.value
        texts: dict[str, Callable[[AuditEntry], bool]] = {
            "eq": lambda entry: field(entry) == wanted,
            "sw": lambda entry: field(entry).startswith(wanted),
            "co": lambda entry: wanted.lower() in field(entry).lower(),
        }
        if operator in texts:
            return texts[operator]
    raise broken_filter(comparison.position, f"{comparison.path} cannot be searched with {operator} here")
