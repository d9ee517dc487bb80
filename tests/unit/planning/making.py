"""Small builders: rules from rows, people, links and target objects, and one call that plans a change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from muster.expression.values import Environment
from muster.model.application import DEFAULT_ACCESS, RoleGrant
from muster.model.directory import AttributeType, Lifecycle, ObjectKind
from muster.model.operation import (
    Acknowledged,
    Change,
    Intent,
    Link,
    LinkState,
    Operation,
    TargetObject,
    TargetResource,
)
from muster.model.rules import (
    AttributeDefinition,
    AttributeMapping,
    FilterClause,
    FilterGroup,
    FlowBehavior,
    FlowType,
    Mutability,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
    ScopingFilter,
    SynchronizationRule,
    SynchronizationSchema,
)
from muster.model.values import Attributes, Value
from muster.planning.decision import plan_operation
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms, form_intent
from muster.planning.rules import JobRules, KindRules, compile_rules

AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
ENVIRONMENT = Environment(now=AT, new_guid=lambda: "00000000-0000-4000-8000-000000000001", draw=lambda limit: 0)
EVERY_ACTION = frozenset(ObjectAction)
USER, GROUP = ObjectKind.USER, ObjectKind.GROUP

NO_VALUE = object()
"""Stands for an attribute that is not there, where a strategy must draw something."""

MEMBER = RoleGrant(role_id="role-user", role_value="User", role_display_name="User")
DEFAULT_ROLE = RoleGrant(role_id=DEFAULT_ACCESS, role_value=None, role_display_name="Default Access")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mapping with the definition of the attribute that it writes."""

    mapping: AttributeMapping
    definition: AttributeDefinition


def row(
    name: str,
    expression: str | None,
    *,
    kind: AttributeType = AttributeType.STRING,
    matching: int = 0,
    required: bool = False,
    case_exact: bool = False,
    multivalued: bool = False,
    mutability: Mutability = Mutability.READ_WRITE,
    anchor: bool = False,
    referenced: tuple[str, ...] = (),
    default: str | None = None,
    flow: FlowType = FlowType.ALWAYS,
    behavior: FlowBehavior = FlowBehavior.FLOW_WHEN_CHANGED,
) -> Row:
    """Returns a mapping of `expression` onto the target attribute `name`."""
    return Row(
        mapping=AttributeMapping(
            target_attribute=name,
            expression=expression,
            default_value=default,
            flow_type=flow,
            flow_behavior=behavior,
            matching_priority=matching,
        ),
        definition=AttributeDefinition(
            name=name,
            type=kind,
            anchor=anchor,
            case_exact=case_exact,
            multivalued=multivalued,
            mutability=mutability,
            required=required,
            referenced=referenced,
        ),
    )


USER_NAME = row("userName", "[userPrincipalName]", matching=1, required=True)
ACTIVE = row("active", "Not([IsSoftDeleted])", kind=AttributeType.BOOLEAN)
TITLE = row("title", "[jobTitle]", case_exact=True)
SITE = row("site", "[physicalDeliveryOfficeName]", case_exact=True, flow=FlowType.OBJECT_ADD_ONLY)
MANAGER = row("manager", "[manager]", kind=AttributeType.REFERENCE, referenced=("User",))
USER_ROWS = (USER_NAME, ACTIVE, TITLE, SITE)

DISPLAY_NAME = row("displayName", "[displayName]", matching=1, required=True)
MEMBERS = row("members", "[members]", kind=AttributeType.REFERENCE, multivalued=True, referenced=("User",))
GROUP_ROWS = (DISPLAY_NAME, MEMBERS)


def schema(
    rows: Iterable[Row] = USER_ROWS,
    *,
    kind: ObjectKind = USER,
    actions: frozenset[ObjectAction] = EVERY_ACTION,
    scope: ScopingFilter | None = None,
    enabled: bool = True,
    unmapped: Iterable[AttributeDefinition] = (),
) -> SynchronizationSchema:
    """Returns a schema with one object mapping."""
    rows = tuple(rows)
    mapping = ObjectMapping(
        name=f"Provision {kind}s",
        enabled=enabled,
        actions=actions,
        source_object=kind.value,
        target_object=kind.value,
        scope=scope or ScopingFilter(),
        attribute_mappings=tuple(item.mapping for item in rows),
    )
    definition = ObjectDefinition(name=kind.value, attributes=(*(item.definition for item in rows), *unmapped))
    return SynchronizationSchema(
        id="schema",
        version="v1",
        rules=(
            SynchronizationRule(
                id="rule",
                name="USER_OUTBOUND_USER",
                priority=1,
                source_directory="Directory",
                target_directory="App",
                object_mappings=(mapping,),
            ),
        ),
        directories={"App": (definition,)},
        document={},
    )


def compiled(
    rows: Iterable[Row] = USER_ROWS,
    *,
    kind: ObjectKind = USER,
    actions: frozenset[ObjectAction] = EVERY_ACTION,
    scope: ScopingFilter | None = None,
    unmapped: Iterable[AttributeDefinition] = (),
) -> KindRules:
    """Returns the compiled rules of one kind."""
    return compile_rules(schema(rows, kind=kind, actions=actions, scope=scope, unmapped=unmapped)).kinds[kind]


def job_rules(rows: Iterable[Row] = USER_ROWS, *, kind: ObjectKind = USER) -> JobRules:
    """Returns the compiled rules of a job."""
    return compile_rules(schema(rows, kind=kind))


def only(attribute: str, value: str, *, operator: str = "EQUALS") -> ScopingFilter:
    """Returns a scoping filter of one clause."""
    clause = FilterClause(attribute=attribute, operator=operator, values=(value,))
    return ScopingFilter(groups=(FilterGroup(name=f"{attribute} filter", clauses=(clause,)),))


PERSON: Attributes = {
    "displayName": "Ada Lovelace",
    "userPrincipalName": "ada@example.com",
    "jobTitle": "Engineer",
    "physicalDeliveryOfficeName": "London",
    "department": "Sales",
    "accountEnabled": True,
}


def person(
    lifecycle: Lifecycle = Lifecycle.PRESENT,
    grants: tuple[RoleGrant, ...] = (MEMBER,),
    references: Mapping[str, tuple[str, ...]] | None = None,
    without: tuple[str, ...] = (),
    **attributes: Value,
) -> Change:
    """Returns Ada, with attributes changed or left out."""
    merged = {name: value for name, value in {**PERSON, **attributes}.items() if name not in without}
    return Change(
        source_id="s-ada",
        kind=USER,
        lifecycle=lifecycle,
        seq=7,
        attributes=merged,
        grants=grants,
        references=references or {},
    )


def group(
    lifecycle: Lifecycle = Lifecycle.PRESENT,
    grants: tuple[RoleGrant, ...] = (MEMBER,),
    members: tuple[str, ...] = (),
) -> Change:
    """Returns the group Staff."""
    return Change(
        source_id="s-staff",
        kind=GROUP,
        lifecycle=lifecycle,
        seq=8,
        attributes={"displayName": "Staff"},
        grants=grants,
        references={"members": members},
    )


THERE: Attributes = {"userName": "ada@example.com", "active": True, "title": "Engineer", "site": "London"}


def link(
    state: LinkState = LinkState.MANAGED,
    owned: LinkState | None = None,
    *,
    sent: Attributes = THERE,
    seen: Attributes | None = None,
    change: Change | None = None,
) -> Link:
    """Returns a link to the target object t-1. A released one was managed before, unless `owned` says otherwise."""
    change = change or person()
    return Link(
        source_id=change.source_id,
        kind=change.kind,
        target_id="t-1",
        state=state,
        owned=owned or (LinkState.MANAGED if state is LinkState.RELEASED else state),
        acknowledged=Acknowledged(sent=sent, seen=seen or {}),
    )


def resource(attributes: Attributes = THERE, target_id: str = "t-1") -> TargetResource:
    """Returns an object as the target shows it."""
    return TargetResource(target_id=target_id, attributes=attributes, display_name="Ada at the target")


def linked(known: Link, shown: Attributes | None = None) -> TargetObject:
    """Returns a linked target object; `shown`: what the target itself said in this cycle."""
    seen = None if shown is None else resource(shown, known.target_id)
    return TargetObject(link=known, resource=seen, exists=True)


NOBODY = TargetObject()


def found(attributes: Attributes = THERE) -> TargetObject:
    """Returns an object without a link that a matching attribute found."""
    return TargetObject(resource=resource(attributes), exists=True, matched_by="userName")


def vanished(known: Link) -> TargetObject:
    """Returns a linked object that the target no longer has."""
    return TargetObject(link=known, resource=None, exists=False)


ASSIGNED_ONLY = EntitlementRules(sync_all=False, accepts_default_access=False)
TERMS = JobTerms(entitlement=ASSIGNED_ONLY)


def intend(change: Change, rules: KindRules | None = None, terms: JobTerms = TERMS) -> Intent:
    """Returns what the rules want for a change."""
    return form_intent(change, rules or compiled(), terms, ENVIRONMENT)


def plan(
    change: Change, target: TargetObject = NOBODY, rules: KindRules | None = None, terms: JobTerms = TERMS
) -> Operation:
    """Returns the operation that a change leads to."""
    rules = rules or compiled()
    return plan_operation(intend(change, rules, terms), target, rules, terms, change_id="change-1")


def changes_of(operation: Operation) -> dict[str, Value]:
    """Returns the new values an operation sends, by attribute."""
    return {change.attribute: change.new for change in operation.changes}
