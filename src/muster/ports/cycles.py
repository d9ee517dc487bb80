"""The engine's own store: cycles, staged operations, links, references, census, escrows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.hold import Hold
from muster.model.job import (
    Counters,
    Cycle,
    Escrow,
    StagedOperation,
    StagedState,
)
from muster.model.log import LogEntry
from muster.model.notice import Cause
from muster.model.operation import (
    Link,
    LinkState,
    MatchingValue,
    Operation,
    ShownReferences,
    TargetResource,
    WantedReference,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """An operation to stage. Waves: 1 as planned, 2 removals (after the read is whole)."""

    operation: Operation
    wave: int
    state: StagedState = StagedState.RELEASED
    hold_code: str | None = None
    hold_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSettled:
    """A reference that the target confirmed: set to `target_id`, or removed (None).

    `unsure`: the request may have arrived, and nobody confirmed it. The target may hold it, then, and may not: until
    something is confirmed it is open, whether it is wanted or not.
    """

    attribute: str
    source_id: str
    target_id: str | None
    unsure: bool = False


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of one object's outcome, all in one transaction."""

    kind: ObjectKind
    source_id: str
    # The staged operation it ends; None: nothing was staged (a skip).
    number: int | None = None
    state: StagedState = StagedState.DONE
    link: Link | None = None
    unlink: bool = False
    # The unlinked account is still there, and so is what the target has confirmed of references to it.
    account_stays: bool = False
    # Attributes of a linked object of which nobody knows what stands at the target now: none confirmed any more.
    unsure: tuple[str, ...] = ()
    escrow: Escrow | None = None
    clear_escrow: bool = False
    entry: LogEntry | None = None
    # The object's operation may not go yet. Else what was held of an object ends when the object is settled.
    hold: Hold | None = None
    # A part of it is held still: its references are confirmed, and the hold stays.
    keeps_hold: bool = False
    # What the object's references should be (replaces what was wanted before for these attributes).
    wanted: tuple[WantedReference, ...] = ()
    references: tuple[ReferenceSettled, ...] = ()
    # What the target shows takes the place of what it confirmed: what differs from what is wanted is open again.
    shown: tuple[ShownReferences, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReference:
    """A reference attribute of a linked object that differs from what is acknowledged and can now be set.

    `add` and `remove` are pairs (source id, target id) of the other ends; those not linked yet are left out.
    """

    kind: ObjectKind
    source_id: str
    source_name: str
    target_id: str
    attribute: str
    reference_kind: ObjectKind
    multivalued: bool
    add: tuple[tuple[str, str], ...]
    remove: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReferences:
    """A reference attribute of a linked object as the target has confirmed it: source id to target id.

    `unsure`: those (source ids) of which nobody knows whether the target holds them now.
    """

    source_id: str
    attribute: str
    reference_kind: ObjectKind
    multivalued: bool
    acknowledged: Mapping[str, str]
    unsure: frozenset[str] = frozenset()

    def against(self, wanted: Sequence[str]) -> Mapping[str, str]:
        """Returns what is held, without those wanted of whom nobody knows: they are set again."""
        again = self.unsure.intersection(wanted)
        return {end: target_id for end, target_id in self.acknowledged.items() if end not in again}


class CycleStore(Protocol):
    """Cycles and their staged operations.

    Every writing call takes the cycle as the caller knows it and raises `Fenced`, writing nothing, when the stored
    epoch is another: another process has taken the job over.
    """

    def begin(self, cycle: Cycle) -> None:
        """Keeps a new cycle; there is none running for the job."""
        ...

    def get(self, cycle_id: str) -> Cycle | None:
        """Returns a cycle."""
        ...

    def running(self, job_id: str) -> Cycle | None:
        """Returns the job's unfinished cycle."""
        ...

    def history(self, job_id: str, limit: int) -> Sequence[Cycle]:
        """Returns the job's cycles, newest first."""
        ...

    def counted_since(self, job_id: str, at: datetime) -> Counters:
        """Returns the sum of what the job's cycles counted that run or ended at or after an instant."""
        ...

    def take_over(self, cycle_id: str) -> Cycle:
        """Raises the epoch by one and returns the cycle: every other holder is fenced out from now on."""
        ...

    def stage(self, cycle: Cycle, operations: Sequence[NewOperation], settlements: Sequence[Settlement]) -> int:
        """Writes, in one transaction: staged operations in order, settlements of what needs no request, and the cycle
        itself (phase, position, counters), which is the checkpoint. Returns the number of the first operation; the
        others follow it one by one."""
        ...

    def staged(
        self, cycle_id: str, state: StagedState, wave: int, limit: int, after: int = 0
    ) -> Sequence[StagedOperation]:
        """Returns staged operations in order, those with a number after the given one."""
        ...

    def count_staged(self, cycle_id: str, state: StagedState, wave: int | None = None) -> Mapping[str, int]:
        """Returns how many staged operations there are by operation kind."""
        ...

    def mark(
        self, cycle: Cycle, numbers: Sequence[int], state: StagedState, hold_code: str | None, hold_reason: str | None
    ) -> None:
        """Moves staged operations to a state (the journal's intent: SENDING before a request goes out)."""
        ...

    def settle(self, cycle: Cycle, settlements: Sequence[Settlement]) -> None:
        """Writes outcomes and the cycle's counters in one transaction."""
        ...

    def close(self, cycle: Cycle, watermark: int | None) -> None:
        """Ends a cycle and, if it succeeded, moves the job's watermark, in one transaction; drops its census.

        A rollback clears the watermark instead, however it ends: the job's next cycle is an initial one. Of whoever may
        have been created, and was not looked up, the names wait with an escrow.
        """
        ...


class LinkStore(Protocol):
    """Links, references and escrows of a job."""

    def links(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[str, Link]:
        """Returns links by source id."""
        ...

    def owners(self, job_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Returns (job id, source id) by target id, over all jobs with the same target address."""
        ...

    def count_links(self, job_id: str, kind: ObjectKind | None = None) -> int:
        """Returns how many objects are linked."""
        ...

    def list_links(
        self, job_id: str, state: LinkState | None, limit: int, after: str | None, kind: ObjectKind | None = None
    ) -> tuple[Sequence[Link], str | None]:
        """Returns links, of one state and kind if named, and the key to go on after."""
        ...

    def promote(self, job_id: str, source_ids: Sequence[str] | None) -> Sequence[str]:
        """Makes accounts that were there before us ours, those of the source ids or all; returns the ids of those that
        it changed. One that is released is ours when it comes back."""
        ...

    def unlink(self, job_id: str, kind: ObjectKind, source_id: str) -> None:
        """Forgets a link (object connection)."""
        ...

    def open_references(self, job_id: str, limit: int, after: str | None) -> tuple[Sequence[OpenReference], str | None]:
        """Returns references that can be set or removed now, one an object and attribute, and the next key."""
        ...

    def count_members(self, job_id: str) -> int:
        """Returns how many members of groups the target has confirmed."""
        ...

    def count_leaving_members(self, job_id: str) -> int:
        """Returns how many members that the target has confirmed are to be taken away."""
        ...

    def missing_ends(self, job_id: str, attribute: str) -> Sequence[str]:
        """Returns the source ids that a reference attribute names and of which the job has seen nobody, in order."""
        ...

    def awaited_ends(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], attribute: str
    ) -> Mapping[str, str]:
        """Returns whom open references of an attribute name of whom the job has seen nobody, by their owners."""
        ...

    def references(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Sequence[KnownReferences]:
        """Returns what the target has confirmed of the references of objects, one an object and attribute."""
        ...

    def due_escrows(
        self, job_id: str, at: datetime, limit: int, after: str | None, longest: timedelta | None = None
    ) -> Sequence[Escrow]:
        """Returns failed objects whose next attempt is due, by source id.

        `longest`: what none of them waits longer than. Those that would, or that have yet to fail, are due, too: the
        clock was set back. Of what waits for an administrator or its day of grace that says nothing.
        """
        ...

    def escrows_of(self, job_id: str, code: str, limit: int, after: str | None) -> Sequence[Escrow]:
        """Returns objects that failed with a code, due or not, by source id."""
        ...

    def escrow(self, job_id: str, kind: ObjectKind, source_id: str) -> Escrow | None:
        """Returns one failed object's place in the ladder."""
        ...

    def tried(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], cycle_id: str
    ) -> Mapping[str, tuple[MatchingValue, ...]]:
        """Returns by source id under which values a creation was sent whose outcome nobody knows.

        `cycle_id` is the asking cycle: it knows itself what it is sending.
        """
        ...

    def failed_with(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], codes: Sequence[str]
    ) -> frozenset[str]:
        """Returns which of these objects wait because they failed with one of the codes."""
        ...

    def count_escrows(self, job_id: str) -> int:
        """Returns how many failed objects wait."""
        ...

    def not_due(self, job_id: str, at: datetime) -> tuple[int, datetime | None]:
        """Returns how many failed objects are not due yet, and when the first of them is."""
        ...

    def causes(self, job_id: str, limit: int) -> Sequence[Cause]:
        """Returns why failed objects wait, the most frequent first, each with one of them as its example."""
        ...

    def reset(self, job_id: str, *, links: bool, escrows: bool) -> None:
        """Drops links (with references) and/or escrows, as a restart asks.

        Of escrows stays what no full pass would find: all where none is to come, else accounts that we may have made,
        by the names of then. These are tried again at once.
        """
        ...


class DiscoveryStore(Protocol):
    """Accounts at the target that a job does not manage, as the last reconciliation found them."""

    def keep(self, cycle: Cycle, accounts: Sequence[DiscoveredAccount]) -> None:
        """Keeps accounts as this cycle found them; one that is known gets its new standing."""
        ...

    def drop_others(self, cycle: Cycle) -> None:
        """Drops what earlier cycles of the job have found."""
        ...

    def accounts(
        self, job_id: str, standing: Standing | None, limit: int, after: str | None
    ) -> tuple[Sequence[DiscoveredAccount], str | None]:
        """Returns accounts by kind and name, of one standing if named, and the key to go on after."""
        ...

    def by_matching(self, job_id: str, kind: ObjectKind) -> Mapping[str, Sequence[DiscoveredAccount]]:
        """Returns all accounts of a kind that have a value to be matched by, by that value."""
        ...

    def count(self, job_id: str) -> Mapping[Standing, int]:
        """Returns how many there are of each standing."""
        ...


class CensusStore(Protocol):
    """What a target listed at the start of a full pass, kept until the cycle closes."""

    def add(
        self, cycle_id: str, kind: ObjectKind, resources: Sequence[TargetResource], matching: Sequence[str]
    ) -> None:
        """Keeps listed objects, found later by id or by the values of the matching attributes (without case)."""
        ...

    def page(
        self, cycle_id: str, kind: ObjectKind, after: str | None, limit: int
    ) -> tuple[Sequence[TargetResource], str | None]:
        """Returns listed objects by target id, and the key to go on after."""
        ...

    def count(self, cycle_id: str, kind: ObjectKind) -> int:
        """Returns how many objects are kept; one that was listed twice counts once."""
        ...

    def find(
        self, cycle_id: str, kind: ObjectKind, attribute: str, values: Sequence[str]
    ) -> Mapping[str, tuple[TargetResource, ...]]:
        """Returns objects by value, the value as it was asked; comparison without case."""
        ...

    def by_id(self, cycle_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, TargetResource]:
        """Returns objects by target id."""
        ...

    def forget(self, cycle_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> None:
        """Drops objects that are no longer as they were listed: each is asked for when it is next looked at."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """A search of the provisioning log, newest first unless ascending. Texts are compared exactly unless said so."""

    # Found by a number made of it: look whether it is the one.
    entry_id: str | None = None
    job_id: str | None = None
    cycle_id: str | None = None
    change_id: str | None = None
    service_principal_id: str | None = None
    # Only entries of these applications: those that a caller may see. None: of all.
    among: frozenset[str] | None = None
    source_id: str | None = None
    # The whole name of the source object, without case.
    source_name: str | None = None
    # A part of source or target name or id, or the whole id of a change, without case.
    identity: str | None = None
    # Looked for among so many of the newest entries, up to `until`; by the whole name of the source object among all.
    newest: int | None = None
    action: str | None = None
    status: str | None = None
    # Of a failure or a skip.
    error_code: str | None = None
    # Among what is skipped: what waits for a decision (true), or what has a reason to be left alone (false).
    held: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    after: str | None = None
    limit: int = 100


class LogStore(Protocol):
    """Reads the provisioning log (it is written by `settle` and `stage`)."""

    def search(self, query: LogQuery) -> tuple[Sequence[LogEntry], str | None]:
        """Returns entries in the query's order, and the key to go on after."""
        ...

    def count(self, query: LogQuery) -> int:
        """Returns how many entries there are in all."""
        ...

    def leaves_out(self, query: LogQuery) -> bool:
        """Whether there are entries within the query's dates that are older than its newest ones."""
        ...

    def causes(self, job_id: str, since: datetime, until: datetime, limit: int) -> Sequence[Cause]:
        """Returns why objects failed within a span of time (until exclusive), the most frequent first, each with the
        newest of them as its example."""
        ...
