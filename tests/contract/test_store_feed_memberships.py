"""Groups that scoping filters name: who is read with which of them, and who changed by what happened to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fakes.company import Company, id_of, name_of
from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.source import Window
from muster.store.open import Store

GROUP, USER = ObjectKind.GROUP, ObjectKind.USER
NAMED = ("eng", "ops")


@pytest.fixture
def company(store: Store) -> Company:
    """all ⊃ eng ⊃ core ⊃ all (a circle); ann is in all, bob in eng, cid in core; dan in ops. All five are assigned."""
    company = Company(store).found()
    company.hire("ann", "bob", "cid", "dan", "eve")
    company.make_group("core", members=["cid"])
    company.make_group("eng", members=["bob", "core"])
    company.make_group("all", members=["ann", "eng"])
    company.make_group("ops", members=["dan"])
    company.put_in("core", "all")
    company.assign("ann", "bob", "cid", "dan", "eve")
    return company


def read(
    company: Company, window: Window | None = None, *, transitive: bool = False, kind: ObjectKind = USER
) -> dict[str, list[str]]:
    """Returns by name the names of the named groups that each is in."""
    view = replace(
        company.view(sync_all=kind is GROUP), transitive=transitive, named_groups=tuple(id_of(each) for each in NAMED)
    )
    changes, after = company.store.feed.read(view, kind, window, None, 100)
    assert after is None
    assert company.store.feed.count(view, kind, window) == len(changes)
    held = {name_of(each.source_id): [name_of(group) for group in each.attributes["memberOf"]] for each in changes}
    for each in changes:
        alone = company.store.feed.read_one(view, kind, each.source_id)
        assert alone is not None and alone.attributes["memberOf"] == each.attributes["memberOf"]
    return held


def test_each_is_read_with_the_named_groups_that_it_is_in(company: Company) -> None:
    assert read(company) == {"ann": [], "bob": ["eng"], "cid": [], "dan": ["ops"], "eve": []}
    # At any depth, and round the circle: whoever is in `all` is in `core`, which is in `eng`.
    assert read(company, transitive=True) == {
        "ann": ["eng"],
        "bob": ["eng"],
        "cid": ["eng"],
        "dan": ["ops"],
        "eve": [],
    }
    assert read(company, kind=GROUP)["core"] == ["eng"]


def test_the_directory_tells_the_same_of_objects_by_their_ids(company: Company) -> None:
    directory, named = company.store.directory, [id_of(each) for each in NAMED]
    everybody = [id_of(each) for each in ("ann", "bob", "cid", "dan", "eve")]
    assert directory.groups_among(named, everybody) == {id_of("bob"): (id_of("eng"),), id_of("dan"): (id_of("ops"),)}
    assert id_of("cid") in directory.groups_among(named, everybody, transitive=True)
    assert directory.groups_among(named, []) == directory.groups_among([], everybody) == {}


def test_a_view_that_names_no_group_reads_none(company: Company) -> None:
    changes, _ = company.store.feed.read(company.view(), USER, None, None, 100)
    assert all("memberOf" not in each.attributes for each in changes)


def after_this(company: Company, edit: Callable[[Company], object], *, transitive: bool) -> dict[str, list[str]]:
    before = company.store.feed.latest()
    edit(company)
    return read(company, Window(after=before, until=company.store.feed.latest()), transitive=transitive)


def delete(name: str) -> Callable[[Company], object]:
    return lambda c: c.set_lifecycle(name, Lifecycle.SOFT_DELETED, GROUP)


def purge(name: str) -> Callable[[Company], object]:
    return lambda c: c.set_lifecycle(name, Lifecycle.HARD_DELETED, GROUP)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda c: c.put_in("eng", "eve"), {"eve": ["eng"]}),
        (lambda c: c.take_out("eng", "bob"), {"bob": []}),
        (lambda c: c.put_in("all", "eve"), {}),
        (lambda c: c.put_in("core", "eve"), {}),
        (delete("eng"), {"bob": []}),
        (purge("eng"), {"bob": []}),
        (delete("all"), {}),
        # A distribution list has members, too.
        (lambda c: c.change("eng", GROUP, securityEnabled=False), {"bob": ["eng"]}),
        (lambda c: c.change("eng", GROUP, displayName="x"), {}),
    ],
)
def test_who_came_into_a_named_group_or_left_it_has_changed(
    company: Company, edit: Callable[[Company], object], told: dict[str, list[str]]
) -> None:
    assert after_this(company, edit, transitive=False) == told
    assert after_this(company, lambda _: None, transitive=False) == {}


def test_a_group_that_is_restored_has_its_members_again(company: Company) -> None:
    delete("eng")(company)
    restored = after_this(company, lambda c: c.set_lifecycle("eng", Lifecycle.PRESENT, GROUP), transitive=False)
    assert restored == {"bob": ["eng"]}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda c: c.put_in("core", "eve"), {"eve": ["eng"]}),
        (lambda c: c.put_in("all", "eve"), {"eve": ["eng"]}),
        (lambda c: c.take_out("core", "cid"), {"cid": []}),
        (lambda c: c.take_out("eng", "core"), {"cid": [], "ann": []}),
        (lambda c: c.put_in("core", "ops"), {"dan": ["eng", "ops"]}),
        (delete("core"), {"cid": [], "ann": []}),
        (purge("core"), {"cid": [], "ann": []}),
        (delete("eng"), {"bob": [], "cid": [], "ann": []}),
        # Two breaks in one window, of which the lower is no longer within anything named.
        (lambda c: (c.take_out("eng", "core"), c.take_out("core", "cid")), {"cid": [], "ann": []}),
        (lambda c: (c.take_out("core", "cid"), delete("eng")(c)), {"cid": [], "bob": [], "ann": []}),
    ],
)
def test_at_any_depth_all_whom_a_made_or_broken_way_concerns_have_changed(
    company: Company, edit: Callable[[Company], object], told: dict[str, list[str]]
) -> None:
    found = after_this(company, edit, transitive=True)
    # Others may be looked at once more.
    assert {name: found.get(name) for name in told} == told
    assert after_this(company, lambda _: None, transitive=True) == {}


def test_a_change_of_another_group_concerns_nobody(company: Company) -> None:
    company.make_group("far", members=["eve"])
    assert after_this(company, lambda c: c.put_in("far", "ann"), transitive=True) == {}
    assert after_this(company, lambda c: c.put_in("far", "ann"), transitive=False) == {}


def test_a_group_within_a_named_one_has_changed_when_it_comes_or_goes(company: Company) -> None:
    before = company.store.feed.latest()
    company.take_out("eng", "core")
    found = read(company, Window(after=before, until=company.store.feed.latest()), kind=GROUP)
    assert found["core"] == []
