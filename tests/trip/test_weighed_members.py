"""What safeguards would let through of memberships: told beforehand, then done by a full pass, number for number."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.engine.weighing import weigh_safeguards
from muster.model.copies import replace
from muster.model.hold import HoldState
from muster.model.operation import Verb
from muster.planning.policy import Approval, Limit, RemovalKind, RemovalThreshold
from muster.ports.target import Capabilities
from muster.targets.untouched import UntouchedTarget

NAMES = ("Ada", "Bob", "Cy", "Dee", "Eve", "Fay")


def limits(members: int, **given: int) -> RemovalThreshold:
    return RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(count=members)}, **given)


class Company:
    """Six people, all of them in one group and half of them in another, provisioned."""

    def __init__(self, folder: Path) -> None:
        self.trip = Trip(folder, page="scim")
        self.people = {name: self.trip.hire(name) for name in NAMES}
        self.crew = self.trip.found("Crew", list(self.people.values()))
        self.staff = self.trip.found("Staff", [self.people[name] for name in NAMES[:3]])
        self.trip.run()

    def leave(self, group: str, *names: str) -> None:
        self.trip.store.directory.change_members(group, add=[], remove=[self.people[name] for name in names])

    def weighed(self) -> tuple[int, int, int, int]:
        """Returns what is told beforehand: members removed, and held; accounts and groups removed, and held."""
        parts = replace(self.trip.open_job(JOB, {}), target=UntouchedTarget(Capabilities()))
        found = weigh_safeguards(parts, self.trip.stores, self.trip.clock, self.trip.ids)
        return found.members_removed, found.members_held, found.removals, found.held

    def done(self) -> tuple[int, int, int, int]:
        """Returns the same of a full pass."""
        self.trip.store.jobs.set_watermark(JOB, None)
        self.trip.run()
        sent = self.trip.transport.requests
        members = sum(
            len(operation["value"]) if "value" in operation else 1
            for request in sent
            if request.method == "PATCH" and "/Groups/" in request.url
            for operation in json.loads(request.body or b"")["Operations"]
            if operation["op"].lower() == "remove"
        )
        removals = sum(
            request.method == "DELETE"
            or (request.method == "PATCH" and "/Users/" in request.url and b'"active"' in (request.body or b""))
            for request in sent
        )
        holds = self.trip.holds(states=(HoldState.HELD, HoldState.REJECTED))
        kept = sum(
            len(change.old)
            for hold in holds
            for change in hold.operation.changes
            if hold.attribute == "members" and change.verb is Verb.REMOVE
        )
        others = sum(hold.operation.removes for hold in holds)
        return members + kept, kept, removals + others, others


def members_leave(company: Company) -> None:
    company.leave(company.crew, "Ada", "Bob")
    company.leave(company.staff, "Cy")


def somebody_is_purged(company: Company) -> None:
    members_leave(company)
    company.trip.purge(company.people["Ada"])


def a_group_goes(company: Company) -> None:
    members_leave(company)
    company.trip.unassign(company.staff)


def somebody_is_rejected(company: Company) -> None:
    """What was rejected stays so, under any threshold."""
    company.trip.threshold = limits(0)
    company.leave(company.crew, "Fay")
    company.trip.run()
    assert company.trip.approve(HoldState.REJECTED) == 1
    company.trip.threshold = RemovalThreshold(enabled=False)


def somebody_was_held(company: Company) -> None:
    """What a cycle has held is looked at anew by a full pass."""
    company.trip.threshold = limits(0)
    members_leave(company)
    company.trip.run()


TURNS: list[tuple[Callable[[Company], None], RemovalThreshold, Approval, tuple[int, int, int, int]]] = [
    (members_leave, limits(3), Approval.NONE, (3, 0, 0, 0)),
    (members_leave, limits(2), Approval.NONE, (3, 3, 0, 0)),
    (
        members_leave,
        RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(share=0.3)}, minimum=1),
        Approval.NONE,
        (3, 3, 0, 0),
    ),
    (members_leave, RemovalThreshold(enabled=False), Approval.REMOVALS, (3, 3, 0, 0)),
    (members_leave, RemovalThreshold(enabled=False), Approval.ALL, (3, 3, 0, 0)),
    # Whoever is deleted leaves two groups besides, and counts as deleted alone; as a member, too, while that is held.
    (somebody_is_purged, limits(1), Approval.NONE, (4, 4, 1, 0)),
    (somebody_is_purged, limits(2), Approval.NONE, (4, 0, 1, 0)),
    (somebody_is_purged, limits(4, count=0), Approval.NONE, (4, 0, 1, 1)),
    (somebody_is_purged, limits(3, count=0), Approval.NONE, (4, 4, 1, 1)),
    (a_group_goes, limits(1), Approval.NONE, (2, 2, 1, 0)),
    (a_group_goes, limits(2), Approval.NONE, (2, 0, 1, 0)),
    (somebody_is_rejected, RemovalThreshold(enabled=False), Approval.NONE, (1, 1, 0, 0)),
    (somebody_was_held, limits(3), Approval.NONE, (3, 0, 0, 0)),
]


@pytest.mark.parametrize(("happens", "threshold", "approval", "expected"), TURNS)
def test_what_is_told_of_members_is_what_a_full_pass_does(
    tmp_path: Path,
    happens: Callable[[Company], None],
    threshold: RemovalThreshold,
    approval: Approval,
    expected: tuple[int, int, int, int],
) -> None:
    company = Company(tmp_path)
    happens(company)
    company.trip.threshold, company.trip.approval = threshold, approval
    told = company.weighed()
    assert told == company.weighed()
    assert (told, company.done()) == (expected, expected)
