"""A file as a source: read once into a spool on disk, then given in pages by the place of the row.

    source = open_file(path)             # or read_file(name, content)
    source.problems, source.notices      # what is wrong with single rows; what the admin may want to know

A file is a list of who is there, never proof of who is not: it adds and updates. Rows with the same principal name or
id are all left out, since nobody can tell which is meant; equal ones count once.
"""

import io
import os
import tempfile
from array import array
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from muster.model.directory import MEMBER_GROUPS, MEMBERS, Lifecycle, ObjectKind, why_text_is_refused
from muster.model.operation import Change
from muster.model.values import Attributes, Value, content_hash, frozen
from muster.ports.source import SourcePage, Window
from muster.sources.columns import (
    IDENTITIES,
    IS_SOFT_DELETED,
    Role,
    ValueRejected,
    check_principal_name,
    find_column,
    read_value,
)
from muster.sources.csv_rows import read_csv
from muster.sources.encoding import detect_encoding, open_text
from muster.sources.json_rows import read_json
from muster.sources.ldif_rows import read_ldif
from muster.sources.rows import FileLimits, FileRefused, RawRow, ReadRow, RowProblem, group_id, quoted

# A file is one change: it has been read, or it has not.
_SEQ = 1
_BRANCHES = {".json": "json", ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".ldif": "ldif", ".ldf": "ldif"}
_READERS = {"json": read_json, "csv": read_csv, "ldif": read_ldif}
# By which a file that can be read is known.
SUFFIXES = tuple(_BRANCHES)
_MANAGER = "manager"
_REFERENCES = frozenset((_MANAGER, MEMBERS))


def open_file(path: Path, kind: ObjectKind | None = None, limits: FileLimits | None = None) -> "FileSource":
    """Returns a source over a file. Raises: FileRefused, naming what is wrong with the file as a whole."""
    try:
        with path.open("rb") as file:
            return _read(path.name, file, os.fstat(file.fileno()).st_size, kind, limits or FileLimits())
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}.") from None


def read_file(
    name: str, content: bytes, kind: ObjectKind | None = None, limits: FileLimits | None = None
) -> "FileSource":
    """Returns a source over an uploaded file; `name` tells its format by its ending. Raises: FileRefused."""
    return _read(name, io.BytesIO(content), len(content), kind, limits or FileLimits())


class FileSource:
    """Users and groups of one file. Reading is safe from several threads."""

    def __init__(
        self,
        name: str,
        users: "_Spool",
        groups: "_Spool",
        problems: tuple[RowProblem, ...],
        notices: tuple[str, ...],
        kinds: Collection[ObjectKind] = (),
    ) -> None:
        self.name = name
        self.notices = notices
        # What the file speaks of, be it in an empty list; of another kind it says nothing.
        self.kinds = frozenset(kinds)
        self._spools = {ObjectKind.USER: users, ObjectKind.GROUP: groups}
        self._problems = problems
        # Those of the problems that cost no row.
        self.remarks = frozenset(problem.sentence for problem in problems if not problem.costs_row)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences about rows, columns and parts that were left out, in the order of the file."""
        return tuple(problem.sentence for problem in self._problems)

    def close(self) -> None:
        """Drops the spool."""
        for spool in self._spools.values():
            spool.close()

    def latest(self) -> int:
        """Returns the end of the feed."""
        return _SEQ

    def is_complete(self) -> bool:
        """Whether every row could be read."""
        return not self._problems

    def count(self, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects of a kind can be read."""
        return 0 if _is_past(window) else self._spools[kind].count()

    def read(self, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns the next page of objects, with what was wrong among its rows."""
        if _is_past(window):
            return SourcePage(changes=(), next_after=None)
        spool = self._spools[kind]
        start = 0 if after is None else int(after) + 1
        changes: list[Change] = []
        position = start
        while position < spool.size and len(changes) < limit:
            if position not in spool.excluded:
                changes.append(spool.change(position, self._resolve))
            position += 1
        is_last = position >= spool.size
        problems = tuple(
            problem.sentence
            for problem in self._problems
            if problem.kind is kind
            and start <= spool.place_of(problem)
            and (is_last or spool.place_of(problem) < position)
        )
        return SourcePage(changes=tuple(changes), next_after=None if is_last else str(position - 1), problems=problems)

    def read_one(self, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object by source id, id or principal name."""
        spool = self._spools[kind]
        position = spool.positions.get(spool.identities.get(source_id.casefold(), source_id))
        return None if position is None or position in spool.excluded else spool.change(position, self._resolve)

    def place_of(self, kind: ObjectKind, source_id: str) -> str:
        """Returns where an object that was read stands in the file: “Line 7”."""
        return str((spool := self._spools[kind]).row(spool.positions[source_id])[0])

    def _resolve(self, name: str) -> tuple[str, ObjectKind]:
        """Whom a name means: people come before groups."""
        folded = name.casefold()
        for kind, spool in self._spools.items():
            if folded in spool.identities:
                return spool.identities[folded], kind
        # Not in this file: its link may be there from an earlier one.
        return name, ObjectKind.USER


def _is_past(window: Window | None) -> bool:
    return window is not None and window.after >= _SEQ


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    line: int
    place: str
    source_id: str
    attributes: Attributes
    manager: str | None
    members: tuple[str, ...]
    # The references of which something is said; without them nothing is, whatever the file says of others'.
    says: frozenset[str]


class _First(NamedTuple):
    """The row that had an identity first; without a position it is left out itself."""

    position: int | None
    line: int
    digest: str


class _Spool:
    """Rows of one kind in a temporary file, with an index by place and by identity."""

    def __init__(self, kind: ObjectKind) -> None:
        self._kind = kind
        self._file = tempfile.TemporaryFile(prefix="muster-import-")  # noqa: SIM115  lives as long as the source
        self._offsets = array("Q", [0])
        self._lines: list[int] = []
        self.excluded: set[int] = set()
        self.positions: dict[str, int] = {}
        self.identities: dict[str, str] = {}
        # Reference columns that the file has: without the column nothing is said about the reference.
        self.references: set[str] = set()

    @property
    def size(self) -> int:
        return len(self._offsets) - 1

    def count(self) -> int:
        return self.size - len(self.excluded)

    def add(self, entry: _Entry) -> int:
        row = orjson.dumps(
            (entry.place, entry.source_id, dict(entry.attributes), entry.manager, entry.members, list(entry.says))
        )
        self._file.write(row)
        self._offsets.append(self._offsets[-1] + len(row))
        self._lines.append(entry.line)
        self.positions[entry.source_id] = self.size - 1
        self.identities.setdefault(entry.source_id.casefold(), entry.source_id)
        for name in IDENTITIES[self._kind]:
            if entry.attributes.get(name):
                self.identities.setdefault(str(entry.attributes[name]).casefold(), entry.source_id)
        return self.size - 1

    def finish(self) -> None:
        self._file.flush()

    def change(self, position: int, resolve: Callable[[str], tuple[str, ObjectKind]]) -> Change:
        _, source_id, attributes, manager, members, says = self.row(position)
        said = self.references.intersection(says)
        references: dict[str, tuple[str, ...]] = {}
        if _MANAGER in said:
            references[_MANAGER] = () if manager is None else (resolve(manager)[0],)
        if MEMBERS in said:
            named = dict.fromkeys(resolve(member) for member in members)
            references[MEMBERS] = tuple(each for each, kind in named if kind is ObjectKind.USER)
            # No group is within itself.
            groups = (each for each, kind in named if kind is ObjectKind.GROUP and each != source_id)
            references[MEMBER_GROUPS] = tuple(groups)
        return Change(
            source_id=source_id,
            kind=self._kind,
            lifecycle=Lifecycle.PRESENT,
            seq=_SEQ,
            attributes=frozen(attributes),
            references=references,
        )

    def row(self, position: int) -> list[Any]:
        start = self._offsets[position]
        row: list[Any] = orjson.loads(os.pread(self._file.fileno(), self._offsets[position + 1] - start, start))
        return row

    def place_of(self, problem: RowProblem) -> int:
        """Returns how many rows stand before a problem in the file."""
        low, high = 0, len(self._lines)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._lines[middle] <= problem.line else (low, middle)
        return low

    def close(self) -> None:
        self._file.close()


def _read(name: str, file: BinaryIO, size: int, kind: ObjectKind | None, limits: FileLimits) -> FileSource:
    branch = _BRANCHES.get(Path(name).suffix.lower())
    if branch is None:
        raise FileRefused(
            f"{quoted(name)} ends in none of .csv, .json and .ldif.", remedy="Import a CSV, JSON or LDIF file."
        )
    limit = limits.csv_bytes if branch == "csv" else limits.json_bytes
    if size > limit:
        raise FileRefused(
            f"The file has {size:,} bytes; {limit:,} are the limit.", remedy="Import it in several files, or as CSV."
        )
    encoding = detect_encoding(file)
    text = open_text(file, encoding)
    reader = _READERS[branch]
    intake = _Intake(limits)
    try:
        for row in reader(text, kind, limits):
            intake.take(row)
        intake.finish()
    except BaseException:
        intake.close()
        raise
    finally:
        text.detach()
    notices = (*((encoding.notice,) if encoding.notice else ()), *intake.notices)
    return FileSource(name, intake.users, intake.groups, tuple(intake.problems), notices, intake.kinds)


class _Intake:
    """Checks rows one by one and spools them; groups that stand on several rows are put together first."""

    def __init__(self, limits: FileLimits) -> None:
        self._limits = limits
        self.users = _Spool(ObjectKind.USER)
        self.groups = _Spool(ObjectKind.GROUP)
        self.problems: list[RowProblem] = []
        self.notices: list[str] = []
        self.kinds: set[ObjectKind] = set()
        self._untold = 0
        self._first: dict[tuple[str, str], _First] = {}
        self._pending: dict[str, _Entry] = {}
        self._members: dict[str, dict[str, None]] = {}

    def take(self, row: ReadRow) -> None:
        if isinstance(row, ObjectKind):
            self.kinds.add(row)
            return
        if isinstance(row, RowProblem):
            self._tell(row)
            return
        try:
            attributes, references = self._values(row)
        except _RowRejected as rejected:
            self._tell(RowProblem(line=row.line, sentence=f"{rejected} The row is not read.", kind=row.kind))
            return
        entry = _Entry(
            line=row.line,
            place=row.place,
            source_id=_source_id(row.kind, attributes),
            attributes=attributes,
            manager=references.get(_MANAGER),
            members=references.get(MEMBERS, ()),
            says=frozenset(references) if self._limits.is_partial else _REFERENCES,
        )
        if row.kind is ObjectKind.GROUP:
            earlier = self._pending.setdefault(entry.source_id, entry)
            if not entry.says <= earlier.says:
                self._pending[entry.source_id] = replace(earlier, says=earlier.says | entry.says)
            self._members.setdefault(entry.source_id, {}).update(dict.fromkeys(entry.members))
        else:
            self._add_user(entry, row.place)

    def finish(self) -> None:
        for source_id, entry in self._pending.items():
            self.groups.add(replace(entry, members=tuple(self._members[source_id])))
        for spool in (self.users, self.groups):
            spool.finish()
        if self._untold:
            sentence = f"{self._untold:,} more problems are not listed."
            self.problems.append(RowProblem(line=self.problems[-1].line, sentence=sentence))

    def close(self) -> None:
        self.users.close()
        self.groups.close()

    def _add_user(self, entry: _Entry, place: str) -> None:
        digest = content_hash([entry.attributes, entry.manager])
        names = {"userPrincipalName": str(entry.attributes["userPrincipalName"]), "id": entry.source_id}
        keys = {name: (name, value.casefold()) for name, value in names.items()}
        earlier = {name: self._first[key] for name, key in keys.items() if key in self._first}
        for first in earlier.values():
            if digest == first.digest:
                self.notices.append(f"{place} repeats line {first.line}; it was read once.")
                return
        # A row that is left out has its names, too: another with one of them cannot be told from it.
        position = None if earlier else self.users.add(entry)
        for key in keys.values():
            self._first.setdefault(key, _First(position=position, line=entry.line, digest=digest))
        told: set[int] = set()
        for name, first in earlier.items():
            if first.position is not None:
                self.users.excluded.add(first.position)
            if first.line not in told:
                told.add(first.line)
                sentence = (
                    f"Lines {first.line} and {entry.line} have the same {name}, {quoted(names[name])}, and differ: "
                    "neither is read, as nobody can tell which is meant."
                )
                self._tell(RowProblem(line=entry.line, sentence=sentence))

    def _values(self, row: RawRow) -> tuple[dict[str, Value], Mapping[str, Any]]:
        attributes: dict[str, Value] = {}
        references: dict[str, Any] = {}
        spool = self.users if row.kind is ObjectKind.USER else self.groups
        for name, raw in row.values.items():
            column = find_column(row.kind, name)
            if column is None:
                continue
            try:
                value = read_value(column, raw, self._limits)
                if name == "userPrincipalName" and value is not None:
                    check_principal_name(value)
                if self._limits.of_directory and column.role is Role.ATTRIBUTE:
                    _check_text(name, value)
            except ValueRejected as rejected:
                raise _RowRejected(f"{_where(row, name)} {rejected}.") from None
            if column.role is not Role.ATTRIBUTE:
                if self._limits.goes_on and not value and isinstance(raw, str):
                    continue
                spool.references.add(column.attribute.name)
                references[column.attribute.name] = value
            elif value is not None:
                attributes[column.attribute.name] = value
        if self._limits.of_directory and row.kind is ObjectKind.GROUP and attributes.pop(IS_SOFT_DELETED, False):
            raise _RowRejected(f"{row.place}: an import removes no group.")
        required = "userPrincipalName" if row.kind is ObjectKind.USER else "displayName"
        if required not in attributes:
            raise _RowRejected(f"{_where(row, required)} has no value, and nobody is without one.")
        return attributes, references

    def _tell(self, problem: RowProblem) -> None:
        if len(self.problems) < self._limits.problems:
            self.problems.append(problem)
        else:
            self._untold += 1


def _check_text(name: str, value: Value) -> None:
    problem = why_text_is_refused(name, value) if isinstance(value, str) else None
    if problem is not None:
        raise ValueRejected(problem)


class _RowRejected(Exception):
    """A row that is left out; the text is the sentence."""


def _where(row: RawRow, name: str) -> str:
    number = row.columns.get(name)
    return f"{row.place}: {name}" if number is None else f"{row.place}, column {number} ({name}):"


def _source_id(kind: ObjectKind, attributes: Attributes) -> str:
    """Returns what stays the same about an object: its id, else the employee number, else its name."""
    for name in ("objectId", "employeeId") if kind is ObjectKind.USER else ("objectId",):
        if attributes.get(name):
            return str(attributes[name])
    if kind is ObjectKind.GROUP:
        return group_id(str(attributes["displayName"]))
    return str(attributes["userPrincipalName"]).casefold()
