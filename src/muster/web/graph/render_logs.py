"""Log and audit entries as Graph shows them, and the two texts of provision on demand."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from muster.gallery.catalogue import find_inbound
from muster.model.application import EnterpriseApplication
from muster.model.log import Initiator, LogEntry, LogStatus, ProvisioningAction, SkipReason
from muster.model.roles import Caller, CallerKind
from muster.ports.administration import AuditEntry
from muster.web.graph.call import Document
from muster.web.graph.render import instant
from muster.web.remedies import REMEDIES

DIRECTORY = "Directory"
SERVICE = "Azure AD Provisioning Service"
_REFUSED_REMEDY = "Check the assignment, the scoping filter and the source object; then provision again."
_RESULTS = {
    LogStatus.SUCCESS: "Success",
    LogStatus.WARNING: "Success",
    LogStatus.SKIPPED: "Skipped",
    LogStatus.FAILURE: "Failure",
}


def entry(
    found: LogEntry, tenant_id: str, application: EnterpriseApplication | None, *, is_beta: bool = False
) -> Document:
    """Returns Graph's provisioningObjectSummary; in /beta with the names that action and status had before."""
    name = application.display_name if application is not None else found.service_principal_id
    details = {
        "ApplicationId": application.app_id if application is not None else "",
        "ServicePrincipalId": found.service_principal_id,
        "ServicePrincipalDisplayName": name,
    }
    application_system = {"id": found.service_principal_id, "displayName": name, "details": details}
    directory = {"id": tenant_id, "displayName": DIRECTORY, "details": {}}
    is_inbound = application is not None and find_inbound(application.template_id) is not None
    status = {"status": found.status.value, "errorInformation": _error_of(found)}
    before = {"action": found.action.value, "statusInfo": status} if is_beta else {}
    return {
        **before,
        "id": found.id,
        "activityDateTime": instant(found.at),
        "tenantId": tenant_id,
        "jobId": found.job_id,
        "cycleId": found.cycle_id,
        "changeId": found.change_id,
        "provisioningAction": found.action.value,
        "durationInMilliseconds": int(found.duration.total_seconds() * 1000),
        "initiatedBy": _initiator(found.initiator),
        "servicePrincipal": {"id": found.service_principal_id, "displayName": name},
        "sourceSystem": application_system if is_inbound else directory,
        "targetSystem": directory if is_inbound else application_system,
        "sourceIdentity": {
            "id": found.source_id,
            "displayName": found.source_name,
            "identityType": found.object_kind,
            "details": _details(found.source_id, found.object_kind, found.source_name),
        },
        "targetIdentity": {
            "id": found.target_id or "",
            "displayName": found.target_name or "",
            "identityType": found.object_kind,
            "details": {}
            if found.target_id is None
            else _details(found.target_id, found.object_kind, found.target_name),
        },
        "provisioningStatusInfo": status,
        "provisioningSteps": _steps(found, type_key="provisioningStepType"),
        "modifiedProperties": _modified(found),
    }


def _initiator(found: Initiator | None) -> Document:
    """Who asked for it: an administrator or a program; the service itself where the schedule did, or a change."""
    if found is None:
        return {"id": "", "displayName": SERVICE, "initiatorType": "system"}
    return {"id": found.id, "displayName": found.display_name, "initiatorType": found.type.value}


def _details(object_id: str, kind: str, name: str | None) -> dict[str, str]:
    return {"id": object_id, "odatatype": kind, "DisplayName": name or ""}


def audit(found: AuditEntry) -> Document:
    """Returns Graph's directoryAudit."""
    return {
        "id": found.id,
        "activityDateTime": instant(found.at),
        "activityDisplayName": found.activity,
        "category": found.category,
        "loggedByService": "Account Provisioning" if found.category == "ProvisioningManagement" else "Core Directory",
        "operationType": found.activity.partition(" ")[0],
        "correlationId": found.id,
        "result": found.result,
        "resultReason": "",
        "initiatedBy": _initiated_by(found.by),
        "targetResources": [
            {
                "id": found.target_id,
                "displayName": found.target_name,
                "type": found.target_type,
                "modifiedProperties": [
                    {"displayName": name, "oldValue": before, "newValue": after}
                    for name, before, after in found.changes
                ],
            }
        ],
        "additionalDetails": [{"key": "roles", "value": ", ".join(sorted(role.value for role in found.by.roles))}],
    }


def _initiated_by(by: Caller) -> Document:
    """A person, or a program that signed in. API tokens are shown as who they were made for."""
    if by.kind is CallerKind.APPLICATION:
        app = {"appId": None, "displayName": by.display_name, "servicePrincipalId": by.id, "servicePrincipalName": None}
        return {"user": None, "app": app}
    return {"user": {"id": by.id, "displayName": by.display_name, "userPrincipalName": None}, "app": None}


def on_demand(
    found: LogEntry | None,
    answer: Mapping[str, Any],
    application: EnterpriseApplication,
    members: Sequence[LogEntry] = (),
) -> Document:
    """Returns what provision on demand answers: two texts that hold JSON. `members` (ours): of a group, those named."""
    if found is None:
        return _nothing_done(answer)
    info = _status_info(found)
    result = {
        "result": _RESULTS[found.status],
        "details": {"errorCode": info["errorCode"], "errorMessage": info["reason"]},
    }
    value = {
        "action": _action(found),
        "changeId": found.change_id,
        "cycleId": found.cycle_id,
        "startTime": instant(found.at - found.duration),
        "endTime": instant(found.at),
        "reportableIdentifier": found.source_name,
        "statusInfo": info,
        "sourceIdentity": _identity(found.source_id, found.object_kind, found.source_name),
        "sourceSystem": {"id": "Directory", "name": "Directory", "details": {}},
        "targetIdentity": _identity(found.target_id or "", found.object_kind, found.target_name or ""),
        "targetSystem": {
            "id": application.service_principal_id,
            "name": application.display_name,
            "details": {"ApplicationId": application.app_id},
        },
        "modifiedProperties": _modified(found),
        "provisioningSteps": _steps(found, type_key="type"),
    }
    if members:
        value["members"] = [
            {
                "action": _action(member),
                "changeId": member.change_id,
                "statusInfo": _status_info(member),
                "sourceIdentity": _identity(member.source_id, member.object_kind, member.source_name),
                "targetIdentity": _identity(member.target_id or "", member.object_kind, member.target_name or ""),
            }
            for member in members
        ]
    return _texts(result, value)


def on_demand_preview(answer: Mapping[str, Any], application: EnterpriseApplication) -> Document:
    """Returns what provision on demand would do (ours): the same two texts, and nothing has been written."""
    shown = answer["preview"]
    failure = shown["failure"] or {}
    code = failure.get("code") or shown["skipReason"] or ""
    reason = failure.get("reason") or shown["reason"]
    value = {
        "action": str(shown["action"]).capitalize(),
        "reportableIdentifier": shown["sourceName"],
        "statusInfo": {
            "status": "Preview",
            "errorCode": code,
            "reason": reason,
            "recommendedAction": failure.get("recommendedAction") or "",
        },
        "sourceIdentity": _identity(shown["sourceId"], shown["sourceType"], shown["sourceName"]),
        "targetIdentity": _identity(shown["targetId"] or "", shown["sourceType"], shown["targetName"] or ""),
        "targetSystem": {"id": application.service_principal_id, "name": application.display_name},
        "modifiedProperties": shown["modifiedProperties"],
        "provisioningSteps": shown["steps"],
        "members": answer["members"],
    }
    return _texts({"result": "Preview", "details": {"errorCode": code, "errorMessage": reason}}, value)


def on_demand_failure(answer: Mapping[str, Any]) -> Document:
    """Returns what provision on demand answers when it could not even begin: connection or rules failed."""
    code, reason = str(answer.get("code") or "InternalError"), str(answer.get("reason") or "")
    return _texts(
        {"result": "Failure", "details": {"errorCode": code, "errorMessage": reason}},
        {
            "action": "Other",
            "statusInfo": {
                "status": "Failure",
                "errorCode": code,
                "reason": reason,
                "additionalDetails": "",
                "errorCategory": "Failure",
                "recommendedAction": answer.get("recommendedAction"),
            },
            "provisioningSteps": [],
            "modifiedProperties": [],
        },
    )


def _nothing_done(answer: Mapping[str, Any]) -> Document:
    reason = "The state of the user in both the source and target systems already match."
    return _texts(
        {"result": "Skipped", "details": {"errorCode": SkipReason.REDUNDANT_EXPORT.value, "errorMessage": reason}},
        {
            "action": "Other",
            "changeId": answer.get("changeId"),
            "cycleId": answer.get("cycleId"),
            "statusInfo": {
                "status": "Skipped",
                "errorCode": SkipReason.REDUNDANT_EXPORT.value,
                "reason": reason,
                "additionalDetails": "",
                "errorCategory": "NonServiceFailure",
                "recommendedAction": "",
            },
            "provisioningSteps": [],
            "modifiedProperties": [],
        },
    )


def _texts(key: Document, value: Document) -> Document:
    return {"key": orjson.dumps(key).decode(), "value": orjson.dumps(value).decode()}


def _action(found: LogEntry) -> str:
    return "StagedDelete" if found.action is ProvisioningAction.STAGED_DELETE else found.action.value.capitalize()


def _identity(object_id: str, kind: str, name: str) -> Document:
    return {"id": object_id, "type": kind, "displayName": name, "details": {}}


def _error_of(found: LogEntry) -> Document | None:
    if found.failure is None and found.skip_reason is None:
        return None
    info = _status_info(found)
    return {
        "errorCode": info["errorCode"],
        "reason": info["reason"],
        "additionalDetails": info["additionalDetails"],
        "errorCategory": "failure" if found.failure is not None else "nonServiceFailure",
        "recommendedAction": info["recommendedAction"],
    }


def _status_info(found: LogEntry) -> Document:
    if found.failure is not None:
        code, reason, remedy = found.failure.code, found.failure.sentence, found.failure.remedy
    elif found.skip_reason is not None:
        code, reason = found.skip_reason.value, found.reason or ""
        remedy = REMEDIES.get(found.skip_reason, _REFUSED_REMEDY)
    else:
        code, reason, remedy = "", found.reason or "", ""
    return {
        "status": _RESULTS[found.status],
        "errorCode": code,
        "reason": reason,
        "additionalDetails": _additional(found),
        "errorCategory": "Failure" if found.failure else "NonServiceFailure" if found.skip_reason else "Success",
        "recommendedAction": remedy,
    }


def _additional(found: LogEntry) -> str:
    """What the application answered with, in Graph's one text for all else."""
    status = None if found.failure is None else found.failure.status
    return "" if status is None else f"The target system answered HTTP {status}."


def _steps(found: LogEntry, *, type_key: str) -> list[Document]:
    return [
        {
            "name": step.name,
            type_key: step.type.value,
            "status": step.status.value,
            "description": step.description,
            "details": dict(step.details),
        }
        for step in found.steps
    ]


def _modified(found: LogEntry) -> list[Document]:
    return [
        {"displayName": each.display_name, "oldValue": each.old_value, "newValue": each.new_value}
        for each in found.modified
    ]
