"""Faults that schedules have found, each as the shortest story that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.machine import Machine, Step, small_pages
from faults.schedules import play
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.failures import CredentialsRefused
from muster.model.hold import HoldState
from muster.model.job import CycleState
from muster.model.log import LogStatus
from muster.model.operation import LinkState
from muster.planning.policy import Approval, RemovalThreshold
from trip.playing import JOB, Trip

LATER = timedelta(minutes=41)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def replay(page: str, steps: Sequence[Step]) -> Machine:
    """Plays a schedule as it was played when it failed."""
    with pytest.MonkeyPatch.context() as patch:
        small_pages(patch)
        return play(steps, page)


def carry_out(trip: Trip) -> Any:
    """Plans, applies the plan and carries it to its end."""
    cycle = trip.planner.apply(trip.planner.make(JOB).id)
    while trip.engine.advance(cycle.id):
        pass
    return trip.store.cycles.get(cycle.id)


def test_who_is_removed_by_this_cycle_is_not_tried_again_by_it(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.threshold = RemovalThreshold(count=0)
    trip.run()
    trip.threshold = RemovalThreshold(enabled=False)
    assert trip.approve() == 1
    trip.clock.advance(LATER)
    trip.edit(ada, department="Sales")
    cycle = trip.run()
    assert len(trip.transport.writes) == 1
    assert cycle is not None
    assert cycle.counters.disabled == 1


def test_the_account_of_somebody_who_left_the_scope_is_not_given_to_another(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.run()
    trip.edit(ada, userPrincipalName="ada.old@lantaarn.example")
    other = trip.hire("Ada")
    trip.run()
    assert trip.link(other) is None
    failure = trip.log(other)[0].failure
    assert failure is not None
    assert failure.code == "DuplicateSourceEntries"
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.RELEASED


def test_a_failed_decision_of_a_plan_is_a_failure_once_it_is_applied(trip: Trip) -> None:
    ada = trip.hire("Ada", givenName=None)
    cycle = carry_out(trip)
    assert cycle.counters.failed == 1
    assert trip.log(ada)[0].status is LogStatus.FAILURE
    assert trip.store.links.count_escrows(JOB) == 1


def test_a_plan_carries_changes_of_references_too(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    carry_out(trip)
    assert len(trip.service.repository._members[trip.at_target("Groups")["Crew"]["id"]]) == 2


def test_what_a_plan_holds_waits_and_is_not_forgotten(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.threshold = RemovalThreshold(count=0)
    cycle = carry_out(trip)
    assert cycle.counters.held == 1
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    trip.clock.advance(LATER)
    assert trip.run() is None
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    assert trip.approve() == 1
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_a_plan_that_dies_before_it_is_staged_loses_nothing(trip: Trip) -> None:
    trip.hire("Ada")
    plan = trip.planner.make(JOB)
    kept = trip.store.cycles.stage

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    trip.store.cycles.stage = die
    with pytest.raises(KeyboardInterrupt):
        trip.planner.apply(plan.id)
    trip.store.cycles.stage = kept
    left = trip.store.cycles.running(JOB)
    assert left is not None
    after = trip.new_engine()
    while after.advance(left.id):
        pass
    ended = trip.store.cycles.get(left.id)
    assert ended is not None
    assert ended.state is CycleState.STOPPED
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}


def hold_back(trip: Trip) -> list[Any]:
    """Makes the next creation time out; it arrives when its holder calls what is returned."""
    held: list[Any] = []

    def fault(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method != "POST" or held:
            return None
        held.append(send)
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = fault
    return held


def test_an_account_that_was_made_late_under_an_old_name_is_ours_and_gets_the_new_one(trip: Trip) -> None:
    ada = trip.hire("Ada")
    held = hold_back(trip)
    trip.run()
    held[0]()
    trip.edit(ada, userPrincipalName="ada.new@lantaarn.example")
    trip.clock.advance(LATER)
    trip.run()
    assert set(trip.at_target()) == {"ada.new@lantaarn.example"}
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.MANAGED


def test_an_account_that_was_made_late_for_somebody_who_has_left_is_switched_off(trip: Trip) -> None:
    ada = trip.hire("Ada")
    held = hold_back(trip)
    trip.run()
    held[0]()
    trip.unassign(ada)
    trip.clock.advance(LATER)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_a_leaver_whose_late_account_an_administrator_let_be_is_known_when_they_come_back_to_it(trip: Trip) -> None:
    ada = trip.hire("Ada")
    held = hold_back(trip)
    trip.run()
    held[0]()
    trip.transport.fault = None
    trip.approval = Approval.REMOVALS
    trip.unassign(ada)
    trip.clock.advance(LATER)
    trip.run()
    assert trip.approve(HoldState.REJECTED) == 1
    for _ in range(2):
        trip.clock.advance(LATER)
        trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    # Whoever changes is asked about again.
    trip.approval = Approval.NONE
    trip.edit(ada, displayName="Ada Two", userPrincipalName="ada.two@lantaarn.example")
    trip.clock.advance(LATER)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_a_deletion_that_a_web_page_answers_is_not_done(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada")
    trip.run()
    trip.hard_delete(ada)

    def show_page(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "DELETE":
            return None
        return HttpResponse(status=200, headers={}, body=b"<html>Sign in</html>", elapsed=timedelta())

    trip.transport.fault = show_page
    trip.run()
    trip.transport.fault = None
    trip.clock.advance(LATER)
    trip.run()
    assert trip.at_target() == {}


def test_what_an_on_demand_run_had_under_way_when_it_died_is_resolved_by_the_next_cycle(trip: Trip) -> None:
    ada = trip.hire("Ada")

    def die(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method != "POST":
            return None
        send()
        raise KeyboardInterrupt

    trip.transport.fault = die
    with pytest.raises(KeyboardInterrupt):
        trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    trip.transport.fault = None
    trip.clock.advance(LATER)
    trip.run(trip.new_engine())
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.MANAGED
    assert all(cycle.state is not CycleState.RUNNING for cycle in trip.store.cycles.history(JOB, 10))


def test_an_on_demand_run_that_the_target_stops_has_failed(trip: Trip) -> None:
    ada = trip.hire("Ada")

    def refuse(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "POST":
            return None
        return HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = refuse
    with pytest.raises(CredentialsRefused):
        trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    ended = trip.store.cycles.history(JOB, 1)[0]
    assert ended.state is CycleState.FAILED
    assert ended.failure is not None


def test_whoever_is_renamed_while_a_dead_run_has_not_been_resolved_gets_no_second_account(trip: Trip) -> None:
    ada = trip.hire("Ada")

    def die(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method != "POST":
            return None
        send()
        raise KeyboardInterrupt

    trip.transport.fault = die
    with pytest.raises(KeyboardInterrupt):
        trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    trip.transport.fault = None
    trip.edit(ada, userPrincipalName="ada.new@lantaarn.example")
    trip.run(trip.new_engine())
    assert set(trip.at_target()) == {"ada.new@lantaarn.example"}


def test_a_leaver_whose_removal_was_to_come_later_in_the_cycle_is_removed_once(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.transport.forget()
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    trip.edit(ada, department="Sales")
    while trip.engine.advance(cycle.id):
        pass
    assert len(trip.transport.writes) == 1


def test_a_leaver_whose_late_account_was_found_by_a_read_that_was_not_whole_is_disabled_by_the_next() -> None:
    steps = [
        ("fault", 2010, 9147, 8022),
        ("hire", 1606, 9743, 5599),
        ("cycle", 3153, 3405, 312),
        ("soft-delete", 4201, 3560, 5417),
        ("doubt source", 2571, 2079, 475),
    ]
    replay("bulk", steps)


@pytest.mark.parametrize("page", ["scim", "bulk", "put"])
def test_whoever_is_purged_after_a_filter_has_switched_them_off_leaves_their_groups(page: str) -> None:
    steps = [
        ("cycle", 6162, 1040, 8053),
        ("change filter", 5310, 1222, 4117),
        ("cycle", 5128, 3470, 7315),
        ("purge", 7505, 7318, 4626),
    ]
    replay(page, steps)


def test_a_rollback_sends_no_removal_of_a_member_that_is_held_and_that_its_plan_did_not_show() -> None:
    steps = [
        ("cycle", 1584, 8300, 6547),
        ("leave", 4703, 3254, 2512),
        ("switch scope", 8451, 7224, 917),
        ("doubt source", 1374, 5201, 1791),
        ("roll back", 1876, 6741, 2544),
    ]
    assert replay("scim", steps).tally.steps["rolled back"] == 1


def test_the_account_of_somebody_who_is_gone_for_good_goes_to_whoever_has_their_name_now() -> None:
    steps = [
        ("assign", 5668, 775, 6817),
        ("fault", 9595, 8101, 1790),
        ("plan and apply", 6921, 1428, 7673),
        ("purge", 5983, 1244, 1421),
        ("fault", 503, 8781, 1089),
        ("hire", 8665, 4060, 656),
        ("change actions", 4947, 4469, 8727),
    ]
    replay("8x8", steps)


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        pytest.param(
            "scim",
            [
                ("part of cycle", 3614, 6076, 4296),
                ("block", 7321, 6269, 3434),
                ("account", 3128, 8321, 1542),
                ("rename", 5097, 6938, 7496),
            ],
            id="a leaver who gets a name that another account has",
        ),
        pytest.param(
            "8x8",
            [
                ("fault", 3712, 5836, 7570),
                ("cycle", 8173, 3110, 6887),
                ("account", 6217, 7308, 44),
                ("rename", 4439, 6520, 3224),
            ],
            id="an account that was made late and cannot get the name of today",
        ),
        pytest.param(
            "bulk",
            [
                ("fault", 2746, 6563, 8778),
                ("hire", 1806, 5020, 1022),
                ("cycle", 2833, 9282, 4306),
                ("rename", 6358, 9383, 1073),
                ("soft-delete", 1903, 9858, 1457),
                ("rename", 9151, 584, 2752),
            ],
            id="the same, and the name belonged to a leaver",
        ),
    ],
)
def test_nobody_keeps_access_or_is_lost_for_a_name_that_another_account_has(page: str, steps: list[Step]) -> None:
    replay(page, steps)


@pytest.mark.parametrize("is_enabled", [True, False], ids=["switched off meanwhile", "switched on meanwhile"])
def test_whoever_is_as_before_again_is_asked_about_while_nobody_knows_what_came_of_a_request(
    trip: Trip, is_enabled: bool
) -> None:
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    if not is_enabled:
        trip.edit(ada, accountEnabled=False)
        trip.run()
    held: list[Any] = []

    def hold(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method != "PATCH":
            return None
        held.append(send)
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = hold
    trip.edit(ada, accountEnabled=not is_enabled)
    trip.run()
    trip.transport.fault = None
    held[0]()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is not is_enabled
    trip.edit(ada, accountEnabled=is_enabled)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is is_enabled
    assert trip.store.links.count_escrows(JOB) == 0


def test_a_process_that_hung_keeps_the_plan_of_what_waits_for_approval_once() -> None:
    steps = [("switch approval", 6767, 4024, 2921), ("hang", 5448, 7456, 4865), ("reconcile", 1305, 2380, 2307)]
    replay("scim", steps)


def test_what_died_on_demand_is_tried_once_more_by_its_recovery_and_once_by_the_cycle_after() -> None:
    steps = [
        ("hire", 5014, 7277, 1924),
        ("doubt source", 2425, 4733, 371),
        ("kill", 3089, 6149, 7516),
        ("account", 290, 3341, 5973),
        ("on demand", 6904, 5818, 3045),
        ("rename", 4758, 1222, 9924),
        ("on demand", 8038, 8201, 4191),
    ]
    replay("scim", steps)


def test_a_process_that_hung_does_not_end_anew_what_another_has_ended_as_failed() -> None:
    # It would have ended well, and past everybody who was still to be sent.
    steps = [
        ("fault", 1749, 4818, 9946),
        ("fault", 6945, 2856, 3631),
        ("hang", 1392, 5229, 7575),
        ("cycle", 9940, 7778, 846),
        ("cycle", 5544, 2240, 6463),
    ]
    replay("8x8", steps)


def test_whoever_is_purged_and_gone_at_the_target_is_not_switched_off_there_for_ever() -> None:
    steps = [
        ("cycle", 8342, 4241, 9770),
        ("change actions", 8463, 7505, 6961),
        ("fault", 7679, 9917, 9237),
        ("purge", 7577, 5963, 9786),
        ("cycle", 8135, 1844, 7262),
        ("restart scope", 4576, 9384, 96),
        ("cycle", 9707, 5516, 1855),
    ]
    replay("scim", steps)


def test_whoever_may_have_been_let_in_by_a_rollback_is_looked_at_and_let_out_again() -> None:
    steps = [
        ("undo unanswered", 4153, 3212, 3643),
        ("fault", 3778, 4392, 2499),
        ("cycle", 7225, 4651, 7383),
        ("roll back", 3998, 5470, 988),
    ]
    replay("bulk", steps)


def test_whoever_is_blocked_and_was_deleted_by_others_is_not_put_into_a_group_again_by_every_full_pass() -> None:
    steps = [
        ("part of cycle", 4641, 4245, 9841),
        ("switch approval", 8957, 3703, 1749),
        ("cycle", 1044, 4893, 1240),
        ("join", 1863, 8323, 2810),
        ("fault", 2910, 2625, 4664),
        ("block", 7265, 4390, 4582),
        ("change", 7109, 5666, 3655),
        ("fault", 2888, 9425, 5805),
        ("hire", 2491, 677, 9518),
        ("hire", 1939, 477, 2201),
        ("on demand", 5215, 7719, 4272),
    ]
    replay("scim", steps)


def test_a_leaver_whose_creation_was_cut_off_goes_in_the_cycle_after_the_approval() -> None:
    """What was found of the creation took the place of the approved removal, which waited for an interval."""
    steps = [
        ("kill", 9085, 5727, 7716),
        ("on demand", 6972, 5731, 1850),
        ("hire", 6032, 4223, 5484),
        ("soft-delete", 7071, 1649, 9161),
        ("on demand", 7251, 3799, 3757),
        ("doubt source", 3642, 9866, 4811),
        ("switch approval", 28, 3081, 2924),
        ("soft-delete", 2791, 2359, 7729),
        ("part of cycle", 6422, 6171, 3022),
    ]
    replay("8x8", steps)


def test_a_change_to_an_account_that_others_deleted_is_not_sent_twice_while_removals_ask_for_approval() -> None:
    steps = [
        ("switch approval", 3364, 1307, 3767),
        ("hire", 6411, 1222, 8656),
        ("soft-delete", 6507, 3628, 5163),
        ("hire", 6978, 6658, 1247),
        ("cycle", 1329, 1255, 3292),
        ("rename", 6284, 4912, 1125),
        ("rename", 3261, 8947, 7650),
        ("fault", 8401, 2061, 7630),
        ("cycle", 8893, 2160, 5786),
        ("change", 1489, 3504, 7749),
        ("cycle", 8479, 5826, 473),
    ]
    replay("8x8", steps)


def test_an_account_that_may_have_been_taken_over_goes_to_nobody_who_gets_its_former_name() -> None:
    """The answer to the renaming was lost; whoever was hired under the name took the account, and had to share it."""
    steps = [
        ("fault", 1926, 3995, 1782),
        ("fault", 9982, 6441, 9159),
        ("plan and apply", 9403, 6269, 4396),
        ("rename", 5769, 5739, 1272),
        ("switch scope", 7339, 6532, 4876),
        ("hire", 3009, 1053, 7700),
        ("cycle", 4732, 7858, 5310),
    ]
    replay("8x8", steps)
