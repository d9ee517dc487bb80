"""From a page's compact rules to a Graph synchronizationSchema.

A page names only what is its own. For each object: the target's attributes, each with the expression of its default
mapping, if it has one. Our own directory's attributes are filled in from the model.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from muster.expression.graph import to_graph
from muster.expression.syntax import parse_expression
from muster.model.directory import ATTRIBUTES_OF, COMPUTED_ATTRIBUTES, AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition
from muster.model.schema_checks import REFERENCES_OF
from muster.model.schema_document import SOFT_DELETION

DIRECTORY = "Directory"

_MAPPING_METADATA = [{"key": "Disposition", "value": "Normal"}, {"key": "EscrowBehavior", "value": "Default"}]


def form_schema(tag: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema document of a page's rules: one rule, two directories, everything Graph clients expect."""
    source, target = rules.get("source", DIRECTORY), rules["target"]
    objects = rules["objects"]
    return {
        "id": tag,
        "version": "1",
        "directories": [
            _directory(source, [_object(item["source"], _source_attributes(source, item)) for item in objects]),
            _directory(
                target,
                [
                    _object(item["target"], _target_attributes(item), soft_deletes=item.get("softDelete", True))
                    for item in objects
                ],
            ),
        ],
        "synchronizationRules": [
            {
                "id": rules["ruleId"],
                "name": rules.get("ruleName", "USER_OUTBOUND_USER"),
                "editable": True,
                "priority": 1,
                "sourceDirectoryName": source,
                "targetDirectoryName": target,
                "containerFilter": None,
                "groupFilter": None,
                "metadata": [
                    {"key": "defaultSourceObjectMappings", "value": "True"},
                    {"key": "supportsProvisionOnDemand", "value": "True"},
                ],
                "objectMappings": [_object_mapping(item) for item in objects],
            }
        ],
    }


def form_source(expression: str) -> dict[str, Any]:
    """Returns an attributeMappingSource: the expression as it is written, its name, type and parameters.

    Raises: ExpressionSyntaxError.
    """
    return {**to_graph(parse_expression(expression)), "expression": expression}


def form_attribute(item: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a Graph attributeDefinition; `item` has its name and whatever differs from the defaults."""
    return _attribute(item)


def _object(name: str, attributes: list[dict[str, Any]], *, soft_deletes: bool = True) -> dict[str, Any]:
    metadata = [] if soft_deletes else [{"key": SOFT_DELETION, "value": "False"}]
    return {"name": name, "metadata": metadata, "attributes": attributes}


def add_attributes(
    directory: Mapping[str, Any],
    kinds: Mapping[str, ObjectKind],
    found: Mapping[ObjectKind, Sequence[AttributeDefinition]],
) -> dict[str, Any]:
    """Returns a directory definition with attributes added that its objects lack; `kinds` by object name."""
    objects = []
    for entry in directory.get("objects") or ():
        listed = list(entry.get("attributes") or ())
        # Names of SCIM attributes and URNs are the same in any letter case.
        known = {str(item.get("name")).lower() for item in listed}
        kind = kinds.get(entry.get("name"))
        new = [
            _defined(item)
            for item in (found.get(kind, ()) if kind is not None else ())
            if item.name.lower() not in known
        ]
        objects.append({**entry, "attributes": [*listed, *new]})
    return {**directory, "objects": objects}


def _defined(item: AttributeDefinition) -> dict[str, Any]:
    return _attribute(
        {
            "name": item.name,
            "type": item.type.value,
            "caseExact": item.case_exact,
            "multivalued": item.multivalued,
            "mutability": item.mutability.value,
            # What is required and not mapped would keep the rules from being saved: that is for an admin to say.
            "required": False,
            "referenced": item.referenced,
        }
    )


def _directory(name: str, objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "discoverabilities": "None",
        "discoveryDateTime": None,
        "readOnly": False,
        "version": "1",
        "metadata": [],
        "objects": list(objects),
    }


def _source_attributes(source: str, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind = ObjectKind(item["source"])
    if "sourceAnchor" in item:
        # A system with names of its own: it has what the page lists, and whether somebody has left.
        left = [{"name": "IsSoftDeleted", "type": AttributeType.BOOLEAN.value}] if kind is ObjectKind.USER else []
        return [_attribute(one, anchor=item["sourceAnchor"]) for one in (*item["sourceAttributes"], *left)]
    known = ATTRIBUTES_OF[kind].values()
    attributes = [
        _attribute({"name": one.name, "type": one.type.value, "multivalued": one.multivalued}, anchor="objectId")
        for one in known
    ]
    attributes += [_reference(name, ObjectKind.USER.value, "objectId") for name in REFERENCES_OF[kind]]
    if source == DIRECTORY and kind is ObjectKind.USER:
        types = {"IsSoftDeleted": AttributeType.BOOLEAN.value}
        attributes += [
            _attribute({"name": name, "type": types.get(name, "String"), "multivalued": name == "appRoleAssignments"})
            for name in COMPUTED_ATTRIBUTES
        ]
    attributes += [_attribute(one) for one in item.get("sourceAttributes", ())]
    return attributes


def _target_attributes(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    anchor = item.get("anchor", "id")
    return [
        _attribute({"name": anchor, "mutability": "ReadOnly", "caseExact": True}, anchor=anchor),
        *(_attribute(one) for one in item["attributes"]),
    ]


def _attribute(item: Mapping[str, Any], *, anchor: str | None = None) -> dict[str, Any]:
    referenced = [item["referenced"]] if isinstance(item.get("referenced"), str) else item.get("referenced", [])
    return {
        "name": item["name"],
        "type": item.get("type", "String"),
        "anchor": item["name"] == anchor,
        "caseExact": item.get("caseExact", False),
        "defaultValue": None,
        "flowNullValues": False,
        "multivalued": item.get("multivalued", False),
        "mutability": item.get("mutability", "ReadWrite"),
        "required": item.get("required", False),
        "apiExpressions": [],
        "metadata": [],
        "referencedObjects": [
            {"referencedObjectName": name, "referencedProperty": item.get("referencedProperty", "id")}
            for name in referenced
        ],
    }


def _reference(name: str, referenced: str, anchor: str) -> dict[str, Any]:
    return _attribute(
        {
            "name": name,
            "type": "Reference",
            "multivalued": name == "members",
            "referenced": referenced,
            "referencedProperty": anchor,
        }
    )


def _object_mapping(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": item["name"],
        "enabled": item.get("enabled", True),
        "flowTypes": item.get("flowTypes", "Add, Update, Delete"),
        "sourceObjectName": item["source"],
        "targetObjectName": item["target"],
        "scope": copy.deepcopy(item.get("scope")),
        "metadata": list(_MAPPING_METADATA),
        "attributeMappings": [_attribute_mapping(one) for one in item["attributes"] if "expression" in one],
    }


def _attribute_mapping(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "targetAttributeName": item["name"],
        "source": form_source(item["expression"]),
        "defaultValue": item.get("default"),
        "flowType": item.get("flowType", "Always"),
        "flowBehavior": "FlowWhenChanged",
        "matchingPriority": item.get("matching", 0),
        "exportMissingReferences": False,
    }
