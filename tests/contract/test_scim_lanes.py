"""Where the Configuration Manager answers which request: what may take long never on the thread of all sockets."""

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from fakes.scim_site import PlayedSite, open_site
from muster.configuration_manager.calls import LIMIT_WAITING, CallLog, ScimCall
from muster.configuration_manager.customer import PREFIX, SCIM
from muster.configuration_manager.customers import Profile
from muster.configuration_manager.lookups import read_lookup
from muster.configuration_manager.measures import make_measure, make_trouble
from muster.configuration_manager.resources import SqlRepository
from muster.configuration_manager.writer import Writer
from muster.http_server.messages import Lane, Request
from muster.scim.messages import BULK_REQUEST_URN, PATCH_URN
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN, USER_URN
from waiting import eventually

USER = {
    "schemas": [USER_URN],
    "userName": "ada@x.example",
    "active": True,
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"type": "work", "value": "ada@x.example", "primary": True}],
}


def _request(method: str, path: str, body: bytes = b"", token: str = "") -> Request:
    headers = {b"host": b"x", b"authorization": f"Bearer {token}".encode()}
    return Request(method, f"{PREFIX}acme/{SCIM}{path}".encode(), headers, body, ("127.0.0.1", 1), False)


@pytest.mark.parametrize(
    ("method", "path", "size", "lane"),
    [
        ("GET", "/Users/7", 0, Lane.HERE),
        ("GET", "/Users?filter=userName%20eq%20%22ada%40x.example%22", 0, Lane.HERE),
        ("GET", "/Users?filter=userName+eq+%22ada%22&startIndex=1&count=100", 0, Lane.HERE),
        ("GET", "/Users?count=100", 0, Lane.HERE),
        ("GET", "/Users?startIndex=999&count=10", 0, Lane.HERE),
        ("GET", "/Users?count=1000", 0, Lane.APART),
        ("GET", "/Users?startIndex=100000", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20co%20%22a%22", 0, Lane.APART),
        ("GET", "/Users?filter=displayName%20eq%20%22a%22", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%22%20or%20title%20pr", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%22%20or%20title%20eq%20%22b%22", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%5c%22%20or%20title%20pr%20or%20title%20eq%20%22", 0, Lane.APART),
        ("GET", "/Users?count=10&sortBy=title", 0, Lane.APART),
        ("GET", "/Users/7?attributes=groups", 0, Lane.APART),
        ("GET", "/Groups/7", 0, Lane.APART),
        ("GET", "/Groups?filter=id%20eq%20%22a%22", 0, Lane.APART),
        ("HEAD", "/Users/7", 0, Lane.APART),
        ("POST", "/Users", 900, Lane.TOGETHER),
        ("PATCH", "/Users/7", 900, Lane.TOGETHER),
        ("PATCH", "/Groups/7", 900, Lane.TOGETHER),
        ("DELETE", "/Users/7", 0, Lane.TOGETHER),
        ("PUT", "/Groups/7", 100_000, Lane.APART),
        ("POST", "/Users/.search", 100, Lane.APART),
        ("POST", "/Bulk", 100, Lane.APART),
    ],
)
def test_a_request_is_answered_where_it_holds_up_nobody(
    tmp_path: Path, method: str, path: str, size: int, lane: Lane
) -> None:
    with open_site(tmp_path) as site:
        assert site.application.choose_lane(_request(method, path, b"x" * size)) is lane


def test_the_thread_of_all_sockets_does_not_wait_for_a_log_that_is_behind(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        request = _request("GET", "/Users/7", token=token)
        held, done = threading.Event(), threading.Event()

        def write() -> None:
            with site.database.write():
                held.set()
                done.wait(60)

        writer = threading.Thread(target=write)
        writer.start()
        held.wait(60)
        for _ in range(LIMIT_WAITING // 2 + 1_000):
            assert site.application.answer(request).status == 404
        assert site.application.choose_lane(request) is Lane.APART
        done.set()
        writer.join()
        assert eventually(lambda: site.application.choose_lane(request) is Lane.HERE)


@pytest.mark.parametrize("profile", [Profile.GENERIC, Profile.EIGHT_BY_EIGHT])
@pytest.mark.parametrize("strict", [False, True])
def test_a_plain_look_up_is_answered_as_one_that_is_read_in_full(
    tmp_path: Path, profile: Profile, strict: bool
) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", profile, strict=strict)
        sent = USER | {ENTERPRISE_USER_URN: {"manager": {"value": "7"}}} if profile is Profile.GENERIC else USER
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json", "user-agent": "x"}
        status, _, body = site.ask("acme", "POST", "/Users", "", headers, orjson.dumps(sent))
        assert status == 201, body
        resource_id = orjson.loads(body)["id"]
        for plain, full in (
            (f"/Users/{resource_id}", f"/Users/{resource_id}?"),
            ("/Users/nobody", "/Users/nobody?"),
            ("/Users?filter=userName%20eq%20%22Ada%40X.example%22", "/Users?filter=userName+eq+%22ada@x.example%22&"),
            ("/Users?filter=userName%20eq%20%22ben%22", "/Users?filter=userName+eq+%22ben%22&"),
            (f"/Users?filter=id+eq+%22{resource_id}%22", f"/Users?&filter=id+eq+%22{resource_id}%22"),
        ):
            answers = []
            for target in (plain, full):
                path, _, query = target.partition("?")
                request = _request("GET", target, token=token)
                assert (read_lookup(request) is not None) is (target == plain)
                answers.append(site.ask("acme", "GET", path, query + "&" * target.endswith("?"), headers, None))
            assert answers[0] == answers[1]
        version = {**headers, "if-none-match": 'W/"1"'}
        assert site.ask("acme", "GET", f"/Users/{resource_id}", "", version, None)[0] == 304
        calls = CallLog(site.database, Writer(site.database))
        assert eventually(lambda: len(calls.read_calls(customer)) == 12)
        logged = [(call.method, call.path, call.status, call.user_agent) for call in calls.read_calls(customer)]
        assert ("GET", f"/Users/{resource_id}", 200, "x") in logged
        assert ("GET", "/Users/nobody", 404, "x") in logged
        calls.close()


@pytest.mark.parametrize(
    "target",
    [
        "/Users/a%2Fb",
        "/Users/",
        "/users/7",
        "/Users/7/8",
        "/Users?filter=userName%20eq%20%22a%22%22",
        "/Users?filter=userName%20eq%20%22a%5C%22",
        "/Users?filter=userName%20eq%20%22a%22b%22",
        "/Users?filter=userName%20eq%20%22%C3%A9%22",
        "/Users?filter=userName%20eq%20%22a%0a%22",
        "/Users?filter=userName%20eq%20%22a+b%22",
        "/Users?filter=userName%20ne%20%22a%22",
        "/Users?filter=userName%20eq%20%22a%22&attributes=id",
        "/Groups/7",
    ],
)
def test_what_is_no_plain_look_up_is_read_in_full(target: str) -> None:
    assert read_lookup(_request("GET", target)) is None
    assert read_lookup(_request("HEAD", "/Users/7")) is None


def test_a_look_up_needs_a_token_of_that_customer(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        other = site.create_customer("other", Profile.GENERIC)[1]
        assert site.application.answer(_request("GET", "/Users/7")).status == 401
        assert site.application.answer(_request("GET", "/Users/7", token="8x8_no")).status == 401
        assert site.application.answer(_request("GET", "/Users/7", token=other)).status == 403
        assert site.application.answer(_request("GET", "/Users/7", token=token)).status == 404


def test_too_many_names_to_show_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
        names = "attributes=" + ",".join(f"a{number}" for number in range(2_000))
        assert site.ask("acme", "POST", "/Users", names, headers, orjson.dumps(USER))[0] == 400
        _, _, body = site.ask("acme", "GET", "/Users", "", headers, None)
        assert orjson.loads(body)["totalResults"] == 0
        assert site.customers.count_active(customer) == 0


def test_a_put_that_says_nothing_of_the_status_neither_brings_back_nor_frees_a_licence(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.EIGHT_BY_EIGHT)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
        silent = {name: value for name, value in USER.items() if name != "active"}
        made = orjson.loads(site.ask("acme", "POST", "/Users", "", headers, orjson.dumps(silent))[2])
        assert (made["active"], site.customers.count_active(customer)) == (True, 1)
        for method, is_active in (("PUT", True), ("DELETE", False), ("PUT", False)):
            body = orjson.dumps(silent) if method == "PUT" else None
            assert site.ask("acme", method, f"/Users/{made['id']}", "", headers, body)[0] in (200, 204)
            shown = orjson.loads(site.ask("acme", "GET", f"/Users/{made['id']}", "", headers, None)[2])
            assert shown["active"] is is_active
            assert site.customers.count_active(customer) == int(is_active)


def test_whoever_is_not_inactive_takes_a_licence(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
        silent = {name: value for name, value in USER.items() if name != "active"}
        made = orjson.loads(site.ask("acme", "POST", "/Users", "", headers, orjson.dumps(silent))[2])
        counted = [site.customers.count_active(customer)]
        for sent in (silent | {"active": False}, USER, silent):
            assert site.ask("acme", "PUT", f"/Users/{made['id']}", "", headers, orjson.dumps(sent))[0] == 200
            counted.append(site.customers.count_active(customer))
        assert site.ask("acme", "DELETE", f"/Users/{made['id']}", "", headers, None)[0] == 204
        assert [*counted, site.customers.count_active(customer)] == [1, 0, 1, 1, 0]


def test_what_a_full_disk_does_not_keep_is_unavailable_and_counted_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        with site.database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no more than there are
        users = [orjson.dumps(USER | {"userName": f"u{number}", "title": "x" * 9_000}) for number in (1, 2)]
        answers = site.application.answer_together([_request("POST", "/Users", user, token) for user in users])
        for answer in answers:
            assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "5")
            assert "the disk of the database is full" in orjson.loads(answer.body)["detail"]
        assert site.calls.counted == {503: 2}
        assert [record.exc_info for record in caplog.records if record.levelname == "ERROR" and record.exc_info] == []


def _fill(site: PlayedSite) -> list[dict[str, Any]]:
    """Leaves room in the database for the first of these users, not for the second."""
    with site.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")
    return [USER | {"userName": "ada", "title": "x"}, USER | {"userName": "ben", "title": "x" * 60_000}]


def _count_users(site: PlayedSite, token: str) -> int:
    return int(
        orjson.loads(site.application.answer(_request("GET", "/Users?count=0", token=token)).body)["totalResults"]
    )


def test_who_shares_a_commit_that_a_full_disk_takes_back_is_told_so(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        users = [_request("POST", "/Users", orjson.dumps(user), token) for user in _fill(site)]
        for answer in site.application.answer_together(users):
            assert answer.status == 503
            assert "Nothing of it was kept" in orjson.loads(answer.body)["detail"]
        assert _count_users(site, token) == 0


@pytest.mark.parametrize(
    ("batch_limit", "statuses"), [(1, ["201", "503", "503"]), (None, None)], ids=["each by itself", "one commit"]
)
def test_a_bulk_that_meets_a_full_disk_tells_what_is_kept(
    tmp_path: Path, batch_limit: int | None, statuses: list[str] | None
) -> None:
    with open_site(tmp_path, batch_limit=batch_limit) as site:
        token = _customer(site)
        users = [*_fill(site), USER | {"userName": "cem"}]
        made = [{"method": "POST", "path": "/Users", "bulkId": user["userName"], "data": user} for user in users]
        sent = orjson.dumps({"schemas": [BULK_REQUEST_URN], "Operations": made})
        answer = site.application.answer(_request("POST", "/Bulk", sent, token))
        told = orjson.loads(answer.body)
        if statuses is None:
            assert (answer.status, "Nothing of it was kept" in told["detail"]) == (503, True)
        else:
            assert [each["status"] for each in told["Operations"]] == statuses
        assert _count_users(site, token) == (0 if statuses is None else 1)


def test_metrics_are_told_and_nobody_is_ready_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_site(tmp_path) as site:
        trouble = make_trouble(site.database)
        measure = make_measure(site.database, site.calls, None)
        asked = Request("GET", b"/metrics", {}, b"", ("127.0.0.1", 1), False)
        assert trouble() is None
        assert b"muster_customers 0.0" in measure(asked).body
        assert make_measure(site.database, site.calls, None, behind_proxy=True)(asked).status == 403
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
        assert "is full (0 bytes left)" in (trouble() or "")

        def away(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("unable to open database file")

        monkeypatch.setattr(site.database, "read", away)
        monkeypatch.setattr(site.customers, "find_access", away)
        assert "cannot be opened" in (trouble() or "")
        assert measure(asked).status == 200
        answer = site.application.answer(_request("GET", "/Users/7", token="8x8_any"))
        assert answer.status == 503
        assert site.calls.counted == {503: 1}
        assert b'muster_scim_requests_total{status="503"} 1.0' in measure(asked).body


def test_a_patch_of_a_group_under_a_condition_shows_what_it_made(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        headers = {"authorization": f"Bearer {_customer(site)}", "content-type": "application/scim+json"}
        group = {"schemas": [GROUP_URN], "displayName": "Crew"}
        _, made, body = site.ask("acme", "POST", "/Groups", "", headers, orjson.dumps(group))
        patch = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "displayName", "value": "Crews"}]}
        status, shown, answer = site.ask(
            "acme",
            "PATCH",
            f"/Groups/{orjson.loads(body)['id']}",
            "attributes=displayName",
            {**headers, "if-match": made["etag"]},
            orjson.dumps(patch),
        )
        assert (status, orjson.loads(answer)["displayName"]) == (200, "Crews")
        assert shown["etag"] != made["etag"]


def test_the_log_of_calls_says_who_came_into_a_group_and_who_left(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}

        def ask(method: str, path: str, sent: object = None) -> dict[str, object]:
            status, _, body = site.ask("acme", method, path, "", headers, sent and orjson.dumps(sent))
            assert status < 300, body
            return orjson.loads(body) if body else {}

        ids = [ask("POST", "/Users", {**USER, "userName": f"user{each}"})["id"] for each in range(103)]
        people = [{"value": each} for each in ids]
        group = {"schemas": [GROUP_URN], "displayName": "C"}
        crew = f"/Groups/{ask('POST', '/Groups', {**group, 'members': people[:1]})['id']}"

        def patch(*operations: object) -> None:
            ask("PATCH", crew, {"schemas": [PATCH_URN], "Operations": operations})

        patch({"op": "add", "path": "members", "value": people[:2]})
        patch({"op": "replace", "path": "members", "value": people[1:3]})
        patch(
            {"op": "remove", "path": f'members[value eq "{ids[2]}"]'},
            {"op": "add", "path": "members", "value": people[3:4]},
        )
        ask("PUT", crew, group)
        ask("PUT", crew, {**group, "members": people})
        ask("DELETE", crew)

        def of_users(*numbers: int) -> list[object]:
            return [{"value": ids[each], "display": f"user{each}"} for each in numbers]

        def moved(body: str | None, name: str) -> object:
            return orjson.loads(body or "{}").get(name)

        logged = [
            (moved(call.before_body, "membersRemoved"), moved(call.after_body, "membersAdded"))
            for call in reversed(site.calls.read_calls(customer, count=7))
        ]
        many = [*of_users(*range(100)), "and 3 more"]
        assert logged == [
            (None, of_users(0)),
            (None, of_users(1)),
            (of_users(0), of_users(2)),
            (of_users(2), of_users(3)),
            (of_users(1, 3), None),
            (None, many),
            (many, None),
        ]


@pytest.mark.parametrize("batch_limit", [1, None])
def test_a_change_stands_in_the_log_of_calls_before_it_is_answered(tmp_path: Path, batch_limit: int | None) -> None:
    with open_site(tmp_path, batch_limit=batch_limit) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
        bulk = [
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": name,
                "data": {**USER, "userName": name, "title": "t" * 6_000},
            }
            for name in ("ben@x.example", "cem@x.example", "dan@x.example", "eva@x.example")
        ]
        for path, sent in (
            ("/Users", USER),
            ("/Users", {**USER, "userName": "cleo@x.example", "title": "t" * 40_000, "nickName": "n" * 40_000}),
            ("/Bulk", {"schemas": [BULK_REQUEST_URN], "Operations": bulk}),
        ):
            assert site.ask("acme", "POST", path, "", headers, orjson.dumps(sent))[0] < 300
            logged = site.calls.read_calls(customer)[0]
            assert (logged.path, logged.after_body is not None) == (path, True)
        *whole, more = str(logged.after_body).split("\n")
        assert [orjson.loads(each)["userName"] for each in whole] == ["ben@x.example", "cem@x.example"]
        assert more == "and 2 more"
        assert site.calls.counted == {200: 1, 201: 2}


@pytest.mark.parametrize("batch_limit", [1, None])
def test_the_log_shows_at_a_bulk_that_broke_what_it_changed_and_not_at_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_limit: int | None
) -> None:
    count_up = SqlRepository._count_up

    def broken(repository: SqlRepository, type_name: str, *args: Any) -> None:
        if type_name == "Group":
            raise RuntimeError("broken")
        count_up(repository, type_name, *args)

    monkeypatch.setattr(SqlRepository, "_count_up", broken)
    with open_site(tmp_path, batch_limit=batch_limit) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/scim+json"}
        made = {"/Users": USER, "/Groups": {"schemas": [GROUP_URN], "displayName": "Crew"}}
        bulk = [{"method": "POST", "path": path, "bulkId": path[1:], "data": data} for path, data in made.items()]
        for path, sent, statuses in (
            ("/Bulk", {"schemas": [BULK_REQUEST_URN], "Operations": bulk}, ["201", "500"]),
            ("/Users", {**USER, "userName": "ben@x.example"}, []),
        ):
            answer = orjson.loads(site.ask("acme", "POST", path, "", headers, orjson.dumps(sent))[2])
            assert [each["status"] for each in answer.get("Operations", [])] == statuses
        logged = site.calls.read_calls(customer)
        assert [orjson.loads(call.after_body or b"{}").get("userName") for call in logged] == [
            "ben@x.example",
            USER["userName"],
        ]


def test_a_request_that_is_done_twice_counts_once_towards_the_limit(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        site.customers.change_settings(customer, replace(customer.settings, rate_limit=100))
        group = {"schemas": [GROUP_URN], "displayName": "Crew", "members": [{"value": "nobody"}]}
        sent = [_request("POST", "/Groups", orjson.dumps(group), token)] * 2
        answers = site.application.answer_together(sent)
        assert [(each.status, dict(each.headers)["x-ratelimit-remaining"]) for each in answers] == [
            (400, "19"),
            (400, "18"),
        ]


def test_the_log_of_calls_begins_with_the_newest_on_every_page(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        customer, token = site.create_customer("acme", Profile.GENERIC)
        access = site.customers.find_access(token, now=datetime.now(UTC))
        assert access is not None
        began = datetime(2026, 1, 1, tzinfo=UTC)
        for second in (3, 1, 2, 1, 0):
            at = began + timedelta(seconds=second)
            site.calls.keep(ScimCall(access, at, None, "GET", f"/{second}", 200, 1, b"", b"", ()))
        pages, before = [], None
        while page := site.calls.read_calls(customer, before=before, count=2):
            pages.append([call.path for call in page])
            before = page[-1].key
        assert pages == [["/3", "/2"], ["/1", "/1"], ["/0"]]


def _customer(site: PlayedSite) -> str:
    return site.create_customer("acme", Profile.GENERIC)[1]


def test_what_one_token_may_is_not_lent_to_another_request_of_the_same_commit(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        _, others = site.create_customer("globex", Profile.GENERIC)
        bodies = [orjson.dumps({**USER, "userName": f"ada{number}"}) for number in range(4)]
        sent = [
            _request("POST", "/Users", bodies[0], token),
            _request("POST", "/Users", bodies[1], token + "x"),
            _request("POST", "/Users", bodies[2], others),
            _request("POST", "/Users", bodies[3], token),
        ]
        elsewhere = sent[0]._replace(target=sent[0].target.replace(b"acme", b"globex"))
        answers = site.application.answer_together([*sent, elsewhere])
        assert [answer.status for answer in answers] == [201, 401, 403, 201, 403]
