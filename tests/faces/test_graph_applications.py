"""The gallery, applications with their roles, and assignments over the API."""

from typing import Any

import pytest

from faces.house import House

NOBODY = "99999999-9999-9999-9999-999999999999"
DEFAULT_ACCESS = "00000000-0000-0000-0000-000000000000"
ROLE = {
    "id": "11111111-2222-3333-4444-555555555555",
    "displayName": "Agent",
    "value": "agent",
    "isEnabled": True,
    "allowedMemberTypes": ["User"],
}


def test_the_gallery_lists_applications_only(house: House) -> None:
    listed = house.call("GET", "/applicationTemplates").body["value"]
    names = [each["displayName"] for each in listed]
    assert "8x8" in names
    assert names == sorted(names, key=str.lower)
    found = house.call("GET", f"/applicationTemplates/{listed[0]['id']}").body
    assert {"displayName", "publisher", "categories", "supportedProvisioningTypes"} <= set(found)
    assert house.call("GET", "/applicationTemplates?$filter=startswith(displayName,'8x')").body["value"] != []
    assert house.call("GET", f"/applicationTemplates/{NOBODY}").status == 404
    assert house.call("POST", f"/applicationTemplates/{NOBODY}/instantiate", {"displayName": "x"}).status == 404
    assert house.call("GET", "/applicationTemplates?$filter=colour eq 'red'").status == 400


def test_two_instances_of_a_page_are_two_applications(house: House) -> None:
    one, other = house.application(), house.application()
    assert one["id"] != other["id"]
    assert one["appId"] != other["appId"]
    assert len(house.call("GET", "/servicePrincipals?$filter=displayName eq '8X8'").body["value"]) == 2
    assert len(house.call("GET", f"/servicePrincipals?$filter=appId eq '{one['appId']}'").body["value"]) == 1


def test_the_generic_application_has_microsoft_s_template_id(house: House) -> None:
    path = "/applicationTemplates/8adf8e6e-67b2-4cf2-a259-e3dc5476c621/instantiate"
    made = house.made(path, {"displayName": "Our wiki"})["servicePrincipal"]
    assert (made["displayName"], made["acceptsDefaultAccess"]) == ("Our wiki", True)
    assert house.call("GET", f"/servicePrincipals/{made['id']}/synchronization/templates").body["value"][0]["id"] == (
        "scim"
    )


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\nb", 7])
def test_a_wrong_display_name_is_refused(house: House, name: Any) -> None:
    template = house.call("GET", "/applicationTemplates").body["value"][0]["id"]
    answer = house.call("POST", f"/applicationTemplates/{template}/instantiate", {"displayName": name})
    assert answer.status == 400
    assert "displayName" in answer.message


def test_an_application_is_found_by_its_ids(house: House) -> None:
    made = house.application()
    by_app_id = house.call("GET", f"/servicePrincipals(appId='{made['appId']}')")
    assert by_app_id.body["id"] == made["id"]
    assert house.call("GET", f"/servicePrincipals('{made['id']}')").body["id"] == made["id"]
    registration = house.call("GET", f"/applications/{made['application']['id']}").body
    assert (registration["appId"], registration["id"]) == (made["appId"], made["application"]["id"])
    assert house.call("GET", f"/servicePrincipals/{made['application']['id']}").status == 404
    assert house.call("GET", "/servicePrincipals/8x8").status == 404
    assert len(house.call("GET", "/applications").body["value"]) == 1


def test_an_application_can_be_changed_and_removed(house: House) -> None:
    made = house.application()
    path = f"/servicePrincipals/{made['id']}"
    change = {"accountEnabled": False, "acceptsDefaultAccess": True, "displayName": "8x8 test"}
    assert house.call("PATCH", path, change).status == 204
    assert {name: house.call("GET", path).body[name] for name in change} == change
    assert house.call("PATCH", path, {"notes": "x", "loginUrl": "y"}).status == 400
    assert house.call("DELETE", path).status == 204
    assert house.call("GET", path).status == 404
    other = house.application()
    assert house.call("DELETE", f"/applications/{other['application']['id']}").status == 204
    assert house.call("GET", "/servicePrincipals").body["value"] == []


def test_roles_are_edited_as_the_manifest_is(house: House) -> None:
    made = house.application()
    path = f"/applications/{made['application']['id']}"
    roles = [*house.call("GET", path).body["appRoles"], ROLE]
    assert house.call("PATCH", path, {"appRoles": roles}).status == 204
    kept = house.call("GET", path).body["appRoles"]
    assert [each["displayName"] for each in kept][-1] == "Agent"
    # Deleting takes two steps.
    answer = house.call("PATCH", path, {"appRoles": kept[:-1]})
    assert (answer.status, answer.code) == (400, "CannotDeleteOrUpdateEnabledEntitlement")
    disabled = [*kept[:-1], {**kept[-1], "isEnabled": False}]
    assert house.call("PATCH", path, {"appRoles": disabled}).status == 204
    assert house.call("PATCH", path, {"appRoles": kept[:-1]}).status == 204
    assert len(house.call("GET", path).body["appRoles"]) == len(kept) - 1


def test_a_role_that_is_assigned_is_not_deleted(house: House) -> None:
    made, ada = house.application(), house.user()
    path = f"/applications/{made['application']['id']}"
    roles = house.call("GET", path).body["appRoles"]
    house.call("PATCH", path, {"appRoles": [*roles, ROLE]})
    assign(house, made["id"], ada["id"], ROLE["id"])
    house.call("PATCH", path, {"appRoles": [*roles, {**ROLE, "isEnabled": False}]})
    answer = house.call("PATCH", path, {"appRoles": roles})
    assert answer.status == 409
    assert "assigned 1 time:" in answer.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": "two words"}, "no blanks"),
        ({"value": ".agent"}, "full stop"),
        ({"value": "x" * 121}, "120"),
        ({"displayName": ""}, "displayName"),
        ({"displayName": "x" * 101}, "100"),
        ({"id": "agent"}, "GUID"),
        ({"id": DEFAULT_ACCESS}, "GUID"),
        ({"allowedMemberTypes": []}, "allowedMemberTypes"),
        ({"allowedMemberTypes": ["Robot"]}, "allowedMemberTypes"),
        ({"allowedMemberTypes": [7]}, "allowedMemberTypes"),
        ({"isEnabled": "yes"}, "isEnabled"),
    ],
)
def test_a_wrong_role_is_refused_with_what_is_wrong(house: House, change: dict[str, Any], says: str) -> None:
    made = house.application()
    path = f"/applications/{made['application']['id']}"
    before = house.call("GET", path).body["appRoles"]
    answer = house.call("PATCH", path, {"appRoles": [*before, {**ROLE, **change}]})
    assert answer.status == 400
    assert says in answer.message
    assert house.call("GET", path).body["appRoles"] == before


@pytest.mark.parametrize("twin", ["id", "value", "displayName"])
def test_two_roles_with_the_same_mark_are_refused(house: House, twin: str) -> None:
    made = house.application()
    other = {**ROLE, "id": NOBODY, "value": "other", "displayName": "Other", twin: ROLE[twin]}
    path = f"/applications/{made['application']['id']}"
    roles = [*house.call("GET", path).body["appRoles"], ROLE, other]
    assert "unique" in house.call("PATCH", path, {"appRoles": roles}).message


@pytest.mark.parametrize("roles", ["x", [7], {"a": 1}])
def test_roles_that_are_no_list_of_objects_are_refused(house: House, roles: Any) -> None:
    made = house.application()
    assert house.call("PATCH", f"/applications/{made['application']['id']}", {"appRoles": roles}).status == 400


def assign(house: House, sp: str, principal: str, role: Any) -> Any:
    body = {"principalId": principal, "resourceId": sp, "appRoleId": role}
    return house.made(f"/servicePrincipals/{sp}/appRoleAssignedTo", body)


def test_assignments_are_seen_from_all_sides(house: House) -> None:
    made, ada, group = house.application(), house.user(), house.group()
    role = made["appRoles"][0]["id"]
    first = assign(house, made["id"], ada["id"], role)
    assert first["principalDisplayName"] == "Ada Example"
    for kind, principal in (("groups", group), ("users", ada)):
        body = {"principalId": principal["id"], "resourceId": made["id"], "appRoleId": DEFAULT_ACCESS}
        house.made(f"/{kind}/{principal['id']}/appRoleAssignments", body)
    path = f"/servicePrincipals/{made['id']}/appRoleAssignedTo"
    assert len(house.call("GET", path).body["value"]) == 3
    assert len(house.call("GET", f"{path}?$filter=principalId eq '{ada['id']}'").body["value"]) == 2
    assert len(house.call("GET", f"{path}?$filter=principalId eq {ada['id']}").body["value"]) == 2
    assert len(house.call("GET", f"{path}?$filter=startswith(principalDisplayName,'Sa')").body["value"]) == 1
    assert house.call("GET", f"{path}/{first['id']}").body["appRoleId"] == role
    its = f"/users/{ada['id']}/appRoleAssignments"
    assert len(house.call("GET", its).body["value"]) == 2
    assert house.call("GET", f"{its}/{first['id']}").body["resourceDisplayName"] == "8x8"
    assert house.call("DELETE", f"{its}/{first['id']}").status == 204
    assert house.call("DELETE", f"{path}/{first['id']}").status == 404
    for each in house.call("GET", path).body["value"]:
        assert house.call("DELETE", f"{path}/{each['id']}").status == 204
    assert house.call("GET", path).body["value"] == []


def test_pages_of_assignments_lead_on(house: House) -> None:
    made = house.application()
    for number in range(3):
        assign(house, made["id"], house.user(f"user{number}")["id"], DEFAULT_ACCESS)
    path: str | None = f"/servicePrincipals/{made['id']}/appRoleAssignedTo?$top=2"
    sizes = []
    while path is not None:
        page = house.call("GET", path).body
        sizes.append(len(page["value"]))
        path = page["@odata.nextLink"].partition("/v1.0")[2] if "@odata.nextLink" in page else None
    assert sizes == [2, 1]


def test_the_same_assignment_twice_is_refused(house: House) -> None:
    made, ada = house.application(), house.user()
    body = {"principalId": ada["id"], "resourceId": made["id"], "appRoleId": made["appRoles"][0]["id"]}
    path = f"/servicePrincipals/{made['id']}/appRoleAssignedTo"
    house.made(path, body)
    answer = house.call("POST", path, body)
    assert answer.status == 400
    assert "already exists" in answer.message
    assert len(house.call("GET", path).body["value"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"principalId": NOBODY}, 404, "User or group"),
        ({"principalId": 7}, 400, "principalId"),
        ({"principalId": None}, 400, "principalId"),
        ({"appRoleId": NOBODY}, 400, "was not found on application"),
        ({"appRoleId": None}, 400, "appRoleId"),
        ({"resourceId": NOBODY}, 400, "resourceId"),
    ],
)
def test_a_wrong_assignment_is_refused(house: House, change: dict[str, Any], status: int, says: str) -> None:
    made, ada = house.application(), house.user()
    body = {"principalId": ada["id"], "resourceId": made["id"], "appRoleId": DEFAULT_ACCESS, **change}
    answer = house.call("POST", f"/servicePrincipals/{made['id']}/appRoleAssignedTo", body)
    assert (answer.status, says in answer.message) == (status, True), answer.text


def test_only_roles_for_users_and_enabled_ones_can_be_given_and_only_to_security_groups(house: House) -> None:
    made, ada, team = house.application(), house.user(), house.group("Team", securityEnabled=False)
    path = f"/applications/{made['application']['id']}"
    disabled = {**ROLE, "isEnabled": False}
    robots = {**ROLE, "id": NOBODY, "displayName": "Robots", "value": "r", "allowedMemberTypes": ["Application"]}
    house.call("PATCH", path, {"appRoles": [*made["appRoles"], disabled, robots]})
    for principal, role, says in (
        (ada, ROLE["id"], "is disabled"),
        (ada, NOBODY, "cannot be given to users"),
        (team, DEFAULT_ACCESS, "not security-enabled"),
    ):
        body = {"principalId": principal["id"], "resourceId": made["id"], "appRoleId": role}
        answer = house.call("POST", f"/servicePrincipals/{made['id']}/appRoleAssignedTo", body)
        assert (answer.status, says in answer.message) == (400, True), answer.text


def test_the_principal_in_the_address_and_in_the_body_must_agree(house: House) -> None:
    made, ada, bob = house.application(), house.user("ada"), house.user("bob")
    body = {"principalId": bob["id"], "resourceId": made["id"], "appRoleId": DEFAULT_ACCESS}
    assert house.call("POST", f"/users/{ada['id']}/appRoleAssignments", body).status == 400
    assert house.call("POST", f"/users/{NOBODY}/appRoleAssignments", body).status == 404
    assert house.call("GET", f"/groups/{ada['id']}/appRoleAssignments").status == 404


def test_applications_of_one_name_cannot_be_written_into_a_file(house: House) -> None:
    house.application()
    house.application()
    answer = house.call("GET", "/configuration")
    assert (answer.status, answer.code) == (409, "Conflict")
    assert "8x8" in answer.message


def test_ids_cannot_be_changed_and_a_whole_application_can_be_sent_back(house: House) -> None:
    sp = house.application()
    application = sp.pop("application")
    for path, shown in ((f"/servicePrincipals/{sp['id']}", sp), (f"/applications/{application['id']}", application)):
        for name in ("id", "appId"):
            answer = house.call("PATCH", path, {name: "another"})
            assert (answer.status, f"{name} cannot be changed" in answer.message) == (400, True)
        same = {name: shown[name] for name in ("id", "appId", "displayName", "appRoles")}
        assert house.call("PATCH", path, same).status == 204
