"""What the change feed gives a job: every edit of the directory × who must appear, and no hole a reader can skip."""

import threading
from collections.abc import Callable

import pytest

from fakes.company import NOW, ROLE, Company, id_of, name_of
from fakes.store import store_on
from muster.database.connection import Database
from muster.model.application import DEFAULT_ACCESS, AppRole
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.operation import LinkState
from muster.ports.directory import ObjectWrite
from muster.ports.source import Window
from muster.store.open import Store

SOFT, HARD, PRESENT = Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED, Lifecycle.PRESENT
GROUP = ObjectKind.GROUP


@pytest.fixture
def company(store: Store) -> Company:
    """ann is assigned; bob is in the assigned group eng; cid is in ops, which is not assigned; dan is nobody.

    eve is linked and was unassigned long ago; fay is assigned with Default Access only; hal is in eng and linked.
    """
    company = Company(store).found()
    company.hire("ann", "bob", "cid", "dan", "eve", "fay", "hal")
    company.make_group("eng", members=["bob", "hal"])
    company.make_group("ops", members=["cid"])
    company.assign("ann", "eng")
    company.assign("fay", role=DEFAULT_ACCESS)
    company.link("eve", "hal")
    return company


def _after_this(company: Company, edit: Callable[[Company], object]) -> Window:
    before = company.store.feed.latest()
    edit(company)
    return Window(after=before, until=company.store.feed.latest())


def test_everything_that_bears_on_a_job_is_what_is_assigned_or_linked(company: Company) -> None:
    assert company.read() == ["ann", "bob", "eve", "fay", "hal"]


def test_the_scope_all_users_gives_everybody_but_purged_people_who_were_never_linked(company: Company) -> None:
    company.set_lifecycle("dan", HARD)
    company.set_lifecycle("eve", HARD)
    company.set_lifecycle("cid", SOFT)
    assert company.read(sync_all=True) == ["ann", "bob", "cid", "eve", "fay", "hal"]


def test_groups_bear_on_a_job_if_assigned_or_linked(company: Company) -> None:
    company.make_group("old")
    company.link("old", kind=GROUP)
    assert company.read(kind=GROUP) == ["eng", "old"]
    assert company.read(kind=GROUP, sync_all=True) == ["eng", "ops", "old"]


EDITS: dict[str, tuple[Callable[[Company], object], list[str]]] = {
    "nothing": (lambda c: None, []),
    "an attribute of an assigned person": (lambda c: c.change("ann", department="Sales"), ["ann"]),
    "the same value again": (lambda c: c.change("ann", displayName="ann"), []),
    "an attribute of nobody's concern": (lambda c: c.change("dan", department="Sales"), []),
    "an attribute of a linked person": (lambda c: c.change("eve", department="Sales"), ["eve"]),
    "an attribute of a member of an assigned group": (lambda c: c.change("bob", department="Sales"), ["bob"]),
    "a manager": (lambda c: c.set_manager("ann", "dan"), ["ann"]),
    "assignment of a person": (lambda c: c.assign("dan"), ["dan"]),
    "a second role": (lambda c: c.assign("ann", role=DEFAULT_ACCESS), ["ann"]),
    "the same role again": (lambda c: c.assign("ann"), []),
    "unassignment of a person who is not linked": (lambda c: c.unassign("ann"), []),
    "unassignment of a linked person": (lambda c: [c.link("ann"), c.unassign("ann")], ["ann"]),
    "assignment of a group": (lambda c: c.assign("ops"), ["cid"]),
    "unassignment of a group": (lambda c: c.unassign("eng"), ["hal"]),
    "a member came into an assigned group": (lambda c: c.put_in("eng", "dan"), ["dan"]),
    "a member came into another group": (lambda c: c.put_in("ops", "dan"), []),
    "a linked member left an assigned group": (lambda c: c.take_out("eng", "hal"), ["hal"]),
    "an unlinked member left an assigned group": (lambda c: c.take_out("eng", "bob"), []),
    "a member left and came again": (lambda c: [c.take_out("eng", "hal"), c.put_in("eng", "hal")], ["hal"]),
    "a member left, then the group was unassigned": (lambda c: [c.take_out("eng", "hal"), c.unassign("eng")], ["hal"]),
    "the group was unassigned, then a member left": (lambda c: [c.unassign("eng"), c.take_out("eng", "hal")], ["hal"]),
    "an assigned group was deleted": (lambda c: c.set_lifecycle("eng", SOFT, GROUP), ["hal"]),
    "an assigned group was deleted, then a member left": (
        lambda c: [c.set_lifecycle("eng", SOFT, GROUP), c.take_out("eng", "hal")],
        ["hal"],
    ),
    "an assigned group was deleted and restored": (
        lambda c: [c.set_lifecycle("eng", SOFT, GROUP), c.set_lifecycle("eng", PRESENT, GROUP)],
        ["bob", "hal"],
    ),
    "an assigned group was purged": (
        lambda c: [c.set_lifecycle("eng", SOFT, GROUP), c.set_lifecycle("eng", HARD, GROUP)],
        ["hal"],
    ),
    "an assigned group is no longer security-enabled": (
        lambda c: c.change("eng", GROUP, securityEnabled=False),
        ["hal"],
    ),
    "an assigned group was renamed": (lambda c: c.change("eng", GROUP, description="x"), []),
    "another group was deleted": (lambda c: c.set_lifecycle("ops", SOFT, GROUP), []),
    "an assigned person was soft-deleted": (lambda c: c.set_lifecycle("ann", SOFT), ["ann"]),
    "a linked person was purged": (lambda c: c.set_lifecycle("eve", HARD), ["eve"]),
    "an assigned person who is not linked was purged": (lambda c: c.set_lifecycle("ann", HARD), []),
    "a manager was purged": (lambda c: [c.set_manager("ann", "dan"), c.set_lifecycle("dan", HARD)], ["ann"]),
    "a role was added to the manifest": (
        lambda c: c.store.applications.change("sp", app_roles=[ROLE, AppRole(id="r2", display_name="Admin")]),
        ["ann", "bob", "eve", "fay", "hal"],
    ),
    "Default Access is accepted from now on": (
        lambda c: c.store.applications.change("sp", accepts_default_access=True),
        ["ann", "bob", "eve", "fay", "hal"],
    ),
    "the application was switched off": (
        lambda c: c.store.applications.change("sp", is_enabled=False),
        ["ann", "bob", "eve", "fay", "hal"],
    ),
    "the application was renamed": (lambda c: c.store.applications.change("sp", display_name="8x8 Work"), []),
    "somebody was hired": (lambda c: c.hire("gus"), []),
    "somebody was hired and assigned": (lambda c: [c.hire("gus"), c.assign("gus")], ["gus"]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_window_gives_each_person_whose_state_or_entitlement_changed_once(company: Company, edit: str) -> None:
    change, expected = EDITS[edit]
    assert company.read(_after_this(company, change)) == expected


def test_an_edit_of_another_application_touches_nobody_here(company: Company) -> None:
    other = Company(company.store, application="other", job="other-job").found()
    window = _after_this(company, lambda _: [other.assign("ann", "eng"), other.unassign("cid")])
    assert company.read(window) == []
    assert other.read(window) == ["ann", "bob", "hal"]


def test_the_scope_all_users_gives_everybody_who_changed(company: Company) -> None:
    window = _after_this(company, lambda c: [c.change("dan", department="Sales"), c.put_in("eng", "cid")])
    assert company.read(window, sync_all=True) == ["cid", "dan"]
    window = _after_this(company, lambda c: c.store.applications.change("sp", is_enabled=False))
    assert company.read(window, sync_all=True) == ["ann", "bob", "cid", "dan", "eve", "fay", "hal"]


GROUP_EDITS: dict[str, tuple[Callable[[Company], object], list[str]]] = {
    "an assigned group was renamed": (lambda c: c.change("eng", GROUP, displayName="Engineers"), ["eng"]),
    "another group was renamed": (lambda c: c.change("ops", GROUP, displayName="Operators"), []),
    "a member came": (lambda c: c.put_in("eng", "dan"), ["eng"]),
    "a member left": (lambda c: c.take_out("eng", "bob"), ["eng"]),
    "a member was soft-deleted": (lambda c: c.set_lifecycle("bob", SOFT), ["eng"]),
    "a member was purged": (lambda c: c.set_lifecycle("bob", HARD), ["eng"]),
    "a member's name changed": (lambda c: c.change("bob", displayName="Robert"), []),
    "assignment": (lambda c: c.assign("ops"), ["ops"]),
    "unassignment of one that is not linked": (lambda c: c.unassign("eng"), []),
    "unassignment of a linked one": (lambda c: [c.link("eng", kind=GROUP), c.unassign("eng")], ["eng"]),
    "roles changed": (lambda c: c.store.applications.change("sp", app_roles=[]), ["eng"]),
}


@pytest.mark.parametrize("edit", GROUP_EDITS)
def test_a_window_gives_each_group_that_changed_once(company: Company, edit: str) -> None:
    change, expected = GROUP_EDITS[edit]
    assert company.read(_after_this(company, change), GROUP) == expected


def test_a_change_carries_all_attributes_and_how_it_came_to_its_roles(company: Company) -> None:
    company.change("bob", otherMails=["a@x", "b@x"], department="Sales")
    company.assign("bob", role=DEFAULT_ACCESS)
    company.set_manager("bob", "ann")
    change = company.store.feed.read_one(company.view(), ObjectKind.USER, "BOB@example.com")
    assert change is not None
    assert change.source_id == id_of("bob")
    assert dict(change.attributes) == {
        "objectId": id_of("bob"),
        "userPrincipalName": "bob@example.com",
        "originalUserPrincipalName": "bob@example.com",
        "displayName": "bob",
        "department": "Sales",
        "otherMails": ("a@x", "b@x"),
    }
    assert [(grant.role_value, grant.role_display_name, grant.via_group_name) for grant in change.grants] == [
        (None, "Default Access", None),
        ("user", "User", "eng"),
    ]
    assert change.references == {"manager": (id_of("ann"),)}


def test_a_guest_comes_with_the_address_of_home(company: Company) -> None:
    company.hire("guest")
    company.change("guest", userPrincipalName="zoe_partner.org#EXT#@example.com")
    change = company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("guest"))
    assert change is not None
    assert change.attributes["userPrincipalName"] == "zoe@partner.org"
    assert change.attributes["originalUserPrincipalName"] == "zoe_partner.org#EXT#@example.com"


def test_a_deleted_group_grants_nothing_and_a_restored_one_grants_again(company: Company) -> None:
    company.set_lifecycle("eng", SOFT, GROUP)
    gone = company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("bob"))
    company.set_lifecycle("eng", PRESENT, GROUP)
    back = company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("bob"))
    assert gone is not None and back is not None
    assert gone.grants == ()
    assert [grant.via_group_id for grant in back.grants] == [id_of("eng")]


def test_a_role_that_was_switched_off_or_removed_still_counts_for_who_holds_it(company: Company) -> None:
    company.store.applications.change(
        "sp", app_roles=[AppRole(id=ROLE.id, display_name="U", value="u", is_enabled=False)]
    )
    held = company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("ann"))
    company.store.applications.change("sp", app_roles=[])
    removed = company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("ann"))
    assert held is not None and removed is not None
    assert [(grant.role_value, grant.role_display_name) for grant in held.grants] == [("u", "U")]
    assert [(grant.role_id, grant.role_value) for grant in removed.grants] == [(ROLE.id, None)]


def test_a_group_refers_to_its_present_direct_members(company: Company) -> None:
    company.make_group("sub")
    company.put_in("eng", "sub", "cid")
    company.set_lifecycle("bob", SOFT)
    change = company.store.feed.read_one(company.view(), GROUP, id_of("eng"))
    assert change is not None
    assert sorted(name_of(member) for member in change.references["members"]) == ["cid", "hal", "sub"]


def test_one_object_can_be_read_whether_or_not_it_bears_on_the_job(company: Company) -> None:
    assert company.store.feed.read_one(company.view(), ObjectKind.USER, id_of("dan")) is not None
    assert company.store.feed.read_one(company.view(), ObjectKind.USER, "nobody@example.com") is None
    assert company.store.feed.read_one(company.view(), GROUP, id_of("dan")) is None


def test_a_read_goes_on_after_a_key_in_another_process(company: Company, store_database: Database) -> None:
    first, after = company.store.feed.read(company.view(), ObjectKind.USER, None, None, 2)
    rest, end = store_on(store_database).feed.read(company.view(), ObjectKind.USER, None, after, 10)
    assert [name_of(change.source_id) for change in (*first, *rest)] == ["ann", "bob", "eve", "fay", "hal"]
    assert end is None


def test_who_is_linked_only_as_seen_or_released_still_bears_on_the_job(company: Company) -> None:
    company.link("cid", state=LinkState.SEEN)
    company.link("dan", state=LinkState.RELEASED)
    assert company.read() == ["ann", "bob", "cid", "dan", "eve", "fay", "hal"]


def test_a_reader_that_follows_the_feed_meets_every_change_of_concurrent_writers(
    store: Store, store_database: Database
) -> None:
    company = Company(store).found()
    writers, rounds = 4, 15
    done = threading.Event()
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        own = store_on(store_database)
        try:
            for turn in range(rounds):
                name = f"w{writer}n{turn}"
                attributes = {"userPrincipalName": f"{name}@example.com", "displayName": name}
                new = ObjectWrite(kind=ObjectKind.USER, object_id=id_of(name), attributes=attributes, is_new=True)
                own.directory.write([new], NOW)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    seen: list[str] = []
    after = 0

    def follow() -> None:
        nonlocal after
        until = store.feed.latest()
        if until > after:
            seen.extend(company.read(Window(after=after, until=until), sync_all=True))
            after = until

    for thread in threads:
        thread.start()
    while not done.is_set():
        if not any(thread.is_alive() for thread in threads):
            done.set()
        follow()
    assert failures == []
    assert sorted(seen) == sorted(f"w{writer}n{turn}" for writer in range(writers) for turn in range(rounds))
    assert store.feed.latest() == writers * rounds


def test_many_reads_may_be_under_way_at_once(company: Company) -> None:
    pages = [
        company.store.feed.read(company.view(), ObjectKind.USER, Window(after=after, until=99), None, 1)
        for after in range(-12, 0)
    ]
    for after, (_, key) in zip(range(-12, 0), pages, strict=True):
        window = Window(after=after, until=99)
        rest, end = company.store.feed.read(company.view(), ObjectKind.USER, window, key, 10)
        assert ([name_of(change.source_id) for change in rest], end) == (["bob", "eve", "fay", "hal"], None)


def test_a_job_that_is_gone_reads_nobody(company: Company) -> None:
    view = company.view()
    company.store.applications.remove("sp")
    assert company.read() == []
    change = company.store.feed.read_one(view, ObjectKind.USER, id_of("ann"))
    assert change is not None
    assert change.grants == ()
