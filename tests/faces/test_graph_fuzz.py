"""Whatever is sent, the API answers with a refusal or does it: never with a fault of ours."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faces.house import House, Started
from muster.web.graph.routes import ROUTES

WRITING = [(route.method, route.path) for route in ROUTES if route.method in ("POST", "PUT", "PATCH")]
READING = [route.path for route in ROUTES if route.method == "GET"]
NAMES = [
    "displayName", "userPrincipalName", "accountEnabled", "businessPhones", "manager@odata.bind",
    "members@odata.bind", "@odata.id", "onPremisesExtensionAttributes", "appRoles", "id", "value", "isEnabled",
    "allowedMemberTypes", "principalId", "resourceId", "appRoleId", "key", "credentials", "useSavedCredentials",
    "templateId", "schedule", "interval", "state", "synchronizationJobSettings", "name", "criteria",
    "resetScope", "parameters", "ruleId", "subjects", "objectId", "objectTypeName", "links", "members",
    "synchronizationRules", "directories", "objectMappings", "attributeMappings", "source", "expression",
    "targetAttributeName", "scope", "groups", "clauses", "testInputObject", "properties", "testUser", "objects",
    "attributes", "priority", "matchingPriority", "flowTypes",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["User", "Group", "8x8", "BaseAddress", "PT5M", "https://x.example/scim", "[mail]", "Join("])
)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
WORDS = st.sampled_from(
    ["displayName", "jobId", "eq", "ne", "and", "or", "not", "'x'", "'", "(", ")", ",", "startswith", "contains",
     "tolower", "7", "-1.5", "true", "null", "2026-01-01", "2026-13-45T99:99Z", "activityDateTime", "ge",
     "accountEnabled",
     "99999999-9999-9999-9999-999999999999", "é", "\\", "%"]
)  # fmt: skip
OPTIONS = ["$filter", "$top", "$skiptoken", "$select", "$count", "$orderby", "$search", "$expand", "user"]
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["$filter", "$top", "$skiptoken", "$select", "$count", "$orderby", "$search", "$expand", "user"]
        ),
        st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=12),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dict[str, str]]:
    """A house with one of everything, and their ids by the names in paths."""
    house = House(tmp_path_factory.mktemp("fuzz"))
    job = Started(house)
    house.clock.while_waiting = lambda: finish(house)
    application = house.call("GET", f"/applications(appId='{house.call('GET', job.sync[:-16]).body['appId']}')").body
    return house, {
        "user": house.user()["id"],
        "group": house.group()["id"],
        "member": "nobody",
        "item": "nobody",
        "template": "8x8",
        "application": application["id"],
        "sp": job.sp,
        "job": job.id,
        "assignment": "nothing",
        "directory": "8x8",
        "plan": "abcdef0123",
        "work": "nothing",
    }


def finish(house: House) -> None:
    taken = house.stores.work.take("engine")
    if taken is not None:
        house.stores.work.finish(taken.id, "done", {})


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.parametrize(("method", "path"), WRITING)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON)
def test_no_body_makes_a_call_fail(lived_in: tuple[House, dict[str, str]], method: str, path: str, body: Any) -> None:
    house, ids = lived_in
    answer = house.call(method, filled(path, ids), body)
    assert answer.status < 500, answer.text


@pytest.mark.parametrize("path", READING)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(query=QUERIES)
def test_no_query_makes_a_call_fail(
    lived_in: tuple[House, dict[str, str]], path: str, query: list[tuple[str, str]]
) -> None:
    house, ids = lived_in
    answer = house.call("GET", f"{filled(path, ids)}?{urlencode(query)}")
    assert answer.status < 500, answer.text


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "..%2f..", "'", "(", "%E2%82%AC", "x" * 3_000])
def test_no_name_makes_a_call_fail(lived_in: tuple[House, dict[str, str]], name: str) -> None:
    house, _ = lived_in
    for path in ("/users", "/groups", "/servicePrincipals", "/applicationTemplates", "/work"):
        assert house.call("GET", f"{path}/{name}").status in (400, 404)
