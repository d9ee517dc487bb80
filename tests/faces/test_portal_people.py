"""People and groups in the portal, imports, provision on demand, the audit log, insights, and the log as a file."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from faces.test_graph_logs import REFUSED, log
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import Counters, CycleState
from muster.model.log import LogStatus
from muster.model.roles import Role

ADMIN = Role.GLOBAL_ADMINISTRATOR
PERSON = {"displayName": "Ada Long", "userPrincipalName": "ada@example.com", "accountEnabled": "on"}


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, ADMIN)


def test_a_person_is_made_edited_switched_off_deleted_restored_and_purged(house: House, visit: Visit) -> None:
    boss = house.user("boss")["id"]
    answer = visit.post("/users/new", **PERSON, department="Sales", manager="boss@example.com")
    path = answer.headers["Location"].partition("?")[0]
    user = house.stores.directory.get(ObjectKind.USER, "ada@example.com")
    assert user is not None
    assert (user.attributes["department"], user.manager_id) == ("Sales", boss)
    changed = {**PERSON, "department": "", "jobTitle": "Lead", "manager": "", "otherMails": "a@x.example\nb@x.example"}
    assert visit.post(f"{path}/edit", **changed).status_code == 303
    user = house.stores.directory.get(ObjectKind.USER, "ada@example.com")
    assert user is not None
    assert (user.attributes.get("department"), user.attributes["jobTitle"], user.manager_id) == (None, "Lead", None)
    assert user.attributes["otherMails"] == ("a@x.example", "b@x.example")
    assert visit.post(f"{path}/enabled").headers["Location"].endswith("said=disabled")
    assert "Enable" in visit.text(path)
    assert visit.post(f"{path}/enabled", enabled="on").headers["Location"].endswith("said=enabled")
    assert visit.post(f"{path}/delete").status_code == 303
    assert "Restore" in visit.text(path)
    late = visit.post(f"{path}/edit", **{**changed, "jobTitle": "Typed before"})
    assert (late.status_code, "Ada Long is deleted: restore them first." in late.text) == (400, True)
    assert "Typed before" in late.text
    assert visit.post(f"{path}/restore").status_code == 303
    visit.post(f"{path}/delete")
    assert visit.post(f"{path}/purge").status_code == 303
    user = house.stores.directory.get(ObjectKind.USER, user.object_id)
    assert user is None or user.lifecycle is Lifecycle.HARD_DELETED


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"displayName": ""}, "A value is required for displayName"),
        ({"userPrincipalName": "nobody"}, "alias@domain"),
        ({"manager": "nobody"}, "does not exist"),
        ({"employeeHireDate": "soon"}, "takes an instant"),
    ],
)
def test_a_person_who_cannot_be_comes_back_with_the_form(visit: Visit, given: dict[str, str], sentence: str) -> None:
    answer = visit.post("/users/new", **{**PERSON, "jobTitle": "Kept as typed", **given})
    assert answer.status_code == 400
    assert sentence in answer.text
    assert "Kept as typed" in answer.text


def test_a_group_is_made_and_its_members_added_and_taken_out(house: House, visit: Visit) -> None:
    ada = house.user("ada")["id"]
    answer = visit.post("/groups/new", displayName="Sales", description="All of them", securityEnabled="on")
    path = answer.headers["Location"].partition("?")[0]
    assert visit.post(f"{path}/members", add="Ada Example").status_code == 303
    assert "Ada Example" in visit.text(path)
    assert "Nobody is named" in visit.post(f"{path}/members").text
    assert visit.post(f"{path}/members", member=ada).status_code == 303
    assert "Nobody is in this group" in visit.text(path)
    assert visit.post(f"{path}/owners", add="ada example").status_code == 303
    assert f'<a href="/users/{ada}"><bdi>Ada Example</bdi></a>' in visit.text(path)
    again = visit.post(f"{path}/owners", add="ada@example.com")
    assert (again.status_code, "Ada Example is an owner already." in again.text) == (400, True)
    # Whoever is called just so is meant, however many are called more or come before.
    for name in ("a1", "a2", "a3"):
        house.user(name, displayName=f"Ada Example {name}")
    assert visit.post(f"{path}/members", add="Ada Example").status_code == 303
    assert visit.post(f"{path}/members", member=ada).status_code == 303
    house.user("ada2", displayName="Ada Example")
    for form in ("members", "owners"):
        assert "Several are called “Ada Example”" in visit.post(f"{path}/{form}", add="Ada Example").text
    assert visit.post(f"{path}/owners", remove=ada).status_code == 303
    assert "Whose name stands here has no rights by that." in visit.text(path)
    assert visit.post(f"{path}/edit", displayName="").status_code == 400
    assert visit.post(f"{path}/edit", displayName="Sales EU", securityEnabled="on").status_code == 303
    assert visit.post(f"{path}/delete").status_code == 303
    assert visit.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/users/new", "/groups/new", "/import"])
def test_who_may_not_write_gets_no_form_and_no_write(house: House, path: str) -> None:
    visit = Visit(house, Role.GLOBAL_READER)
    assert visit.get(path).status_code == 403
    answer = visit.post(path, **PERSON, do="import")
    assert answer.status_code in (400, 403)
    assert "/users/new" not in visit.text("/users")


def test_a_file_is_taken_for_a_preview_and_for_an_import(house: House, visit: Visit) -> None:
    def send(name: str, content: bytes, do: str) -> object:
        data = {"csrf_token": visit.token("/"), "do": do, "file": (io.BytesIO(content), name)}
        return visit.client.post("/import", data=data, content_type="multipart/form-data")

    answer = send("people.csv", b"userPrincipalName,displayName\nada@example.com,Ada\n", "preview")
    path = answer.headers["Location"]  # type: ignore[attr-defined]  # a test response
    assert "is being read" in visit.text(path)
    work = house.stores.work.get(path.rpartition("/")[2])
    assert work is not None
    assert work.payload["preview"] is True
    house.stores.work.finish(work.id, "failed", {"reason": "No header.", "code": "InvalidFile"})
    assert "No header." in visit.text(path)
    answer = send("people.csv", b"userPrincipalName,displayName\nada@example.com,Ad\xe9\n", "import")
    work = house.stores.work.get(answer.headers["Location"].rpartition("/")[2])  # type: ignore[attr-defined]  # as above
    assert work is not None
    house.stores.work.finish(work.id, "done", {"cycleId": "c", "counters": {"created": 7, "unchanged": 5}})
    page = visit.text(f"/import/{work.id}")
    assert "read as Windows-1252 (Latin-1), in which it has words such as “Adé”" in page
    assert (">7<" in page, page.count('<a class="figure"'), page.count('<span class="figure"')) == (True, 1, 3)
    assert "can be imported" in send("people.exe", b"x", "import").text  # type: ignore[attr-defined]  # as above
    assert "Choose a file" in visit.post("/import", do="import").text


def test_whoever_may_import_reads_which_rows_are_left_out_and_why(house: House, job: Started) -> None:
    visit = Visit(house, Role.USER_ADMINISTRATOR)
    data = {"csrf_token": visit.token("/"), "do": "import", "file": (io.BytesIO(b"userPrincipalName\nx\n"), "p.csv")}
    answer = visit.client.post("/import", data=data, content_type="multipart/form-data")
    work = house.stores.work.get(answer.headers["Location"].rpartition("/")[2])
    assert work is not None
    failure = REFUSED.__class__(code="RowRejected", sentence="Line 2: displayName has no value.", remedy="Give it one.")
    log(house, job, 1, source_name="Line 2", status=LogStatus.FAILURE, failure=failure)
    house.stores.work.finish(work.id, "done", {"cycleId": "cycle-1", "counters": {"failed": 1}})
    page = visit.text(f"/import/{work.id}")
    assert "has no value." in page and 'href="#left-out"' in page
    assert 'class="btn btn-primary" href="/users"' in page and 'href="/applications"' not in page


def test_a_day_reads_as_a_day_and_what_a_role_may_not_look_at_is_not_said_to_be_nothing(
    house: House, job: Started
) -> None:
    visit = Visit(house, Role.USER_ADMINISTRATOR)
    hired = house.user("eve", employeeHireDate="2026-12-01T00:00:00Z")["id"]
    page = visit.text(f"/users/{hired}")
    assert ">Dec 1, 2026<" in page
    assert "is not for your role" in page and "No application is provisioned yet" not in page
    assert "1 dec 2026" in visit.get(f"/users/{hired}", Accept_Language="nl").text


def test_on_demand_shows_first_and_then_the_cards(house: House, job: Started, visit: Visit) -> None:
    ada = house.user("ada")["id"]
    path = f"/applications/{job.sp}/on-demand"
    assert "Ada Example" in visit.get(f"{path}?search=ada", HX_Request="true").text
    page = visit.text(f"{path}?object={ada}")
    assert "What would happen" in page
    assert "Out of scope" in page
    place = visit.post(path, object=ada).headers["Location"]
    assert "The engine is at it" in visit.text(place)
    work_id = place.rpartition("/")[2]
    log(house, job, 1)
    house.stores.work.take("engine")
    house.stores.work.finish(work_id, "done", {"cycleId": "cycle-1", "changeId": "change-1"})
    cards = visit.text(place)
    assert cards.count("step-card step-") == 4
    assert "Modified properties" in cards
    assert visit.get(f"/applications/{job.sp}/on-demand/nothing").status_code == 404
    assert visit.post(path, object="nobody").status_code == 404


def test_on_demand_offers_a_group_only_where_groups_are_mapped(house: House, job: Started, visit: Visit) -> None:
    group = house.group("Sales")["id"]
    custom = house.application("Custom")["id"]
    assert "8x8 API Token" not in visit.text(f"/applications/{custom}/provisioning")
    assert house.credentials(custom).status == 204
    house.job(custom)
    for sp, is_mapped in ((job.sp, False), (custom, True)):
        path = f"/applications/{sp}/on-demand"
        offers = visit.get(f"{path}?search=sa", HX_Request="true").text
        assert (f"object={group}" in offers, "“Sales” is a group, and the rules provision no groups" in offers) == (
            is_mapped,
            not is_mapped,
        )
        page = visit.text(f"{path}?object={group}")
        assert (f'name="object" value="{group}"' in page) is is_mapped
        assert ("no mapping for them is enabled" in page) is not is_mapped


def test_on_demand_says_why_it_failed(house: House, job: Started, visit: Visit) -> None:
    ada = house.user("ada")["id"]
    place = visit.post(f"/applications/{job.sp}/on-demand", object=ada).headers["Location"]
    answer = {"code": "SystemUnreachable", "reason": "Nobody answers.", "recommendedAction": "Check the URL."}
    house.stores.work.finish(place.rpartition("/")[2], "failed", answer)
    page = visit.text(place)
    assert "Nobody answers." in page
    assert "Check the URL." in page


def test_the_audit_log_shows_who_changed_what(house: House, job: Started, visit: Visit) -> None:
    user = house.user("ada")["id"]
    house.call("PATCH", f"/users/{user}", {"jobTitle": "Lead"})
    page = visit.text("/audit")
    assert "Update user" in page
    assert "<ins>Lead</ins>" in page
    assert "Update user" not in visit.text("/audit?category=ApplicationManagement")
    assert "Update user" in visit.text(f"/audit?target={user}&search=update")
    assert "Nothing fits these filters" in visit.text("/audit?search=zzz")
    newest = house.stores.audit.search(after=None, limit=1)[0][0]
    alone = visit.text(f"/audit?entry={newest.id}")
    assert alone.count("audit-line") == 1
    assert "<details open>" in alone
    assert visit.get("/audit?entry=none").status_code == 404
    assert Visit(house).get("/audit").status_code == 303


def test_insights_count_cycles_and_failures(house: House, job: Started, visit: Visit) -> None:
    log(house, job, 1, failure=REFUSED, status=LogStatus.FAILURE)
    cycle = house.stores.cycles.running(job.id)
    assert cycle is not None
    house.clock.at += timedelta(seconds=4)
    ended = replace(cycle, state=CycleState.ENTRY_LEVEL_ERRORS, ended_at=house.clock.at)
    counted = Counters(expected=12, evaluated=12, created=9, updated=1, failed=2)
    house.stores.cycles.close(replace(ended, counters=counted), None)
    for path in ("/insights?span=24h", f"/applications/{job.sp}/insights?span=30d"):
        page = visit.text(path)
        assert "83.3 %" in page
        assert REFUSED.code in page
        assert "data-chart=" in page
    assert visit.get("/insights?span=forever").status_code == 400


def test_the_log_is_downloaded_as_csv_and_json_without_formulas(house: House, job: Started, visit: Visit) -> None:
    log(house, job, 1, source_name='=HYPERLINK("x")')
    log(house, job, 2)
    answer = visit.get("/logs/download?format=csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == 2
    assert rows[1]["sourceName"].startswith("'=")
    whole = json.loads(visit.get(f"/logs/download?format=json&application={job.sp}").text)
    assert whole[1]["sourceName"].startswith("=")
    assert "provisioningSteps" in whole[0]
    assert visit.get("/logs/download?format=xls").status_code == 400
