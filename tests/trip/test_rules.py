"""What rules do on the whole way: attributes of any extension, roles, cleared values, matching, discovery."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import ADDRESS, APP, JOB, Trip, WatchedTransport

from fakes.scim_service import ScimService, generic_profile
from fakes.scripted_transport import JoinedTransport
from muster.administration.access import OPERATOR
from muster.administration.attribute_list import add_attribute
from muster.administration.desk import Desk, Stores
from muster.gallery.schema import add_attributes, form_source
from muster.model.application import AppRole
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import SchemaRefused
from muster.model.operation import MatchingValue
from muster.model.schema_document import find_problems
from muster.scim.attributes import AttributeDefinition as ScimAttribute
from muster.scim.attributes import AttributeType, text
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, SchemaExtension
from muster.scim.schemas import SchemaDefinition
from muster.targets.scim import ScimTarget

# None of them has the one shape that elsewhere is needed for an attribute to be sent on creation.
URNS = ("urn:example:hr:people", "urn:ietf:params:scim:schemas:extension:acme:1.1:User", "urn:x-acme:1.0:Employee.v2")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    made = Trip(tmp_path, page="scim")
    extensions = tuple(
        SchemaExtension(
            schema=SchemaDefinition(
                id=urn,
                name="Acme",
                description="Acme's own attributes.",
                attributes=(
                    text("badge", "The badge.", case_exact=True),
                    ScimAttribute(name="tags", description="Tags.", multi_valued=True),
                    ScimAttribute(name="floor", description="The floor.", type=AttributeType.INTEGER),
                ),
            )
        )
        for urn in URNS
    )
    user = replace(GENERIC_USER_TYPE, extensions=(*GENERIC_USER_TYPE.extensions, *extensions))
    made.service = ScimService(replace(generic_profile(), resource_types=(user, GROUP_TYPE)))
    made.transport = WatchedTransport(JoinedTransport(made.service))
    return made


def edit_rules(trip: Trip, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the rules and saves them as an admin would."""
    document = copy.deepcopy(dict(trip.store.jobs.schema(JOB).document))
    change(document)
    assert find_problems(document) == ()
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())


def desk_of(trip: Trip) -> Desk:
    """The desk of an administrator of this house, with what the rules need of it."""
    stores: dict[str, Any] = {item.name: getattr(trip.store, item.name, None) for item in fields(Stores)}
    given: dict[str, Any] = dict.fromkeys(item.name for item in fields(Desk))
    given |= {"caller": OPERATOR, "stores": Stores(**stores), "clock": trip.clock, "ids": trip.ids}
    return Desk(**{**given, "together": nullcontext})


def users_of(document: dict[str, Any]) -> dict[str, Any]:
    return document["synchronizationRules"][0]["objectMappings"][0]  # type: ignore[no-any-return]  # JSON


def add(document: dict[str, Any], target: str, expression: str, **definition: Any) -> dict[str, Any]:
    """Adds a target attribute to the list, and its mapping, in place of one that is there."""
    attributes = document["directories"][1]["objects"][0]["attributes"]
    attributes[:] = [item for item in attributes if item["name"] != target]
    attributes.append({"name": target, "type": "String", **definition})
    mappings = users_of(document)["attributeMappings"]
    mappings[:] = [item for item in mappings if item["targetAttributeName"] != target]
    made = {"targetAttributeName": target, "source": form_source(expression), "matchingPriority": 0}
    mappings.append(made)
    return made


def bodies(trip: Trip, method: str) -> list[dict[str, Any]]:
    return [json.loads(request.body or b"{}") for request in trip.transport.requests if request.method == method]


# ---------------------------------------------------------------- extensions


def test_attributes_of_any_urn_go_out_with_the_first_request_and_their_schema_entry(trip: Trip) -> None:
    def change(document: dict[str, Any]) -> None:
        for urn in URNS:
            add(document, f"{urn}:badge", "[employeeId]", caseExact=True)
            add(document, f"{urn}:tags", "[otherMails]", multivalued=True)
            add(document, f"{urn}:floor", "[extensionAttribute1]", type="Integer")

    edit_rules(trip, change)
    ada = trip.hire("Ada", employeeId="E-1", otherMails=("a", "b"), extensionAttribute1="4")
    trip.run()
    (body,) = bodies(trip, "POST")
    assert set(URNS) <= set(body["schemas"])
    assert "PATCH" not in {request.method for request in trip.transport.requests}
    there = trip.at_target()["ada@lantaarn.example"]
    for urn in URNS:
        assert there[urn] == {"badge": "E-1", "tags": ["a", "b"], "floor": 4}
    trip.edit(ada, employeeId="E-2")
    trip.run()
    assert {there["badge"] for there in map(trip.at_target()["ada@lantaarn.example"].get, URNS)} == {"E-2"}
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


@pytest.mark.parametrize("urn", URNS)
def test_an_attribute_put_on_the_list_is_sent_at_creation_patched_later_and_read_back(trip: Trip, urn: str) -> None:
    name, users = f"{urn}:badge", users_of(dict(trip.store.jobs.schema(JOB).document))["targetObjectName"]
    directory = trip.store.jobs.schema(JOB).document["directories"][1]["name"]
    add_attribute(desk_of(trip), APP, JOB, directory, users, {"name": name, "caseExact": True})
    edit_rules(
        trip,
        lambda document: users_of(document)["attributeMappings"].append(
            {"targetAttributeName": name, "source": form_source("[employeeId]"), "matchingPriority": 0}
        ),
    )
    ada = trip.hire("Ada", employeeId="E-1")
    trip.run()
    (created,) = bodies(trip, "POST")
    assert (urn in created["schemas"], created[urn]) == (True, {"badge": "E-1"})
    trip.edit(ada, employeeId="e-1")
    trip.run()
    (patched,) = bodies(trip, "PATCH")
    assert {item["path"]: item["value"] for item in patched["Operations"]}[name] == "e-1"
    target = trip.open_job(JOB, {}).target
    (there,) = target.find(ObjectKind.USER, MatchingValue(attribute="userName", value="ada@lantaarn.example"))
    assert there.attributes[name] == "e-1"
    # What is read back is what was sent: nothing more is written.
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


def test_what_the_server_publishes_becomes_the_attribute_list(trip: Trip) -> None:
    target = trip.open_job(JOB, {}).target
    assert isinstance(target, ScimTarget)
    found = target.describe()
    users = {item.name: item for item in found[ObjectKind.USER]}
    assert users["userName"].required and users["active"].type == "Boolean"
    assert users[f"{ENTERPRISE}:manager"].type == "Reference"
    assert {"name.givenName", 'emails[type eq "work"].value', "externalId", f"{URNS[2]}:badge"} <= set(users)
    assert (users[f"{URNS[0]}:tags"].multivalued, users[f"{URNS[0]}:floor"].type) == (True, "Integer")
    assert [item.name for item in found[ObjectKind.GROUP] if item.type == "Reference"] == ["members"]
    document = trip.store.jobs.schema(JOB).document
    kinds = {users_of(dict(document))["targetObjectName"]: ObjectKind.USER}
    directory = add_attributes(document["directories"][1], kinds, found)
    assert find_problems({**document, "directories": [document["directories"][0], directory]}) == ()


@pytest.mark.parametrize("status", [404, 501])
def test_a_server_without_schemas_is_not_discovered(trip: Trip, status: int) -> None:
    target = trip.open_job(JOB, {}).target
    assert isinstance(target, ScimTarget)
    trip.transport.fault = lambda request, send: HttpResponse(status=status, headers={}, body=b"", elapsed=timedelta())
    with pytest.raises(SchemaRefused, match="publishes no schema"):
        target.describe()
    assert [request.url for request in trip.transport.requests] == [f"{ADDRESS}/Schemas", f"{ADDRESS}/ResourceTypes"]


# ---------------------------------------------------------------- clearing


def test_a_cleared_attribute_is_removed_once(trip: Trip) -> None:
    def change(document: dict[str, Any]) -> None:
        for item in users_of(document)["attributeMappings"]:
            if item["targetAttributeName"] in ("title", 'phoneNumbers[type eq "mobile"].value'):
                item["metadata"] = [{"key": "clearWhenNull", "value": "True"}]

    edit_rules(trip, change)
    ada = trip.hire("Ada", jobTitle="Engineer", mobile="+31 6 1", department="Sales")
    trip.run()
    trip.edit(ada, jobTitle=None, mobile=None, department=None)
    trip.run()
    (body,) = bodies(trip, "PATCH")
    assert {(item["op"], item["path"].split("[")[0]) for item in body["Operations"]} == {
        ("remove", "title"),
        ("remove", "phoneNumbers"),
    }
    there = trip.at_target()["ada@lantaarn.example"]
    assert "title" not in there and not there.get("phoneNumbers")
    # Nobody asked for the department to be cleared.
    assert there[ENTERPRISE]["department"] == "Sales"
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Lead"


# ---------------------------------------------------------------- roles


def give_roles(trip: Trip) -> tuple[str, str]:
    roles = (
        AppRole(id="r-1", display_name="Admin", value="admin"),
        AppRole(id="r-2", display_name="User", value="user"),
    )
    trip.store.applications.change(APP, app_roles=roles)
    return "r-1", "r-2"


def roles_of(trip: Trip) -> set[str]:
    return {role["value"] for role in trip.at_target()["ada@lantaarn.example"].get("roles", [])}


@pytest.mark.parametrize(
    ("function", "after_removal"),
    [
        ("AssertiveAppRoleAssignmentsComplex", {"user"}),
        ("AppRoleAssignmentsComplex", {"admin", "user"}),
    ],
)
def test_a_role_that_is_taken_away_goes_at_the_target_where_the_mapping_asserts(
    trip: Trip, function: str, after_removal: set[str]
) -> None:
    admin, user = give_roles(trip)
    edit_rules(trip, lambda d: add(d, "roles", f"{function}([appRoleAssignments])", multivalued=True) and None)
    ada = trip.hire("Ada", assigned=False)
    trip.assign(ada, role=user)
    trip.run()
    (created,) = bodies(trip, "POST")
    assert created["roles"] == [
        {"value": "user", "display": "User", "type": "WindowsAzureActiveDirectoryRole", "primary": False}
    ]
    given = trip.assign(ada, role=admin)
    trip.run()
    (body,) = bodies(trip, "PATCH")
    (operation,) = body["Operations"]
    assert operation["op"] == ("replace" if function.startswith("Assertive") else "add")
    assert {role["value"] for role in operation["value"]} >= {"admin"}
    assert roles_of(trip) == {"admin", "user"}
    trip.store.applications.unassign(given)
    trip.run()
    assert roles_of(trip) == after_removal
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


# ---------------------------------------------------------------- matching


def match_by(*targets: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for item in users_of(document)["attributeMappings"]:
            name = item["targetAttributeName"]
            item["matchingPriority"] = targets.index(name) + 1 if name in targets else 0

    return change


WORK_MAIL = 'emails[type eq "work"].value'


def test_matching_attributes_are_asked_in_order_and_the_first_hit_counts(trip: Trip) -> None:
    edit_rules(trip, match_by("externalId", "userName"))
    theirs = trip.account("ada@lantaarn.example")
    trip.service.ask("PATCH", f"/Users/{theirs}", patch("externalId", "someone-else"))
    other = trip.account("old-ada@lantaarn.example")
    trip.service.ask("PATCH", f"/Users/{other}", patch("externalId", "ada"))
    ada = trip.hire("Ada", mailNickname="ada", userPrincipalName="countess@lantaarn.example")
    trip.run()
    link = trip.link(ada)
    assert link is not None and link.target_id == other


def patch(path: str, value: str) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}],
    }


def test_of_two_of_one_name_who_match_one_account_only_one_has_it(trip: Trip) -> None:
    edit_rules(trip, match_by("externalId"))
    theirs = trip.account("ada@lantaarn.example")
    trip.service.ask("PATCH", f"/Users/{theirs}", patch("externalId", "ada"))
    both = [trip.hire("Ada", mailNickname="ada", userPrincipalName=f"{one}@lantaarn.example") for one in "ab"]
    cycle = trip.run()
    assert cycle is not None and cycle.counters.failed == 1
    assert sorted(link.target_id for one in both if (link := trip.link(one)) is not None) == [theirs]
    failures = [entry.failure.code for one in both for entry in trip.log(one) if entry.failure is not None]
    assert failures == ["DuplicateSourceEntries"]


def test_a_matching_attribute_without_a_value_is_skipped(trip: Trip) -> None:
    edit_rules(trip, match_by("externalId", "userName"))
    theirs = trip.account("ada@lantaarn.example")
    trip.run()
    ada = trip.hire("Ada")
    trip.run()
    link = trip.link(ada)
    assert link is not None and link.target_id == theirs
    asked = [request.url for request in trip.transport.requests if "filter=" in request.url]
    assert asked and all("userName" in url for url in asked)


def test_several_accounts_with_the_value_are_an_error_that_names_them(trip: Trip) -> None:
    edit_rules(trip, match_by(WORK_MAIL))
    one, two = trip.account("one@lantaarn.example"), trip.account("two@lantaarn.example")
    trip.run()
    ada = trip.hire("Ada", mail="old@lantaarn.example")
    cycle = trip.run()
    assert cycle is not None and cycle.counters.failed == 1
    assert trip.transport.writes == [] and trip.link(ada) is None
    entry = trip.log(ada)[0]
    assert entry.failure is not None
    assert (entry.failure.code, one in entry.failure.sentence, two in entry.failure.sentence) == (
        "DuplicateTargetEntries",
        True,
        True,
    )


@pytest.mark.parametrize("name", ['a"b', "a\\b", "o'neil", "a b", "ü&+%=#", "x) or (y"])
def test_values_with_special_characters_find_their_account_and_no_other(trip: Trip, name: str) -> None:
    theirs = trip.account(f"{name}@lantaarn.example")
    trip.account("other@lantaarn.example")
    # After the first cycle each account is looked up by a filter.
    trip.run()
    ada = trip.hire("Ada", userPrincipalName=f"{name}@lantaarn.example")
    trip.run()
    link = trip.link(ada)
    assert link is not None and link.target_id == theirs


def test_letter_case_counts_only_where_the_attribute_says_so(trip: Trip) -> None:
    edit_rules(trip, match_by("userName"))
    theirs = trip.account("ADA@lantaarn.example")
    ada = trip.hire("Ada")
    trip.run()
    link = trip.link(ada)
    assert link is not None and link.target_id == theirs
