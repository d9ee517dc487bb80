"""A system outside as a reader gives it to its mirror: LDAP, Microsoft Graph, files in a folder.

What a reader knows is one protocol and one question: "what is there since this cursor?". It keeps nothing between two
reads and decides nothing. `sources.mirror` keeps what it gives, numbers what really changed, finds who is gone and is
itself the `Source` that the engine reads.

    for page in reader.read(cursor):           # None: everything, from the beginning
        mirror.keep(page)                      # one transaction: the page and its cursor

A read has ended well only if its last page says so (`ending`). A reader that is cut off raises; the pages until then
are kept, and the next read goes on from the last cursor that was kept.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure
from muster.model.values import Attributes


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An object of the source as it stands, or (`is_partial`) what changed of it.

    `source_id` is its anchor: what stays when it is renamed or moved (objectGUID, entryUUID, Graph's id), unique among
    objects of both kinds. `attributes` are under the source's own names, as mappings name them: text, Boolean, a tuple
    of texts for what is multi-valued; what is absent is left out (in a partial entry `None` takes a value away).

    `names` are those by which references call it, its DN, principal name or anchor: compared without case.

    `references` are, by attribute, the names of others as the source gives them, in any order of reading: an attribute
    that is left out says nothing, an empty tuple says nobody. `added` and `removed` change a list that is too large to
    be given whole, or that the source gives so (Graph's members@delta); they do not need `is_partial`.
    """

    kind: ObjectKind
    source_id: str
    attributes: Attributes
    names: tuple[str, ...] = ()
    references: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    added: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    removed: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    is_partial: bool = False


class Ending(StrEnum):
    """How a read ended; only the last page of a read has one."""

    # Everything that changed since the cursor was given, removals by name. Who was not named is as before.
    CHANGES = "changes"
    # Everybody who is there was named, as an entry or as unchanged: who was not, of the kinds it is of, is gone.
    WHOLE = "whole"
    # Everything that could be had, but something was left out (a size limit, a branch that refused): proves no absence.
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPage:
    """A piece of a read, a few hundred objects.

    `removed`: anchors of objects of which the source says that they are gone. `unchanged`: anchors of objects that are
    there as before (syncrepl's present phase, an equal file). `problems`: sentences about what could not be read, with
    line or DN; a read with problems proves no absence. `remarks`: what was left out of objects that could be read.

    `cursor`: from where a read goes on once this page is kept. None, before the last page: there is no such place, so a
    read that is cut off begins where it began. None, on the last page: the source knows no changes; the next read is
    of everything.
    """

    entries: Sequence[Entry] = ()
    removed: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    problems: Sequence[str] = ()
    remarks: Sequence[str] = ()
    cursor: str | None = None
    ending: Ending | None = None
    # Of an ending other than WHOLE: why, as a sentence for administrators.
    because: str | None = None
    # Of the ending WHOLE: what the read was of; of another kind it says nothing.
    kinds: Collection[ObjectKind] = tuple(ObjectKind)


class CursorExpired(JobFailure):
    """The source no longer knows the cursor (410 Gone, e-syncRefreshRequired): read again from the beginning.

    The mirror does so by itself; nobody is told. Raise it before the first page.
    """

    code = "CursorExpired"
    remedy = "Nothing is to be done: everything is read again."


class Reader(Protocol):
    """Reads one system. Used by one thread at a time; opened for a read and closed after it.

    Failures are `JobFailure`s: SystemUnreachable (network, timeout, refused connection), CredentialsRefused (bind or
    token refused), SchemaRefused (a base or filter that is wrong). Limits and deadlines are the reader's own.
    """

    def probe(self) -> str:
        """Tests the connection; returns one sentence on what was found. Raises: JobFailure."""
        ...

    def read(self, cursor: str | None) -> Iterator[ReadPage]:
        """Yields pages; the last one has an ending. Raises: CursorExpired, JobFailure. Never ends early in silence."""
        ...

    def close(self) -> None:
        """Lets go of the connection; harmless when there is none."""
        ...


@runtime_checkable
class AcknowledgingReader(Protocol):
    """The ability to learn that what was read is kept: a watched folder moves its files then."""

    def acknowledge(self, cursor: str | None) -> None:
        """Is called after each page that was kept, with the cursor that is kept now."""
        ...
