"""Rows of a file as both readers give them, what is wrong with one, and how much a file may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """How much of a file is read. JSON is held in memory while it is read, CSV is not."""

    csv_bytes: int = 512 * 1024 * 1024
    json_bytes: int = 128 * 1024 * 1024
    rows: int = 1_000_000
    columns: int = 200
    # Of one row of CSV, line breaks within quotes included.
    row_characters: int = 65_536
    value_characters: int = 1_024
    values: int = 250
    members: int = 500_000
    depth: int = 4
    # Beyond these only their number is told.
    problems: int = 1_000
    # Texts are as the directory takes them: where no mapping of one's own comes between.
    of_directory: bool = False
    # Of whoever is given without a manager or members nothing is said, even where others have some.
    is_partial: bool = False
    # The file goes on from earlier ones: an empty cell says nothing, either, and it names whom only those had.
    goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One object of a file, its values as they were written. `place` begins a sentence about it: “Line 7”."""

    line: int
    place: str
    kind: ObjectKind
    values: Mapping[str, Any]
    # Column number by name, for sentences; JSON has none.
    columns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """A row, a column or a part of the file that is left out, and why."""

    line: int
    sentence: str
    kind: ObjectKind = ObjectKind.USER
    # False: every row is read all the same, so that whoever is in none of them has left.
    costs_row: bool = True


# What a reader of files yields: rows, what is wrong, and once for each kind that the file speaks of that kind.
ReadRow = RawRow | RowProblem | ObjectKind


class FileRefused(JobFailure):
    """The file as a whole cannot be read: nothing of it is imported."""

    code = "InvalidFile"
    remedy = "Correct the file and import it again."


def group_id(name: str) -> str:
    """Returns what stays the same about a group of a file that has no id: nobody's employee number looks like it."""
    return f"group:{name.casefold()}"


def quoted(text: str, limit: int = 60) -> str:
    """Returns a text of the file for use in a sentence: cut, on one line, in quotation marks."""
    shown = "".join(mark if mark.isprintable() else "·" for mark in text[: limit + 1])
    return f"“{shown[:limit]}…”" if len(shown) > limit else f"“{shown}”"
