"""What the log shows of a trip: steps, modified properties, the entry itself (Graph provisioningObjectSummary)."""

from datetime import datetime, timedelta

from muster.model.copies import replace
from muster.model.directory import Lifecycle
from muster.model.failures import FailureRecord
from muster.model.log import (
    Initiator,
    LogEntry,
    LogStatus,
    ModifiedProperty,
    ProvisioningAction,
    SkipReason,
    Step,
    StepType,
    shown,
)
from muster.model.operation import Intent, Operation, OperationKind, Outcome, TargetObject
from muster.planning.rules import JobRules

_ACTIONS = {
    OperationKind.CREATE: ProvisioningAction.CREATE,
    OperationKind.UPDATE: ProvisioningAction.UPDATE,
    OperationKind.DISABLE: ProvisioningAction.DISABLE,
    OperationKind.DELETE: ProvisioningAction.DELETE,
    OperationKind.REFER: ProvisioningAction.UPDATE,
}

_VERBS = {
    OperationKind.CREATE: ("will be created", "was created", "Add"),
    OperationKind.UPDATE: ("will be updated", "was updated", "Update"),
    OperationKind.DISABLE: ("will be disabled", "was disabled", "Disable"),
    OperationKind.DELETE: ("will be deleted", "was deleted", "Delete"),
    OperationKind.REFER: ("will get its references", "got its references", "Update"),
}

_CHANGE_TYPES = {
    Lifecycle.PRESENT: "Update",
    Lifecycle.SOFT_DELETED: "Disable",
    Lifecycle.HARD_DELETED: "Delete",
}


def steps_of(
    intent: Intent,
    target: TargetObject,
    decided: OperationKind,
    why: str,
    rules: JobRules,
    *,
    skip_reason: SkipReason | None = None,
    failure: FailureRecord | None = None,
) -> tuple[Step, ...]:
    """Returns the steps up to the decision: import, scoping, matching, processing."""
    kind, name = intent.change.kind.value, intent.change.display_name
    verdict = intent.verdict
    in_scope = not verdict.left_scope
    steps = [
        Step(
            name="EntryImport",
            type=StepType.IMPORT,
            status=LogStatus.SUCCESS,
            description=f"Received {kind} '{name}' change of type ({_CHANGE_TYPES[intent.change.lifecycle]}) "
            f"from {rules.source_name}.",
        ),
        Step(
            name="EntrySynchronizationScoping",
            type=StepType.SCOPING,
            status=LogStatus.SUCCESS if in_scope else LogStatus.SKIPPED,
            description=verdict.reason,
            details=verdict.details,
        ),
    ]
    if intent.failure is None:
        steps.append(_matching_step(intent, target, rules))
    words = _VERBS.get(decided)
    if failure is not None:
        steps.append(_step("EntrySynchronization", StepType.PROCESSING, LogStatus.FAILURE, failure.sentence))
    elif words is not None:
        sentence = f"{kind} '{name}' {words[0]} in {rules.target_name}. {why}"
        steps.append(_step(f"EntrySynchronization{words[2]}", StepType.PROCESSING, LogStatus.SUCCESS, sentence))
    elif decided is OperationKind.SKIP:
        reason = skip_reason.value if skip_reason is not None else "EntrySynchronizationSkipped"
        steps.append(
            Step(
                name="EntrySynchronizationSkip",
                type=StepType.PROCESSING,
                status=LogStatus.SKIPPED,
                description=why,
                details={"SkipReason": reason},
            )
        )
    else:
        steps.append(_step("EntrySynchronizationLink", StepType.PROCESSING, LogStatus.SUCCESS, why))
    return tuple(steps)


def export_step(
    operation: Operation, rules: JobRules, *, target_id: str | None = None, failure: FailureRecord | None = None
) -> Step | None:
    """Returns the step of what came of the request; None when nothing was sent."""
    words = _VERBS.get(operation.kind)
    if words is None:
        return None
    kind, name = operation.object_kind.value, operation.source_name
    type_ = StepType.REFERENCE_RESOLUTION if operation.kind is OperationKind.REFER else StepType.EXPORT
    if failure is not None:
        verb = words[2].lower()
        return _step(
            f"EntryExport{words[2]}",
            type_,
            LogStatus.FAILURE,
            f"Failed to {verb} {kind} '{name}' in {rules.target_name}: {failure.sentence}",
        )
    identifier = target_id or operation.target_id or ""
    return Step(
        name=f"EntryExport{words[2]}",
        type=type_,
        status=LogStatus.SUCCESS,
        description=f"{kind} '{name}' {words[1]} in {rules.target_name}.",
        details={"ReportableIdentifier": identifier},
    )


def noted_step(sentence: str) -> Step:
    """Returns the step that tells what was odd about a request that was confirmed."""
    return _step("EntryExportUpdate", StepType.EXPORT, LogStatus.SUCCESS, sentence)


def action_of(operation: Operation) -> ProvisioningAction:
    """Returns what the log calls an operation."""
    return _ACTIONS.get(operation.kind, ProvisioningAction.OTHER)


def modified_properties(operation: Operation) -> tuple[ModifiedProperty, ...]:
    """Returns old and new values as the log may show them."""
    return tuple(
        [
            ModifiedProperty(
                display_name=change.attribute,
                old_value="[Redact]" if change.redacted and change.old is not None else shown(change.old),
                new_value="[Redact]" if change.redacted else shown(change.new),
            )
            for change in operation.changes
        ]
    )


def log_entry(
    outcome: Outcome,
    *,
    entry_id: str,
    job_id: str,
    cycle_id: str,
    service_principal_id: str,
    initiator: Initiator | None = None,
) -> LogEntry:
    """Returns the line of the provisioning log for an outcome."""
    operation = outcome.operation
    return _entry(
        operation,
        status=outcome.status,
        at=outcome.at,
        duration=outcome.duration,
        target_id=outcome.target_id or operation.target_id,
        failure=outcome.failure,
        steps=(*operation.steps, *outcome.steps),
        action=action_of(operation),
        entry_id=entry_id,
        job_id=job_id,
        cycle_id=cycle_id,
        service_principal_id=service_principal_id,
        initiator=initiator,
    )


def held_entry(
    operation: Operation,
    reason: str,
    at: datetime,
    *,
    entry_id: str,
    job_id: str,
    cycle_id: str,
    service_principal_id: str,
    initiator: Initiator | None = None,
) -> LogEntry:
    """Returns the line for an operation that the gate holds: StagedDelete, or what it would do once it is approved."""
    action = _ACTIONS.get(operation.kind, ProvisioningAction.OTHER)
    return _entry(
        operation,
        status=LogStatus.SKIPPED,
        at=at,
        duration=timedelta(0),
        target_id=operation.target_id,
        failure=None,
        steps=(*operation.steps, _step("EntryExportStaged", StepType.EXPORT, LogStatus.SKIPPED, reason)),
        action=ProvisioningAction.STAGED_DELETE if operation.removes else action,
        entry_id=entry_id,
        job_id=job_id,
        cycle_id=cycle_id,
        service_principal_id=service_principal_id,
        initiator=initiator,
        reason=reason,
    )


def given_up(entry: LogEntry) -> LogEntry:
    """Returns the line of a failure after which the object is no longer tried by itself."""
    sentence = "It has failed for too long and is given up: it is tried again once it changes, or after a restart."
    step = _step("EntryEscrowGivenUp", StepType.EXPORT, LogStatus.FAILURE, sentence)
    return replace(entry, steps=(*entry.steps, step))


def is_worth_logging(skip_reason: SkipReason | None) -> bool:
    """Whether a line is written: an unchanged object in a full pass is only counted."""
    return skip_reason is not SkipReason.REDUNDANT_EXPORT


def _entry(
    operation: Operation,
    *,
    status: LogStatus,
    at: datetime,
    duration: timedelta,
    target_id: str | None,
    failure: FailureRecord | None,
    steps: tuple[Step, ...],
    action: ProvisioningAction,
    entry_id: str,
    job_id: str,
    cycle_id: str,
    service_principal_id: str,
    initiator: Initiator | None,
    reason: str | None = None,
) -> LogEntry:
    return LogEntry(
        id=entry_id,
        at=at,
        job_id=job_id,
        cycle_id=cycle_id,
        change_id=operation.change_id,
        service_principal_id=service_principal_id,
        action=action,
        status=status,
        object_kind=operation.object_kind.value,
        source_id=operation.source_id,
        source_name=operation.source_name,
        target_id=target_id,
        target_name=operation.target_name,
        steps=steps,
        # What was sent, and what a reconciliation has left as it is at the target.
        modified=modified_properties(operation) if operation.kind.writes or operation.drifted else (),
        duration=duration,
        skip_reason=operation.skip_reason,
        reason=reason or operation.reason,
        failure=failure,
        initiator=initiator,
    )


def _matching_step(intent: Intent, target: TargetObject, rules: JobRules) -> Step:
    kind, name = intent.change.kind.value, intent.change.display_name
    if target.failure is not None:
        return _step("EntryImport", StepType.MATCHING, LogStatus.FAILURE, target.failure.sentence)
    if target.link is not None and target.exists:
        sentence = f"{kind} '{name}' is linked to {target.link.target_id} in {rules.target_name}."
    elif target.link is not None:
        sentence = f"{kind} '{name}' was linked to {target.link.target_id}, which {rules.target_name} no longer has."
    elif target.exists:
        sentence = f"{kind} '{name}' was found in {rules.target_name} by {target.matched_by} as {target.target_id}."
    elif asked := ", ".join(f"{item.attribute} = '{item.shown}'" for item in intent.matching):
        sentence = f"No {kind} was found in {rules.target_name} with {asked}."
    else:
        sentence = f"{kind} '{name}' is not linked to anything in {rules.target_name}."
    return _step("EntryImport", StepType.MATCHING, LogStatus.SUCCESS, sentence)


def _step(name: str, type_: StepType, status: LogStatus, description: str) -> Step:
    return Step(name=name, type=type_, status=status, description=description)
