"""How an application is talked to: fields with their origin, set and given back, and what an examination found."""

import pytest

from faces.house import House, Started
from muster.model.failures import CredentialsRefused
from muster.model.job import LEARNED, CycleState
from muster.model.roles import Role


@pytest.fixture
def path(house: House) -> str:
    return f"/servicePrincipals/{house.application()['id']}/synchronization"


def test_a_field_says_whether_the_standard_the_gallery_or_an_administrator_set_it(house: House, path: str) -> None:
    shown = house.call("GET", f"{path}/dialect").body
    assert shown["dialect"]["page_size"] == 100
    assert (shown["origins"]["page_size"], shown["origins"]["filterable"]) == ("standard", "gallery")
    changed = house.call("PATCH", f"{path}/dialect", {"page_size": 500, "update": "put"})
    assert changed.status == 200
    assert (changed.body["dialect"]["page_size"], changed.body["origins"]["page_size"]) == (500, "administrator")
    back = house.call("PATCH", f"{path}/dialect", {"page_size": None}).body
    assert (back["dialect"]["page_size"], back["origins"]["page_size"]) == (100, "standard")
    assert back["dialect"]["update"] == "put"
    entry = house.call("GET", "/auditLogs/directoryAudits").body["value"][0]
    assert "dialect.page_size" in str(entry)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"page_size": 0}, "page_size must be a whole number from 1"),
        ({"pages": 1}, "has no field pages"),
        ({"update": "post"}, "update must be one of patch, put"),
    ],
)
def test_what_cannot_be_set_is_refused(house: House, path: str, changes: dict[str, object], said: str) -> None:
    answer = house.call("PATCH", f"{path}/dialect", changes)
    assert (answer.status, answer.code) == (400, "InvalidDialect")
    assert said in answer.message


def test_what_cycles_found_instead_is_told_beside_what_is_set(house: House, job: Started) -> None:
    job.cycle(options={LEARNED: '{"update":"put","page_size":100}'}, state=CycleState.SUCCEEDED)
    shown = house.call("GET", f"{job.sync}/dialect").body
    assert (shown["dialect"]["update"], shown["origins"]["update"]) == ("patch", "standard")
    # A field that is as it is set is no finding.
    assert shown["discovered"] == {"update": "put"}


def test_a_reader_sees_the_dialect_and_examines_nothing(house: House, path: str) -> None:
    token = house.token_for(Role.GLOBAL_READER)
    assert house.call("GET", f"{path}/dialect", token=token).status == 200
    assert house.call("POST", f"{path}/examine", {}, token=token).status == 403
    assert house.call("PATCH", f"{path}/dialect", {"page_size": 5}, token=token).status == 403


def test_an_examination_gives_its_report_or_the_failure_with_its_remedy(house: House, path: str) -> None:
    house.examine = lambda _: {"grade": "A", "dialect": {"page_size": 200}}
    report = house.call("POST", f"{path}/examine", {}).body
    assert house.call("PATCH", f"{path}/dialect", report["dialect"]).body["dialect"]["page_size"] == 200

    def refuses(_: str) -> dict[str, object]:
        raise CredentialsRefused("8x8 cannot be examined: it refuses the token (HTTP 401).")

    house.examine = refuses
    answer = house.call("POST", f"{path}/examine", {})
    assert answer.status == 400
    assert "refuses the token" in answer.message
