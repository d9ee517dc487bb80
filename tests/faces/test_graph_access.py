"""Who may do what: tokens at the door, roles × calls, limits, and errors in OData's shape."""

from datetime import timedelta

import pytest

from faces.house import House
from muster.model.roles import PERMISSIONS, Permission, Role
from muster.web.graph.routes import ROUTES

NOBODY = "99999999-9999-9999-9999-999999999999"

# What each role may, written out by hand so that a change of the tables shows here.
OF_GLOBAL_ADMINISTRATORS = {Permission.MANAGE_ACCESS, Permission.MANAGE_INSTALLATION}
EXPECTED: dict[Role, set[Permission]] = {
    Role.GLOBAL_ADMINISTRATOR: set(Permission),
    Role.APPLICATION_ADMINISTRATOR: set(Permission) - OF_GLOBAL_ADMINISTRATORS - {Permission.WRITE_DIRECTORY},
    Role.CLOUD_APPLICATION_ADMINISTRATOR: set(Permission) - OF_GLOBAL_ADMINISTRATORS - {Permission.WRITE_DIRECTORY},
    Role.USER_ADMINISTRATOR: {Permission.READ_DIRECTORY, Permission.WRITE_DIRECTORY},
    Role.GLOBAL_READER: {Permission.READ_DIRECTORY, Permission.READ_CONFIGURATION, Permission.READ_LOGS},
    Role.REPORTS_READER: {Permission.READ_LOGS},
}
CALLS = [(route.method, route.path) for route in ROUTES]


def filled(path: str) -> str:
    """The path with an id that nobody has in every place."""
    for name in ("user", "group", "member", "item", "template", "application", "sp", "assignment", "job"):
        path = path.replace(f"{{{name}}}", NOBODY)
    return path.replace("{directory}", NOBODY).replace("{plan}", NOBODY).replace("{work}", NOBODY)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="module")
def tokens(shared: House) -> dict[Role, str]:
    return {role: shared.token_for(role) for role in Role}


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name.lower())
def test_a_role_may_exactly_the_calls_it_is_for(
    shared: House, tokens: dict[Role, str], role: Role, method: str, path: str
) -> None:
    permission = next(route.permission for route in ROUTES if (route.method, route.path) == (method, path))
    answer = shared.call(method, filled(path), None if method in ("GET", "DELETE") else {}, token=tokens[role])
    if permission in EXPECTED[role]:
        assert answer.status in (200, 400, 404), answer.text
    else:
        assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
        assert permission.value in answer.message


def test_the_roles_give_what_is_expected() -> None:
    assert {role: set(given) for role, given in PERMISSIONS.items()} == EXPECTED


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_call_is_answered_without_a_token(shared: House, method: str, path: str) -> None:
    answer = shared.call(method, filled(path), token=None)
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "authorization", ["Basic YTpi", "Bearer", "Bearer ", "Bearer wrong", "bearer  x y", "Bearer " + "x" * 5_000]
)
def test_a_wrong_authorization_is_refused(house: House, authorization: str) -> None:
    answer = house.call("GET", "/users", token=None, headers={"Authorization": authorization})
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")


def test_an_expired_token_is_refused(house: House) -> None:
    token = house.token_for(Role.GLOBAL_READER, lifetime=timedelta(hours=1))
    assert house.call("GET", "/users", token=token).status == 200
    house.clock.at += timedelta(hours=2)
    assert house.call("GET", "/users", token=token).status == 401


def test_an_unknown_path_tells_a_stranger_nothing(house: House) -> None:
    assert house.call("GET", "/nothing/here", token=None).status == 401
    answer = house.call("GET", "/nothing/here")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/users", {"GET", "POST"}), ("POST", "/users/1/manager/$ref", {"PUT", "DELETE"})],
)
def test_a_wrong_method_is_refused_with_those_that_are_right(
    house: House, method: str, path: str, allowed: set[str]
) -> None:
    answer = house.call(method, path, {})
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} - {"OPTIONS", "HEAD"} == allowed


def test_an_error_has_the_parts_that_clients_read(house: House) -> None:
    answer = house.call("GET", f"/users/{NOBODY}", headers={"client-request-id": "mine"})
    error = answer.body["error"]
    assert (answer.status, error["code"]) == (404, "Request_ResourceNotFound")
    assert error["innerError"] == {
        "date": "2026-05-04T08:00:00",
        "request-id": answer.headers["request-id"],
        "client-request-id": "mine",
    }
    assert answer.headers["client-request-id"] == "mine"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "Unable to read JSON"),
        (b"\xff\xfe", "Unable to read JSON"),
        (b"", "payload is required"),
        (b"[]", "must be an object"),
        (b'"text"', "must be an object"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested deeper than 64"),
        (b"[" * 5_000 + b"]" * 5_000, "Unable to read JSON"),
    ],
)
def test_a_body_that_is_no_object_is_refused(house: House, raw: bytes, says: str) -> None:
    answer = house.call("POST", "/users", raw=raw)
    assert answer.status == 400
    assert says in answer.message


def test_a_body_that_is_too_large_is_refused(house: House) -> None:
    answer = house.call("POST", "/users", raw=b'{"displayName":"' + b"x" * (8 * 1024 * 1024) + b'"}')
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")


def test_a_fault_of_ours_shows_no_detail_but_the_request_id(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.uploads.keep = None  # type: ignore[method-assign,assignment]  # so that it breaks
    answer = house.call("POST", "/imports?fileName=people.csv", raw=b"a,b\n")
    assert (answer.status, answer.code) == (500, "InternalServerError")
    assert answer.headers["request-id"] in answer.message
    assert "NoneType" not in answer.text
    assert "NoneType" in caplog.text


def test_both_versions_are_served(house: House) -> None:
    house.user()
    for version in ("v1.0", "beta"):
        answer = house.call("GET", "/users", version=version)
        assert answer.body["@odata.context"].endswith(f"/{version}/$metadata#users")


def test_the_probes_answer_without_a_token(house: House) -> None:
    assert house.call("GET", "/healthz", token=None, version="").text == "ok\n"
    assert house.call("GET", "/readyz", token=None, version="").text == "ready\n"
    house.trouble = "no engine is running"
    answer = house.call("GET", "/readyz", token=None, version="")
    assert (answer.status, answer.text) == (503, "no engine is running\n")
    assert house.call("GET", "/elsewhere", token=None, version="").status == 404
