"""The way back of a cycle, object by object: what goes back, and why something does not."""

from datetime import timedelta
from typing import Any

import pytest

from muster.model.copies import replace
from muster.model.directory import AttributeType, ObjectKind
from muster.model.log import LogEntry, LogStatus, ModifiedProperty, ProvisioningAction
from muster.model.operation import Link, LinkState, OperationKind, Verb
from muster.model.rules import AttributeDefinition, Mutability, ObjectAction
from muster.planning.rollback import History, Undone, read_histories, read_value, undo
from muster.planning.rules import KindRules
from unit.planning.making import ACTIVE, AT, GROUP, GROUP_ROWS, TITLE, USER, USER_NAME, compiled, link, row

RULES = compiled()
CREATE, UPDATE = ProvisioningAction.CREATE, ProvisioningAction.UPDATE
DISABLE, DELETE = ProvisioningAction.DISABLE, ProvisioningAction.DELETE


def entry(
    action: ProvisioningAction,
    *modified: tuple[str, str | None, str | None],
    status: LogStatus = LogStatus.SUCCESS,
    source_id: str = "s-ada",
    kind: ObjectKind = USER,
) -> LogEntry:
    return LogEntry(
        id="e",
        at=AT,
        job_id="j",
        cycle_id="c",
        change_id="x",
        service_principal_id="sp",
        action=action,
        status=status,
        object_kind=kind.value,
        source_id=source_id,
        source_name="Ada",
        target_id="t-1",
        target_name=None,
        steps=(),
        modified=tuple(
            ModifiedProperty(display_name=name, old_value=old, new_value=new) for name, old, new in modified
        ),
        duration=timedelta(0),
    )


def history(*entries: LogEntry, references: frozenset[str] = frozenset({"members", "manager"})) -> History:
    (found,) = read_histories(entries, {USER: references, GROUP: references})
    return found


def back(found: History, known: Link | None, rules: KindRules | None = RULES, kept_out: str | None = None) -> Undone:
    return undo(found, known, rules, change_id="change", cycle_id="cycle", kept_out=kept_out)


def shown(undone: Undone) -> dict[str, tuple[Any, Any, Verb]]:
    assert undone.operation is not None
    return {each.attribute: (each.old, each.new, each.verb) for each in undone.operation.changes}


def why(undone: Undone) -> list[tuple[str | None, str]]:
    return [(each.attribute, each.reason) for each in undone.irreversible]


def sent(**values: Any) -> Link:
    return link(sent={"userName": "ada@example.com", "active": True, **values})


# ---------------------------------------------------------------- what was done


def test_only_what_was_sent_and_succeeded_counts() -> None:
    entries = [
        entry(UPDATE, ("title", "a", "b"), status=LogStatus.FAILURE),
        entry(ProvisioningAction.OTHER),
        entry(ProvisioningAction.STAGED_DELETE, ("active", "True", "False")),
    ]
    assert read_histories(entries, {}) == []


def test_several_changes_of_one_value_count_as_one() -> None:
    found = history(
        entry(UPDATE, ("title", "a", "b")), entry(DISABLE, ("title", "b", "c"), ("active", "True", "False"))
    )
    assert found.values == {"title": ("a", "c"), "active": ("True", "False")}
    assert len(read_histories([entry(UPDATE), entry(UPDATE, source_id="s-bob")], {})) == 2


@pytest.mark.parametrize(
    ("changes", "came", "went"),
    [
        ([(None, "1; 2"), ("3", None)], {"1", "2"}, {"3"}),
        # Came and went again, went and came back: nothing has changed.
        ([(None, "1"), ("1", None)], set(), set()),
        ([("1", None), (None, "1")], set(), set()),
        ([("1", "2"), ("2", "3")], {"3"}, {"1"}),
    ],
)
def test_references_count_by_their_net_effect(
    changes: list[tuple[str | None, str | None]], came: set[str], went: set[str]
) -> None:
    found = history(*(entry(UPDATE, ("members", old, new)) for old, new in changes))
    assert (found.came["members"], found.went["members"], found.values) == (came, went, {})


def test_whoever_was_deleted_and_made_again_was_created() -> None:
    found = history(entry(DELETE), entry(CREATE))
    assert (found.is_created, found.is_deleted) == (True, False)


# ---------------------------------------------------------------- values


def test_values_go_back_with_the_verb_that_fits() -> None:
    found = history(entry(UPDATE, ("title", "Clerk", "Chief")))
    undone = back(found, sent(title="Chief"))
    assert shown(undone) == {"title": ("Chief", "Clerk", Verb.REPLACE)}
    assert undone.operation is not None
    assert undone.operation.kind is OperationKind.UPDATE
    assert shown(back(history(entry(UPDATE, ("title", None, "Chief"))), sent(title="Chief"))) == {
        "title": ("Chief", None, Verb.REMOVE)
    }
    assert shown(back(history(entry(UPDATE, ("title", "Clerk", None))), sent())) == {"title": (None, "Clerk", Verb.ADD)}


def test_a_value_that_came_back_by_itself_is_left() -> None:
    found = history(entry(UPDATE, ("title", "a", "b")), entry(UPDATE, ("title", "b", "a")))
    assert back(found, sent(title="a")) == Undone(operation=None, irreversible=())


def test_somebody_who_was_released_is_ours_again() -> None:
    found = history(entry(DISABLE, ("active", "True", "False")))
    released = link(LinkState.RELEASED, sent={"userName": "ada@example.com", "active": False})
    undone = back(found, released)
    assert shown(undone) == {"active": (False, True, Verb.REPLACE)}
    assert undone.operation is not None
    assert (undone.operation.link_state, undone.operation.owned) == (LinkState.MANAGED, LinkState.MANAGED)


def test_who_loses_access_by_the_way_back_is_disabled() -> None:
    undone = back(history(entry(UPDATE, ("active", "False", "True"), ("title", "a", "b"))), sent(title="b"))
    assert undone.operation is not None
    assert undone.operation.kind is OperationKind.DISABLE
    assert set(shown(undone)) == {"active", "title"}


@pytest.mark.parametrize("because", ["Ada is not assigned.", "Ada is not assigned. It is deleted at the earliest …"])
def test_whoever_the_cycle_switched_off_for_what_keeps_them_out_now_is_switched_on(because: str) -> None:
    found = history(replace(entry(DISABLE, ("active", "True", "False")), reason=because))
    off = link(sent={"userName": "ada@example.com", "active": False})
    assert set(shown(back(found, off, kept_out="Ada is not assigned."))) == {"active"}


def test_whoever_is_kept_out_for_another_reason_since_stays_off_and_gets_all_else_back() -> None:
    found = history(entry(DISABLE, ("active", "True", "False"), ("title", "a", "b")))
    off = link(sent={"userName": "ada@example.com", "active": False, "title": "b"})
    undone = back(found, off, kept_out="Ada is deleted.")
    assert set(shown(undone)) == {"title"}
    ((attribute, said),) = why(undone)
    assert (attribute, "for another reason: Ada is deleted." in said) == ("active", True)


@pytest.mark.parametrize(
    ("modified", "known", "reason"),
    [
        (("nickName", "a", "b"), sent(nickName="b"), "no longer map"),
        (("title", "[Redact]", "[Redact]"), sent(title="x"), "not kept in the log"),
        (("site", "London", "Paris"), sent(site="Paris"), "after creation"),
        (("title", "a", "b"), sent(title="c"), "changed since"),
        (("title", None, "b"), link(LinkState.ADOPTED, sent={"title": "b"}), "had not shown a value"),
    ],
)
def test_why_a_value_does_not_go_back(modified: tuple[str, str | None, str | None], known: Link, reason: str) -> None:
    site = row("site", "[physicalDeliveryOfficeName]", mutability=Mutability.IMMUTABLE)
    undone = back(history(entry(UPDATE, modified)), known, compiled((USER_NAME, ACTIVE, TITLE, site)))
    assert undone.operation is None
    ((attribute, said),) = why(undone)
    assert attribute == modified[0]
    assert reason in said


@pytest.mark.parametrize(
    ("text", "definition", "value"),
    [
        (None, AttributeDefinition(name="a"), None),
        ("True", None, "True"),
        ("True", AttributeDefinition(name="a", type=AttributeType.BOOLEAN), True),
        ("False", AttributeDefinition(name="a", type=AttributeType.BOOLEAN), False),
        ("maybe", AttributeDefinition(name="a", type=AttributeType.BOOLEAN), "maybe"),
        ("-7", AttributeDefinition(name="a", type=AttributeType.INTEGER), -7),
        ("x", AttributeDefinition(name="a", type=AttributeType.INTEGER), "x"),
        ("a; b", AttributeDefinition(name="a", multivalued=True), ("a", "b")),
        ("a; b", AttributeDefinition(name="a"), "a; b"),
    ],
)
def test_values_are_read_back_from_what_the_log_shows(
    text: str | None, definition: AttributeDefinition | None, value: object
) -> None:
    assert read_value(text, definition) == value


def test_a_list_goes_back_as_a_list() -> None:
    rules = compiled((USER_NAME, ACTIVE, row("tags", "[jobTitle]", multivalued=True)))
    undone = back(history(entry(UPDATE, ("tags", "a; b", "c"))), sent(tags=("c",)), rules)
    assert shown(undone) == {"tags": (("c",), ("a", "b"), Verb.REPLACE)}
    assert undone.operation is not None
    assert undone.operation.changes[0].multivalued


# ---------------------------------------------------------------- accounts that came, and that went


def test_a_created_account_is_switched_off() -> None:
    undone = back(history(entry(CREATE)), sent())
    assert shown(undone) == {"active": (True, False, Verb.REPLACE)}
    assert undone.operation is not None
    assert (undone.operation.kind, undone.operation.link_state) == (OperationKind.DISABLE, LinkState.MANAGED)
    off = link(sent={"userName": "ada@example.com", "active": False})
    assert back(history(entry(CREATE)), off) == Undone(operation=None, irreversible=())


def test_what_cannot_be_switched_off_is_deleted_if_it_is_ours() -> None:
    made = history(entry(CREATE, kind=GROUP))
    groups = compiled(GROUP_ROWS, kind=GROUP)
    undone = back(made, link(), groups)
    assert undone.operation is not None
    assert (undone.operation.kind, undone.operation.link_state) == (OperationKind.DELETE, None)
    ((_, adopted),) = why(back(made, link(LinkState.ADOPTED), groups))
    assert "neither" in adopted
    silent = compiled(GROUP_ROWS, kind=GROUP, actions=frozenset({ObjectAction.ADD}))
    assert back(made, link(), silent).operation is None


def test_a_deleted_account_does_not_come_back() -> None:
    ((attribute, said),) = why(back(history(entry(DELETE)), None))
    assert attribute is None
    assert "does not come back" in said
    assert back(history(entry(CREATE), entry(DELETE)), None) == Undone(operation=None, irreversible=())


def test_an_account_that_is_no_longer_linked_is_left() -> None:
    ((_, said),) = why(back(history(entry(UPDATE, ("title", "a", "b"))), None))
    assert "no longer linked" in said
    assert why(back(history(entry(CREATE)), None))
    # Its members alone: they are taken back with the group's references.
    assert back(history(entry(UPDATE, ("members", None, "1"))), None) == Undone(operation=None, irreversible=())


def test_a_kind_that_the_rules_no_longer_carry_is_left() -> None:
    ((_, said),) = why(back(history(entry(UPDATE, ("title", "a", "b"))), sent(title="b"), None))
    assert "no longer carry objects of type User" in said


def test_an_empty_value_before_is_none_that_was_known() -> None:
    adopted = link(LinkState.ADOPTED, sent={"userName": "ada@example.com", TITLE: "Lead"})
    for before in ("", None):
        undone = back(history(entry(UPDATE, (TITLE, before, "Lead"))), adopted)
        assert undone.operation is None
        assert [name for name, _ in why(undone)] == [TITLE]
