"""$filter read into a condition: comparisons, functions, and, or, not, in, any and all.

Source: OData 4.01 URL conventions §5.1.1, as far as Microsoft Graph takes it.
"""

import re
from collections.abc import Callable
from datetime import MAXYEAR, UTC, datetime
from typing import NoReturn

from muster.administration.refusals import Refused, bad_request
from muster.model.conditions import Both, Comparison, Condition, Either, Every, Negation, Operator, Scalar, Some

FILTER_CHARACTERS = 8_000
COMPARISONS_LIMIT = 50
DEPTH_LIMIT = 20
VALUES_LIMIT = 100
# More than any number here has, and few enough to be read.
_DIGITS = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<instant>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?)"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_@$][\w@.]*(?:/[A-Za-z_$][\w.]*)*)"
    r"|(?P<mark>[(),:])"
    r"|(?P<odd>\S))"
)
_INFIX = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_FUNCTIONS = {"startswith": Operator.STARTS, "endswith": Operator.ENDS, "contains": Operator.CONTAINS}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_LAMBDAS = ("any", "all")
_RESERVED = frozenset({"and", "or", "not"})


def read_filter(text: str) -> Condition:
    """Returns the condition of a $filter. Raises: Refused naming the position (from 1) of what is wrong."""
    if len(text) > FILTER_CHARACTERS:
        raise bad_request(f"$filter has more than {FILTER_CHARACTERS} characters.")
    return _Reader(text).condition()


def read_instant(text: str) -> datetime | None:
    """Returns an instant in UTC, None if it is none or lies at an end of the calendar, where none can be beside it."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1 < instant.year < MAXYEAR:
        return None
    # A date alone, or a time without zone, is read as UTC.
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def broken_filter(position: int, sentence: str) -> Refused:
    """Returns the refusal of a $filter: what is wrong at which character (from 1)."""
    return bad_request(f"Invalid filter clause: at position {position}, {sentence}.", code="BadRequest")


class _Reader:
    """Reads token by token; `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self._tokens = [
            (match.lastgroup or "", match.group(match.lastgroup or 0), match.start(match.lastgroup or 0) + 1)
            for match in _TOKEN.finditer(text)
        ]
        self._end = len(text) + 1
        self._next = 0
        self._depth = 0
        self._count = 0
        # Names of the items of the lists we are in, the innermost last.
        self._variables: list[str] = []

    def condition(self) -> Condition:
        found = self._either()
        if self._next < len(self._tokens):
            _, word, position = self._take("the end")
            self._refuse(position, f"“{word}” where “and”, “or” or the end was expected")
        return found

    def _either(self) -> Condition:
        return self._joined("or", self._both, lambda parts: Either(parts=parts))

    def _both(self) -> Condition:
        return self._joined("and", self._not, lambda parts: Both(parts=parts))

    def _joined(
        self, word: str, read: Callable[[], Condition], join: Callable[[tuple[Condition, ...]], Condition]
    ) -> Condition:
        parts = [read()]
        while self._peek() == word:
            self._next += 1
            parts.append(read())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _not(self) -> Condition:
        if self._peek() == "not":
            self._next += 1
            return Negation(part=self._nested(self._not))
        if self._peek() == "(":
            self._next += 1
            found = self._nested(self._either)
            self._mark(")")
            return found
        return self._primary()

    def _nested(self, read: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise bad_request(f"$filter is nested deeper than {DEPTH_LIMIT} levels.")
        found = read()
        self._depth -= 1
        return found

    def _primary(self) -> Condition:
        kind, word, position = self._take("a property")
        if kind != "name" or word.lower() in _RESERVED:
            self._refuse(position, f"“{word}” where a property was expected")
        self._count += 1
        if self._count > COMPARISONS_LIMIT:
            raise bad_request(f"$filter has more than {COMPARISONS_LIMIT} conditions.")
        path, _, last = word.rpartition("/")
        if self._peek() == "(" and path and last.lower() in _LAMBDAS:
            return self._lambda(self._within(path, position), last.lower(), position)
        if self._peek() == "(" and word.lower() in _FUNCTIONS:
            return self._function(word, position)
        self._next -= 1
        return self._comparison()

    def _lambda(self, path: str, which: str, position: int) -> Condition:
        """`any(t: …)`, `all(t: …)`, `any()`."""
        self._mark("(")
        if which == "any" and self._peek() == ")":
            self._mark(")")
            return Some(path=path, position=position)
        kind, variable, variable_position = self._take("a variable")
        if kind != "name" or "/" in variable:
            self._refuse(
                variable_position, f"“{variable}” where a variable was expected, as in {which}(x: x/id eq '1')"
            )
        self._mark(":")
        self._variables.append(variable)
        part = self._nested(self._either)
        self._variables.pop()
        self._mark(")")
        if which == "any":
            return Some(path=path, part=part, position=position)
        return Every(path=path, part=part, position=position)

    def _function(self, word: str, position: int) -> Condition:
        self._mark("(")
        path = self._path()
        self._mark(",")
        value, value_position = self._value()
        self._mark(")")
        if not isinstance(value, str):
            self._refuse(value_position, f"{word} takes a text in single quotes")
        found = Comparison(path=path, operator=_FUNCTIONS[word.lower()], value=value, position=position)
        # Lenient: Graph clients also write `startswith(…) eq true`.
        if self._peek() == "eq" and self._peek(1) in ("true", "false"):
            self._next += 2
            if self._tokens[self._next - 1][1].lower() == "false":
                return Negation(part=found)
        return found

    def _comparison(self) -> Comparison:
        position = self._tokens[self._next][2]
        path = self._path()
        kind, word, operator_position = self._take("an operator")
        operator = word.lower()
        if kind == "name" and operator == "in":
            return Comparison(path=path, operator=Operator.ONE_OF, value=self._values(), position=position)
        if kind != "name" or operator not in _INFIX:
            self._refuse(operator_position, f"“{word}” where one of {', '.join(sorted(_INFIX))}, in was expected")
        value, _ = self._value()
        return Comparison(path=path, operator=Operator(operator), value=value, position=position)

    def _path(self) -> str:
        kind, word, position = self._take("a property")
        if kind != "name":
            self._refuse(position, f"“{word}” where a property was expected")
        # Texts are compared without case anyway.
        if word.lower() in ("tolower", "toupper") and self._peek() == "(":
            self._mark("(")
            path = self._path()
            self._mark(")")
            return path
        return self._within(word, position)

    def _within(self, path: str, position: int) -> str:
        """The path as seen from the innermost list's item."""
        if not self._variables:
            return path
        variable, _, rest = path.partition("/")
        if variable != self._variables[-1]:
            self._refuse(position, f"“{path}” where a property of {self._variables[-1]} was expected")
        return rest

    def _values(self) -> tuple[Scalar, ...]:
        self._mark("(")
        found = [self._value()[0]]
        while self._peek() == ",":
            self._mark(",")
            found.append(self._value()[0])
            if len(found) > VALUES_LIMIT:
                raise bad_request(f"in takes at most {VALUES_LIMIT} values.")
        self._mark(")")
        return tuple(found)

    def _value(self) -> tuple[Scalar, int]:
        kind, word, position = self._take("a value")
        match kind:
            case "text":
                return word[1:-1].replace("''", "'"), position
            case "guid":
                return word, position
            case "instant":
                return self._instant(word, position), position
            case "number":
                if len(word) > _DIGITS:
                    self._refuse(position, f"a number has up to {_DIGITS} characters")
                return (float(word) if "." in word else int(word)), position
            case "name" if word.lower() in _CONSTANTS:
                return _CONSTANTS[word.lower()], position
        raise broken_filter(position, f"“{word}” where a value was expected; texts are written in single quotes")

    def _instant(self, word: str, position: int) -> datetime:
        instant = read_instant(word)
        if instant is None:
            self._refuse(position, f"“{word}” is no instant")
        return instant

    def _peek(self, ahead: int = 0) -> str | None:
        place = self._next + ahead
        return self._tokens[place][1].lower() if place < len(self._tokens) else None

    def _take(self, expected: str) -> tuple[str, str, int]:
        if self._next >= len(self._tokens):
            self._refuse(self._end, f"it ends where {expected} was expected")
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _mark(self, mark: str) -> None:
        _, word, position = self._take(f"“{mark}”")
        if word != mark:
            self._refuse(position, f"“{word}” where “{mark}” was expected")

    def _refuse(self, position: int, sentence: str) -> NoReturn:
        raise broken_filter(position, sentence)
