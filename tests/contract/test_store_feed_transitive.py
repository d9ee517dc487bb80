"""Groups within assigned groups, for a job that asks for them: who is in scope, with which grants, and who changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fakes.company import Company, id_of, name_of
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.operation import Change
from muster.ports.source import Window
from muster.store.open import Store

GROUP = ObjectKind.GROUP


@pytest.fixture
def company(store: Store) -> Company:
    """all ⊃ eng ⊃ core ⊃ all (a circle); all is assigned. ann is in all, bob in eng, cid in both eng and core."""
    company = Company(store).found()
    company.hire("ann", "bob", "cid", "dan", "eve")
    company.make_group("core", members=["cid"])
    company.make_group("eng", members=["bob", "cid", "core"])
    company.make_group("all", members=["ann", "eng"])
    company.make_group("ops", members=["dan"])
    company.put_in("core", "all")
    company.assign("all")
    return company


def read(company: Company, window: Window | None = None, *, transitive: bool = True) -> dict[str, Change]:
    view = replace(company.view(), transitive=transitive)
    changes, after = company.store.feed.read(view, ObjectKind.USER, window, None, 100)
    assert after is None
    assert company.store.feed.count(view, ObjectKind.USER, window) == len(changes)
    return {name_of(change.source_id): change for change in changes}


def test_direct_members_count_and_with_the_option_members_at_any_depth(company: Company) -> None:
    assert list(read(company, transitive=False)) == ["ann"]
    assert list(read(company)) == ["ann", "bob", "cid"]


def test_each_gets_the_grant_of_the_assigned_group_once(company: Company) -> None:
    for change in read(company).values():
        assert [(grant.via_group_id, grant.role_value is not None) for grant in change.grants] == [(id_of("all"), True)]
    view = replace(company.view(), transitive=True)
    dan = company.store.feed.read_one(view, ObjectKind.USER, id_of("dan"))
    assert dan is not None and dan.grants == ()


def after_this(company: Company, edit: Callable[[Company], object]) -> set[str]:
    before = company.store.feed.latest()
    edit(company)
    return set(read(company, Window(after=before, until=company.store.feed.latest())))


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (lambda c: c.put_in("core", "eve"), {"eve"}),
        (lambda c: c.change("cid", jobTitle="x"), {"cid"}),
        (lambda c: c.change("dan", jobTitle="x"), set()),
        (lambda c: c.put_in("ops", "eve"), set()),
        (lambda c: c.put_in("core", "ops"), {"ann", "bob", "cid", "dan"}),
        # Who is linked is told even when no way leads there any more.
        (lambda c: c.take_out("all", "eng"), {"ann", "bob", "cid"}),
        (lambda c: c.take_out("core", "cid"), {"cid"}),
        (lambda c: c.unassign("all"), {"bob", "cid"}),
        (lambda c: c.set_lifecycle("eng", Lifecycle.SOFT_DELETED, GROUP), {"ann", "bob", "cid"}),
        (lambda c: c.change("all", GROUP, securityEnabled=False), {"bob", "cid"}),
    ],
)
def test_who_changed_by_what_happened_to_a_group_is_told(
    company: Company, edit: Callable[[Company], object], names: set[str]
) -> None:
    company.link("bob", "cid")
    assert after_this(company, edit) >= names
    assert after_this(company, lambda c: None) == set()


def test_nobody_whom_a_change_does_not_concern_is_told(company: Company) -> None:
    company.link("bob", "cid")
    assert after_this(company, lambda c: c.put_in("core", "eve")) == {"eve"}
    assert after_this(company, lambda c: c.put_in("ops", "ann")) == set()


def test_the_scope_of_everybody_asks_no_group(company: Company) -> None:
    view = replace(company.view(sync_all=True), transitive=True)
    changes, _ = company.store.feed.read(view, ObjectKind.USER, None, None, 100)
    assert [name_of(change.source_id) for change in changes] == ["ann", "bob", "cid", "dan", "eve"]
