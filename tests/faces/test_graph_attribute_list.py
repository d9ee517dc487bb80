"""The attribute list of a target object over the API: shown, added to, changed, shortened; each time a version."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from faces.house import House, Started
from faces.test_graph_schema_versions import DescribedTarget, mapping_of, path_of, rules_of, users_of
from muster.model.roles import Role

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BADGES = (
    "urn:example:any:badge",
    "urn:ietf:params:scim:schemas:extension:Custom:2.0:User:badge",
    "https://x.example/a/b:badge",
)


def list_path(job: Started, directory: str = "8x8", name: str = ENTERPRISE) -> str:
    return f"{path_of(job)}/directories/{directory}/objects/{name}/attributes"


def one(job: Started, name: str) -> str:
    return f"{list_path(job)}('{name}')"


def names(house: House, job: Started) -> list[str]:
    return [item["name"] for item in house.call("GET", list_path(job)).body["value"]]


def test_the_list_shows_each_attribute_with_the_mappings_that_write_it(house: House, job: Started) -> None:
    shown = {item["name"]: item for item in house.call("GET", list_path(job)).body["value"]}
    assert shown["userName"]["mappedBy"] == [users_of(rules_of(house, job))["name"]]
    assert shown["userName"]["required"] is True
    assert (shown["id"]["anchor"], shown["id"]["mappedBy"]) == (True, [])
    listed = rules_of(house, job)["directories"][1]["objects"][0]["attributes"]
    assert list(shown) == [item["name"] for item in listed]


@pytest.mark.parametrize("name", BADGES)
def test_an_attribute_of_any_urn_is_added_shown_mapped_and_then_not_removed(
    house: House, job: Started, name: str
) -> None:
    given = {"name": name, "type": "Integer", "caseExact": True, "mutability": "Immutable", "multivalued": True}
    added = house.call("POST", list_path(job), given)
    assert added.status == 201, added.text
    shown = house.call("GET", one(job, name)).body
    assert {**given, "required": False, "anchor": False, "mappedBy": []}.items() <= shown.items()
    assert shown["referencedObjects"] == shown["apiExpressions"] == shown["metadata"] == []
    assert rules_of(house, job)["version"] == "2"
    schema = rules_of(house, job)
    mapping = {"targetAttributeName": name, "matchingPriority": 0, "source": mapping_of(schema, "title")["source"]}
    users_of(schema)["attributeMappings"].append(mapping)
    assert house.call("PUT", path_of(job), schema).status == 204
    refused = house.call("DELETE", one(job, name))
    assert (refused.status, refused.code) == (409, "AttributeInUse")
    assert users_of(schema)["name"] in refused.message
    users_of(schema)["attributeMappings"].pop()
    assert house.call("PUT", path_of(job), schema).status == 204
    assert house.call("DELETE", one(job, name)).status == 204
    assert name not in names(house, job)
    assert house.call("GET", one(job, name)).status == 404


def test_every_change_is_a_version_that_is_audited_and_can_be_taken_back(house: House, job: Started) -> None:
    before = rules_of(house, job)
    changed = house.call("PATCH", one(job, "title"), {"mutability": "Immutable", "required": True})
    assert (changed.status, changed.body["mutability"], changed.body["mappedBy"]) == (
        200,
        "Immutable",
        [users_of(before)["name"]],
    )
    version = house.call("GET", f"{path_of(job)}/versions/2").body
    paths = [item["path"].rpartition("attributes")[2] for item in version["changes"]]
    assert paths == ["[title].mutability", "[title].required"]
    assert "[title].mutability" in house.call("GET", "/auditLogs/directoryAudits").text
    assert house.call("POST", f"{path_of(job)}/versions/1/restore").status == 200
    assert rules_of(house, job)["directories"] == before["directories"]
    # Nothing changed is no version.
    assert house.call("PATCH", one(job, "title"), {"required": False}).status == 200
    assert rules_of(house, job)["version"] == "3"


def test_unknown_fields_of_an_imported_attribute_stay_when_another_property_changes(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    listed = schema["directories"][1]["objects"][0]["attributes"]
    next(item for item in listed if item["name"] == "title")["somethingOfGraph"] = {"a": [1]}
    assert house.call("PUT", path_of(job), schema).status == 204
    assert house.call("PATCH", one(job, "title"), {"flowNullValues": True}).status == 200
    assert house.call("GET", one(job, "title")).body["somethingOfGraph"] == {"a": [1]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs a name"),
        ({"name": "  "}, "needs a name"),
        ({"name": 7}, "needs a name"),
        ({"name": "x" * 2_000}, "more than 1024"),
        ({"name": "emails[type"}, "no attribute path"),
        ({"name": "a b"}, "no attribute path"),
        ({"name": "x", "type": "Text"}, "String, Integer"),
        ({"name": "x", "type": None}, "String, Integer"),
        ({"name": "x", "mutability": "readWrite"}, "ReadWrite, ReadOnly"),
        ({"name": "x", "required": "yes"}, "required takes true or false"),
        ({"name": "x", "multiValued": True}, "no property “multiValued”"),
        ({"name": "x", "defaultValue": 5}, "a text or null"),
        ({"name": "x", "metadata": "a"}, "metadata takes a list"),
        ({"name": "x", "type": "Reference"}, "needs referencedObjects"),
        ({"name": "x", "type": "Reference", "referencedObjects": [{"referencedObjectName": "Cat"}]}, "takes one of"),
        ({"name": "x", "referencedObjects": [{"referencedObjectName": ENTERPRISE}]}, "of type Reference"),
        ({"name": "x", "anchor": True}, "exactly one"),
        ({"name": "x", "required": True}, "no mapping for x, which the target requires"),
    ],
)
def test_a_wrong_attribute_is_refused_and_the_list_stays(
    house: House, job: Started, given: dict[str, Any], said: str
) -> None:
    before = names(house, job)
    refused = house.call("POST", list_path(job), given)
    assert (refused.status, said in refused.message) == (400, True), refused.text
    assert (names(house, job), rules_of(house, job)["version"]) == (before, "1")


@pytest.mark.parametrize(
    ("name", "changes", "status", "said"),
    [
        ("title", {"name": "other"}, 400, "cannot be changed"),
        ("title", {"anchor": True}, 400, "exactly one"),
        ("id", {"anchor": False}, 400, "needs a key"),
        ("userName", {"multivalued": True}, 400, "cannot be a matching attribute"),
        ("title", {"mutability": "ReadOnly"}, 400, "read-only"),
        ("title", {"caseexact": True}, 400, "no property “caseexact”"),
        ("nowhere", {"caseExact": True}, 404, "nowhere"),
    ],
)
def test_a_change_that_the_rules_do_not_bear_is_refused(
    house: House, job: Started, name: str, changes: dict[str, Any], status: int, said: str
) -> None:
    refused = house.call("PATCH", one(job, name), changes)
    assert (refused.status, said in refused.message) == (status, True), refused.text
    assert rules_of(house, job)["version"] == "1"


def test_a_name_that_is_there_in_another_letter_case_is_not_added(house: House, job: Started) -> None:
    refused = house.call("POST", list_path(job), {"name": "USERNAME"})
    assert (refused.status, refused.code) == (409, "AttributeExists")
    assert "userName" in refused.message


def test_the_key_of_the_target_stays_on_the_list(house: House, job: Started) -> None:
    refused = house.call("DELETE", one(job, "id"))
    assert (refused.status, "has to stay" in refused.message) == (400, True)


def test_our_own_directory_s_attributes_are_shown_and_not_changed(house: House, job: Started) -> None:
    path = list_path(job, "Directory", "User")
    assert "userPrincipalName" in {item["name"] for item in house.call("GET", path).body["value"]}
    for method, where, body in (("POST", path, {"name": "x"}), ("DELETE", f"{path}/mail", None)):
        refused = house.call(method, where, body)
        assert (refused.status, refused.code) == (400, "AttributeListFixed")


@pytest.mark.parametrize(("directory", "name"), [("Nowhere", ENTERPRISE), ("8x8", "Device")])
def test_a_list_that_is_not_there_is_not_found(house: House, job: Started, directory: str, name: str) -> None:
    assert house.call("GET", list_path(job, directory, name)).status == 404
    assert house.call("POST", list_path(job, directory, name), {"name": "x"}).status == 404


def test_readers_see_the_list_and_do_not_change_it(house: House, job: Started) -> None:
    reader = house.token_for(Role.GLOBAL_READER)
    assert house.call("GET", list_path(job), token=reader).status == 200
    assert house.call("POST", list_path(job), {"name": "x"}, token=reader).status == 403
    assert house.call("PATCH", one(job, "title"), {"caseExact": True}, token=reader).status == 403
    assert house.call("DELETE", one(job, "title"), token=reader).status == 403


def test_discovery_says_what_it_has_added_and_leaves_out_what_is_there_in_other_letters(
    house: House, job: Started
) -> None:
    house.make_target = DescribedTarget
    assert house.call("POST", list_path(job), {"name": "urn:example:ANY-shape:shoesize"}).status == 201
    assert house.call("POST", f"{path_of(job)}/directories/8x8/discover").body["addedAttributes"] == []
    assert house.call("DELETE", one(job, "urn:example:ANY-shape:shoesize")).status == 204
    answer = house.call("POST", f"{path_of(job)}/directories/8x8/discover").body
    assert answer["addedAttributes"] == [{"objectName": ENTERPRISE, "attributeName": "urn:example:any-shape:shoeSize"}]


def test_a_full_list_takes_no_more(house: House, job: Started) -> None:
    schema = copy.deepcopy(rules_of(house, job))
    listed = schema["directories"][1]["objects"][0]["attributes"]
    listed += [{"name": f"x{number}"} for number in range(1_000 - len(listed))]
    assert house.call("PUT", path_of(job), schema).status == 204
    refused = house.call("POST", list_path(job), {"name": "onemore"})
    assert (refused.status, "no room" in refused.message) == (400, True)
