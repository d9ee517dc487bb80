"""The syntax tree of an expression: frozen nodes that compare by what they say, not by where they stand."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class ComparisonOperator(StrEnum):
    """The comparisons a condition may hold."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


class Conjunction(StrEnum):
    """How the terms of a condition are joined; an extension of ours."""

    AND = "AND"
    OR = "OR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A source attribute, `[name]`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text in double quotes."""

    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A bare number."""

    value: int | float
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A bare word with a fixed meaning, such as `vbTextCompare` or `IgnoreAttributeFlow`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """An argument left out between commas."""

    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Node", ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two values compared, in a condition."""

    operator: ComparisonOperator
    left: "Node"
    right: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Two or more terms of a condition joined by AND or OR."""

    conjunction: Conjunction
    terms: tuple["Node", ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation:
    """Two or more texts joined by `&`."""

    parts: tuple["Node", ...]
    position: int = field(default=0, compare=False)


Node: TypeAlias = Attribute | Text | Number | Word | Empty | Call | Comparison | Combination | Concatenation


def children_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order they are written."""
    match node:
        case Call():
            return node.arguments
        case Comparison():
            return (node.left, node.right)
        case Combination():
            return node.terms
        case Concatenation():
            return node.parts
        case _:
            return ()


def attributes_of(node: Node) -> frozenset[str]:
    """The names of all source attributes the expression reads."""
    if isinstance(node, Attribute):
        return frozenset((node.name,))
    return frozenset().union(*(attributes_of(child) for child in children_of(node)))


def hidden_attributes(node: Node, *, below_redact: bool = False) -> frozenset[str]:
    """The names of the attributes that stand in a Redact: nothing may show their values."""
    if isinstance(node, Attribute):
        return frozenset((node.name,)) if below_redact else frozenset()
    below = below_redact or (isinstance(node, Call) and node.function == "Redact")
    return frozenset().union(*(hidden_attributes(child, below_redact=below) for child in children_of(node)))
