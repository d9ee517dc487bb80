"""The contract of links, references and escrows."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from fakes.company import NOW, Company, id_of, link_of, name_of, settlement
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.job import Cycle, CycleKind, Escrow
from muster.model.operation import LinkState, ShownReferences, WantedReference
from muster.ports.cycles import OpenReference, ReferenceSettled, Settlement
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


class Work:
    """A cycle that settles references by short names."""

    def __init__(self, company: Company, cycle: Cycle) -> None:
        self.store = company.store
        self.cycle = cycle

    def settle(self, *settlements: Settlement) -> None:
        self.store.cycles.settle(self.cycle, settlements)

    def want(self, owner: str, *others: str, attribute: str = "manager", kind: ObjectKind = USER) -> None:
        """Says whom the owner should refer to; groups refer by `members`."""
        wanted = WantedReference(
            attribute=attribute,
            kind=USER,
            multivalued=attribute == "members",
            source_ids=tuple(id_of(other) for other in others),
        )
        self.settle(Settlement(kind=kind, source_id=id_of(owner), wanted=(wanted,)))

    def confirm(self, owner: str, *pairs: tuple[str, str | None], attribute: str = "manager") -> None:
        """Says what the target has confirmed."""
        settled = tuple(
            ReferenceSettled(attribute=attribute, source_id=id_of(other), target_id=target) for other, target in pairs
        )
        kind = GROUP if attribute == "members" else USER
        self.settle(Settlement(kind=kind, source_id=id_of(owner), references=settled))

    def open(self) -> list[tuple[str, str, list[str], list[str]]]:
        """Returns what is open: owner, attribute, target ids to add, target ids to remove."""
        return [_short(each) for each in self.store.links.open_references("job", 100, None)[0]]


def _short(found: OpenReference) -> tuple[str, str, list[str], list[str]]:
    return (
        name_of(found.source_id),
        found.attribute,
        [target for _, target in found.add],
        [target for _, target in found.remove],
    )


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store).found()


@pytest.fixture
def work(company: Company) -> Work:
    return Work(company, company.begin())


def test_links_come_back_as_they_were_settled(company: Company, work: Work) -> None:
    work.settle(settlement("ann", state=LinkState.ADOPTED), settlement("eng", kind=GROUP), settlement("bob"))
    found = company.store.links.links("job", USER, [id_of("ann"), id_of("bob"), id_of("eng"), "x"])
    assert found == {
        id_of("ann"): link_of("ann", state=LinkState.ADOPTED),
        id_of("bob"): link_of("bob", state=LinkState.MANAGED),
    }
    assert company.store.links.count_links("job") == 3
    assert company.store.links.count_links("job", GROUP) == 1


def test_the_last_settlement_of_an_object_holds(company: Company, work: Work) -> None:
    work.settle(settlement("ann"), settlement("ann", target_id="t2"), settlement("bob"))
    work.settle(replace(settlement("bob"), link=None, unlink=True))
    assert company.store.links.links("job", USER, [id_of("ann"), id_of("bob")]) == {
        id_of("ann"): link_of("ann", state=LinkState.MANAGED, target_id="t2")
    }
    company.store.links.unlink("job", USER, id_of("ann"))
    company.store.links.unlink("job", USER, id_of("ann"))
    company.store.links.unlink("job", USER, "never seen")
    assert company.store.links.count_links("job") == 0


def test_objects_of_inbound_sources_are_linked_by_whatever_names_them(company: Company, work: Work) -> None:
    foreign = replace(link_of("ann", state=LinkState.MANAGED), source_id="employee 7")
    work.settle(Settlement(kind=USER, source_id="employee 7", link=foreign))
    assert company.store.links.links("job", USER, ["employee 7"]) == {"employee 7": foreign}


OWNING = [
    (LinkState.MANAGED, True),
    (LinkState.ADOPTED, True),
    (LinkState.SEEN, False),
    (LinkState.RELEASED, True),
]


@pytest.mark.parametrize(("state", "owns"), OWNING)
def test_who_is_adopted_managed_or_released_by_the_job_itself_has_an_owner(
    company: Company, work: Work, state: LinkState, owns: bool
) -> None:
    work.settle(settlement("ann", state=state))
    expected = {"t-ann": ("job", id_of("ann"))} if owns else {}
    assert company.store.links.owners("job", USER, ["t-ann", "t-bob"]) == expected
    assert company.store.links.owners("job", GROUP, ["t-ann"]) == {}


def test_a_reference_is_open_once_both_ends_are_linked_and_closed_when_confirmed(work: Work) -> None:
    work.settle(settlement("ann"))
    work.want("ann", "bob")
    assert work.open() == []
    work.settle(settlement("bob"))
    assert work.open() == [("ann", "manager", ["t-bob"], [])]
    work.confirm("ann", ("bob", "t-bob"))
    assert work.open() == []
    work.want("ann", "bob")
    assert work.open() == []


def test_an_open_reference_tells_all_that_a_request_needs(company: Company, work: Work) -> None:
    work.settle(settlement("eng", kind=GROUP), settlement("ann"))
    work.want("eng", "ann", attribute="members", kind=GROUP)
    (found,), after = company.store.links.open_references("job", 10, None)
    assert after is None
    assert found == OpenReference(
        kind=GROUP,
        source_id=id_of("eng"),
        source_name="eng",
        target_id="t-eng",
        attribute="members",
        reference_kind=USER,
        multivalued=True,
        add=((id_of("ann"), "t-ann"),),
        remove=(),
    )


@pytest.mark.parametrize("state", [LinkState.SEEN, LinkState.RELEASED])
def test_an_end_that_is_not_ours_is_left_out(work: Work, state: LinkState) -> None:
    work.settle(settlement("ann"), settlement("bob", state=state), settlement("cid", state=state))
    work.want("ann", "bob")
    work.want("cid", "ann")
    assert work.open() == []


def test_a_manager_who_is_replaced_is_taken_away_and_added_in_one(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"), settlement("cid"))
    work.want("ann", "bob")
    work.confirm("ann", ("bob", "t-bob"))
    work.want("ann", "cid")
    assert work.open() == [("ann", "manager", ["t-cid"], ["t-bob"])]
    work.confirm("ann", ("cid", "t-cid"))
    assert work.open() == [], "there is room for one manager: the old one is gone"


def test_a_manager_who_is_no_longer_wanted_is_taken_away(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"))
    work.want("ann", "bob")
    work.want("ann")
    assert work.open() == []
    work.want("ann", "bob")
    work.confirm("ann", ("bob", "t-bob"))
    work.want("ann")
    assert work.open() == [("ann", "manager", [], ["t-bob"])]
    work.want("ann", "bob")
    assert work.open() == [], "wanted again before it was taken away"
    work.want("ann")
    work.confirm("ann", ("bob", None))
    assert work.open() == []


def test_members_come_and_go_one_by_one(work: Work) -> None:
    work.settle(settlement("eng", kind=GROUP), *(settlement(name) for name in ("ann", "bob", "cid")))
    work.want("eng", "ann", "bob", attribute="members", kind=GROUP)
    work.confirm("eng", ("ann", "t-ann"), ("bob", "t-bob"), attribute="members")
    work.want("eng", "bob", "cid", attribute="members", kind=GROUP)
    assert work.open() == [("eng", "members", ["t-cid"], ["t-ann"])]
    work.confirm("eng", ("cid", "t-cid"), attribute="members")
    assert work.open() == [("eng", "members", [], ["t-ann"])]
    work.confirm("eng", ("ann", None), attribute="members")
    assert work.open() == []


def test_what_the_target_shows_takes_the_place_of_what_it_confirmed(work: Work) -> None:
    work.settle(settlement("crew", kind=GROUP), *(settlement(name) for name in ("ann", "bob", "cid")))
    work.want("crew", "ann", "bob", attribute="members", kind=GROUP)
    work.confirm("crew", ("ann", "t-ann"), ("bob", "t-bob"), attribute="members")
    assert work.open() == []

    def show(*target_ids: str) -> None:
        shown = ShownReferences(attribute="members", kind=USER, multivalued=True, target_ids=target_ids)
        work.settle(Settlement(kind=GROUP, source_id=id_of("crew"), shown=(shown,)))

    show("t-ann", "t-bob", "stranger")
    assert work.open() == []
    # Bob was taken out there, Cid put in: both go back, the stranger is nobody of ours.
    show("t-ann", "t-cid", "stranger")
    assert work.open() == [("crew", "members", ["t-bob"], ["t-cid"])]
    # What is wanted and there already needs no request.
    work.want("crew", "ann", "cid", attribute="members", kind=GROUP)
    assert work.open() == []
    show("t-ann", "t-cid", "t-bob")
    assert work.open() == [("crew", "members", [], ["t-bob"])]
    show("t-ann", "t-cid")
    assert work.open() == []


def test_what_pointed_to_an_object_points_to_it_again_after_it_was_made_anew(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"))
    work.want("ann", "bob")
    work.confirm("ann", ("bob", "t-bob"))
    work.settle(settlement("bob", target_id="t2"))
    assert work.open() == [("ann", "manager", ["t2"], ["t-bob"])]
    work.confirm("ann", ("bob", None), ("bob", "t2"))
    assert work.open() == []
    work.settle(Settlement(kind=USER, source_id=id_of("bob"), unlink=True))
    assert work.open() == []
    work.settle(settlement("bob", target_id="t3"))
    assert work.open() == [("ann", "manager", ["t3"], [])]


def test_an_object_that_was_made_anew_has_its_references_set_anew(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"), settlement("cid"))
    work.want("ann", "bob")
    work.confirm("ann", ("bob", "t-bob"))
    work.want("ann", "cid")
    work.settle(settlement("ann", target_id="t2"))
    assert work.open() == [("ann", "manager", ["t-cid"], [])]
    work.settle(Settlement(kind=USER, source_id=id_of("ann"), unlink=True))
    work.settle(settlement("ann"))
    assert work.open() == [], "what it referred to is said anew when it is linked anew"


def test_a_reference_to_somebody_deleted_at_the_target_is_still_taken_away(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"))
    work.want("ann", "bob")
    work.confirm("ann", ("bob", "t-bob"))
    work.want("ann")
    work.settle(Settlement(kind=USER, source_id=id_of("bob"), unlink=True))
    assert work.open() == [("ann", "manager", [], ["t-bob"])]


def test_wanting_linking_and_confirming_may_come_in_one_settlement(work: Work) -> None:
    wanted = WantedReference(attribute="manager", kind=USER, multivalued=False, source_ids=(id_of("bob"),))
    confirmed = ReferenceSettled(attribute="manager", source_id=id_of("bob"), target_id="t-bob")
    work.settle(settlement("bob"), replace(settlement("ann"), wanted=(wanted,), references=(confirmed,)))
    assert work.open() == []


def test_what_was_never_wanted_is_not_noted_as_confirmed(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"))
    work.confirm("ann", ("bob", "t-bob"))
    assert work.open() == []


def test_two_attributes_of_one_object_are_told_apart(work: Work) -> None:
    work.settle(settlement("ann"), settlement("bob"), settlement("cid"))
    work.want("ann", "bob")
    work.want("ann", "cid", attribute="assistant")
    work.confirm("ann", ("bob", "t-bob"))
    assert work.open() == [("ann", "assistant", ["t-cid"], [])]


def test_a_reference_of_which_nobody_knows_is_open_until_it_is_confirmed(company: Company, work: Work) -> None:
    def doubt(other: str, target: str | None) -> None:
        settled = ReferenceSettled(attribute="members", source_id=id_of(other), target_id=target, unsure=True)
        work.settle(Settlement(kind=GROUP, source_id=id_of("eng"), references=(settled,)))

    def want(*others: str) -> None:
        work.want("eng", *others, attribute="members", kind=GROUP)

    work.settle(settlement("ann"), settlement("bob"), settlement("eng", kind=GROUP))
    want("ann", "bob")
    work.confirm("eng", ("ann", "t-ann"), attribute="members")
    doubt("bob", "t-bob")
    assert work.open() == [("eng", "members", ["t-bob"], [])]
    (known,) = company.store.links.references("job", GROUP, [id_of("eng")])
    assert known.unsure == {id_of("bob")}
    assert known.against([id_of("ann"), id_of("bob")]) == {id_of("ann"): "t-ann"}
    want("ann")
    assert work.open() == [("eng", "members", [], ["t-bob"])]
    work.confirm("eng", ("bob", None), attribute="members")
    assert work.open() == []
    want()
    doubt("ann", None)
    assert work.open() == [("eng", "members", [], ["t-ann"])]
    want("ann")
    assert work.open() == [("eng", "members", ["t-ann"], [])]
    work.confirm("eng", ("ann", "t-ann"), attribute="members")
    assert work.open() == []


def test_who_may_be_there_and_is_wanted_is_not_taken_away_by_a_release(work: Work) -> None:
    work.settle(settlement("bob"), settlement("eng", kind=GROUP))
    work.want("eng", "bob", attribute="members", kind=GROUP)
    settled = ReferenceSettled(attribute="members", source_id=id_of("bob"), target_id="t-bob", unsure=True)
    work.settle(Settlement(kind=GROUP, source_id=id_of("eng"), references=(settled,)))
    work.settle(settlement("bob", state=LinkState.RELEASED))
    assert work.open() == []


def test_open_references_are_read_in_pages(company: Company, work: Work) -> None:
    names = [f"n{number}" for number in range(5)]
    work.settle(settlement("boss"), *(settlement(name) for name in names))
    for name in names:
        work.want(name, "boss")
    seen: list[str] = []
    after: str | None = None
    while True:
        found, after = company.store.links.open_references("job", 2, after)
        seen += [name_of(each.source_id) for each in found]
        if after is None:
            break
    assert seen == names


def test_references_of_other_jobs_are_their_own(company: Company, work: Work) -> None:
    other = Company(company.store, application="other", job="other-job").found()
    other_work = Work(other, other.begin("other-cycle"))
    other_work.settle(settlement("ann"), settlement("bob"))
    other_work.want("ann", "bob")
    assert company.store.links.open_references("job", 10, None) == ([], None)
    assert len(company.store.links.open_references("other-job", 10, None)[0]) == 1


def _escrow(name: str, minutes: int, attempts: int = 1, code: str = "c") -> Escrow:
    return Escrow(
        source_id=id_of(name),
        kind="User",
        failure=FailureRecord(code=code, sentence="s", remedy="r", status=500),
        attempts=attempts,
        first_failed_at=NOW,
        next_attempt_at=NOW + timedelta(minutes=minutes),
    )


def test_escrows_are_due_in_their_time(company: Company, work: Work) -> None:
    for name, minutes in [("bob", 1), ("ann", 1), ("cid", 5)]:
        work.settle(Settlement(kind=USER, source_id=id_of(name), escrow=_escrow(name, minutes)))
    links = company.store.links
    assert links.due_escrows("job", NOW, 10, None) == []
    due = links.due_escrows("job", NOW + timedelta(minutes=1), 10, None)
    assert due == [_escrow("ann", 1), _escrow("bob", 1)]
    assert links.due_escrows("job", NOW + timedelta(minutes=9), 10, id_of("ann")) == [
        _escrow("bob", 1),
        _escrow("cid", 5),
    ]
    assert links.count_escrows("job") == 3
    assert links.not_due("job", NOW) == (3, NOW + timedelta(minutes=1))
    assert links.not_due("job", NOW + timedelta(minutes=1)) == (1, NOW + timedelta(minutes=5))
    assert links.not_due("job", NOW + timedelta(minutes=5)) == (0, None)


@pytest.mark.parametrize("is_source", [True, False])
def test_people_of_a_source_who_were_refused_for_names_of_others_are_due_together(
    company: Company, work: Work, is_source: bool
) -> None:
    if is_source:
        company.store.mirrors.begin("job", NOW, anew=False)
    for name, minutes, code in [("bob", 1, "EntryConflict"), ("ann", 7, "EntryConflict"), ("cid", 5, "c")]:
        work.settle(Settlement(kind=USER, source_id=id_of(name), escrow=_escrow(name, minutes, code=code)))
    links = company.store.links
    assert links.due_escrows("job", NOW, 10, None) == []
    due = {escrow.source_id for escrow in links.due_escrows("job", NOW + timedelta(minutes=1), 10, None)}
    assert due == ({id_of("ann"), id_of("bob")} if is_source else {id_of("bob")})


def test_an_escrow_is_replaced_by_the_next_failure_and_cleared_by_success(company: Company, work: Work) -> None:
    work.settle(Settlement(kind=USER, source_id=id_of("ann"), escrow=_escrow("ann", 1)))
    work.settle(Settlement(kind=USER, source_id=id_of("ann"), escrow=_escrow("ann", 9, attempts=2)))
    (found,) = company.store.links.due_escrows("job", NOW + timedelta(hours=1), 10, None)
    assert found.attempts == 2
    for codes, ids in [((found.failure.code, "Other"), {id_of("ann")}), (("Other",), set())]:
        assert company.store.links.failed_with("job", USER, [id_of("ann"), id_of("bob")], codes) == ids
    work.settle(Settlement(kind=USER, source_id=id_of("ann"), clear_escrow=True))
    assert company.store.links.count_escrows("job") == 0
    assert not company.store.links.failed_with("job", USER, [id_of("ann")], [found.failure.code])


@pytest.mark.parametrize(("links", "escrows", "left"), [(True, False, (0, 1)), (False, True, (2, 0))])
def test_a_restart_forgets_what_it_is_asked_to(
    company: Company, work: Work, links: bool, escrows: bool, left: tuple[int, int]
) -> None:
    work.settle(settlement("ann"), settlement("bob"))
    work.want("ann", "bob")
    work.settle(Settlement(kind=USER, source_id=id_of("cid"), escrow=_escrow("cid", 1)))
    # The cycle that runs does not end the first pass any more.
    company.store.jobs.set_watermark("job", None)
    company.store.links.reset("job", links=links, escrows=escrows)
    assert (company.store.links.count_links("job"), company.store.links.count_escrows("job")) == left
    assert len(work.open()) == (0 if links else 1)


def test_a_thousand_outcomes_are_written_in_one_transaction(company: Company) -> None:
    work = Work(company, company.begin("big", CycleKind.ON_DEMAND))
    names = [f"n{number}" for number in range(1_000)]
    work.settle(*(settlement(name) for name in names))
    assert company.store.links.count_links("job") == 1_000


def test_links_are_listed_page_by_page_and_by_state(company: Company, work: Work) -> None:
    adopted = LinkState.ADOPTED
    work.settle(settlement("ann", state=adopted), settlement("eng", kind=GROUP), settlement("bob", state=adopted))
    links = company.store.links
    first, after = links.list_links("job", None, 2, None)
    second, end = links.list_links("job", None, 2, after)
    assert (len(first), len(second), end) == (2, 1, None)
    assert sorted(name_of(link.source_id) for link in (*first, *second)) == ["ann", "bob", "eng"]
    assert sorted(name_of(link.source_id) for link in links.list_links("job", adopted, 2, None)[0]) == ["ann", "bob"]


@pytest.mark.parametrize("kind", [None, ObjectKind.USER])
def test_accounts_of_a_state_that_few_are_in_are_found_and_all_are_counted_by_an_index(
    company: Company, kind: ObjectKind | None
) -> None:
    database = company.store.links._database  # its statements are looked at, not its rows
    if database.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics")
    asked: list[tuple[str, Any]] = []
    sa.event.listen(database._reading, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    company.store.links.list_links("job", LinkState.ADOPTED, 50, None, kind)
    company.store.links.count_links("job", kind)
    statements = [pair for pair in asked if "FROM links" in pair[0]]
    with database.read() as connection:
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            shown = " ".join(str(row[3]) for row in plan)
            assert "INDEX links_linked (job_key=? AND kind=?" in shown and "TEMP B-TREE" not in shown, shown
    assert len(statements) == (1 if kind else len(ObjectKind)) + 1


def test_a_promoted_account_is_managed_and_a_released_one_will_be(company: Company, work: Work) -> None:
    def found(name: str, state: LinkState, owned: LinkState) -> Settlement:
        settled = settlement(name, state=state)
        assert settled.link is not None
        return replace(settled, link=replace(settled.link, owned=owned))

    adopted, managed, released, seen = (LinkState.ADOPTED, LinkState.MANAGED, LinkState.RELEASED, LinkState.SEEN)
    work.settle(
        found("ann", adopted, adopted),
        found("bob", released, adopted),
        found("cid", managed, managed),
        found("dan", seen, seen),
        found("eve", adopted, adopted),
    )
    links = company.store.links
    assert links.promote("job", [id_of("ann"), id_of("cid"), "nobody"]) == [id_of("ann")]
    assert sorted(links.promote("job", None)) == sorted([id_of("bob"), id_of("eve")])
    names = {name_of(link.source_id): (link.state, link.owned) for link in links.list_links("job", None, 9, None)[0]}
    assert names == {
        "ann": (managed, managed),
        "bob": (released, managed),
        "cid": (managed, managed),
        "dan": (seen, seen),
        "eve": (managed, managed),
    }
    assert links.promote("job", None) == []
