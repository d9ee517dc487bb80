"""Reads rows of a CSV file (RFC 4180), one at a time; a row that is malformed is named and the next one is read.

A quotation mark that is never closed would swallow the rest of a file. Here it costs its own line: when a row over
several lines cannot be read, reading goes on with the line after its first.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from muster.model.counting import number_of
from muster.model.directory import ObjectKind
from muster.sources.columns import Role, explain_unknown, find_column, may_be_identity
from muster.sources.rows import FileLimits, FileRefused, RawRow, ReadRow, RowProblem, quoted

_DELIMITERS = ",;\t|"
_REQUIRED = {ObjectKind.USER: "userPrincipalName", ObjectKind.GROUP: "displayName"}


def read_csv(text: TextIO, kind: ObjectKind | None, limits: FileLimits) -> Iterator[ReadRow]:
    """Yields the rows of a file and what is wrong in it. `kind` None: the header tells users from groups.

    Raises: FileRefused when the header cannot be used or a limit is passed.
    """
    lines = _Lines(text, limits)
    header = _read_header(lines, kind, limits)
    yield header.kind
    yield from header.problems
    count = 0
    while (record := _next_record(lines, header, limits)) is not None:
        if isinstance(record, RowProblem):
            yield record
            continue
        if not any(record.fields):
            continue
        count += 1
        if count > limits.rows:
            raise FileRefused(f"The file has more than {limits.rows:,} rows.", remedy="Import it in several files.")
        yield RawRow(
            line=record.line,
            place=f"Line {record.line}",
            kind=header.kind,
            values={name: record.fields[index] for index, name in header.names},
            columns={name: index + 1 for index, name in header.names},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    kind: ObjectKind
    delimiter: str
    titles: tuple[str, ...]
    # Places and names of the columns that are read.
    names: tuple[tuple[int, str], ...]
    problems: tuple[RowProblem, ...]

    def column(self, number: int) -> str:
        """Returns a column for a sentence: “column 3 (mail)”."""
        title = self.titles[number - 1] if number <= len(self.titles) else ""
        return f"column {number} ({title[:60]})" if title else f"column {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    line: int
    fields: list[str]


class _Lines:
    """Physical lines with their numbers; some may be given back. Too long a line is cut, and thereby malformed."""

    def __init__(self, text: TextIO, limits: FileLimits) -> None:
        self._text = text
        self._limit = limits.row_characters
        self._returned: list[tuple[int, str]] = []
        self._number = 0

    def next(self) -> tuple[int, str] | None:
        if self._returned:
            return self._returned.pop()
        try:
            line = self._text.readline(self._limit + 1)
            if not line:
                return None
            self._number += 1
            part = line
            while len(part) > self._limit and not part.endswith(("\n", "\r")):
                part = self._text.readline(self._limit + 1)
        except UnicodeError as error:
            raise FileRefused(
                f"From line {self._number + 1} on the file is not valid {getattr(error, 'encoding', 'text')}.",
                remedy="Save it as UTF-8 and import it again.",
            ) from None
        return self._number, line

    def give_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._returned.extend(reversed(lines))


def _read_header(lines: _Lines, kind: ObjectKind | None, limits: FileLimits) -> _Header:
    first = lines.next()
    # Lenient: Excel writes `sep=;` before the header.
    while first is not None and (not first[1].strip() or first[1].lower().startswith("sep=")):
        first = lines.next()
    if first is None:
        raise FileRefused("The file is empty.")
    number, line = first
    bare = re.sub(r'"[^"]*"', "", line)
    delimiter = max(_DELIMITERS, key=bare.count)
    try:
        (titles,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        raise FileRefused(f"Line {number}, the header, is no row of CSV: {quoted(line.strip())}.") from None
    titles = [title.strip() for title in titles]
    if len(titles) > limits.columns:
        raise FileRefused(f"The header has {len(titles):,} columns; {limits.columns} are the limit.")
    kind = kind or _kind_of(titles)
    names, problems = _read_columns(kind, titles, number)
    if _REQUIRED[kind].casefold() not in (title.casefold() for title in titles):
        raise FileRefused(
            f"The header (line {number}) has no column {_REQUIRED[kind]}; it reads {quoted(line.strip())}.",
            remedy="Name the columns in the first line by directory attributes, such as userPrincipalName,displayName.",
        )
    return _Header(kind=kind, delimiter=delimiter, titles=tuple(titles), names=names, problems=problems)


def _kind_of(titles: Sequence[str]) -> ObjectKind:
    folded = {title.casefold() for title in titles}
    is_group = "userprincipalname" not in folded and folded & {"groupid", "memberid", "members", "securityenabled"}
    return ObjectKind.GROUP if is_group else ObjectKind.USER


def _read_columns(
    kind: ObjectKind, titles: Sequence[str], line: int
) -> tuple[tuple[tuple[int, str], ...], tuple[RowProblem, ...]]:
    names: list[tuple[int, str]] = []
    problems: list[RowProblem] = []
    places: dict[str, int] = {}
    for index, title in enumerate(titles):
        column = find_column(kind, title)
        where = f"Line {line}, column {index + 1}"
        if column is None:
            sentence = explain_unknown(kind, title) if title else "The column has no name."
            sentence = f"{where}: {sentence} The column is not read."
            # One without a name may be any.
            costs_row = not title or may_be_identity(kind, title)
            problems.append(RowProblem(line=line, sentence=sentence, kind=kind, costs_row=costs_row))
            continue
        name = column.attribute.name
        if name in places:
            raise FileRefused(f"Columns {places[name]} and {index + 1} of the header are both {name}.")
        places[name] = index + 1
        names.append((index, title if column.role is Role.MEMBERS else name))
    return tuple(names), tuple(problems)


def _next_record(lines: _Lines, header: _Header, limits: FileLimits) -> _Record | RowProblem | None:
    first = lines.next()
    if first is None:
        return None
    number, line = first
    fault: str | None = None
    fields: list[str] = []
    rest: list[tuple[int, str]] = []
    if len(line) > limits.row_characters:
        fault = f": the line is longer than {limits.row_characters:,} characters."
    elif '"' not in line:
        fields = line.rstrip("\r\n").split(header.delimiter)
    else:
        fault = _collect(lines, line, rest, limits)
        if fault is None:
            try:
                (fields,) = csv.reader([line, *(text for _, text in rest)], delimiter=header.delimiter, strict=True)
            except (csv.Error, ValueError):
                fault = ""
        if fault == "":
            place = _misplaced_quote(line, header.delimiter)
            fault = f", {header.column(place)}: a quotation mark stands inside a value or is not closed."
    if fault is None:
        fault = _wrong_length(fields, header)
    if fault is None:
        return _Record(line=number, fields=fields)
    lines.give_back(rest)
    return RowProblem(line=number, sentence=f"Line {number}{fault} The row is not read.", kind=header.kind)


def _collect(lines: _Lines, line: str, rest: list[tuple[int, str]], limits: FileLimits) -> str | None:
    """Adds to `rest` the lines that a quoted line break belongs to; returns "" if the quotes never close."""
    is_open = line.count('"') % 2 == 1
    size = len(line)
    while is_open:
        following = lines.next()
        if following is None:
            return ""
        rest.append(following)
        size += len(following[1])
        if size > limits.row_characters:
            return ""
        is_open = following[1].count('"') % 2 == 0
    return None


def _wrong_length(fields: list[str], header: _Header) -> str | None:
    expected = len(header.titles)
    if len(fields) < expected and any(fields):
        return f" ends after {header.column(len(fields))}: {_widths(len(fields), expected)}."
    # Lenient: Excel fills rows up with empty cells.
    if any(fields[expected:]):
        return f", column {expected + 1}: {_widths(len(fields), expected)}."
    return None


def _misplaced_quote(line: str, delimiter: str) -> int:
    """Returns the number of the column in which the first quotation mark is misplaced, else the last one opened."""
    column, position = 1, 0
    while position < len(line):
        if line[position] == '"':
            end = position + 1
            while (end := line.find('"', end)) >= 0 and line[end + 1 : end + 2] == '"':
                end += 2
            following = line[end + 1 : end + 2]
            if end < 0 or following not in (delimiter, "", "\r", "\n"):
                return column
            if following != delimiter:
                return column
            position = end + 2
        else:
            end = line.find(delimiter, position)
            if end < 0 or '"' in line[position:end]:
                return column
            position = end + 1
        column += 1
    return column


def _widths(values: int, columns: int) -> str:
    return f"it has {number_of(values, 'value')} and the header {number_of(columns, 'column')}"
