"""Users, groups, members, managers and the recycle bin over the API."""

from typing import Any

import pytest

from faces.house import House
from muster.web.graph.odata import skip_token

NOBODY = "99999999-9999-9999-9999-999999999999"


def test_a_user_is_shown_under_graphs_names(house: House) -> None:
    made = house.user(
        "zoe",
        givenName="Zoë",
        businessPhones=["+31 20 1"],
        mobilePhone="+31 6 1",
        officeLocation="Utrecht",
        otherMails=["z@x.example"],
        onPremisesExtensionAttributes={"extensionAttribute3": "Europe/Amsterdam"},
    )
    shown = house.call("GET", f"/users/{made['id']}").body
    assert shown["businessPhones"] == ["+31 20 1"]
    assert (shown["mobilePhone"], shown["officeLocation"], shown["otherMails"]) == (
        "+31 6 1",
        "Utrecht",
        ["z@x.example"],
    )
    assert shown["onPremisesExtensionAttributes"] == {"extensionAttribute3": "Europe/Amsterdam"}
    assert (shown["jobTitle"], shown["userType"], shown["deletedDateTime"]) == (None, "Member", None)
    assert house.call("GET", "/users/zoe@example.com?$select=id,mail").body == {
        "@odata.context": shown["@odata.context"],
        "id": made["id"],
        "mail": None,
    }


def test_clearing_a_property_leaves_the_others(house: House) -> None:
    made = house.user(department="Sales", businessPhones=["1"], jobTitle="Clerk")
    path = f"/users/{made['id']}"
    assert house.call("PATCH", path, {"department": None, "businessPhones": []}).status == 204
    shown = house.call("GET", path).body
    assert "department" not in shown
    assert (shown["businessPhones"], shown["jobTitle"]) == ([], "Clerk")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"displayName": None}, "displayName"),
        ({"userPrincipalName": None}, "userPrincipalName"),
        ({"userPrincipalName": "no-at"}, "alias@domain"),
        ({"userPrincipalName": "two words@example.com"}, "alias@domain"),
        ({"accountEnabled": "yes"}, "takes true or false"),
        ({"department": 7}, "department takes a text"),
        ({"department": "x" * 2_000}, "at most 1,024"),
        ({"displayName": "x" * 257}, "at most 256"),
        ({"department": "a\u0000b"}, "control character"),
        ({"otherMails": "a@b.example"}, "takes a list"),
        ({"otherMails": ["a"] * 300}, "at most 250"),
        ({"otherMails": [1]}, "takes a text"),
        ({"businessPhones": ["1", "2"]}, "list of one"),
        ({"businessPhones": "1"}, "list of one"),
        ({"employeeHireDate": "tomorrow"}, "instant"),
        ({"employeeHireDate": 1}, "instant"),
        ({"shoeSize": 44}, "no property shoeSize"),
        ({"id": "1"}, "read-only"),
        ({"onPremisesExtensionAttributes": {"extensionAttribute16": "x"}}, "extensionAttribute15"),
    ],
)
def test_a_wrong_property_is_refused_by_name_and_nothing_is_changed(
    house: House, change: dict[str, Any], says: str
) -> None:
    made = house.user("ada", department="Sales")
    for method, path, body in (
        ("PATCH", f"/users/{made['id']}", {"jobTitle": "Clerk", **change}),
        ("POST", "/users", {"displayName": "B", "userPrincipalName": "b@example.com", **change}),
    ):
        answer = house.call(method, path, body)
        assert (answer.status, answer.code) == (400, "Request_BadRequest")
        assert says in answer.message
    assert house.call("GET", f"/users/{made['id']}").body["jobTitle"] is None
    assert len(house.call("GET", "/users").body["value"]) == 1


def test_a_second_user_of_a_principal_name_is_refused(house: House) -> None:
    house.user("ada")
    answer = house.call("POST", "/users", {"displayName": "Other", "userPrincipalName": "ADA@example.com"})
    assert answer.status == 400
    assert answer.body["error"]["details"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("$filter=userPrincipalName eq 'ADA@example.com'", ["ada"]),
        ("$filter=startswith(displayName,'B')", ["ben", "bob"]),
        ("$filter=(department eq 'Sales') and accountEnabled eq false", ["bob"]),
        ("$filter=accountEnabled eq true and officeLocation eq 'Utrecht'", ["ada"]),
        ("$filter=contains(mail,'@post')", ["ben"]),
        ("$filter=department eq 'O''Hare'", []),
        ('$search="displayName:be"', ["ben"]),
        ("$top=2", ["ada", "ben"]),
        ("$filter=displayName eq 'ada example' or mail eq 'BEN@post.example'", ["ada", "ben"]),
        ("$filter=department eq 'Sales' or userPrincipalName eq 'ben@example.com'", ["ada", "ben", "bob"]),
        ("$filter=not(department eq 'Sales') and not startswith(displayName,'A')", ["ben"]),
        ("$filter=not(mail eq 'ben@post.example')", ["ada", "bob"]),
        ("$filter=mail ne 'ben@post.example'", ["ada", "bob"]),
        ("$filter=mail eq null", ["ada", "bob"]),
        ("$filter=userPrincipalName in ('ADA@example.com','bob@example.com')", ["ada", "bob"]),
        ("$filter=department in ('sales','none')", ["ada", "bob"]),
        ("$filter=endswith(mail,'POST.example')", ["ben"]),
        ("$filter=startswith(mail,'b') eq false", ["ada", "bob"]),
        ("$filter=otherMails/any(m:startswith(m,'ada'))", ["ada"]),
        ("$filter=businessPhones/any(p:p eq '%2B31 1')", ["ada"]),
        ("$filter=onPremisesExtensionAttributes/extensionAttribute3 eq 'x'", ["bob"]),
        ("$filter=ACCOUNTENABLED eq false", ["bob"]),
        ("$filter=createdDateTime ge 2026-05-04T08:00:00Z and createdDateTime lt 2026-05-05", ["ada", "ben", "bob"]),
        ("$filter=createdDateTime lt 2026-05-04 or department eq 'Sales'", ["ada", "bob"]),
        ("$filter=displayName gt 'b' and displayName le 'bf'", ["ben"]),
        ('$search="displayName:exa"', ["ada", "ben", "bob"]),
        ('$search="displayName:ada" OR "mail:ben"', ["ada", "ben"]),
        ('$search="displayName:exa" AND "userPrincipalName:bob"', ["bob"]),
        ('$search="Bob"', ["bob"]),
        ("$search=bob", ["bob"]),
    ],
)
def test_users_are_found_by_filter(house: House, query: str, found: list[str]) -> None:
    house.user("ada", department="Sales", officeLocation="Utrecht", otherMails=["ada@home"], businessPhones=["+31 1"])
    house.user(
        "bob",
        department="Sales",
        accountEnabled=False,
        onPremisesExtensionAttributes={"extensionAttribute3": "X"},
    )
    house.user("ben", mail="ben@post.example")
    listed = house.call("GET", f"/users?{query}")
    assert listed.status == 200, listed.text
    assert sorted(each["userPrincipalName"].partition("@")[0] for each in listed.body["value"]) == found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("$filter=displayName eq", "position 15"),
        (f"$filter=displayName eq {'9' * 5_000}", "up to 40 characters"),
        ("$filter=displayName is 'x'", "position 13"),
        ("$filter=displayName eq 'x' xor mail eq 'y'", "position 20"),
        ("$filter=displayName eq 'x' and", "ends where"),
        ("$filter=not", "ends where"),
        ("$filter=otherMails/any(m:n eq 'x')", "position 18"),
        ("$filter=otherMails/any(m/x:m eq 'x')", "variable"),
        ("$filter=otherMails eq 'x'", "any(x: …)"),
        ("$filter=mail/any()", "no list"),
        ("$filter=mail in ('x'", "ends where"),
        ("$filter=accountEnabled eq 'true'", "true or false"),
        ("$filter=startswith(accountEnabled,'t')", "no text"),
        ("$filter=createdDateTime gt 'soon'", "instant"),
        ("$filter=" + "(" * 30 + "mail eq 'x'" + ")" * 30, "nested deeper"),
        ("$filter=mail in (" + ",".join(["'x'"] * 101) + ")", "at most 100"),
        ("$filter=eq 'x'", "position 4"),
        ("$filter=startswith(displayName)", "position 23"),
        ("$filter=startswith(displayName,7)", "single quotes"),
        ("$filter=(displayName eq 'x'", "ends where"),
        ("$filter=shoeSize eq 44", "shoeSize"),
        ("$filter=displayName eq 2026-99-99", "no instant"),
        ("$filter=" + " and ".join(["mail eq 'x'"] * 51), "more than 50"),
        ("$filter=mail eq '" + "x" * 9_000 + "'", "more than 8000"),
        ("$top=0", "$top"),
        ("$top=1001", "$top"),
        ("$top=0000000011000000", "$top"),
        ("$top=many", "$top"),
        ("$skiptoken=bogus", "$skiptoken"),
        ("$skiptoken=%C3%A9", "$skiptoken"),
        ("$count=maybe", "$count"),
        ("$orderby=department", "$orderby"),
        ("$orderby=displayName up", "$orderby"),
        ("$expand=manager($top=1)", "$expand"),
        ("$expand=foo", "$expand takes manager here, not foo"),
        ("$expand=manager,members", "not members"),
        ('$search="shoes:44"', "$search"),
        ('$search="displayName:', "$search"),
        ('$search="displayName:x" AND', "$search"),
        ('$search="displayName:x" "mail:y"', "$search"),
        ('$search="displayName: "', "$search"),
        ("$apply=x", "$apply"),
    ],
)
def test_a_broken_query_is_refused_by_name_and_position(house: House, query: str, says: str) -> None:
    answer = house.call("GET", f"/users?{query}")
    assert answer.status == 400
    assert says in answer.message


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("displayName", ["ada", "ben", "bob", "zoe"]),
        ("displayName desc", ["zoe", "bob", "ben", "ada"]),
        ("userPrincipalName asc", ["zoe", "ben", "bob", "ada"]),
        ("userPrincipalName desc", ["ada", "bob", "ben", "zoe"]),
    ],
)
@pytest.mark.parametrize("condition", ["", "&$filter=department eq null"])
def test_users_come_in_the_order_that_is_asked_for(
    house: House, order: str, expected: list[str], condition: str
) -> None:
    for name, principal in (("ada", "z"), ("ben", "b"), ("bob", "m"), ("zoe", "a")):
        house.user(name, userPrincipalName=f"{principal}@example.com", jobTitle=name)
    path, seen = f"/users?$orderby={order}&$top=3&$select=jobTitle&$count=true{condition}", []
    while path:
        page = house.call("GET", path).body
        assert page.get("@odata.count", 4) == 4
        seen += [each["jobTitle"] for each in page["value"]]
        path = page.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert seen == expected


def test_managers_are_shown_in_a_list_of_users(house: House) -> None:
    boss = house.user("boss")
    house.user("ada", **{"manager@odata.bind": f"https://x/v1.0/users/{boss['id']}"})
    listed = house.call("GET", "/users?$expand=manager($select=displayName)&$select=displayName").body["value"]
    assert [set(each) for each in listed] == [{"displayName", "manager"}] * 2
    assert listed[0]["manager"] == {"@odata.type": "#microsoft.graph.user", "displayName": "Boss Example"}
    assert listed[1]["manager"] is None


def test_people_are_counted_by_filter(house: House) -> None:
    for name in ("ada", "ben", "bob"):
        house.user(name, department="Sales" if name == "ada" else None)
    assert house.call("GET", "/users/$count").text == "3"
    assert house.call("GET", "/users/$count?$filter=startswith(displayName,'b')").text == "2"
    assert house.call("GET", "/users/$count?$filter=department eq 'sales'").text == "1"


def test_pages_lead_on_until_all_are_seen(house: House) -> None:
    for number in range(5):
        house.user(f"user{number}")
    path = "/users?$top=2&$select=id&$filter=startswith(displayName,'User')"
    seen: list[str] = []
    for _ in range(3):
        page = house.call("GET", path)
        seen += [each["id"] for each in page.body["value"]]
        link = page.body.get("@odata.nextLink")
        if link is None:
            break
        path = link.partition("/v1.0")[2]
    assert len(seen) == len(set(seen)) == 5
    assert link is None


def test_a_page_s_token_serves_for_its_collection_only(house: House) -> None:
    for number in range(3):
        house.user(f"user{number}")
    link = house.call("GET", "/users?$top=1").body["@odata.nextLink"]
    token = link.partition("skiptoken=")[2]
    assert house.call("GET", f"/groups?$skiptoken={token}").status == 400


def test_users_can_be_counted(house: House) -> None:
    house.user("ada")
    house.user("bob")
    assert house.call("GET", "/users/$count").text == "2"
    assert house.call("GET", "/users?$count=true&$top=1").body["@odata.count"] == 2
    assert house.call("GET", "/groups/$count").text == "0"


def test_members_come_and_go(house: House) -> None:
    ada, bob = house.user("ada"), house.user("bob")
    group = house.group("Sales", **{"members@odata.bind": [f"https://x/v1.0/users/{ada['id']}"]})
    path = f"/groups/{group['id']}"
    reference = {"@odata.id": f"https://x/v1.0/directoryObjects('{bob['id']}')"}
    assert house.call("POST", f"{path}/members/$ref", reference).status == 204
    twice = house.call("POST", f"{path}/members/$ref", reference)
    assert (twice.status, twice.code) == (400, "Request_BadRequest")
    assert "already exist" in twice.message
    listed = house.call("GET", f"{path}/members").body["value"]
    assert {each["id"] for each in listed} == {ada["id"], bob["id"]}
    assert listed[0]["@odata.type"] == "#microsoft.graph.user"
    assert [each["id"] for each in house.call("GET", f"/users/{ada['id']}/memberOf").body["value"]] == [group["id"]]
    assert house.call("DELETE", f"{path}/members/{ada['id']}/$ref").status == 204
    assert house.call("DELETE", f"{path}/members/{ada['id']}/$ref").status == 404
    bind = {"displayName": "Sales 2", "members@odata.bind": [f"https://x/users/{ada['id']}"]}
    assert house.call("PATCH", path, bind).status == 204
    assert house.call("GET", path).body["displayName"] == "Sales 2"
    assert house.call("GET", f"{path}/members?$count=true").body["@odata.count"] == 2
    assert house.call("DELETE", path).status == 204
    assert house.call("GET", path).status == 404


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ({"@odata.id": f"https://x/v1.0/users/{NOBODY}"}, 404),
        ({"@odata.id": ""}, 400),
        ({"@odata.id": 7}, 400),
        ({"@odata.id": "https://x/v1.0/users('')"}, 400),
        ({}, 400),
    ],
)
def test_a_wrong_reference_is_refused(house: House, reference: dict[str, Any], status: int) -> None:
    group, ada = house.group(), house.user("ada")
    assert house.call("POST", f"/groups/{group['id']}/members/$ref", reference).status == status
    assert house.call("PUT", f"/users/{ada['id']}/manager/$ref", reference).status == status


def test_memberships_of_any_depth_and_reports_are_listed(house: House) -> None:
    ada, bea, inner, outer = house.user(), house.user("bea"), house.group("Inner"), house.group("Outer")
    for group, member in ((inner, ada), (outer, inner), (outer, bea)):
        reference = {"@odata.id": f"https://graph/directoryObjects/{member['id']}"}
        assert house.call("POST", f"/groups/{group['id']}/members/$ref", reference).status == 204
    reference = {"@odata.id": f"https://graph/users/{bea['id']}"}
    assert house.call("PUT", f"/users/{ada['id']}/manager/$ref", reference).status == 204

    def ids(path: str) -> set[str]:
        return {each["id"] for each in house.call("GET", path).body["value"]}

    around, within = f"/users/{ada['id']}/transitiveMemberOf", f"/groups/{outer['id']}/transitiveMembers"
    assert ids(around) == ids(f"{around}/microsoft.graph.group") == {inner["id"], outer["id"]}
    assert ids(f"/groups/{inner['id']}/transitiveMemberOf") == {outer["id"]}
    assert ids(within) == {ada["id"], bea["id"], inner["id"]}
    assert ids(f"{within}/microsoft.graph.user") == {ada["id"], bea["id"]}
    assert ids(f"{within}/microsoft.graph.group") == {inner["id"]}
    assert house.call("GET", f"{within}/$count").text == "3"
    assert ids("/users/bea@example.com/directReports") == {ada["id"]}
    assert house.call("GET", "/users/nobody/directReports").status == 404
    assert house.call("GET", "/groups/nobody/transitiveMembers").status == 404


def test_a_group_is_no_member_of_itself_and_a_user_not_their_own_manager(house: House) -> None:
    group, ada = house.group(), house.user("ada")
    answer = house.call("POST", f"/groups/{group['id']}/members/$ref", {"@odata.id": f"https://x/{group['id']}"})
    assert answer.status == 400
    answer = house.call("PUT", f"/users/{ada['id']}/manager/$ref", {"@odata.id": f"https://x/{ada['id']}"})
    assert "own manager" in answer.message
    assert house.call("DELETE", f"/users/{ada['id']}/manager/$ref").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"mailEnabled": False, "securityEnabled": True},
        {"displayName": "G", "securityEnabled": 1},
        {"displayName": "G", "members@odata.bind": "x"},
        {"displayName": "G", "members@odata.bind": [f"https://x/users/{NOBODY}"]},
        {"displayName": "G", "colour": "red"},
    ],
)
def test_a_wrong_group_is_refused_and_not_made(house: House, body: dict[str, Any]) -> None:
    assert house.call("POST", "/groups", body).status in (400, 404)
    assert house.call("GET", "/groups").body["value"] == []


def test_a_manager_can_be_given_at_once_and_shown_with_the_user(house: House) -> None:
    boss = house.user("boss")
    made = house.user("ada", **{"manager@odata.bind": f"https://x/v1.0/users/{boss['id']}"})
    assert house.call("GET", f"/users/{made['id']}?$expand=manager").body["manager"]["id"] == boss["id"]
    house.call("DELETE", f"/users/{boss['id']}")
    assert house.call("GET", f"/users/{made['id']}?$expand=manager").body["manager"] is None


def test_a_change_is_in_the_audit_log_with_before_and_after(house: House) -> None:
    made = house.user("ada", department="Sales")
    house.call("PATCH", f"/users/{made['id']}", {"department": "Research", "accountEnabled": False})
    found = house.call("GET", "/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Disable account'").body
    (entry,) = found["value"]
    assert entry["targetResources"][0]["modifiedProperties"] == [
        {"displayName": "accountEnabled", "oldValue": "True", "newValue": "False"},
        {"displayName": "department", "oldValue": "Sales", "newValue": "Research"},
    ]
    assert entry["initiatedBy"]["user"]["displayName"] == "test"
    before = len(house.call("GET", "/auditLogs/directoryAudits").body["value"])
    house.call("PATCH", f"/users/{made['id']}", {"department": "Research"})
    assert len(house.call("GET", "/auditLogs/directoryAudits").body["value"]) == before


@pytest.mark.parametrize(("key", "status"), [("1", 200), ("x", 400), ("9" * 23, 400), ("1:\x00", 400), ("-1", 400)])
def test_a_forged_skiptoken_of_no_possible_key_is_refused(house: House, key: str, status: int) -> None:
    assert house.call("GET", f"/users?$skiptoken={skip_token(key, '/v1.0/users')}").status == status
