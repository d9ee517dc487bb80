"""What the pages show, whom they show it to, and that nothing in them is taken for markup or told that is secret."""

import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from faces.house import GOOD_TOKEN, House, Started
from faces.portal_visit import Visit, explained
from faces.test_graph_logs import REFUSED, log
from muster.model.application import DEFAULT_ACCESS, AwaitedAssignment
from muster.model.directory import ObjectKind
from muster.model.job import (
    Counters,
    CycleKind,
    CyclePhase,
    CycleState,
    Quarantine,
    QuarantineReason,
    ScheduleState,
)
from muster.model.log import LogStatus, ProvisioningAction, SkipReason
from muster.model.roles import Caller, Role
from muster.web.portal import logs as portal_logs

ADMIN = Role.GLOBAL_ADMINISTRATOR
HOSTILE = "<script>alert('x')</script>\"'&"
INLINE = re.compile(r"<style|<script(?![^>]*src=)|\son[a-z]+=|\sstyle=|javascript:", re.IGNORECASE)


def pages_of(job: Started, user: str, group: str) -> list[str]:
    app = f"/applications/{job.sp}"
    return [
        "/",
        "/applications",
        app,
        f"{app}/live",
        f"{app}/users-and-groups",
        f"{app}/mappings",
        f"{app}/logs",
        "/logs",
        "/logs?status=failure&action=create&span=24h",
        "/logs/entry-1?change=change-1",
        "/users",
        f"/users/{user}",
        f"/users/{user}/why/{job.sp}",
        "/groups",
        f"/groups/{group}",
    ]


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, ADMIN)


def test_an_empty_installation_says_what_to_do_next(visit: Visit) -> None:
    assert "No application yet" in visit.text("/")
    assert "muster import" in visit.text("/users")
    assert "No groups yet" in visit.text("/groups")
    assert "Nothing has been provisioned yet" in visit.text("/logs")


def test_hostile_names_are_shown_as_text_on_every_page(house: House, job: Started, visit: Visit) -> None:
    user = house.user("ada", displayName=HOSTILE, jobTitle=HOSTILE, department=HOSTILE)["id"]
    group = house.group("Sales", displayName=HOSTILE, description=HOSTILE)["id"]
    for principal in (user, group):
        house.made(
            f"/servicePrincipals/{job.sp}/appRoleAssignedTo",
            {"principalId": principal, "resourceId": job.sp, "appRoleId": "00000000-0000-0000-0000-000000000000"},
        )
    house.call("PATCH", f"/servicePrincipals/{job.sp}", {"displayName": HOSTILE})
    refused = REFUSED.__class__(code=HOSTILE, sentence=HOSTILE, remedy=HOSTILE)
    log(house, job, 1, source_name=HOSTILE, target_name=HOSTILE, failure=refused, status=LogStatus.FAILURE)
    for path in pages_of(job, user, group):
        page = visit.text(path)
        assert "<script>alert" not in page, path
        assert not INLINE.search(page.replace("&lt;script&gt;", "")), path
    assert "&lt;script&gt;alert" in visit.text("/users")
    assert "&lt;script&gt;" in visit.text(f"/users?search={'%3Cscript%3E'}")


def test_no_page_tells_a_secret(house: House, job: Started, visit: Visit) -> None:
    user, group = house.user()["id"], house.group()["id"]
    log(house, job, 1)
    for path in pages_of(job, user, group):
        page = visit.text(path)
        assert GOOD_TOKEN not in page, path
        assert house.token not in page, path
        assert "argon2" not in page, path


@pytest.mark.parametrize(
    ("role", "allowed", "forbidden"),
    [
        (Role.REPORTS_READER, ["/", "/logs"], ["/applications", "/applications/{sp}", "/users", "/groups"]),
        (Role.USER_ADMINISTRATOR, ["/", "/users", "/groups"], ["/applications", "/applications/{sp}/logs", "/logs"]),
        (Role.GLOBAL_READER, ["/", "/users", "/logs", "/applications/{sp}"], []),
    ],
)
def test_each_role_sees_what_it_may(
    house: House, job: Started, role: Role, allowed: list[str], forbidden: list[str]
) -> None:
    visit = Visit(house, role)
    for path in allowed:
        assert visit.get(path.format(sp=job.sp)).status_code == 200, path
    for path in forbidden:
        answer = visit.get(path.format(sp=job.sp))
        assert answer.status_code == 403, path
        assert "Your role does not allow this" in answer.text


def test_a_reader_is_offered_no_button_and_may_not_press_one(house: House, job: Started) -> None:
    visit = Visit(house, Role.GLOBAL_READER)
    assert "Pause provisioning" not in visit.text(f"/applications/{job.sp}")
    assert visit.post(f"/applications/{job.sp}/pause").status_code == 403


def test_provisioning_is_paused_and_started_by_a_button(house: House, job: Started, visit: Visit) -> None:
    path = f"/applications/{job.sp}"
    assert visit.post(f"{path}/pause").headers["Location"] == f"{path}?said=paused"
    assert house.stores.jobs.list(job.sp)[0].schedule_state is ScheduleState.PAUSED
    assert "Start provisioning" in visit.text(path)
    assert visit.post(f"{path}/start").status_code == 303
    assert house.stores.jobs.list(job.sp)[0].schedule_state is ScheduleState.ACTIVE
    assert "Pause provisioning" in visit.text(path)


def test_a_job_without_credentials_is_not_started_and_says_why(house: House, visit: Visit) -> None:
    sp = house.application()["id"]
    house.job(sp)
    answer = visit.post(f"/applications/{sp}/start")
    assert (answer.status_code, "enter the Tenant URL" in answer.text) == (400, True)


def test_the_running_cycle_shows_progress_rate_and_what_came_of_it(house: House, job: Started, visit: Visit) -> None:
    house.clock.at += timedelta(seconds=10)
    counters = Counters(expected=1_200, evaluated=500, created=290, skipped=10)
    job.cycle(counters=counters, began_at=house.clock.at - timedelta(seconds=10), progressed_at=house.clock.at)
    page = visit.text(f"/applications/{job.sp}")
    assert '<progress class="meter" max="1200" value="300"' in page
    assert "30 objects/s" in page
    assert "about 30 s left" in page
    assert f"/applications/{job.sp}/logs?cycle=cycle-1&amp;action=create&amp;status=success" in page


def test_a_cycle_that_takes_another_back_is_followed_and_the_pause_is_said(
    house: House, job: Started, visit: Visit
) -> None:
    assert house.call("POST", f"{job.path}/pause").status == 204
    counters = Counters(expected=1_200, disabled=300)
    running = job.cycle(kind=CycleKind.ROLLBACK, counters=counters, phase=CyclePhase.REMOVALS)
    job.cycle(id="cycle-2", kind=CycleKind.ON_DEMAND)
    page = visit.text(f"/applications/{job.sp}")
    assert '<progress class="meter" max="1200" value="300"' in page
    assert ">Running<" in visit.text("/applications")
    house.stores.cycles.close(replace(running, state=CycleState.SUCCEEDED, ended_at=house.clock.at), None)
    page = visit.text(f"/applications/{job.sp}")
    assert "Rollback · took" in page
    assert '<span class="figure-value figure-text">Paused</span>' in page
    # One that failed counts what it came to, as its log lists it, and not all that it had found.
    failed = job.cycle(id="cycle-3", kind=CycleKind.INCREMENTAL, counters=Counters(expected=166, created=2))
    house.stores.cycles.close(replace(failed, state=CycleState.FAILED, ended_at=house.clock.at), None)
    page = visit.text(f"/applications/{job.sp}/cycles/cycle-3")
    assert ("<b>2</b> objects" in page, "166" in page) == (True, False)


def test_a_live_fragment_is_sent_again_only_when_it_has_changed(house: House, job: Started, visit: Visit) -> None:
    path = f"/applications/{job.sp}/live"
    cycle = job.cycle()
    house.stores.cycles.close(
        cycle.__class__(**{**_fields(cycle), "state": CycleState.SUCCEEDED, "ended_at": house.clock.at}), 5
    )
    first = visit.get(path, HX_Request="true")
    house.clock.at += timedelta(minutes=3)
    again = visit.get(path, HX_Request="true", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.text) == (304, "")
    job.cycle(id="cycle-2", kind=CycleKind.INCREMENTAL)
    assert visit.get(path, HX_Request="true", If_None_Match=first.headers["ETag"]).status_code == 200


def test_the_page_is_loaded_anew_when_its_buttons_no_longer_fit(house: House, job: Started, visit: Visit) -> None:
    path = f"/applications/{job.sp}/live"
    assert "HX-Refresh" not in visit.get(f"{path}?state=Active", HX_Request="true").headers
    assert visit.get(f"{path}?state=Paused", HX_Request="true").headers["HX-Refresh"] == "true"


def test_a_quarantine_is_named_with_its_reason_and_remedy(house: House, job: Started, visit: Visit) -> None:
    now = house.clock.at
    house.stores.jobs.set_quarantine(
        job.id,
        Quarantine(
            reason=QuarantineReason.QUARANTINE_EXCEPTION,
            failure=REFUSED,
            began_at=now,
            series_began_at=now,
            series_count=2,
            next_attempt_at=now + timedelta(hours=6),
        ),
    )
    for path in ("/", f"/applications/{job.sp}"):
        page = visit.text(path)
        assert "quarantine" in page
        assert REFUSED.sentence in page
        assert REFUSED.remedy in page
    assert "Try again" in visit.text(f"/applications/{job.sp}")
    assert visit.post(f"/applications/{job.sp}/start").status_code == 303
    assert house.stores.jobs.list(job.sp)[0].quarantine is None


@pytest.fixture
def logged(house: House, job: Started, visit: Visit) -> Visit:
    log(house, job, 1, source_name="Ada Lovelace")
    log(house, job, 2, source_name="Bob Stone", status=LogStatus.FAILURE, failure=REFUSED)
    log(
        house,
        job,
        3,
        source_name="Cleo Day",
        status=LogStatus.SKIPPED,
        action=ProvisioningAction.OTHER,
        skip_reason=SkipReason.NOT_EFFECTIVELY_ENTITLED,
        reason="Cleo Day holds only Default Access.",
    )
    return visit


NAMES = ("Ada Lovelace", "Bob Stone", "Cleo Day")


def test_a_part_of_a_name_is_looked_for_among_the_newest_entries_and_the_page_says_so(
    logged: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Looked through" not in logged.text("/logs?search=ada")
    monkeypatch.setattr(portal_logs, "NEWEST", 2)
    page = logged.text("/logs?search=ada")
    assert "Ada Lovelace" not in page
    assert "Looked through the newest 2 entries; narrow by date to look further back." in page
    assert "De nieuwste 2 regels zijn doorzocht" in logged.get("/logs?search=ada", Accept_Language="nl").text
    assert "Ada Lovelace" in logged.text("/logs?search=ada+lovelace")
    assert "Cleo Day" in logged.text("/logs?search=cleo")
    assert "Ada Lovelace" in logged.get("/logs/download?search=ada").text
    for narrowed in ("cycle=c-1", "source=u-1"):
        assert "Looked through" not in logged.text(f"/logs?search=ada&{narrowed}")
    assert "Looked through" not in logged.text("/logs")
    # A cycle is found whole.
    page = logged.text("/logs?search=CYCLE-1")
    assert "Ada Lovelace" in page
    assert "Looked through" not in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", NAMES),
        ("status=failure", NAMES[1:2]),
        ("status=skipped", NAMES[2:]),
        ("action=create", NAMES[:2]),
        ("search=lovelace", NAMES[:1]),
        ("search=nobody", ()),
        ("search=change-2", NAMES[1:2]),
        ("source=source-2", NAMES[1:2]),
        ("cycle=cycle-1", NAMES),
        ("cycle=another", ()),
        ("status=failure&search=ada", ()),
    ],
)
def test_the_log_is_narrowed_by_its_filters(logged: Visit, query: str, shown: tuple[str, ...]) -> None:
    page = logged.text(f"/logs?{query}")
    lines = page.partition('id="results"')[2]
    assert [name for name in NAMES if f"<bdi>{name}</bdi>" in lines] == list(shown)
    if not shown:
        assert "Nothing fits these filters" in page


@pytest.mark.parametrize(
    "path",
    [
        "/logs?status=bad",
        "/logs?span=1y",
        "/logs?after=x",
        "/logs?after=",
        f"/logs?search={'x' * 300}",
        "/users?after=1%00",
        "/users?state=gone",
        "/users?after=99999999999999999999",
    ],
)
def test_a_query_that_no_page_has_made_is_refused(logged: Visit, path: str) -> None:
    answer = logged.get(path)
    assert (answer.status_code, "That cannot be done" in answer.text) == (400, True)


def test_a_log_entry_shows_steps_properties_and_what_to_do(logged: Visit) -> None:
    failed = logged.text("/logs/entry-2?change=change-2")
    assert REFUSED.sentence in failed
    assert "Recommended action" in failed
    assert "User was created" in failed
    assert "<ins>Clerk</ins>" in failed
    skipped = logged.text("/logs/entry-3?change=change-3")
    assert "Give a role other than Default Access" in skipped
    assert "NotEffectivelyEntitled" in skipped


def test_the_panel_is_the_same_entry_without_the_frame(logged: Visit) -> None:
    panel = logged.get("/logs/entry-2?change=change-2", HX_Request="true").text
    assert "<html" not in panel
    assert REFUSED.sentence in panel


def test_an_unknown_log_entry_is_not_there(logged: Visit) -> None:
    assert logged.get("/logs/none?change=change-2").status_code == 404


def test_mappings_show_source_type_and_matching(job: Started, visit: Visit) -> None:
    page = visit.text(f"/applications/{job.sp}/mappings").replace("<wbr>", "")
    assert "userName" in page
    assert "Only during object creation" in page
    assert 'data-label="Matching precedence">1<' in page


def test_assignments_that_do_not_entitle_are_marked(house: House, job: Started, visit: Visit) -> None:
    user = house.user()["id"]
    house.made(
        f"/servicePrincipals/{job.sp}/appRoleAssignedTo",
        {"principalId": user, "resourceId": job.sp, "appRoleId": "00000000-0000-0000-0000-000000000000"},
    )
    page = visit.text(f"/applications/{job.sp}/users-and-groups")
    assert "not provisioned" in page
    assert f"/users/{user}" in page
    assert "Nobody of that name" in visit.text(f"/applications/{job.sp}/users-and-groups?search=zoe")


def test_whoever_is_awaited_is_shown_until_nobody_waits(house: House, job: Started, visit: Visit) -> None:
    by = Caller(id="1", display_name="Ada", roles=frozenset())
    awaited = AwaitedAssignment(
        id="a1",
        principal_kind=ObjectKind.USER,
        name=HOSTILE,
        role_id=DEFAULT_ACCESS,
        created_at=datetime.now(UTC),
        by=by,
    )
    house.stores.applications.set_awaited(job.sp, [awaited])
    page = visit.text(f"/applications/{job.sp}/users-and-groups")
    assert "1 name is not in the directory yet" in page
    assert HOSTILE not in page
    assert visit.post(f"/applications/{job.sp}/users-and-groups/awaited/remove", awaited="a1").status_code == 303
    assert "not in the directory yet" not in visit.text(f"/applications/{job.sp}/users-and-groups")


def test_people_are_searched_and_turned_over_page_by_page(house: House, visit: Visit) -> None:
    for number in range(53):
        house.user(f"person{number:02}")
    first = visit.text("/users")
    following = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = visit.text(following)
    assert "Person00 Example" in first
    assert "Person52 Example" in second
    assert "Person00 Example" not in second
    assert "Person07 Example" in visit.text("/users?search=person07")


def test_a_person_shows_who_they_are_and_why(house: House, job: Started, visit: Visit) -> None:
    user, boss = house.user("ada", jobTitle="Clerk", displayName="Ada \u202eBackwards"), house.user("bob")
    house.call("PUT", f"/users/{user['id']}/manager/$ref", {"@odata.id": f"https://x/v1.0/users/{boss['id']}"})
    page = visit.text(f"/users/{user['id']}")
    assert "Clerk" in page
    assert "Bob Example" in page
    why = visit.get(f"/users/{user['id']}/why/{job.sp}", HX_Request="true").text
    assert "<html" not in why
    assert "Out of scope" in why
    assert "NotEffectivelyEntitled" in why
    assert "ToLower([mail])" in why.replace("<wbr>", "")
    whole = visit.text(f"/users/{user['id']}/why/{job.sp}")
    assert "<html" in whole and "Ada Backwards in 8x8</bdi>" in whole


def test_a_deleted_person_still_has_a_page(
    house: House, job: Started, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = house.user()["id"]
    house.call("DELETE", f"/users/{user}")
    told = explained(job.id, user)
    kept = {**told, "verdict": {**told["verdict"], "inScope": True, "skipReason": "InactiveAtSource"}}
    monkeypatch.setattr(house, "explain", lambda _job, _user: kept)
    why = visit.text(f"/users/{user}/why/{job.sp}")
    assert ("Out of scope" in why, ">In scope" in why, "on-demand?object=" in why) == (True, False, False)
    assert "Deleted" in visit.text(f"/users/{user}")
    assert "Ada Example" in visit.text("/users?state=deleted")
    assert "Ada Example" not in visit.text("/users")


@pytest.mark.parametrize("path", ["/users/none", "/groups/none", "/applications/none", "/nowhere", "/applications/x/y"])
def test_what_is_not_there_is_said_so_with_a_way_back(visit: Visit, path: str) -> None:
    answer = visit.get(path)
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("path", ["/", "/users", "/logs", "/sign-in"])
def test_every_field_of_a_page_has_a_label(visit: Visit, path: str) -> None:
    page = visit.get(path).text
    ids = re.findall(r'<(?:input|select)(?![^>]*type="hidden")[^>]*\bid="([^"]+)"', page)
    for each in ids:
        assert f'for="{each}"' in page, each


def test_help_loads_no_web_framework() -> None:
    code = (
        "import sys; sys.argv = ['muster', '--help']; from muster.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('flask', 'falcon', 'dbos') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.strip().splitlines()[-1] == "[]", done.stderr


def _fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/users"])
def test_a_database_that_is_away_has_a_page_that_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)

    def away(*_given: object) -> None:
        raise OperationalError("SELECT", None, sqlite3.OperationalError("unable to open database file"))

    monkeypatch.setattr(type(house.stores.access), "administrator", away)
    answer = visit.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The database cannot be reached now" in answer.text
    assert "SELECT" not in answer.text
    assert "De database is nu niet bereikbaar" in visit.get(path, Accept_Language="nl").text


def test_what_takes_a_picked_person_away_again_says_so(job: Started, visit: Visit) -> None:
    page = visit.text(f"/applications/{job.sp}/users-and-groups/add")
    # The name comes in place of the braces once somebody is picked.
    assert 'data-remove="Remove {}"' in page


def test_what_is_not_there_is_told_without_words_for_programs_and_leads_to_its_list(visit: Visit) -> None:
    answer = visit.get("/users/nobody")
    assert answer.status_code == 404
    assert "User “nobody” does not exist." in answer.text
    assert "reference-property" not in answer.text
    assert 'class="btn btn-primary" href="/users"' in answer.text


def test_nobody_assigned_is_no_lack_where_everybody_is_in_scope(house: House, job: Started, visit: Visit) -> None:
    path = f"/applications/{job.sp}/users-and-groups"
    assert "Nobody is assigned yet" in visit.text(path)
    assert house.credentials(job.sp, SyncAll="true").status == 204
    assert "Everybody is in scope" in visit.text(path)


def test_attributes_of_people_are_called_by_words_and_a_refused_form_names_them_too(visit: Visit) -> None:
    assert "physicalDeliveryOfficeName</label>" not in visit.text("/users/new")
    assert re.search(r'<label[^>]*title="physicalDeliveryOfficeName">Office', visit.text("/users/new"))
    refused = visit.post("/users/new", displayName="Ada")
    assert refused.status_code == 400
    assert '<code class="source">userPrincipalName</code>' in refused.text


def test_enter_in_a_filter_does_what_save_does(job: Started, visit: Visit) -> None:
    page = visit.text(f"/applications/{job.sp}/mappings/0/scope")
    form = page.partition('id="scope-form"')[2]
    # A browser presses the first button that sends a form.
    first = next(each for each in re.findall(r"<button[^>]*>", form) if 'type="button"' not in each)
    assert 'value="save"' in first
    assert "data-review" in first
