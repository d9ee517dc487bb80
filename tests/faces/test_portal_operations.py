"""The pages of a job that runs: its cycles and their way back, safeguards, accounts, reconciliation, the wire log."""

import re
from datetime import timedelta

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.failures import FailureRecord
from muster.model.job import Counters, CycleKind, CycleState, Escrow
from muster.model.operation import Acknowledged, Link, LinkState
from muster.model.roles import Role
from muster.model.wire import WireExchange
from muster.ports.administration import WorkKind
from muster.ports.cycles import Settlement
from muster.ui.language import COOKIE
from muster.web.portal.safeguards import LABELS

HOSTILE = "<script>alert('x')</script>\"'&"
USUAL = {
    "DeleteThresholdEnabled": "on",
    "QuarantineTooManyDeletesThreshold": "500",
    "RemovalShareThreshold": "25%",
    "RemovalShareMinimum": "20",
    "RemovalSharePopulation": "1",
    "RollingRemovalThreshold": "",
    "DisableThreshold": "off",
    "DeleteThreshold": "off",
    "GroupDeleteThreshold": "50, 50%",
    "MemberRemovalThreshold": "5000, 50%",
    "Approval": "none",
    "DeleteGracePeriod": "",
    "ProtectedUsers": "",
    "ProtectedGroups": "",
    "ProtectedRoles": "",
}


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


@pytest.fixture
def full(house: House, job: Started) -> Started:
    """A job with a cycle behind it, links, somebody who waits, somebody unknown and a request, all of hostile names."""
    cycle = job.cycle(counters=Counters(evaluated=3, created=2, failed=1, requests=5, writes=2))
    link = Link(
        source_id="s-1",
        kind=ObjectKind.USER,
        target_id=f"t-{HOSTILE}",
        state=LinkState.ADOPTED,
        owned=LinkState.ADOPTED,
        acknowledged=Acknowledged(),
        display_name=HOSTILE,
    )
    ada = house.user("ada", displayName=HOSTILE)["id"]
    escrow = Escrow(
        source_id=ada,
        kind="User",
        failure=FailureRecord(code="InvalidValue", sentence=HOSTILE, remedy=HOSTILE),
        attempts=2,
        first_failed_at=house.clock.at,
        next_attempt_at=house.clock.at + timedelta(hours=6),
    )
    settled = [
        Settlement(kind=ObjectKind.USER, source_id="s-1", link=link),
        Settlement(kind=ObjectKind.USER, source_id="s-2", link=replace(link, source_id="s-2", target_id="t-2")),
        Settlement(kind=ObjectKind.USER, source_id=ada, escrow=escrow),
    ]
    house.stores.cycles.settle(cycle, settled)
    house.stores.cycles.close(replace(cycle, state=CycleState.SUCCEEDED, ended_at=house.clock.at), None)
    found = replace(cycle, id="r-1", kind=CycleKind.RECONCILIATION, counters=Counters(evaluated=3, drifted=7))
    house.stores.cycles.begin(found)
    stranger = DiscoveredAccount(kind=ObjectKind.USER, target_id=HOSTILE, display_name=HOSTILE)
    known = replace(stranger, target_id="t-9", standing=Standing.UNASSIGNED, source_id=ada, source_name=HOSTILE)
    house.stores.discovery.keep(found, [stranger, known])
    house.stores.cycles.close(replace(found, state=CycleState.SUCCEEDED, ended_at=house.clock.at), None)
    exchange = WireExchange(
        at=house.clock.at,
        job_id=job.id,
        source_id="s-1",
        method="POST",
        url=f"https://x.example/Users?filter={HOSTILE}",
        request_body=f'{{"displayName": "{HOSTILE[:8]}"}}',
        status=400,
        response_body=HOSTILE,
        elapsed=timedelta(milliseconds=7),
    )
    house.store.wire.record(exchange)
    house.store.wire.record(replace(exchange, source_id=None, status=None, response_body=None, trouble=HOSTILE))
    return job


def pages_of(job: Started) -> list[str]:
    app = f"/applications/{job.sp}"
    return [
        f"{app}/cycles/cycle-1",
        f"{app}/provisioning/safeguards",
        f"{app}/provisioning/accounts",
        f"{app}/provisioning/accounts?state=adopted",
        f"{app}/provisioning/accounts/waiting",
        f"{app}/provisioning/accounts/unmanaged",
        f"{app}/provisioning/accounts/unmanaged?standing=unassigned",
        f"{app}/provisioning/requests",
        f"{app}/provisioning/requests?result=failed&source=s-1",
    ]


def test_hostile_names_are_shown_as_text(house: House, full: Started, visit: Visit) -> None:
    house.call("PATCH", f"/servicePrincipals/{full.sp}", {"displayName": HOSTILE})
    for path in pages_of(full):
        page = visit.text(path)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;" in page, path


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.GLOBAL_READER, 200), (Role.REPORTS_READER, 403), (Role.USER_ADMINISTRATOR, 403)],
)
def test_who_may_not_read_configuration_sees_none_of_it(house: House, full: Started, role: Role, status: int) -> None:
    visit = Visit(house, role)
    for path in pages_of(full):
        assert visit.get(path).status_code == status, path


@pytest.mark.parametrize(
    ("place", "given"),
    [
        ("cycles/cycle-1/rollback", {}),
        ("provisioning/safeguards", USUAL),
        ("provisioning/safeguards", {"reset": "1"}),
        ("provisioning/accounts", {"do": "promote-all"}),
        ("provisioning/accounts/settings", {"drift": "accept", "every": "P1D"}),
        ("provisioning/reconcile", {}),
        ("provisioning/requests", {"minutes": "15"}),
    ],
)
def test_a_reader_is_refused_what_changes_something(
    house: House, full: Started, place: str, given: dict[str, str]
) -> None:
    changed = {**given, "QuarantineTooManyDeletesThreshold": "1"} if given is USUAL else given
    before = house.stores.jobs.get(full.id)
    assert Visit(house, Role.GLOBAL_READER).post(f"/applications/{full.sp}/{place}", **changed).status_code == 403
    assert house.stores.jobs.get(full.id) == before


def test_a_cycle_says_what_it_did_and_is_taken_back_by_a_plan_that_is_looked_at_first(
    house: House, full: Started, visit: Visit
) -> None:
    path = f"/applications/{full.sp}"
    page = visit.text(f"{path}/cycles/cycle-1")
    assert f"{path}/logs?cycle=cycle-1&amp;action=create&amp;status=success" in page
    assert f'href="{path}/cycles/cycle-1"' in visit.text(path)
    answer = visit.post(f"{path}/cycles/cycle-1/rollback")
    assert answer.status_code == 303
    work_id = answer.headers["Location"].rsplit("/", 1)[1]
    asked = house.stores.work.get(work_id)
    assert asked is not None
    assert (asked.kind, asked.payload) == (WorkKind.ROLLBACK, {"cycleId": "cycle-1"})
    assert "The plan is being made" in visit.text(answer.headers["Location"])
    assert "Show what would be taken back" not in visit.text(f"{path}/cycles/r-1")


def test_a_cycle_of_another_job_is_not_here(visit: Visit, full: Started) -> None:
    assert visit.get(f"/applications/{full.sp}/cycles/cycle-2").status_code == 404
    assert visit.post(f"/applications/{full.sp}/cycles/cycle-2/rollback").status_code == 404


def test_safeguards_are_saved_and_what_was_not_touched_follows_the_usual_value(
    house: House, visit: Visit, job: Started
) -> None:
    path = f"/applications/{job.sp}/provisioning/safeguards"
    given = {**USUAL, "Approval": "removals", "DeleteGracePeriod": "P30D", "ProtectedUsers": "root@*\r\nceo@x.example"}
    given["RollingRemovalThreshold"] = "off"
    assert visit.post(path, **given, skips="on").headers["Location"] == f"{path}?said=saved"
    kept = house.stores.jobs.get(job.id)
    assert kept is not None
    named = {name: value for name, value in kept.settings.items() if name in USUAL}
    assert named == {
        "Approval": "removals",
        "DeleteGracePeriod": "P30D",
        "ProtectedUsers": "root@*\nceo@x.example",
        "RollingRemovalThreshold": "off",
    }
    page = visit.text(path)
    assert re.search(r'name="RollingRemovalThreshold"[^>]* value="off"', page)
    assert "twice the count of a cycle, 1,000 now" in page
    assert "root@*\nceo@x.example</textarea>" in page
    assert 'value="removals" checked' in page
    assert 'name="skips" value="on" checked' in page
    assert visit.post(path, reset="1").status_code == 303
    kept = house.stores.jobs.get(job.id)
    assert kept is not None and not [name for name in kept.settings if name in USUAL and kept.settings[name]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RemovalShareThreshold", "110%"),
        ("RollingRemovalThreshold", "some"),
        ("DeleteGracePeriod", "30 days"),
        ("QuarantineTooManyDeletesThreshold", "-1"),
        ("Approval", "perhaps"),
    ],
)
def test_a_safeguard_that_is_wrong_saves_nothing_and_the_form_comes_back(
    house: House, visit: Visit, job: Started, name: str, value: str
) -> None:
    before = house.stores.jobs.get(job.id)
    path = f"/applications/{job.sp}/provisioning/safeguards"
    given = {**USUAL, "ProtectedUsers": "a", name: value}
    answer = visit.post(path, **given)
    assert (answer.status_code, house.stores.jobs.get(job.id) == before) == (400, True)
    # The page calls the setting by its label, not as the API does; so does what is said before Save.
    for page in (answer.text, visit.post(f"{path}/weigh", **given).text):
        assert f"<p>{LABELS[name]}: “{value}” is no " in page


def test_each_safeguard_that_is_wrong_is_named_in_the_language_of_the_page(visit: Visit, job: Started) -> None:
    visit.client.set_cookie(COOKIE, "nl")
    given = {**USUAL, "QuarantineTooManyDeletesThreshold": "-1", "DeleteThreshold": "x"}
    page = visit.post(f"/applications/{job.sp}/provisioning/safeguards", **given).text
    refusal = page.partition('class="refusal"')[2].partition("</section>")[0]
    for said in ("Accounts per cyclus: “-1” is geen aantal", "Verwijderde accounts: “x” is geen grens"):
        assert said in refusal


def test_adopted_accounts_are_promoted_one_by_one_or_all_at_once(house: House, visit: Visit, full: Started) -> None:
    path = f"/applications/{full.sp}/provisioning/accounts"
    assert "Promote all" in visit.text(f"{path}?state=adopted")
    assert visit.post(path, do="promote", source="s-1").status_code == 303
    assert 'value="s-1"' not in visit.text(f"{path}?state=adopted")
    assert visit.post(path, do="promote-all").status_code == 303
    assert "No account matches" in visit.text(f"{path}?state=adopted")


def test_reconciliation_is_set_up_and_asked_for(house: House, visit: Visit, full: Started) -> None:
    path = f"/applications/{full.sp}/provisioning/accounts"
    given = {"drift": "report", "every": "P1D", "exceptions": "title=accept\r\nnickName=correct"}
    assert visit.post(f"{path}/settings", **given).status_code == 303
    page = visit.text(path)
    assert "title=accept\nnickname=correct" in page
    assert '<option value="report" selected>' in page
    wrong = visit.post(f"{path}/settings", **{**given, "exceptions": "title=perhaps"})
    assert (wrong.status_code, "DriftPolicy" in wrong.text) == (400, True)
    # What was written stays there, and what is done next on that page goes to an address that shows something.
    assert ">title=perhaps</textarea>" in wrong.text
    assert f'href="{path}" data-discard' in wrong.text
    promotes = re.findall(r'<form method="post"([^>]*)>(?:(?!</form>).)*value="promote', wrong.text, re.DOTALL)
    assert promotes and all(f'action="{path}"' in form for form in promotes)
    assert visit.post(f"/applications/{full.sp}/provisioning/reconcile").status_code == 303
    assert '<span class="figure-value figure-warn">7</span>' in page


def test_the_wire_log_is_switched_on_read_and_switched_off(house: House, visit: Visit, full: Started) -> None:
    path = f"/applications/{full.sp}/provisioning/requests"
    assert visit.post(path, minutes="60").headers["Location"].endswith("said=watched")
    page = visit.text(path)
    assert "Requests are being kept" in page
    assert "no answer" in page
    assert visit.post(path, minutes="0").headers["Location"].endswith("said=unwatched")
    assert "Requests are being kept" not in visit.text(path)
    assert visit.post(path, minutes="100000").status_code == 400


def test_a_list_goes_on_only_where_a_list_has_ended(visit: Visit, full: Started) -> None:
    for place in ("accounts?after=x", "accounts/waiting?after=%00", "accounts?state=none", "requests?result=x"):
        assert visit.get(f"/applications/{full.sp}/provisioning/{place}").status_code == 400, place
