"""Makes the sample company: people, who leads whom, and groups; equal for equal size and seed.

What a directory of a real company holds stands here on purpose, at fixed places so that the shares are the same at any
size: guests, accounts that are switched off or soft-deleted, namesakes, missing attributes, letters of many scripts,
combining marks, upper-case addresses, two ways to write a telephone number, offices that no site is named after.
"""

import random
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from muster.sample.names import NAMES, Name, NameList, plain_letters
from muster.sample.places import (
    COMPANY,
    DEPARTMENTS,
    DOMAIN,
    PARTNER_DOMAINS,
    SITES,
    UNKNOWN_OFFICES,
    Site,
)

DEFAULT_USERS = 1_000
DEFAULT_SEED = 8
LIMIT_USERS = 1_000_000
_SPAN_OF_CONTROL = 8
# 8x8 takes user names of 3 to 70 characters; a guest's name is the longest: alias, partner and our domain.
_ALIAS_LIMIT = 24

Row = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDirectory:
    """Users and groups as rows keyed by directory attribute names; absent attributes have no key."""

    seed: int
    sites: tuple[Site, ...]
    users: tuple[Row, ...]
    groups: tuple[Row, ...]


def make_directory(users: int = DEFAULT_USERS, seed: int = DEFAULT_SEED) -> SampleDirectory:
    """Returns a directory of so many people. Raises: ValueError for a size out of bounds."""
    if not 1 <= users <= LIMIT_USERS:
        raise ValueError(f"The sample directory has 1 to {LIMIT_USERS:,} people, not {users:,}.")
    people = _People(seed)
    rows = tuple(people.next_person(number) for number in range(users))
    _appoint_leaders(rows)
    return SampleDirectory(seed=seed, sites=SITES, users=rows, groups=_make_groups(rows, seed))


class _Draw:
    """Chance that is the same on every machine: only `random()` is promised to stay over Python versions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311  a sample, no secret

    def number(self, limit: int) -> int:
        return int(self._random() * limit)

    def one(self, choices: Sequence[_T]) -> _T:
        return choices[self.number(len(choices))]

    def weighted(self, weights: Sequence[int]) -> int:
        rest = self.number(sum(weights))
        for index, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return index
        return 0

    def digits(self, pattern: str) -> str:
        return "".join(str(self.number(10)) if mark == "#" else mark for mark in pattern)


def _falls(number: int, every: int, at: int) -> bool:
    return number % every == at


class _People:
    def __init__(self, seed: int) -> None:
        self._draw = _Draw(seed)
        self._seed = seed
        self._bearers: dict[str, int] = {}
        self._earlier: list[tuple[Site, Name, Name, NameList]] = []

    def next_person(self, number: int) -> Row:
        draw = self._draw
        site, given, family, names = self._who(number)
        is_guest = _falls(number, 50, 17)
        is_deleted = _falls(number, 100, 63)
        alias = self._alias(given, family, number)
        partner = draw.one(PARTNER_DOMAINS)
        given_text = unicodedata.normalize("NFD", given.text) if _falls(number, 40, 37) else given.text
        display = f"{family.text} {given_text}" if names.family_first else f"{given_text} {family.text}"
        department, cost_center, _, titles = DEPARTMENTS[draw.weighted([share for _, _, share, _ in DEPARTMENTS])]
        title = "Chief Executive Officer" if number == 0 else self._title(number, titles)
        if number == 0:
            department, cost_center = "Operations", "1000"
        principal = f"{alias}@{DOMAIN}"
        if _falls(number, 60, 13):
            principal = f"{_capitals(alias)}@{DOMAIN}"
        if is_guest:
            principal = f"{alias}_{partner}#EXT#@{DOMAIN}"
        mail = f"{alias}@{partner if is_guest else DOMAIN}"
        if _falls(number, 40, 21):
            mail = mail.upper()
        row: dict[str, Any] = {
            "objectId": _id(self._seed, "user", number),
            "userPrincipalName": principal,
            "mailNickname": alias,
            "mail": None if _falls(number, 100, 31) else mail,
            "givenName": None if _falls(number, 500, 402) else given_text,
            "surname": family.text,
            "displayName": f"{display} ({partner.partition('.')[0]})" if is_guest else display,
            "accountEnabled": not (is_deleted or _falls(number, 25, 9)),
            "isSoftDeleted": is_deleted,
            "userType": "Guest" if is_guest else "Member",
            "employeeId": None if is_guest else str(1_000_000 + number),
            "employeeType": None if is_guest else "Contractor" if _falls(number, 30, 14) else "Employee",
            "jobTitle": None if _falls(number, 33, 5) else title,
            "department": None if _falls(number, 50, 40) else department,
            "costCenter": None if is_guest else cost_center,
            "companyName": partner.partition(".")[0] if is_guest else COMPANY,
            **self._place(number, site),
            "proxyAddresses": [f"SMTP:{mail}", f"smtp:{plain_letters(family.latin)}{number}@{DOMAIN}"]
            if _falls(number, 3, 0) and not is_guest
            else None,
            "otherMails": [mail.lower()] if is_guest else None,
            "employeeHireDate": f"{2004 + draw.number(22)}-{1 + draw.number(12):02}-{1 + draw.number(28):02}T00:00:00Z",
        }
        return {key: value for key, value in row.items() if value is not None}

    def _who(self, number: int) -> tuple[Site, Name, Name, NameList]:
        draw = self._draw
        if _falls(number, 150, 149):
            # A namesake: only the number behind the alias tells the two apart.
            return self._earlier[-7]
        site = SITES[0] if number == 0 else SITES[draw.weighted([site.share for site in SITES])]
        # Six in ten bear a name of the place, the others one of the languages that live there too.
        script = site.scripts[0] if draw.number(10) < 6 else draw.one(site.scripts)
        names = NAMES[script]
        given, family = draw.one(names.given), draw.one(names.family)
        if _falls(number, 45, 8):
            second = draw.one(names.family)
            family = Name(text=f"{family.text}-{second.text}", latin=f"{family.latin}-{second.latin}")
        self._earlier = [*self._earlier[-19:], (site, given, family, names)]
        return self._earlier[-1]

    def _alias(self, given: Name, family: Name, number: int) -> str:
        alias = f"{given.latin}.{family.latin}"[:_ALIAS_LIMIT].strip(".-") or f"person{number}"
        self._bearers[alias] = self._bearers.get(alias, 0) + 1
        count = self._bearers[alias]
        return alias if count == 1 else f"{alias}{count}"

    def _title(self, number: int, titles: tuple[str, ...]) -> str:
        return titles[0] if number <= _SPAN_OF_CONTROL else self._draw.one(titles[1:])

    def _place(self, number: int, site: Site) -> Row:
        draw = self._draw
        office: str | None = site.name
        if _falls(number, 200, 144):
            office = UNKNOWN_OFFICES[number // 200 % len(UNKNOWN_OFFICES)]
        elif _falls(number, 250, 201):
            office = None
        phone, mobile = draw.digits(site.phone), draw.digits(site.mobile)
        if draw.number(10) < 3:
            phone, mobile = phone.replace(" ", ""), mobile.replace(" ", "")
        return {
            "physicalDeliveryOfficeName": office,
            "streetAddress": site.street,
            "city": site.city,
            "state": site.state,
            "postalCode": site.postal_code,
            "country": site.country,
            "usageLocation": site.country,
            "preferredLanguage": None if _falls(number, 20, 11) else site.language,
            "telephoneNumber": None if _falls(number, 10, 6) else phone,
            "mobile": None if _falls(number, 4, 2) else mobile,
            # The telephone system's timezone comes from an attribute of the company's own.
            "extensionAttribute1": None if _falls(number, 15, 4) else site.time_zone,
        }


def _appoint_leaders(users: Sequence[Row]) -> None:
    """Gives everybody but the first and the guests a manager, by principal name: a tree in which each leads eight.

    Nobody reports to a soft-deleted account; some report to one that is switched off, as happens after a departure.
    """
    leaders = [user for user in users if user["userType"] == "Member" and not user["isSoftDeleted"]]
    place = 0
    for user in users[1:]:
        if user["userType"] == "Guest":
            continue
        user["manager"] = leaders[place // _SPAN_OF_CONTROL]["userPrincipalName"]
        if not user["isSoftDeleted"]:
            place += 1


def _make_groups(users: Sequence[Row], seed: int) -> tuple[Row, ...]:
    draw = _Draw(seed + 1)
    present = [user for user in users if not user["isSoftDeleted"]]
    working = [user for user in present if user["accountEnabled"] and user["userType"] == "Member"]
    groups: list[Row] = []

    def add(name: str, members: Sequence[str], description: str | None = None, **more: Any) -> str:
        group_id = _id(seed, "group", len(groups))
        nickname = "-".join(word for word in map(plain_letters, name.split()) if word) or f"group{len(groups)}"
        row: Row = {"objectId": group_id, "displayName": name, "description": description, "mailNickname": nickname}
        row |= {"securityEnabled": True, "mailEnabled": False, "members": list(members), **more}
        groups.append({key: value for key, value in row.items() if value is not None})
        return group_id

    def ids(rows: Sequence[Row]) -> list[str]:
        return [row["objectId"] for row in rows]

    add("All staff", ids(present), "Everybody, guests too")
    add("Empty group", [], "Nobody yet")
    by_department = {
        name: add(f"Department – {name}", ids([user for user in present if user.get("department") == name]))
        for name, _, _, _ in DEPARTMENTS
    }
    for site in SITES:
        here = ids([user for user in present if user.get("physicalDeliveryOfficeName") == site.name])
        add(f"Site {site.name}", here, f"Everybody whose office is {site.name}")
    licensed = [user for user in working if draw.number(10) < 8]
    licensed_ids = set(ids(licensed))
    add("8x8 licensed", ids(licensed), "Has a telephone licence")
    supervisors = [user for user in licensed if user.get("jobTitle") in ("Team Lead", "Head of Support")]
    add("8x8 supervisors", ids(supervisors), "Watches queues and listens in")
    rest = [user for user in working if user["objectId"] not in licensed_ids]
    add("Contact center trial", ids(rest[: max(1, len(rest) // 4)]), "Tries it out with Default Access only")
    front = ("Sales", "Support")
    add(
        "Nested: everyone in Sales and Support",
        [by_department[name] for name in front],
        "Holds groups: an assignment of it reaches nobody, as only direct members count",
    )
    add('Project "Falcon", phase 2', ids(working[3::83][:12]), "Commas, and “quotes” in two ways")
    add("Överkursgruppen; Łódź & Ærø", ids(working[5::97][:8]))
    leaders = {user["manager"] for user in present if "manager" in user}
    add("People leaders", ids([user for user in present if user["userPrincipalName"] in leaders]))
    add("Newsletter", ids(present[::3]), "No security group", securityEnabled=False, mailEnabled=True)
    return tuple(groups)


def _capitals(alias: str) -> str:
    return ".".join(part.capitalize() for part in alias.split("."))


def _id(seed: int, kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{DOMAIN}/{seed}/{kind}/{number}"))
