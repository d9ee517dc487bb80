"""The attribute list of a target object: what mappings may write to, one attribute at a time.

Each change is a new version of the job's rules, checked, audited and restored as any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, conflict, not_found
from muster.administration.rules import replace_schema, schema_of
from muster.model.directory import AttributeType
from muster.model.roles import Permission
from muster.model.rules import Mutability
from muster.model.schema_checks import OWN_DIRECTORY_NAMES
from muster.scim.mapping_paths import MappingPathInvalid, parse_mapping_path

ATTRIBUTES_LIMIT = 1_000
NAME_CHARACTERS = 1_024

# Graph's attributeDefinition, with what a property is when it is not given.
_DEFAULTS: Mapping[str, Any] = {
    "type": AttributeType.STRING.value,
    "anchor": False,
    "caseExact": False,
    "defaultValue": None,
    "flowNullValues": False,
    "multivalued": False,
    "mutability": Mutability.READ_WRITE.value,
    "required": False,
    "apiExpressions": [],
    "metadata": [],
    "referencedObjects": [],
}
_FLAGS = ("anchor", "caseExact", "flowNullValues", "multivalued", "required")
_LISTS = ("apiExpressions", "metadata", "referencedObjects")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAttribute:
    """An attribute as it stands in the rules (Graph attributeDefinition), and the object mappings that write it."""

    definition: Mapping[str, Any]
    mapped_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an attribute list stands in a schema document."""

    document: Mapping[str, Any]
    directory: Mapping[str, Any]
    entry: Mapping[str, Any]

    @property
    def attributes(self) -> list[dict[str, Any]]:
        return [dict(item) for item in self.entry.get("attributes") or ()]

    def find(self, name: str) -> dict[str, Any]:
        found = next((item for item in self.attributes if item.get("name") == name), None)
        if found is None:
            raise not_found("Attribute", name)
        return found

    def with_attributes(self, attributes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        entry = {**self.entry, "attributes": list(attributes)}
        objects = [entry if item is self.entry else item for item in self.directory["objects"]]
        directory = {**self.directory, "objects": objects}
        directories = [directory if item is self.directory else item for item in self.document["directories"]]
        return {**self.document, "directories": directories}


def attributes_of_object(
    desk: Desk, service_principal_id: str, job_id: str, directory: str, object_name: str
) -> Sequence[ListedAttribute]:
    """Returns the attribute list of an object of a directory, in the order of the rules. Raises: Refused."""
    place = _place(desk, service_principal_id, job_id, directory, object_name)
    return tuple(_listed(place, item) for item in place.attributes)


def attribute_of_object(
    desk: Desk, service_principal_id: str, job_id: str, directory: str, object_name: str, name: str
) -> ListedAttribute:
    """Returns one attribute of the list. Raises: Refused."""
    place = _place(desk, service_principal_id, job_id, directory, object_name)
    return _listed(place, place.find(name))


def add_attribute(
    desk: Desk, service_principal_id: str, job_id: str, directory: str, object_name: str, given: Mapping[str, Any]
) -> ListedAttribute:
    """Returns the attribute as it was added to the list. Raises: Refused, naming every property that is wrong."""
    desk.require(Permission.WRITE_CONFIGURATION)
    place = _editable(_place(desk, service_principal_id, job_id, directory, object_name))
    name = given.get("name")
    definition = {"name": name, **_DEFAULTS, **given}
    _check(place, definition, given)
    twin = next((item["name"] for item in place.attributes if item["name"].lower() == str(name).lower()), None)
    if twin is not None:
        raise conflict(f"{object_name} has the attribute {twin} already: change that one.", code="AttributeExists")
    if len(place.attributes) >= ATTRIBUTES_LIMIT:
        raise bad_request(f"{object_name} has {ATTRIBUTES_LIMIT} attributes, and no room for another: remove some.")
    replace_schema(desk, service_principal_id, job_id, place.with_attributes([*place.attributes, definition]))
    return ListedAttribute(definition=definition, mapped_by=())


def change_attribute(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    directory: str,
    object_name: str,
    name: str,
    changes: Mapping[str, Any],
) -> ListedAttribute:
    """Returns the attribute with the given properties changed; the name stays. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    place = _editable(_place(desk, service_principal_id, job_id, directory, object_name))
    before = place.find(name)
    if changes.get("name", name) != name:
        raise bad_request("The name of an attribute cannot be changed: add another one, map it, and remove this one.")
    definition = {**before, **changes}
    _check(place, definition, changes)
    attributes = [definition if item["name"] == name else item for item in place.attributes]
    replace_schema(desk, service_principal_id, job_id, place.with_attributes(attributes))
    return _listed(place, definition)


def remove_attribute(
    desk: Desk, service_principal_id: str, job_id: str, directory: str, object_name: str, name: str
) -> None:
    """Takes an attribute off the list. Raises: Refused while a mapping writes it; for the key of the target."""
    desk.require(Permission.WRITE_CONFIGURATION)
    place = _editable(_place(desk, service_principal_id, job_id, directory, object_name))
    listed = _listed(place, place.find(name))
    if listed.mapped_by:
        mappings = ", ".join(f"“{mapping}”" for mapping in listed.mapped_by)
        raise conflict(f"{name} is written by {mappings}: remove that attribute mapping first.", code="AttributeInUse")
    if listed.definition.get("anchor"):
        raise bad_request(f"{name} is the key that the target's {object_name} is known by, and has to stay.")
    attributes = [item for item in place.attributes if item["name"] != name]
    replace_schema(desk, service_principal_id, job_id, place.with_attributes(attributes))


def _place(desk: Desk, service_principal_id: str, job_id: str, directory: str, object_name: str) -> _Place:
    document = schema_of(desk, service_principal_id, job_id).document
    found = next((item for item in document["directories"] if directory in (item.get("id"), item.get("name"))), None)
    if found is None:
        raise not_found("Directory definition", directory)
    entry = next((item for item in found.get("objects") or () if item.get("name") == object_name), None)
    if entry is None:
        raise not_found("Object definition", object_name)
    return _Place(document=document, directory=found, entry=entry)


def _editable(place: _Place) -> _Place:
    name = place.directory["name"]
    if name in OWN_DIRECTORY_NAMES:
        raise bad_request(
            f"The attributes of {name} are those of our own directory, and fixed. Expressions may use directory "
            "extensions (extension_…) without a place in the list.",
            code="AttributeListFixed",
        )
    return place


def _listed(place: _Place, definition: Mapping[str, Any]) -> ListedAttribute:
    return ListedAttribute(definition=definition, mapped_by=tuple(_writers(place, str(definition.get("name")))))


def _writers(place: _Place, name: str) -> Iterator[str]:
    """The names of the object mappings, switched off ones too, that write the attribute."""
    directory, object_name = place.directory["name"], place.entry["name"]
    for rule in place.document.get("synchronizationRules") or ():
        for mapping in rule.get("objectMappings") or ():
            writes = rule.get("targetDirectoryName") == directory and mapping.get("targetObjectName") == object_name
            targets = (item.get("targetAttributeName") for item in mapping.get("attributeMappings") or ())
            if writes and name in targets:
                yield str(mapping.get("name"))


def _check(place: _Place, definition: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    problems = [f"An attribute has no property “{key[:60]}”." for key in given if key not in ("name", *_DEFAULTS)]
    problems += _problems(place, definition)
    if problems:
        raise bad_request(
            " ".join(problems[:5]),
            code="InvalidAttributeDefinition",
            details=[("InvalidAttributeDefinition", problem) for problem in problems],
        )


def _problems(place: _Place, definition: Mapping[str, Any]) -> Iterator[str]:
    name = definition.get("name")
    yield from _name_problems(name)
    for flag in _FLAGS:
        if not isinstance(definition.get(flag, False), bool):
            yield f"{flag} takes true or false."
    for choice, choices in (("type", AttributeType), ("mutability", Mutability)):
        if definition.get(choice) not in {item.value for item in choices}:
            yield f"{choice} takes one of {', '.join(item.value for item in choices)}."
    for holder in _LISTS:
        listed = definition.get(holder)
        if listed is not None and not (isinstance(listed, list) and all(isinstance(item, Mapping) for item in listed)):
            yield f"{holder} takes a list of objects."
            return
    if definition.get("defaultValue") is not None and not isinstance(definition["defaultValue"], str):
        yield "defaultValue takes a text or null."
    yield from _reference_problems(place, definition)
    anchors = [item["name"] for item in place.attributes if item.get("anchor") and item["name"] != name]
    if definition.get("anchor") is True and anchors:
        yield f"The key (anchor) of {place.entry['name']} is {anchors[0]}; there is exactly one."
    if not definition.get("anchor") and not anchors:
        yield f"{place.entry['name']} needs a key (anchor), and this is the only one."


def _name_problems(name: Any) -> Iterator[str]:
    if not isinstance(name, str) or not name.strip():
        yield "An attribute needs a name."
    elif len(name) > NAME_CHARACTERS:
        yield f"The name has more than {NAME_CHARACTERS} characters."
    else:
        try:
            parse_mapping_path(name)
        except MappingPathInvalid as error:
            yield str(error)


def _reference_problems(place: _Place, definition: Mapping[str, Any]) -> Iterator[str]:
    referenced = definition.get("referencedObjects") or []
    known = [str(item.get("name")) for item in place.directory["objects"]]
    if definition.get("type") != AttributeType.REFERENCE:
        if referenced:
            yield "referencedObjects is for attributes of type Reference."
    elif not referenced:
        yield f"A Reference needs referencedObjects; there are {', '.join(known)}."
    for item in referenced:
        if item.get("referencedObjectName") not in known:
            yield f"referencedObjectName takes one of {', '.join(known)}."
