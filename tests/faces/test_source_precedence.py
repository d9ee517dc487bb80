"""Several sources of the same people: whose word counts, what may be edited by hand, who stays when one lets go."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from faces.played_sources import FolderSource, open_installation
from muster.cli.api import ApiError, LocalApi

HEAD = "employeeId,userPrincipalName,displayName,mail,mobile,department\n"


def row(number: int, department: str = "", mobile: str = "", mail: str = "") -> str:
    return f"{number},p{number}@lantaarn.example,Person {number},{mail},{mobile},{department}\n"


@dataclass
class Two:
    """Personnel knows departments; IT knows telephones. Personnel's word counts, but for mobile."""

    api: LocalApi
    hr: FolderSource
    it: FolderSource

    def person(self, number: int) -> dict[str, str]:
        return self.hr.users()[str(number)]

    def run(self) -> None:
        for source in (self.it, self.hr, self.it):
            source.run()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with open_installation(tmp_path) as api:
        it = FolderSource(api, tmp_path / "imports" / "it", "IT")
        hr = FolderSource(api, tmp_path / "imports" / "hr", "HR")
        for source in (hr, it):
            source.connect()
            source.start()
        hr.set(Precedence="10", AttributePrecedence="mobile=200")
        both = Two(api, hr, it)
        hr.put(
            "01.csv", HEAD + "".join(row(number, "Sales", "+31 1", f"p{number}@hr.example") for number in range(1, 9))
        )
        it.put("01.csv", HEAD + "".join(row(number, "IT says", "+31 9") for number in range(1, 9)))
        both.run()
        yield both


def test_the_first_in_the_order_counts_attribute_by_attribute(two: Two) -> None:
    person = two.person(1)
    assert (person["department"], person["mobilePhone"], person["mail"]) == ("Sales", "+31 9", "p1@hr.example")
    two.it.put("02.csv", HEAD + "".join(row(number, "IT again", "+31 8") for number in range(1, 9)))
    two.run()
    person = two.person(1)
    assert (person["department"], person["mobilePhone"]) == ("Sales", "+31 8")
    # A second cycle has nothing to do.
    assert two.it.run() is None and two.hr.run() is None


def test_another_order_has_everybody_looked_at_again(two: Two) -> None:
    two.hr.set(Precedence="500")
    two.run()
    assert two.person(1)["department"] == "IT says" and two.person(1)["mail"] == "p1@hr.example"


def test_provenance_names_the_source_of_each_value(two: Two) -> None:
    shown = two.api.get(f"/users/{two.person(1)['id']}/provenance")["value"]
    sources = {each["attribute"]: each["source"] for each in shown}
    assert (sources["department"], sources["mobile"], sources["mail"]) == ("HR", "IT", "HR")
    assert "jobTitle" not in sources
    since = {each["attribute"]: each["sinceDateTime"] for each in shown}
    # A name that both give, and that stood when the other came, is dated, too.
    assert since["department"] and since["mobile"] and since["mail"] and since["displayName"]
    before = since["department"], since["mobile"]
    two.it.put("02.csv", HEAD + "".join(row(number, "IT says", "+31 8") for number in range(1, 9)))
    two.run()
    shown = two.api.get(f"/users/{two.person(1)['id']}/provenance")["value"]
    since = {each["attribute"]: each["sinceDateTime"] for each in shown}
    # It was not IT's department that counts; its number did change.
    assert since["department"] == before[0] and since["mobile"] > before[1]


def test_explaining_somebody_says_which_source_gave_what_a_value_is_made_of(two: Two) -> None:
    made = two.api.call("POST", "/applicationTemplates/scim/instantiate", {"displayName": "App"})
    sync = f"/servicePrincipals/{made['servicePrincipal']['id']}/synchronization"
    given = {"BaseAddress": "https://scim.example.com/v2", "SecretToken": "token"}
    two.api.call("PUT", f"{sync}/secrets", {"value": [{"key": key, "value": value} for key, value in given.items()]})
    job = two.api.call("POST", f"{sync}/jobs", {"templateId": "scim"})["id"]
    shown = two.api.get(f"{sync}/jobs/{job}/explain?user={two.person(1)['id']}")
    origins = {
        origin["attribute"]: (origin["source"], bool(origin["sinceDateTime"]))
        for row in shown["mappings"]
        for origin in row["origins"]
    }
    assert (origins["department"], origins["mobile"]) == (("HR", True), ("IT", True))
    assert origins["isSoftDeleted"][0] in ("HR", "IT") and "jobTitle" not in origins
    path = f"/servicePrincipals/{two.hr.sp}/synchronization/jobs/{two.hr.job}"
    number = two.person(1)["employeeId"]
    own = two.api.get(f"{path}/explain?user={number}")
    assert own["mappings"] and all(row["origins"] == [] for row in own["mappings"])


def test_what_a_source_supplies_is_not_edited_by_hand_unless_that_comes_first(two: Two) -> None:
    path = f"/users/{two.person(1)['id']}"
    two.api.call("PATCH", path, {"jobTitle": "Chief", "department": "Sales"})
    with pytest.raises(ApiError, match="mobile of Person 1 comes from the source IT: change it there"):
        two.api.call("PATCH", path, {"mobilePhone": "+31 5"})
    with pytest.raises(ApiError, match="Person 1 comes from the source HR"):
        two.api.call("DELETE", path)
    two.it.set(LocalEditsFirst="mobile")
    two.api.call("PATCH", path, {"mobilePhone": "+31 5"})
    two.it.put("03.csv", HEAD + "".join(row(number, "IT again", "+31 7") for number in range(1, 9)))
    two.run()
    assert (two.person(1)["mobilePhone"], two.person(2)["mobilePhone"]) == ("+31 5", "+31 7")


def test_who_leaves_the_first_source_leaves_though_another_still_has_them(two: Two) -> None:
    two.hr.put("02.csv", HEAD + "".join(row(number, "Sales", "+31 1") for number in range(2, 9)))
    two.run()
    assert "1" not in two.hr.users()
    two.it.put("02.csv", HEAD + "".join(row(number, "IT", "+31 9") for number in range(1, 9)))
    two.run()
    assert "1" not in two.hr.users()
    two.hr.put("03.csv", HEAD + "".join(row(number, "Sales", "+31 1") for number in range(1, 9)))
    two.run()
    assert two.person(1)["department"] == "Sales"


def test_who_leaves_another_source_stays_and_is_as_the_others_say(two: Two) -> None:
    two.it.put("02.csv", HEAD + "".join(row(number, "IT", "+31 9") for number in range(2, 9)))
    two.run()
    assert two.person(1)["mobilePhone"] == "+31 1"
    assert two.person(2)["mobilePhone"] == "+31 9"


def test_who_leaves_another_source_stays_as_the_first_says_while_that_is_silent(two: Two) -> None:
    two.api.call("POST", f"{two.hr.job_path}/pause")
    two.it.put("02.csv", HEAD + "".join(row(number, "IT", "+31 9") for number in range(2, 9)))
    assert two.it.run()["disabled"] == 0
    path = f"/users/{two.person(1)['id']}"
    sources = {each["attribute"]: each["source"] for each in two.api.get(f"{path}/provenance")["value"]}
    assert (sources["department"], sources["isSoftDeleted"]) == ("HR", "HR")
    with pytest.raises(ApiError, match="Person 1 comes from the source HR"):
        two.api.call("PATCH", path, {"department": "By hand"})
    two.it.put("03.csv", HEAD + "".join(row(number, "IT again", "+31 9") for number in range(1, 9)))
    two.it.run()
    assert two.person(1)["department"] == "Sales"


def test_who_has_left_the_first_source_stays_gone_while_that_is_silent_and_another_names_them_again(two: Two) -> None:
    two.hr.put("02.csv", HEAD + "".join(row(number, "Sales", "+31 1") for number in range(2, 9)))
    two.run()
    two.api.call("POST", f"{two.hr.job_path}/pause")
    for name, first in (("02.csv", 2), ("03.csv", 1)):
        two.it.put(name, HEAD + "".join(row(number, "IT", "+31 9") for number in range(first, 9)))
        two.it.run()
        assert "1" not in two.it.users()
