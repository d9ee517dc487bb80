"""The contract of mirrors: what a source gave, numbered where it really changed, and who is gone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from fakes.company import NOW, Company
from fakes.world import StillClock
from muster.model.copies import replace
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import Fenced, SystemUnreachable
from muster.model.mirror import MirrorState
from muster.model.operation import Change
from muster.ports.mirror import BeingRead
from muster.ports.reader import CursorExpired, Ending, Entry, ReadPage
from muster.ports.source import Window
from muster.sources.mirror import MirrorSource
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


def person(name: str, **attributes: Any) -> Entry:
    manager = attributes.pop("manager", None)
    return Entry(
        kind=USER,
        source_id=f"id-{name}",
        attributes={"cn": name, **attributes},
        names=(f"id-{name}", f"CN={name},OU=People"),
        references={} if manager is None else {"manager": tuple(f"cn={one},ou=people" for one in manager.split())},
    )


def group(name: str, *members: str) -> Entry:
    named = tuple(f"cn={one},ou=people" for one in members)
    return Entry(kind=GROUP, source_id=f"id-{name}", attributes={"cn": name}, references={"members": named})


@dataclass
class Script:
    """A reader that gives what it is told; an exception among the pages is raised in its place."""

    pages: Sequence[ReadPage | Exception] = ()
    cursors: list[str | None] = field(default_factory=list)

    def probe(self) -> str:
        return "It is there."

    def read(self, cursor: str | None) -> Iterator[ReadPage]:
        self.cursors.append(cursor)
        pages, self.pages = self.pages, ()
        for page in pages:
            if isinstance(page, Exception):
                if isinstance(page, CursorExpired):
                    self.pages = pages[1:]
                raise page
            yield page

    def close(self) -> None:
        pass


class Mirror:
    """The mirror of one job, read by short names."""

    def __init__(self, store: Store) -> None:
        Company(store).found()
        self.store = store.mirrors
        self.script = Script()
        self.clock = StillClock(NOW)
        self.source = MirrorSource("job", store.mirrors, lambda: self.script, self.clock)

    def read(self, *pages: ReadPage | Exception) -> MirrorState:
        self.script.pages = pages
        self.source.refresh()
        return self.store.state("job")

    def whole(self, *entries: Entry, **more: Any) -> MirrorState:
        return self.read(ReadPage(entries=entries, ending=Ending.WHOLE, **more))

    def changes(self, *entries: Entry, **more: Any) -> MirrorState:
        return self.read(ReadPage(entries=entries, ending=Ending.CHANGES, **more))

    def since(self, after: int, kind: ObjectKind = USER) -> dict[str, Change]:
        window = Window(after=after, until=self.source.latest())
        page = self.source.read(kind, window, None, 100)
        assert self.source.count(kind, window) == len(page.changes)
        return {change.source_id: change for change in page.changes}

    def one(self, name: str, kind: ObjectKind = USER) -> Change:
        found = self.source.read_one(kind, name)
        assert found is not None
        return found


@pytest.fixture
def mirror(store: Store) -> Mirror:
    return Mirror(store)


def test_equal_content_gets_no_number(mirror: Mirror) -> None:
    first = mirror.whole(person("ada", mail="a@x.example"), person("bob", manager="ada"))
    assert (first.seq, first.users, first.is_whole) == (1, 2, True)
    assert mirror.whole(person("bob", manager="ada"), person("ada", mail="a@x.example")).seq == 1
    assert mirror.since(1) == {}
    assert mirror.whole(person("bob", manager="ada"), person("ada", mail="ada@x.example")).seq == 2
    assert set(mirror.since(1)) == {"id-ada"}


def test_references_are_found_by_any_name_and_in_any_order(mirror: Mirror) -> None:
    mirror.whole(person("bob", manager="ada"), person("ada"), person("carl", manager=""))
    assert mirror.one("id-bob").references == {"manager": ("id-ada",)}
    assert mirror.one("ID-BOB").source_id == mirror.one("cn=bob,ou=people").source_id == "id-bob"
    assert mirror.one("id-carl").references == {"manager": ()} and mirror.one("id-ada").references == {}


def test_whoever_refers_to_somebody_who_comes_later_is_read_again(mirror: Mirror) -> None:
    before = mirror.changes(person("bob", manager="ada"), person("carl"), cursor="1").seq
    assert mirror.one("id-bob").references == {"manager": ("cn=ada,ou=people",)}
    mirror.changes(person("ada"), cursor="2")
    changed = mirror.since(before)
    assert set(changed) == {"id-ada", "id-bob"} and changed["id-bob"].references == {"manager": ("id-ada",)}


def test_the_names_of_kept_people_stay_theirs_when_a_restored_server_calls_everybody_otherwise(mirror: Mirror) -> None:
    staff = [person(f"p{number}", manager="p0") for number in range(20)]
    mirror.whole(*staff, group("all", "p1", "p2"))
    before = mirror.source.latest()
    others = [replace(entry, source_id=f"new-{entry.source_id}") for entry in (*staff, group("all", "p1", "p2"))]
    state = mirror.whole(*others)
    assert not state.is_whole and state.missing == 21
    assert mirror.one("id-all", GROUP).references["members"] == ("id-p1", "id-p2")
    assert mirror.one("id-p5").references == {"manager": ("id-p0",)}
    # Whoever came says whom they mean, too: those who are linked.
    assert mirror.one("new-id-p5").references == {"manager": ("id-p0",)}
    assert "id-p5" not in mirror.since(before)
    # A change of one of them says no more of those before than the whole read did.
    mirror.changes(replace(person("p1", mail="p1@x.example"), source_id="new-id-p1"))
    assert mirror.one("id-all", GROUP).references["members"] == ("id-p1", "id-p2")
    # Once those before are known to be gone, the names are the others'.
    assert mirror.store.accept_missing("job") == 21
    assert mirror.one("new-id-all", GROUP).references["members"] == ("new-id-p1", "new-id-p2")
    assert mirror.one("new-id-p5").references == {"manager": ("new-id-p0",)}


def test_names_that_were_claimed_stay_with_whoever_comes_back_with_them(mirror: Mirror) -> None:
    staff = [person(f"p{number}", manager="p0") for number in range(20)]
    mirror.whole(*staff)
    mirror.whole(*(replace(entry, source_id=f"new-{entry.source_id}") for entry in staff))
    mirror.whole(*staff)
    mirror.store.accept_missing("job")
    assert mirror.one("cn=p3,ou=people").source_id == "id-p3"
    assert mirror.one("id-p5").references == {"manager": ("id-p0",)}


def test_a_name_goes_to_another_within_the_read_that_calls_its_bearer_otherwise(mirror: Mirror) -> None:
    mirror.whole(person("bob", manager="ada"), person("ada"))
    after = replace(person("ada"), source_id="id-second")
    moved = Entry(kind=USER, source_id="id-ada", attributes={}, names=("cn=ada long,ou=people",))
    # In this order: the name is still borne when the other is read.
    mirror.read(
        ReadPage(entries=(after,), cursor="1"),
        ReadPage(entries=(moved, person("bob", manager="ada")), ending=Ending.WHOLE),
    )
    assert mirror.one("id-bob").references == {"manager": ("id-second",)}
    # By changes alone: nothing is said of whoever bore the name, who was moved with a whole branch.
    mirror.changes(replace(person("ada"), source_id="id-third"))
    assert mirror.one("id-bob").references == {"manager": ("id-third",)}


def called(name: str, source_id: str) -> Entry:
    return replace(person(name), source_id=source_id, names=(source_id, f"CN={name},OU=People"))


def test_a_name_that_is_free_goes_to_who_bears_it_now_while_a_read_waits_to_be_accepted(mirror: Mirror) -> None:
    staff = [person(f"p{number}") for number in range(20)]
    mirror.whole(*staff, group("all", "p1"), group("law", "p3"))
    assert mirror.whole(*staff[:10], group("all", "p1"), group("law", "p3")).missing == 10
    # One delta renames somebody, the next has another with the old name, put into a group and made a manager by it.
    mirror.changes(called("p1x", "id-p1"))
    mirror.changes(called("p1", "id-hire"))
    mirror.changes(group("law", "p3", "p1"), person("p2", manager="p1"))
    assert set(mirror.one("id-law", GROUP).references["members"]) == {"id-p3", "id-hire"}
    assert mirror.one("id-p2").references == {"manager": ("id-hire",)}
    # Of whom nobody has said anything, the name stays.
    mirror.changes(called("p15", "id-other"), group("tax", "p15"))
    assert mirror.one("id-tax", GROUP).references["members"] == ("id-p15",)


@pytest.mark.parametrize("how", ["reused", "renamed", "anew"])
def test_who_claims_a_name_and_is_called_otherwise_then_claims_it_no_more(mirror: Mirror, how: str) -> None:
    mirror.whole(*(person(f"p{number}") for number in range(20)), group("all", "p1"))
    new = [called(f"p{number}", f"new-{number}") for number in range(20)]
    mirror.whole(*new, group("all", "p1"))
    match how:
        case "reused":
            mirror.whole(called("p1", "new-0"), called("q1", "new-1"), *new[2:], group("all", "p1"))
        case "renamed":
            mirror.whole(new[0], called("q1", "new-1"), *new[2:], group("all", "p1"))
        case _:
            mirror.changes(called("p1", "newer-1"), removed=("new-1",))
    mirror.store.accept_missing("job")
    members = mirror.one("id-all", GROUP).references["members"]
    assert members == {"reused": ("new-0",), "anew": ("newer-1",)}.get(how, members) != ("new-1",)


def test_somebody_who_is_renamed_is_still_found_by_the_old_name(mirror: Mirror) -> None:
    mirror.whole(person("bob", manager="ada"), person("ada"))
    mirror.changes(
        Entry(kind=USER, source_id="id-ada", attributes={"cn": "Ada"}, names=("id-ada", "CN=Ada Long,OU=People"))
    )
    assert mirror.one("id-bob").references == {"manager": ("id-ada",)}
    assert mirror.one("cn=ada long,ou=people").attributes == {"cn": "Ada"}


def test_who_is_missing_from_a_whole_read_is_gone_and_may_come_back(mirror: Mirror) -> None:
    people = [person(name) for name in ("ada", "bob", "carl", "dora", "eve", "finn")]
    mirror.whole(*people)
    state = mirror.whole(*people[1:])
    assert (state.users, state.is_whole) == (5, True)
    assert mirror.since(1)["id-ada"].lifecycle is Lifecycle.SOFT_DELETED
    assert set(mirror.since(1)) == {"id-ada"}
    mirror.whole(*people)
    assert mirror.one("id-ada").lifecycle is Lifecycle.PRESENT


def test_a_read_that_misses_many_removes_nobody_until_somebody_accepts_it(mirror: Mirror) -> None:
    people = [person(name) for name in ("ada", "bob", "carl", "dora")]
    mirror.whole(*people)
    state = mirror.whole(*people[2:])
    assert state.because is not None and "2 of 4 are missing" in state.because
    assert (state.is_whole, state.missing, state.users) == (False, 2, 4) and mirror.since(1) == {}
    # Told with the cycle that this read begins, and not again with the next.
    assert mirror.source.read(USER, None, None, 100).problems == (state.because,)
    assert mirror.source.read(GROUP, None, None, 100).problems == ()
    assert mirror.store.accept_missing("job") == 2
    assert {change.lifecycle for change in mirror.since(1).values()} == {Lifecycle.SOFT_DELETED}
    after = mirror.store.state("job")
    assert (after.is_whole, after.missing, after.users, after.because) == (True, 0, 2, None)
    assert mirror.store.accept_missing("job") == 0


def test_a_read_that_lacks_all_groups_removes_none_and_one_of_people_says_nothing_of_them(mirror: Mirror) -> None:
    people = [person(f"p{number}") for number in range(20)]
    groups = [Entry(kind=GROUP, source_id=name, attributes={"cn": name}, names=(name,)) for name in ("a", "b", "c")]
    mirror.whole(*people, *groups)
    state = mirror.whole(*people)
    assert state.because is not None and "3 of 3 groups are missing" in state.because
    assert (state.missing, state.groups) == (3, 3) and mirror.since(1, GROUP) == {}
    state = mirror.whole(*people[1:], kinds=(USER,))
    assert (state.because, state.missing, state.users, state.groups) == (None, 0, 19, 3)
    assert mirror.store.accept_missing("job") == 0 and mirror.since(1, GROUP) == {}
    mirror.whole(*people)
    assert mirror.store.accept_missing("job") == 3
    assert {change.lifecycle for change in mirror.since(1, GROUP).values()} == {Lifecycle.SOFT_DELETED}


def test_a_read_with_problems_removes_nobody(mirror: Mirror) -> None:
    mirror.whole(person("ada"), person("bob"))
    state = mirror.whole(person("ada"), problems=("Line 3: it is broken.",))
    assert state.because is not None and "1 row could not be read" in state.because
    assert state.problems == ("Line 3: it is broken.",) and mirror.since(1) == {}
    # What was wrong stays to be read while nothing new comes.
    assert mirror.changes().problems == ("Line 3: it is broken.",)
    # What costs no entry is told, and proves no less.
    remarked = mirror.whole(person("ada"), remarks=("Line 1: it is unknown.",))
    assert remarked.problems == ("Line 1: it is unknown.",) and remarked.problem_count == 0
    assert set(mirror.since(1)) == {"id-bob"}
    assert mirror.whole(person("ada")).problems == ()


def test_removals_by_name_and_entries_that_are_there_as_before(mirror: Mirror) -> None:
    people = [person(name) for name in ("ada", "bob", "carl")]
    mirror.whole(*people, cursor="1")
    mirror.changes(removed=("id-bob", "id-nobody"), cursor="2")
    assert mirror.one("id-bob").lifecycle is Lifecycle.SOFT_DELETED
    # The present phase of syncrepl: who is neither named nor said to be there is gone.
    mirror.read(ReadPage(unchanged=("id-ada",), ending=Ending.WHOLE, cursor="3"))
    assert mirror.one("id-carl").lifecycle is Lifecycle.SOFT_DELETED
    assert mirror.one("id-ada").lifecycle is Lifecycle.PRESENT
    assert mirror.script.cursors == [None, "1", "2"]


def test_a_part_of_an_entry_changes_what_it_names(mirror: Mirror) -> None:
    mirror.whole(person("ada", mail="a@x.example", title="Clerk", manager="bob"), person("bob"), person("carl"))
    part = Entry(kind=USER, source_id="id-ada", attributes={"title": None, "mail": "ada@x.example"}, is_partial=True)
    mirror.changes(part)
    assert mirror.one("id-ada").attributes == {"cn": "ada", "mail": "ada@x.example"}
    assert mirror.one("id-ada").references == {"manager": ("id-bob",)}
    mirror.changes(Entry(kind=USER, source_id="id-ada", attributes={}, references={"manager": ()}, is_partial=True))
    assert mirror.one("id-ada").references == {"manager": ()}


def test_groups_among_members_stand_apart_whenever_they_become_known(mirror: Mirror) -> None:
    def group(name: str, *members: str) -> Entry:
        names = (name, f"cn={name},ou=people")
        return Entry(kind=GROUP, source_id=name, attributes={"cn": name}, names=names, references={"members": members})

    ada, bob = person("ada"), person("bob", manager="sales")
    mirror.whole(ada, bob, group("all", "id-ada", "sales", "all"), group("sales", "id-bob", "all"))
    # In a circle, one within the other; nobody is a member of itself, and nobody's manager is a group.
    assert mirror.one("all", GROUP).references == {"members": ("id-ada",), "memberGroups": ("sales",)}
    assert mirror.one("sales", GROUP).references == {"members": ("id-bob",), "memberGroups": ("all",)}
    assert mirror.one("id-bob").references == {"manager": ()}
    mirror.changes(group("new", "later", "id-ada"))
    assert set(mirror.one("new", GROUP).references["members"]) == {"later", "id-ada"}
    before = mirror.source.latest()
    mirror.changes(group("later"))
    # Whoever was a name turns out to be a group: who holds it is told anew.
    told = mirror.since(before, GROUP)["new"].references
    assert told == {"members": ("id-ada",), "memberGroups": ("later",)}
    mirror.changes(group("new"))
    assert mirror.one("new", GROUP).references == {"members": (), "memberGroups": ()}


def test_a_group_that_is_called_as_a_person_takes_no_place_of_theirs(mirror: Mirror) -> None:
    ada = Entry(kind=USER, source_id="1001", attributes={"cn": "ada"}, names=("1001", "ada@x.example"))
    bob = Entry(kind=USER, source_id="1002", attributes={}, names=("1002",), references={"manager": ("1001",)})
    club = Entry(kind=GROUP, source_id="group:1001", attributes={"cn": "1001"}, names=("group:1001", "1001"))
    staff = Entry(kind=GROUP, source_id="g", attributes={}, names=("g",), references={"members": ("1001",)})
    # In one page, in a page of their own, and again.
    mirror.read(ReadPage(entries=(club, ada, bob)), ReadPage(entries=(club, staff), ending=Ending.WHOLE))
    mirror.whole(ada, bob, staff, club)
    assert mirror.one("1002").references == {"manager": ("1001",)}
    assert mirror.one("g", GROUP).references == {"members": ("1001",), "memberGroups": ()}
    # Once the person has left, the name is free.
    mirror.changes(removed=("1001",))
    mirror.changes(club)
    assert mirror.one("g", GROUP).references == {"members": (), "memberGroups": ("group:1001",)}


def test_members_come_and_go_one_by_one(mirror: Mirror) -> None:
    def group(**more: Any) -> Entry:
        return Entry(kind=GROUP, source_id="g", attributes={"cn": "Staff"}, **more)

    people = [person(name) for name in ("ada", "bob", "carl")]
    mirror.whole(*people, group(references={"members": ("id-ada", "id-bob")}))
    mirror.changes(group(added={"members": ("id-carl",)}, removed={"members": ("id-ada",)}))
    assert mirror.since(1, GROUP)["g"].references["members"] == ("id-bob", "id-carl")
    mirror.whole(*people, group(references={"members": ("id-bob",)}))
    assert mirror.one("g", GROUP).references == {"members": ("id-bob",), "memberGroups": ()}


def test_a_read_that_is_cut_off_goes_on_where_it_was(mirror: Mirror) -> None:
    people = [person(name) for name in ("ada", "bob", "carl", "dora")]
    pages = (ReadPage(entries=people[:2], cursor="half"), SystemUnreachable("The network is down."))
    with pytest.raises(SystemUnreachable):
        mirror.read(*pages)
    assert set(mirror.since(0)) == {"id-ada", "id-bob"}
    state = mirror.read(ReadPage(entries=people[2:], ending=Ending.WHOLE, cursor="end"))
    assert mirror.script.cursors == [None, "half"]
    assert (state.users, state.is_whole, state.cursor) == (4, True, "end")


def test_a_read_without_a_place_to_go_on_begins_again_and_removes_by_the_new_one_alone(mirror: Mirror) -> None:
    people = [person(name) for name in ("ada", "bob", "carl", "dora", "eve")]
    mirror.whole(*people)
    with pytest.raises(SystemUnreachable):
        mirror.read(ReadPage(entries=people[:1]), SystemUnreachable("The network is down."))
    state = mirror.whole(*people[1:])
    assert (state.users, state.is_whole) == (4, True)
    assert mirror.one("id-ada").lifecycle is Lifecycle.SOFT_DELETED


def test_a_read_that_ends_in_silence_is_a_failure(mirror: Mirror) -> None:
    with pytest.raises(SystemUnreachable, match="before its end"):
        mirror.read(ReadPage(entries=[person("ada")]))


def test_a_cursor_that_has_expired_has_everything_read_again(mirror: Mirror) -> None:
    mirror.whole(person("ada"), cursor="old")
    state = mirror.read(CursorExpired("410 Gone"), ReadPage(entries=[person("ada")], ending=Ending.WHOLE, cursor="new"))
    assert (mirror.script.cursors, state.cursor, state.seq) == ([None, "old", None], "new", 1)


def test_two_readers_do_not_mix_and_one_that_died_is_fenced_out(mirror: Mirror) -> None:
    first = mirror.store.begin("job", NOW, anew=False)
    with pytest.raises(BeingRead):
        mirror.store.begin("job", NOW + timedelta(minutes=1), anew=False)
    later = NOW + timedelta(minutes=3)
    second = mirror.store.begin("job", later, anew=False)
    page = ReadPage(entries=[person("ada")], ending=Ending.WHOLE)
    with pytest.raises(Fenced):
        mirror.store.keep(first, page, later, lost_share=0.2)
    assert mirror.store.keep(second, page, later, lost_share=0.2).users == 1


def test_pages_are_given_in_order_and_none_twice(mirror: Mirror) -> None:
    mirror.changes(*(person(f"p{number}") for number in range(5)))
    mirror.changes(*(person(f"q{number}") for number in range(4)))
    for window in (None, Window(after=0, until=2)):
        seen: list[str] = []
        after: str | None = None
        while True:
            page = mirror.source.read(USER, window, after, 2)
            seen += [change.source_id for change in page.changes]
            after = page.next_after
            if after is None:
                break
        assert seen == [f"id-{letter}{number}" for letter, count in (("p", 5), ("q", 4)) for number in range(count)]


def test_an_entry_that_stands_twice_in_a_page_is_as_it_was_said_last(mirror: Mirror) -> None:
    mirror.changes(person("ada", title="Clerk"), person("ada", title="Chief"))
    assert mirror.one("id-ada").attributes["title"] == "Chief"
