"""The filter language: syntax tree, parser and renderer.

Source: RFC 7644 §3.4.2.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import assert_never

import orjson

from muster.scim.errors import InvalidFilter
from muster.scim.limits import DEFAULT_LIMITS, Limits


class FilterOperator(StrEnum):
    """How an attribute is compared with a value."""

    EQUAL = "eq"
    NOT_EQUAL = "ne"
    CONTAINS = "co"
    STARTS_WITH = "sw"
    ENDS_WITH = "ew"
    GREATER = "gt"
    GREATER_OR_EQUAL = "ge"
    LESS = "lt"
    LESS_OR_EQUAL = "le"


FilterValue = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributePath:
    """The name of an attribute: `[schema:]attribute[.sub_attribute]`."""

    schema: str | None = None
    attribute: str
    sub_attribute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    attribute: AttributePath
    operator: FilterOperator
    value: FilterValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    attribute: AttributePath


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePath:
    """True when one element of a multi-valued attribute satisfies `filter`; names in it are sub-attributes."""

    attribute: AttributePath
    filter: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    filter: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    filters: tuple[Filter, ...]


Filter = Comparison | Presence | ValuePath | Not | And | Or


_TOKEN = re.compile(
    r"""[ \t]*(?:
        (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.:$-]))
      | (?P<word>[A-Za-z$][\w.:$-]*)
      | (?P<dotted>\](?:\.[A-Za-z$][\w$-]*))
      | (?P<mark>[()\[\]])
    )""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ATTRIBUTE_NAME = re.compile(r"\$?[A-Za-z][\w-]*", re.ASCII)
_LITERALS: dict[str, FilterValue] = {"true": True, "false": False, "null": None}
_OPERATORS = {operator.value: operator for operator in FilterOperator}
RESERVED_WORDS = frozenset({"and", "or", "not"})


def parse_attribute_path(name: str) -> AttributePath | None:
    """The attribute path written as `name`, or None when it is not one. Source: RFC 7644 §3.10."""
    head, colon, tail = name.rpartition(":")
    schema = head if colon else None
    if schema is not None and not schema.lower().startswith("urn:"):
        return None
    attribute, dot, sub_attribute = tail.partition(".")
    if not _ATTRIBUTE_NAME.fullmatch(attribute) or (dot and not _ATTRIBUTE_NAME.fullmatch(sub_attribute)):
        return None
    return AttributePath(schema=schema, attribute=attribute, sub_attribute=sub_attribute if dot else None)


def parse_filter(text: str, *, limits: Limits = DEFAULT_LIMITS) -> Filter:
    """The syntax tree of a filter; `and` binds tighter than `or`, operators are taken in any letter case.

    Raises: InvalidFilter, naming the place, or the limit that is exceeded.
    Source: RFC 7644 §3.4.2.2, figure 1.
    """
    if len(text) > limits.filter_characters:
        raise InvalidFilter(
            f"The filter has {len(text)} characters; the limit (filter length) is {limits.filter_characters}."
        )
    return _parse(text, limits)


@lru_cache(maxsize=512)
def _parse(text: str, limits: Limits) -> Filter:
    return _Parser(text, limits).parse()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """A recursive descent over the tokens; nesting is bounded, so recursion is too."""

    def __init__(self, text: str, limits: Limits) -> None:
        self._limits = limits
        self._tokens = self._split(text)
        self._next = 0
        self._depth = 0
        self._terms = 0

    @staticmethod
    def _split(text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at, end = 0, len(text.rstrip(" \t"))
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise InvalidFilter(f"The filter cannot be read at character {at + 1}: {text[at : at + 20]!r}.")
            kind = match.lastgroup
            tokens.append(_Token(kind, match.group(kind), match.start(kind) + 1))
            at = match.end()
        tokens.append(_Token("end", "", end + 1))
        return tokens

    def parse(self) -> Filter:
        if self._tokens[0].kind == "end":
            raise InvalidFilter("The filter is empty. Leave the parameter out or write a comparison.")
        tree = self._or(inside=False)
        if self._peek().kind != "end":
            raise self._unexpected("the end of the filter, 'and' or 'or'")
        return tree

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _unexpected(self, wanted: str) -> InvalidFilter:
        token = self._peek()
        found = f"{token.text!r}" if token.kind != "end" else "the end"
        return InvalidFilter(f"The filter has {found} at character {token.at} where {wanted} should be.")

    def _is_word(self, word: str) -> bool:
        token = self._peek()
        return token.kind == "word" and token.text.lower() == word

    def _is_mark(self, mark: str) -> bool:
        return self._peek().text == mark and self._peek().kind == "mark"

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > self._limits.filter_nesting:
            raise InvalidFilter(
                f"The filter is nested deeper than the limit (filter nesting) of {self._limits.filter_nesting}."
            )

    def _or(self, *, inside: bool) -> Filter:
        parts = [self._and(inside=inside)]
        while self._is_word("or"):
            self._take()
            parts.append(self._and(inside=inside))
        return parts[0] if len(parts) == 1 else Or(filters=tuple(parts))

    def _and(self, *, inside: bool) -> Filter:
        parts = [self._term(inside=inside)]
        while self._is_word("and"):
            self._take()
            parts.append(self._term(inside=inside))
        return parts[0] if len(parts) == 1 else And(filters=tuple(parts))

    def _term(self, *, inside: bool) -> Filter:
        if self._is_mark("("):
            return self._group(inside=inside)
        if self._is_word("not"):
            self._take()
            if not self._is_mark("("):
                raise self._unexpected("'(' after 'not'")
            return Not(filter=self._group(inside=inside))
        return self._expression(inside=inside)

    def _group(self, *, inside: bool) -> Filter:
        self._take()
        self._enter()
        tree = self._or(inside=inside)
        if not self._is_mark(")"):
            raise self._unexpected("')'")
        self._take()
        self._depth -= 1
        return tree

    def _expression(self, *, inside: bool) -> Filter:
        token = self._peek()
        path = parse_attribute_path(token.text) if token.kind == "word" else None
        if path is None or token.text.lower() in RESERVED_WORDS:
            raise self._unexpected("the name of an attribute")
        self._terms += 1
        if self._terms > self._limits.filter_terms:
            raise InvalidFilter(
                f"The filter has more terms than the limit (filter terms) of {self._limits.filter_terms}."
            )
        self._take()
        if self._is_mark("["):
            if inside:
                raise self._unexpected("an operator; a value path cannot hold another one")
            return self._value_path(path)
        return self._comparison(path)

    def _value_path(self, path: AttributePath) -> Filter:
        self._take()
        self._enter()
        inner = self._or(inside=True)
        self._depth -= 1
        if self._is_mark("]"):
            self._take()
            return ValuePath(attribute=path, filter=inner)
        if self._peek().kind != "dotted":
            raise self._unexpected("']'")
        # Lenient: Entra compares a sub-attribute of the elements found, `emails[type eq "work"].value eq "x"`.
        compared = self._comparison(AttributePath(attribute=self._take().text[2:]))
        parts = inner.filters if isinstance(inner, And) else (inner,)
        return ValuePath(attribute=path, filter=And(filters=(*parts, compared)))

    def _comparison(self, path: AttributePath) -> Filter:
        if self._is_word("pr"):
            self._take()
            return Presence(attribute=path)
        token = self._peek()
        operator = _OPERATORS.get(token.text.lower()) if token.kind == "word" else None
        if operator is None:
            raise self._unexpected("an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)")
        self._take()
        return Comparison(attribute=path, operator=operator, value=self._value())

    def _value(self) -> FilterValue:
        token = self._peek()
        if token.kind in ("text", "number"):
            try:
                value: FilterValue = orjson.loads(token.text)
            except orjson.JSONDecodeError:
                raise self._unexpected("a valid JSON value") from None
        elif token.kind == "word" and token.text.lower() in _LITERALS:
            value = _LITERALS[token.text.lower()]
        else:
            raise self._unexpected("a value: a text in double quotes, a number, true, false or null")
        self._take()
        return value


def render_attribute_path(path: AttributePath) -> str:
    """The path as it is written in a filter."""
    prefix = "" if path.schema is None else f"{path.schema}:"
    suffix = "" if path.sub_attribute is None else f".{path.sub_attribute}"
    return f"{prefix}{path.attribute}{suffix}"


def render_filter(tree: Filter) -> str:
    """The filter as text; parsing it gives the same tree."""
    match tree:
        case Comparison():
            value = orjson.dumps(tree.value).decode()
            return f"{render_attribute_path(tree.attribute)} {tree.operator.value} {value}"
        case Presence():
            return f"{render_attribute_path(tree.attribute)} pr"
        case ValuePath():
            return f"{render_attribute_path(tree.attribute)}[{render_filter(tree.filter)}]"
        case Not():
            return f"not ({render_filter(tree.filter)})"
        case And():
            return " and ".join(
                f"({render_filter(part)})" if isinstance(part, And | Or) else render_filter(part)
                for part in tree.filters
            )
        case Or():
            return " or ".join(
                f"({render_filter(part)})" if isinstance(part, Or) else render_filter(part) for part in tree.filters
            )
        case _:  # pragma: no cover - every kind of node is above
            assert_never(tree)
