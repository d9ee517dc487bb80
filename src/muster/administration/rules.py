"""The rules of a job: shown, checked, replaced, put back; their versions; the attributes that the target publishes."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from muster.administration.applications import find_application, find_page, require_managed, require_run, template_of
from muster.administration.credentials import kept_secrets
from muster.administration.desk import Desk
from muster.administration.group_clauses import with_group_ids
from muster.administration.jobs import find_job
from muster.administration.refusals import RefusalKind, Refused, bad_request, not_found, refusal_of
from muster.expression.evaluate import evaluate
from muster.expression.graph import to_graph
from muster.expression.nodes import Node, attributes_of
from muster.expression.replace import find_pattern_fault
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.expression.values import REDACTED_TEXT, Environment, EvaluationError, Value, is_redacted, plain_text
from muster.gallery.catalogue import find
from muster.gallery.schema import add_attributes
from muster.model.application import SecretKey
from muster.model.directory import ObjectKind
from muster.model.failures import ProvisioningFailure, SchemaRefused
from muster.model.job import SynchronizationJob
from muster.model.roles import Permission
from muster.model.schema_difference import SchemaDifference, find_differences
from muster.model.schema_document import find_problems, read_schema
from muster.model.whatif import OtherScope, WhatIf
from muster.planning.checks import find_mapping_problems
from muster.planning.rules import compile_rules
from muster.ports.applications import KeptVersion, SchemaVersion
from muster.ports.engine_room import Told
from muster.ports.target import DescribedTarget
from muster.scim.dialect import overlay

CATEGORY = "ProvisioningManagement"
SHOWN_PROBLEMS = 5
DETAILS_LIMIT = 50
NOTED_DIFFERENCES = 50
# Objects that a what-if tells one by one; it counts all.
WHAT_IF_OBJECTS = 1_000
_SAVED_SCOPE = OtherScope()
# One look at everybody at a time in a process. Whoever comes meanwhile waits for it, up to so long; but few: a server's
# threads are.
PATIENCE_SECONDS = 20.0
_TRYING = threading.Lock()
_WAITING = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying an expression: its tree and its value, or what is wrong and where."""

    parsed: Mapping[str, Any] | None
    values: tuple[str, ...]
    is_evaluated: bool
    error_code: str | None = None
    error: str | None = None


def schema_of(desk: Desk, service_principal_id: str, job_id: str) -> SchemaVersion:
    """Returns the rules in force. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.jobs.schema(find_job(desk, service_principal_id, job_id).id)


def template_schema(desk: Desk, service_principal_id: str) -> Mapping[str, Any]:
    """Returns the default rules of an application's template. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return template_of(desk, find_application(desk, service_principal_id)).schema_document()


def replace_schema(desk: Desk, service_principal_id: str, job_id: str, document: Mapping[str, Any]) -> str:
    """Returns the new version's number; the next cycle is an initial one. Raises: Refused, naming what is wrong."""
    desk.require(Permission.WRITE_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    require_run(desk, find_application(desk, job.service_principal_id))
    before = desk.stores.jobs.schema(job.id)
    kept = _checked(desk, job, document, before.document)
    differences = find_differences(before.document, kept)
    if not differences:
        return before.version
    version = desk.stores.jobs.save_schema(job.id, kept, desk.caller.display_name, desk.now())
    desk.note(
        "Update attribute mappings or scope",
        CATEGORY,
        target=("SynchronizationJob", job.id, job.template_id),
        changes=(
            ("schema.version", before.version, version),
            *((item.path, item.before, item.after) for item in differences[:NOTED_DIFFERENCES]),
        ),
    )
    return version


def change_schema(desk: Desk, service_principal_id: str, job_id: str, changes: Mapping[str, Any]) -> str:
    """Returns the new version's number; parts that are not given stay. Raises: Refused."""
    document = schema_of(desk, service_principal_id, job_id).document
    return replace_schema(desk, service_principal_id, job_id, {**document, **changes})


def reset_schema(desk: Desk, service_principal_id: str, job_id: str) -> str:
    """Returns the version's number after the default rules were restored. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    return replace_schema(desk, service_principal_id, job_id, find_page(desk, job.template_id).schema_document())


def find_schema_problems(
    desk: Desk, service_principal_id: str, job_id: str, document: Mapping[str, Any]
) -> Sequence[str]:
    """Returns one sentence for each thing that keeps a document from being saved; nothing is saved. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    return _identified(desk, job, document, desk.stores.jobs.schema(job.id).document)[1]


def what_if(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    document: Mapping[str, Any] | None,
    *,
    scope: OtherScope = _SAVED_SCOPE,
    limit: int = WHAT_IF_OBJECTS,
    told: Told | None = None,
) -> WhatIf:
    """Returns what other rules, or another scope, would change for whom. Nothing is saved, sent or asked.

    `limit`: objects told one by one; `told`: hears how many were looked at so far. Raises: Refused, naming what keeps
    the rules from being used.
    """
    desk.require(Permission.READ_CONFIGURATION)
    # An expression of one's own shows any attribute of anybody.
    desk.require(Permission.READ_DIRECTORY)
    job = find_job(desk, service_principal_id, job_id)
    require_managed(desk, find_application(desk, job.service_principal_id))
    if document is None and scope.is_saved:
        raise bad_request(
            "Give other rules (schema), another scope (syncAll, transitiveGroups, acceptsDefaultAccess, "
            "skipOutOfScopeDeletions), or both."
        )
    if document is not None:
        document = _checked(desk, job, document, desk.stores.jobs.schema(job.id).document)
    with trying():
        return desk.engine_room.what_if(job.id, document, scope, limit, told)


@contextmanager
def trying() -> Iterator[None]:
    """Lets one after the other look at everybody. Raises: Refused, for whoever waits too long and for what fails."""
    if not _TRYING.acquire(blocking=False) and not _is_ones_turn():
        raise Refused(
            RefusalKind.TOO_MANY,
            "TooManyRequests",
            "Other rules are being tried just now, and others wait for that: send the same request again in 5 seconds.",
            retry_after=timedelta(seconds=5),
        )
    try:
        yield
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure
    finally:
        _TRYING.release()


def _is_ones_turn() -> bool:
    if not _WAITING.acquire(blocking=False):
        return False
    try:
        return _TRYING.acquire(timeout=PATIENCE_SECONDS)
    finally:
        _WAITING.release()


# ---------------------------------------------------------------- versions


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """A kept version and what it changed in the one before it."""

    kept: SchemaVersion
    differences: Sequence[SchemaDifference]


def schema_versions(desk: Desk, service_principal_id: str, job_id: str) -> Sequence[KeptVersion]:
    """Returns all versions of the rules, newest first. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.jobs.schema_versions(find_job(desk, service_principal_id, job_id).id)


def schema_version(desk: Desk, service_principal_id: str, job_id: str, version: str) -> ShownVersion:
    """Returns a version of the rules and what it changed. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    kept = desk.stores.jobs.schema_version(job.id, version)
    if kept is None:
        raise not_found("Version of the synchronization schema", version)
    before = desk.stores.jobs.schema_version(job.id, str(int(kept.version) - 1))
    differences = () if before is None else find_differences(before.document, kept.document)
    return ShownVersion(kept=kept, differences=differences)


def restore_version(desk: Desk, service_principal_id: str, job_id: str, version: str) -> str:
    """Returns the number of the new version, which holds what an earlier one held. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    kept = schema_version(desk, service_principal_id, job_id, version).kept
    return replace_schema(desk, service_principal_id, job_id, kept.document)


# ---------------------------------------------------------------- discovery


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedAttribute:
    """An attribute that discovery has added, and the object that has it."""

    object_name: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A directory definition after the target was asked, and what came new into its lists."""

    directory: Mapping[str, Any]
    added: tuple[AddedAttribute, ...]


def discover(desk: Desk, service_principal_id: str, job_id: str, directory: str) -> Discovery:
    """Returns a target directory's definition with the attributes that the application publishes added to its lists.

    What is there stays as it is. Raises: Refused.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    document = desk.stores.jobs.schema(job.id).document
    found = next((item for item in document["directories"] if directory in (item.get("id"), item.get("name"))), None)
    if found is None:
        raise not_found("Directory definition", directory)
    schema = read_schema(document)
    names = {
        mapping.target_object: mapping.kind
        for rule in schema.rules
        if rule.target_directory == found["name"]
        for mapping in rule.object_mappings
    }
    if not names:
        raise bad_request(f"{found['name']} is the source: only the target's attributes are discovered.")
    try:
        target = desk.engine_room.open_target(job.service_principal_id, None)
        if not isinstance(target, DescribedTarget):
            raise bad_request("This target does not describe its attributes.", code="DiscoveryNotSupported")
        described = target.describe()
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure
    at = desk.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    discovered = add_attributes({**found, "discoveryDateTime": at}, names, described)
    if find_differences({**found, "discoveryDateTime": at}, discovered):
        changed = [discovered if item is found else item for item in document["directories"]]
        replace_schema(desk, service_principal_id, job_id, {**document, "directories": changed})
    return Discovery(directory=discovered, added=tuple(_added(found, discovered)))


def _added(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[AddedAttribute]:
    known = set(_named_attributes(before))
    for object_name, name in _named_attributes(after):
        if (object_name, name) not in known:
            yield AddedAttribute(object_name=object_name, name=name)


def _named_attributes(directory: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for entry in directory.get("objects") or ():
        for item in entry.get("attributes") or ():
            yield str(entry.get("name")), str(item.get("name"))


# ---------------------------------------------------------------- expressions


def try_expression(
    desk: Desk, service_principal_id: str, job_id: str, expression: str, attributes: Mapping[str, Value] | None
) -> Trial:
    """Returns what an expression gives for a test object; without one it is only read. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    try:
        node = parse_expression(expression)
    except ExpressionSyntaxError as error:
        return Trial(parsed=None, values=(), is_evaluated=False, error_code="InvalidExpression", error=error.sentence)
    parsed = to_graph(node)
    fault = find_pattern_fault(node)
    if fault is not None:
        return Trial(parsed=parsed, values=(), is_evaluated=False, error_code="InvalidExpression", error=fault)
    if attributes is None:
        return Trial(parsed=parsed, values=(), is_evaluated=False)
    try:
        value = evaluate(node, attributes, _environment(desk, job))
    except EvaluationError as error:
        return Trial(
            parsed=parsed, values=(), is_evaluated=False, error_code="ExpressionEvaluationFailed", error=str(error)
        )
    return Trial(parsed=parsed, values=_texts(value), is_evaluated=True)


def test_object(desk: Desk, user: str, expression: str) -> Mapping[str, Value]:
    """Returns the attributes of a user that an expression reads, to try it on. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    found = desk.stores.directory.get(ObjectKind.USER, user)
    if found is None:
        raise not_found("User", user)
    known = {**found.attributes, "objectId": found.object_id}
    return {name: value for name, value in known.items() if name in _read(expression)}


def _read(expression: str) -> frozenset[str]:
    try:
        node: Node = parse_expression(expression)
    except ExpressionSyntaxError:
        return frozenset()
    return attributes_of(node)


def _environment(desk: Desk, job: SynchronizationJob) -> Environment:
    now: datetime = desk.now()
    return Environment(now=now, new_guid=desk.ids.new_id, draw=desk.ids.draw, default_domain=job.default_domain)


def _texts(value: Value) -> tuple[str, ...]:
    """The value as the flow writes it: dates and Booleans in the language's form, a complex value as JSON."""
    if value is None:
        return ()
    if isinstance(value, tuple | list):
        return tuple(text for item in value for text in _texts(item))
    if is_redacted(value):
        return (REDACTED_TEXT,)
    return (
        json.dumps(value, ensure_ascii=False, default=plain_text) if isinstance(value, Mapping) else plain_text(value),
    )


def _checked(
    desk: Desk, job: SynchronizationJob, document: Mapping[str, Any], before: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Returns the rules as they are kept. Raises: Refused, naming what is wrong."""
    kept, problems = _identified(desk, job, document, before)
    if problems:
        raise _refusal(problems)
    return kept


def _identified(
    desk: Desk, job: SynchronizationJob, document: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Sequence[str]]:
    """Returns the rules as they are kept, groups in filters by their ids, and all that is wrong with them."""
    kept, problems = with_group_ids(desk, {**_with_directories(document, before), "id": job.id}, before)
    return kept, [*problems, *_problems(desk, job, kept)]


def _with_directories(document: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    # Lenient: the directories are a navigation property in Graph, and some clients leave them out of a PUT.
    return {**document, "directories": document.get("directories") or before.get("directories")}


def _refusal(problems: Sequence[str]) -> Refused:
    shown = " ".join(problems[:SHOWN_PROBLEMS])
    more = f" And {len(problems) - SHOWN_PROBLEMS} more." if len(problems) > SHOWN_PROBLEMS else ""
    details = [("InvalidSynchronizationSchema", problem) for problem in problems[:DETAILS_LIMIT]]
    return bad_request(f"{shown}{more}", code="InvalidSynchronizationSchema", details=details)


def _problems(desk: Desk, job: SynchronizationJob, document: Mapping[str, Any]) -> Sequence[str]:
    """What is wrong with a document: its shape, what cannot work at this target, what cannot be compiled."""
    found = find_problems(document)
    if found:
        return found
    schema = read_schema(document)
    sync_all = kept_secrets(desk, job.service_principal_id).get(SecretKey.SYNC_ALL, "").lower() == "true"
    page, application = find(job.template_id), desk.stores.applications.get(job.service_principal_id)
    filterable = None
    if page is not None:
        filterable = overlay(page.dialect, application.dialect if application is not None else {}).filterable
    found = find_mapping_problems(schema, filterable, sync_all=sync_all)
    if found:
        return found
    try:
        compile_rules(schema)
    except SchemaRefused as refused:
        return (refused.sentence,)
    return ()
