"""What changed, what was deleted, ETags, batches, object connections, other spellings of paths."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from faces.house import House, Started
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import ScheduleState
from muster.model.operation import Acknowledged, Link, LinkState
from muster.model.roles import Role
from muster.ports.cycles import Settlement
from muster.web.graph.odata import skip_token


def rounds(house: House, path: str) -> tuple[list[Any], str]:
    """Follows a round to its end; returns what it told and its deltaLink."""
    told: list[Any] = []
    while True:
        page = house.call("GET", path)
        assert page.status == 200, page.text
        told += page.body["value"]
        if "@odata.deltaLink" in page.body:
            return told, str(page.body["@odata.deltaLink"]).partition("/v1.0")[2]
        path = page.body["@odata.nextLink"].partition("/v1.0")[2]


def names(told: list[Any]) -> list[str]:
    return [each["displayName"].partition(" ")[0].lower() for each in told if "@removed" not in each]


# ---------------------------------------------------------------- delta


def test_the_first_round_tells_everybody_and_the_next_what_changed(house: House) -> None:
    made = {name: house.user(name) for name in ("ada", "ben", "bob", "zoe")}
    house.call("DELETE", f"/users/{made['zoe']['id']}")
    told, link = rounds(house, "/users/delta?$top=2&$select=displayName,jobTitle")
    assert names(told) == ["ada", "ben", "bob"]
    assert all(set(each) == {"id", "displayName", "jobTitle"} for each in told)
    assert rounds(house, link)[0] == []
    house.call("PATCH", f"/users/{made['bob']['id']}", {"jobTitle": "Clerk"})
    house.call("DELETE", f"/users/{made['ada']['id']}")
    house.user("eve")
    told, later = rounds(house, link)
    assert names(told) == ["bob", "eve"]
    assert [each for each in told if "@removed" in each] == [
        {"id": made["ada"]["id"], "@removed": {"reason": "changed"}}
    ]
    house.call("DELETE", f"/directory/deletedItems/{made['ada']['id']}")
    assert rounds(house, later)[0] == [{"id": made["ada"]["id"], "@removed": {"reason": "deleted"}}]
    # A link stays valid: what is told from it is what is different now.
    assert len(rounds(house, link)[0]) == 3


def test_what_changes_within_a_round_comes_in_the_next(house: House) -> None:
    made = [house.user(name) for name in ("ada", "ben", "bob")]
    first = house.call("GET", "/users/delta?$top=1").body
    house.call("PATCH", f"/users/{made[2]['id']}", {"jobTitle": "Clerk"})
    rest, link = rounds(house, first["@odata.nextLink"].partition("/v1.0")[2])
    assert names([*first["value"], *rest]) == ["ada", "ben"]
    assert names(rounds(house, link)[0]) == ["bob"]


def test_a_round_may_begin_now(house: House) -> None:
    house.user("ada")
    told, link = rounds(house, "/users/delta?$deltatoken=latest")
    assert told == []
    house.user("ben")
    assert names(rounds(house, link)[0]) == ["ben"]


def test_a_round_may_be_about_some_ids_alone(house: House) -> None:
    made = [house.user(name) for name in ("ada", "ben")]
    assert names(rounds(house, f"/users/delta?$filter=id eq '{made[1]['id']}'")[0]) == ["ben"]


def test_groups_are_told_with_those_who_came_and_went(house: House) -> None:
    people = [house.user(name)["id"] for name in ("ada", "ben", "bob")]
    group = house.group(**{"members@odata.bind": [f"https://x/v1.0/users/{each}" for each in people[:2]]})["id"]
    empty = house.group("Empty")["id"]
    told, link = rounds(house, "/groups/delta")
    by_id = {each["id"]: each for each in told}
    assert [each["id"] for each in by_id[group]["members@delta"]] == people[:2]
    assert "members@delta" not in by_id[empty]
    house.call("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"https://x/v1.0/users/{people[2]}"})
    house.call("DELETE", f"/groups/{group}/members/{people[0]}/$ref")
    (changed,) = rounds(house, link)[0]
    assert {each["id"]: "@removed" in each for each in changed["members@delta"]} == {people[2]: False, people[0]: True}
    assert "members@delta" not in rounds(house, "/groups/delta?$select=displayName")[0][0]


def test_a_group_hears_that_a_member_was_purged(house: House) -> None:
    ada = house.user("ada")["id"]
    group = house.group(**{"members@odata.bind": [f"https://x/v1.0/users/{ada}"]})["id"]
    _, link = rounds(house, "/groups/delta")
    house.stores.directory.set_lifecycle(ObjectKind.USER, ada, Lifecycle.HARD_DELETED, house.clock.at)
    (changed,) = rounds(house, link)[0]
    assert changed["id"] == group
    assert changed["members@delta"] == [
        {"@odata.type": "#microsoft.graph.user", "id": ada, "@removed": {"reason": "deleted"}}
    ]


def test_a_large_group_goes_on_in_the_next_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.administration.delta.MEMBERS_A_PAGE", 3)
    people = [house.user(f"p{number}")["id"] for number in range(7)]
    bound = [f"https://x/v1.0/users/{each}" for each in people]
    large = house.group("Large", **{"members@odata.bind": bound})["id"]
    small = house.group("Small", **{"members@odata.bind": bound[:2]})["id"]
    told, _ = rounds(house, "/groups/delta")
    seen = {
        group: [m["id"] for each in told if each["id"] == group for m in each["members@delta"]]
        for group in (large, small)
    }
    assert seen == {large: people, small: people[:2]}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("$orderby=displayName", "$orderby"),
        ("$search=ada", "$search"),
        ("$filter=displayName eq 'x'", "id alone"),
        ("$deltatoken=xx", "$deltatoken"),
        ("$skiptoken=" + skip_token("5", "/v1.0/users/delta"), "round"),
        ("$deltatoken=" + skip_token("999999", "/v1.0/users/delta"), "another installation"),
    ],
)
def test_a_round_that_cannot_be_told_is_refused(house: House, query: str, says: str) -> None:
    answer = house.call("GET", f"/users/delta?{query}")
    assert answer.status == 400
    assert says in answer.message


# ---------------------------------------------------------------- the recycle bin


def test_a_group_is_restored_with_its_members(house: House) -> None:
    ada = house.user("ada")["id"]
    group = house.group(**{"members@odata.bind": [f"https://x/v1.0/users/{ada}"]})["id"]
    assert house.call("DELETE", f"/groups/{group}").status == 204
    assert house.call("GET", f"/groups/{group}").status == 404
    listed = house.call("GET", "/directory/deletedItems/microsoft.graph.group").body["value"]
    assert [each["id"] for each in listed] == [group]
    assert house.call("GET", f"/directory/deletedItems/{group}").body["@odata.type"] == "#microsoft.graph.group"
    assert house.call("POST", f"/directory/deletedItems/{group}/restore").status == 200
    assert [each["id"] for each in house.call("GET", f"/groups/{group}/members").body["value"]] == [ada]
    house.call("DELETE", f"/groups/{group}")
    assert house.call("DELETE", f"/directory/deletedItems/{group}").status == 204
    assert house.call("GET", f"/directory/deletedItems/{group}").status == 404


def test_an_application_is_restored_with_all_it_had_and_its_jobs_rest(house: House, job: Started) -> None:
    ada = house.user("ada")["id"]
    sp = house.call("GET", f"/servicePrincipals/{job.sp}").body
    grant = {"principalId": ada, "resourceId": job.sp, "appRoleId": sp["appRoles"][0]["id"]}
    house.made(f"/servicePrincipals/{job.sp}/appRoleAssignedTo", grant)
    job.cycle()
    assert house.call("DELETE", f"/servicePrincipals/{job.sp}").status == 204
    for path in (f"/servicePrincipals/{job.sp}", job.path, f"/applications(appId='{sp['appId']}')"):
        assert house.call("GET", path).status == 404
    assert house.call("GET", f"/users/{ada}/appRoleAssignments").body["value"] == []
    assert house.stores.jobs.list() == []
    for kind in ("application", "servicePrincipal"):
        (gone,) = house.call("GET", f"/directory/deletedItems/microsoft.graph.{kind}").body["value"]
        assert gone["deletedDateTime"] == "2026-05-04T08:00:00Z"
    back = house.call("POST", f"/directory/deletedItems/{job.sp}/restore")
    assert (back.status, back.body["@odata.type"]) == (200, "#microsoft.graph.servicePrincipal")
    assert house.call("GET", job.path).body["schedule"]["state"] == "Paused"
    assert len(house.call("GET", f"/servicePrincipals/{job.sp}/appRoleAssignedTo").body["value"]) == 1
    assert len(house.call("GET", f"{job.sync}/secrets").body["value"]) == 2
    house.call("DELETE", f"/servicePrincipals/{job.sp}")
    assert house.call("DELETE", f"/directory/deletedItems/{job.sp}").status == 204
    assert house.stores.applications.deleted() == []


def test_what_is_deleted_is_restored_by_those_who_may_write_it(house: House) -> None:
    user, application = house.user("ada")["id"], house.application()["id"]
    house.call("DELETE", f"/users/{user}")
    house.call("DELETE", f"/servicePrincipals/{application}")
    people, applications = (house.token_for(role) for role in (Role.USER_ADMINISTRATOR, Role.APPLICATION_ADMINISTRATOR))
    for item, token, status in (
        (application, people, 404),
        (user, applications, 403),
        (user, people, 200),
        (application, applications, 200),
    ):
        assert house.call("POST", f"/directory/deletedItems/{item}/restore", token=token).status == status


# ---------------------------------------------------------------- ETags


@pytest.mark.parametrize("kind", ["users", "groups"])
def test_an_object_that_changed_meanwhile_is_not_overwritten(house: House, kind: str) -> None:
    made = house.user("ada") if kind == "users" else house.group()
    path = f"/{kind}/{made['id']}"
    seen = house.call("GET", path)
    etag = seen.headers["etag"]
    assert house.call("GET", path, headers={"If-None-Match": etag}).status == 304
    assert house.call("PATCH", path, {"displayName": "First"}, headers={"If-Match": etag}).status == 204
    late = house.call("PATCH", path, {"displayName": "Second"}, headers={"If-Match": etag})
    assert (late.status, late.code) == (412, "PreconditionFailed")
    assert house.call("DELETE", path, headers={"If-Match": etag}).status == 412
    assert house.call("GET", path).body["displayName"] == "First"
    assert house.call("GET", path, headers={"If-None-Match": etag}).status == 200
    assert house.call("DELETE", path, headers={"If-Match": "*"}).status == 204


def test_rules_that_changed_meanwhile_are_not_overwritten(house: House, job: Started) -> None:
    seen = house.call("GET", f"{job.path}/schema")
    rules = seen.body["synchronizationRules"]
    rules[0]["objectMappings"][0]["flowTypes"] = "Add"
    body = {"synchronizationRules": rules}
    match = {"If-Match": seen.headers["etag"]}
    assert house.call("PATCH", f"{job.path}/schema", body, headers=match).status == 204
    assert house.call("PATCH", f"{job.path}/schema", body, headers=match).status == 412
    assert house.call("PUT", f"{job.path}/schema", body, headers=match).status == 412
    assert house.call("PUT", f"{job.path}/schema", body).status == 204


# ---------------------------------------------------------------- batches


def batch(house: House, *requests: Any, **more: Any) -> Any:
    answer = house.call("POST", "/$batch", {"requests": list(requests)}, **more)
    return {each["id"]: each for each in answer.body["responses"]} if answer.status == 200 else answer


def test_a_batch_does_what_its_requests_would(house: House) -> None:
    new = {"accountEnabled": True, "displayName": "Ada", "userPrincipalName": "ada@example.com"}
    answers = batch(
        house,
        {"id": "3", "method": "GET", "url": "/users/$count", "dependsOn": ["1"]},
        {"id": "1", "method": "POST", "url": "/users", "body": new, "headers": {"Content-Type": "application/json"}},
        {"id": "2", "method": "GET", "url": "/users?$filter=displayName eq 'Ada'&$select=id", "dependsOn": ["1"]},
        {"id": "4", "method": "get", "url": "/users/nobody"},
        {"id": "5", "method": "GET", "url": "/users", "dependsOn": ["4"]},
    )
    assert {name: each["status"] for name, each in answers.items()} == {
        "3": 200,
        "1": 201,
        "2": 200,
        "4": 404,
        "5": 424,
    }
    assert list(answers) == ["3", "1", "2", "4", "5"]
    assert answers["2"]["body"]["value"] == [{"id": answers["1"]["body"]["id"]}]
    assert base64.b64decode(answers["3"]["body"]) == b"1"
    assert answers["4"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert answers["1"]["headers"]["location"].endswith(answers["1"]["body"]["id"])


def test_each_request_of_a_batch_needs_its_own_permission(house: House) -> None:
    answers = batch(
        house,
        {"id": "a", "method": "GET", "url": "/auditLogs/provisioning"},
        {"id": "b", "method": "GET", "url": "/users"},
        {"id": "c", "method": "GET", "url": "/me", "headers": {"Authorization": f"Bearer {house.token}"}},
        token=house.token_for(Role.REPORTS_READER),
    )
    assert {name: each["status"] for name, each in answers.items()} == {"a": 200, "b": 403, "c": 200}
    assert answers["c"]["body"]["roles"] == ["Reports Reader"]


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        ([], "1 to 20"),
        ([{"id": str(number), "method": "GET", "url": "/users"} for number in range(21)], "1 to 20"),
        ([{"id": "1", "method": "GET", "url": "/users"}] * 2, "same id"),
        ([{"id": "1", "method": "TRACE", "url": "/users"}], "TRACE"),
        ([{"id": "1", "method": "GET", "url": "https://elsewhere.example/users"}], "relative"),
        ([{"id": "1", "method": "GET", "url": "//elsewhere.example/users"}], "relative"),
        ([{"id": "1", "method": "POST", "url": "/$batch", "body": {}}], "no batch"),
        ([{"id": "1", "method": "GET", "url": "/users", "dependsOn": ["9"]}], "dependsOn"),
        ([{"id": "1", "method": "GET", "url": "/users", "dependsOn": ["1"]}], "circle"),
        ([{"id": "1", "method": "GET", "url": "/users", "headers": {"x": 1}}], "headers"),
        ([{"id": "1", "method": "GET", "url": "/users", "headers": {"x": "a\r\nb"}}], "headers"),
        ([{"id": "1", "method": "POST", "url": "/imports", "body": "?", "headers": {"content-type": "x"}}], "base64"),
        ([{"id": "1", "url": "/users"}], "method"),
    ],
)
def test_a_wrong_batch_is_refused_whole(house: House, requests: list[Any], says: str) -> None:
    answer = batch(house, *requests)
    assert answer.status == 400
    assert says in answer.message


# ---------------------------------------------------------------- object connections


def linked(house: House, job: Started, source_id: str) -> None:
    link = Link(
        kind=ObjectKind.USER,
        source_id=source_id,
        target_id="target-1",
        state=LinkState.MANAGED,
        owned=LinkState.MANAGED,
        acknowledged=Acknowledged(),
        display_name="Ada",
    )
    cycle = job.cycle()
    house.stores.cycles.settle(cycle, [Settlement(kind=ObjectKind.USER, source_id=source_id, link=link)])


def test_a_connection_is_found_by_either_end_and_forgotten_once_the_job_rests(house: House, job: Started) -> None:
    ada = house.user("ada")["id"]
    linked(house, job, ada)
    expected = {
        "sourceAnchor": ada,
        "targetAnchor": "target-1",
        "displayName": "Ada",
        "objectTypeName": "User",
    }
    for name in (ada, "target-1"):
        shown = house.call("GET", f"{job.path}/objectConnections('{name}')", version="beta").body
        assert {key: shown[key] for key in ("objectId", *expected)} == {"objectId": name, **expected}
    assert [each["objectId"] for each in house.call("GET", f"{job.path}/objectConnections").body["value"]] == [ada]
    one = f"{job.path}/objectConnections('target-1')"
    assert house.call("DELETE", one).status == 409
    house.call("POST", f"{job.path}/pause")
    assert house.call("DELETE", one).status == 409
    house.stores.cycles.take_over("cycle-1")
    assert house.call("POST", f"{job.path}/restart").status == 204
    house.stores.jobs.set_schedule(job.id, ScheduleState.PAUSED)
    assert [house.call("DELETE", one).status for _ in range(2)] == [204, 204]
    assert house.call("GET", one).status == 404


# ---------------------------------------------------------------- other spellings, other limits


def test_paths_may_be_spelled_as_graph_does(house: House, job: Started) -> None:
    ada = house.user("ada")["id"]
    group = house.group(**{"members@odata.bind": [f"https://x/v1.0/users/{ada}"]})["id"]
    inner = house.group("Inner")["id"]
    house.call("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"https://x/v1.0/groups/{inner}"})
    for path, expected in (
        ("/users(userPrincipalName='ada@example.com')", ada),
        (f"/users('{ada}')", ada),
        (f"/directoryObjects/{group}", group),
        (f"/directoryObjects('{ada}')", ada),
    ):
        assert house.call("GET", path).body["id"] == expected
    for path, ids in (
        (f"/groups/{group}/members/microsoft.graph.user", [ada]),
        (f"/groups/{group}/members/microsoft.graph.group", [inner]),
        (f"/users/{ada}/memberOf/microsoft.graph.group", [group]),
        ("/users/microsoft.graph.delta()", [ada]),
    ):
        assert [each["id"] for each in house.call("GET", path).body["value"]] == ids
    assert house.call("GET", f"/groups/{group}/members/$count").text == "2"
    references = house.call("GET", f"/groups/{group}/members/$ref").body["value"]
    assert [each["@odata.id"].rpartition("/")[2] for each in references] == [ada, inner]
    expanded = house.call("GET", f"/groups/{group}?$expand=members($select=id)&$select=displayName").body
    assert [each["id"] for each in expanded["members"]] == [ada, inner]
    assert house.call("POST", f"{job.path}/microsoft.graph.pause").status == 204


def test_a_quote_within_a_key_is_written_twice(house: House) -> None:
    person = house.user("o'neil")["id"]
    doubled = "o''neil@example.com"
    for path in (f"/users('{doubled}')", f"/users(userPrincipalName='{doubled}')", "/users/o'neil@example.com"):
        assert house.call("GET", path).body["id"] == person
    assert house.call("GET", f"/users('{doubled}')/memberOf").body["value"] == []
    assert house.call("GET", "/users('o'neil@example.com')").status == 404


def test_objects_are_got_by_their_ids(house: House) -> None:
    ada, group = house.user("ada")["id"], house.group()["id"]
    body = {"ids": [ada, group, "nobody"]}
    assert {each["id"] for each in house.call("POST", "/directoryObjects/getByIds", body).body["value"]} == {ada, group}
    only = house.call("POST", "/directoryObjects/getByIds", {**body, "types": ["group"]}).body["value"]
    assert [each["id"] for each in only] == [group]
    assert house.call("POST", "/directoryObjects/getByIds", {"ids": [7]}).status == 400
    assert house.call("GET", "/directoryObjects/nobody").status == 404


def test_collections_say_how_many_they_hold(house: House, job: Started) -> None:
    for path, count in (
        ("/servicePrincipals", "1"),
        ("/applications", "1"),
        (f"{job.sync}/secrets", "2"),
        (f"{job.sync}/templates", "1"),
        (f"{job.sync}/jobs", "1"),
        (f"{job.path}/schema/directories", "2"),
        (f"/servicePrincipals/{job.sp}/appRoleAssignedTo", "0"),
    ):
        answer = house.call("GET", f"{path}/$count")
        assert (answer.text, answer.headers["content-type"]) == (count, "text/plain; charset=utf-8")


def test_a_caller_who_sends_too_many_requests_has_to_wait(tmp_path: Any) -> None:
    house = House(tmp_path, api_rate=2)
    answers = [house.call("GET", "/me").status for _ in range(21)]
    assert answers == [200] * 20 + [429]
    refused = house.call("GET", "/me")
    assert (refused.code, refused.headers["retry-after"]) == ("TooManyRequests", "1")
    assert house.call("GET", "/me", token=house.token_for(Role.GLOBAL_READER)).status == 200
    house.clock.at += timedelta(seconds=1)
    assert [house.call("GET", "/me").status for _ in range(3)] == [200, 200, 429]


def test_provision_on_demand_answers_beta_as_the_service_does_now(house: House, job: Started) -> None:
    ada = house.user("ada")["id"]

    def work() -> None:
        taken = house.stores.work.take("engine")
        if taken is not None:
            house.stores.work.finish(taken.id, "done", {})

    house.clock.while_waiting = work
    body = {"parameters": [{"subjects": [{"objectId": ada, "objectTypeName": "User"}]}]}
    documented = house.call("POST", f"{job.path}/provisionOnDemand", body).body
    assert json.loads(documented["key"])["result"] == "Skipped"
    assert isinstance(json.loads(documented["value"]), dict)
    observed = house.call("POST", f"{job.path}/provisionOnDemand", body, version="beta").body
    assert observed["key"] == "Microsoft.Identity.Health.CPP.Common.DataContracts.SyncFabric.StatusInfo"
    assert [each["action"] for each in json.loads(observed["value"])] == ["Other"]


def test_a_member_that_nobody_is_cannot_be_removed(house: House) -> None:
    group = house.group()["id"]
    assert house.call("DELETE", f"/groups/{group}/members/nobody/$ref").status == 404
