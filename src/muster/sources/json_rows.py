"""Reads objects of a JSON file, one at a time: `{"users": […], "groups": […]}`, or a list of one of both.

The text is held in memory, the objects are not. A mistake in JSON's own grammar ends the file, as nobody can tell where
the next object begins; everything else costs the object that it stands in.
"""

import json
from collections.abc import Generator, Iterator
from typing import Any, TextIO

from muster.model.directory import ObjectKind
from muster.sources.columns import explain_unknown, find_column, may_be_identity
from muster.sources.rows import FileLimits, FileRefused, RawRow, ReadRow, RowProblem, quoted

_KINDS = {
    "users": ObjectKind.USER,
    "groups": ObjectKind.GROUP,
}
# What a document may hold beside users and groups: notes about itself.
_NOTES = frozenset({"about", "sites", "domain", "seed", "generator"})
_BLANKS = " \t\r\n"


class _Twice(dict[str, Any]):
    """An object in which a name stands twice."""

    name = ""


def read_json(text: TextIO, kind: ObjectKind | None, limits: FileLimits) -> Iterator[ReadRow]:
    """Yields the objects of a file and what is wrong in it. `kind`: what a bare list holds (None: users).

    Raises: FileRefused when the text is no JSON or holds neither users nor groups, or a limit is passed.
    """
    try:
        content = text.read()
    except UnicodeError as error:
        raise FileRefused(f"The file is not valid {getattr(error, 'encoding', 'text')}.") from None
    if not content.strip():
        raise FileRefused("The file is empty.")
    try:
        yield from _Document(content, limits).read(kind or ObjectKind.USER)
    except json.JSONDecodeError as error:
        raise FileRefused(f"Line {error.lineno}, column {error.colno}: this is no JSON ({error.msg}).") from None
    except ValueError as error:
        raise FileRefused(f"The file holds a value that is too long to be read ({str(error)[:80]}).") from None
    except RecursionError:
        raise FileRefused("The file nests lists and objects too deeply to be read.") from None


_ONE_LIST = 'Put the objects into one list, separated by commas: {"users": [{…}, {…}]}.'


class _Document:
    def __init__(self, content: str, limits: FileLimits) -> None:
        self._content = content
        self._limits = limits
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
        self._counted_to = 0
        self._line = 1
        self._rows = 0
        self._unknown: set[tuple[ObjectKind, str]] = set()

    def read(self, kind: ObjectKind) -> Iterator[ReadRow]:
        position = self._skip_blanks(0)
        match self._content[position]:
            case "[":
                position = yield from self._list(position, kind, f"{kind.value.lower()}s")
            case "{":
                position = yield from self._object(position, kind)
            case _:
                raise self._fault("an object with users and groups is expected", position)
        position = self._skip_blanks(position)
        if position < len(self._content):
            raise self._fault("nothing is expected after the end", position)

    def _object(self, position: int, kind: ObjectKind) -> Generator[ReadRow, None, int]:
        found = False
        position = self._skip_blanks(position + 1)
        while self._at(position) != "}":
            key, position = self._value(position)
            if not isinstance(key, str):
                raise self._fault("a name in quotation marks is expected", position)
            line = self._line_at(position)
            position = self._skip_blanks(self._expect(":", self._skip_blanks(position)))
            listed = _KINDS.get(key) or (kind if key == "value" else None)
            if listed is not None and self._at(position) == "[":
                found = True
                position = yield from self._list(position, listed, key)
            elif listed is not None:
                raise self._fault(f"{key} must be a list", position)
            else:
                _, position = self._value(position)
                # Lenient: annotations of a Graph answer (@odata.context).
                if key not in _NOTES and not key.startswith("@odata"):
                    yield RowProblem(
                        line=line, sentence=f"Line {line}: {quoted(key)} is neither users nor groups; it is not read."
                    )
            position = self._skip_blanks(position)
            if self._at(position) == ",":
                position = self._skip_blanks(position + 1)
            elif self._at(position) != "}":
                raise self._fault("a comma or } is expected", position)
        if not found:
            if self._at(self._skip_blanks(position + 1)) == "{":
                raise FileRefused("The file has one object a line.", remedy=_ONE_LIST)
            raise FileRefused('The file has neither a list "users" nor a list "groups".')
        return position + 1

    def _list(self, position: int, kind: ObjectKind, key: str) -> Generator[ReadRow, None, int]:
        yield kind
        position = self._skip_blanks(position + 1)
        index = 0
        while self._at(position) != "]":
            line = self._line_at(position)
            item, position = self._value(position)
            yield from self._row(item, kind, f"{key}[{index}] (line {line})", line)
            index += 1
            position = self._skip_blanks(position)
            if self._at(position) == ",":
                position = self._skip_blanks(position + 1)
            elif self._at(position) != "]":
                raise self._fault("a comma or ] is expected", position)
        return position + 1

    def _row(self, item: Any, kind: ObjectKind, place: str, line: int) -> Iterator[RawRow | RowProblem]:
        self._rows += 1
        if self._rows > self._limits.rows:
            raise FileRefused(
                f"The file has more than {self._limits.rows:,} rows.", remedy="Import it in several files."
            )
        fault: str | None = None
        if not isinstance(item, dict):
            fault = f"an object is expected, not {quoted(json.dumps(item))}"
        elif isinstance(item, _Twice):
            fault = f"{quoted(item.name)} stands in it twice"
        elif len(item) > self._limits.columns:
            fault = f"it has {len(item):,} attributes; {self._limits.columns} are the limit"
        elif _depth(item) > self._limits.depth:
            fault = f"it nests deeper than {self._limits.depth} levels"
        if fault:
            yield RowProblem(line=line, sentence=f"{place}: {fault}. It is not read.", kind=kind)
            return
        values: dict[str, Any] = {}
        for name, value in item.items():
            column = find_column(kind, name)
            if column is not None:
                values[column.attribute.name] = value
            elif not name.startswith("@odata") and (kind, name) not in self._unknown:
                # Told once: what every object has is one mistake.
                self._unknown.add((kind, name))
                sentence = f"{place}: {explain_unknown(kind, name)} It is not read, here and in other objects."
                yield RowProblem(line=line, sentence=sentence, kind=kind, costs_row=may_be_identity(kind, name))
        yield RawRow(line=line, place=place, kind=kind, values=values)

    def _value(self, position: int) -> tuple[Any, int]:
        return self._decoder.raw_decode(self._content, position)

    def _skip_blanks(self, position: int) -> int:
        while position < len(self._content) and self._content[position] in _BLANKS:
            position += 1
        return position

    def _at(self, position: int) -> str:
        return self._content[position : position + 1]

    def _expect(self, mark: str, position: int) -> int:
        if self._at(position) != mark:
            raise self._fault(f"{mark} is expected", position)
        return position + 1

    def _fault(self, message: str, position: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._content, position)

    def _line_at(self, position: int) -> int:
        self._line += self._content.count("\n", self._counted_to, position)
        self._counted_to = position
        return self._line


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    twice = _Twice(values)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            twice.name = name
        seen.add(name)
    return twice


def _refuse_constant(name: str) -> Any:
    raise FileRefused(f"{name} is no value of JSON.")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
