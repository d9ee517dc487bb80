"""The OpenAPI document says what the API does: every call is in it, and answers are as it says, whatever is sent."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import openapi
from schemathesis.checks import CHECKS, load_all_checks

from faces.house import TENANT, House, Started
from muster.web.graph.odata import CHOSEN
from muster.web.graph.openapi import make_document, operation_id
from muster.web.graph.routes import ROUTES

load_all_checks()
TRIED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "unsupported_method",
    ]
)
# What would take away what the other calls are tried on, or wait for an engine.
SPARED = {
    ("POST", "/servicePrincipals/{sp}/synchronization/jobs/{job}/provisionOnDemand"),
    ("DELETE", "/servicePrincipals/{sp}"),
    ("DELETE", "/applications/{application}"),
    ("DELETE", "/servicePrincipals/{sp}/synchronization/jobs/{job}"),
    ("DELETE", "/users/{user}"),
    ("DELETE", "/groups/{group}"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("openapi"))


@pytest.fixture(scope="module")
def names(house: House) -> dict[str, str]:
    """The ids of one of everything, by the names in paths."""
    job = Started(house)
    sp = house.call("GET", f"/servicePrincipals/{job.sp}").body
    application = house.call("GET", f"/applications(appId='{sp['appId']}')").body["id"]
    house.clock.while_waiting = lambda: None
    return {
        "user": house.user()["id"],
        "group": house.group()["id"],
        "sp": job.sp,
        "application": application,
        "job": job.id,
        "template": "8x8",
        "organization": TENANT,
        "directory": "8x8",
        "version": "1",
    }


def served(house: House) -> Any:
    answer = house.call("GET", "/openapi.json", token=None, version="")
    assert answer.status == 200
    return answer.body


def test_every_call_is_in_the_document_once_with_its_permission(house: House) -> None:
    document = served(house)
    described = {
        (method.upper(), path): call["x-permission"]
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    }
    assert described == {(route.method, route.path): route.permission.value for route in ROUTES}
    assert len({operation_id(route) for route in ROUTES}) == len(ROUTES)
    summaries = [call["summary"] for calls in document["paths"].values() for call in calls.values()]
    assert all(summaries)


def test_the_document_names_the_address_that_it_was_asked_at(house: House) -> None:
    document = served(house)
    assert document["servers"][0] == {"url": "http://falconframework.org/v1.0"}
    flow = document["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"http://falconframework.org/{TENANT}/oauth2/v2.0/token"


def test_an_option_that_a_call_does_not_follow_is_refused_by_name(house: House, names: dict[str, str]) -> None:
    for route in ROUTES:
        path = re.sub(r"\{(\w+)\}", lambda part: names.get(part[1], "x"), route.path)
        for option in sorted(CHOSEN - route.options) if route.method == "GET" else ():
            answer = house.call("GET", f"{path}?{option}=displayName")
            assert answer.status == 400, path
            assert f"The query option {option} is not supported here." in answer.message


def test_a_list_that_is_short_is_whole_unless_fewer_are_asked_for(house: House, names: dict[str, str]) -> None:
    path = f"/servicePrincipals/{names['sp']}/synchronization/jobs/{names['job']}/schema/functions"
    everything = [each["name"] for each in house.call("GET", path).body["value"]]
    seen, page = [], house.call("GET", f"{path}?$top=20&$count=true").body
    assert page["@odata.count"] == len(everything) > 20
    while True:
        seen += [each["name"] for each in page["value"]]
        if "@odata.nextLink" not in page:
            break
        page = house.call("GET", page["@odata.nextLink"].partition("/v1.0")[2]).body
    assert seen == everything


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_whatever_is_sent_the_answer_is_as_the_document_says(house: House, names: dict[str, str], route: Any) -> None:
    if (route.method, route.path) in SPARED:
        pytest.skip("it would take away what the other calls are tried on")
    # The servers of the document are an address and a version; here only the version counts.
    document = {**make_document("http://falconframework.org", TENANT), "servers": [{"url": "/v1.0"}]}
    schema = openapi.from_dict(json.loads(json.dumps(document)))
    schema.app = house.site

    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[route.path][route.method].as_strategy())
    def tried(case: Any) -> None:
        case.path_parameters.update({name: names[name] for name in case.path_parameters if name in names})
        answer = case.call(headers={"Authorization": f"Bearer {house.token}"})
        case.validate_response(answer, checks=TRIED)

    tried()
