"""Numbers of the portal lead to exactly what they count."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from faces.test_graph_logs import REFUSED, log
from muster.administration import links
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.log import LogStatus, ProvisioningAction, SkipReason
from muster.model.operation import Acknowledged, Link, LinkState
from muster.model.roles import Role
from muster.model.wire import WireExchange
from muster.ports.cycles import Settlement
from muster.web.portal import accounts
from muster.web.portal.logs import between, stretch


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def link(house: House, cycle: Cycle, kind: ObjectKind, source_id: str, target_id: str) -> None:
    made = Link(
        source_id=source_id,
        kind=kind,
        target_id=target_id,
        state=LinkState.MANAGED,
        owned=LinkState.MANAGED,
        acknowledged=Acknowledged(),
        display_name=f"Known as {source_id}",
    )
    house.stores.cycles.settle(cycle, [Settlement(kind=kind, source_id=source_id, link=made)])


def test_users_and_groups_that_are_linked_lead_to_those_of_their_kind(house: House, job: Started, visit: Visit) -> None:
    cycle = job.cycle()
    link(house, cycle, ObjectKind.USER, "ada", "t-ada")
    link(house, cycle, ObjectKind.GROUP, "sales", "t-sales")
    app = f"/applications/{job.sp}"
    overview = visit.text(app)
    for kind, shown, hidden in (("User", "ada", "sales"), ("Group", "sales", "ada")):
        to = f"{app}/provisioning/accounts?kind={kind}"
        assert to in overview
        page = visit.text(to)
        assert f"Known as {shown}" in page and f"Known as {hidden}" not in page
        assert f"{app}/provisioning/accounts?state=managed&amp;kind={kind}" in page
        assert f'<a href="{to}" aria-current="true">All</a>' in page
    assert visit.get(f"{app}/provisioning/accounts?kind=Dog").status_code == 400


def test_the_counts_of_a_source_lead_to_whom_it_has_brought_in(house: House, visit: Visit) -> None:
    made = visit.post("/sources/new/folder", **{"name": "HR", "c-Server": "hr", "c-FileContent": "changes"})
    path = made.headers["Location"].partition("?")[0]
    sp = path.split("/")[2]
    (job,) = house.stores.jobs.list(sp)
    cycle = Cycle(
        id="reading",
        job_id=job.id,
        kind=CycleKind.INITIAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0,
        window_until=1,
        epoch=1,
        counters=Counters(),
        began_at=house.clock.at,
    )
    house.stores.cycles.begin(cycle)
    link(house, cycle, ObjectKind.USER, "hr-1", house.user("ada")["id"])
    link(house, cycle, ObjectKind.GROUP, "hr-g", house.group("Sales")["id"])
    house.user("bob")
    for page in (visit.text(path), visit.text("/sources")):
        assert f'href="/users?source={sp}"' in page and f'href="/groups?source={sp}"' in page
    users = visit.text(f"/users?source={sp}")
    assert "Ada Example" in users and "Bob Example" not in users and "From HR" in users
    assert "Sales" in visit.text(f"/groups?source={sp}")
    assert visit.get("/users?source=nowhere").status_code == 404


def test_a_source_that_brought_nobody_in_says_so(visit: Visit) -> None:
    made = visit.post("/sources/new/folder", **{"name": "HR", "c-Server": "hr", "c-FileContent": "changes"})
    sp = made.headers["Location"].split("/")[2]
    assert "Nobody came from this source yet" in visit.text(f"/users?source={sp}")


def test_who_holds_only_default_access_is_listed_alone(house: House, job: Started, visit: Visit) -> None:
    for name in ("ada", "bob"):
        roles = house.call("GET", f"/servicePrincipals/{job.sp}").body["appRoles"]
        role = "00000000-0000-0000-0000-000000000000" if name == "ada" else roles[0]["id"]
        given = {"principalId": house.user(name)["id"], "resourceId": job.sp, "appRoleId": role}
        house.made(f"/servicePrincipals/{job.sp}/appRoleAssignedTo", given)
    path = f"/applications/{job.sp}/users-and-groups"
    assert f'href="{path}?entitles=no"' in visit.text(path)
    page = visit.text(f"{path}?entitles=no")
    assert "Ada Example" in page and "Bob Example" not in page


def test_a_bar_leads_to_the_entries_of_its_stretch_of_time(house: House, job: Started, visit: Visit) -> None:
    counters = Counters(expected=2, evaluated=2, created=1, failed=1, requests=2, writes=2)
    job.cycle(counters=counters)
    log(house, job, 1, source_name="Ada Lovelace")
    log(house, job, 2, source_name="Bob Stone", status=LogStatus.FAILURE, failure=REFUSED)
    house.clock.at += timedelta(hours=5)
    visit.sign_in()
    log(house, job, 3, source_name="Cleo Day")
    page = visit.text("/insights?span=24h")
    chart = json.loads(unescape(page.partition('data-chart="')[2].partition('"')[0]))
    series = {each["shade"]: each for each in chart["series"]}
    at = series["create"]["values"].index(1)
    created, failed = (visit.text(series[shade]["links"][at]) for shade in ("create", "fail"))
    names = ("Ada Lovelace", "Bob Stone", "Cleo Day")
    assert [name for name in names if f"<bdi>{name}</bdi>" in created] == ["Ada Lovelace"]
    assert [name for name in names if f"<bdi>{name}</bdi>" in failed] == ["Bob Stone"]
    assert unescape(re.findall(r'<td class="number"><a href="([^"]+)">1</a>', page)[0]) == series["create"]["links"][at]


def test_each_step_of_an_entry_has_an_address(house: House, job: Started, visit: Visit) -> None:
    log(house, job, 1)
    page = visit.text("/logs/entry-1?cycle=cycle-1&change=change-1")
    (to,) = re.findall(r'class="trail-name"><a href="([^"]+)"', page)
    assert to.endswith("#step-1") and 'id="step-1"' in page
    assert 'id="step-1"' in visit.text(unescape(to).partition("#")[0])


@pytest.mark.parametrize("between", ["x", "2026-05-04T08:00:00Z", "2026-05-04T08:00:00Z/later", "1/2/3"])
def test_a_stretch_of_time_that_is_none_is_refused(visit: Visit, between: str) -> None:
    answer = visit.get(f"/logs?between={between}")
    assert (answer.status_code, "two instants" in answer.text) == (400, True)


def test_the_facts_of_a_cycle_lead_to_requests_or_entries(house: House, job: Started, visit: Visit) -> None:
    job.cycle(counters=Counters(expected=4, evaluated=4, unchanged=3, requests=7, writes=1, references=2, throttled=1))
    app = f"/applications/{job.sp}"
    page = visit.text(f"{app}/cycles/cycle-1")
    # Nobody has kept its requests: there is no list of them.
    assert '<dt>Requests</dt><dd><span title="Requests are only kept while the wire log is on; it has 0 of' in page
    (to,) = re.findall(r'<a href="([^"]+)" title="Already right[^"]+"><i [^>]*></i>Unchanged <b>3</b></a>', page)
    assert to == f"{app}/provisioning/accounts?untouched=cycle-1"
    assert f'<a href="{app}/logs?cycle=cycle-1">2</a>' in page
    exchange = WireExchange(
        at=house.clock.at,
        job_id=job.id,
        source_id="ada",
        method="GET",
        url="https://scim.example.com/Users",
        request_body=None,
        status=200,
        response_body="{}",
        elapsed=timedelta(0),
        cycle_id="cycle-1",
    )
    for number in range(7):
        method, status = ("PATCH", 429) if number == 6 else ("GET", 200)
        house.store.wire.record(replace(exchange, method=method, status=status))
    house.store.wire.record(replace(exchange, cycle_id=None))
    page = visit.text(f"{app}/cycles/cycle-1")
    for name, count, list_of in (("Requests", 7, ""), ("Of these writes", 1, "&amp;result=writes")):
        to = f"{app}/provisioning/requests?cycle=cycle-1{list_of}"
        assert f'<dt>{name}</dt><dd><a href="{to}">{count}</a></dd>' in page
        assert visit.text(unescape(to)).count('<li class="audit-line"') == count
    waits = f"{app}/provisioning/requests?cycle=cycle-1&amp;result=waits"
    assert f'<dt>Asked to wait</dt><dd><a href="{waits}">1</a></dd>' in page
    assert visit.text(f"{app}/provisioning/requests").count('<li class="audit-line"') == 8


def test_what_a_cycle_left_unchanged_leads_to_those_of_whom_it_has_logged_nothing(
    house: House, job: Started, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = job.cycle(counters=Counters(expected=3, evaluated=3, unchanged=2, updated=1))
    for name in ("ada", "bob", "cleo"):
        link(house, cycle, ObjectKind.USER, name, f"t-{name}")
    log(house, job, 1, source_id="bob")
    path = f"/applications/{job.sp}/provisioning/accounts?untouched=cycle-1"

    def shown() -> list[str]:
        return re.findall("<bdi>Known as ([a-z]+)</bdi>", visit.text(path))

    assert shown() == ["ada", "cleo"]
    monkeypatch.setattr(accounts, "ROWS", 1)
    assert shown() == ["ada"]
    following = re.findall(r'href="([^"]+)" rel="next"', visit.text(path))[0]
    assert "Known as cleo" in visit.text(unescape(following))
    log(house, job, 2, source_id="cleo")
    monkeypatch.setattr(links, "_ENTRIES", 1)
    assert "too much to tell" in visit.text(path)
    assert visit.get(path.replace("cycle-1", "cycle-9")).status_code == 404


def test_what_is_held_and_what_is_skipped_lead_to_lists_of_their_own(house: House, job: Started, visit: Visit) -> None:
    job.cycle(counters=Counters(expected=3, evaluated=3, held=2, skipped=1))
    held, removed, left = "Ada Held", "Bob Staged", "Cleo Left"
    log(house, job, 1, source_name=held, status=LogStatus.SKIPPED, reason="Waits.")
    staged = ProvisioningAction.STAGED_DELETE
    log(house, job, 2, source_name=removed, status=LogStatus.SKIPPED, action=staged, reason="Waits.")
    why = SkipReason.NOT_ASSIGNED
    log(house, job, 3, source_name=left, status=LogStatus.SKIPPED, action=ProvisioningAction.OTHER, skip_reason=why)
    page = visit.text(f"/applications/{job.sp}/cycles/cycle-1")
    for word, names in (("Held", {held, removed}), ("Skipped", {left})):
        (to,) = re.findall(rf'<a href="([^"]+)"><i [^>]*></i>{word} <b>', page)
        shown = visit.text(unescape(to))
        assert {name for name in (held, removed, left) if f"<bdi>{name}</bdi>" in shown} == names
        assert f'" selected>{word}<' in shown
        written = visit.get(unescape(to).replace(f"/applications/{job.sp}/logs", "/logs/download") + "&format=csv").text
        assert {name for name in (held, removed, left) if name in written} == names


def test_a_common_failure_leads_to_its_entries(house: House, job: Started, visit: Visit) -> None:
    job.cycle(counters=Counters(expected=2, evaluated=2, failed=2, requests=2, writes=2))
    log(house, job, 1, source_name="Ada", status=LogStatus.FAILURE, failure=REFUSED)
    log(house, job, 2, source_name="Bob", status=LogStatus.FAILURE, failure=replace(REFUSED, code="MissingValues"))
    house.clock.at += timedelta(minutes=10)
    for path in ("/insights", f"/applications/{job.sp}/insights"):
        page = visit.text(path)
        (to,) = [each for each in re.findall(r'row-side"><a href="([^"]+)">1</a>', page) if "MissingValues" in each]
        shown = visit.text(unescape(to))
        assert "<bdi>Bob</bdi>" in shown and "<bdi>Ada</bdi>" not in shown
        assert '<input type="hidden" name="code" value="MissingValues">' in shown
        # No list of cycles has just those of this time.
        assert "cycle</a>" not in page


def test_a_stretch_of_time_keeps_its_microseconds() -> None:
    at = datetime(2026, 5, 4, 8, 0, 0, 250_000, tzinfo=UTC)
    end = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
    assert stretch(between(at, end)) == (at, end)


def test_a_reader_of_logs_sees_no_link_to_what_is_not_theirs(house: House, job: Started) -> None:
    job.cycle(counters=Counters(expected=1, evaluated=1, created=1))
    log(house, job, 1)
    reader = Visit(house, Role.REPORTS_READER)
    for path in ("/logs/entry-1?cycle=cycle-1&change=change-1", "/insights"):
        page = reader.text(path)
        assert 'href="/users' not in page and 'href="/applications' not in page


@pytest.mark.parametrize(
    ("role", "path", "hidden"),
    [
        (Role.GLOBAL_READER, "/applications/{sp}/mappings/schema", "Show what would change"),
        (Role.USER_ADMINISTRATOR, "/users/{user}/sign-in", 'href="/sign-ins'),
    ],
)
def test_what_a_role_may_not_is_not_offered(house: House, job: Started, role: Role, path: str, hidden: str) -> None:
    to = path.format(sp=job.sp, user=house.user("ada")["id"])
    assert hidden not in Visit(house, role).text(to)
