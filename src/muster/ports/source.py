"""A source system as the engine reads it: a directory, a file, LDAP, Graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from muster.model.cause import Cause
from muster.model.directory import ObjectKind
from muster.model.operation import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the source's feed: after (exclusive) to until (inclusive)."""

    after: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """A page of changes in a stated order; `next_after` None: this was the last."""

    changes: tuple[Change, ...]
    next_after: str | None
    # Rows that could not be read: sentences with line and column. They change nobody.
    problems: tuple[str, ...] = ()


class Source(Protocol):
    """Reads objects with everything that bears on them. Never waits for new ones.

    A read that cannot be finished raises `SystemUnreachable`; it never gives a shorter page.
    """

    def latest(self) -> int:
        """Returns the end of the feed: every change up to it can be read."""
        ...

    def is_complete(self) -> bool:
        """Whether a full read proves absence (all pages, no error, count within a set share of the last)."""
        ...

    def count(self, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects a read will give, for progress."""
        ...

    def read(self, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns the next page after a key: of everything that bears on the job (window None), or of what changed."""
        ...

    def read_one(self, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object as it stands, or None if the source never had it."""
        ...


@runtime_checkable
class EvidentSource(Protocol):
    """A source that knows how somebody lost their way into the application."""

    def causes(
        self, kind: ObjectKind, source_ids: Sequence[str], window: Window | None, *, by_filter: bool = False
    ) -> Mapping[str, Cause]:
        """Returns by source id what last took an object out of scope within the window; nothing if that is unknown.

        `by_filter`: what took it out of a group that a scoping filter names; else what took its assignment.
        """
        ...

    def groups_of(self, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Returns by source id the ids and names of the groups that an object is or was last a direct member of."""
        ...


@runtime_checkable
class DatedSource(Protocol):
    """A source that knows when its changes were made."""

    def changed_at(self, seqs: Sequence[int]) -> Mapping[int, datetime]:
        """Returns by number of the feed when it was given, or a little earlier; nothing of what is long past."""
        ...


@runtime_checkable
class RefreshedSource(Protocol):
    """A source whose feed is filled by reading a system outside: before each cycle, and never within one."""

    def refresh(self) -> bool:
        """Reads what is new; returns whether there is anything to tell, even if nobody changed.

        Raises: JobFailure; BeingRead when somebody else reads it just now.
        """
        ...
