"""Configuration as code (ours): exported, compared with the installation, applied as a whole."""

from collections.abc import Sequence
from typing import Any

from muster.administration.configuration.apply import (
    ConfigurationPlan,
    ConfigurationRefused,
    apply_configuration,
    plan_configuration,
)
from muster.administration.configuration.export import export_configuration
from muster.administration.refusals import bad_request
from muster.model.configuration import (
    Configuration,
    Finding,
    Place,
    configuration_schema,
    read_configuration,
    write_configuration,
)
from muster.web.graph.call import Answer, Call, Document, text_of
from muster.web.graph.render_jobs import what_if

DETAILS_LIMIT = 100


def get_configuration(call: Call) -> Answer:
    """GET /configuration: all applications, or with ?name= one; secrets are references."""
    name = call.query.get("name")
    found = export_configuration(call.desk, None if name is None else [name])
    if name is not None and not found.applications:
        raise bad_request(f"There is no application “{name[:120]}”.")
    return Answer(document=write_configuration(found))


def get_schema(_: Call) -> Answer:
    """GET /configuration/schema: the document's JSON Schema, for editors."""
    return Answer(document=configuration_schema())


def plan(call: Call) -> Answer:
    """POST /configuration/plan: what an apply would change; changes nothing."""
    fields = call.fields()
    try:
        configuration, found = _configuration(fields)
        made = plan_configuration(call.desk, configuration, _secrets(fields), found)
    except ConfigurationRefused as refused:
        return _refused(refused)
    return Answer(document=_plan(made))


def apply(call: Call) -> Answer:
    """POST /configuration/apply: all of it or nothing; `expectedHash` is that of the plan that was read."""
    fields = call.fields()
    expected = text_of(fields, "expectedHash", optional=True)
    try:
        configuration, found = _configuration(fields)
        done = apply_configuration(call.desk, configuration, _secrets(fields), found, expected)
    except ConfigurationRefused as refused:
        return _refused(refused)
    return Answer(document=_plan(done))


def _configuration(fields: Document) -> tuple[Configuration, Sequence[Finding]]:
    configuration, found = read_configuration(fields.get("configuration"))
    if configuration is None:
        raise ConfigurationRefused.of(found)
    return configuration, found


def _secrets(fields: Document) -> dict[str, dict[str, str]]:
    given = fields.get("secrets") or {}
    if not isinstance(given, dict) or not all(
        isinstance(secrets, dict) and all(isinstance(value, str) for value in secrets.values())
        for secrets in given.values()
    ):
        raise bad_request('secrets takes {"application": {"SecretToken": "…"}}.')
    return given


def _plan(made: ConfigurationPlan) -> Document:
    return {
        "hash": made.hash,
        "differences": [
            {"path": item.path, "oldValue": item.before, "newValue": item.after} for item in made.differences
        ],
        "unnamed": list(made.unnamed),
        "assigned": [
            {"application": each.application, "people": each.people, "sentence": each.sentence}
            for each in made.assigned
        ],
        "consequences": [{"application": each.application, **what_if(each.what_if)} for each in made.consequences],
    }


def _refused(refused: ConfigurationRefused) -> Answer:
    """Graph's error, whose details say by a JSON pointer (RFC 6901) where in the document each problem is."""
    details: list[dict[str, Any]] = [
        {"code": "InvalidConfiguration", "message": problem.sentence, "target": _pointer(problem.place)}
        for problem in refused.problems[:DETAILS_LIMIT]
    ]
    first = details[0]
    others = len(refused.problems) - 1
    more = f" And {others} more." if others else ""
    message = f"{first['target'] or 'The document'}: {first['message']}{more}"
    return Answer(
        status=400, document={"error": {"code": "InvalidConfiguration", "message": message, "details": details}}
    )


def _pointer(place: Place) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
