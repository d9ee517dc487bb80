"""A job's rules as a configuration writes them, and back: mappings and attributes instead of a whole Graph schema."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from muster.gallery.schema import form_attribute, form_source
from muster.model.configuration import Clause, Job, ObjectMapping, ScopingGroup, TargetAttribute
from muster.model.configuration import Mapping as DeclaredMapping
from muster.model.rules import AttributeMapping, ObjectAction, ScopingFilter, SynchronizationSchema
from muster.model.schema_difference import find_differences
from muster.model.schema_document import CLEAR_WHEN_NULL, read_schema, read_scoping

Document = Mapping[str, Any]

# What an entry of Graph's schema means when it does not say it.
_MAPPING_DEFAULTS: Document = {
    "defaultValue": None,
    "flowType": "Always",
    "flowBehavior": "FlowWhenChanged",
    "matchingPriority": 0,
    "exportMissingReferences": False,
    "metadata": [],
}
_NOT_RULES = frozenset({"id", "version", "discoveryDateTime"})


def declare_rules(document: Document, default: Document) -> dict[str, Any]:
    """Returns a schema as a job of a configuration has it: `mappings` and `attributes`, or the whole `schema`.

    `default` is the schema of the gallery page: what is as there is not repeated.
    """
    schema = read_schema(document)
    if len(schema.rules) == 1:
        mappings = [_declared(mapping) for mapping in schema.rules[0].object_mappings]
        attributes = _added_attributes(document, default, schema)
        declared = Job(mappings=mappings, attributes=attributes)
        if not find_differences(_plain(document), _plain(form_document(declared, default, default))):
            return {"mappings": mappings, **({"attributes": attributes} if attributes else {})}
    return {"schema": {name: value for name, value in document.items() if name not in _NOT_RULES}}


def form_document(job: Job, default: Document, current: Document) -> dict[str, Any]:
    """Returns the schema that a declared job has; what the job does not name is as in `current`."""
    if job.schema_ is not None:
        return copy.deepcopy(job.schema_)
    base = copy.deepcopy(dict(current))
    if job.attributes is not None:
        base["directories"] = _with_attributes(default, job.attributes)
    if job.mappings is not None:
        standard = {item["name"]: item.get("metadata", []) for item in _rule(default)["objectMappings"]}
        _rule(base)["objectMappings"] = [_formed(mapping, standard.get(mapping.name)) for mapping in job.mappings]
    return base


def _rule(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["synchronizationRules"][0]
    return found


# ---------------------------------------------------------------- rules -> declaration


def _declared(mapping: Any) -> ObjectMapping:
    return ObjectMapping(
        name=mapping.name,
        source=mapping.source_object,
        target=mapping.target_object,
        enabled=mapping.enabled,
        actions=[action for action in ObjectAction if action in mapping.actions],
        scope=_declared_scope(mapping.scope),
        attributes={item.target_attribute: _declared_mapping(item) for item in mapping.attribute_mappings},
    )


def _declared_scope(scope: ScopingFilter) -> list[ScopingGroup]:
    return [
        ScopingGroup(
            name=group.name,
            clauses=[
                Clause(attribute=clause.attribute, operator=clause.operator, values=list(clause.values))
                for clause in group.clauses
            ],
        )
        for group in scope.groups
    ]


def _declared_mapping(item: AttributeMapping) -> DeclaredMapping:
    return DeclaredMapping(
        expression=item.expression,
        default=item.default_value,
        flow=item.flow_type,
        behavior=item.flow_behavior,
        matching=item.matching_priority,
        clearWhenNull=item.clear_when_null,
    )


def _added_attributes(
    document: Document, default: Document, schema: SynchronizationSchema
) -> dict[str, list[TargetAttribute]]:
    target = schema.rules[0].target_directory
    known = _attributes_of(default, target)
    added = {}
    for definition in schema.directories.get(target, ()):
        listed = known.get(definition.name, {})
        described = _attributes_of(document, target)[definition.name]
        new = [
            TargetAttribute(
                name=item.name,
                type=item.type.value,
                required=item.required,
                multivalued=item.multivalued,
                caseExact=item.case_exact,
                mutability=item.mutability,
                referenced=list(item.referenced),
            )
            for item in definition.attributes
            if described[item.name] != listed.get(item.name)
        ]
        if new:
            added[definition.name] = new
    return added


def _attributes_of(document: Document, directory: str) -> dict[str, dict[str, Any]]:
    """The described attributes of a directory's objects, by object and name."""
    return {
        entry["name"]: {item["name"]: item for item in entry.get("attributes") or ()}
        for described in document["directories"]
        if described["name"] == directory
        for entry in described.get("objects") or ()
    }


# ---------------------------------------------------------------- declaration -> schema


def _formed(mapping: ObjectMapping, metadata: Sequence[Any] | None) -> dict[str, Any]:
    return {
        "name": mapping.name,
        "enabled": mapping.enabled,
        "flowTypes": ", ".join(action.value for action in ObjectAction if action in mapping.actions) or "None",
        "sourceObjectName": mapping.source,
        "targetObjectName": mapping.target,
        "scope": _formed_scope(mapping.scope),
        "metadata": list(metadata or ()),
        "attributeMappings": [_formed_mapping(name, item) for name, item in mapping.attributes.items()],
    }


def _formed_scope(groups: Sequence[ScopingGroup]) -> dict[str, Any] | None:
    if not groups:
        return None
    return {
        "categoryFilterGroups": [],
        "inputFilterGroups": [],
        "groups": [
            {
                "name": group.name,
                "clauses": [
                    {
                        "sourceOperandName": clause.attribute,
                        "operatorName": clause.operator,
                        "targetOperand": {"values": list(clause.values)},
                    }
                    for clause in group.clauses
                ],
            }
            for group in groups
        ],
    }


def _formed_mapping(target: str, item: DeclaredMapping) -> dict[str, Any]:
    formed: dict[str, Any] = {
        "targetAttributeName": target,
        "source": None if item.expression is None else form_source(item.expression),
        "defaultValue": item.default,
        "flowType": item.flow.value,
        "flowBehavior": item.behavior.value,
        "matchingPriority": item.matching,
        "exportMissingReferences": False,
    }
    if item.clear_when_null:
        formed["metadata"] = [{"key": CLEAR_WHEN_NULL, "value": "True"}]
    return formed


def _with_attributes(default: Document, attributes: Mapping[str, Sequence[TargetAttribute]]) -> list[Any]:
    target = _rule(default)["targetDirectoryName"]
    directories: list[Any] = copy.deepcopy(default["directories"])
    for directory in directories:
        for entry in directory["objects"] if directory["name"] == target else ():
            given = {item.name: item for item in attributes.get(entry["name"], ())}
            kept = [item for item in entry["attributes"] if item["name"] not in given]
            entry["attributes"] = [*kept, *(_formed_attribute(item) for item in given.values())]
    return directories


def _formed_attribute(item: TargetAttribute) -> dict[str, Any]:
    return form_attribute(item.model_dump(mode="json", by_alias=True))


# ---------------------------------------------------------------- comparing


def _plain(document: Document) -> dict[str, Any]:
    """A schema without what means the same when it is left out, expressions as their texts."""
    schema = read_schema(document)
    rules = [
        {
            **{name: value for name, value in rule.items() if name != "objectMappings"},
            "objectMappings": [
                _plain_mapping(item, known.attribute_mappings)
                for item, known in zip(rule["objectMappings"], read.object_mappings, strict=True)
            ],
        }
        for rule, read in zip(document["synchronizationRules"], schema.rules, strict=True)
    ]
    directories = [_without(directory, _NOT_RULES) for directory in document["directories"]]
    return {**_without(document, _NOT_RULES), "synchronizationRules": rules, "directories": _in_order(directories)}


def _plain_mapping(item: Document, known: Sequence[AttributeMapping]) -> dict[str, Any]:
    mappings = [
        {
            **{
                name: value
                for name, value in entry.items()
                if name != "source" and (name not in _MAPPING_DEFAULTS or value != _MAPPING_DEFAULTS[name])
            },
            "expression": read.expression,
        }
        for entry, read in zip(item["attributeMappings"], known, strict=True)
    ]
    return {**item, "attributeMappings": mappings, "scope": _plain_scope(item.get("scope"))}


def _plain_scope(scope: Document | None) -> Document | None:
    filled = {name: value for name, value in (scope or {}).items() if value}
    if not set(filled) <= {"groups"}:
        return filled
    read = read_scoping(scope)
    return {"groups": [[group.name, *map(str, group.clauses)] for group in read.groups]} if read.groups else None


def _in_order(directories: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Attributes by name: their order says nothing."""
    for directory in directories:
        directory["objects"] = [
            {**entry, "attributes": sorted(entry.get("attributes") or (), key=lambda item: str(item["name"]))}
            for entry in directory.get("objects") or ()
        ]
    return directories


def _without(document: Document, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
