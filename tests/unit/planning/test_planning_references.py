"""The second wave: what is sent to set and remove managers and members."""

import pytest

from muster.model.directory import ObjectKind
from muster.model.operation import Operation, OperationKind, Verb
from muster.planning.references import plan_references

Pairs = tuple[tuple[str, str], ...]


def refer(
    add: Pairs = (), remove: Pairs = (), *, attribute: str = "members", multivalued: bool = True, size: int = 2
) -> Operation:
    return plan_references(
        change_id="change-1",
        kind=ObjectKind.GROUP,
        source_id="s-staff",
        source_name="Staff",
        target_id="t-staff",
        attribute=attribute,
        multivalued=multivalued,
        add=add,
        remove=remove,
        members_per_request=size,
    )


def pairs(*names: str) -> Pairs:
    return tuple((f"s-{name}", f"t-{name}") for name in names)


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        (pairs("a"), (), [(Verb.ADD, None, ("t-a",))]),
        ((), pairs("a"), [(Verb.REMOVE, ("t-a",), None)]),
        (pairs("a", "b"), (), [(Verb.ADD, None, ("t-a", "t-b"))]),
        (pairs("a", "b", "c"), (), [(Verb.ADD, None, ("t-a", "t-b")), (Verb.ADD, None, ("t-c",))]),
        (
            pairs("a", "b", "c"),
            pairs("x", "y", "z"),
            [
                (Verb.REMOVE, ("t-x", "t-y"), None),
                (Verb.REMOVE, ("t-z",), None),
                (Verb.ADD, None, ("t-a", "t-b")),
                (Verb.ADD, None, ("t-c",)),
            ],
        ),
    ],
)
def test_only_what_changed_in_a_list_is_sent_in_parts_of_the_dialects_size(
    add: Pairs, remove: Pairs, expected: list[tuple[Verb, object, object]]
) -> None:
    operation = refer(add, remove)
    assert [(item.verb, item.old, item.new) for item in operation.changes] == expected
    assert all(item.is_reference and item.multivalued and item.attribute == "members" for item in operation.changes)


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        (pairs("a"), (), (Verb.ADD, None, "t-a")),
        (pairs("a"), pairs("x"), (Verb.REPLACE, "t-x", "t-a")),
        ((), pairs("x"), (Verb.REMOVE, "t-x", None)),
    ],
)
def test_a_single_reference_is_set_replaced_or_removed(
    add: Pairs, remove: Pairs, expected: tuple[Verb, str | None, str | None]
) -> None:
    operation = refer(add, remove, attribute="manager", multivalued=False)
    assert [(item.verb, item.old, item.new) for item in operation.changes] == [expected]
    assert operation.changes[0].is_reference
    assert not operation.changes[0].multivalued


def test_the_operation_refers_and_says_how_much() -> None:
    operation = refer(pairs("a", "b", "c"), pairs("x"))
    assert (operation.kind, operation.object_kind, operation.change_id) == (
        OperationKind.REFER,
        ObjectKind.GROUP,
        "change-1",
    )
    assert (operation.source_id, operation.source_name, operation.target_id) == ("s-staff", "Staff", "t-staff")
    assert operation.reason == "members of Staff: 3 set, 1 removed, as both ends are linked."
    manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
    assert refer(pairs("a"), attribute=manager, multivalued=False).reason == (
        "manager of Staff: 1 set, as both ends are linked."
    )
    assert not operation.removes
