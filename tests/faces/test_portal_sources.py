"""Sources in the portal: added, connected, put in their order, previewed, read, removed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from faces.house import House
from faces.portal_visit import Visit
from muster.administration.sources import add_source
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Plan, ScheduleState
from muster.model.operation import Operation, OperationKind
from muster.model.roles import Role
from muster.ports.reader import Ending, Entry, ReadPage


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


@pytest.fixture
def source(visit: Visit) -> Iterator[str]:
    """The address of a new source's pages."""
    place = visit.post("/sources/new/folder", **{"name": "HR", "c-Server": "hr", "c-FileContent": "changes"})
    yield place.headers["Location"].partition("?")[0].removesuffix("/source")


def read(house: House, path: str, *names: str, ending: Ending = Ending.WHOLE, problems: tuple[str, ...] = ()) -> None:
    """What a read of the source gave."""
    (job,) = house.stores.jobs.list(path.rpartition("/")[2])
    entries = [
        Entry(kind=ObjectKind.USER, source_id=name, attributes={"userPrincipalName": f"{name}@x.example"})
        for name in names
    ]
    state = house.stores.mirrors.begin(job.id, house.clock.now(), anew=True)
    page = ReadPage(entries=entries, ending=ending, problems=problems)
    house.stores.mirrors.keep(state, page, house.clock.now(), lost_share=0.2)


def test_a_source_is_added_by_its_kind_and_shown_in_the_list(house: House, visit: Visit, source: str) -> None:
    assert "Files in a folder" in visit.text("/sources/new")
    assert "What a file holds" in visit.text("/sources/new/folder")
    assert 'value="Bestanden in een map"' in visit.get("/sources/new/folder", Accept_Language="nl").text
    page = visit.text(f"{source}/source")
    assert 'value="hr"' in page and '<option value="changes" selected>' in page
    # Two letters may stand in a form's seal, too.
    assert source in visit.text("/sources") and source not in visit.text("/applications")
    assert visit.get("/sources/new/8x8").status_code == 404
    refused = visit.post("/sources/new/folder", **{"name": "HR", "c-Server": "hr", "c-FileContent": "perhaps"})
    assert refused.status_code == 400 and "snapshot or changes" in refused.text


def test_a_connection_without_what_it_needs_is_refused_by_field(house: House, visit: Visit, source: str) -> None:
    known = len(house.stores.jobs.list())
    refused = visit.post("/sources/new/ldap", **{"name": "Old servers", "c-Server": "ldap.example.com"})
    assert refused.status_code == 400 and "Base of people (UserBase)" in refused.text
    assert 'value="ldap.example.com"' in refused.text and 'value="Old servers"' in refused.text
    assert len(house.stores.jobs.list()) == known
    emptied = visit.post(f"{source}/source", **{"c-Server": "", "c-FileContent": "snapshot"})
    assert emptied.status_code == 400 and "(Server)" in emptied.text
    assert 'value="hr"' in visit.text(f"{source}/source")


def test_connection_and_place_in_the_order_are_saved_together_or_not_at_all(
    house: House, visit: Visit, source: str
) -> None:
    form = {"c-Server": "people", "c-FileContent": "snapshot", "Precedence": "first"}
    refused = visit.post(f"{source}/source", **form)
    assert refused.status_code == 400 and "whole number" in refused.text
    saved = visit.post(f"{source}/source", **{**form, "Precedence": "10", "ReadEvery": "PT10S"})
    assert saved.status_code == 303
    (job,) = house.stores.jobs.list(source.rpartition("/")[2])
    assert (job.settings["Precedence"], job.settings["ReadEvery"]) == ("10", "PT10S")
    assert 'value="people"' in visit.text(f"{source}/source")


def test_a_read_that_is_not_complete_says_why_and_may_be_accepted(house: House, visit: Visit, source: str) -> None:
    read(house, source, "ada", "bob", "carl", "dora")
    read(house, source, "ada")
    page = visit.text(f"{source}/source")
    assert "nobody was removed" in page and "3 of 4 are missing" in page
    assert visit.post(f"{source}/source/accept").status_code == 303
    assert "nobody was removed" not in visit.text(f"{source}/source")
    read(house, source, "ada", problems=("Line 3: it is broken.",))
    assert "Line 3: it is broken." in visit.text(f"{source}/source")


def test_a_source_is_started_read_and_previewed_and_has_pages_of_its_own(
    house: House, visit: Visit, source: str
) -> None:
    assert visit.post(f"{source}/start").status_code == 303
    (job,) = house.stores.jobs.list(source.rpartition("/")[2])
    assert job.schedule_state is ScheduleState.ACTIVE
    assert visit.post(f"{source}/source/read", anew="on").status_code == 303
    assert visit.post(f"{source}/plans").status_code == 303
    overview = visit.text(source)
    assert "Users and groups" not in overview and f"{source}/mappings" in overview
    assert visit.get(f"{source}/provisioning").headers["Location"] == f"{source}/source"
    for path in ("mappings", "plans", "logs", "insights", "provisioning/safeguards"):
        assert visit.get(f"{source}/{path}").status_code == 200


def test_a_plan_of_a_source_is_summed_up_in_people_in_the_readers_language(
    house: House, visit: Visit, source: str
) -> None:
    (job,) = house.stores.jobs.list(source.rpartition("/")[2])
    kinds = [OperationKind.CREATE] * 12 + [OperationKind.DISABLE] * 3 + [OperationKind.FAIL]
    operations = tuple(
        Operation(
            change_id=str(number),
            kind=kind,
            object_kind=ObjectKind.USER,
            source_id=str(number),
            source_name=f"Person {number}",
            reason="as the file has it",
        )
        for number, kind in enumerate(kinds)
    )
    plan = Plan(
        id="plan-1",
        job_id=job.id,
        hash="0" * 32,
        made_at=house.clock.now(),
        counters=Counters(),
        requests=15,
        duration=timedelta(seconds=1),
    )
    house.stores.plans.add(plan, operations)
    assert "12 hires, 3 leavers, 1 conflict" in visit.text(f"{source}/plans/plan-1")
    visit.get("/language/nl?next=/")
    assert "12 nieuwe medewerkers, 3 vertrekkers, 1 conflict" in visit.text(f"{source}/plans/plan-1")


def test_removing_a_source_asks_for_its_name_and_for_its_people(house: House, visit: Visit, source: str) -> None:
    assert visit.post(f"{source}/source/remove", confirm="IT", people="keep").status_code == 400
    assert visit.post(f"{source}/source/remove", confirm="HR").status_code == 400
    assert visit.post(f"{source}/source/remove", confirm="HR", people="keep").status_code == 303
    assert "No source yet" in visit.text("/sources")


@pytest.mark.parametrize("role", [Role.GLOBAL_READER, Role.CLOUD_APPLICATION_ADMINISTRATOR])
def test_whoever_may_not_write_people_runs_no_source(house: House, role: Role) -> None:
    made = add_source(house.desk, "folder", "HR", {"Server": "hr"})
    path = f"/applications/{made.application.service_principal_id}"
    visit = Visit(house, role)
    assert visit.get(f"{path}/source").status_code == 200
    for action in ("start", "source/accept", "source/read"):
        assert visit.post(f"{path}/{action}").status_code == 403, action
    assert visit.post(f"{path}/source", **{"c-Server": "other"}).status_code in (400, 403)
    assert house.stores.secrets.get(made.application.service_principal_id)["Server"] == "hr"
