"""What may be filtered, ordered and searched by in a collection: property tables, and conditions held to them."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from muster.administration.refusals import Refused, bad_request
from muster.model.conditions import Both, Comparison, Condition, Either, Every, Negation, Operator, Scalar, Some
from muster.web.graph.filters import broken_filter, read_instant

SEARCH_CHARACTERS = 500
SEARCH_CLAUSES = 10
_CLAUSE = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>AND|OR)\b)\s*')
_TEXT_OPERATORS = frozenset({Operator.STARTS, Operator.ENDS, Operator.CONTAINS, Operator.WORD})


class Sort(StrEnum):
    """What a property holds."""

    TEXT = "a text in single quotes"
    BOOLEAN = "true or false"
    NUMBER = "a number"
    INSTANT = "an instant (2026-01-31T00:00:00Z)"
    LIST = "a list: write any(x: …)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property: the path in Graph's spelling, the name that conditions get, what it holds."""

    path: str
    name: str
    sort: Sort
    choices: tuple[str, ...] = ()


class Properties:
    """The properties of a collection's objects; paths are taken in any case, as Graph does."""

    def __init__(self, what: str, *found: Property) -> None:
        self.what = what
        self._known = {each.path.lower(): each for each in found}

    def find(self, path: str, position: int) -> Property:
        """Returns a property. Raises: Refused."""
        found = self._known.get(path.lower())
        if found is None:
            raise broken_filter(position, f"“{path[:100]}” is no property of {self.what} to filter by")
        return found

    def order(self, order_by: str | None, *allowed: str) -> tuple[str, bool] | None:
        """Returns the name to order by and whether downwards; None for no wish. Raises: Refused."""
        if order_by is None:
            return None
        path, _, direction = " ".join(order_by.split()).partition(" ")
        found = self._known.get(path.lower())
        if found is None or found.path not in allowed or direction.lower() not in ("", "asc", "desc"):
            raise bad_request(f"$orderby takes one of {', '.join(allowed)}, followed by asc or desc or nothing.")
        return found.name, direction.lower() == "desc"


def texts(*paths: str) -> list[Property]:
    """Returns properties that hold texts."""
    return _of(Sort.TEXT, paths)


def booleans(*paths: str) -> list[Property]:
    """Returns properties that hold true or false."""
    return _of(Sort.BOOLEAN, paths)


def numbers(*paths: str) -> list[Property]:
    """Returns properties that hold numbers."""
    return _of(Sort.NUMBER, paths)


def instants(*paths: str) -> list[Property]:
    """Returns properties that hold instants."""
    return _of(Sort.INSTANT, paths)


def lists(*paths: str) -> list[Property]:
    """Returns properties that hold lists."""
    return _of(Sort.LIST, paths)


def choice(path: str, *values: str) -> Property:
    """Returns a property that holds one of some texts."""
    return Property(path=path, name=path, sort=Sort.TEXT, choices=values)


def bind(condition: Condition | None, known: Properties) -> Condition | None:
    """Returns a condition with the names of the properties, its values of the right sort.

    Raises: Refused naming what is no property, or what it is compared with.
    """
    return None if condition is None else _bound(condition, known, "")


def read_search(text: str, known: Properties, *allowed: str) -> Condition | None:
    """Returns the condition of `"displayName:ada" OR "mail:x"`; None for a bare word. Raises: Refused.

    Source: Microsoft Graph, `$search` on directory objects: AND binds tighter than OR; words are found by their
    beginning.
    """
    if len(text) > SEARCH_CHARACTERS:
        raise bad_request(f"$search has more than {SEARCH_CHARACTERS} characters.")
    if not text.strip().startswith('"'):
        return None
    groups: list[list[Condition]] = [[]]
    place, expects_clause, count = 0, True, 0
    while place < len(text):
        found = _CLAUSE.match(text, place)
        if found is None or (found["quoted"] is None) is expects_clause:
            raise _broken_search(place + 1)
        if found["word"] == "OR":
            groups.append([])
        elif found["quoted"] is not None:
            count += 1
            groups[-1].append(_clause(found["quoted"], known, allowed, place + 1))
        expects_clause = found["quoted"] is None
        place = found.end()
    if expects_clause or count > SEARCH_CLAUSES:
        raise _broken_search(len(text) + 1)
    parts = tuple(group[0] if len(group) == 1 else Both(parts=tuple(group)) for group in groups)
    return parts[0] if len(parts) == 1 else Either(parts=parts)


def _of(sort: Sort, paths: tuple[str, ...]) -> list[Property]:
    return [Property(path=path, name=path, sort=sort) for path in paths]


def _bound(condition: Condition, known: Properties, within: str) -> Condition:
    match condition:
        case Both(parts=parts):
            return Both(parts=tuple(_bound(part, known, within) for part in parts))
        case Either(parts=parts):
            return Either(parts=tuple(_bound(part, known, within) for part in parts))
        case Negation(part=part):
            return Negation(part=_bound(part, known, within))
        case Some() | Every():
            whole = _join(within, condition.path)
            found = known.find(whole, condition.position)
            if found.sort is not Sort.LIST:
                raise broken_filter(condition.position, f"{found.path} is no list: compare it without any or all")
            name = _relative(found, within)
            if isinstance(condition, Every):
                return replace(condition, path=name, part=_bound(condition.part, known, found.path))
            item = condition.part
            return replace(condition, path=name, part=None if item is None else _bound(item, known, found.path))
        case Comparison():
            return _compared(condition, known, within)


def _compared(comparison: Comparison, known: Properties, within: str) -> Comparison:
    whole = _join(within, comparison.path)
    found = known.find(whole, comparison.position)
    is_item = bool(within) and not comparison.path
    if found.sort is Sort.LIST and not is_item:
        raise broken_filter(comparison.position, f"{found.path} is {Sort.LIST.value}")
    if comparison.operator in _TEXT_OPERATORS and found.sort not in (Sort.TEXT, Sort.LIST):
        raise broken_filter(comparison.position, f"{found.path} is no text and cannot be searched by a part")
    value: Scalar | tuple[Scalar, ...]
    if isinstance(comparison.value, tuple):
        value = tuple(_converted(found, each, comparison.position) for each in comparison.value)
    else:
        value = _converted(found, comparison.value, comparison.position)
    return replace(comparison, path=_relative(found, within), value=value)


def _converted(found: Property, value: Scalar, position: int) -> Scalar:
    """The value as the property holds it."""
    if value is None:
        return None
    if found.sort is Sort.INSTANT:
        # Lenient: many scripts quote the instant.
        instant = read_instant(value) if isinstance(value, str) else value
        if not isinstance(instant, datetime):
            raise broken_filter(position, f"{found.path} is compared with {Sort.INSTANT.value}")
        return instant
    if found.choices:
        wanted = {each.lower(): each for each in found.choices}.get(str(value).lower())
        if wanted is None:
            raise broken_filter(
                position, f"{found.path} is one of {', '.join(sorted(found.choices))}, not “{str(value)[:60]}”"
            )
        return wanted
    fits = {
        Sort.TEXT: isinstance(value, str),
        Sort.BOOLEAN: isinstance(value, bool),
        Sort.NUMBER: isinstance(value, int | float) and not isinstance(value, bool),
        Sort.LIST: True,
    }
    if not fits[found.sort]:
        raise broken_filter(position, f"{found.path} is compared with {found.sort.value}")
    return value


def _relative(found: Property, within: str) -> str:
    """An item's own properties are read from the item."""
    return found.path[len(within) :].lstrip("/") if within else found.name


def _join(within: str, path: str) -> str:
    return "/".join(name for name in (within, path) if name)


def _clause(quoted: str, known: Properties, allowed: tuple[str, ...], position: int) -> Condition:
    path, colon, wanted = quoted.replace('\\"', '"').replace("\\\\", "\\").partition(":")
    if not colon:
        path, wanted = allowed[0], path
    names = {each.lower(): each for each in allowed}
    if path.strip().lower() not in names or not wanted.strip():
        raise bad_request(
            f'$search: at position {position}, write "property:text"; there are {", ".join(allowed)}.',
            code="BadRequest",
        )
    found = known.find(path.strip(), position)
    return Comparison(path=found.name, operator=Operator.WORD, value=wanted.strip(), position=position)


def _broken_search(position: int) -> Refused:
    return bad_request(
        f'$search: at position {position}, write "property:text" joined by AND or OR, up to {SEARCH_CLAUSES}.',
        code="BadRequest",
    )
