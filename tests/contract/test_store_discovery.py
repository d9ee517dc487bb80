"""The contract of discovered accounts: kept by the newest cycle, counted, listed in pages."""

from dataclasses import replace

import pytest

from fakes.company import Company
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.operation import TargetResource
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store).found()


def account(target_id: str, standing: Standing = Standing.LOCAL, kind: ObjectKind = USER) -> DiscoveredAccount:
    return DiscoveredAccount(kind=kind, target_id=target_id, display_name=target_id.upper(), standing=standing)


def test_what_the_newest_cycle_found_is_kept(company: Company) -> None:
    store, cycle = company.store.discovery, company.begin()
    store.keep(cycle, [])
    store.keep(cycle, [account("a"), account("b"), account("g", kind=GROUP)])
    known = replace(account("b", Standing.UNASSIGNED), source_id="s", source_name="Bob")
    store.keep(cycle, [known])
    assert store.count("job") == {Standing.LOCAL: 2, Standing.UNASSIGNED: 1, Standing.ASSIGNED: 0}
    assert store.accounts("job", Standing.UNASSIGNED, 10, None) == ([known], None)
    later = replace(cycle, id="later")
    store.keep(later, [account("b")])
    store.drop_others(later)
    assert store.accounts("job", None, 10, None) == ([account("b")], None)
    assert store.accounts("other", None, 10, None) == ([], None)


def test_accounts_come_in_pages_by_kind_and_name(company: Company) -> None:
    store, cycle = company.store.discovery, company.begin()

    def called(target_id: str, name: str | None, kind: ObjectKind = USER) -> DiscoveredAccount:
        return replace(account(target_id, kind=kind), display_name=name, matching=None if name else "dora@example.com")

    everybody = [
        called("9", "All", GROUP),
        called("7 b", "ada Lovelace"),
        called("7 c", "Ada Lovelace"),
        called("8", "Bob\u00a0% 'x'"),
        called("1", None),
        called("2", "Zoë " * 2_000),
        called("3", "Zoë " * 2_000),
    ]
    store.keep(cycle, everybody[::-1])
    found, after = [], None
    while True:
        page, after = store.accounts("job", None, 1, after)
        found += page
        if after is None:
            break
        assert after.isprintable() and len(after) < 2_000
    assert [each.target_id for each in found] == [each.target_id for each in everybody]


def test_the_census_is_read_in_pages(company: Company) -> None:
    company.begin()
    resources = [TargetResource(target_id=f"t{number}", attributes={}) for number in range(3)]
    company.store.census.add("cycle", USER, resources, [])
    first, after = company.store.census.page("cycle", USER, None, 2)
    rest, end = company.store.census.page("cycle", USER, after, 2)
    assert ([each.target_id for each in (*first, *rest)], end) == (["t0", "t1", "t2"], None)
    assert company.store.census.page("cycle", GROUP, None, 2) == ([], None)
