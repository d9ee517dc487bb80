"""The interpreter: computes an expression for one object, and explains it node by node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from muster.expression.generated import all_taken
from muster.expression.logic import compare, switch_key
from muster.expression.nodes import (
    Attribute,
    Call,
    Combination,
    Comparison,
    Concatenation,
    Conjunction,
    Empty,
    Node,
    Number,
    Text,
    Word,
    children_of,
    hidden_attributes,
)
from muster.expression.render import render_expression
from muster.expression.signatures import ABSENT, Absent, Function
from muster.expression.table import FUNCTIONS, WORDS
from muster.expression.text import concatenate
from muster.expression.values import (
    IGNORE_ATTRIBUTE_FLOW,
    IGNORE_OBJECT_FLOW,
    REDACTED_TEXT,
    Environment,
    EvaluationError,
    FlowMarker,
    Redacted,
    Value,
    is_redacted,
    is_true,
    redact,
    reveal,
    shown,
    text,
)

__all__ = [
    "IGNORE_ATTRIBUTE_FLOW",
    "IGNORE_OBJECT_FLOW",
    "Environment",
    "EvaluationError",
    "Explained",
    "FlowMarker",
    "Redacted",
    "Value",
    "evaluate",
    "explain",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A node with what it came to: its value as logs may show it, or the error, or neither where it was not needed."""

    expression: str
    evaluated: bool
    value: str | None
    error: str | None
    children: tuple["Explained", ...]

    def to_document(self) -> dict[str, Any]:
        """The tree as plain data."""
        return {
            "expression": self.expression,
            "evaluated": self.evaluated,
            "value": self.value,
            "error": self.error,
            "children": [child.to_document() for child in self.children],
        }


def evaluate(node: Node, attributes: Mapping[str, Value], environment: Environment) -> Value:
    """The value of the expression for an object with these attributes; an attribute that is not there is null.

    Raises:
        EvaluationError: names the function, the argument and its value.
    """
    return _Interpreter(attributes, environment, hidden_attributes(node)).value_of(node)


def explain(node: Node, attributes: Mapping[str, Value], environment: Environment) -> Explained:
    """The expression's tree with the value of every node that was needed; what is redacted stays so."""
    interpreter = _Interpreter(attributes, environment, hidden_attributes(node), keeps=True)
    try:
        interpreter.value_of(node)
    except EvaluationError as failure:
        interpreter.failure = failure
    return interpreter.explained(node)


class _Interpreter:
    """Walks a tree; with `keeps` it remembers what every node came to."""

    def __init__(
        self, attributes: Mapping[str, Value], environment: Environment, hidden: frozenset[str], *, keeps: bool = False
    ) -> None:
        self._attributes = attributes
        self._environment = environment
        self._hidden = hidden
        self._keeps = keeps
        self._seen: dict[int, Value] = {}
        self._failed: set[int] = set()
        self.failure: EvaluationError | None = None

    def value_of(self, node: Node) -> Value:
        if not self._keeps:
            return self._compute(node)
        try:
            value = self._seen[id(node)] = self._compute(node)
        except EvaluationError:
            self._failed.add(id(node))
            raise
        return value

    def explained(self, node: Node, *, below_redact: bool = False) -> Explained:
        below = below_redact or (isinstance(node, Call) and node.function == "Redact")
        children = tuple(
            self.explained(child, below_redact=below) for child in children_of(node) if not isinstance(child, Empty)
        )
        evaluated = id(node) in self._seen
        value = (REDACTED_TEXT if below_redact else shown(self._seen[id(node)])) if evaluated else None
        error = self.failure.sentence if self.failure is not None and id(node) in self._failed else None
        return Explained(
            expression=render_expression(node), evaluated=evaluated, value=value, error=error, children=children
        )

    def _compute(self, node: Node) -> Value:
        match node:
            case Attribute():
                value = self._attributes.get(node.name)
                return redact(value) if node.name in self._hidden else value
            case Text() | Number():
                return node.value
            case Word():
                return WORDS[node.name]
            case Empty():
                return None
            case Call():
                return self._call(node)
            case Comparison():
                return self._compare(node)
            case Combination():
                found = (is_true(self.value_of(term)) for term in node.terms)
                return all(found) if node.conjunction is Conjunction.AND else any(found)
            case Concatenation():
                return _apply(_CONCATENATE, [self.value_of(part) for part in node.parts], self._environment)
            case _:  # pragma: no cover - every kind of node is above
                assert_never(node)

    def _compare(self, node: Comparison) -> bool:
        left, right = self.value_of(node.left), self.value_of(node.right)
        if isinstance(left, FlowMarker) or isinstance(right, FlowMarker):
            return False
        if not (is_redacted(left) or is_redacted(right)):
            return compare(node.operator, left, right)
        try:
            return compare(node.operator, reveal(left), reveal(right))
        except EvaluationError as failure:
            raise failure.redacted() from None

    def _call(self, node: Call) -> Value:
        match node.function:
            case "IIF":
                condition, if_true, if_false = node.arguments
                return self.value_of(if_true if is_true(self.value_of(condition)) else if_false)
            case "Switch":
                return self._switch(node.arguments)
            case "Coalesce":
                return self._coalesce(node.arguments)
            case "SelectUniqueValue":
                return self._select_unique(node.arguments)
            case "Redact":
                try:
                    return redact(self.value_of(node.arguments[0]))
                except EvaluationError as failure:
                    raise failure.redacted() from None
        function = FUNCTIONS[node.function]
        arguments = [
            ABSENT if function.sees_absent and isinstance(argument, Empty) else self.value_of(argument)
            for argument in node.arguments
        ]
        return _apply(function, arguments, self._environment)

    def _switch(self, arguments: Sequence[Node]) -> Value:
        source = self.value_of(arguments[0])
        if isinstance(source, FlowMarker):
            return source
        wanted = _key(source)
        for index in range(2, len(arguments), 2):
            key = self.value_of(arguments[index])
            if not isinstance(key, FlowMarker) and _key(key) == wanted:
                return self.value_of(arguments[index + 1])
        return self.value_of(arguments[1])

    def _coalesce(self, arguments: Sequence[Node]) -> Value:
        for argument in arguments:
            value = self.value_of(argument)
            if value is not None:
                return value
        return None

    def _select_unique(self, rules: Sequence[Node]) -> Value:
        for rule in rules:
            candidate = self.value_of(rule)
            if isinstance(candidate, FlowMarker):
                return candidate
            if is_free(candidate, self._environment):
                return candidate
        raise all_taken(len(rules))


def is_free(candidate: Value, environment: Environment) -> bool:
    """Whether the value is a text the target does not use yet."""
    try:
        plain = text(reveal(candidate), "SelectUniqueValue", "uniqueValueRule")
    except EvaluationError as failure:
        raise (failure.redacted() if is_redacted(candidate) else failure) from None
    return bool(plain) and (environment.is_taken is None or not environment.is_taken(plain))


def _key(value: Value) -> str:
    if not is_redacted(value):
        return switch_key(value)
    try:
        return switch_key(reveal(value))
    except EvaluationError as failure:
        raise failure.redacted() from None


def _apply(function: Function, arguments: Sequence[Value | Absent], environment: Environment) -> Value:
    """What the function answers; a dropped flow drops the answer, a redacted argument redacts it."""
    values = [argument for argument in arguments if not isinstance(argument, Absent)]
    for value in values:
        if isinstance(value, FlowMarker):
            return value
    before = (environment,) if function.needs_environment else ()
    implementation = function.implementation
    if not any(is_redacted(value) for value in values):
        return implementation(*before, *arguments)
    plain = [argument if isinstance(argument, Absent) else reveal(argument) for argument in arguments]
    try:
        return redact(implementation(*before, *plain))
    except EvaluationError as failure:
        raise failure.redacted() from None


_CONCATENATE: Final = Function(
    name="&", topic=FUNCTIONS["Append"].topic, about="", parameters=(), examples=(), implementation=concatenate
)
