import re
import time
import unicodedata
from collections import Counter
from typing import Any

import pytest

from muster.model.directory import GROUP_ATTRIBUTES, USER_ATTRIBUTES
from muster.sample.names import NAMES, plain_letters
from muster.sample.people import SampleDirectory, make_directory
from muster.sample.places import SITES


@pytest.fixture(scope="module")
def company() -> SampleDirectory:
    return make_directory()


def test_equal_size_and_seed_make_equal_directories(company: SampleDirectory) -> None:
    assert make_directory() == company


def test_another_seed_makes_other_people(company: SampleDirectory) -> None:
    assert make_directory(seed=9).users[5] != company.users[5]


def test_the_company_has_1000_people_at_11_sites(company: SampleDirectory) -> None:
    assert len(company.users) == 1_000
    assert len(company.sites) == 11
    assert all(any(user["city"] == site.city for user in company.users) for site in SITES)


def test_rows_hold_nothing_but_directory_attributes(company: SampleDirectory) -> None:
    known = {attribute.name for attribute in USER_ATTRIBUTES} | {"manager", "isSoftDeleted"}
    assert {name for user in company.users for name in user} <= known
    known = {attribute.name for attribute in GROUP_ATTRIBUTES} | {"members"}
    assert {name for group in company.groups for name in group} <= known


def test_absent_attributes_have_no_key(company: SampleDirectory) -> None:
    values = [value for row in (*company.users, *company.groups) for value in row.values()]
    assert None not in values
    assert "" not in values


def test_principal_names_keep_the_limits_of_8x8_and_differ_without_case(company: SampleDirectory) -> None:
    names = [user["userPrincipalName"] for user in make_directory(10_000).users]
    assert all(re.fullmatch(r"[A-Za-z0-9.@_#-]{3,70}", name) for name in names)
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize(
    ("what", "least", "most"),
    [
        (lambda user: user["userType"] == "Guest", 20, 20),
        (lambda user: "#EXT#@" in user["userPrincipalName"], 20, 20),
        (lambda user: user["isSoftDeleted"], 10, 10),
        (lambda user: not user["accountEnabled"], 40, 60),
        (lambda user: "mail" not in user, 10, 10),
        (lambda user: "mail" in user and user["mail"].isupper(), 20, 25),
        (lambda user: "jobTitle" not in user, 25, 35),
        (lambda user: "department" not in user, 20, 20),
        (lambda user: "telephoneNumber" not in user, 100, 100),
        (lambda user: " " in user.get("telephoneNumber", ""), 500, 750),
        (lambda user: " " not in user.get("telephoneNumber", " "), 150, 350),
        (lambda user: "givenName" not in user, 1, 5),
        (lambda user: "physicalDeliveryOfficeName" not in user, 4, 4),
        (lambda user: "'" in user["surname"] or "’" in user["surname"], 10, 100),
        (lambda user: "-" in user["surname"], 15, 100),
        (lambda user: " " in user["surname"], 20, 300),
        (lambda user: user["userPrincipalName"][0].isupper(), 10, 20),
        (lambda user: not user["displayName"].isascii(), 300, 700),
        (lambda user: not unicodedata.is_normalized("NFC", user["displayName"]), 3, 30),
        (lambda user: user["userType"] == "Member" and "manager" not in user, 1, 1),
    ],
)
def test_what_real_directories_hold_is_there(company: SampleDirectory, what: Any, least: int, most: int) -> None:
    assert least <= sum(1 for user in company.users if what(user)) <= most


def test_some_offices_are_no_site(company: SampleDirectory) -> None:
    sites = {site.name for site in SITES}
    offices = [user.get("physicalDeliveryOfficeName") for user in company.users]
    assert len([office for office in offices if office is not None and office not in sites]) == 5


def test_several_people_share_a_display_name(company: SampleDirectory) -> None:
    bearers = Counter(user["displayName"] for user in company.users)
    assert sum(1 for count in bearers.values() if count > 1) >= 6


@pytest.mark.parametrize("script", ["CJK", "HIRAGANA", "GREEK", "ARABIC", "CYRILLIC", "LATIN"])
def test_names_stand_in_several_scripts(company: SampleDirectory, script: str) -> None:
    letters = "".join(user["surname"] + user.get("givenName", "") for user in company.users)
    assert any(unicodedata.name(letter, "").startswith(script) for letter in letters)


def test_managers_form_one_tree_and_are_never_soft_deleted(company: SampleDirectory) -> None:
    by_name = {user["userPrincipalName"]: user for user in company.users}
    for user in company.users:
        seen: list[str] = []
        while "manager" in user:
            assert user["userPrincipalName"] not in seen
            seen.append(user["userPrincipalName"])
            user = by_name[user["manager"]]
            assert not user["isSoftDeleted"]
        assert user is company.users[0] or user["userType"] == "Guest"
    assert any(not by_name[user["manager"]]["accountEnabled"] for user in company.users if "manager" in user)


def test_groups_cover_departments_sites_and_the_odd_ones(company: SampleDirectory) -> None:
    groups = {group["displayName"]: group for group in company.groups}
    assert len(groups) == len(company.groups)
    assert groups["Empty group"]["members"] == []
    assert 500 < len(groups["8x8 licensed"]["members"]) < 900
    assert groups["8x8 supervisors"]["members"]
    nested = groups["Nested: everyone in Sales and Support"]["members"]
    assert nested == [groups["Department – Sales"]["objectId"], groups["Department – Support"]["objectId"]]
    assert all(groups[f"Site {site.name}"]["members"] for site in SITES)
    assert any("," in name and '"' in name for name in groups)
    trial = set(groups["Contact center trial"]["members"])
    assert trial
    assert not trial & set(groups["8x8 licensed"]["members"])


def test_members_exist_and_none_is_soft_deleted(company: SampleDirectory) -> None:
    present = {user["objectId"] for user in company.users if not user["isSoftDeleted"]}
    present |= {group["objectId"] for group in company.groups}
    assert all(member in present for group in company.groups for member in group["members"])


@pytest.mark.parametrize("size", [1, 2, 17, 200])
def test_any_size_can_be_made(size: int) -> None:
    assert len(make_directory(size).users) == size


@pytest.mark.parametrize("size", [0, -1, 1_000_001])
def test_a_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"1 to 1,000,000 people"):
        make_directory(size)


def test_10_000_people_are_made_in_under_three_seconds_of_work() -> None:
    began = time.process_time()
    make_directory(10_000)
    assert time.process_time() - began < 3


def test_every_name_has_plain_letters() -> None:
    names = [name for listed in NAMES.values() for name in (*listed.given, *listed.family)]
    assert all(name.latin == plain_letters(name.latin) and name.latin for name in names)
