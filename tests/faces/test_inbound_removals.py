"""What SCIM clients take away: within the thresholds it goes, beyond them it is held for an administrator."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scim_clients import GROUP, USER, Client

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.cli.console import Failed
from muster.settings import load_settings
from waiting import eventually

OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}


@dataclass
class Played:
    """An installation with a hundred people of a SCIM client."""

    client: Client
    api: LocalApi
    people: list[str]
    sp: str = ""

    def __post_init__(self) -> None:
        found = self.api.get("/servicePrincipals?$filter=displayName eq 'SCIM clients'")["value"]
        self.sp = found[0]["id"]
        jobs = self.api.get(f"/servicePrincipals/{self.sp}/synchronization/jobs")["value"]
        self.job = f"/servicePrincipals/{self.sp}/synchronization/jobs/{jobs[0]['id']}"

    def set(self, **settings: str) -> None:
        value = [{"name": name, "value": text} for name, text in settings.items()]
        self.api.call("PATCH", self.job, {"synchronizationJobSettings": value})

    def delete(self, person: str) -> int:
        return self.client.ask("DELETE", f"/Users/{person}")[0]

    def switch_off(self, person: str) -> int:
        return self.client.patch(f"/Users/{person}", OFF)[0]

    def is_there(self, person: str) -> bool:
        return self.client.ask("GET", f"/Users/{person}")[0] == 200

    def is_on(self, person: str) -> bool:
        return bool(self.client.ask("GET", f"/Users/{person}")[1]["active"])

    def held(self, state: str = "held") -> list[Any]:
        return list(self.api.get(f"{self.job}/heldOperations?state={state}&$top=200")["value"])

    def decide(self, decision: str, **selection: Any) -> Any:
        return self.api.call("POST", f"{self.job}/heldOperations/{decision}", selection)

    def status(self) -> Any:
        return self.api.get(self.job)["status"]

    def upload(self, *people: dict[str, Any]) -> None:
        """Sends people by bulkUpload to the job of file imports."""
        job = next(each for each in self.api.get("/servicePrincipals")["value"] if each["displayName"] == "File import")
        sync = f"/servicePrincipals/{job['id']}/synchronization/jobs"
        path = f"{sync}/{self.api.get(sync)['value'][0]['id']}/bulkUpload"
        operations = [{"method": "POST", "path": "/Users", "data": {"schemas": [USER], **each}} for each in people]
        bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        self.api.call("POST", path, bulk, headers={"content-type": "application/scim+json"})

    def title(self, person: str) -> Any:
        return self.client.ask("GET", f"/Users/{person}")[1].get("title")

    def log(self, action: str) -> list[Any]:
        found = self.api.get("/auditLogs/provisioning?$top=200")["value"]
        return [each for each in found if each["provisioningAction"].lower() == action.lower()]


def _age(folder: Path, hours: int) -> None:
    """Moves everything that was counted into the past."""
    with closing(sqlite3.connect(folder / "muster.db")) as database:
        for key, ended_at in database.execute("SELECT key, ended_at FROM cycles").fetchall():
            moved = (datetime.fromisoformat(ended_at) - timedelta(hours=hours)).isoformat(timespec="microseconds")
            database.execute("UPDATE cycles SET ended_at = ?, cycle_id = cycle_id || '.' WHERE key = ?", (moved, key))
        database.commit()


@contextmanager
def playing(folder: Path, people: int = 100) -> Iterator[Played]:
    """An installation in a folder, for as long as it is played with."""
    settings = load_settings(data=folder)
    open_house(settings, folder).database.close()
    with open_site(settings) as (site, secret):
        client = Client(site, secret)
        made = [client.make(f"p{number}@lantaarn.example", displayName=f"P {number}")["id"] for number in range(people)]
        yield Played(client, LocalApi(site, secret), made)


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    with playing(tmp_path) as found:
        yield found


def test_the_installation_s_own_jobs_are_at_work_without_being_started(played: Played) -> None:
    assert played.status()["code"] == "Active"


def test_beyond_the_threshold_deletions_are_held_until_they_are_approved(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="5")
    answers = [played.delete(person) for person in played.people]
    assert answers == [204] * 5 + [403] * 95
    assert [played.is_there(person) for person in played.people] == [False] * 5 + [True] * 95
    _, refusal = played.client.ask("DELETE", f"/Users/{played.people[50]}")
    assert refusal["status"] == "403"
    assert "disable or delete 6 accounts; the job's accidental-deletion threshold is 5" in refusal["detail"]
    assert len(played.held()) == 95 and len(played.log("StagedDelete")) == 95
    assert played.status()["code"] == "Quarantine" and played.status()["quarantine"]["reason"] == "TooManyDeletes"

    one = next(each for each in played.held() if each["operation"]["sourceId"] == played.people[7])
    assert played.decide("approve", ids=[one["id"]]) == {"approved": 1, "undecided": 94}
    assert not played.is_there(played.people[7]) and played.is_there(played.people[8])
    assert played.delete(played.people[7]) == 404
    assert played.decide("approve", all=True) == {"approved": 94, "undecided": 0}
    assert not any(map(played.is_there, played.people))
    assert played.held() == [] and played.status()["code"] != "Quarantine"
    assert len(played.log("Delete")) == 100


def test_what_is_rejected_stays_and_is_refused_again(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="1")
    first, second, third = played.people[:3]
    assert [played.switch_off(first), played.switch_off(second), played.switch_off(third)] == [200, 403, 403]
    assert [played.is_on(first), played.is_on(second)] == [False, True]
    assert played.decide("reject", all=True) == {"rejected": 2, "undecided": 0}
    status, refusal = played.client.patch(f"/Users/{second}", OFF)
    assert status == 403 and "rejected it" in refusal["detail"]
    assert played.is_on(second) and played.held() == [] and len(played.held("rejected")) == 2


def test_whom_a_client_keeps_after_all_is_no_longer_held(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="1")
    first, second, third = played.people[:3]
    assert [played.switch_off(first), played.switch_off(second), played.delete(third)] == [200, 403, 403]
    assert played.client.patch(f"/Users/{second}", ON)[0] == 200
    assert [each["operation"]["sourceId"] for each in played.held()] == [third]
    # A whole document says that they are there, too, and active.
    status, _ = played.client.ask(
        "PUT",
        f"/Users/{third}",
        {"schemas": [USER], "userName": "p2@lantaarn.example", "active": True, "title": "Head"},
    )
    assert status == 200 and played.held() == [] and played.status()["code"] != "Quarantine"


def test_a_share_counts_from_the_minimum_on_and_of_those_that_clients_gave(played: Played) -> None:
    played.set(RemovalShareThreshold="10%", RemovalShareMinimum="5", QuarantineTooManyDeletesThreshold="90")
    assert [played.delete(person) for person in played.people[:12]] == [204] * 10 + [403] * 2
    assert "11 of 100 accounts (11%)" in played.held()[0]["reason"]


def test_a_day_later_others_may_go_and_who_is_held_stays_so(played: Played, tmp_path: Path) -> None:
    played.set(QuarantineTooManyDeletesThreshold="2")
    assert [played.delete(person) for person in played.people[:3]] == [204, 204, 403]
    _age(tmp_path, 23)
    assert played.delete(played.people[3]) == 403
    _age(tmp_path, 2)
    assert played.delete(played.people[4]) == 204
    assert played.delete(played.people[2]) == 403


def test_what_was_counted_is_known_after_a_restart(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    open_house(settings, tmp_path).database.close()
    with open_site(settings) as (site, secret):
        client = Client(site, secret)
        before = Played(
            client, LocalApi(site, secret), [client.make(f"p{number}@x.example")["id"] for number in range(4)]
        )
        before.set(QuarantineTooManyDeletesThreshold="1")
        assert [before.delete(before.people[0]), before.delete(before.people[1])] == [204, 403]
    with open_site(settings) as (site, secret):
        after = Played(Client(site, secret), LocalApi(site, secret), before.people)
        assert after.delete(after.people[2]) == 403
        assert len(after.held()) == 2


def test_protected_people_are_left_alone(played: Played) -> None:
    played.set(ProtectedUsers="p1@*")
    assert [played.delete(played.people[1]), played.switch_off(played.people[1])] == [403, 403]
    assert played.delete(played.people[2]) == 204
    assert played.is_on(played.people[1]) and played.held() == []
    assert "protected by the pattern" in played.client.ask("DELETE", f"/Users/{played.people[1]}")[1]["detail"]


def test_every_removal_waits_where_the_job_asks_for_approval(played: Played) -> None:
    played.set(Approval="removals")
    assert played.switch_off(played.people[0]) == 403 and played.is_on(played.people[0])
    place = f"/Users/{played.people[0]}"
    assert played.client.patch(place, {"op": "replace", "path": "title", "value": "Head"})[0] == 200
    assert len(played.held()) == 1, "a title says nothing of whether somebody stays"
    assert played.client.ask("PUT", place, {"schemas": [USER], "userName": "p0@lantaarn.example"})[0] == 200
    assert len(played.held()) == 1, "nor does a document that leaves it out"
    # Whoever writes somebody as active wants no removal.
    assert played.client.patch(place, {"op": "replace", "path": "active", "value": True})[0] == 200
    assert played.held() == []
    assert played.switch_off(played.people[1]) == 403
    assert played.decide("approve", all=True)["approved"] == 1
    assert not played.is_on(played.people[1]) and played.switch_off(played.people[1]) == 200


def test_members_that_leave_a_group_are_held_beyond_their_own_threshold(played: Played) -> None:
    played.set(MemberRemovalThreshold="3")
    status, group = played.client.ask(
        "POST",
        "/Groups",
        {"schemas": [GROUP], "displayName": "Sales", "members": [{"value": each} for each in played.people[:10]]},
    )
    assert status == 201
    place = f"/Groups/{group['id']}"

    def leaves(person: str) -> int:
        return played.client.patch(place, {"op": "remove", "path": f'members[value eq "{person}"]'})[0]

    def members() -> int:
        return len(played.client.ask("GET", place)[1].get("members", ()))

    assert [leaves(person) for person in played.people[:5]] == [204, 204, 204, 403, 403]
    assert members() == 7 and len(played.held()) == 1
    # Whoever leaves nothing is not counted, and who is added again is held no longer.
    assert leaves(played.people[99]) == 204
    added = {"op": "add", "path": "members", "value": [{"value": played.people[3]}]}
    assert played.client.patch(place, added)[0] == 204
    status, refusal = played.client.ask("PUT", place, {"schemas": [GROUP], "displayName": "Trade", "members": []})
    assert status == 403 and "remove 10 members from groups" in refusal["detail"]
    assert played.client.ask("GET", place)[1]["displayName"] == "Sales"
    assert played.decide("approve", all=True)["approved"] == 1
    assert members() == 0


def test_deletions_of_groups_count_with_their_own_kind(played: Played) -> None:
    played.set(GroupDeleteThreshold="1")
    made = [played.client.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": name})[1]["id"] for name in "abc"]
    assert [played.client.ask("DELETE", f"/Groups/{each}")[0] for each in made] == [204, 403, 403]
    assert played.decide("approve", all=True)["approved"] == 2
    assert [played.client.ask("GET", f"/Groups/{each}")[0] for each in made] == [404] * 3


def test_a_bulk_request_is_held_operation_by_operation(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="2")
    operations = [{"method": "DELETE", "path": f"/Users/{person}"} for person in played.people[:4]]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    status, answered = played.client.ask("POST", "/Bulk", bulk)
    assert status == 200
    assert [each["status"] for each in answered["Operations"]] == ["204", "204", "403", "403"]


def test_an_upload_that_blocks_people_is_counted_too(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="2")
    played.upload(
        *({"userName": f"p{number}@lantaarn.example", "title": "Clerk", "active": False} for number in range(4))
    )

    def titles() -> list[Any]:
        return [played.client.ask("GET", f"/Users/{person}")[1].get("title") for person in played.people[:4]]

    assert eventually(lambda: titles() == ["Clerk"] * 4)
    assert [played.is_on(person) for person in played.people[:4]] == [False, False, True, True]
    assert played.delete(played.people[9]) == 403
    assert played.decide("approve", all=True)["approved"] == 3
    assert not any(map(played.is_on, played.people[:4]))


def test_switched_off_thresholds_hold_nothing(played: Played) -> None:
    played.set(DeleteThresholdEnabled="false", QuarantineTooManyDeletesThreshold="1")
    assert [played.delete(person) for person in played.people[:10]] == [204] * 10


def test_whoever_approves_must_be_allowed_to_change_people(played: Played) -> None:
    played.set(QuarantineTooManyDeletesThreshold="1")
    assert [played.delete(person) for person in played.people[:2]] == [204, 403]
    made = played.api.call("POST", "/tokens", {"name": "a", "roles": ["Application Administrator"]})
    other = LocalApi(played.client.site, made.get("secretText") or made["token"])
    with pytest.raises(Failed):
        other.call("POST", f"{played.job}/heldOperations/approve", {"all": True})
    assert len(played.held()) == 1
