"""A target system as the engine writes to it: a SCIM application, our directory, files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure, ObjectFailure
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Operation, TargetResource
from muster.model.rules import AttributeDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a target can do: discovered ⊕ profile ⊕ admin override."""

    can_list: bool = True
    page_size: int = 100
    # Writes and reads that may be under way at once.
    concurrency: int = 8
    # Budget for all requests together; None: no limit known.
    requests_per_second: float | None = None
    members_per_request: int = 100
    # False: users cannot be deleted there, only switched off.
    can_delete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPage:
    """A page of a target's objects; `next_start` None: this was the last. `total` as the target says.

    `is_whole`, of the last page: nothing tells that somebody was left out.
    """

    resources: tuple[TargetResource, ...]
    next_start: str | None
    total: int | None
    is_whole: bool = True


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed write. `resource` None: the target confirmed without showing the object."""

    target_id: str
    resource: TargetResource | None = None
    # What the log tells besides: a sentence.
    note: str | None = None


class UnknownOutcome(Exception):
    """A write whose answer was lost: to be resolved by lookup, never repeated blindly."""


# What came of one of several writes; a JobFailure: it was not carried out.
WriteResult = Written | ObjectFailure | JobFailure | UnknownOutcome


def values_of(operation: Operation) -> tuple[MappedValue, ...]:
    """Returns what an operation that creates gives a new object."""
    return tuple(
        MappedValue(attribute=change.attribute, value=change.new, redacted=change.redacted)
        for change in operation.changes
    )


class Target(Protocol):
    """Carries single operations to a target. Every answer is checked; failures are `ProvisioningFailure`s.

    A 429 is waited out inside (Retry-After, for all requests of this target), a lost answer to a write raises
    `UnknownOutcome`. Calls may come from several threads. Values are keyed by target attribute name as mappings write
    it (`emails[type eq "work"].value`); what `find`, `read` and `list_page` show is limited to mapped attributes.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the target can do."""
        ...

    def requests_made(self) -> int:
        """Returns how many requests were sent since this value was made."""
        ...

    def probe(self, matching_attribute: str) -> str | None:
        """Asks for somebody who cannot exist (Test Connection); raises `JobFailure` unless nobody is found.

        Returns what there is to say of what was found; None: nothing.
        """
        ...

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns all objects whose matching attribute has the value; an answer with another value is left out."""
        ...

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object, or None when the target no longer has it."""
        ...

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page of all objects of a kind."""
        ...

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object. Raises Conflict when the target says that it exists."""
        ...

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes attributes or references of an object. Raises TargetObjectGone."""
        ...

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Deletes an object; one that is gone already is deleted."""
        ...


@runtime_checkable
class DescribedTarget(Protocol):
    """The ability to say which attributes its objects have."""

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes of each kind as mappings write them. Raises JobFailure when it does not say."""
        ...


@runtime_checkable
class MemberedTarget(Protocol):
    """The ability to show who is in a list of references."""

    def members(self, kind: ObjectKind, target_id: str, attribute: str) -> tuple[str, ...] | None:
        """Returns the target ids that an object's list holds; None: it is gone, or does not show the list."""
        ...


@runtime_checkable
class StoppableTarget(Protocol):
    """The ability to stop in the middle of waiting for a slow or busy target."""

    def stop_when(self, is_stopped: Callable[[], bool]) -> None:
        """Has calls raise `Interrupted`, and those that wait for their turn, once `is_stopped` says so."""
        ...


@runtime_checkable
class BatchTarget(Protocol):
    """The ability to write many operations in one go (our directory: one transaction)."""

    def write_many(self, operations: Sequence[Operation]) -> Sequence[Written | ObjectFailure]:
        """Returns one answer an operation, in order; each operation is done or refused on its own."""
        ...


@runtime_checkable
class BulkTarget(Protocol):
    """The ability to carry several operations in one request, if the application offers it (SCIM's Bulk)."""

    def most_together(self) -> int:
        """Returns how many operations may go in one request now; 1: each goes alone. May ask the application."""
        ...

    def write_together(self, operations: Sequence[Operation]) -> Sequence[WriteResult]:
        """Returns one result an operation, in order; each is done or refused on its own. Raises no expected failure."""
        ...


@runtime_checkable
class LearningTarget(Protocol):
    """The ability to tell what the application turned out to do otherwise than it is said to."""

    def learned(self) -> Mapping[str, object]:
        """Returns the fields of its dialect that are other, as JSON values by name."""
        ...
