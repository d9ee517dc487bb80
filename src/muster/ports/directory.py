"""The directory's store: objects, memberships, the change feed, and what a job reads of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

from muster.model.cause import Cause
from muster.model.conditions import Condition
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.operation import Change
from muster.model.values import Attributes
from muster.ports.source import Window


class ObjectWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A create (`object_id` None, or given and new) or a change of an object.

    `attributes` holds only what is set; a value of None clears. `manager_id` "" clears, None leaves as it is.
    """

    kind: ObjectKind
    object_id: str | None
    attributes: Attributes
    manager_id: str | None = None
    lifecycle: Lifecycle | None = None
    # The object must not exist yet (create) or must exist (update).
    is_new: bool
    # Somebody is found to be it, who has these numbers (attribute and value). Out of the recycle bin they get neither
    # password nor second factor, unless a number is that of whoever left: a name or an address may be another's now.
    taken_up_by: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryQuery:
    """A search: comparisons joined by AND, and a condition on attributes by their names in the directory.

    Operators: eq, ne, sw, co, ge, le (texts without case). The condition may also ask for createdDateTime and
    deletedDateTime.
    """

    kind: ObjectKind
    comparisons: tuple[tuple[str, str, object], ...] = ()
    condition: Condition | None = None
    lifecycles: tuple[Lifecycle, ...] = (Lifecycle.PRESENT,)
    # A free text that display name or principal name begins with.
    search: str | None = None
    # displayName or (users) userPrincipalName.
    order_by: str = "displayName"
    descending: bool = False
    # How many there are in all is wanted, too: that looks at each of them, a page only at its own.
    counted: bool = False
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryPage:
    """Objects in a stated order; `next_after` None: the last page."""

    objects: tuple[DirectoryObject, ...]
    next_after: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRefused:
    """A write that could not be done and changed nothing: code, sentence, remedy."""

    code: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """Somebody who came into a group or left it."""

    member_id: str
    kind: ObjectKind
    is_gone: bool


class DirectoryStore(Protocol):
    """Objects of the directory. Every write that changes content gives the object the next seq; equal content none."""

    def get(self, kind: ObjectKind, name: str) -> DirectoryObject | None:
        """Returns an object by id or (users) principal name, whatever its lifecycle; None if unknown."""
        ...

    def by_ids(self, object_ids: Sequence[str]) -> Sequence[DirectoryObject]:
        """Returns the objects with these ids, whatever their kind and lifecycle; unknown ones are left out."""
        ...

    def search(self, query: DirectoryQuery) -> DirectoryPage:
        """Returns a page of objects."""
        ...

    def write(self, writes: Sequence[ObjectWrite], at: datetime) -> Sequence[DirectoryObject | WriteRefused]:
        """Writes in one transaction and returns one answer a write; a refused one does not hinder the others.

        A principal name is unique among all users that are not hard-deleted, without case.
        """
        ...

    def set_lifecycle(self, kind: ObjectKind, object_id: str, lifecycle: Lifecycle, at: datetime) -> DirectoryObject:
        """Soft-deletes, restores or purges. A purged object keeps its id and names only, so that it can be deleted."""
        ...

    def change_members(self, group_id: str, *, add: Sequence[str], remove: Sequence[str]) -> int:
        """Adds and removes direct members (users or groups); returns how many really changed."""
        ...

    def members(self, group_id: str, after: str | None, limit: int, *, transitive: bool = False) -> DirectoryPage:
        """Returns direct members, or those at any depth."""
        ...

    def groups_of(self, object_id: str, *, transitive: bool = False) -> Sequence[DirectoryObject]:
        """Returns the groups of which an object is a member, directly or at any depth."""
        ...

    def groups_among(
        self, group_ids: Sequence[str], object_ids: Sequence[str], *, transitive: bool = False
    ) -> Mapping[str, tuple[str, ...]]:
        """Returns by object the ids of those of these groups that it is a member of; who is in none is left out.

        A deleted group has no members.
        """
        ...

    def reports_of(self, user_id: str, after: str | None, limit: int) -> DirectoryPage:
        """Returns those whose manager a user is."""
        ...

    def latest(self) -> int:
        """Returns the last number of the feed that is committed."""
        ...

    def changed(self, kind: ObjectKind, after: int, until: int, limit: int) -> Sequence[tuple[int, DirectoryObject]]:
        """Returns objects, deleted ones too, by their last change within the feed's numbers, with its number.

        A change of a group's members counts as one of the group.
        """
        ...

    def changed_members(self, group_ids: Sequence[str], after: int, until: int) -> Mapping[str, Sequence[MemberChange]]:
        """Returns by group who came or went within the feed's numbers, each once and as it stands now."""
        ...

    def purge_due(self, before: datetime) -> Sequence[DirectoryObject]:
        """Returns objects that were soft-deleted before an instant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """Which part of the directory bears on a job."""

    job_id: str
    service_principal_id: str
    # Scope "all users and groups"; else those assigned, and those linked (who may have to be disabled).
    sync_all: bool
    kinds: tuple[ObjectKind, ...] = field(default=(ObjectKind.USER,))
    # Members of groups within assigned groups count as theirs, at any depth; else direct members only.
    transitive: bool = False
    # Ids of groups that scoping filters name: who comes into one or leaves it has changed, and each object that is read
    # tells as `memberOf` in which of them it is (at any depth, if `transitive`).
    named_groups: tuple[str, ...] = ()


class DirectoryFeed(Protocol):
    """What a job reads of the directory.

    The feed has no hole a reader can skip: once `latest()` has given n, no change numbered n or less appears later.
    A change of an assignment, of an assigned group's membership or lifecycle, or of an app role counts as a change
    of every person whose entitlement it may alter.
    """

    def latest(self) -> int:
        """Returns the highest number whose change, and all before it, are committed."""
        ...

    def changed_at(self, seqs: Sequence[int]) -> Mapping[int, datetime]:
        """Returns by number when the change was committed, or up to a second earlier; nothing of what is long past."""
        ...

    def count(self, view: JobView, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects `read` will give in all pages."""
        ...

    def read(
        self, view: JobView, kind: ObjectKind, window: Window | None, after: str | None, limit: int
    ) -> tuple[Sequence[Change], str | None]:
        """Returns a page of objects with grants and references, each once, and the key to go on after.

        Attributes hold userPrincipalName in its guest form and originalUserPrincipalName, and memberOf if the view
        names groups; no other computed one.
        """
        ...

    def read_one(self, view: JobView, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object, whether or not it bears on the job; by id or principal name."""
        ...

    def causes(
        self,
        view: JobView,
        kind: ObjectKind,
        source_ids: Sequence[str],
        window: Window | None,
        *,
        by_filter: bool = False,
    ) -> Mapping[str, Cause]:
        """Returns by id what last took an object out of the job's scope, as far as the feed tells.

        `by_filter`: what took it out of a group that the view names; else what took its assignment.
        """
        ...

    def groups_of(self, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Returns by id the ids and names of the groups that an object is a direct member of, deleted ones too."""
        ...
