"""…/wireLog: switched on for some minutes, read by whoever may read configuration."""

from datetime import timedelta
from typing import Any

import pytest

from faces.house import House, Started
from muster.model.roles import Role
from muster.model.wire import WireExchange


def test_it_is_switched_on_for_some_minutes_and_off_again(house: House, job: Started) -> None:
    until = house.call("POST", f"{job.path}/wireLog", {"minutes": 30}).body["untilDateTime"]
    assert until == "2026-05-04T08:30:00Z"
    kept = house.stores.jobs.get(job.id)
    assert kept is not None and kept.settings["WireLogUntil"] == "2026-05-04T08:30:00+00:00"
    assert house.call("POST", f"{job.path}/wireLog", {"minutes": 0}).body["untilDateTime"] is None
    assert house.stores.audit.search(after=None, limit=1)[0][0].activity == "Switch wire log"


@pytest.mark.parametrize("body", [{}, {"minutes": "30"}, {"minutes": True}, {"minutes": -1}, {"minutes": 1_441}])
def test_a_wrong_time_is_refused(house: House, job: Started, body: Any) -> None:
    assert house.call("POST", f"{job.path}/wireLog", body).status == 400


def test_the_setting_cannot_be_reached_around_it(house: House, job: Started) -> None:
    settings = [{"name": "WireLogUntil", "value": "2099-01-01T00:00:00+00:00"}]
    refused = house.call("PATCH", job.path, {"synchronizationJobSettings": settings})
    assert (refused.status, refused.code) == (400, "InvalidJobSetting")


def test_exchanges_are_shown_newest_first_and_by_object(house: House, job: Started) -> None:
    for number, source_id in enumerate(("ada", None, "ada")):
        house.store.wire.record(
            WireExchange(
                at=house.clock.at + timedelta(seconds=number),
                job_id=job.id,
                source_id=source_id,
                method="GET",
                url="https://x/Users",
                request_body=None,
                status=200,
                response_body="{}",
                elapsed=timedelta(milliseconds=7),
                cycle_id=f"cycle-{number}",
            )
        )
    everything = house.call("GET", f"{job.path}/wireLog").body["value"]
    assert [each["sentDateTime"][-4:-1] for each in everything] == [":02", ":01", ":00"]
    assert everything[0]["durationInMilliseconds"] == 7
    assert len(house.call("GET", f"{job.path}/wireLog?sourceId=ada").body["value"]) == 2
    (first,) = house.call("GET", f"{job.path}/wireLog?cycleId=cycle-0").body["value"]
    assert (first["cycleId"], first["sourceId"]) == ("cycle-0", "ada")


def test_who_may_read_configuration_reads_it_and_does_not_switch_it(house: House, job: Started) -> None:
    token = house.token_for(Role.GLOBAL_READER)
    assert house.call("GET", f"{job.path}/wireLog", token=token).status == 200
    assert house.call("POST", f"{job.path}/wireLog", {"minutes": 5}, token=token).status == 403
