"""Law of the trip: planning the result of an applied operation gives none, whatever the rules and the target are.

A target in memory applies operations as the engine would: it may drop, rewrite or freeze attributes, keep booleans as
text, turn lists around, and confirm a write with or without showing the object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from laws.cases import cases
from muster.model.directory import AttributeType, Lifecycle
from muster.model.log import SkipReason
from muster.model.operation import Acknowledged, Change, Link, LinkState, Operation, OperationKind, TargetObject
from muster.model.operation import TargetResource as Resource
from muster.model.rules import FlowType, ObjectAction
from muster.model.values import Value
from muster.planning.decision import is_as_wanted, plan_operation
from muster.planning.difference import acknowledge, are_equal
from muster.planning.intent import JobTerms
from muster.planning.matching import needs_lookup
from muster.planning.rules import KindRules
from unit.planning.making import (
    ACTIVE,
    DEFAULT_ROLE,
    EVERY_ACTION,
    MEMBER,
    NO_VALUE,
    TERMS,
    USER_NAME,
    Row,
    compiled,
    intend,
    only,
    person,
    row,
)

# ---------------------------------------------------------------- the target

Making = Callable[[Value, Value], Value]


def _kept(_: Value, new: Value) -> Value:
    return new


def _dropped(_: Value, __: Value) -> Value:
    return None


def _upper(_: Value, new: Value) -> Value:
    return new.upper() if isinstance(new, str) else new


def _shortened(_: Value, new: Value) -> Value:
    return new[:3] if isinstance(new, str) else new


def _fixed(_: Value, __: Value) -> Value:
    return "fixed"


def _frozen(old: Value, new: Value) -> Value:
    return new if old is None else old


def _as_text(_: Value, new: Value) -> Value:
    return str(new) if isinstance(new, bool) else new


def _turned(_: Value, new: Value) -> Value:
    return tuple(reversed(new)) if isinstance(new, tuple) else new


HONEST: tuple[Making, ...] = (_kept, _as_text, _turned)
MAKINGS: tuple[Making, ...] = (*HONEST, _dropped, _upper, _shortened, _fixed, _frozen)


@dataclass(repr=False)
class World:
    """One person's account, and what the job knows of it."""

    rules: KindRules
    terms: JobTerms
    makings: dict[str, Making]
    shows: bool
    account: dict[str, Value] | None = None
    link: Link | None = None
    done: list[tuple[OperationKind, dict[str, Value], bool]] = field(default_factory=list)

    def __repr__(self) -> str:
        rules = {item.attribute: item.mapping.expression for item in self.rules.values}
        makings = {name: making.__name__ for name, making in self.makings.items()}
        actions = sorted(self.rules.mapping.actions)
        return f"World({rules}, {makings}, {actions}, shows={self.shows}, account={self.account}, link={self.link})"

    def plan(self, change: Change, *, is_full: bool) -> Operation:
        """Looks as the engine does, and decides."""
        intent = intend(change, self.rules, self.terms)
        shown = None if self.account is None else Resource(target_id="t-1", attributes=dict(self.account))
        if self.link is not None and not is_full:
            target = TargetObject(link=self.link, exists=True)
        elif self.link is not None and (shown is not None or not needs_lookup(intent)):
            target = TargetObject(link=self.link, resource=shown, exists=shown is not None)
        elif needs_lookup(intent) and intent.matching and shown is not None:
            target = TargetObject(resource=shown, exists=True, matched_by="userName")
        else:
            target = TargetObject()
        operation = plan_operation(intent, target, self.rules, self.terms, change_id="c")
        if is_as_wanted(intent, target):
            assert operation.skip_reason is SkipReason.REDUNDANT_EXPORT, f"{operation.kind} in {self!r}"
            assert (operation.references, operation.steps) == (intent.references, ())
        return operation

    def apply(self, operation: Operation) -> None:
        """Carries an operation out and writes down what the target confirmed."""
        acknowledged = operation.acknowledged
        if operation.kind is OperationKind.DELETE:
            self.account = None
        elif operation.kind.writes:
            account = dict(self.account or {}) if operation.kind is not OperationKind.CREATE else {}
            for change in operation.changes:
                account[change.attribute] = self.makings[change.attribute](account.get(change.attribute), change.new)
            self.account = {name: value for name, value in account.items() if value is not None}
            sent = {change.attribute: change.new for change in operation.changes}
            acknowledged = acknowledge(acknowledged, sent, self.account if self.shows else None, self.rules)
        if operation.kind in (OperationKind.SKIP, OperationKind.FAIL):
            return
        self.link = None
        if operation.link_state is not None and operation.owned is not None:
            self.link = Link(
                source_id=operation.source_id,
                kind=operation.object_kind,
                target_id="t-1",
                state=operation.link_state,
                owned=operation.owned,
                acknowledged=acknowledged,
            )

    def is_at_rest(self, change: Change, *, is_full: bool) -> None:
        """Asserts that another cycle writes nothing."""
        again = self.plan(change, is_full=is_full)
        definition = self.rules.definitions.get("active")
        if is_full and self.account is not None and are_equal(self.account.get("active"), True, definition):
            # Whoever is to be switched off and is shown as switched on has access: each full pass sends it again.
            others = [each for each in again.changes if each.attribute != "active"]
            if again.changes and not others and are_equal(again.changes[0].new, False, definition):
                return
        assert not again.kind.writes, f"{again.kind} {again.changes} after {self.done} in {self!r}"

    def carry(self, change: Change, *, is_full: bool) -> Operation:
        """Plans and applies; returns what was done."""
        operation = self.plan(change, is_full=is_full)
        self.done.append((operation.kind, {item.attribute: item.new for item in operation.changes}, is_full))
        self.apply(operation)
        return operation


# ---------------------------------------------------------------- strategies

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)

ROWS: tuple[Row, ...] = (
    row("title", "[jobTitle]"),
    row("title", "[jobTitle]", case_exact=True),
    row("title", '"Constant"'),
    row("title", "ToUpper([jobTitle])"),
    row("title", "ToLower([jobTitle])", case_exact=True),
    row("title", "[jobTitle]", default="Someone"),
    row("title", "[jobTitle]", flow=FlowType.OBJECT_ADD_ONLY),
    row("title", None, default="Filled"),
    row("title", 'IIF([IsSoftDeleted], "left", [jobTitle])'),
    row("title", 'Join("-", [jobTitle], [department])'),
    row("title", 'Switch([department], "other", "Sales", "S", "Finance", "F")'),
)
FURTHER: tuple[Row, ...] = (
    row("tags", "[otherMails]", multivalued=True),
    row("tags", "[otherMails]", multivalued=True, case_exact=True),
    row("hired", "[employeeHireDate]", kind=AttributeType.DATE_TIME),
    row("number", "[employeeId]", kind=AttributeType.INTEGER),
    row("roles", "AppRoleAssignmentsComplex([appRoleAssignments])", multivalued=True),
    row("role", "SingleAppRoleAssignment([appRoleAssignments])", default="none"),
    row("nick", "Redact([mailNickname])"),
)
LIVES = (
    ACTIVE,
    row("active", 'Switch([IsSoftDeleted], , "False", "True", "True", "False")', kind=AttributeType.BOOLEAN),
    row("active", "Not([IsSoftDeleted])"),
)


@st.composite
def people(draw: st.DrawFn) -> Change:
    """Any state of one person."""
    optional = {
        "jobTitle": TEXTS,
        "department": st.sampled_from(["Sales", "sales", "Finance", NO_VALUE]),
        "accountEnabled": st.booleans(),
        "otherMails": st.lists(TEXTS, max_size=3).map(tuple),
        "employeeHireDate": st.sampled_from(["2026-01-05T08:00:00Z", "2026-01-05T09:00:00+01:00", "soon"]),
        "employeeId": st.sampled_from(["12", "012", "x"]),
        "mailNickname": TEXTS,
    }
    attributes = {name: draw(values) for name, values in optional.items() if draw(st.integers(0, 4))}
    return person(
        draw(st.sampled_from([*([Lifecycle.PRESENT] * 5), *Lifecycle])),
        draw(st.sampled_from([(MEMBER,), (MEMBER,), (MEMBER,), (DEFAULT_ROLE,), ()])),
        without=tuple(name for name, value in attributes.items() if value is NO_VALUE),
        **attributes,
    )


@st.composite
def worlds(draw: st.DrawFn, makings: tuple[Making, ...] = MAKINGS, *, shows: bool | None = None) -> World:
    """Any rules and any target, with or without an account that was there before."""
    rows = [USER_NAME, draw(st.sampled_from(LIVES)), draw(st.sampled_from(ROWS))]
    names = {item.mapping.target_attribute for item in rows}
    for further in draw(st.lists(st.sampled_from(FURTHER), max_size=4)):
        if further.mapping.target_attribute not in names:
            rows.append(further)
            names.add(further.mapping.target_attribute)
    scope = draw(st.sampled_from([None, only("department", "Sales")]))
    actions = draw(st.sampled_from([EVERY_ACTION, EVERY_ACTION, EVERY_ACTION - {draw(st.sampled_from(ObjectAction))}]))
    account = None
    if draw(st.booleans()):
        values = {"title": TEXTS, "active": st.booleans(), "tags": st.lists(TEXTS, min_size=1).map(tuple)}
        account = {"userName": "ADA@example.com", **{name: draw(of) for name, of in values.items() if name in names}}
    return World(
        rules=compiled(rows, scope=scope, actions=actions),
        terms=replace(
            TERMS, skip_out_of_scope_deletions=draw(st.sampled_from([False, False, True])), never_removes=False
        ),
        makings={name: draw(st.sampled_from(makings)) for name in sorted(names)},
        shows=draw(st.booleans()) if shows is None else shows,
        account=account,
    )


# ---------------------------------------------------------------- laws

SEQUENCES = st.lists(st.tuples(people(), st.booleans()), min_size=1, max_size=5)


@cases(150)
@given(world=worlds(), sequence=SEQUENCES)
def test_an_incremental_cycle_after_an_applied_operation_writes_nothing(
    world: World, sequence: list[tuple[Change, bool]]
) -> None:
    for change, is_full in sequence:
        world.carry(change, is_full=is_full)
        world.is_at_rest(change, is_full=False)


@cases(150)
@given(world=worlds(shows=True), sequence=SEQUENCES)
def test_a_full_cycle_after_an_applied_operation_writes_nothing_where_writes_are_shown(
    world: World, sequence: list[tuple[Change, bool]]
) -> None:
    for change, _ in sequence:
        world.carry(change, is_full=True)
        world.is_at_rest(change, is_full=True)


@cases(150)
@given(world=worlds(HONEST), sequence=SEQUENCES)
def test_a_full_cycle_after_an_applied_operation_writes_nothing_where_values_are_kept(
    world: World, sequence: list[tuple[Change, bool]]
) -> None:
    for change, _ in sequence:
        world.carry(change, is_full=True)
        world.is_at_rest(change, is_full=True)


@cases(150)
@given(world=worlds(), sequence=SEQUENCES)
def test_full_cycles_come_to_rest_after_one_more_write_whatever_the_target_makes_of_values(
    world: World, sequence: list[tuple[Change, bool]]
) -> None:
    for change, is_full in sequence:
        world.carry(change, is_full=is_full)
    last = sequence[-1][0]
    world.carry(last, is_full=True)
    world.carry(last, is_full=True)
    world.is_at_rest(last, is_full=True)


@cases(150)
@given(world=worlds(HONEST), sequence=SEQUENCES, change=people(), drifted=TEXTS)
def test_a_full_cycle_brings_back_what_somebody_changed_at_the_target(
    world: World, sequence: list[tuple[Change, bool]], change: Change, drifted: str
) -> None:
    for step, is_full in sequence:
        world.carry(step, is_full=is_full)
    world.carry(change, is_full=True)
    ours = (LinkState.MANAGED, LinkState.ADOPTED)
    if world.account is None or world.link is None or world.link.state not in ours:
        return
    world.account["title"] = drifted
    intent = intend(change, world.rules, world.terms)
    wanted = next((value for value in intent.values if value.attribute == "title"), None)
    if wanted is None or wanted.create_only or wanted.fills_empty or not world.rules.does(ObjectAction.UPDATE):
        return
    if intent.verdict.left_scope and world.terms.skip_out_of_scope_deletions:
        return
    world.carry(change, is_full=True)
    if world.account is not None:
        assert are_equal(world.account["title"], wanted.value, world.rules.definitions["title"])


@cases(150)
@given(world=worlds(HONEST), sequence=SEQUENCES)
def test_whoever_left_has_no_account_that_is_switched_on(world: World, sequence: list[tuple[Change, bool]]) -> None:
    may = all(world.rules.does(action) for action in (ObjectAction.UPDATE, ObjectAction.DELETE))
    for change, is_full in sequence:
        was_ours = world.link is not None
        world.carry(change, is_full=is_full)
        verdict = intend(change, world.rules, world.terms).verdict
        spared = verdict.left_scope and world.terms.skip_out_of_scope_deletions
        if verdict.is_soft_deleted and was_ours and may and not spared and world.account is not None:
            # A purged account that was released is no longer looked after, but it was switched off when it was.
            assert are_equal(world.account.get("active"), False, world.rules.definitions["active"])


@cases(200)
@given(before=st.dictionaries(st.sampled_from("abc"), TEXTS), sent=st.dictionaries(st.sampled_from("abc"), TEXTS))
def test_what_a_target_shows_as_it_was_sent_leaves_nothing_to_remember(
    before: dict[str, str], sent: dict[str, str]
) -> None:
    known = Acknowledged(sent=before, seen={})
    after = acknowledge(known, sent, {**before, **sent}, compiled())
    assert after == Acknowledged(sent={**before, **sent}, seen={})
