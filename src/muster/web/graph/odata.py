"""OData query options: $filter as comparisons joined by AND, $top, $skiptoken, $select, $count, $orderby.

Source: OData 4.01 URL conventions §5, as far as Microsoft Graph takes it for these resources.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import NoReturn

from muster.administration.refusals import Refused, bad_request

FILTER_CHARACTERS = 4_000
COMPARISONS_LIMIT = 20
TOP_LIMIT = 1000
TOP_DEFAULT = 100
_CHECK_BYTES = 6
_STORE_KEY = re.compile(r"[0-9]{1,18}(:[^\x00]{0,1000})?", re.DOTALL)
_KNOWN = frozenset({"$filter", "$top", "$skiptoken", "$select", "$count", "$orderby", "$search", "$expand", "$format"})

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<instant>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?)"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_@$][\w@.]*(?:/[A-Za-z_$][\w.]*)*)"
    r"|(?P<mark>[(),])"
    r"|(?P<odd>\S))"
)
_INFIX = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_FUNCTIONS = {"startswith": "sw", "endswith": "ew", "contains": "co"}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`path operator value`; operators eq, ne, gt, ge, lt, le, sw, ew, co. `folded`: written with tolower()."""

    path: str
    operator: str
    value: str | bool | int | float | datetime | None
    folded: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The query options of one request."""

    filter: tuple[Comparison, ...] = ()
    top: int | None = None
    after: str | None = None
    select: frozenset[str] | None = None
    count: bool = False
    order_by: str | None = None
    search: str | None = None
    expand: frozenset[str] = frozenset()

    @property
    def limit(self) -> int:
        """How many entries a page holds."""
        return self.top if self.top is not None else TOP_DEFAULT


def read_options(query: Mapping[str, str], scope: str) -> Options:
    """Returns the query options of a request to the collection `scope`.

    Raises: Refused naming the option, for $filter also the position.
    """
    for name in query:
        if name.startswith("$") and name not in _KNOWN:
            raise bad_request(f"The query option {name[:60]} is not supported here.")
    select = query.get("$select")
    expand = query.get("$expand")
    return Options(
        filter=read_filter(query["$filter"]) if "$filter" in query else (),
        top=_top(query.get("$top")),
        after=_opened(query["$skiptoken"], scope) if "$skiptoken" in query else None,
        select=frozenset(name.strip() for name in select.split(",")) if select else None,
        count=_flag("$count", query.get("$count")),
        order_by=query.get("$orderby"),
        search=_search(query.get("$search")),
        expand=frozenset(name.strip() for name in expand.split(",")) if expand else frozenset(),
    )


def read_filter(text: str) -> tuple[Comparison, ...]:
    """Returns the comparisons of a $filter. Raises: Refused naming the position (from 1) of what is wrong."""
    if len(text) > FILTER_CHARACTERS:
        raise bad_request(f"$filter has more than {FILTER_CHARACTERS} characters.")
    return _Reader(text).comparisons()


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


def skip_token(after: str, scope: str) -> str:
    """Returns a store's key as an opaque $skiptoken, which serves for this collection alone."""
    return base64.urlsafe_b64encode(_check(after, scope) + after.encode()).decode().rstrip("=")


def _opened(token: str, scope: str) -> str:
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        after = content[_CHECK_BYTES:].decode()
    except (binascii.Error, ValueError):
        content, after = b"", ""
    # Whoever can compute the check can make a token, so the key's form is checked, too.
    if content[:_CHECK_BYTES] != _check(after, scope) or not _STORE_KEY.fullmatch(after):
        raise bad_request("The $skiptoken is not one that this service gave out for this collection.")
    return after


def _check(after: str, scope: str) -> bytes:
    # No secret: it keeps mangled tokens, and those of other collections, away from the store.
    return hashlib.blake2b(f"{scope}\n{after}".encode(), digest_size=_CHECK_BYTES).digest()


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= TOP_LIMIT:
        raise bad_request(f"$top takes a whole number from 1 to {TOP_LIMIT}.")
    return int(text)


def _flag(name: str, text: str | None) -> bool:
    if text is not None and text.lower() not in ("true", "false"):
        raise bad_request(f"{name} takes true or false.")
    return text is not None and text.lower() == "true"


def _search(text: str | None) -> str | None:
    """`"displayName:ada"`, `"ada"` or `ada`: a beginning of the name."""
    if text is None:
        return None
    bare = text.strip().strip('"')
    return bare.partition(":")[2] if bare.lower().startswith(("displayname:", "userprincipalname:")) else bare


class _Reader:
    """Reads `comparison (and comparison)*` token by token."""

    def __init__(self, text: str) -> None:
        self._tokens = [
            (match.lastgroup or "", match.group(match.lastgroup or 0), match.start(match.lastgroup or 0) + 1)
            for match in _TOKEN.finditer(text)
        ]
        self._end = len(text) + 1
        self._next = 0

    def comparisons(self) -> tuple[Comparison, ...]:
        found = list(self._grouped())
        while self._next < len(self._tokens):
            kind, word, position = self._take("and")
            if kind != "name" or word.lower() != "and":
                self._refuse(position, f"“{word}” where “and” was expected; conditions are joined by and")
            found.extend(self._grouped())
        if len(found) > COMPARISONS_LIMIT:
            raise bad_request(f"$filter has more than {COMPARISONS_LIMIT} conditions.")
        return tuple(found)

    def _grouped(self) -> tuple[Comparison, ...]:
        """One comparison, perhaps in parentheses."""
        depth = 0
        while self._peek() == "(":
            self._take("(")
            depth += 1
        comparison = self._comparison()
        for _ in range(depth):
            self._mark(")")
        return (comparison,)

    def _comparison(self) -> Comparison:
        kind, word, position = self._take("a property")
        if kind != "name" or word.lower() in ("and", "or", "not"):
            self._refuse(position, f"“{word}” where a property was expected")
        operator = _FUNCTIONS.get(word.lower())
        if operator is not None and self._peek() == "(":
            self._mark("(")
            path, folded = self._path()
            self._mark(",")
            value, value_position = self._value()
            self._mark(")")
            if not isinstance(value, str):
                self._refuse(value_position, f"{word} takes a text in single quotes")
            # Lenient: Graph clients also write `startswith(…) eq true`.
            if self._peek() == "eq" and self._peek(1) == "true":
                self._next += 2
            return Comparison(path=path, operator=operator, value=value, folded=folded, position=position)
        self._next -= 1
        path, folded = self._path()
        kind, word, operator_position = self._take("an operator")
        if kind != "name" or word.lower() not in _INFIX:
            self._refuse(operator_position, f"“{word}” where one of {', '.join(sorted(_INFIX))} was expected")
        value, _ = self._value()
        return Comparison(path=path, operator=word.lower(), value=value, folded=folded, position=position)

    def _path(self) -> tuple[str, bool]:
        kind, word, position = self._take("a property")
        if kind != "name":
            self._refuse(position, f"“{word}” where a property was expected")
        if word.lower() in ("tolower", "toupper") and self._peek() == "(":
            self._mark("(")
            path, _ = self._path()
            self._mark(")")
            return path, True
        return word, False

    def _value(self) -> tuple[str | bool | int | float | datetime | None, int]:
        kind, word, position = self._take("a value")
        match kind:
            case "text":
                return word[1:-1].replace("''", "'"), position
            case "guid":
                return word, position
            case "instant":
                return self._instant(word, position), position
            case "number":
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


def broken_filter(position: int, sentence: str) -> Refused:
    """Returns the refusal of a $filter: what is wrong at which character (from 1)."""
    return bad_request(f"Invalid filter clause: at position {position}, {sentence}.", code="BadRequest")
