"""The rules of a job as a whole: the target's attribute list, the schema as JSON, its versions, the defaults."""

import json
from typing import Any

import flask
import orjson

from muster.administration import attribute_list, mapping_edits, rules
from muster.administration.mapping_edits import PlacedMapping
from muster.administration.refusals import Refused, bad_request
from muster.model.directory import AttributeType
from muster.model.rules import Mutability
from muster.model.schema_difference import find_differences
from muster.ui.language import gettext
from muster.web.portal.consequences import are_asked, consequences, refused_consequences
from muster.web.portal.forms import chosen, done, field, is_ticked
from muster.web.portal.paths import desk
from muster.web.portal.shelves import Shelf, find_shelf, show

FLAGS = ("anchor", "required", "multivalued", "caseExact")


def show_attributes(sp: str, number: int, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/mappings/<number>/list: the attributes of the target object."""
    found = find_shelf(sp)
    placed = mapping_edits.find_mapping(desk(), found.sp, found.job.id, number)
    listed = attribute_list.attributes_of_object(
        desk(), found.sp, found.job.id, placed.rule.target_directory, placed.mapping.target_object
    )
    return show(
        "mappings/attributes.html",
        found,
        placed=placed,
        listed=listed,
        types=[each.value for each in AttributeType],
        mutabilities=[each.value for each in Mutability],
        objects=_objects(found, placed),
        refusal=refusal,
        form=flask.request.form if refusal is not None else {},
    )


def save_attribute(sp: str, number: int) -> Any:
    """POST /applications/<sp>/mappings/<number>/list: an attribute added, changed or removed."""
    found = find_shelf(sp)
    placed = mapping_edits.find_mapping(desk(), found.sp, found.job.id, number)
    where = (desk(), found.sp, found.job.id, placed.rule.target_directory, placed.mapping.target_object)
    deed = chosen("do", ("add", "change", "remove", "discover"))
    name = field("name", attribute_list.NAME_CHARACTERS)
    try:
        if deed == "discover":
            rules.discover(desk(), found.sp, found.job.id, placed.rule.target_directory)
        elif deed == "remove":
            attribute_list.remove_attribute(*where, name)
        elif deed == "change":
            attribute_list.change_attribute(*where, name, _given_attribute())
        else:
            attribute_list.add_attribute(*where, {"name": name, **_given_attribute()})
    except Refused as refused:
        return show_attributes(sp, number, refused), 400
    return done(found.to("mappings", str(number), "list"), "removed" if deed == "remove" else "saved")


def show_schema(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/mappings/schema: all rules as JSON."""
    found = find_shelf(sp)
    version = rules.schema_of(desk(), found.sp, found.job.id)
    given = flask.request.form.get("schema") if refusal is not None else None
    return show(
        "mappings/schema.html",
        found,
        version=version,
        schema=_written(version.document) if given is None else given,
        refusal=refusal,
        differences=None,
    )


def change_schema(sp: str) -> Any:
    """POST /applications/<sp>/mappings/schema: shows what would change, or saves."""
    found = find_shelf(sp)
    version = rules.schema_of(desk(), found.sp, found.job.id)
    text = flask.request.form.get("schema", "")
    try:
        document = _read(text)
        if flask.request.form.get("do") == "check":
            problems = rules.find_schema_problems(desk(), found.sp, found.job.id, document)
            if problems:
                raise bad_request(" ".join(problems[:5]), details=[("InvalidSchema", each) for each in problems])
            return show(
                "mappings/schema.html",
                found,
                version=version,
                schema=text,
                refusal=None,
                differences=find_differences(version.document, document),
            )
        if are_asked():
            return consequences(found, document)
        rules.replace_schema(desk(), found.sp, found.job.id, document)
    except Refused as refused:
        if are_asked():
            return refused_consequences(found, refused)
        return show_schema(sp, refused), 400
    return done(found.to("mappings", "schema"), "resync")


def download_schema(sp: str) -> Any:
    """GET /applications/<sp>/mappings/schema.json"""
    found = find_shelf(sp)
    version = rules.schema_of(desk(), found.sp, found.job.id)
    response = flask.Response(_written(version.document), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="schema-{version.version}.json"'
    return response


def show_versions(sp: str) -> Any:
    """GET /applications/<sp>/mappings/versions"""
    found = find_shelf(sp)
    return show(
        "mappings/versions.html",
        found,
        versions=rules.schema_versions(desk(), found.sp, found.job.id),
        current=found.job.schema_version,
    )


def show_version(sp: str, version: str) -> Any:
    """GET /applications/<sp>/mappings/versions/<version>: what it changed."""
    found = find_shelf(sp)
    shown = rules.schema_version(desk(), found.sp, found.job.id, version)
    return show("mappings/version.html", found, shown=shown, current=found.job.schema_version)


def restore_version(sp: str, version: str) -> Any:
    """POST /applications/<sp>/mappings/versions/<version>/restore"""
    found = find_shelf(sp)
    if are_asked():
        return consequences(found, rules.schema_version(desk(), found.sp, found.job.id, version).kept.document)
    rules.restore_version(desk(), found.sp, found.job.id, version)
    return done(found.to("mappings"), "resync")


def reset(sp: str) -> Any:
    """POST /applications/<sp>/mappings/reset: the default mappings and filters of the gallery again."""
    found = find_shelf(sp)
    if are_asked():
        return consequences(found, rules.template_schema(desk(), found.sp))
    rules.reset_schema(desk(), found.sp, found.job.id)
    return done(found.to("mappings"), "resync")


def _given_attribute() -> dict[str, Any]:
    kind = chosen("type", [each.value for each in AttributeType])
    referenced = field("referenced", 500)
    return {
        "type": kind,
        "mutability": chosen("mutability", [each.value for each in Mutability]),
        **{flag: is_ticked(flag) for flag in FLAGS},
        "referencedObjects": (
            [{"referencedObjectName": referenced, "referencedProperty": None}]
            if kind == AttributeType.REFERENCE and referenced
            else []
        ),
    }


def _objects(found: Shelf, placed: PlacedMapping) -> list[str]:
    document = rules.schema_of(desk(), found.sp, found.job.id).document
    return [
        str(item.get("name"))
        for directory in document.get("directories") or ()
        if directory.get("name") == placed.rule.target_directory
        for item in directory.get("objects") or ()
    ]


def _written(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read(text: str) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_request(
            gettext(
                "That is no JSON: %(problem)s at line %(line)s, column %(column)s.",
                problem=error.msg,
                line=error.lineno,
                column=error.colno,
            ),
            code="InvalidJson",
        ) from None
    if not isinstance(document, dict):
        raise bad_request(gettext("The schema is one JSON object: begin it with { and end it with }."))
    return document
