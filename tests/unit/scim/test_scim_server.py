"""The server over the repository: what the exchanges kept as data do not reach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.scim_service import BASE_URL, Answer, ScimService, generic_profile, profile_8x8, read_answer
from muster.scim.errors import Forbidden, InternalError, ScimError, ServiceUnavailable
from muster.scim.limits import Limits
from muster.scim.messages import BULK_REQUEST_URN, PATCH_URN, ScimRequest, answer_error
from muster.scim.repository import Document, StoredResource
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN, USER_8X8_URN, USER_URN
from muster.scim.server import ScimServer


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH_URN], "Operations": list(operations)}


def test_the_stored_bytes_are_served_with_the_location_in_them() -> None:
    service = ScimService()
    user = service.make_user()
    stored = service.repository.get("User", user)
    assert stored is not None
    answer = service.ask("GET", f"/Users/{user}")
    assert answer.body.startswith(stored.body[:-2])
    assert answer.json["meta"]["location"] == answer.headers["Location"] == f"{BASE_URL}/Users/{user}"
    assert answer.json["meta"]["version"] == answer.headers["ETag"]


def test_a_look_up_that_was_read_already_is_answered_as_by_its_address() -> None:
    service = ScimService()
    user = service.make_user("ada")
    by_address = service.server.answer(ScimRequest(method="GET", path=f"/Users/{user}", base_url=BASE_URL))
    assert service.server.show("Users", user, BASE_URL) == by_address
    assert service.server.show("Users", "nobody", BASE_URL) is None
    text = 'userName eq "ADA"'
    query = {"filter": text}
    listed = service.server.answer(ScimRequest(method="GET", path="/Users", base_url=BASE_URL, query=query))
    assert service.server.find("Users", text, BASE_URL) == listed


def test_the_location_follows_the_address_of_the_request() -> None:
    service = ScimService()
    user = service.make_user()
    request = ScimRequest(method="GET", path=f"/Users/{user}", base_url='https://other.example/"v2')
    answer = service.server.answer(request)
    assert b'"location":"https://other.example/\\"v2/Users/' in answer.body


def rule(type_name: str, document: Document, present: Document | None) -> Document:
    """A site rule: completes a user, refuses one name, and nobody may be renamed."""
    if type_name != "User":
        return document
    if document["userName"] == "root":
        raise Forbidden("root is not for you.")
    if present is not None and present["userName"] != document["userName"]:
        raise Forbidden("Nobody is renamed.")
    return {**document, "locale": document.get("locale", "en-US")}


def test_a_profiles_own_rule_completes_and_refuses() -> None:
    service = ScimService(generic_profile(rule=rule))
    assert service.ask("POST", "/Users", {"userName": "root"}).status == 403
    user = service.make_user("ada")
    assert service.ask("GET", f"/Users/{user}").json["locale"] == "en-US"
    assert service.ask("PUT", f"/Users/{user}", {"userName": "eve"}).status == 403
    renamed = patch({"op": "replace", "path": "userName", "value": "eve"})
    assert service.ask("PATCH", f"/Users/{user}", renamed).status == 403
    assert service.ask("PUT", f"/Users/{user}", {"userName": "ada", "locale": "nl-NL"}).json["locale"] == "nl-NL"
    assert service.ask("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "G"}).status == 201


def test_a_rule_is_asked_before_a_deactivation() -> None:
    def keep_the_last(type_name: str, document: Document, present: Document | None) -> Document:
        if present is not None and document.get("active") is False:
            raise Forbidden("The last administrator stays.")
        return document

    service = ScimService(profile_8x8(rule=keep_the_last))
    user = service.make_user(active=True)
    answer = service.ask("DELETE", f"/Users/{user}")
    assert (answer.status, answer.json["detail"]) == (403, "The last administrator stays.")
    assert service.ask("GET", f"/Users/{user}").json["active"] is True


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "limit"),
    [
        ("POST", "/Users", {"userName": "a" * 3000}, 413, "body size"),
        ("POST", "/Users", {"userName": "a", "x": {"a": {"b": {"c": {"d": {"e": {}}}}}}}, 400, "depth"),
        ("POST", "/Users", {"userName": "a" * 200}, 400, "text length"),
        ("POST", "/Users", {"userName": "a", "emails": [{"value": "x"}] * 4}, 400, "elements"),
        ("GET", "/Users?filter=" + "a" * 200, None, 400, "filter length"),
        ("GET", "/Users?filter=((((title pr))))", None, 400, "filter nesting"),
        ("GET", "/Users?attributes=a,b,c,d", None, 400, "attribute names"),
        ("PATCH", "/Users/1", patch(*[{"op": "remove", "path": "title"}] * 4), 400, "operations"),
        ("PATCH", "/Users/1", patch({"op": "remove", "path": "a" * 200}), 400, "path length"),
        ("PATCH", "/Groups/1", patch({"op": "add", "path": "members", "value": [{"value": "a"}] * 4}), 400, "elements"),
    ],
)
def test_a_request_over_a_limit_is_refused_and_the_limit_named(
    method: str, path: str, body: Any, status: int, limit: str
) -> None:
    limits = Limits(
        body_bytes=2000,
        document_depth=5,
        filter_characters=100,
        filter_nesting=3,
        path_characters=100,
        patch_operations=3,
        elements=3,
        string_characters=100,
        attribute_names=3,
    )
    answer = ScimService(generic_profile(limits=limits)).ask(method, path, body)
    assert answer.status == status, answer.json
    assert limit in answer.json["detail"]


def bulk(*operations: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"schemas": [BULK_REQUEST_URN], "Operations": list(operations), **others}


def test_a_bulk_answer_has_the_order_of_the_request_and_locations_for_what_was_named_by_bulk_id() -> None:
    service = ScimService()
    group = {"schemas": [GROUP_URN], "displayName": "Crew", "members": [{"value": "bulkId:u"}]}
    answer = service.ask(
        "POST",
        "/Bulk",
        bulk(
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group},
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER_URN], "userName": "ada"}},
            {"method": "DELETE", "path": "/Groups/bulkId:g"},
        ),
    )
    made = answer.json["Operations"]
    assert [each.get("bulkId") for each in made] == ["g", "u", None]
    assert [each["status"] for each in made] == ["201", "201", "204"]
    assert made[2]["location"] == made[0]["location"]


@pytest.mark.parametrize("fail_on_errors", [0, -1, 1.5, True, "1"])
def test_a_number_of_errors_that_lets_nothing_be_done_is_refused(fail_on_errors: Any) -> None:
    service = ScimService()
    user = {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER_URN], "userName": "ada"}}
    answer = service.ask("POST", "/Bulk", bulk(user, failOnErrors=fail_on_errors))
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")
    assert service.ask("GET", "/Users").json["totalResults"] == 0


def test_of_a_circle_with_a_failure_in_it_nothing_is_kept() -> None:
    service = ScimService()

    def send(name: str) -> list[str]:
        groups = {"a": ("A", "b"), "b": (name, "c"), "c": ("C", "a")}
        sent = bulk(
            *(
                {
                    "method": "POST",
                    "path": "/Groups",
                    "bulkId": bulk_id,
                    "data": {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": f"bulkId:{other}"}]},
                }
                for bulk_id, (name, other) in groups.items()
            )
        )
        return [each["status"] for each in service.ask("POST", "/Bulk", sent).json["Operations"]]

    assert send("") == ["409", "400", "409"]
    assert service.ask("GET", "/Groups").json["totalResults"] == 0
    assert send("B") == ["201", "201", "201"]


def _report_to(name: str, bulk_id: str, manager: str) -> dict[str, Any]:
    """An operation that makes a user whose manager the same request makes."""
    reference = {ENTERPRISE_USER_URN: {"manager": {"value": f"bulkId:{manager}"}}}
    data = {"schemas": [USER_URN, ENTERPRISE_USER_URN], "userName": name, **reference}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}


def test_what_refers_to_a_circle_that_does_not_close_is_refused_and_changes_nothing() -> None:
    service = ScimService()
    service.make_user("taken")
    group = service.make_group("Crew")
    crew = {"schemas": [GROUP_URN], "displayName": "Crew", "members": [{"value": "bulkId:1"}]}
    operations = [
        _report_to("ada", "1", "2"),
        {"method": "PATCH", "path": f"/Groups/{group}", "data": patch({"op": "add", "value": crew})},
        _report_to("taken", "2", "1"),
        {"method": "PUT", "path": f"/Groups/{group}", "data": crew},
        {"method": "PATCH", "path": "/Users/bulkId:1", "data": patch({"op": "add", "path": "title", "value": "Dr"})},
    ]
    answer = service.ask("POST", "/Bulk", bulk(*operations))
    assert [each["status"] for each in answer.json["Operations"]] == ["409"] * 5
    shown = service.ask("GET", f"/Groups/{group}").json
    assert ("members" in shown, shown["meta"]["version"]) == (False, 'W/"1"')
    assert service.ask("GET", "/Users").json["totalResults"] == 1
    again = service.ask("POST", "/Bulk", bulk(*operations, failOnErrors=2))
    assert [each["status"] for each in again.json["Operations"]] == ["409", "409"], "what was taken back counts too"


def test_what_follows_a_circle_changes_what_the_circle_made() -> None:
    service = ScimService()
    reader = service.make_user("zoe")
    groups = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": f"bulkId:{other}"}]},
        }
        for name, other in (("a", "b"), ("b", "a"))
    ]
    replaces = {"op": "replace", "path": "members", "value": [{"value": reader}]}
    removes = {"op": "remove", "path": f"{ENTERPRISE_USER_URN}:manager"}
    answer = service.ask(
        "POST",
        "/Bulk",
        bulk(
            *groups,
            {"method": "PATCH", "path": "/Groups/bulkId:a", "data": patch(replaces)},
            _report_to("ada", "1", "2"),
            _report_to("ben", "2", "1"),
            {"method": "PATCH", "path": "/Users/bulkId:1", "data": patch(removes)},
        ),
    )
    done = answer.json["Operations"]
    assert [each["status"] for each in done] == ["201", "201", "204", "201", "201", "200"]
    shown = [service.ask("GET", each["location"].removeprefix(BASE_URL)) for each in done]
    a, b, ada, ben = (shown[place].json for place in (0, 1, 3, 4))
    assert [[each["value"] for each in group["members"]] for group in (a, b)] == [[reader], [a["id"]]]
    assert (ENTERPRISE_USER_URN in ada, ben[ENTERPRISE_USER_URN]["manager"]["value"]) == (False, ada["id"])


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (InternalError(""), ["201", "500", "204"]),
        (ServiceUnavailable("", retry_after_seconds=1), ["201", "503", "503"]),
    ],
    ids=["fault", "outage"],
)
def test_each_operation_of_a_bulk_that_meets_a_fault_tells_its_end(
    monkeypatch: pytest.MonkeyPatch, fault: ScimError, statuses: list[str]
) -> None:
    service = ScimService()
    leaver = service.make_user("zoe")
    insert = service.repository.insert

    def broken(type_name: str, document: Document) -> StoredResource:
        if type_name == "Group":
            raise RuntimeError("broken")
        return insert(type_name, document)

    monkeypatch.setattr(service.repository, "insert", broken)
    sent = bulk(
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP_URN], "displayName": "Crew"}},
        {"method": "DELETE", "path": f"/Users/{leaver}"},
    )
    user = {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER_URN], "userName": "ada"}}
    with pytest.raises(RuntimeError):
        service.ask("POST", "/Bulk", sent)
    service.server = ScimServer(service.profile, service.repository, lambda *_: answer_error(fault))
    sent["Operations"].insert(0, user)
    assert [each["status"] for each in service.ask("POST", "/Bulk", sent).json["Operations"]] == statuses


def test_a_bulk_id_for_two_resources_is_refused_before_anything_is_made() -> None:
    service = ScimService()
    users = [
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER_URN], "userName": name}}
        for name in ("ada", "ben")
    ]
    answer = service.ask("POST", "/Bulk", bulk(*users))
    assert (answer.status, answer.json["scimType"]) == (400, "invalidValue")
    assert "'u'" in answer.json["detail"]
    assert service.ask("GET", "/Users").json["totalResults"] == 0


def test_a_bulk_request_over_the_limit_is_refused() -> None:
    service = ScimService(generic_profile(limits=Limits(bulk_operations=1)))
    operation = {"method": "DELETE", "path": "/Users/1"}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation] * 2}
    answer = service.ask("POST", "/Bulk", body)
    assert answer.status == 413
    assert "bulk operations" in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Bulk", 400),
        ("//Bulk", 400),
        ("/Bulk/", 400),
        ("/Users/.search", 400),
        ("/.search", 400),
        ("/./Bulk", 404),
        ("/%42ulk", 404),
        ("/Me", 501),
        ("/Bulky", 404),
    ],
)
def test_no_operation_of_a_bulk_request_leads_to_bulk_or_a_search(path: str, status: int) -> None:
    service = ScimService()
    user = {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER_URN], "userName": "ada"}}
    answer = service.ask("POST", "/Bulk", bulk({"method": "POST", "path": path, "bulkId": "b", "data": bulk(user)}))
    answered = answer.json if status == 400 else answer.json["Operations"][0]["response"]
    assert (answered["status"], answered.get("scimType")) == (str(status), "invalidSyntax" if status == 400 else None)
    assert service.ask("GET", "/Users").json["totalResults"] == 0


def test_what_is_our_fault_is_left_to_the_caller() -> None:
    def broken(type_name: str, document: Document, present: Document | None) -> Document:
        raise RuntimeError("broken")

    service = ScimService(generic_profile(rule=broken))
    with pytest.raises(RuntimeError):
        service.ask("POST", "/Users", {"userName": "a"})


def test_a_patch_of_a_large_groups_members_does_not_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    service = ScimService()
    user, group = service.make_user(), service.make_group()
    seen: list[bool] = []
    change = service.repository.change

    def watched(*args: Any, **named: Any) -> Any:
        seen.append(named["with_members"])
        return change(*args, **named)

    monkeypatch.setattr(service.repository, "change", watched)
    for operation in (
        {"op": "add", "path": "members", "value": [{"value": user}]},
        {"op": "Remove", "path": "members", "value": [{"value": user}]},
        {"op": "remove", "path": f'members[value eq "{user}"]'},
        {"op": "replace", "path": "displayName", "value": "New"},
        {"op": "remove", "path": 'members[type eq "User"]'},
    ):
        assert service.ask("PATCH", f"/Groups/{group}", patch(operation)).status == 204
    assert seen == [False, False, False, False, True]


@pytest.mark.parametrize("op", ["add", "replace", "Replace"])
@pytest.mark.parametrize("in_full", [False, True])
def test_a_patch_without_a_path_may_name_the_core_schema(op: str, in_full: bool) -> None:
    service = ScimService()
    user, group = service.make_user(), service.make_group()

    def naming(urn: str, values: dict[str, Any]) -> dict[str, Any]:
        return {f"{urn}:{name}": value for name, value in values.items()} if in_full else {urn.upper(): values}

    person = {"title": "Agent", "name.givenName": "Ada", "nope": 1}
    changed = service.ask("PATCH", f"/Users/{user}", patch({"op": op, "value": naming(USER_URN, person)}))
    assert (changed.json["title"], changed.json["name"]) == ("Agent", {"givenName": "Ada"})
    crew = {"displayName": "Crew", "members": [{"value": user}]}
    assert service.ask("PATCH", f"/Groups/{group}", patch({"op": op, "value": naming(GROUP_URN, crew)})).status == 204
    shown = service.ask("GET", f"/Groups/{group}").json
    assert (shown["displayName"], [member["value"] for member in shown["members"]]) == ("Crew", [user])


def test_what_is_no_attribute_of_the_core_schema_is_not_taken_for_one() -> None:
    service = ScimService()
    user = service.make_user()
    refused = service.ask("PATCH", f"/Users/{user}", patch({"op": "add", "value": {USER_URN: "Agent"}}))
    assert (refused.status, refused.json["scimType"]) == (400, "invalidValue")
    assert f"The value of {USER_URN} must be an object" in refused.json["detail"]
    for sent in ({f"{USER_URN}s:title": "Agent"}, {f"{USER_URN}title": "Agent"}):
        passed = service.ask("PATCH", f"/Users/{user}", patch({"op": "add", "value": sent}))
        assert (passed.status, "title" in passed.json) == (200, False)


@pytest.mark.parametrize("strict", [False, True])
def test_a_patch_may_name_an_attribute_twice_with_one_value_only(strict: bool) -> None:
    service = ScimService(generic_profile(strict=strict))
    user = service.make_user()

    def ask(value: dict[str, Any]) -> Any:
        return service.ask("PATCH", f"/Users/{user}", patch({"op": "replace", "value": value}))

    assert ask({USER_URN: {"TITLE": "A"}, "title": "A", f"{USER_URN}:title": "A"}).json["title"] == "A"
    for value in ({"title": "B", USER_URN: {"title": "C"}}, {USER_URN: {"title": "C"}, f"{USER_URN}:TITLE": "B"}):
        refused = ask(value)
        assert (refused.status, refused.json["scimType"]) == (400, "invalidValue")
        assert "is given twice with different values" in refused.json["detail"]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ({"value": {"title": "A", "Title": "B"}}, "Title"),
        ({"value": {"emails": [{"value": "a@x.example"}], "EMAILS": []}}, "EMAILS"),
        ({"value": {ENTERPRISE_USER_URN: {"department": "A"}, ENTERPRISE_USER_URN.upper(): {}}}, "USER"),
        ({"value": {ENTERPRISE_USER_URN: {"department": "A", "Department": "B"}}}, "Department"),
        ({"path": ENTERPRISE_USER_URN, "value": {"department": "A", "Department": "B"}}, "Department"),
        ({"value": {"name": {"givenName": "A", "givenname": "B"}}}, "givenname"),
        ({"path": "name", "value": {"givenName": "A", "givenname": "B"}}, "givenname"),
    ],
)
def test_a_patch_may_not_spell_one_name_in_two_ways(operation: dict[str, Any], name: str, strict: bool) -> None:
    service = ScimService(generic_profile(strict=strict))
    refused = service.ask("PATCH", f"/Users/{service.make_user()}", patch({"op": "replace", **operation}))
    assert (refused.status, refused.scim_type) == (400, "invalidValue")
    assert f"{name} is given twice with different values" in refused.json["detail"]


def test_a_patch_without_a_path_reaches_into_members() -> None:
    service = ScimService()
    user = service.make_user()
    group = service.make_group("Crew", [user])
    sent = patch({"op": "replace", "value": {f'members[value eq "{user}"].display': "Ada"}})
    assert service.ask("PATCH", f"/Groups/{group}", sent).status == 204
    assert service.ask("GET", f"/Groups/{group}").json["members"][0]["display"] == "Ada"
    refused = service.ask("PATCH", f"/Groups/{group}", patch({"op": "replace", "value": {"members.display": "Eve"}}))
    assert (refused.status, refused.json["scimType"]) == (400, "mutability")


def test_a_deactivated_account_comes_back_only_when_one_has_the_external_id() -> None:
    service = ScimService(profile_8x8())
    for made in [service.make_user(name, externalId="e-1", active=True) for name in ("ada", "eve")]:
        service.ask("DELETE", f"/Users/{made}")
    body = {"schemas": [USER_URN], "userName": "ada", "externalId": "e-1"}
    assert service.ask("POST", "/Users", body).status == 409


def test_a_part_of_members_cannot_be_written_where_there_are_none() -> None:
    service = ScimService()
    group = service.ask("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "Crew"}).json["id"]
    operations = [{"op": "replace", "path": "members.display", "value": "Ada"}]
    refused = service.ask("PATCH", f"/Groups/{group}", {"schemas": [PATCH_URN], "Operations": operations})
    assert (refused.status, refused.json["detail"]) == (400, "members.value is required and is missing.")


def test_whoever_left_is_found_among_those_of_the_external_id_alone() -> None:
    service = ScimService(profile_8x8())
    service.make_user("ada", externalId="e-1", active=True)
    left = service.make_user("eve", externalId="e-1", active=True)
    service.ask("DELETE", f"/Users/{left}")
    back = service.ask("POST", "/Users", {"schemas": [USER_URN], "userName": "eva", "externalId": "e-1"})
    assert (back.status, back.json["id"], back.json["active"]) == (201, left, True)


def test_whoever_cannot_come_back_with_another_site_is_told_that_an_account_is_there() -> None:
    service = ScimService(profile_8x8())
    left = service.make_user("ada", externalId="e-1", active=True, **{USER_8X8_URN: {"site": "Delft"}})
    service.ask("DELETE", f"/Users/{left}")
    sent = {"schemas": [USER_URN], "userName": "eva", "externalId": "e-1", USER_8X8_URN: {"site": "Leiden"}}
    refused = service.ask("POST", "/Users", sent)
    assert (refused.status, refused.json["scimType"]) == (400, "mutability")
    assert f"The deactivated account {left} has this externalId" in refused.json["detail"]


def test_an_empty_external_id_brings_nobody_back() -> None:
    service = ScimService(profile_8x8())
    left = service.make_user("ada", externalId="", active=True)
    service.ask("DELETE", f"/Users/{left}")
    made = service.ask("POST", "/Users", {"schemas": [USER_URN], "userName": "bob", "externalId": ""})
    assert (made.status, made.json["id"] == left) == (201, False)


def test_a_deactivated_account_does_not_come_back_under_the_name_of_another() -> None:
    service = ScimService(profile_8x8())
    service.make_user("bob", externalId="e-2", active=True)
    left = service.make_user("ada", externalId="e-1", active=True)
    service.ask("DELETE", f"/Users/{left}")
    body = {"schemas": [USER_URN], "userName": "bob", "externalId": "e-1"}
    assert service.ask("POST", "/Users", body).status == 409
    assert service.ask("GET", f"/Users/{left}").json["active"] is False


# /Me


def _ask_as(service: ScimService, subject: str | None, method: str, path: str, body: object = None) -> Answer:
    return read_answer(
        service.server.answer(
            ScimRequest(
                method=method,
                path=path,
                body=b"" if body is None else json.dumps(body).encode(),
                base_url="https://scim.example/scim/v2",
                subject=subject,
            )
        )
    )


def test_me_is_the_user_who_asks() -> None:
    service = ScimService()
    mine = service.make_user("ada")
    service.make_user("bob")
    shown = _ask_as(service, "ADA", "GET", "/Me")
    assert (shown.status, shown.json["id"]) == (200, mine)
    assert shown.headers["Location"] == shown.json["meta"]["location"] == f"https://scim.example/scim/v2/Users/{mine}"
    change = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "title", "value": "T"}]}
    assert _ask_as(service, "ada", "PATCH", "/Me", change).json["title"] == "T"
    assert _ask_as(service, "ada", "PUT", "/Me", {"schemas": [USER_URN], "userName": "ada"}).status == 200
    assert _ask_as(service, "ada", "DELETE", "/Me").status == 204
    assert service.ask("GET", f"/Users/{mine}").status == 404


@pytest.mark.parametrize(
    ("subject", "method", "path", "status"),
    [
        (None, "GET", "/Me", 501),
        ("nobody", "GET", "/Me", 404),
        ("ada", "POST", "/Me", 405),
        ("ada", "GET", "/Me/x", 404),
        ("ada", "HEAD", "/Me", 200),
    ],
)
def test_me_is_refused_where_there_is_none(subject: str | None, method: str, path: str, status: int) -> None:
    service = ScimService()
    service.make_user("ada")
    assert _ask_as(service, subject, method, path).status == status
