"""What changed in the directory since a reader last asked: rounds of pages, and a place to go on from next time.

Source: Microsoft Graph, delta query: everything in the first round, then what changed; an object once a round, as it is
now. A place stays valid for ever: it is a number of the change feed, and the feed keeps what was deleted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.roles import Permission
from muster.ports.directory import MemberChange

# Groups are given with their members: a page ends once it has so many.
MEMBERS_A_PAGE = 1_000
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a round: numbers after `after` up to `until`; the round began at `since`."""

    after: int
    until: int
    since: int
    # Within a group whose members fill more than a page.
    member_after: str | None = None

    def written(self) -> str:
        """Returns the place as a token's text."""
        within = "" if self.member_after is None else f",{self.member_after}"
        return f"{self.after}:{self.until},{self.since}{within}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedObject:
    """An object as it is now; `members` are those who came or went, in the first round all."""

    found: DirectoryObject
    members: tuple[MemberChange, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted."""
        return self.found.lifecycle is not Lifecycle.PRESENT


def read_place(text: str) -> Place:
    """Returns the place of a token's text. Raises: Refused."""
    after, _, rest = text.partition(":")
    numbers = rest.split(",")
    if not 2 <= len(numbers) <= 3 or not all(map(_NUMBER.fullmatch, (after, *numbers))):
        raise bad_request("The $skiptoken is none of a round of changes.")
    member_after = numbers[2] if len(numbers) == 3 else None
    return Place(after=int(after), until=int(numbers[0]), since=int(numbers[1]), member_after=member_after)


def first_place(desk: Desk, since: int) -> Place:
    """Returns where a round begins that tells what changed after a number of the feed. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    until = desk.stores.directory.latest()
    if since > until:
        raise bad_request("The $deltatoken is of another installation: begin anew without it.", code="resyncRequired")
    return Place(after=since, until=until, since=since)


def changes(
    desk: Desk, kind: ObjectKind, place: Place, limit: int, *, with_members: bool
) -> tuple[Sequence[ChangedObject], Place | None]:
    """Returns a page of a round, and where the next one begins; None: the round is over. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    directory = desk.stores.directory
    found = directory.changed(kind, place.after, place.until, limit + 1)
    page, more = found[:limit], len(found) > limit
    if place.since == 0:
        # In the first round there is nothing to take back.
        shown = [(at, each) for at, each in page if each.lifecycle is Lifecycle.PRESENT]
    else:
        shown = list(page)
    following = replace(place, after=page[-1][0], member_after=None) if more else None
    if kind is ObjectKind.USER or not with_members:
        return [ChangedObject(found=each) for _, each in shown], following
    if place.since > 0:
        moved = directory.changed_members([each.object_id for _, each in shown], place.since, place.until)
        return [ChangedObject(found=each, members=tuple(moved.get(each.object_id, ()))) for _, each in shown], following
    return _with_all_members(desk, place, shown, following)


def _with_all_members(
    desk: Desk, place: Place, shown: Sequence[tuple[int, DirectoryObject]], following: Place | None
) -> tuple[Sequence[ChangedObject], Place | None]:
    """Groups with their members, until the page is full; a large group goes on in the next page, under its id again."""
    given: list[ChangedObject] = []
    room, before, member_after = MEMBERS_A_PAGE, place.after, place.member_after
    for at, group in shown:
        if room <= 0:
            return given, replace(place, after=before, member_after=None)
        members = desk.stores.directory.members(group.object_id, member_after, room)
        room -= len(members.objects)
        changed = tuple(
            MemberChange(member_id=each.object_id, kind=each.kind, is_gone=False) for each in members.objects
        )
        given.append(ChangedObject(found=group, members=changed))
        if members.next_after is not None:
            return given, replace(place, after=before, member_after=members.next_after)
        before, member_after = at, None
    return given, following
