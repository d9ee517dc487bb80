"""Reading Active Directory, played by a server of its shapes: update numbers, DirSync, members in pieces, refusals."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest

from fakes.world import StillClock
from muster.model.failures import CredentialsRefused, SchemaRefused
from muster.ports.reader import CursorExpired, Ending, Entry
from muster.sources.ldap.controls import SYNC_REQUEST
from muster.sources.ldap.entries import ACTIVE_DIRECTORY
from muster.sources.ldap.reader import LIST_EVERY, LdapReader
from muster.sources.ldap.settings import read_ldap_settings
from muster.transport.guard import AddressGuard
from played_active_directory import BASE, BIND_DN, PASSWORD, STAFF, PlayedDomain, played_domain


@pytest.fixture
def domain() -> Iterator[PlayedDomain]:
    with played_domain() as played:
        played.person("Ada")
        played.person("Bob", manager=f"CN=Ada,{STAFF}")
        played.person("Eve", control=514)
        members = [f"CN={name},{STAFF}" for name in ("Ada", "Bob", "Eve", *(f"P{number}" for number in range(8)))]
        played.put(f"CN=Sales,{STAFF}", objectClass=["top", "group"], cn="Sales", member=members)
        yield played


class Known:
    """What a mirror would know."""

    def __init__(self, domain: PlayedDomain, method: str) -> None:
        values = {"Server": domain.url, "Encryption": "none", "UserName": BIND_DN, "Password": PASSWORD}
        settings = read_ldap_settings({**values, "UserBase": STAFF, "GroupBase": STAFF, "Method": method})
        self.clock = StillClock()
        self.reader = LdapReader(
            AddressGuard(allowed=[ip_network("127.0.0.0/8")]), settings, flavour=ACTIVE_DIRECTORY, clock=self.clock
        )
        self.cursor: str | None = None
        self.entries: dict[str, Entry] = {}
        self.given: list[str] = []

    def read(self) -> Ending | None:
        self.clock.advance(LIST_EVERY)
        named: set[str] = set()
        self.given = []
        for page in self.reader.read(self.cursor):
            self.entries |= {entry.source_id: entry for entry in page.entries}
            self.given += [str(entry.attributes["cn"]) for entry in page.entries]
            named |= {entry.source_id for entry in page.entries} | set(page.unchanged)
            for anchor in page.removed:
                self.entries.pop(anchor, None)
            last = page
        if last.ending is Ending.WHOLE:
            self.entries = {anchor: entry for anchor, entry in self.entries.items() if anchor in named}
        self.cursor = last.cursor
        return last.ending

    @property
    def names(self) -> set[str]:
        return {str(entry.attributes["cn"]) for entry in self.entries.values()}


@pytest.mark.parametrize("method", ["auto", "uSNChanged", "dirSync", "full"])
def test_changes_hires_moves_and_leavers_are_seen(domain: PlayedDomain, method: str) -> None:
    known = Known(domain, method)
    assert known.read() is Ending.WHOLE
    assert known.names == {"Ada", "Bob", "Eve", "Sales"}
    by_name = {str(entry.attributes["cn"]): entry for entry in known.entries.values()}
    assert by_name["Eve"].attributes["userAccountControl"] == "514"
    assert by_name["Bob"].references["manager"] == (f"cn=ada,{STAFF}".lower(),)
    # The server gives three members at a time.
    assert len(by_name["Sales"].references["members"]) == 11
    domain.person("Ada", title="Founder")
    domain.person("Zoe")
    domain.delete(f"CN=Eve,{STAFF}")
    domain.move(f"CN=Bob,{STAFF}", f"CN=Bob,OU=Elsewhere,{BASE}")
    known.read()
    assert known.names == {"Ada", "Zoe", "Sales"}
    assert known.entries[by_name["Ada"].source_id].attributes["title"] == "Founder"
    known.read()
    assert known.names == {"Ada", "Zoe", "Sales"}


@pytest.mark.parametrize("method", ["uSNChanged", "dirSync"])
def test_only_what_changed_is_read_again(domain: PlayedDomain, method: str) -> None:
    known = Known(domain, method)
    known.read()
    known.read()
    assert known.given == []
    domain.person("Ada", title="Founder")
    known.read()
    assert known.given == ["Ada"]


def test_what_other_domains_hold_is_not_meant_and_leavers_are_seen(domain: PlayedDomain) -> None:
    domain.referrals = (f"ldap://child.example.com/DC=child,{BASE}", f"ldap://DomainDnsZones/DC=DomainDnsZones,{BASE}")
    known = Known(domain, "full")
    known.read()
    domain.delete(f"CN=Eve,{STAFF}")
    assert known.read() is Ending.WHOLE
    assert "Eve" not in known.names


@pytest.mark.parametrize("method", ["full", "uSNChanged"])
def test_a_referral_that_is_given_all_the_same_proves_nobodys_absence(
    domain: PlayedDomain, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    known = Known(domain, method)
    known.read()
    monkeypatch.setattr("played_active_directory.DOMAIN_SCOPE", "unknown")
    domain.referrals = (f"ldap://other.example.com/{BASE}",)
    domain.delete(f"CN=Eve,{STAFF}")
    assert known.read() is Ending.PARTIAL
    assert "Eve" in known.names


def test_members_that_come_in_pieces_are_whole_whatever_their_number(domain: PlayedDomain) -> None:
    known = Known(domain, "full")
    for number in (1, 3, 4, 6, 7):
        members = [f"CN=P{each},{STAFF}" for each in range(number)]
        domain.put(f"CN=Sales,{STAFF}", member=members)
        known.read()
        sales = next(each for each in known.entries.values() if each.attributes["cn"] == "Sales")
        assert len(set(sales.references["members"])) == number


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"invocation": uuid4()}),
        # Whoever may not read the controller's own id knows its name.
        ({"invocation": None}, {"service": f"CN=NTDS Settings,CN=DC2,{BASE}"}),
        # A copy of its disk was put back.
        ({}, {"usn": 90}),
    ],
)
def test_numbers_of_another_domain_controller_or_of_a_later_time_mean_nothing(
    domain: PlayedDomain, before: dict[str, Any], after: dict[str, Any]
) -> None:
    known = Known(domain, "uSNChanged")
    vars(domain).update(before)
    known.read()
    known.read()
    vars(domain).update(after)
    with pytest.raises(CursorExpired):
        known.read()


def test_a_cookie_that_a_domain_controller_does_not_take_leads_to_a_read_of_everything(domain: PlayedDomain) -> None:
    known = Known(domain, "dirSync")
    known.read()
    domain.takes_cookies = False
    with pytest.raises(CursorExpired):
        known.read()
    known.cursor = None
    assert known.read() is Ending.WHOLE


def test_who_was_deleted_is_found_though_the_domain_does_not_tell(domain: PlayedDomain) -> None:
    domain.tells_deleted = False
    known = Known(domain, "dirSync")
    known.read()
    domain.delete(f"CN=Eve,{STAFF}")
    known.read()
    assert known.names == {"Ada", "Bob", "Sales"}


def test_a_time_to_come_keeps_no_change_from_being_told(domain: PlayedDomain) -> None:
    known = Known(domain, "modifyTimestamp")
    domain.person("Ada", modifyTimestamp="20990101000000Z")
    known.read()
    domain.person("Bob", title="Founder", modifyTimestamp=f"{known.clock.now():%Y%m%d%H%M%SZ}")
    known.read()
    assert "Bob" in known.given and "Eve" not in known.given


@pytest.mark.parametrize(("vendor", "method"), [(b"OpenLDAP", "syncrepl"), (b"389 Project", "modifyTimestamp")])
def test_content_synchronization_is_taken_of_servers_that_keep_to_it(
    domain: PlayedDomain, vendor: bytes, method: str
) -> None:
    domain.root = {"vendorName": [vendor], "supportedControl": [SYNC_REQUEST.encode()], "supportedCapabilities": []}
    assert Known(domain, "auto").reader.probe().endswith(f"Changes are found by {method}.")


def test_content_synchronization_is_refused_of_a_server_that_does_not_keep_to_it(domain: PlayedDomain) -> None:
    domain.root = {"vendorName": [b"389 Project"], "supportedCapabilities": []}
    with pytest.raises(SchemaRefused, match="does not offer syncrepl"):
        Known(domain, "syncrepl").read()


def test_everything_is_read_again_once_a_day(domain: PlayedDomain) -> None:
    known = Known(domain, "uSNChanged")
    known.read()
    known.clock.advance(timedelta(hours=25))
    with pytest.raises(CursorExpired):
        known.read()


def test_a_refused_bind_says_in_words_what_active_directory_says_in_numbers(domain: PlayedDomain) -> None:
    values = {"Server": domain.url, "Encryption": "none", "UserName": BIND_DN, "Password": "wrong", "UserBase": STAFF}
    reader = LdapReader(
        AddressGuard(allowed=[ip_network("127.0.0.0/8")]),
        read_ldap_settings(values),
        flavour=ACTIVE_DIRECTORY,
        clock=StillClock(),
    )
    with pytest.raises(CredentialsRefused, match="the password is wrong"):
        reader.probe()
