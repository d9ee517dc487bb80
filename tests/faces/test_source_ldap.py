"""A real LDAP server as a source, through the API: hires, changes, leavers, managers, groups, and reads that fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.cli.api import ApiError
from played_ldap import GROUPS, PASSWORD, PEOPLE, READER, SKIP, Slapd, find_slapd, group, person, played_slapd
from played_outside import PlayedSource, played_source

pytestmark = pytest.mark.skipif(find_slapd() is None, reason=SKIP)

STAFF = [
    person("ada", "Ada Long", "title: Head", "employeeNumber: 17", "ou: Law"),
    person("bob", "Bob Short", f"manager: uid=ada, {PEOPLE}"),
    person("eve", "Eve Down", f"manager: uid=bob,{PEOPLE}", base=f"ou=nested,{PEOPLE}"),
    *(person(f"u{number}", f"User {number}") for number in range(20)),
    group("sales", "ada", "bob"),
    group("everyone", f"cn=sales,{GROUPS}", f"uid=eve,ou=nested,{PEOPLE}"),
]


def connection(server: Slapd) -> dict[str, str]:
    return {
        "Server": server.url,
        "Encryption": "none",
        "UserName": READER,
        "Password": PASSWORD,
        "UserBase": PEOPLE,
        "GroupBase": GROUPS,
    }


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[Slapd, PlayedSource]]:
    with played_slapd(tmp_path / "slapd", STAFF) as server, played_source(tmp_path / "data", "ldap") as source:
        source.connect(**connection(server))
        yield server, source


def test_people_groups_managers_and_members_come_in_and_leavers_leave(played: tuple[Slapd, PlayedSource]) -> None:
    server, source = played
    source.start()
    assert source.run()["created"] == 25
    users = source.users()
    ada = users["ada@example.com"]
    assert (ada["jobTitle"], ada["employeeId"], ada["department"], ada["accountEnabled"]) == ("Head", "17", "Law", True)
    assert users["eve@example.com"]["manager"]["id"] == users["bob@example.com"]["id"]
    assert source.members("sales") == {"Ada Long", "Bob Short"}
    assert source.members("everyone") == {"Eve Down", "sales"}
    assert source.run() is None
    server.set(f"uid=ada,{PEOPLE}", "title", "Founder")
    server.delete(f"uid=bob,{PEOPLE}")
    server.add(person("zoe", "Zoe New", f"manager: uid=ada,{PEOPLE}"))
    server.set(f"cn=sales,{GROUPS}", "member", f"uid=ada,{PEOPLE}", f"uid=zoe,{PEOPLE}")
    counters = source.run()
    assert (counters["created"], counters["disabled"]) == (1, 1)
    users = source.users()
    assert "bob@example.com" not in users and users["ada@example.com"]["jobTitle"] == "Founder"
    assert users["zoe@example.com"]["manager"]["id"] == ada["id"]
    assert source.members("sales") == {"Ada Long", "Zoe New"}


def test_whom_an_administrator_locks_is_blocked_and_comes_back(played: tuple[Slapd, PlayedSource]) -> None:
    server, source = played
    source.start()
    source.run()
    server.change(
        f"dn: uid=ada,{PEOPLE}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
    )
    source.run()
    assert source.users()["ada@example.com"]["accountEnabled"] is False
    server.change(f"dn: uid=ada,{PEOPLE}\nchangetype: modify\ndelete: pwdAccountLockedTime\n")
    source.run()
    assert source.users()["ada@example.com"]["accountEnabled"] is True


def test_a_read_that_is_cut_short_removes_nobody_and_says_why(tmp_path: Path) -> None:
    with played_source(tmp_path / "data", "ldap") as source:
        with played_slapd(tmp_path / "whole", STAFF) as server:
            port = server.port
            source.connect(**connection(server))
            source.start()
            source.run()
        # Half of the people are missing of a read that went to its end.
        with played_slapd(tmp_path / "half", STAFF[:12], port=port) as server:
            counters = source.run()
            assert counters is None or counters["disabled"] == 0
            assert len(source.users()) == 23
        with played_slapd(tmp_path / "limited", STAFF[:12], port=port, size_limit="8") as server:
            counters = source.run()
            assert counters is None or counters["disabled"] == 0
            assert len(source.users()) == 23
            assert any("sizeLimitExceeded" in sentence for sentence in source.problems())


def test_whoever_stands_behind_a_referral_stays_and_it_is_said(played: tuple[Slapd, PlayedSource]) -> None:
    server, source = played
    source.start()
    source.run()
    elsewhere = f"dn: ou=moved,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: moved\n"
    elsewhere += f"ref: ldap://other.example/ou=moved,{PEOPLE}\n"
    server.add(elsewhere)
    server.delete(f"uid=eve,ou=nested,{PEOPLE}")
    counters = source.run()
    assert counters is None or counters["disabled"] == 0
    assert "eve@example.com" in source.users()
    assert any("other.example" in sentence for sentence in source.problems())


def test_a_server_that_is_away_removes_nobody(played: tuple[Slapd, PlayedSource]) -> None:
    server, source = played
    source.start()
    source.run()
    server.stop()
    work = source.api.call("POST", f"{source.job_path}/cycles")
    assert source.api.get(f"/work/{work['id']}")["state"] in ("queued", "running", "done", "failed")
    assert len(source.users()) == 23


def test_a_wrong_password_is_said_by_the_test_of_the_connection(played: tuple[Slapd, PlayedSource]) -> None:
    server, source = played
    source.connect(**{**connection(server), "Password": "wrong"})
    with pytest.raises(ApiError, match="does not accept the bind"):
        source.start()
