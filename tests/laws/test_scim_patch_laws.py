"""Laws of PATCH and PUT on documents."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.cases import cases
from muster.scim.errors import InvalidValue, ScimError
from muster.scim.members import split_members
from muster.scim.operations import PatchOperation, read_operations
from muster.scim.patch import apply_operations
from muster.scim.readers import ReadingRules
from muster.scim.replacement import merge_for_replacement
from muster.scim.repository import MembersChange
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN
from muster.scim.validation import compile_document_reader, complete

RULES = ReadingRules()
read_user = compile_document_reader(GENERIC_USER_TYPE, RULES)

_words = st.sampled_from(["a", "b", "c", "d"])
_kinds = st.sampled_from(["work", "home", "other"])
_emails = st.lists(
    st.fixed_dictionaries({"value": _words}, optional={"type": _kinds, "primary": st.booleans(), "display": _words}),
    max_size=3,
)
_users = st.fixed_dictionaries(
    {"userName": _words},
    optional={
        "title": _words,
        "active": st.booleans(),
        "name": st.fixed_dictionaries({}, optional={"givenName": _words, "familyName": _words}),
        "emails": _emails,
        ENTERPRISE_USER_URN: st.fixed_dictionaries({}, optional={"department": _words}),
    },
)
_paths = st.sampled_from(
    [
        "title",
        "userName",
        "name",
        "name.givenName",
        "emails",
        'emails[type eq "work"]',
        'emails[type eq "home"].value',
        'emails[value eq "a" or primary eq true].display',
        "emails.type",
        "emails.primary",
        ENTERPRISE_USER_URN,
        f"{ENTERPRISE_USER_URN}:department",
        f"{ENTERPRISE_USER_URN}:manager",
        "active",
        "id",
        "schemas",
    ]
)
_operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add", "Replace", "Remove"])},
    optional={
        "path": _paths,
        "value": st.none()
        | _words
        | st.booleans()
        | _emails
        | _users
        | st.fixed_dictionaries({"value": _words}, optional={"primary": st.booleans(), "type": _kinds}),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A canonical user as a store keeps it."""
    try:
        document = read_user(draw(_users))
    except InvalidValue:
        document = read_user({"userName": "a"})
    return complete({**document, "id": "1", "meta": {"resourceType": "User"}}, GENERIC_USER_TYPE)


def _applied(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        read = read_operations({"Operations": operations}, GENERIC_USER_TYPE, RULES)
        return apply_operations(document, read, GENERIC_USER_TYPE, RULES)
    except ScimError:
        return None


@cases(100)
@given(documents(), st.lists(_operations, min_size=1, max_size=4))
def test_a_patch_never_changes_what_it_is_given(document: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    before, sent = copy.deepcopy(document), copy.deepcopy(operations)
    _applied(document, operations)
    assert (document, operations) == (before, sent)


@cases(100)
@given(documents(), st.lists(_operations, min_size=1, max_size=4))
def test_a_patched_document_is_canonical(document: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    result = _applied(document, operations)
    if result is not None:
        again = read_user(result)
        assert {**again, "id": "1", "meta": result["meta"]} == result
        names = list(result)
        assert (names[0], names[-1]) == ("schemas", "meta")


@cases(100)
@given(documents(), st.lists(_operations, min_size=1, max_size=4))
def test_a_patch_that_changes_nothing_gives_the_same_object(
    document: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    result = _applied(document, operations)
    assert result is None or (result is document) is (result == document)


@cases(100)
@given(documents(), _paths, _words)
def test_replacing_twice_is_replacing_once(document: dict[str, Any], path: str, value: str) -> None:
    operation = [{"op": "replace", "path": path, "value": value}]
    once = _applied(document, operation)
    if once is not None:
        assert _applied(once, operation) is once


@cases(100)
@given(documents(), st.lists(_operations, min_size=2, max_size=4))
def test_a_patch_is_its_operations_one_after_the_other(
    document: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    whole = _applied(document, operations)
    step: dict[str, Any] | None = document
    for operation in operations:
        step = None if step is None else _applied(step, [operation])
    if whole is not None and step is not None:
        assert whole == step


@cases(100)
@given(documents())
def test_a_document_put_back_changes_nothing(document: dict[str, Any]) -> None:
    assert merge_for_replacement(read_user(document), document, GENERIC_USER_TYPE) is document


@cases(100)
@given(documents(), documents())
def test_a_replaced_document_is_what_was_sent(sent: dict[str, Any], present: dict[str, Any]) -> None:
    assert merge_for_replacement(read_user(sent), present, GENERIC_USER_TYPE) == sent


_ids = st.sampled_from(["a", "b", "c", "d"])
_members = st.lists(st.fixed_dictionaries({"value": _ids}), max_size=3)
_member_operations = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": st.just("members"), "value": _members}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": st.just("members")}, optional={"value": _members}),
    st.builds(lambda value: {"op": "remove", "path": f'members[value eq "{value}"]'}, _ids),
    st.builds(
        lambda left, right: {"op": "remove", "path": f'members[value eq "{left}" or value eq "{right}"]'}, _ids, _ids
    ),
    st.builds(lambda value: {"op": "add", "value": {"members": value}}, _members),
)


def _after(present: list[str], change: MembersChange | None) -> set[str]:
    if change is None:
        return set(present)
    kept = set() if change.clear else set(present)
    return (kept - set(change.remove)) | {member["value"] for member in change.add}


@cases(100)
@given(st.lists(_ids, unique=True), st.lists(_member_operations, min_size=1, max_size=5))
def test_the_change_of_the_members_is_what_the_whole_patch_does(
    present: list[str], operations: list[dict[str, Any]]
) -> None:
    read = read_operations({"Operations": operations}, GROUP_TYPE, RULES)
    group: dict[str, Any] = {"schemas": [GROUP_URN], "id": "g", "displayName": "G", "meta": {}}
    if present:
        group["members"] = [{"value": member} for member in present]
    whole = apply_operations(group, read, GROUP_TYPE, RULES)
    split = split_members(read, GROUP_TYPE, RULES)
    assert split is not None
    change, rest = split
    assert _after(present, change) == {member["value"] for member in whole.get("members", [])}
    bare = {name: value for name, value in group.items() if name != "members"}
    assert apply_operations(bare, rest, GROUP_TYPE, RULES) is bare


@pytest.mark.parametrize("operation", [{"op": "add", "path": 'members[value eq "x"].display', "value": "X"}])
def test_what_needs_the_whole_list_is_not_split(operation: dict[str, Any]) -> None:
    read: tuple[PatchOperation, ...] = read_operations({"Operations": [operation]}, GROUP_TYPE, RULES)
    assert split_members(read, GROUP_TYPE, RULES) is None
