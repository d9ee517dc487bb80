"""The portal's pages of what SCIM clients take away."""

import re

from faces.house import House
from faces.portal_visit import Visit
from muster.administration import people
from muster.administration.inbound.asked import Removal
from muster.administration.inbound.removals import weigh
from muster.administration.inbound.standing import standing_job
from muster.administration.jobs import set_settings
from muster.administration.own_jobs import make_own_job
from muster.gallery.catalogue import clients_page
from muster.model.directory import Lifecycle
from muster.model.job import SynchronizationJob
from muster.model.operation import OperationKind
from muster.model.roles import Role


def _job(house: House) -> SynchronizationJob:
    desk = house.desk
    make_own_job(clients_page(), desk.tenant_id, desk.stores.applications, desk.stores.jobs, desk.ids, desk.now())
    return standing_job(desk)


def test_what_is_held_of_clients_is_shown_and_decided_and_safeguards_are_set(house: House) -> None:
    desk = house.desk
    job = _job(house)
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    place = f"/applications/{job.service_principal_id}"
    assert f'href="{place}/provisioning/safeguards"' in visit.text("/sources")
    assert f'href="{place}"' not in visit.text("/applications")
    guards = visit.text(f"{place}/provisioning/safeguards")
    assert "Accidental deletions" in guards
    assert "Out of scope" not in guards and "Grace" not in guards and "/weigh" not in guards
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', guards))
    form = {name: value for name, value in fields.items() if name not in ("csrf_token", "Approval")}
    form |= {"QuarantineTooManyDeletesThreshold": "0", "DeleteThresholdEnabled": "on", "Approval": "none"}
    assert visit.post(f"{place}/provisioning/safeguards", **form).status_code == 303
    kept = house.stores.jobs.get(job.id)
    assert kept is not None and kept.settings["QuarantineTooManyDeletesThreshold"] == "0"

    ada = people.create_user(desk, {"displayName": "Ada Long", "userPrincipalName": "ada@example.com"})
    with desk.together():
        assert weigh(desk, Removal(kind=OperationKind.DELETE, found=ada)) is not None
    overview = visit.text(place)
    assert f'href="{place}"' in visit.text("/applications")
    assert "Not started" not in overview
    assert f"{place}/held" in overview and f"{place}/provisioning/safeguards" in overview
    assert "Start provisioning" not in overview
    assert "next attempt" not in overview and "Next cycle" not in overview and "and restart" not in overview
    assert "Make a plan" not in visit.text(f"{place}/plans")
    assert "Remove the application" not in visit.text(f"{place}/properties")
    assert visit.get(f"{place}/provisioning").status_code == 302
    held = visit.text(f"{place}/held")
    assert "Ada Long" in held and "they are done at once" in held and "asked for it" in held
    (hold,) = re.findall(r'name="hold" value="([^"]+)"', held)
    assert visit.post(f"{place}/held", do="approve", hold=hold).status_code == 303
    assert "Ada Long" not in visit.text(f"{place}/held")
    gone = house.stores.directory.by_ids([ada.object_id])
    assert [each.lifecycle for each in gone] == [Lifecycle.SOFT_DELETED]
    assert "Ada Long" in visit.text(f"{place}/logs")


def test_a_cause_is_decided_for_what_stands_in_its_line_alone(house: House) -> None:
    desk = house.desk
    job = _job(house)
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    place = f"/applications/{job.service_principal_id}"
    set_settings(desk, job.service_principal_id, job.id, {"QuarantineTooManyDeletesThreshold": "0"})
    for number, kind in enumerate((OperationKind.DELETE, OperationKind.DISABLE, OperationKind.DELETE)):
        made = {"displayName": f"Person {number}", "userPrincipalName": f"p{number}@example.com"}
        found = people.create_user(desk, made)
        with desk.together():
            assert weigh(desk, Removal(kind=kind, found=found)) is not None
    form = next(
        each for each in re.findall(r"<form.*?</form>", visit.text(f"{place}/held")) if 'value="delete"' in each
    )
    line = dict(re.findall(r'name="(cause|kind|code)" value="([^"]*)"', form))
    assert visit.post(f"{place}/held", do="approve", **line).status_code == 303
    left = visit.text(f"{place}/held")
    assert "Person 1" in left and "Person 0" not in left and "Person 2" not in left
    assert (
        "Person 1" not in visit.text(f"{place}/held?kind=delete")
        and visit.get(f"{place}/held?kind=x").status_code < 500
    )
