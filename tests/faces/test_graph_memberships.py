"""Scoping filters that ask for groups of the directory: groups named and kept over the API, and in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faces.house import House, Started
from faces.test_configuration_as_code import FILE, _config, _differences, _installation
from faces.test_graph_schema_versions import path_of, rules_of, users_of
from muster.administration.group_clauses import Sieve, called
from muster.administration.mapping_edits import count_scope
from muster.administration.refusals import Refused
from muster.bootstrap.house import open_house
from muster.model.directory import ObjectKind
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.ports.directory import DirectoryQuery, ObjectWrite
from muster.settings import load_settings


def with_clause(schema: dict[str, Any], *groups: str, operator: str = "MEMBER_OF", attribute: str = "memberOf") -> Any:
    clause = {"sourceOperandName": attribute, "operatorName": operator, "targetOperand": {"values": list(groups)}}
    users_of(schema)["scope"] = {"groups": [{"name": "Staff", "clauses": [clause]}]}
    return schema


def kept_groups(house: House, job: Started) -> Any:
    return users_of(rules_of(house, job))["scope"]["groups"][0]["clauses"][0]["targetOperand"]["values"]


def a_filter(*groups: str, operator: str = "MEMBER_OF") -> ScopingFilter:
    clause = FilterClause(attribute="memberOf", operator=operator, values=groups)
    return ScopingFilter(groups=(FilterGroup(name="Staff", clauses=(clause,)),))


@pytest.mark.parametrize("attribute", ["memberOf", "objectId"])
def test_a_group_is_named_by_name_or_id_and_kept_by_its_id(house: House, job: Started, attribute: str) -> None:
    sales, north = house.group("Sales")["id"], house.group("North")["id"]
    schema = with_clause(rules_of(house, job), "sales", north, attribute=attribute)
    checked = house.call("POST", f"{path_of(job)}/validate", schema)
    assert checked.body == {"valid": True, "problems": []}
    assert house.call("PUT", path_of(job), schema).status == 204
    assert kept_groups(house, job) == [sales, north]
    # What is read can be sent again, and is the same: no new version.
    version = rules_of(house, job)["version"]
    assert house.call("PUT", path_of(job), rules_of(house, job)).status == 204
    assert rules_of(house, job)["version"] == version


def test_a_group_that_is_not_there_is_refused_by_its_name(house: House, job: Started) -> None:
    house.group("Twin")
    house.group("Twin", mailNickname="twin2")
    deleted = house.group("Gone")["id"]
    assert house.call("DELETE", f"/groups/{deleted}").status == 204
    schema = with_clause(rules_of(house, job), "Nobodies", "Twin", deleted)
    answer = house.call("PUT", path_of(job), schema)
    assert answer.status == 400
    told = str(answer.body["error"])
    assert "Scoping filter “Staff” asks for the group Nobodies: the directory has none of this name or id." in told
    assert "Several groups are called Twin: name the one you mean by its id." in told
    assert "it is deleted; restore it, or name another." in told
    assert house.call("POST", f"{path_of(job)}/validate", schema).body["valid"] is False


def test_rules_that_name_a_group_that_went_since_can_still_be_changed(house: House, job: Started) -> None:
    sales = house.group("Sales")["id"]
    assert house.call("PUT", path_of(job), with_clause(rules_of(house, job), sales)).status == 204
    assert house.call("DELETE", f"/groups/{sales}").status == 204
    schema = rules_of(house, job)
    users_of(schema)["name"] = "Other"
    assert house.call("PUT", path_of(job), schema).status == 204
    assert kept_groups(house, job) == [sales]


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ({"attribute": "department"}, "its attribute is memberOf"),
        ({"operator": "EQUALS"}, "memberOf is tested by MEMBER_OF and NOT MEMBER_OF alone"),
        ({"operator": "ALL MEMBER_OF"}, "takes no ANY and no ALL"),
    ],
)
def test_a_clause_that_asks_otherwise_is_refused(house: House, job: Started, clause: dict[str, str], told: str) -> None:
    house.group("Sales")
    answer = house.call("PUT", path_of(job), with_clause(rules_of(house, job), "Sales", **clause))
    assert answer.status == 400
    assert told in answer.body["error"]["message"]
    assert house.call("PUT", path_of(job), with_clause(rules_of(house, job))).status == 400


def test_no_more_groups_are_looked_for_than_a_filter_may_name(
    house: House, job: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.administration.group_clauses.MAX_VALUES", 2)
    names = [house.group(f"G{number}")["displayName"] for number in range(4)]
    answer = house.call("PUT", path_of(job), with_clause(rules_of(house, job), *names))
    assert answer.status == 400
    assert answer.body["error"]["message"].startswith("Scoping filters ask for more than 2 groups: put people")
    assert house.call("PUT", path_of(job), with_clause(rules_of(house, job), *names[:2])).status == 204


@pytest.mark.parametrize(
    "scope",
    [
        {"groups": 5},
        {"groups": [5]},
        {"groups": [{"name": "x", "clauses": [5]}]},
        {"groups": [{"name": "x", "clauses": [{"operatorName": "MEMBER_OF", "sourceOperandName": "memberOf"}]}]},
        {"groups": [{"clauses": [{"operatorName": "MEMBER_OF", "targetOperand": {"values": [7, ""]}}]}]},
        {"groups": [{"clauses": [{"operatorName": "MEMBER_OF", "targetOperand": {"values": "Sales"}}]}]},
    ],
)
def test_a_scope_of_another_shape_is_refused_with_a_sentence(house: House, job: Started, scope: Any) -> None:
    schema = rules_of(house, job)
    users_of(schema)["scope"] = scope
    assert house.call("PUT", path_of(job), schema).status == 400
    assert house.call("PUT", path_of(job), {**schema, "synchronizationRules": [3]}).status == 400


def test_the_count_of_who_passes_reads_memberships(house: House) -> None:
    ada, bob = house.user("ada")["id"], house.user("bob")["id"]
    north, sales = house.group("North")["id"], house.group("Sales")["id"]
    house.stores.directory.change_members(north, add=[bob], remove=[])
    house.stores.directory.change_members(sales, add=[ada, north], remove=[])
    found = count_scope(house.desk, ObjectKind.USER, a_filter("Sales"))
    assert [name for _, name in found.let_in] == ["Ada Example"]
    assert ("Staff.memberOf MEMBER_OF 'Sales'") in {clause for *_, clause in found.left_out}
    deep = count_scope(house.desk, ObjectKind.USER, a_filter("Sales"), transitive=True)
    assert deep.inside == 2
    assert count_scope(house.desk, ObjectKind.USER, a_filter("Sales", operator="NOT MEMBER_OF")).inside == (
        found.outside
    )
    with pytest.raises(Refused, match="Nobodies"):
        Sieve(house.desk, a_filter("Nobodies"))


def test_groups_are_shown_by_names_that_are_nobody_elses(house: House) -> None:
    sales = house.group("Sales")["id"]
    twins = [house.group("Twin", mailNickname=name)["id"] for name in ("a", "b")]
    shown = called(house.desk, a_filter(sales, *twins, "unknown"))
    assert shown.groups[0].clauses[0].values == ("Sales", *twins, "unknown")


# ---------------------------------------------------------------- configuration as code

CLAUSE = "{attribute: memberOf, operator: MEMBER_OF, values: [Sales]}"


def _found(folder: Path, *members: str) -> str:
    """Makes the group Sales in an installation; returns its id."""
    house = open_house(load_settings(data=folder), folder)
    directory = house.store.directory
    write = ObjectWrite(kind=ObjectKind.GROUP, object_id=None, attributes={"displayName": "Sales"}, is_new=True)
    made: Any = directory.write([write], house.clock.now())[0]
    found = directory.search(DirectoryQuery(kind=ObjectKind.USER)).objects
    ids = [each.object_id for each in found if each.attributes["userPrincipalName"] in members]
    directory.change_members(made.object_id, add=ids, remove=[])
    house.database.close()
    return str(made.object_id)


def test_a_configuration_names_groups_and_is_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PHONES_TOKEN", "MUSTER_PHONES_SECRETTOKEN"):
        monkeypatch.setenv(name, "s3cret")
    one, two = _installation(tmp_path / "one"), _installation(tmp_path / "two")
    file = tmp_path / "muster.yaml"
    file.write_text(FILE.replace("{attribute: mail, operator: IS NOT NULL}", CLAUSE))
    refused = _config("plan", file, data=one)
    assert refused.status == 1 and "asks for the group Sales" in refused.err
    ids = [_found(folder, "ada@l.example") for folder in (one, two)]
    assert ids[0] != ids[1]
    assert _config("apply", file, "--yes", data=one).status == 0
    assert _differences(file, one) == []
    exported = _config("export", data=one).out
    assert ids[0] not in exported and "- Sales" in exported
    copy = tmp_path / "copy.yaml"
    copy.write_text(exported)
    assert _config("apply", copy, "--yes", data=two).status == 0
    assert _config("export", data=two).out == exported
    file.write_text(file.read_text().replace("operator: MEMBER_OF", "operator: NOT MEMBER_OF"))
    (found,) = _config("plan", file, "--json", data=one).json["consequences"]
    assert {each["sourceName"]: each["transition"] for each in found["objects"]} == {
        "Ada Long": "leavesScope",
        "Ben Short": "entersScope",
        "Cleo Wide": "entersScope",
    }


def test_people_are_assigned_by_a_rule_that_asks_for_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONES_TOKEN", "s3cret")
    one = _installation(tmp_path / "one")
    _found(one, "ben@l.example")
    file = tmp_path / "muster.yaml"
    file.write_text(FILE.replace("{attribute: department, operator: EQUALS, values: [Sales]}", CLAUSE))
    planned = {item["path"] for item in _differences(file, one)}
    assert "applications[Phones].assignments.ben@l.example as Lead" in planned
    assert "applications[Phones].assignments.ada@l.example as Lead" not in planned
