"""Ours beside Graph's: plans, cycles, explain, imports, work."""

from collections.abc import Callable

from muster.administration import explaining, jobs, rules, work
from muster.administration.refusals import bad_request
from muster.model.job import CycleKind, Plan, PlannedOperation, PlanPart
from muster.model.whatif import OtherScope
from muster.ports.administration import Work
from muster.web.graph import render_jobs
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document, flag_of, link_after, text_of
from muster.web.graph.render import instant

# A plan is shown with so many of its operations, and a link to the others.
FIRST_OPERATIONS = 1_000


def list_plans(call: Call) -> Answer:
    """GET …/jobs/{job}/plans: newest first, without their operations."""
    sp, options = application_of(call).service_principal_id, call.options()
    found, after = work.plans(call.desk, sp, call.parts["job"], options.limit, options.after)
    return call.collection("plans", found, render_jobs.plan, next_after=after)


def make_plan(call: Call) -> Answer:
    """POST …/jobs/{job}/plans: asks the engine for one."""
    sp = application_of(call).service_principal_id
    return _accepted(call, work.ask_for_plan(call.desk, sp, call.parts["job"]))


def get_plan(call: Call) -> Answer:
    """GET …/jobs/{job}/plans/{plan}, by id, hash or the beginning of one; with the first of its operations."""
    found = _plan(call)
    # What failed is in no plan until it is due.
    count, due = work.failed_that_wait(call.desk, found)
    document = {
        **render_jobs.plan(found),
        **render_jobs.plan_in_words(found),
        **_first(call, found, "operations", PlanPart.SENT, render_jobs.planned),
        **_first(call, found, "held", PlanPart.HELD, render_jobs.held),
        "failedWaiting": {"count": count, "nextAttemptDateTime": instant(due)},
    }
    return call.entity("plans", document)


def list_planned(call: Call) -> Answer:
    """GET …/jobs/{job}/plans/{plan}/operations: what may go, in its order."""
    return _part(call, PlanPart.SENT, render_jobs.planned)


def list_held(call: Call) -> Answer:
    """GET …/jobs/{job}/plans/{plan}/held: what is held, in its order."""
    return _part(call, PlanPart.HELD, render_jobs.held)


def _plan(call: Call) -> Plan:
    sp = application_of(call).service_principal_id
    return work.find_plan(call.desk, sp, call.parts["job"], call.parts["plan"])


def _part(call: Call, part: PlanPart, render: Callable[[PlannedOperation], Document]) -> Answer:
    options = call.options()
    after = int(options.after) if options.after is not None and options.after.isdecimal() else 0
    plan = _plan(call)
    found, following = work.planned(call.desk, plan, part, options.limit, after)
    total = plan.operation_count if part is PlanPart.SENT else plan.held_count
    following_key = None if following is None else str(following)
    return call.collection("plans/operations", found, render, next_after=following_key, total=total)


def _first(
    call: Call, plan: Plan, name: str, part: PlanPart, render: Callable[[PlannedOperation], Document]
) -> Document:
    """Returns the first operations of a part, and where the others are."""
    found, following = work.planned(call.desk, plan, part, FIRST_OPERATIONS)
    sp, job = call.parts["sp"], plan.job_id
    address = f"{call.root}/servicePrincipals/{sp}/synchronization/jobs/{job}/plans/{plan.id}/{name}"
    link = None if following is None else link_after(address, str(following))
    return {name: [render(each) for each in found], f"{name}@odata.nextLink": link}


def apply_plan(call: Call) -> Answer:
    """POST …/jobs/{job}/plans/{plan}/apply: exactly that, or a refusal because the world has moved."""
    sp = application_of(call).service_principal_id
    return _accepted(call, work.ask_for_apply(call.desk, sp, call.parts["job"], call.parts["plan"]))


def what_if(call: Call) -> Answer:
    """POST …/jobs/{job}/whatIf: {"schema": {…}, "syncAll": true, "top": 100}; what would change, nothing is written.

    Also `transitiveGroups` and `acceptsDefaultAccess`, the other settings that say who is in scope, and
    `skipOutOfScopeDeletions`, which leaves alone whoever leaves it.
    """
    sp, fields = application_of(call).service_principal_id, call.fields()
    document, top = fields.get("schema"), fields.get("top", rules.WHAT_IF_OBJECTS)
    if document is not None and not isinstance(document, dict):
        raise bad_request("schema takes a synchronization schema, as GET …/schema gives it.")
    if not isinstance(top, int) or isinstance(top, bool) or top < 0:
        raise bad_request("top takes a whole number from 0: how many objects are told one by one.")
    scope = OtherScope(
        sync_all=flag_of(fields, "syncAll"),
        transitive=flag_of(fields, "transitiveGroups"),
        accepts_default_access=flag_of(fields, "acceptsDefaultAccess"),
        skip_out_of_scope_deletions=flag_of(fields, "skipOutOfScopeDeletions"),
    )
    found = rules.what_if(
        call.desk, sp, call.parts["job"], document, scope=scope, limit=min(top, rules.WHAT_IF_OBJECTS)
    )
    return Answer(document=render_jobs.what_if(found))


def list_cycles(call: Call) -> Answer:
    """GET …/jobs/{job}/cycles: newest first, a running one with live counters."""
    sp = application_of(call).service_principal_id
    found = jobs.cycles(call.desk, sp, call.parts["job"], call.options().limit)
    return call.collection("cycles", found, render_jobs.cycle)


def roll_back(call: Call) -> Answer:
    """POST …/jobs/{job}/cycles/{cycle}/rollback: asks for a plan that takes back what the cycle has done."""
    sp = application_of(call).service_principal_id
    return _accepted(call, work.ask_for_rollback(call.desk, sp, call.parts["job"], call.parts["cycle"]))


def run_cycle(call: Call) -> Answer:
    """POST …/jobs/{job}/cycles: one at once; {"kind": "reconciliation"} compares everything with the application."""
    sp, name = application_of(call).service_principal_id, text_of(call.fields(optional=True), "kind", optional=True)
    kinds = {kind.value: kind for kind in CycleKind}
    if name is not None and name not in kinds:
        raise bad_request("kind takes reconciliation, or is left out.")
    kind = None if name is None else kinds[name]
    return _accepted(call, work.ask_for_cycle(call.desk, sp, call.parts["job"], kind=kind))


def explain(call: Call) -> Answer:
    """GET …/jobs/{job}/explain?user=: why this person is in or out, and why each value."""
    user = call.query.get("user")
    if not user:
        raise bad_request("Name the user by id or principal name: …/explain?user=ada@example.com")
    sp = application_of(call).service_principal_id
    return Answer(document=dict(explaining.explain(call.desk, sp, call.parts["job"], user)))


def import_file(call: Call) -> Answer:
    """POST /imports?fileName=people.csv: the file is the body; with preview=true a plan is made and nothing written."""
    name = call.query.get("fileName")
    if not name:
        raise bad_request("Name the file: /imports?fileName=people.csv")
    preview = call.query.get("preview", "false").lower() == "true"
    return _accepted(call, work.import_file(call.desk, name, call.raw, preview=preview), "imports")


def get_work(call: Call) -> Answer:
    """GET /work/{work} and /imports/{work}."""
    return call.entity("work", render_jobs.work(work.find_work(call.desk, call.parts["work"])))


def _accepted(call: Call, asked: Work, path: str = "work") -> Answer:
    return call.entity(
        "work", render_jobs.work(asked), status=202, Location=f"{call.root}/{path}/{asked.id}", Retry_After="1"
    )
