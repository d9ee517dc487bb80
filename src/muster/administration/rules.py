"""The rules of a job: shown, replaced, put back to the default; expressions tried out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster.administration.applications import find_application, find_page, template_of
from muster.administration.desk import Desk
from muster.administration.jobs import find_job
from muster.administration.refusals import bad_request, not_found
from muster.expression.evaluate import evaluate
from muster.expression.graph import to_graph
from muster.expression.nodes import Node, attributes_of
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.expression.values import Environment, EvaluationError, Value, is_redacted
from muster.model.directory import ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.roles import Permission
from muster.model.schema_document import read_schema
from muster.planning.rules import compile_rules
from muster.ports.applications import SchemaVersion

CATEGORY = "ProvisioningManagement"
_PARTS = ("synchronizationRules", "directories")


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
    before = desk.stores.jobs.schema(job.id)
    # Lenient: the directories are a navigation property in Graph, and some clients leave them out of a PUT.
    directories = document.get("directories") or before.document.get("directories")
    kept = {**document, "id": job.id, "directories": directories}
    check_schema(kept)
    if _content(kept) == _content(before.document):
        return before.version
    version = desk.stores.jobs.save_schema(job.id, kept, desk.caller.display_name, desk.now())
    desk.note(
        "Update attribute mappings or scope",
        CATEGORY,
        target=("SynchronizationJob", job.id, job.template_id),
        changes=(("schema.version", before.version, version),),
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


def check_schema(document: Mapping[str, Any]) -> None:
    """Checks that a schema document can be run: its shape, every expression, every filter. Raises: Refused."""
    try:
        compile_rules(read_schema(document))
    except SchemaRefused as refused:
        details = [(refused.code, refused.remedy)]
        raise bad_request(refused.sentence, code="InvalidSynchronizationSchema", details=details) from refused


def try_expression(
    desk: Desk, service_principal_id: str, job_id: str, expression: str, attributes: Mapping[str, Value] | None
) -> Trial:
    """Returns what an expression gives for a test object; without one it is only read. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    find_job(desk, service_principal_id, job_id)
    try:
        node = parse_expression(expression)
    except ExpressionSyntaxError as error:
        return Trial(parsed=None, values=(), is_evaluated=False, error_code="InvalidExpression", error=error.sentence)
    parsed = to_graph(node)
    if attributes is None:
        return Trial(parsed=parsed, values=(), is_evaluated=False)
    try:
        value = evaluate(node, attributes, _environment(desk))
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


def _environment(desk: Desk) -> Environment:
    now: datetime = desk.now()
    return Environment(now=now, new_guid=desk.ids.new_id, draw=desk.ids.draw)


def _texts(value: Value) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, tuple | list):
        return tuple(text for item in value for text in _texts(item))
    if is_redacted(value):
        return ("[Redact]",)
    if isinstance(value, bool):
        return ("True" if value else "False",)
    return (str(value),)


def _content(document: Mapping[str, Any]) -> dict[str, Any]:
    return {part: document.get(part) for part in _PARTS}
