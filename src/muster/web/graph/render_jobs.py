"""Synchronization jobs, their status, cycles, plans and work, as Graph shows them or in its style."""

from typing import Any

from muster.administration.jobs import JobStatus
from muster.gallery.catalogue import GalleryPage
from muster.model.cause import Cause
from muster.model.credentials import AuthenticationType
from muster.model.directory import ObjectKind
from muster.model.durations import write_duration
from muster.model.failures import FailureRecord
from muster.model.job import Counters, Cycle, CycleState, Plan, PlannedOperation, PlanPart, Quarantine
from muster.model.log import shown
from muster.model.operation import AttributeChange, Operation
from muster.model.whatif import WhatIf
from muster.planning.comparison import in_words
from muster.planning.plan import summary_of
from muster.planning.progress import progress_of, rests_until
from muster.ports.administration import Work
from muster.web.graph.call import Document
from muster.web.graph.render import instant, instant_or_unset, pairs

_OAUTH = (AuthenticationType.CLIENT_CREDENTIALS, AuthenticationType.AUTHORIZATION_CODE)
_GRAPH_STATES = frozenset({CycleState.SUCCEEDED, CycleState.FAILED, CycleState.ENTRY_LEVEL_ERRORS})
_TARGET_OBJECTS = {
    ObjectKind.USER: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    ObjectKind.GROUP: "urn:ietf:params:scim:schemas:core:2.0:Group",
}


def template(page: GalleryPage, service_principal_app_id: str) -> Document:
    """Returns Graph's synchronizationTemplate."""
    return {
        "id": page.job_template_id,
        "applicationId": service_principal_app_id,
        "default": True,
        "description": page.description,
        "discoverable": True,
        "factoryTag": page.job_template_id,
        "metadata": pairs(
            {
                "galleryApplicationIdentifier": page.id,
                "isOAuthEnabled": str(page.authentication_type in _OAUTH),
                # Ours: what is presented unless other credentials are entered.
                "authenticationType": page.authentication_type.value,
            }
        ),
    }


def job(status: JobStatus) -> Document:
    """Returns Graph's synchronizationJob."""
    found = status.job
    return {
        "id": found.id,
        "templateId": found.template_id,
        "schedule": {
            "expiration": None,
            "interval": write_duration(found.interval),
            "state": found.schedule_state.value,
        },
        "status": job_status(status),
        "synchronizationJobSettings": [{"name": name, "value": value} for name, value in found.settings.items()],
        "schemaVersion": found.schema_version,
    }


def job_status(status: JobStatus) -> Document:
    """Returns Graph's synchronizationStatus."""
    first_steady, last_steady = status.first_steady, status.last_steady
    return {
        "code": status.code.value,
        "countSuccessiveCompleteFailures": status.successive_failures,
        # Graph's initial cycle may drop escrows to come to its end; ours keeps each until it is tried again.
        "escrowsPruned": False,
        "lastExecution": execution(status.last, status),
        "lastSuccessfulExecution": execution(status.last_succeeded, status),
        "lastSuccessfulExecutionWithExports": execution(status.last_with_exports, status),
        "progress": _progress(status.newest),
        "quarantine": quarantine(status.job.quarantine),
        "steadyStateFirstAchievedTime": instant_or_unset(first_steady.ended_at if first_steady else None),
        "steadyStateLastAchievedTime": instant_or_unset(last_steady.ended_at if last_steady else None),
        "synchronizedEntryCountByType": [
            {"key": f"{kind.value} to {_TARGET_OBJECTS[kind]}", "value": count}
            for kind, count in status.linked.items()
            if count
        ],
        "troubleshootingUrl": "",
        # Ours: since when the running cycle has not come further, once that is longer than NoProgressAfter.
        "noProgressSince": instant(status.stands_since),
    }


def execution(cycle: Cycle | None, status: JobStatus) -> Document | None:
    """Returns Graph's synchronizationTaskExecution of an ended cycle."""
    if cycle is None:
        return None
    counters = cycle.counters
    exports = counters.created + counters.updated + counters.disabled + counters.deleted
    failed = cycle.failure
    # Of the last cycle those who wait, whenever they failed; of one before it those who failed in it.
    is_last = status.last is not None and cycle.id == status.last.id
    escrowed = status.escrowed if is_last else counters.failed
    return {
        "activityIdentifier": cycle.id,
        "countEntitled": max(0, counters.evaluated - counters.skipped),
        "countEntitledForProvisioning": max(0, counters.evaluated - counters.skipped),
        "countEscrowed": escrowed,
        "countEscrowedRaw": escrowed,
        "countExported": exports + counters.references,
        "countExports": exports,
        "countImported": counters.evaluated,
        "countImportedDeltas": counters.evaluated,
        "countImportedReferenceDeltas": counters.references,
        # Graph knows no stopped cycle: a restart ended it.
        "state": cycle.state.value if cycle.state in _GRAPH_STATES else CycleState.FAILED.value,
        "error": _error(failed),
        "timeBegan": instant(cycle.began_at),
        "timeEnded": instant_or_unset(cycle.ended_at),
    }


def quarantine(found: Quarantine | None) -> Document | None:
    """Returns Graph's synchronizationQuarantine."""
    if found is None:
        return None
    return {
        "currentBegan": instant(found.began_at),
        "error": _error(found.failure),
        "nextAttempt": instant(found.next_attempt_at),
        "reason": found.reason.value,
        "seriesBegan": instant(found.series_began_at),
        "seriesCount": found.series_count,
    }


def cycle(found: Cycle) -> Document:
    """Returns a cycle (ours): phase, live counters, rate and expected end and, once it has ended, its outcome."""
    progress = progress_of(found)
    return {
        "id": found.id,
        "jobId": found.job_id,
        "kind": found.kind.value,
        "state": found.state.value,
        "phase": found.phase.value,
        "beganDateTime": instant(found.began_at),
        "endedDateTime": instant(found.ended_at),
        "progressedDateTime": instant(progress.observed_at),
        "objectsPerSecond": None if progress.per_second is None else round(progress.per_second, 1),
        "expectedEndDateTime": instant(progress.expected_end_at),
        "restsUntilDateTime": instant(rests_until(found)),
        "completeRead": found.complete,
        "counters": counters(found.counters),
        "failure": failure(found.failure),
    }


def counters(counted: Counters) -> Document:
    """Returns what a cycle counted."""
    return {
        "evaluated": counted.evaluated,
        "expected": counted.expected,
        "created": counted.created,
        "updated": counted.updated,
        "disabled": counted.disabled,
        "deleted": counted.deleted,
        "unchanged": counted.unchanged,
        "skipped": counted.skipped,
        "failed": counted.failed,
        "failedReferences": counted.failed_references,
        "throttled": counted.throttled,
        "held": counted.held,
        "references": counted.references,
        "drifted": counted.drifted,
        "requests": counted.requests,
        "writes": counted.writes,
    }


def failure(found: FailureRecord | None) -> Document | None:
    """Returns a failure with what to do about it."""
    if found is None:
        return None
    return {
        "code": found.code,
        "reason": found.sentence,
        "recommendedAction": found.remedy,
        "targetStatus": found.status,
    }


def plan(found: Plan) -> Document:
    """Returns the head of a plan (ours)."""
    return {
        "id": found.id,
        "hash": found.hash,
        "jobId": found.job_id,
        "madeDateTime": instant(found.made_at),
        "appliedDateTime": instant(found.applied_at),
        "counters": counters(found.counters),
        "requests": found.requests,
        "duration": write_duration(found.duration),
        "kind": found.kind.value,
        "cycleId": found.cycle_id,
        "operationCount": found.operation_count,
        "heldCount": found.held_count,
    }


def plan_in_words(found: Plan) -> Document:
    """Returns what a plan does in a sentence, by group, and what it cannot take back."""
    return {
        "summary": summary_of(found.sums),
        "groups": [
            {
                "kind": each.kind.value,
                "held": each.part is PlanPart.HELD,
                "key": each.key,
                "count": each.count,
                "sentence": each.sentence,
            }
            for each in found.sums.groups
        ],
        "irreversible": [
            {
                "sourceId": each.source_id,
                "sourceName": each.source_name,
                "attribute": each.attribute,
                "reason": each.reason,
            }
            for each in found.irreversible
        ],
    }


def planned(found: PlannedOperation) -> Document:
    """Returns an operation of a plan that may go."""
    return operation(found.operation)


def held(found: PlannedOperation) -> Document:
    """Returns an operation of a plan that may not go yet, and why."""
    code = None if found.hold_code is None else found.hold_code.value
    return {**operation(found.operation), "holdCode": code, "holdReason": found.reason}


def cause(found: Cause | None) -> Document | None:
    """Returns what brought an operation about; operations with one key belong together."""
    if found is None:
        return None
    return {"key": found.key, "kind": found.kind.value, "subject": found.subject or None, "sentence": found.sentence}


def what_if(found: WhatIf) -> Document:
    """Returns what other rules would change, in words, in numbers, and for whom."""
    return {
        "jobId": found.job_id,
        "considered": found.considered,
        "affected": found.affected,
        "sentence": in_words(found.summary),
        "summary": [
            {
                "transition": line.transition.value,
                "attribute": line.attribute,
                "count": line.count,
                "sentence": line.sentence,
            }
            for line in found.summary
        ],
        "heldReasons": list(found.held),
        "requests": found.requests,
        "objects": [
            {
                "sourceId": each.source_id,
                "sourceName": each.source_name,
                "objectType": each.kind.value,
                "transition": each.transition.value,
                "before": each.before.value if each.before is not None else None,
                "after": each.after.value if each.after is not None else None,
                "reason": each.reason,
                "cause": cause(each.cause),
                "changes": [_change(change) for change in each.changes],
            }
            for each in found.objects
        ],
    }


def operation(decided: Operation) -> Document:
    """Returns one decision of a plan with old and new values; redacted ones hidden."""
    return {
        "changeId": decided.change_id,
        "kind": decided.kind.value,
        "objectType": decided.object_kind.value,
        "sourceId": decided.source_id,
        "sourceName": decided.source_name,
        "targetId": decided.target_id,
        "targetName": decided.target_name,
        "reason": decided.reason,
        "cause": cause(decided.cause),
        "skipReason": decided.skip_reason.value if decided.skip_reason is not None else None,
        "failure": failure(decided.failure),
        "changes": [_change(change) for change in decided.changes],
    }


def _change(change: AttributeChange) -> Document:
    return {
        "displayName": change.attribute,
        "verb": change.verb.value,
        "oldValue": _hidden(change.old, hide=change.redacted),
        "newValue": _hidden(change.new, hide=change.redacted),
    }


def work(found: Work) -> Document:
    """Returns a piece of work (ours) as it stands."""
    return {
        "id": found.id,
        "kind": found.kind.value,
        "jobId": found.job_id,
        "state": found.state,
        "askedBy": found.asked_by,
        "askedDateTime": instant(found.asked_at),
        "answer": None if found.answer is None else dict(found.answer),
        "counters": None if found.counters is None else counters(found.counters),
        "notices": list(found.payload.get("notices", ())),
    }


def _progress(newest: Cycle | None) -> list[Document]:
    """How far the running cycle is; Graph counts pages, we count objects."""
    if newest is None:
        return []
    progress = progress_of(newest)
    return [
        {
            "completedUnits": progress.done,
            "totalUnits": progress.total,
            "units": "objects",
            "progressObservationDateTime": instant(progress.observed_at),
        }
    ]


def _error(found: FailureRecord | None) -> Document:
    if found is None:
        return {"code": "None", "message": "", "tenantActionable": False}
    return {"code": found.code, "message": f"{found.sentence} {found.remedy}", "tenantActionable": True}


def _hidden(value: Any, *, hide: bool) -> str | None:
    return "[Redact]" if hide and value is not None else shown(value)
