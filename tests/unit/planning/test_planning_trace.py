"""What the provisioning log shows of a trip."""

from datetime import timedelta

import pytest

from muster.model.copies import replace
from muster.model.directory import Lifecycle
from muster.model.failures import AmbiguousMatch, FailureRecord, TargetBusy
from muster.model.log import LogStatus, ModifiedProperty, ProvisioningAction, SkipReason, Step, StepType
from muster.model.operation import Change, Intent, MatchingValue, Operation, OperationKind, Outcome, TargetObject
from muster.planning.rules import KindRules
from muster.planning.trace import (
    export_step,
    given_up,
    held_entry,
    is_worth_logging,
    log_entry,
    modified_properties,
    noted_step,
    steps_of,
)
from unit.planning.making import (
    AT,
    NOBODY,
    USER_NAME,
    compiled,
    found,
    group,
    intend,
    job_rules,
    link,
    linked,
    person,
    plan,
    row,
    vanished,
)

JOB = job_rules()
HARD = person(Lifecycle.HARD_DELETED)
IDS = {"entry_id": "e-1", "job_id": "j-1", "cycle_id": "c-1", "service_principal_id": "sp-1"}
TAKEN = FailureRecord(code="Conflict", sentence="userName is taken.", remedy="Free it.", status=409)


def steps(change: Change, target: TargetObject = NOBODY, rules: KindRules | None = None) -> tuple[Step, ...]:
    rules = rules or compiled()
    return told(intend(change, rules), target, plan(change, target, rules))


def told(intent: Intent, target: TargetObject, operation: Operation) -> tuple[Step, ...]:
    return steps_of(
        intent,
        target,
        operation.kind,
        operation.reason,
        JOB,
        skip_reason=operation.skip_reason,
        failure=operation.failure,
    )


def test_a_hire_is_imported_scoped_matched_and_processed() -> None:
    shown = [(item.name, item.type.value, item.status.value, item.description) for item in steps(person())]
    assert shown == [
        (
            "EntryImport",
            "import",
            "success",
            "Received User 'Ada Lovelace' change of type (Update) from Directory.",
        ),
        (
            "EntrySynchronizationScoping",
            "scoping",
            "success",
            "Ada Lovelace is active and assigned directly with the role User.",
        ),
        (
            "EntryImport",
            "matching",
            "success",
            "No User was found in App with userName = 'ada@example.com'.",
        ),
        (
            "EntrySynchronizationAdd",
            "processing",
            "success",
            f"User 'Ada Lovelace' will be created in App. {CREATE.reason}",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "word"),
    [(person(), "Update"), (person(Lifecycle.SOFT_DELETED), "Disable"), (HARD, "Delete"), (group(), "Update")],
)
def test_the_import_names_the_kind_of_change(change: Change, word: str) -> None:
    first = steps(change)[0]
    assert f"change of type ({word})" in first.description
    assert f"Received {change.kind} '" in first.description


@pytest.mark.parametrize(
    ("change", "status"),
    [(person(), LogStatus.SUCCESS), (person(grants=()), LogStatus.SKIPPED), (HARD, LogStatus.SUCCESS)],
)
def test_scoping_is_skipped_for_those_who_left_the_scope_and_has_the_details(change: Change, status: LogStatus) -> None:
    step = steps(change)[1]
    assert (step.type, step.status) == (StepType.SCOPING, status)
    assert step.details["Assigned to the application"] == str(bool(change.grants))


@pytest.mark.parametrize(
    ("change", "target", "sentence"),
    [
        (person(), linked(link()), "User 'Ada Lovelace' is linked to t-1 in App."),
        (person(), found(), "User 'Ada Lovelace' was found in App by userName as t-1."),
        (HARD, vanished(link()), "User 'Ada Lovelace' was linked to t-1, which App no longer has."),
        (HARD, NOBODY, "User 'Ada Lovelace' is not linked to anything in App."),
    ],
)
def test_matching_says_whom_it_found_and_how(change: Change, target: TargetObject, sentence: str) -> None:
    assert steps(change, target)[2].description == sentence


def test_a_redacted_matching_value_is_not_shown() -> None:
    rules = compiled([row("userName", "Redact([userPrincipalName])", matching=1)])
    assert steps(person(), NOBODY, rules)[2].description == "No User was found in App with userName = '[Redact]'."


@pytest.mark.parametrize(
    ("change", "target", "name", "words"),
    [
        (person(), NOBODY, "EntrySynchronizationAdd", "will be created"),
        (person(jobTitle="Lead"), linked(link()), "EntrySynchronizationUpdate", "will be updated"),
        (person(grants=()), linked(link()), "EntrySynchronizationDisable", "will be disabled"),
        (HARD, linked(link()), "EntrySynchronizationDelete", "will be deleted"),
        (person(), found(), "EntrySynchronizationLink", "found at the target and linked"),
    ],
)
def test_processing_names_what_will_be_done(change: Change, target: TargetObject, name: str, words: str) -> None:
    last = steps(change, target)[-1]
    assert (last.name, last.type, last.status) == (name, StepType.PROCESSING, LogStatus.SUCCESS)
    assert words in last.description


def test_a_skip_names_its_reason() -> None:
    last = steps(person(accountEnabled=False))[-1]
    assert (last.name, last.status, dict(last.details)) == (
        "EntrySynchronizationSkip",
        LogStatus.SKIPPED,
        {"SkipReason": "InactiveAtSource"},
    )
    bare = replace(plan(person(grants=())), skip_reason=None)
    assert told(intend(person(grants=())), NOBODY, bare)[-1].details == {"SkipReason": "EntrySynchronizationSkipped"}


def test_a_mapping_that_failed_stops_before_matching() -> None:
    shown = steps(person(), NOBODY, compiled([USER_NAME, row("title", 'CDate("nonsense")')]))
    assert [item.type for item in shown] == [StepType.IMPORT, StepType.SCOPING, StepType.PROCESSING]
    assert (shown[-1].name, shown[-1].status) == ("EntrySynchronization", LogStatus.FAILURE)
    assert shown[-1].description.startswith("The mapping of title failed")


def test_a_lookup_that_failed_is_a_failure_of_matching() -> None:
    failure = AmbiguousMatch(attribute="userName", value="x", target_ids=["1", "2"]).record()
    shown = steps(person(), TargetObject(failure=failure))
    assert [(item.type, item.status) for item in shown[2:]] == [
        (StepType.MATCHING, LogStatus.FAILURE),
        (StepType.PROCESSING, LogStatus.FAILURE),
    ]
    assert shown[2].description == failure.sentence


# ---------------------------------------------------------------- after the call


def outcome(operation: Operation, failure: FailureRecord | None = None, target_id: str | None = None) -> Outcome:
    return Outcome(
        operation=operation,
        status=LogStatus.SUCCESS if failure is None else LogStatus.FAILURE,
        at=AT,
        duration=timedelta(seconds=2),
        target_id=target_id,
        failure=failure,
    )


CREATE, UPDATE = plan(person()), plan(person(jobTitle="Lead"), linked(link()))
DISABLE, DELETE = plan(person(grants=()), linked(link())), plan(HARD, linked(link()))
REFER = replace(UPDATE, kind=OperationKind.REFER)
LINK, SKIP = plan(person(), found()), plan(person(), linked(link()))
FAIL = plan(person(), TargetObject(failure=TargetBusy("503").record()))


@pytest.mark.parametrize(
    ("operation", "name", "kind", "sentence", "failed"),
    [
        (CREATE, "EntryExportAdd", StepType.EXPORT, "was created in App.", "Failed to add User 'Ada Lovelace' in App"),
        (UPDATE, "EntryExportUpdate", StepType.EXPORT, "was updated in App.", "Failed to update User"),
        (DISABLE, "EntryExportDisable", StepType.EXPORT, "was disabled in App.", "Failed to disable User"),
        (DELETE, "EntryExportDelete", StepType.EXPORT, "was deleted in App.", "Failed to delete User"),
        (REFER, "EntryExportUpdate", StepType.REFERENCE_RESOLUTION, "got its references in App.", "Failed to update"),
    ],
)
def test_the_last_step_tells_what_came_of_the_request(
    operation: Operation, name: str, kind: StepType, sentence: str, failed: str
) -> None:
    done = export_step(operation, JOB, target_id="t-9")
    assert done is not None
    assert (done.name, done.type, done.status) == (name, kind, LogStatus.SUCCESS)
    assert done.description == f"User 'Ada Lovelace' {sentence}"
    assert done.details == {"ReportableIdentifier": "t-9"}
    refused = export_step(operation, JOB, failure=TAKEN)
    assert refused is not None
    assert (refused.name, refused.type, refused.status) == (name, kind, LogStatus.FAILURE)
    assert refused.description.startswith(failed)
    assert refused.description.endswith(": userName is taken.")


def test_an_answer_without_an_id_leaves_the_one_that_was_known() -> None:
    known = export_step(UPDATE, JOB)
    unknown = export_step(CREATE, JOB)
    assert known is not None
    assert unknown is not None
    assert (known.details, unknown.details) == ({"ReportableIdentifier": "t-1"}, {"ReportableIdentifier": ""})


@pytest.mark.parametrize("operation", [LINK, SKIP, FAIL])
def test_nothing_sent_is_no_export(operation: Operation) -> None:
    assert export_step(operation, JOB) is None


def test_modified_properties_hide_what_is_redacted() -> None:
    title, number = (replace(UPDATE.changes[0], attribute=name) for name in ("title", "number"))
    changes = (
        title,
        replace(title, redacted=True),
        replace(title, redacted=True, old=None),
        replace(number, old=None, new=("a", True)),
    )
    assert modified_properties(replace(UPDATE, changes=changes)) == (
        ModifiedProperty(display_name="title", old_value="Engineer", new_value="Lead"),
        ModifiedProperty(display_name="title", old_value="[Redact]", new_value="[Redact]"),
        ModifiedProperty(display_name="title", old_value=None, new_value="[Redact]"),
        ModifiedProperty(display_name="number", old_value=None, new_value="a; True"),
    )


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        (CREATE, ProvisioningAction.CREATE),
        (UPDATE, ProvisioningAction.UPDATE),
        (DISABLE, ProvisioningAction.DISABLE),
        (DELETE, ProvisioningAction.DELETE),
        (REFER, ProvisioningAction.UPDATE),
        (LINK, ProvisioningAction.OTHER),
        (SKIP, ProvisioningAction.OTHER),
        (FAIL, ProvisioningAction.OTHER),
    ],
)
def test_the_line_names_the_action_and_shows_values_only_of_what_was_sent(
    operation: Operation, action: ProvisioningAction
) -> None:
    entry = log_entry(outcome(operation), **IDS)
    assert entry.action is action
    assert bool(entry.modified) is (operation.kind.writes and bool(operation.changes))
    planned = log_entry(outcome(replace(operation, changes=UPDATE.changes)), **IDS)
    assert bool(planned.modified) is operation.kind.writes


def test_the_line_carries_the_whole_trip() -> None:
    before = Step(name="a", type=StepType.IMPORT, status=LogStatus.SUCCESS, description="first")
    after = replace(before, name="b", description="last")
    done = replace(outcome(replace(UPDATE, steps=(before,)), TAKEN), steps=(after,))
    entry = log_entry(done, **IDS)
    assert (entry.id, entry.job_id, entry.cycle_id, entry.service_principal_id) == ("e-1", "j-1", "c-1", "sp-1")
    assert (entry.change_id, entry.source_id, entry.source_name, entry.object_kind) == (
        "change-1",
        "s-ada",
        "Ada Lovelace",
        "User",
    )
    assert (entry.at, entry.duration, entry.status, entry.failure) == (
        AT,
        timedelta(seconds=2),
        LogStatus.FAILURE,
        TAKEN,
    )
    assert entry.steps == (before, after)
    assert (entry.target_id, entry.reason) == ("t-1", UPDATE.reason)
    assert log_entry(outcome(CREATE, target_id="t-9"), **IDS).target_id == "t-9"
    skipped = log_entry(outcome(SKIP), **IDS)
    assert skipped.skip_reason is SkipReason.REDUNDANT_EXPORT
    assert log_entry(outcome(LINK), **IDS).target_name == "Ada at the target"


def test_a_held_operation_has_a_line_of_its_own() -> None:
    entry = held_entry(DELETE, "Too many at once.", AT, **IDS)
    assert (entry.action, entry.status, entry.duration) == (
        ProvisioningAction.STAGED_DELETE,
        LogStatus.SKIPPED,
        timedelta(0),
    )
    assert (entry.reason, entry.target_id, entry.failure) == ("Too many at once.", "t-1", None)
    assert entry.steps[-1] == Step(
        name="EntryExportStaged", type=StepType.EXPORT, status=LogStatus.SKIPPED, description="Too many at once."
    )
    assert (entry.id, entry.job_id, entry.cycle_id, entry.service_principal_id) == ("e-1", "j-1", "c-1", "sp-1")


def test_an_unchanged_object_is_only_counted() -> None:
    worth = {item.kind: is_worth_logging(item.skip_reason) for item in (CREATE, UPDATE, DISABLE, DELETE, LINK, FAIL)}
    assert all(worth.values())
    assert is_worth_logging(plan(person(grants=())).skip_reason)
    assert not is_worth_logging(SKIP.skip_reason)


def test_what_was_odd_about_a_confirmed_request_is_a_step_of_its_own() -> None:
    step = noted_step("It was made switched off.")
    assert (step.status, step.description) == (LogStatus.SUCCESS, "It was made switched off.")


def test_what_is_given_up_says_so_after_its_last_step() -> None:
    failed = log_entry(outcome(UPDATE, TAKEN), **IDS)
    ended = given_up(failed)
    assert ended.steps[:-1] == failed.steps
    assert (ended.steps[-1].name, ended.steps[-1].status) == ("EntryEscrowGivenUp", LogStatus.FAILURE)


def test_a_lost_answer_is_looked_for_by_all_that_the_request_may_have_left() -> None:
    mail = MatchingValue(attribute="mail", value="ada@x.example")
    assert replace(CREATE, matching=(mail,)).tries == (mail,)
    assert replace(UPDATE, matching=(mail,), adopts=True).tries == (replace(mail, was_there=True),)
    assert replace(UPDATE, matching=(mail,)).tries == ()
