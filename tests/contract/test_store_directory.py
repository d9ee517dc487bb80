"""The directory store's contract: writes, names, lifecycle, memberships, searches."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.company import NOW, Company, id_of, name_of
from muster.model.conditions import Both, Comparison, Condition, Either, Negation, Operator, Some
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.ports.directory import DirectoryQuery, ObjectWrite, WriteRefused
from muster.store import directory_search
from muster.store.directory_writes import DirectoryBatch
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP
SOFT, HARD, PRESENT = Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED, Lifecycle.PRESENT


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store)


def _get(company: Company, name: str, kind: ObjectKind = USER) -> DirectoryObject:
    found = company.store.directory.get(kind, name)
    assert found is not None
    return found


def _refusal(company: Company, **write: object) -> WriteRefused:
    given = {"kind": USER, "object_id": None, "attributes": {}, "is_new": True, **write}
    answer = company.store.directory.write([ObjectWrite(**given)], NOW)[0]  # type: ignore[arg-type]  # a row of a table
    assert isinstance(answer, WriteRefused)
    return answer


def test_an_object_is_found_by_id_and_by_principal_name_without_case(company: Company) -> None:
    company.hire("ann", otherMails=["a@x", "b@x"], accountEnabled=True)
    found = _get(company, "ANN@Example.com")
    assert found == _get(company, id_of("ann")) == _get(company, id_of("ann").upper())
    assert found.attributes == {
        "userPrincipalName": "ann@example.com",
        "displayName": "ann",
        "otherMails": ("a@x", "b@x"),
        "accountEnabled": True,
    }
    assert (found.created_at, found.lifecycle, found.seq) == (NOW, PRESENT, 1)
    assert company.store.directory.get(USER, "nobody") is None
    assert company.store.directory.get(GROUP, id_of("ann")) is None


def test_an_object_without_an_id_gets_one(company: Company) -> None:
    write = ObjectWrite(kind=GROUP, object_id=None, attributes={"displayName": "g"}, is_new=True)
    made = company.store.directory.write([write, write], NOW)
    ids = {each.object_id for each in made if isinstance(each, DirectoryObject)}
    assert len(ids) == 2
    assert all(len(each) == 36 for each in ids)


def test_only_what_changes_content_gets_a_number(company: Company) -> None:
    company.hire("ann", "bob")
    assert company.store.feed.latest() == 2
    assert company.change("ann", displayName="ann", department=None).seq == 1
    assert company.store.feed.latest() == 2
    assert company.change("ann", department="Sales").seq == 3
    assert company.change("ann", department="").seq == 4
    assert "department" not in _get(company, id_of("ann")).attributes
    assert company.set_manager("ann", "bob").seq == 5
    assert company.set_manager("ann", "bob").seq == 5
    assert company.set_lifecycle("ann", SOFT).seq == 6


def test_a_change_keeps_what_it_does_not_name(company: Company) -> None:
    company.hire("ann", "bob", department="Sales")
    company.set_manager("ann", "bob")
    company.change("ann", city="Bern")
    found = _get(company, id_of("ann"))
    assert (found.attributes["department"], found.attributes["city"]) == ("Sales", "Bern")
    assert found.manager_id == id_of("bob")
    assert company.set_manager("ann", "").manager_id is None


def test_bad_writes_are_refused_one_by_one_and_the_others_are_done(company: Company) -> None:
    company.hire("ann", "bob", "gone")
    company.set_lifecycle("gone", HARD)
    new = {"userPrincipalName": "new@example.com"}
    assert _refusal(company, attributes={"userPrincipalName": "ANN@example.com"}).code == "ObjectConflict"
    assert _refusal(company, attributes={"displayName": "x"}).code == "Request_BadRequest"
    assert _refusal(company, kind=GROUP, attributes={"description": "x"}).code == "Request_BadRequest"
    assert _refusal(company, object_id=id_of("ann"), attributes=new).code == "ObjectConflict"
    assert _refusal(company, object_id="x", is_new=False).code == "Request_ResourceNotFound"
    assert _refusal(company, object_id=id_of("gone"), is_new=False).code == "Request_ResourceNotFound"
    assert _refusal(company, attributes=new, manager_id="x").code == "Request_BadRequest"
    assert _refusal(company, attributes=new, manager_id=id_of("gone")).code == "Request_BadRequest"
    own = _refusal(company, object_id=id_of("bob"), manager_id=id_of("bob"), is_new=False)
    assert own.sentence == "nobody can be their own manager"
    clearing = {"userPrincipalName": None}
    assert _refusal(company, object_id=id_of("bob"), attributes=clearing, is_new=False).code == "Request_BadRequest"
    before = company.store.feed.latest()
    taken = ObjectWrite(kind=USER, object_id=None, attributes={"userPrincipalName": "ann@example.com"}, is_new=True)
    free = ObjectWrite(kind=USER, object_id=None, attributes=new, is_new=True)
    first, second, third = company.store.directory.write([taken, free, free], NOW)
    assert isinstance(first, WriteRefused)
    assert isinstance(second, DirectoryObject)
    assert isinstance(third, WriteRefused), "the name was taken by the write before it"
    assert company.store.feed.latest() == before + 1


def test_a_principal_name_stays_taken_by_a_soft_deleted_user_and_is_freed_by_a_purge(company: Company) -> None:
    company.hire("ann")
    company.set_lifecycle("ann", SOFT)
    refused = _refusal(company, attributes={"userPrincipalName": "ann@example.com"})
    assert refused.remedy == "Restore that user or delete it for good."
    company.set_lifecycle("ann", HARD)
    write = ObjectWrite(
        kind=USER, object_id=id_of("ann2"), attributes={"userPrincipalName": "ann@example.com"}, is_new=True
    )
    company.store.directory.write([write], NOW)
    assert _get(company, "ann@example.com").object_id == id_of("ann2")


def test_names_may_pass_from_one_to_another_within_a_batch(company: Company) -> None:
    company.hire("ann", "bob")
    names = {"ann": "temporary", "bob": "ann"}
    writes = [
        ObjectWrite(
            kind=USER,
            object_id=id_of(name),
            attributes={"userPrincipalName": f"{new}@example.com"},
            is_new=False,
        )
        for name, new in [*names.items(), ("ann", "bob")]
    ]
    assert not [answer for answer in company.store.directory.write(writes, NOW) if isinstance(answer, WriteRefused)]
    assert _get(company, "ann@example.com").object_id == id_of("bob")
    assert _get(company, "bob@example.com").object_id == id_of("ann")


def _renamed(company: Company, names: dict[str, str], **managers: str) -> set[str]:
    """Whom one batch gives other names; of whoever is refused the name is as it was."""
    writes = [
        ObjectWrite(
            kind=USER,
            object_id=id_of(name),
            attributes={"userPrincipalName": f"{new}@example.com"},
            manager_id=managers.get(name),
            is_new=False,
        )
        for name, new in names.items()
    ]
    answers = company.store.directory.write(writes, NOW)
    done = {name for name, answer in zip(names, answers, strict=True) if isinstance(answer, DirectoryObject)}
    for name, new in names.items():
        kept = new if name in done else name
        assert _get(company, f"{kept}@example.com").object_id == id_of(name)
        assert _get(company, id_of(name)).attributes["userPrincipalName"] == f"{kept}@example.com"
    return done


def test_names_may_be_exchanged_within_a_batch(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan", "eve", "fay")
    assert _renamed(company, {"ann": "bob", "bob": "ann"}) == {"ann", "bob"}
    assert _renamed(company, {"ann": "ann", "bob": "bob"}) == {"ann", "bob"}
    around = {"ann": "bob", "bob": "cid", "cid": "ann", "dan": "eve", "eve": "dan"}
    assert _renamed(company, around) == set(around)


def test_who_wants_a_name_that_somebody_keeps_hinders_nobody_elses_exchange(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan", "eve", "fay")
    wanted = {"ann": "bob", "bob": "ann", "cid": "dan", "dan": "eve"}
    assert _renamed(company, wanted) == {"ann", "bob"}


@pytest.mark.parametrize("third", ["ann", "bob"])
def test_of_two_who_want_one_name_nobody_is_chosen(company: Company, third: str) -> None:
    company.hire("ann", "bob", "cid")
    assert _renamed(company, {"ann": "bob", "bob": "ann", "cid": third}) == set()


def test_who_is_refused_for_another_reason_is_not_exchanged_with(company: Company) -> None:
    company.hire("ann", "bob")
    assert _renamed(company, {"ann": "bob", "bob": "ann"}, ann=id_of("nobody")) == set()


def test_an_object_may_be_made_and_changed_in_one_batch(company: Company) -> None:
    new = ObjectWrite(kind=USER, object_id="1", attributes={"userPrincipalName": "a@x"}, is_new=True)
    more = ObjectWrite(kind=USER, object_id="1", attributes={"city": "Bern"}, is_new=False)
    report = ObjectWrite(kind=USER, object_id="2", attributes={"userPrincipalName": "b@x"}, manager_id="1", is_new=True)
    company.store.directory.write([new, report, more], NOW)
    assert _get(company, "1").attributes == {"userPrincipalName": "a@x", "city": "Bern"}
    assert _get(company, "2").manager_id == "1"


def test_soft_deletion_keeps_everything_and_can_be_undone(company: Company) -> None:
    company.hire("ann", "bob", city="Bern")
    company.make_group("eng", members=["ann"])
    company.set_manager("bob", "ann")
    deleted = company.set_lifecycle("ann", SOFT)
    assert (deleted.deleted_at, deleted.attributes["city"]) == (NOW, "Bern")
    assert _get(company, id_of("bob")).manager_id == id_of("ann")
    restored = company.set_lifecycle("ann", PRESENT)
    assert (restored.deleted_at, restored.lifecycle) == (None, PRESENT)
    assert [group.display_name for group in company.store.directory.groups_of(id_of("ann"))] == ["eng"]


def test_a_purged_person_leaves_a_name_and_nothing_else(company: Company) -> None:
    company.found()
    company.hire("ann", "bob", city="Bern")
    company.make_group("eng", members=["ann"])
    company.set_manager("bob", "ann")
    company.assign("ann")
    purged = company.set_lifecycle("ann", HARD)
    assert purged.attributes == {"userPrincipalName": "ann@example.com", "displayName": "ann"}
    assert _get(company, "ann@example.com").lifecycle is HARD
    assert _get(company, id_of("bob")).manager_id is None
    assert company.store.directory.members(id_of("eng"), None, 10).objects == ()
    assert company.store.applications.assignments(service_principal_id="sp") == []
    with pytest.raises(ValueError, match="deleted for good"):
        company.set_lifecycle("ann", PRESENT)


def test_a_lifecycle_may_come_with_a_write(company: Company) -> None:
    company.hire("ann")
    write = ObjectWrite(kind=USER, object_id=id_of("ann"), attributes={"city": "Bern"}, lifecycle=SOFT, is_new=False)
    company.store.directory.write([write], NOW)
    assert (_get(company, id_of("ann")).lifecycle, _get(company, id_of("ann")).deleted_at) == (SOFT, NOW)


def test_an_unknown_object_has_no_lifecycle_and_no_groups(company: Company) -> None:
    with pytest.raises(LookupError, match="no user"):
        company.set_lifecycle("ann", SOFT)
    with pytest.raises(LookupError, match="no object"):
        company.store.directory.groups_of("x")


def test_members_come_and_go_once(company: Company) -> None:
    company.hire("ann", "bob", "cid")
    company.make_group("eng", "sub")
    assert company.put_in("eng", "ann", "bob", "sub", "ann") == 3
    assert company.put_in("eng", "ann") == 0
    assert company.take_out("eng", "ann", "cid") == 1
    members = company.store.directory.members(id_of("eng"), None, 10)
    assert [name_of(each.object_id) for each in members.objects] == ["bob", "sub"]
    assert members.total == 2


def test_members_are_read_in_pages_without_deleted_ones(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan")
    company.make_group("eng", members=["ann", "bob", "cid", "dan"])
    company.set_lifecycle("bob", SOFT)
    first = company.store.directory.members(id_of("eng"), None, 2)
    second = company.store.directory.members(id_of("eng"), first.next_after, 2)
    assert [name_of(each.object_id) for page in (first, second) for each in page.objects] == ["ann", "cid", "dan"]
    assert second.next_after is None


def _names(found: Any) -> list[str]:
    return [name_of(each.object_id) for each in found]


def test_members_are_found_at_any_depth_each_once_and_a_circle_ends(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan", "eve")
    company.make_group("all", "eng", "core", "gone")
    company.put_in("all", "ann", "eng", "gone")
    company.put_in("eng", "bob", "ann", "core")
    company.put_in("core", "cid", "all")
    company.put_in("gone", "dan")
    company.set_lifecycle("gone", SOFT, GROUP)
    company.set_lifecycle("cid", SOFT)
    directory = company.store.directory
    whole = directory.members(id_of("all"), None, 10, transitive=True)
    assert (_names(whole.objects), whole.total, whole.next_after) == (["ann", "bob", "eng", "core"], 4, None)
    first = directory.members(id_of("all"), None, 3, transitive=True)
    rest = directory.members(id_of("all"), first.next_after, 3, transitive=True)
    assert (_names(first.objects + rest.objects), rest.total) == (["ann", "bob", "eng", "core"], None)
    assert directory.members(id_of("gone"), None, 10, transitive=True).total == 1
    assert _names(directory.groups_of(id_of("bob"), transitive=True)) == ["all", "core", "eng"]
    assert _names(directory.groups_of(id_of("core"), transitive=True)) == ["all", "eng"]
    assert _names(directory.groups_of(id_of("eve"), transitive=True)) == []


def test_reports_are_those_whose_manager_somebody_is(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan")
    for name in ("bob", "cid", "dan"):
        company.set_manager(name, "ann")
    company.set_lifecycle("cid", SOFT)
    first = company.store.directory.reports_of(id_of("ann"), None, 1)
    rest = company.store.directory.reports_of(id_of("ann"), first.next_after, 1)
    assert (_names(first.objects), first.total, _names(rest.objects), rest.next_after) == (["bob"], 2, ["dan"], None)
    assert company.store.directory.reports_of(id_of("bob"), None, 9).objects == ()


def test_unknown_groups_and_members_are_refused_and_nothing_is_written(company: Company) -> None:
    company.hire("ann")
    company.make_group("eng")
    with pytest.raises(LookupError, match="no group"):
        company.put_in("ann", "ann")
    with pytest.raises(LookupError, match="no object"):
        company.put_in("eng", "ann", "nobody")
    assert company.store.directory.members(id_of("eng"), None, 10).objects == ()


def test_deleted_groups_are_nobodys_groups(company: Company) -> None:
    company.hire("ann")
    company.make_group("eng", "ops", members=["ann"])
    company.set_lifecycle("ops", SOFT, GROUP)
    assert [group.display_name for group in company.store.directory.groups_of(id_of("ann"))] == ["eng"]


def test_purges_are_due_after_the_time_to_restore(company: Company) -> None:
    company.hire("ann", "bob")
    company.set_lifecycle("ann", SOFT)
    assert company.store.directory.purge_due(NOW) == ()
    due = company.store.directory.purge_due(NOW + timedelta(seconds=1))
    assert [each.object_id for each in due] == [id_of("ann")]


@pytest.fixture
def searched(company: Company) -> Company:
    company.hire("ann", department="Sales", mail="Ann@Example.com", employeeId="7", accountEnabled=True)
    company.hire("bob", department="sales", accountEnabled=False, otherMails=["home@x", "b@x"])
    company.hire("cid", displayName="Ŝtraße Ä", department="R&D")
    company.hire("dan", displayName="50%_off")
    company.hire("old")
    company.set_lifecycle("old", SOFT)
    company.make_group("eng")
    return company


SEARCHES: list[tuple[list[tuple[str, str, object]], list[str]]] = [
    ([], ["dan", "ann", "bob", "cid"]),
    ([("userPrincipalName", "eq", "ANN@example.com")], ["ann"]),
    ([("userPrincipalName", "sw", "B")], ["bob"]),
    ([("userPrincipalName", "co", "N@EX")], ["dan", "ann"]),
    ([("userPrincipalName", "ge", "bob"), ("userPrincipalName", "le", "cid@example.com")], ["bob", "cid"]),
    ([("userPrincipalName", "ne", "ann@example.com")], ["dan", "bob", "cid"]),
    ([("mail", "eq", "ann@EXAMPLE.com")], ["ann"]),
    ([("employeeId", "eq", "7")], ["ann"]),
    ([("objectId", "eq", id_of("ann"))], ["ann"]),
    ([("objectId", "ne", id_of("ann"))], ["dan", "bob", "cid"]),
    ([("department", "eq", "SALES")], ["ann", "bob"]),
    ([("department", "eq", "SALES"), ("accountEnabled", "eq", False)], ["bob"]),
    ([("department", "ne", "sales")], ["dan", "cid"]),
    ([("department", "eq", None)], ["dan"]),
    ([("accountEnabled", "eq", "true")], []),
    ([("otherMails", "eq", "B@x")], ["bob"]),
    ([("displayName", "eq", "ŝTRASSE ä")], ["cid"]),
    ([("displayName", "co", "%_")], ["dan"]),
    ([("displayName", "ge", "b"), ("displayName", "le", "c")], ["bob"]),
    ([("city", "sw", "B")], []),
]


@pytest.mark.parametrize(("comparisons", "expected"), SEARCHES)
def test_searches_compare_without_case_in_every_script(
    searched: Company, comparisons: list[tuple[str, str, object]], expected: list[str]
) -> None:
    page = searched.store.directory.search(DirectoryQuery(kind=USER, comparisons=tuple(comparisons)))
    assert [name_of(each.object_id) for each in page.objects] == expected


def _is(path: str, operator: str, value: Any) -> Comparison:
    return Comparison(path=path, operator=Operator(operator), value=value)


CONDITIONS: list[tuple[Condition, list[str]]] = [
    (Either(parts=(_is("mail", "eq", "ANN@example.com"), _is("displayName", "sw", "50%_"))), ["dan", "ann"]),
    (Either(parts=(_is("mail", "eq", "ann@example.com"), _is("department", "eq", "r&d"))), ["ann", "cid"]),
    (Negation(part=_is("mail", "eq", "ann@example.com")), ["dan", "bob", "cid"]),
    (_is("mail", "ne", "ann@example.com"), ["dan", "bob", "cid"]),
    (Negation(part=_is("department", "eq", "sales")), ["dan", "cid"]),
    (Both(parts=(_is("userPrincipalName", "gt", "ann@example.com"), _is("mail", "eq", None))), ["dan", "bob", "cid"]),
    (Both(parts=(_is("userPrincipalName", "lt", "bob"), Negation(part=_is("employeeId", "eq", "8")))), ["ann"]),
    (_is("userPrincipalName", "in", ("ann@EXAMPLE.com", "cid@example.com", "none")), ["ann", "cid"]),
    (_is("objectId", "in", (id_of("ann"), "none")), ["ann"]),
    (_is("userPrincipalName", "ew", "B@example.com"), ["bob"]),
    (_is("displayName", "wd", "ä"), ["cid"]),
    (_is("displayName", "wd", "%_"), []),
    (Some(path="otherMails", part=_is("", "sw", "HOME")), ["bob"]),
    (_is("createdDateTime", "ge", NOW - timedelta(days=1)), ["dan", "ann", "bob", "cid"]),
    (_is("createdDateTime", "lt", NOW - timedelta(days=1)), []),
    (_is("deletedDateTime", "eq", None), ["dan", "ann", "bob", "cid"]),
    (Either(parts=(_is("createdDateTime", "lt", NOW - timedelta(days=1)), _is("department", "co", "&"))), ["cid"]),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_conditions_are_met_by_sql_and_by_the_object_alike(
    searched: Company, condition: Condition, expected: list[str]
) -> None:
    directory = searched.store.directory
    page = directory.search(DirectoryQuery(kind=USER, condition=condition, counted=True))
    assert [name_of(each.object_id) for each in page.objects] == expected
    assert page.total == len(expected)
    backwards = directory.search(DirectoryQuery(kind=USER, condition=condition, descending=True, limit=1))
    assert [name_of(each.object_id) for each in backwards.objects] == expected[-1:]


def test_objects_are_found_by_their_ids(searched: Company) -> None:
    found = searched.store.directory.by_ids([id_of("ann"), id_of("old"), id_of("eng"), "nothing"])
    assert {name_of(each.object_id) for each in found} == {"ann", "old", "eng"}


def test_a_search_text_is_the_beginning_of_a_name_or_principal_name(searched: Company) -> None:
    def search(text: str) -> list[str]:
        page = searched.store.directory.search(DirectoryQuery(kind=USER, search=text))
        return [name_of(each.object_id) for each in page.objects]

    assert search("ŝtrasse") == ["cid"]
    assert search("CID@") == ["cid"]
    assert search("traß") == []


@pytest.mark.parametrize("few", [0, 2_000])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_a_search_hold_everybody_once_in_order(
    searched: Company, monkeypatch: pytest.MonkeyPatch, few: int, *, descending: bool
) -> None:
    monkeypatch.setattr(directory_search, "_FEW", few)
    directory = searched.store.directory

    def found(text: str, limit: int) -> list[str]:
        names: list[str] = []
        after, total = None, None
        while True:
            query = DirectoryQuery(
                kind=USER, search=text, descending=descending, after=after, counted=True, limit=limit
            )
            page = directory.search(query)
            names += [name_of(each.object_id) for each in page.objects]
            total, after = page.total, page.next_after
            if after is None:
                assert total == len(names)
                return names

    everybody = directory.search(DirectoryQuery(kind=USER, descending=descending)).objects
    for text in ("a", "c", "b", "d", "nobody"):
        expected = [
            name_of(each.object_id)
            for each in everybody
            if each.display_name.casefold().startswith(text)
            or str(each.attributes["userPrincipalName"]).casefold().startswith(text)
        ]
        assert found(text, 1) == found(text, 100) == expected


def test_a_search_may_ask_for_deleted_ones(searched: Company) -> None:
    searched.set_lifecycle("dan", HARD)
    query = DirectoryQuery(kind=USER, lifecycles=(SOFT, HARD))
    assert [name_of(each.object_id) for each in searched.store.directory.search(query).objects] == ["dan", "old"]
    by_name = DirectoryQuery(
        kind=USER, lifecycles=(SOFT, HARD), comparisons=(("userPrincipalName", "eq", "dan@example.com"),)
    )
    assert [name_of(each.object_id) for each in searched.store.directory.search(by_name).objects] == ["dan"]


def test_an_unknown_comparison_is_named(searched: Company) -> None:
    query = DirectoryQuery(kind=USER, comparisons=(("department", "xx", "a"),))
    with pytest.raises(ValueError, match="no comparison xx"):
        searched.store.directory.search(query)


@pytest.mark.parametrize("comparisons", [(), (("department", "ne", "nothing"),)])
def test_pages_follow_each_other_without_gap_or_repetition(
    company: Company, comparisons: tuple[tuple[str, str, object], ...]
) -> None:
    names = [f"n{number:02}" for number in range(10)]
    company.hire(*names, displayName="the same")
    seen: list[str] = []
    after: str | None = None
    while True:
        page = company.store.directory.search(DirectoryQuery(kind=USER, comparisons=comparisons, after=after, limit=3))
        seen += [name_of(each.object_id) for each in page.objects]
        after = page.next_after
        if after is None:
            break
    assert seen == names


def test_a_page_says_how_many_there_are_where_that_is_asked(searched: Company) -> None:
    search = searched.store.directory.search
    first = search(DirectoryQuery(kind=USER, counted=True, limit=1))
    assert (first.total, search(DirectoryQuery(kind=GROUP, counted=True)).total) == (4, 1)
    assert search(DirectoryQuery(kind=USER, counted=True, after=first.next_after)).total == 4
    assert search(DirectoryQuery(kind=USER, limit=1)).total is None


def test_a_search_goes_through_a_directory_of_any_size(company: Company) -> None:
    company.hire(*(f"n{number}" for number in range(1_050)), displayName="same")
    company.change("n1049", city="Bern")
    page = company.store.directory.search(DirectoryQuery(kind=USER, comparisons=(("city", "eq", "bern"),)))
    assert [name_of(each.object_id) for each in page.objects] == ["n1049"]


def _named(company: Company, owner: str, name: str) -> ObjectWrite:
    attributes = {"userPrincipalName": f"{name}@example.com"}
    return ObjectWrite(kind=USER, object_id=id_of(owner), attributes=attributes, is_new=False)


def test_names_pass_along_a_chain_of_people_in_two_rounds(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [f"n{number}" for number in range(40)]
    company.hire(*people)
    asked: list[object] = []
    write = DirectoryBatch.write
    monkeypatch.setattr(DirectoryBatch, "write", lambda self, each: (asked.append(each), write(self, each))[1])
    following = [_named(company, person, name) for person, name in zip(people, [*people[1:], "last"], strict=True)]
    answers = company.store.directory.write(following, NOW)
    assert not any(isinstance(answer, WriteRefused) for answer in answers)
    assert len(asked) < 2 * len(people)


def test_what_a_later_write_of_the_same_person_has_overtaken_is_not_written_again(company: Company) -> None:
    company.hire("ann", "bob")
    first, second, _ = company.store.directory.write(
        [_named(company, "ann", "bob"), _named(company, "ann", "anna"), _named(company, "bob", "bert")], NOW
    )
    assert isinstance(first, WriteRefused)
    assert isinstance(second, DirectoryObject)
    assert second.attributes["userPrincipalName"] == "anna@example.com"


def test_the_same_lifecycle_again_changes_nothing(company: Company) -> None:
    company.hire("ann")
    for lifecycle in (PRESENT, SOFT, HARD):
        once = company.set_lifecycle("ann", lifecycle)
        until = company.store.feed.latest()
        assert company.set_lifecycle("ann", lifecycle) == once
        assert company.store.feed.latest() == until


def test_a_report_may_be_purged_together_with_the_manager_or_get_another_in_the_same_batch(company: Company) -> None:
    company.hire("ann", "bob", "cid", "dan")
    company.set_manager("bob", "ann")
    company.set_manager("cid", "ann")
    purges = [
        ObjectWrite(kind=USER, object_id=id_of(name), attributes={}, lifecycle=HARD, is_new=False)
        for name in ("bob", "ann")
    ]
    other = ObjectWrite(kind=USER, object_id=id_of("cid"), attributes={}, manager_id=id_of("dan"), is_new=False)
    company.store.directory.write([*purges, other], NOW)
    assert _get(company, id_of("bob")).manager_id is None
    assert _get(company, id_of("cid")).manager_id == id_of("dan")
