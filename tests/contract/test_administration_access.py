"""Tokens and administrators, and the desk's rules that no face reaches."""

from datetime import timedelta
from pathlib import Path

import pytest

from faces.house import House
from muster.administration import access, assignments, groups, people, work
from muster.administration.desk import Desk
from muster.administration.refusals import RefusalKind, Refused
from muster.model.directory import ObjectKind
from muster.model.roles import Caller, Permission, Role
from muster.ports.directory import DirectoryQuery
from muster.sealing import hash_token, is_password


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def desk(house: House) -> Desk:
    return house.desk


@pytest.fixture
def stranger(house: House) -> Desk:
    return house.services.desk(Caller(id="x", display_name="stranger", roles=frozenset()))


def test_a_token_is_shown_once_and_kept_as_a_hash(house: House, desk: Desk) -> None:
    token, secret = access.create_token(desk, "terraform", [Role.APPLICATION_ADMINISTRATOR], lifetime=timedelta(days=1))
    assert secret.startswith(access.TOKEN_PREFIX)
    found = house.stores.access.token(hash_token(secret), house.clock.at)
    assert found is not None
    assert (found.id, found.roles) == (token.id, frozenset({Role.APPLICATION_ADMINISTRATOR}))
    assert token.expires_at == house.clock.at + timedelta(days=1)
    assert secret not in str(house.call("GET", "/auditLogs/directoryAudits").text)
    access.revoke_token(desk, token.id)
    assert house.stores.access.token(hash_token(secret), house.clock.at) is None
    with pytest.raises(Refused, match="does not exist"):
        access.revoke_token(desk, token.id)


@pytest.mark.parametrize(
    ("name", "roles", "lifetime"),
    [
        ("", [Role.GLOBAL_READER], None),
        ("x" * 121, [Role.GLOBAL_READER], None),
        ("a\nb", [Role.GLOBAL_READER], None),
        ("name", [], None),
        ("name", [Role.GLOBAL_READER], timedelta(0)),
    ],
)
def test_a_wrong_token_is_refused(desk: Desk, name: str, roles: list[Role], lifetime: timedelta | None) -> None:
    before = len(access.tokens(desk))
    with pytest.raises(Refused) as refusal:
        access.create_token(desk, name, roles, lifetime=lifetime)
    assert refusal.value.kind is RefusalKind.BAD_REQUEST
    assert len(access.tokens(desk)) == before


def test_an_administrator_s_password_is_kept_as_a_hash(house: House, desk: Desk) -> None:
    made = access.create_administrator(desk, "celeste", "correct horse battery", [Role.GLOBAL_ADMINISTRATOR])
    found = house.stores.access.administrator("Celeste")
    assert found is not None
    assert found[0] == made
    assert is_password("correct horse battery", found[1])
    with pytest.raises(Refused, match="already") as refusal:
        access.create_administrator(desk, "CELESTE", "correct horse battery", [Role.GLOBAL_ADMINISTRATOR])
    assert refusal.value.kind is RefusalKind.CONFLICT


@pytest.mark.parametrize(
    ("password", "roles", "part"),
    [
        ("short", [Role.GLOBAL_READER], "at least 12"),
        ("x1" * 520, [Role.GLOBAL_READER], "at most 1024"),
        ("P@ssw0rd1234", [Role.GLOBAL_READER], "tried first"),
        ("celeste-8193-q", [Role.GLOBAL_READER], "name of the person"),
        ("correct horse battery", [], "at least one role"),
    ],
)
def test_a_wrong_administrator_is_refused(desk: Desk, password: str, roles: list[Role], part: str) -> None:
    with pytest.raises(Refused, match=part):
        access.create_administrator(desk, "celeste", password, roles)
    assert desk.stores.access.count_administrators() == 0


def test_nobody_without_a_role_gets_past_the_desk(stranger: Desk) -> None:
    query = DirectoryQuery(kind=ObjectKind.USER)
    for act in (
        lambda: people.search(stranger, query),
        lambda: people.create_user(stranger, {"displayName": "x"}),
        lambda: groups.create_group(stranger, {"displayName": "x"}),
        lambda: assignments.assign_many(stranger, "sp", []),
        lambda: work.import_file(stranger, "people.csv", b"x"),
        lambda: access.create_token(stranger, "mine", [Role.GLOBAL_ADMINISTRATOR]),
        lambda: access.tokens(stranger),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.kind is RefusalKind.FORBIDDEN
    assert not any(stranger.caller.may(permission) for permission in Permission)


def test_a_search_by_what_users_do_not_have_is_refused(desk: Desk) -> None:
    for comparison in (("shoeSize", "eq", 44), ("displayName", "gt", "x")):
        with pytest.raises(Refused):
            people.search(desk, DirectoryQuery(kind=ObjectKind.USER, comparisons=(comparison,)))


def test_many_assignments_are_answered_one_by_one(house: House, desk: Desk) -> None:
    sp = house.application()["id"]
    ada, bob = house.user("ada")["id"], house.user("bob")["id"]
    grants = [assignments.Grant(principal_id=name) for name in (ada, "nobody", bob, ada)]
    first, unknown, second, again = assignments.assign_many(desk, sp, grants)
    assert not isinstance(first, Refused)
    assert not isinstance(second, Refused)
    assert (first.principal_id, second.principal_id) == (ada, bob)
    assert isinstance(unknown, Refused)
    assert isinstance(again, Refused)
    assert len(desk.stores.applications.assignments(service_principal_id=sp)) == 2
    with pytest.raises(Refused, match="At most"):
        assignments.assign_many(desk, sp, grants * 300)


def test_members_beyond_the_limit_of_a_call_are_refused(desk: Desk) -> None:
    group = groups.create_group(desk, {"displayName": "Everybody"})
    with pytest.raises(Refused, match="At most"):
        groups.add_members(desk, group.object_id, [str(number) for number in range(1_001)])


def test_a_file_that_is_too_large_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match="larger than"):
        work.import_file(desk, "people.csv", b"x" * (work.IMPORT_BYTES + 1))
