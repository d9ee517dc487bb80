"""Plans and held operations in the portal, owners, and the pages in Dutch."""

import re
from datetime import timedelta

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from faces.test_graph_holds import SALES, held, hold
from faces.test_graph_plans import SKIP, UPDATE, keep_plan
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HoldFilter, HoldState
from muster.model.job import Escrow
from muster.model.operation import OperationKind
from muster.model.roles import Role
from muster.ports.cycles import Settlement
from muster.store import plans as stored_plans
from muster.ui.language import Language, choose
from muster.web.portal.plans import CAUSES

ADMIN = Role.GLOBAL_ADMINISTRATOR
# A fixture of the API's tests: three operations held, two of one cause.
held = held


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, ADMIN)


def test_a_plan_is_asked_for_awaited_read_and_applied(house: House, job: Started, visit: Visit) -> None:
    path = f"/applications/{job.sp}/plans"
    assert "No plan yet" in visit.text(path)
    place = visit.post(path).headers["Location"]
    assert "The plan is being made" in visit.text(place)
    plan = keep_plan(house, job)
    asked = house.stores.work.take("engine")
    assert asked is not None
    house.stores.work.finish(asked.id, "done", {"planId": plan.id, "hash": plan.hash})
    assert visit.get(place, HX_Request="true").headers["HX-Redirect"] == f"{path}/{plan.id}"
    page = visit.text(visit.get(place).headers["Location"])
    assert "<del>Clerk</del>" in page
    assert "<ins>Chief</ins>" in page
    assert "secret" not in page
    # Why they are held is said as the gate says it.
    assert ">too many<" in page
    assert "Apply this plan" in page
    assert plan.hash[:12] in visit.text(path)
    place = visit.post(f"{path}/{plan.id}/apply").headers["Location"]
    assert "being applied" in visit.text(place)
    house.stores.work.finish(place.rpartition("/")[2], "failed", {"code": "PlanOutdated", "reason": "The world moved."})
    assert "The world moved." in visit.text(place)


def test_an_empty_plan_says_that_failed_objects_wait(house: House, job: Started, visit: Visit) -> None:
    plan = replace(keep_plan(house, job), id="empty", hash="feedbeef" * 4)
    house.stores.plans.add(plan)
    page = visit.text(f"/applications/{job.sp}/plans/empty")
    assert "Nothing would be done" in page
    assert ("Apply this plan" in page, "There is nothing in it to apply." in page) == (False, True)
    failure = FailureRecord(code="EntryConflict", sentence="The name is taken.", remedy="Free it.", retry=True)
    due = plan.made_at + timedelta(hours=1)
    escrow = Escrow(source_id="u-1", kind="User", failure=failure, attempts=1, first_failed_at=due, next_attempt_at=due)
    house.stores.cycles.settle(job.cycle(), [Settlement(kind=ObjectKind.USER, source_id="u-1", escrow=escrow)])
    page = visit.text(f"/applications/{job.sp}/plans/empty")
    assert "Nothing is due now" in page
    assert "1 object failed and waits for its next try." in page
    assert "Every account is as the rules want it." not in page


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://localhost/applications/x/held?cause=a", "/applications/x/held?cause=a"),
        ("http://localhost//other.example", "/other.example"),
        ("http://other.example/applications", None),
        ("javascript:alert(1)", None),
    ],
)
def test_what_is_refused_leads_back_to_its_form_and_never_to_another_site(
    held: Started, visit: Visit, came_from: str, back: str | None
) -> None:
    sent = {"csrf_token": visit.token("/"), "do": "approve"}
    page = visit.client.post(f"/applications/{held.sp}/held", data=sent, headers={"Referer": came_from})
    assert page.status_code == 400
    links = re.findall(r'class="btn btn-primary" href="([^"]+)">Back', page.text)
    assert links == ([] if back is None else [back])


def test_reasons_that_differ_by_the_name_alone_are_one_group(house: House, job: Started, visit: Visit) -> None:
    kept = keep_plan(house, job)
    hired = tuple(
        replace(
            UPDATE,
            kind=OperationKind.CREATE,
            source_id=f"u-{number}",
            source_name=f"Person {number}",
            reason=f"Person {number} is active and assigned directly with the role User.",
            cause=None,
        )
        for number in range(30)
    )
    house.stores.plans.add(replace(kept, id="hires", hash="feedface" * 4), hired)
    page = visit.text(f"/applications/{job.sp}/plans/hires")
    assert page.count("ssigned directly with the role User.</p></div>") == 1
    assert "Is active and assigned directly" in page
    everybody = re.search(r'class="card-link" href="([^"]+)"', page)
    assert everybody is not None
    assert "Person 29" in visit.text(everybody[1].replace("&amp;", "&"))


def test_many_causes_are_shown_page_by_page(house: House, job: Started, visit: Visit) -> None:
    kept = keep_plan(house, job)
    failed = tuple(
        replace(UPDATE, source_id=f"u-{number}", source_name=f"P{number:02}", reason=f"Reason {number:02}.", cause=None)
        for number in range(CAUSES + 2)
    )
    house.stores.plans.add(replace(kept, id="many", hash="feedface" * 4), failed)
    path = f"/applications/{job.sp}/plans/many"
    for query in ("", "?kind=update"):
        page = visit.text(f"{path}{query}")
        assert len(re.findall("Reason [0-9]{2}[.]</p>", page)) == CAUSES
        more = re.search(r'href="([^"]+)" rel="next"', page)
        assert more is not None
        rest = visit.text(more[1].replace("&amp;", "&"))
        assert re.findall("Reason ([0-9]{2})[.]</p>", rest) == [f"{CAUSES}", f"{CAUSES + 1}"]
        assert 'rel="next"' not in rest
        assert f'href="{path}{query}">' in rest


def test_the_causes_that_are_not_told_one_by_one_are_shown_together(
    house: House, job: Started, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_plans, "GROUPS_TOLD", 2)
    kept = keep_plan(house, job)
    failed = tuple(
        replace(UPDATE, source_id=f"u-{number}", source_name=f"P{number}", reason=f"Reason {number}.", cause=None)
        for number in range(5)
    )
    house.stores.plans.add(replace(kept, id="various", hash="feedface" * 4), failed)
    page = visit.text(f"/applications/{job.sp}/plans/various")
    # The largest of its kind.
    link = re.findall(r'class="count" href="([^"]+)"', page)[0]
    rest = visit.text(link.replace("&amp;", "&"))
    assert "Various other causes." in rest
    assert ">Various causes<" in rest and ">One cause<" not in rest
    assert [name for name in ("P0", "P1", "P2", "P3", "P4") if f"{name}<" in rest] == ["P2", "P3", "P4"]


def test_each_total_of_a_plan_leads_to_what_it_counts(house: House, held: Started, visit: Visit) -> None:
    plan = keep_plan(house, held)
    path = f"/applications/{held.sp}/plans/{plan.id}"
    page = visit.text(path)
    kinds = {each.kind.value for each in (UPDATE, SKIP)}
    assert '<div class="figure"' not in page
    for kind in kinds:
        to = f"{path}?kind={kind}"
        assert f'href="{to}"' in page
        shown = visit.text(to)
        names = {each.source_name for each in (UPDATE, SKIP) if each.kind.value == kind}
        others = {each.source_name for each in (UPDATE, SKIP)} - names
        assert all(name in shown for name in names)
        assert not any(f"<bdi>{name}</bdi></b></span>" in shown for name in others)
        assert f'href="{path}" aria-current="true"' in shown
    assert visit.get(f"{path}?kind=nothing").status_code == 400


def test_what_is_held_is_decided_by_cause_and_one_by_one(house: House, held: Started, visit: Visit) -> None:
    path = f"/applications/{held.sp}/held"
    page = visit.text(path)
    keys = re.findall(r'name="cause" value="([^"]+)"', page)
    assert len(keys) == 2
    assert f'<a href="/applications/{held.sp}/plans" aria-current="page">' in page
    assert ">Held</h2>" in page
    assert "3 operations wait for a decision" in visit.text(f"/applications/{held.sp}/plans")
    assert visit.post(path, do="approve", cause=keys[0]).headers["Location"].endswith("said=approved")
    left, _ = house.stores.holds.list(held.id, HoldFilter(), 10, None)
    assert len(left) == 1
    again = visit.post(path, do="approve", cause=keys[0])
    assert (again.status_code, "look at the list again" in again.text) == (409, True)
    assert visit.post(path, do="reject", hold=left[0].id).status_code == 303
    rejected, _ = house.stores.holds.list(held.id, HoldFilter(states=(HoldState.REJECTED,)), 10, None)
    assert [each.id for each in rejected] == [left[0].id]
    assert "Nothing is held" in visit.text(path)
    assert visit.post(path, do="approve").status_code == 400
    assert visit.post(path, do="wait", cause=keys[0]).status_code == 400


def test_what_is_held_without_a_cause_leads_to_no_list_of_all(house: House, held: Started, visit: Visit) -> None:
    alone = replace(hold("dee", SALES), cause=None)
    settlement = Settlement(kind=alone.kind, source_id=alone.source_id, hold=alone)
    cycle = house.stores.cycles.running(held.id)
    assert cycle is not None
    house.stores.cycles.settle(cycle, [settlement])
    app = f"/applications/{held.sp}"
    assert 'class="held-count" href' in visit.text(f"{app}/held")
    assert f'class="held-count" href="{app}/held"' not in visit.text(f"{app}/held")
    assert f'<a href="{app}/held">1</a>' not in visit.text(f"{app}/plans")


def test_addresses_for_notices_are_taken_however_they_are_separated(job: Started, visit: Visit) -> None:
    page = visit.text(f"/applications/{job.sp}/provisioning")
    assert 'name="email" type="text" inputmode="email"' in page


def test_a_reader_decides_and_applies_nothing(house: House, held: Started) -> None:
    plan = keep_plan(house, held)
    visit = Visit(house, Role.GLOBAL_READER)
    assert "Approve" not in visit.text(f"/applications/{held.sp}/held")
    key = "cause"
    assert visit.post(f"/applications/{held.sp}/held", do="approve", cause=key).status_code == 403
    assert visit.post(f"/applications/{held.sp}/plans").status_code == 403
    assert visit.post(f"/applications/{held.sp}/plans/{plan.id}/apply").status_code == 403


def test_owners_are_named_and_taken_away(house: House, job: Started, visit: Visit) -> None:
    ada = house.user("ada")["id"]
    path = f"/applications/{job.sp}/owners"
    assert visit.post(path, add="ada@example.com").status_code == 303
    assert f"/users/{ada}" in visit.text(f"/applications/{job.sp}/properties")
    unknown = visit.post(path, add="nobody@example.com")
    assert (unknown.status_code, "“nobody@example.com” does not exist.</p>" in unknown.text) == (400, True)
    form = {"csrf_token": visit.token("/"), "add": "ada@example.com"}
    properties = f"/applications/{job.sp}/properties"
    again = visit.client.post(path, data=form, headers={"Referer": f"http://localhost{properties}"})
    assert (again.status_code, "Ada Example is an owner already." in again.text) == (400, True)
    # What is done next on the page of a refusal is sent, and led, to an address that shows something.
    for to in (f'?next={properties}"', f'action="{properties}"', f'href="{properties}" data-discard'):
        assert to in again.text
    assert visit.post(path, add="ada admin").status_code == 303
    bob = house.user("bob", mail="b.stone@example.com", displayName="Bob Stone")["id"]
    for called in ("B.Stone@example.com", "bob stone", bob):
        assert visit.post(path, add=called).status_code == 303
        assert f"/users/{bob}" in visit.text(f"/applications/{job.sp}/properties")
        assert visit.post(path, remove=bob).status_code == 303
    house.user("bob2", displayName="Bob Stone")
    assert "Several are called “Bob Stone”" in visit.post(path, add="Bob Stone").text
    assert visit.post(path, remove=ada).status_code == 303
    assert f"/users/{ada}" not in visit.text(f"/applications/{job.sp}/properties")


# ---------------------------------------------------------------- language


@pytest.mark.parametrize(
    ("kept", "accepted", "expected"),
    [
        (None, [], Language.ENGLISH),
        (None, ["nl-BE", "en"], Language.DUTCH),
        (None, ["fr", "nl"], Language.DUTCH),
        ("en", ["nl"], Language.ENGLISH),
        ("xx", ["nl"], Language.DUTCH),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browser_s(
    kept: str | None, accepted: list[str], expected: Language
) -> None:
    assert choose(kept, accepted) is expected


def test_pages_are_read_in_dutch_by_the_browser_s_wish_and_by_the_switch(house: House, visit: Visit) -> None:
    for number in range(3):
        house.user(f"ada{number}")
    page = visit.get("/", Accept_Language="nl-NL,nl;q=0.9").text
    assert '<html lang="nl">' in page
    assert "Gebruikers" in page
    answer = visit.get("/language/nl?next=/users")
    assert answer.headers["Location"] == "/users"
    assert "Nieuwe gebruiker" in visit.text("/users")
    assert visit.get("/language/nl?next=//evil.example").headers["Location"] == "/"
    assert visit.get("/language/xx").status_code == 404
    assert "Er is hier niets" not in visit.text("/groups")
    assert visit.get("/language/en").status_code == 303
    assert "New user" in visit.text("/users")


def test_a_stranger_reads_the_sign_in_page_in_dutch(house: House) -> None:
    assert "Bijna klaar" in Visit(house).get("/sign-in", Accept_Language="nl").text
