"""…/jobs/{job}/schema: the rules as Graph's synchronizationSchema, and trying expressions."""

from typing import Any

from muster.administration import applications, attribute_list, rules
from muster.administration.attribute_list import ListedAttribute
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.expression.table import functions_as_graph
from muster.model.values import frozen
from muster.planning.operators import operators_as_graph
from muster.ports.applications import KeptVersion, SchemaVersion
from muster.web.graph.applications import application_of
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    key_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.render import instant


def get_schema(call: Call) -> Answer:
    """GET …/schema."""
    sp = application_of(call).service_principal_id
    version = rules.schema_of(call.desk, sp, call.parts["job"])
    document = {**version.document, "id": call.parts["job"], "version": version.version}
    return call.tagged("synchronizationSchemas", document, _etag(version.version))


def put_schema(call: Call) -> Answer:
    """PUT …/schema: replaces the rules."""
    sp = application_of(call).service_principal_id
    call.check_match(_etag(rules.schema_of(call.desk, sp, call.parts["job"]).version))
    rules.replace_schema(call.desk, sp, call.parts["job"], _plain(call.fields()))
    return NO_CONTENT


def patch_schema(call: Call) -> Answer:
    """PATCH …/schema: what is given replaces its part."""
    sp = application_of(call).service_principal_id
    call.check_match(_etag(rules.schema_of(call.desk, sp, call.parts["job"]).version))
    rules.change_schema(call.desk, sp, call.parts["job"], _plain(call.fields()))
    return NO_CONTENT


def delete_schema(call: Call) -> Answer:
    """DELETE …/schema: the default rules again."""
    rules.reset_schema(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return NO_CONTENT


def validate_schema(call: Call) -> Answer:
    """POST …/schema/validate (ours): what would keep rules from being saved; nothing is saved."""
    sp = application_of(call).service_principal_id
    problems = rules.find_schema_problems(call.desk, sp, call.parts["job"], _plain(call.fields()))
    return Answer(document={"valid": not problems, "problems": list(problems)})


def list_versions(call: Call) -> Answer:
    """GET …/schema/versions (ours): who saved rules and when, newest first."""
    kept = rules.schema_versions(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return call.whole("synchronizationSchemaVersions", kept, _version)


def get_version(call: Call) -> Answer:
    """GET …/schema/versions/{version} (ours): the rules as they were, and what this version changed."""
    sp = application_of(call).service_principal_id
    shown = rules.schema_version(call.desk, sp, call.parts["job"], call.parts["version"])
    changes = [{"path": item.path, "oldValue": item.before, "newValue": item.after} for item in shown.differences]
    document = {**_version(shown.kept), "changes": changes, "schema": dict(shown.kept.document)}
    return call.entity("synchronizationSchemaVersions", document)


def restore_version(call: Call) -> Answer:
    """POST …/schema/versions/{version}/restore (ours): what an earlier version held becomes the newest one."""
    sp = application_of(call).service_principal_id
    version = rules.restore_version(call.desk, sp, call.parts["job"], call.parts["version"])
    return Answer(document={"version": version})


def discover_directory(call: Call) -> Answer:
    """POST …/schema/directories/{directory}/discover: adds the attributes that the target publishes."""
    sp = application_of(call).service_principal_id
    found = rules.discover(call.desk, sp, call.parts["job"], call.parts["directory"])
    added = [{"objectName": item.object_name, "attributeName": item.name} for item in found.added]
    return call.entity("directoryDefinitions", {**found.directory, "addedAttributes": added})


# ---------------------------------------------------------------- the attribute list


def list_attributes(call: Call) -> Answer:
    """GET …/objects/{object}/attributes (ours): the attribute list, each entry with the mappings that write it."""
    listed = attribute_list.attributes_of_object(*_list_of(call))
    return call.whole("attributeDefinitions", listed, _listed)


def add_attribute(call: Call) -> Answer:
    """POST …/objects/{object}/attributes (ours)."""
    added = attribute_list.add_attribute(*_list_of(call), _given(call))
    return call.entity("attributeDefinitions", _listed(added), status=201)


def get_attribute(call: Call) -> Answer:
    """GET …/attributes/{attribute} (ours)."""
    return call.entity("attributeDefinitions", _listed(attribute_list.attribute_of_object(*_attribute_of(call))))


def update_attribute(call: Call) -> Answer:
    """PATCH …/attributes/{attribute} (ours): the properties that are given."""
    changed = attribute_list.change_attribute(*_attribute_of(call), _given(call))
    return call.entity("attributeDefinitions", _listed(changed))


def delete_attribute(call: Call) -> Answer:
    """DELETE …/attributes/{attribute} (ours)."""
    attribute_list.remove_attribute(*_attribute_of(call))
    return NO_CONTENT


def get_template_schema(call: Call) -> Answer:
    """GET …/templates/{template}/schema."""
    application = application_of(call)
    applications.find_template(call.desk, application, call.parts["template"])
    return _schema(call, dict(rules.template_schema(call.desk, application.service_principal_id)))


def list_functions(call: Call) -> Answer:
    """GET …/schema/functions()."""
    rules.schema_of(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return call.whole("Collection(microsoft.graph.attributeMappingFunctionSchema)", functions_as_graph(), dict)


def list_filter_operators(call: Call) -> Answer:
    """GET …/schema/filterOperators()."""
    rules.schema_of(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return call.whole("Collection(microsoft.graph.filterOperatorSchema)", operators_as_graph(), dict)


def list_directories(call: Call) -> Answer:
    """GET …/schema/directories."""
    return call.whole("directoryDefinitions", _directories(call), dict)


def get_directory(call: Call) -> Answer:
    """GET …/schema/directories/{directory}, by id or name."""
    name = call.parts["directory"]
    found = next((each for each in _directories(call) if name in (each.get("id"), each.get("name"))), None)
    if found is None:
        raise not_found("Directory definition", name)
    return call.entity("directoryDefinitions", found)


def parse_expression(call: Call) -> Answer:
    """POST …/schema/parseExpression: reads an expression and, with a test object, evaluates it."""
    sp = application_of(call).service_principal_id
    fields = call.fields()
    expression = required_text(fields, "expression")
    trial = rules.try_expression(call.desk, sp, call.parts["job"], expression, _test_object(call, fields, expression))
    return Answer(
        document={
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.parseExpressionResponse",
            "parsingSucceeded": trial.parsed is not None,
            "evaluationSucceeded": trial.is_evaluated,
            "evaluationResult": list(trial.values),
            "parsedExpression": trial.parsed,
            "error": None if trial.error is None else {"code": trial.error_code, "message": trial.error},
        }
    )


def _test_object(call: Call, fields: Document, expression: str) -> dict[str, Any] | None:
    """The attributes of `testInputObject`, or (ours) of the user named by `testUser`."""
    user = text_of(fields, "testUser", optional=True)
    if user is not None:
        return dict(rules.test_object(call.desk, user, expression))
    given = fields.get("testInputObject")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise bad_request('testInputObject takes {"properties": [{"key": …, "value": …}]}.')
    return {required_text(item, "key"): frozen(item.get("value")) for item in object_list(given, "properties")}


def _directories(call: Call) -> list[Document]:
    sp = application_of(call).service_principal_id
    document = rules.schema_of(call.desk, sp, call.parts["job"]).document
    return [dict(each) for each in document.get("directories") or ()]


def _list_of(call: Call) -> tuple[Desk, str, str, str, str]:
    sp = application_of(call).service_principal_id
    return call.desk, sp, call.parts["job"], call.parts["directory"], key_of(call.parts["object"])


def _attribute_of(call: Call) -> tuple[Desk, str, str, str, str, str]:
    return (*_list_of(call), key_of(call.parts["attribute"]))


def _given(call: Call) -> Document:
    """The properties given, without the one that only answers have."""
    return {name: value for name, value in _plain(call.fields()).items() if name != "mappedBy"}


def _listed(item: ListedAttribute) -> Document:
    return {**item.definition, "mappedBy": list(item.mapped_by)}


def _version(kept: KeptVersion | SchemaVersion) -> Document:
    return {"version": kept.version, "savedDateTime": instant(kept.at), "savedBy": kept.by}


def _etag(version: str) -> str:
    return f'W/"{version}"'


def _schema(call: Call, document: Document) -> Answer:
    return call.entity("synchronizationSchemas", document)


def _plain(document: Document) -> Document:
    """Without annotations that clients send back."""
    return {name: value for name, value in document.items() if not name.startswith("@")}
