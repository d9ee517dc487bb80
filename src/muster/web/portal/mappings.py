"""Mappings of a job: the list, one object mapping with its actions, one attribute mapping, expressions tried out."""

from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import mapping_edits, people, rules
from muster.administration.mapping_edits import PlacedMapping
from muster.administration.refusals import Refused, bad_request, not_found
from muster.expression.render import quote
from muster.expression.table import FUNCTIONS
from muster.model.directory import COMPUTED_ATTRIBUTES, ObjectKind
from muster.model.log import shown
from muster.model.rules import AttributeMapping, FlowBehavior, FlowType, Mutability, ObjectAction
from muster.ports.directory import DirectoryQuery
from muster.ui.language import gettext, marked
from muster.web.portal.consequences import are_asked, consequences, refused_consequences
from muster.web.portal.forms import chosen, done, field, is_ticked
from muster.web.portal.paths import desk, text
from muster.web.portal.shelves import Shelf, find_shelf, show

TYPES = {
    "Direct": marked("Direct"),
    "Constant": marked("Constant"),
    "Expression": marked("Expression"),
    "None": marked("None"),
}
FLOWS = {
    FlowType.ALWAYS.value: marked("Always"),
    FlowType.OBJECT_ADD_ONLY.value: marked("Only during object creation"),
}
ACTIONS = {
    ObjectAction.ADD.value: marked("Create"),
    ObjectAction.UPDATE.value: marked("Update"),
    ObjectAction.DELETE.value: marked("Delete"),
}
EXPRESSION_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRow:
    """One attribute mapping as it is shown."""

    mapping: AttributeMapping
    kind: str
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingForm:
    """What the editor of an attribute mapping shows."""

    target: str
    kind: str
    attribute: str
    constant: str
    expression: str
    default: str
    matches: bool
    precedence: str
    flow: str
    clears: bool


def show_mappings(sp: str) -> Any:
    """GET /applications/<sp>/mappings"""
    found = find_shelf(sp)
    placed = mapping_edits.object_mappings(desk(), found.sp, found.job.id)
    version = rules.schema_of(desk(), found.sp, found.job.id)
    return show(
        "mappings/list.html",
        found,
        placed=[(each, _rows(each)) for each in placed],
        version=version,
        actions=ACTIONS,
        flows=FLOWS,
        types=TYPES,
    )


def save_actions(sp: str, number: int) -> Any:
    """POST /applications/<sp>/mappings/<number>: name, switch and target object actions."""
    found = find_shelf(sp)
    document = mapping_edits.with_actions(
        desk(),
        found.sp,
        found.job.id,
        number,
        name=field("name", 200),
        is_enabled=is_ticked("enabled"),
        actions=frozenset(action for action in ObjectAction if is_ticked(f"action_{action.value}")),
    )
    if are_asked():
        return consequences(found, document)
    rules.replace_schema(desk(), found.sp, found.job.id, document)
    return done(found.to("mappings"), "resync")


def show_attribute(sp: str, number: int, target: str | None = None) -> Any:
    """GET /applications/<sp>/mappings/<number>/attributes/<target>, or …/new"""
    found = find_shelf(sp)
    placed = _find(found, number)
    form = _new_form() if target is None else _form_of(_mapping(placed, target))
    return _editor(found, placed, target, form)


def save_attribute(sp: str, number: int, target: str | None = None) -> Any:
    """POST /applications/<sp>/mappings/<number>/attributes/<target>, or …/new"""
    found = find_shelf(sp)
    placed = _find(found, number)
    before = None if target is None else _mapping(placed, target)
    form = _given()
    try:
        edited = _edited(form, before)
        document = mapping_edits.with_attribute(desk(), found.sp, found.job.id, number, edited, instead_of=target)
        if are_asked():
            return consequences(found, document)
        rules.replace_schema(desk(), found.sp, found.job.id, document)
    except Refused as refused:
        if are_asked():
            return refused_consequences(found, refused)
        return _editor(found, placed, target, form, refused), 400
    return done(found.to("mappings"), "resync")


def remove_attribute(sp: str, number: int, target: str) -> Any:
    """POST /applications/<sp>/mappings/<number>/attributes/<target>/remove"""
    found = find_shelf(sp)
    placed = _find(found, number)
    try:
        document = mapping_edits.without_attribute(desk(), found.sp, found.job.id, number, target)
        if are_asked():
            return consequences(found, document)
        rules.replace_schema(desk(), found.sp, found.job.id, document)
    except Refused as refused:
        if are_asked():
            return refused_consequences(found, refused)
        return _editor(found, placed, target, _form_of(_mapping(placed, target)), refused), 400
    return done(found.to("mappings"), "resync")


# ---------------------------------------------------------------- expressions


def show_builder(sp: str) -> Any:
    """GET /applications/<sp>/mappings/expression: the builder, to try an expression on somebody."""
    found = find_shelf(sp)
    return show(
        "mappings/builder.html",
        found,
        expression=text("expression") or "",
        functions=tuple(FUNCTIONS.values()),
        attributes=_sources(_find(found, 0)),
    )


def try_expression(sp: str) -> Any:
    """POST /applications/<sp>/mappings/try: what the expression gives for a person, as a part of the page."""
    found = find_shelf(sp)
    expression = flask.request.form.get("expression", "").strip()[: EXPRESSION_CHARACTERS + 1]
    name = field("person", 200)
    person = None
    trial = None
    refusal = None
    try:
        if name:
            person = _person(name)
        if expression:
            values = None if person is None else rules.test_object(desk(), person.object_id, expression)
            trial = rules.try_expression(desk(), found.sp, found.job.id, expression, values)
            read = {} if values is None else {key: shown(value) for key, value in sorted(values.items())}
        else:
            read = {}
    except Refused as refused:
        refusal, read = refused, {}
    return flask.render_template("mappings/tried.html", trial=trial, person=person, read=read, refusal=refusal)


def _person(name: str) -> Any:
    """The person with an id or principal name, else the first whose name begins so."""
    try:
        return people.find_user(desk(), name)
    except Refused:
        page = people.search(desk(), DirectoryQuery(kind=ObjectKind.USER, search=name, limit=1))
        if not page.objects:
            raise not_found("User", name) from None
        return page.objects[0]


# ---------------------------------------------------------------- the editor


def _editor(
    found: Shelf, placed: PlacedMapping, target: str | None, form: MappingForm, refusal: Refused | None = None
) -> str:
    taken = {each.target_attribute for each in placed.mapping.attribute_mappings} - {target}
    definitions = () if placed.target is None else placed.target.attributes
    return show(
        "mappings/attribute.html",
        found,
        placed=placed,
        target=target,
        form=form,
        types=TYPES,
        flows=FLOWS,
        sources=_sources(placed),
        targets=[
            each for each in definitions if each.name not in taken and each.mutability is not Mutability.READ_ONLY
        ],
        definition=None if target is None or placed.target is None else placed.target.attribute(target),
        is_required=target is not None and mapping_edits.is_required(placed, target),
        functions=tuple(FUNCTIONS.values()),
        refusal=refusal,
    )


def _sources(placed: PlacedMapping) -> list[str]:
    known = () if placed.source is None else placed.source.attributes
    return sorted({each.name for each in known} | set(COMPUTED_ATTRIBUTES), key=str.casefold)


def _rows(placed: PlacedMapping) -> list[MappingRow]:
    return [
        MappingRow(
            mapping=each,
            kind=mapping_edits.mapping_type(each),
            is_required=mapping_edits.is_required(placed, each.target_attribute),
        )
        for each in placed.mapping.attribute_mappings
    ]


def _new_form() -> MappingForm:
    return MappingForm(
        target="",
        kind="Direct",
        attribute="",
        constant="",
        expression="",
        default="",
        matches=False,
        precedence="",
        flow=FlowType.ALWAYS.value,
        clears=False,
    )


def _form_of(mapping: AttributeMapping) -> MappingForm:
    kind = mapping_edits.mapping_type(mapping)
    return MappingForm(
        target=mapping.target_attribute,
        kind=kind,
        attribute=(mapping.expression or "").strip()[1:-1] if kind == "Direct" else "",
        constant=mapping_edits.constant_of(mapping),
        expression=mapping.expression or "" if kind == "Expression" else "",
        default=mapping.default_value or "",
        matches=mapping.matching_priority > 0,
        precedence=str(mapping.matching_priority or ""),
        flow=mapping.flow_type.value,
        clears=mapping.clear_when_null,
    )


def _given() -> MappingForm:
    return MappingForm(
        target=field("target", 500),
        kind=chosen("type", TYPES),
        attribute=field("attribute", 200),
        constant=field("constant"),
        expression=field("expression", EXPRESSION_CHARACTERS + 1_000),
        default=field("default"),
        matches=field("is_matching") == "yes",
        precedence=field("precedence", 10),
        flow=chosen("flow", [flow.value for flow in FlowType]),
        clears=is_ticked("clears"),
    )


def _edited(form: MappingForm, before: AttributeMapping | None) -> AttributeMapping:
    if not form.target:
        raise bad_request(gettext("Choose the target attribute."))
    match form.kind:
        case "Direct":
            if not form.attribute:
                raise bad_request(gettext("Choose the source attribute."))
            expression: str | None = f"[{form.attribute}]"
        case "Constant":
            if not form.constant:
                raise bad_request(gettext("Enter the constant value."))
            expression = quote(form.constant)
        case "Expression":
            expression = mapping_edits.checked_expression(form.expression)
        case _:
            expression = None
    precedence = form.precedence or "1"
    if form.matches and not (precedence.isascii() and precedence.isdigit() and int(precedence) > 0):
        raise bad_request(gettext("The matching precedence is a whole number from 1."))
    return AttributeMapping(
        target_attribute=form.target,
        expression=expression,
        default_value=form.default or None,
        flow_type=FlowType(form.flow),
        flow_behavior=FlowBehavior.FLOW_WHEN_CHANGED if before is None else before.flow_behavior,
        matching_priority=int(precedence) if form.matches else 0,
        clear_when_null=form.clears,
    )


def _find(found: Shelf, number: int) -> PlacedMapping:
    return mapping_edits.find_mapping(desk(), found.sp, found.job.id, number)


def _mapping(placed: PlacedMapping, target: str) -> AttributeMapping:
    mapping = next((each for each in placed.mapping.attribute_mappings if each.target_attribute == target), None)
    if mapping is None:
        raise not_found("Attribute mapping", target)
    return mapping
