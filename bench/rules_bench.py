"""What the rules cost on one core: 13 mappings, a scoping filter, and the planning of people who have not changed.

Processor time counts, not the clock, so that other work of the machine shows little; the calibration loop beside says
how fast the core was in this run. Each row is the best of its rounds: what disturbs a round only ever adds.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from muster.expression.compile import compile_row
from muster.expression.nodes import Node
from muster.expression.syntax import parse_expression
from muster.expression.values import Environment
from muster.gallery.catalogue import find
from muster.model.application import RoleGrant
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.operation import Acknowledged, Change, Link, LinkState, OperationKind, TargetObject
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.model.schema_document import read_schema
from muster.model.values import Attributes
from muster.planning.decision import plan_operation
from muster.planning.difference import differences
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms, form_intent
from muster.planning.rules import KindRules, compile_rules
from muster.planning.scoping import compile_filter

ENVIRONMENT = Environment(now=datetime(2026, 1, 5, 8, 0, tzinfo=UTC), new_guid=str, draw=int)
GRANT = RoleGrant(role_id="role-user", role_value="User", role_display_name="User")
TERMS = JobTerms(entitlement=EntitlementRules(sync_all=False, accepts_default_access=False))
CALIBRATION_TURNS = 1_000_000

# The default mappings of the published sample, in its words.
MAPPINGS = (
    "[userPrincipalName]",
    'Switch([IsSoftDeleted], , "False", "True", "True", "False")',
    "[displayName]",
    "[mail]",
    'Join(" ", [givenName], [surname])',
    "[givenName]",
    "[surname]",
    "[jobTitle]",
    "[department]",
    "[telephoneNumber]",
    "[mobile]",
    'Coalesce([preferredLanguage], "en-US")',
    "[mailNickname]",
)
SCOPE = ScopingFilter(
    groups=tuple(
        FilterGroup(
            name=name,
            clauses=(
                FilterClause(attribute="department", operator="EQUALS", values=(name,)),
                FilterClause(attribute="country", operator="NOT EQUALS", values=("FR",)),
                FilterClause(attribute="mail", operator="IS NOT NULL", values=()),
            ),
        )
        for name in ("Sales", "Service", "Support")
    )
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: microseconds for one object, and the limit."""

    name: str
    microseconds: float
    limit: float


def main() -> None:
    """Prints the table; ends with status 1 when a limit is missed and `--check` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000, help="people to plan (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best one counts (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="fail when a limit is missed")
    options = parser.parse_args()
    people = [person(number) for number in range(options.people)]
    before = calibration()
    rows = [
        mapping_row(people, options.rounds),
        scoping_row(people, options.rounds),
        plan_row(people, options.rounds, "8x8"),
        plan_row(people, options.rounds, "scim"),
        sameness_row(people, options.rounds),
    ]
    after = calibration()
    print(
        f"Calibration: {CALIBRATION_TURNS:,} turns of an empty loop, {before * 1e3:.1f} ms before and "
        f"{after * 1e3:.1f} ms after."
    )
    print(f"{'':<46}{'µs each':>9}{'limit':>8}{'turns':>8}")
    for row in rows:
        turns = row.microseconds * 1e-6 / (min(before, after) / CALIBRATION_TURNS)
        print(f"{row.name:<46}{row.microseconds:>9.2f}{row.limit:>8.1f}{turns:>8.0f}")
    if options.check and any(row.microseconds > row.limit for row in rows):
        sys.exit("A limit was missed.")


def mapping_row(people: Sequence[Change], rounds: int) -> Row:
    """Thirteen mappings, compiled to one function."""
    run = compile_row([parsed(text) for text in MAPPINGS])
    objects = [{**change.attributes, "IsSoftDeleted": False} for change in people[:20_000]]

    def turn() -> None:
        for attributes in objects:
            run(attributes, ENVIRONMENT)

    return Row(name="13 mappings of a person", microseconds=best(turn, rounds, len(objects)), limit=4.0)


def scoping_row(people: Sequence[Change], rounds: int) -> Row:
    """A scoping filter of three groups with three clauses each."""
    decide = compile_filter(SCOPE).decide
    objects = [change.attributes for change in people[:20_000]]

    def turn() -> None:
        for attributes in objects:
            decide(attributes)

    return Row(name="scoping filter, 3 groups of 3 clauses", microseconds=best(turn, rounds, len(objects)), limit=2.0)


def plan_row(people: Sequence[Change], rounds: int, application: str) -> Row:
    """Intent and operation of people whose account is as it was acknowledged, by an application's default rules."""
    rules = default_rules(application)
    targets = [linked(change, rules) for change in people]

    def turn() -> None:
        for change, target in zip(people, targets, strict=True):
            intent = form_intent(change, rules, TERMS, ENVIRONMENT)
            operation = plan_operation(intent, target, rules, TERMS, change_id="1")
            if operation.kind is not OperationKind.SKIP:
                sys.exit(f"{change.display_name} is not unchanged: {operation.reason}")

    name = f"plan of unchanged people, {application}, {len(rules.values)} mappings"
    return Row(name=name, microseconds=best(turn, rounds, len(people)), limit=10.0)


def sameness_row(people: Sequence[Change], rounds: int) -> Row:
    """What a link's hash would be for: whether mapped values are those that the target confirmed. They are compared."""
    rules = default_rules("8x8")
    pairs = [
        (form_intent(change, rules, TERMS, ENVIRONMENT).values, linked(change, rules)) for change in people[:20_000]
    ]

    def turn() -> None:
        for values, target in pairs:
            if differences(values, target, rules):
                sys.exit("An account that is as it should be was found to differ.")

    return Row(name="check of a link that is as it was", microseconds=best(turn, rounds, len(pairs)), limit=2.0)


def best(turn: Callable[[], None], rounds: int, objects: int) -> float:
    """The processor time of one object in the best round, in microseconds."""
    seconds = []
    gc.collect()
    gc.freeze()
    for _round in range(rounds):
        began = time.process_time()
        turn()
        seconds.append(time.process_time() - began)
    return min(seconds) / objects * 1e6


def calibration() -> float:
    """Processor seconds of an empty loop, the best of five."""
    seconds = []
    for _ in range(5):
        began = time.process_time()
        for _turn in range(CALIBRATION_TURNS):
            pass
        seconds.append(time.process_time() - began)
    return min(seconds)


def default_rules(application: str) -> KindRules:
    """The default rules for users of an application of the gallery."""
    page = find(application)
    if page is None:
        sys.exit(f"The gallery has no application {application}.")
    return compile_rules(read_schema(page.schema_document())).kinds[ObjectKind.USER]


def linked(change: Change, rules: KindRules) -> TargetObject:
    """What is known of the account of a person after a confirmed write."""
    sent = {value.attribute: value.value for value in form_intent(change, rules, TERMS, ENVIRONMENT).values}
    link = Link(
        source_id=change.source_id,
        kind=ObjectKind.USER,
        target_id=f"t-{change.source_id}",
        state=LinkState.MANAGED,
        owned=LinkState.MANAGED,
        acknowledged=Acknowledged(sent=sent),
    )
    return TargetObject(link=link, exists=True)


def person(number: int) -> Change:
    """A person with the attributes that default mappings read."""
    name = f"person.{number}@example.org"
    attributes: Attributes = {
        "objectId": f"{number:036d}",
        "userPrincipalName": name,
        "mailNickname": f"person.{number}",
        "mail": name,
        "displayName": f"Given {number} Name{number % 977}",
        "givenName": f"Given {number}",
        "surname": f"Name{number % 977}",
        "jobTitle": "Engineer",
        "department": ("Sales", "Service", "Support", "Law")[number % 4],
        "telephoneNumber": f"+49 30 {number}",
        "mobile": f"+49 170 {number}",
        "preferredLanguage": "en-US",
        "country": "DE",
        "city": "Berlin",
        "streetAddress": f"Street {number % 100}",
        "postalCode": "10115",
        "employeeId": str(number),
        "accountEnabled": True,
    }
    return Change(
        source_id=f"{number:036d}",
        kind=ObjectKind.USER,
        lifecycle=Lifecycle.PRESENT,
        seq=number,
        attributes=attributes,
        grants=(GRANT,),
    )


def parsed(text: str) -> Node:
    """The expression's tree."""
    return parse_expression(text)


if __name__ == "__main__":
    main()
