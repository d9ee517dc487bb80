from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pytest

from muster.scim.dialect import ENTRA, ENTRA_LEGACY, Dialect, UpdateMethod
from muster.scim.updates import (
    MICROSOFT_GROUP,
    AttributeOperation,
    PatchVerb,
    form_create_body,
    form_patch_bodies,
    form_put_body,
    needs_current,
)

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MAIL = 'emails[type eq "work"].value'
CITY = 'addresses[type eq "work"].locality'
COUNTRY = 'addresses[type eq "work"].country'


def add(path: str, value: Any) -> AttributeOperation:
    return AttributeOperation(verb=PatchVerb.ADD, path=path, value=value)


def put(path: str, value: Any) -> AttributeOperation:
    return AttributeOperation(verb=PatchVerb.REPLACE, path=path, value=value)


def take(path: str) -> AttributeOperation:
    return AttributeOperation(verb=PatchVerb.REMOVE, path=path)


def members(verb: PatchVerb, *ids: str) -> AttributeOperation:
    return AttributeOperation(verb=verb, path="members", value=ids, is_reference=True, multivalued=True)


def operations(bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    assert all(body["schemas"] == [PATCH] for body in bodies)
    return [operation for body in bodies for operation in body["Operations"]]


# ---------------------------------------------------------------- create


def test_schemas_of_a_create_are_the_core_and_exactly_the_extensions_in_use() -> None:
    assert form_create_body("User", {"userName": "a"}, Dialect())["schemas"] == [USER]
    values = {"userName": "a", f"{ENTERPRISE}:department": "Sales", "urn:odd:shape:site": "X"}
    body = form_create_body("User", values, Dialect())
    assert body["schemas"] == [USER, ENTERPRISE, "urn:odd:shape"]
    assert body["urn:odd:shape"] == {"site": "X"}
    assert body["meta"] == {"resourceType": "User"}
    assert "roles" not in body


def test_a_new_work_mail_is_primary_unless_the_dialect_says_otherwise() -> None:
    assert form_create_body("User", {MAIL: "a@x"}, Dialect())["emails"] == [
        {"type": "work", "value": "a@x", "primary": True}
    ]
    plain = form_create_body("User", {MAIL: "a@x"}, Dialect(primary_work_email=False))
    assert plain["emails"] == [{"type": "work", "value": "a@x"}]


class Odd(StrEnum):
    ONE = "one"


class Instant:
    def __str__(self) -> str:
        return "2026-01-05"


@pytest.mark.parametrize(
    ("dialect", "path", "value", "written"),
    [
        (Dialect(), "active", False, False),
        (Dialect(booleans_as_text=True), "active", False, "False"),
        (Dialect(booleans_as_text=True), "active", True, "True"),
        (Dialect(), "roles", ("Admin", {"value": "Reader"}), [{"value": "Admin"}, {"value": "Reader"}]),
        (Dialect(), "x", (1, 2.5, None), [1, 2.5, None]),
        (Dialect(), "x", Odd.ONE, "one"),
        (Dialect(), "x", Instant(), "2026-01-05"),
    ],
)
def test_values_are_written_as_json(dialect: Dialect, path: str, value: object, written: object) -> None:
    assert form_create_body("User", {path: value}, dialect)[path] == written


def test_a_manager_is_an_object_in_the_standard_and_a_text_for_entra() -> None:
    path = f"{ENTERPRISE}:manager"
    assert form_create_body("User", {path: "9"}, Dialect())[ENTERPRISE] == {"manager": {"value": "9"}}
    assert form_create_body("User", {path: {"value": "9"}}, Dialect())[ENTERPRISE] == {"manager": {"value": "9"}}
    assert form_create_body("User", {path: "9"}, ENTRA)[ENTERPRISE] == {"manager": "9"}


def test_an_unknown_kind_gets_a_core_schema_of_its_name() -> None:
    assert form_create_body("Device", {}, Dialect())["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:Device"]


# ---------------------------------------------------------------- patch, standard


def test_the_standard_form_writes_one_operation_a_path_in_lower_case() -> None:
    bodies = form_patch_bodies(
        [put("active", False), put("name.familyName", "B"), add("nickName", "Babs"), take("title")], Dialect()
    )
    assert operations(bodies) == [
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "name.familyName", "value": "B"},
        {"op": "add", "path": "nickName", "value": "Babs"},
        {"op": "remove", "path": "title"},
    ]
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("dialect", "change", "needed"),
    [
        (Dialect(), add(MAIL, "a@x"), True),
        (Dialect(), put(MAIL, "a@x"), False),
        (Dialect(), add("title", "x"), False),
        (ENTRA, add(MAIL, "a@x"), False),
        (ENTRA_LEGACY, add(MAIL, "a@x"), False),
    ],
)
def test_the_resource_is_read_before_something_is_added_to_an_element(
    dialect: Dialect, change: AttributeOperation, needed: bool
) -> None:
    assert needs_current([change], dialect) is needed


def test_with_the_resource_at_hand_missing_elements_are_added_whole_and_gone_ones_not_removed() -> None:
    changes = [add(CITY, "L"), put(COUNTRY, "GB"), put(MAIL, "a@x"), take('phoneNumbers[type eq "fax"].value')]
    current = {"emails": [{"type": "work", "value": "old"}]}
    assert operations(form_patch_bodies(changes, Dialect(), current=current)) == [
        {"op": "add", "path": "addresses", "value": [{"type": "work", "locality": "L", "country": "GB"}]},
        {"op": "replace", "path": MAIL, "value": "a@x"},
    ]
    assert form_patch_bodies([take(MAIL)], Dialect(), current={}) == ()


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (MAIL, 'emails[type eq "work"]'),
        (CITY, CITY),
        ('emails[type eq "work"]', 'emails[type eq "work"]'),
        ('urn:x:User:ids[type eq "t"].value', 'urn:x:User:ids[type eq "t"]'),
        ('roles[primary eq "True"].value', "roles[primary eq true]"),
        (f"{ENTERPRISE}:department", f"{ENTERPRISE}:department"),
    ],
)
def test_removing_a_value_removes_its_element(path: str, written: str) -> None:
    assert operations(form_patch_bodies([take(path)], Dialect())) == [{"op": "remove", "path": written}]


def test_an_element_of_an_extension_is_added_under_its_full_name() -> None:
    change = add('urn:x:User:ids[type eq "t"].value', "1")
    assert operations(form_patch_bodies([change], Dialect(), current={})) == [
        {"op": "add", "path": "urn:x:User:ids", "value": [{"type": "t", "value": "1"}]}
    ]


def test_nothing_to_say_needs_no_request() -> None:
    assert form_patch_bodies([], Dialect()) == ()
    assert form_patch_bodies([members(PatchVerb.ADD)], Dialect()) == ()


# ---------------------------------------------------------------- members


def test_members_are_removed_by_value_path_and_never_by_a_value_list() -> None:
    assert operations(form_patch_bodies([members(PatchVerb.REMOVE, "a", 'b"c')], Dialect())) == [
        {"op": "remove", "path": 'members[value eq "a"]'},
        {"op": "remove", "path": 'members[value eq "b\\"c"]'},
    ]


def test_members_are_spread_over_requests_of_the_size_the_application_takes() -> None:
    ids = [str(number) for number in range(250)]
    bodies = form_patch_bodies([put("displayName", "X"), members(PatchVerb.ADD, *ids)], Dialect())
    assert [len(body["Operations"][0]["value"]) for body in bodies[1:]] == [100, 100, 50]
    assert bodies[0]["Operations"] == [{"op": "replace", "path": "displayName", "value": "X"}]
    removals = form_patch_bodies([members(PatchVerb.REMOVE, *ids)], Dialect(members_per_request=200))
    assert [len(body["Operations"]) for body in removals] == [200, 50]


def test_replacing_many_members_replaces_once_and_adds_the_rest() -> None:
    bodies = form_patch_bodies([members(PatchVerb.REPLACE, "a", "b", "c")], Dialect(members_per_request=2))
    assert operations(bodies) == [
        {"op": "replace", "path": "members", "value": [{"value": "a"}, {"value": "b"}]},
        {"op": "add", "path": "members", "value": [{"value": "c"}]},
    ]


def test_replacing_with_nobody_empties_the_group() -> None:
    assert operations(form_patch_bodies([members(PatchVerb.REPLACE)], Dialect())) == [
        {"op": "remove", "path": "members"}
    ]


def test_members_who_are_gone_already_are_not_removed_again() -> None:
    current = {"members": [{"value": "a"}]}
    bodies = form_patch_bodies([members(PatchVerb.REMOVE, "a", "b")], Dialect(), current=current)
    assert operations(bodies) == [{"op": "remove", "path": 'members[value eq "a"]'}]


# ---------------------------------------------------------------- put


def test_a_put_carries_the_whole_resource_with_the_changes_in_it() -> None:
    current = {
        "schemas": [USER],
        "id": "1",
        "meta": {"version": "W/1"},
        "userName": "a",
        "title": "x",
        "emails": [{"type": "work", "value": "old"}],
        "members": [{"value": "m1"}, "odd"],
    }
    changes = [
        put(MAIL, "new"),
        take("title"),
        add(f"{ENTERPRISE}:department", "Sales"),
        members(PatchVerb.ADD, "m1", "m2"),
    ]
    body = form_put_body("User", current, changes, Dialect(update=UpdateMethod.PUT))
    assert body == {
        "schemas": [USER, ENTERPRISE],
        "id": "1",
        "userName": "a",
        "emails": [{"type": "work", "value": "new"}],
        ENTERPRISE: {"department": "Sales"},
        "members": [{"value": "m1"}, {"value": "m2"}],
    }
    assert current["title"] == "x"


def test_a_put_names_each_attribute_once_however_the_service_spells_it() -> None:
    flat = {"Schemas": ["x"], "Meta": {}, "id": "1", f"{ENTERPRISE}:department": "Sales", f"{ENTERPRISE}:division": "B"}
    changed = AttributeOperation(verb=PatchVerb.REPLACE, path=f"{ENTERPRISE}:department", value="Law")
    body = form_put_body("User", flat, [changed], Dialect())
    assert body == {
        "schemas": [USER, ENTERPRISE],
        "id": "1",
        ENTERPRISE: {"department": "Law", "division": "B"},
    }
    nothing_flat = form_put_body("User", {"id": "1"}, [changed], Dialect())
    assert nothing_flat[ENTERPRISE] == {"department": "Law"}


@pytest.mark.parametrize(
    ("verb", "ids", "after"), [(PatchVerb.REMOVE, ["a"], ["b"]), (PatchVerb.REPLACE, ["c"], ["c"])]
)
def test_members_in_a_put_are_a_list(verb: PatchVerb, ids: list[str], after: list[str]) -> None:
    current = {"members": [{"value": "a"}, {"value": "b"}]}
    body = form_put_body("Group", current, [members(verb, *ids)], Dialect())
    assert body["members"] == [{"value": member} for member in after]
    assert form_put_body("Group", {}, [members(PatchVerb.ADD, "a")], Dialect())["members"] == [{"value": "a"}]


def test_entras_groups_carry_microsofts_schema() -> None:
    assert form_create_body("Group", {"displayName": "G"}, ENTRA_LEGACY)["schemas"] == [GROUP, MICROSOFT_GROUP]


# ---------------------------------------------------------------- roles and lists

ROLE = {"id": "06b0", "value": "Admin", "display": "Administrator", "displayName": "Administrator", "type": "T"}


@pytest.mark.parametrize("dialect", [Dialect(), ENTRA])
def test_a_role_goes_out_with_the_sub_attributes_of_the_standard_alone(dialect: Dialect) -> None:
    expected = {"value": "Admin", "display": "Administrator", "type": "T"}
    assert form_create_body("User", {"userName": "a", "roles": (ROLE,)}, dialect)["roles"] == [expected]
    (operation,) = operations(form_patch_bodies([put("roles", (ROLE,))], dialect))
    assert operation == {"op": "replace", "path": "roles", "value": [expected]}


def test_a_role_that_has_no_display_is_shown_by_its_name() -> None:
    role = {"value": "Admin", "displayName": "Administrator", "primary": None}
    body = form_create_body("User", {"roles": (role, "Plain")}, Dialect())
    assert body["roles"] == [{"display": "Administrator", "value": "Admin"}, {"value": "Plain"}]


def test_the_form_of_old_writes_a_role_as_a_text() -> None:
    (operation,) = operations(form_patch_bodies([add("roles", (ROLE, "Plain"))], ENTRA_LEGACY))
    text = '{"id":"06b0","value":"Admin","displayName":"Administrator"}'
    assert operation == {"op": "Add", "path": "roles", "value": [{"value": text}, {"value": "Plain"}]}


@pytest.mark.parametrize(("held", "after"), [([{"value": "a"}], ["a", "b"]), (None, ["b"])])
def test_a_put_adds_to_a_list_what_is_added(held: object, after: list[str]) -> None:
    current = {"id": "1", "userName": "a"} | ({} if held is None else {"roles": held})
    added = AttributeOperation(verb=PatchVerb.ADD, path="roles", value=("b",), multivalued=True)
    body = form_put_body("User", current, [added], Dialect(update=UpdateMethod.PUT))
    assert [role["value"] for role in body["roles"]] == after
