"""/servicePrincipals/{sp}/synchronization: secrets, templates, jobs and what is done with them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from muster.administration import applications, bulk_upload, credentials, jobs, work
from muster.administration.refusals import RefusalKind, Refused, bad_request
from muster.model.directory import ObjectKind
from muster.model.durations import read_duration
from muster.model.job import ResetScope, ScheduleState
from muster.model.log import LogEntry
from muster.ports.administration import Work
from muster.ports.cycles import LogQuery
from muster.web.graph import render, render_jobs
from muster.web.graph.applications import application_of
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    check_fixed,
    flag_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.render_logs import on_demand, on_demand_failure, on_demand_preview

ON_DEMAND_WAIT = timedelta(seconds=60)
_STATUS_INFO = "Microsoft.Identity.Health.CPP.Common.DataContracts.SyncFabric.StatusInfo"
_POLL = timedelta(milliseconds=100)
_CHANGEABLE = frozenset({"schedule", "synchronizationJobSettings"})
_SHOWN = frozenset({"status", "schema", "schemaVersion", "bulkUpload"})


def get_synchronization(call: Call) -> Answer:
    """GET …/synchronization: everything of an application."""
    application = application_of(call)
    sp = application.service_principal_id
    page = applications.template_of(call.desk, application)
    return call.entity(
        f"servicePrincipals('{sp}')/synchronization",
        {
            "id": sp,
            "jobs": [render_jobs.job(jobs.status_of(call.desk, job)) for job in jobs.jobs(call.desk, sp)],
            "secrets": render.pairs(credentials.shown_secrets(call.desk, sp)),
            "templates": [render_jobs.template(page, application.app_id)],
        },
    )


# ---------------------------------------------------------------- secrets


def get_secrets(call: Call) -> Answer:
    """GET …/secrets, everything that is secret masked."""
    sp = application_of(call).service_principal_id
    shown = render.pairs(credentials.shown_secrets(call.desk, sp))
    return call.whole(f"servicePrincipals('{sp}')/synchronization/secrets", shown, dict)


def put_secrets(call: Call) -> Answer:
    """PUT …/secrets: `{"value": […]}` or a bare list."""
    body = call.body()
    # Lenient: some SDKs send the list itself.
    fields = {"value": body} if isinstance(body, list) else body
    if not isinstance(fields, dict) or "value" not in fields:
        raise bad_request('The JSON request payload must be {"value": [{"key": …, "value": …}]}.')
    credentials.put_secrets(call.desk, application_of(call).service_principal_id, _secrets(fields, "value"))
    return NO_CONTENT


def validate_credentials(call: Call) -> Answer:
    """POST …/jobs/validateCredentials and …/jobs/{job}/validateCredentials: Test Connection."""
    application = application_of(call)
    job_id = call.parts.get("job")
    if job_id is not None:
        jobs.find_job(call.desk, application.service_principal_id, job_id)
    fields = call.fields(optional=True)
    given = _secrets(fields, "credentials") if fields.get("credentials") else None
    if flag_of(fields, "useSavedCredentials"):
        given = None
    found = credentials.validate(call.desk, application.service_principal_id, given, job_id=job_id)
    return NO_CONTENT if found is None else Answer(document={"found": found})


def acquire_access_token(call: Call) -> Answer:
    """POST …/acquireAccessToken: an authorization code becomes tokens, other credentials are tried."""
    given = _secrets(call.fields(), "credentials") or None
    credentials.acquire_token(call.desk, application_of(call).service_principal_id, given)
    return NO_CONTENT


def presented_certificate(call: Call) -> Answer:
    """POST …/presentedCertificate (ours): what the server of the Tenant URL presents, and whether it is trusted."""
    fields = call.fields(optional=True)
    _check_names(fields, {"credentials"}, "presentedCertificate")
    given = _secrets(fields, "credentials") if fields.get("credentials") else None
    found = credentials.presented_certificate(call.desk, application_of(call).service_principal_id, given)
    return Answer(document=render.presented_certificate(found))


# ---------------------------------------------------------------- templates


def list_templates(call: Call) -> Answer:
    """GET …/templates: an application has the one of its gallery page."""
    application = application_of(call)
    page = applications.template_of(call.desk, application)
    return call.whole(
        f"servicePrincipals('{application.service_principal_id}')/synchronization/templates",
        [page],
        lambda each: render_jobs.template(each, application.app_id),
    )


def get_template(call: Call) -> Answer:
    """GET …/templates/{template}."""
    application = application_of(call)
    page = applications.find_template(call.desk, application, call.parts["template"])
    return call.entity(
        f"servicePrincipals('{application.service_principal_id}')/synchronization/templates",
        render_jobs.template(page, application.app_id),
    )


# ---------------------------------------------------------------- jobs


def list_jobs(call: Call) -> Answer:
    """GET …/jobs."""
    sp = application_of(call).service_principal_id
    return call.whole(
        f"servicePrincipals('{sp}')/synchronization/jobs",
        jobs.jobs(call.desk, sp),
        lambda job: render_jobs.job(jobs.status_of(call.desk, job)),
    )


def count_jobs(call: Call) -> Answer:
    """GET …/jobs/$count."""
    return Answer(text=str(len(jobs.jobs(call.desk, application_of(call).service_principal_id))))


def get_job(call: Call) -> Answer:
    """GET …/jobs/{job}."""
    sp = application_of(call).service_principal_id
    return _job(call, sp, call.parts["job"])


def create_job(call: Call) -> Answer:
    """POST …/jobs."""
    sp = application_of(call).service_principal_id
    fields = call.fields()
    made = jobs.create_job(call.desk, sp, text_of(fields, "templateId", optional=True))
    interval, settings, _ = _schedule(fields)
    if interval is not None or settings:
        made = jobs.set_settings(call.desk, sp, made.id, settings, interval=interval)
    return _job(call, sp, made.id, status=201)


def update_job(call: Call) -> Answer:
    """PATCH …/jobs/{job}: interval, settings, and the schedule's state as start and pause set it."""
    sp = application_of(call).service_principal_id
    job_id = call.parts["job"]
    fields = call.fields()
    job = jobs.find_job(call.desk, sp, job_id)
    # Lenient: clients send the whole job back as they were shown it. What only we can say is not taken from them.
    check_fixed(fields, {"id": job.id, "templateId": job.template_id}, _CHANGEABLE | _SHOWN)
    interval, settings, state = _schedule(fields)
    if interval is not None or settings:
        jobs.set_settings(call.desk, sp, job_id, settings, interval=interval)
    if state is ScheduleState.ACTIVE:
        jobs.start(call.desk, sp, job_id)
    elif state is not None:
        jobs.pause(call.desk, sp, job_id)
    return NO_CONTENT


def delete_job(call: Call) -> Answer:
    """DELETE …/jobs/{job}."""
    jobs.delete_job(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return NO_CONTENT


def start_job(call: Call) -> Answer:
    """POST …/jobs/{job}/start."""
    jobs.start(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return NO_CONTENT


def pause_job(call: Call) -> Answer:
    """POST …/jobs/{job}/pause."""
    jobs.pause(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return NO_CONTENT


def restart_job(call: Call) -> Answer:
    """POST …/jobs/{job}/restart with criteria or without."""
    fields = call.fields(optional=True)
    _check_names(fields, {"criteria"}, "A restart")
    criteria = fields.get("criteria")
    if criteria is not None and not isinstance(criteria, dict):
        raise bad_request('criteria takes an object such as {"resetScope": "Watermark, Escrows"}.')
    _check_names(criteria or {}, {"resetScope"}, "criteria")
    scopes = _scopes((criteria or {}).get("resetScope"))
    jobs.restart(call.desk, application_of(call).service_principal_id, call.parts["job"], scopes)
    return NO_CONTENT


def provision_on_demand(call: Call) -> Answer:
    """POST …/jobs/{job}/provisionOnDemand: waits until the engine has done it, or (ours) shown what it would do."""
    sp = application_of(call).service_principal_id
    _take_budget(call)
    fields = call.fields()
    rule_id, subject = _subject(fields)
    preview = flag_of(fields, "preview") is True
    asked = work.ask_for_provisioning(call.desk, sp, call.parts["job"], rule_id, subject, preview=preview)
    done = _await(call, asked)
    answer = done.answer or {}
    application = applications.find_application(call.desk, sp)
    if done.state == "failed":
        shown = on_demand_failure(answer)
    elif preview:
        shown = on_demand_preview(answer, application)
    else:
        # The log is read for the caller by the permission to run jobs: the answer is the log's entries.
        query = LogQuery(job_id=done.job_id, cycle_id=answer.get("cycleId"), change_id=answer.get("changeId"), limit=1)
        entries, _ = call.desk.stores.log.search(query)
        members = _entries(call, done.job_id, str(answer.get("cycleId")), answer.get("memberChangeIds") or ())
        shown = on_demand(entries[0] if entries else None, answer, application, members)
    if call.version == "beta":
        # What the service answers today, by its observed shape; /v1.0 has the documented one.
        shown = {"key": _STATUS_INFO, "value": f"[{shown['value']}]"}
    return Answer(
        document={"@odata.context": f"{call.root}/$metadata#microsoft.graph.stringKeyStringValuePair", **shown}
    )


def bulk_upload_people(call: Call) -> Answer:
    """POST …/jobs/{job}/bulkUpload: people as a SCIM bulk request into the directory, up to fifty."""
    kind = (call.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/scim+json":
        raise bad_request("Content-Type must be application/scim+json.")
    sp, job_id = call.parts["sp"], call.parts["job"]
    wait = None if call.bulk_budget is None else call.bulk_budget.take(call.desk.tenant_id, call.desk.now())
    if wait is not None:
        raise Refused(
            RefusalKind.TOO_MANY,
            "TooManyRequests",
            "The tenant takes 40 bulk uploads a second, 50 people each: send the rest after a second.",
            retry_after=timedelta(seconds=1),
        )
    bulk_upload.upload(call.desk, sp, job_id, call.fields())
    query = urlencode({"$filter": f"jobId eq '{job_id}'"})
    return Answer(status=202, headers={"Location": f"{call.root}/auditLogs/provisioning?{query}"})


def _entries(call: Call, job_id: str, cycle_id: str, change_ids: Sequence[str]) -> list[LogEntry]:
    """Returns the log's entries of some changes of a cycle, in their order."""
    if not change_ids:
        return []
    found: dict[str, LogEntry] = {}
    after: str | None = None
    while True:
        page, after = call.desk.stores.log.search(LogQuery(job_id=job_id, cycle_id=cycle_id, after=after, limit=1000))
        found |= {entry.change_id: entry for entry in page}
        if after is None:
            return [found[change_id] for change_id in change_ids if change_id in found]


def _take_budget(call: Call) -> None:
    if call.on_demand_budget is None:
        return
    wait = call.on_demand_budget.take(call.desk.caller.id, call.desk.now())
    if wait is not None:
        seconds = max(1, round(wait.total_seconds()))
        raise Refused(
            RefusalKind.TOO_MANY,
            "TooManyRequests",
            f"Too many requests for on-demand provisioning: try again in {seconds} seconds.",
            retry_after=timedelta(seconds=seconds),
        )


def _await(call: Call, asked: Work) -> Work:
    deadline = call.desk.now() + ON_DEMAND_WAIT
    while True:
        now = call.desk.stores.work.get(asked.id) or asked
        if now.state in ("done", "failed"):
            return now
        if call.desk.now() >= deadline:
            raise Refused(
                RefusalKind.NOT_AVAILABLE,
                "EngineNotAnswering",
                f"The engine has not answered within {ON_DEMAND_WAIT.seconds} seconds: it may be stopped or busy. "
                f"Look at /work/{asked.id} later.",
            )
        call.desk.clock.sleep(_POLL)


def _job(call: Call, sp: str, job_id: str, *, status: int = 200) -> Answer:
    found = jobs.status_of(call.desk, jobs.find_job(call.desk, sp, job_id))
    return call.entity(f"servicePrincipals('{sp}')/synchronization/jobs", render_jobs.job(found), status=status)


def _secrets(fields: Mapping[str, Any], name: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for item in object_list(fields, name):
        key = required_text(item, "key")
        value = item.get("value")
        if value is not None and not isinstance(value, str):
            raise bad_request(f"The value of {key[:60]} must be a text.")
        if key in given:
            raise bad_request(f"The key {key[:60]} is given twice.")
        given[key] = value or ""
    return given


def _check_names(fields: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Checks that an object has no name that would be passed over. Raises: Refused."""
    unknown = sorted(name for name in fields if name not in known and "@odata." not in name)
    if unknown:
        raise bad_request(f"{what} takes {', '.join(sorted(known))}, not {', '.join(unknown[:5])[:300]}.")


def _scopes(text: Any) -> frozenset[ResetScope]:
    if text is None or text == "":
        return frozenset()
    if not isinstance(text, str):
        raise bad_request("resetScope takes a text such as “Watermark, Escrows, QuarantineState”.")
    known = {scope.value.lower(): scope for scope in ResetScope}
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        allowed = ", ".join(scope.value for scope in ResetScope)
        raise bad_request(f"resetScope has no value “{unknown[0][:60]}”; it takes {allowed}.")
    return frozenset(known[name.lower()] for name in names)


def _schedule(fields: Document) -> tuple[timedelta | None, dict[str, str], ScheduleState | None]:
    schedule = fields.get("schedule")
    if schedule is not None and not isinstance(schedule, dict):
        raise bad_request('schedule takes an object such as {"interval": "PT40M"}.')
    # Lenient: clients send the schedule back as they were shown it; nothing makes one expire.
    _check_names(
        {name: value for name, value in (schedule or {}).items() if (name, value) != ("expiration", None)},
        {"interval", "state"},
        "schedule",
    )
    interval_text = text_of(schedule or {}, "interval", optional=True)
    state_text = text_of(schedule or {}, "state", optional=True)
    states = {state.value: state for state in ScheduleState}
    if state_text is not None and state_text not in states:
        raise bad_request(f"schedule.state takes {', '.join(states)}.")
    settings = {
        required_text(item, "name"): _setting(item) for item in object_list(fields, "synchronizationJobSettings")
    }
    return (
        None if interval_text is None else _interval(interval_text),
        settings,
        None if state_text is None else states[state_text],
    )


def _setting(item: Document) -> str:
    """The value of a setting; an empty one takes the setting back."""
    value = item.get("value")
    if value is not None and not isinstance(value, str):
        raise bad_request(f"The value of the setting {required_text(item, 'name')[:60]} is a text.")
    return value or ""


def _interval(text: str) -> timedelta:
    try:
        return read_duration(text)
    except ValueError as error:
        raise bad_request(f"An interval: {error}.") from None


def _subject(fields: Document) -> tuple[str | None, work.Subject]:
    parameters = object_list(fields, "parameters")
    subjects = object_list(parameters[0], "subjects") if len(parameters) == 1 else []
    if len(subjects) != 1:
        raise bad_request(
            'Provision on demand takes one user or group: {"parameters": [{"ruleId": …, "subjects": '
            '[{"objectId": …, "objectTypeName": "User"}]}]}.'
        )
    subject = subjects[0]
    kinds = {"user": ObjectKind.USER, "group": ObjectKind.GROUP}
    name = text_of(subject, "objectTypeName", optional=True) or ObjectKind.USER.value
    kind = kinds.get(name.lower())
    if kind is None:
        raise bad_request(f"objectTypeName takes User or Group, not “{name[:60]}”.")
    links = subject.get("links")
    members = object_list(links, "members") if isinstance(links, dict) else []
    return text_of(parameters[0], "ruleId", optional=True), work.Subject(
        object_id=required_text(subject, "objectId"),
        kind=kind,
        member_ids=tuple(required_text(member, "objectId") for member in members),
    )
