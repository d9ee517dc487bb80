"""Compiles a tree to a Python function through Python's own syntax tree: no source text is made, no builtin reachable.

An expression that hides or drops values inside itself (Redact, a flow keyword below a function) is left to the
interpreter, so that there is one implementation of redaction.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from muster.expression.evaluate import Environment, Value, evaluate, is_free
from muster.expression.generated import all_taken
from muster.expression.inline import (
    INLINED,
    MAX_JOINED,
    Operand,
    assignment,
    constant,
    finished_function,
    has_class,
    inline_comparison,
    inline_join,
    is_text,
    load,
    read_attribute,
)
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
)
from muster.expression.signatures import ABSENT
from muster.expression.table import FUNCTIONS, WORDS
from muster.expression.text import concatenate
from muster.expression.values import FlowMarker, is_true

Compiled: TypeAlias = Callable[[Mapping[str, Value], Environment], Value]
CompiledRow: TypeAlias = Callable[[Mapping[str, Value], Environment], tuple[Value, ...]]

_CHOOSING: Final = frozenset(("IIF", "Switch", "Coalesce"))


def compile_expression(node: Node) -> Compiled:
    """A function that answers what `evaluate` answers for the tree.

    Attributes are plain values: null or absent, texts, numbers, booleans, dates, tuples and mappings.
    """
    if not _is_plain(node):
        return lambda attributes, environment: evaluate(node, attributes, environment)
    writer = _Writer()
    result = writer.emit(node)
    compiled: Compiled = writer.finish(result.expression)
    return compiled


def compile_row(nodes: Sequence[Node]) -> CompiledRow:
    """One function for several expressions, which answers all their values; the first error ends it."""
    writer = _Writer()
    results: list[ast.expr] = []
    for node in nodes:
        if _is_plain(node):
            results.append(writer.emit(node).expression)
        else:
            results.append(writer.emit_interpreted(node).expression)
    compiled: CompiledRow = writer.finish(ast.Tuple(elts=results, ctx=ast.Load()))
    return compiled


def _is_plain(node: Node, *, at_end: bool = True) -> bool:
    """Whether nothing is redacted, and markers only come out at the end of a choice."""
    match node:
        case Word():
            return at_end or not isinstance(WORDS[node.name], FlowMarker)
        case Call(function="Redact" | "SelectUniqueValue"):
            return node.function != "Redact" and all(_is_plain(child, at_end=False) for child in node.arguments)
        case Call(function="IgnoreFlowIfNullOrEmpty") if not at_end:
            return False
        case Call() if node.function in _CHOOSING:
            return all(
                _is_plain(argument, at_end=at_end and _is_answer(node.function, index))
                for index, argument in enumerate(node.arguments)
            )
        case _:
            return all(_is_plain(child, at_end=False) for child in children_of(node))


def _is_answer(function: str, index: int) -> bool:
    """Whether the argument at that place may be the call's answer."""
    match function:
        case "IIF":
            return index > 0
        case "Switch":
            return index % 2 == 1
        case _:
            return True


class _Writer:
    """Writes the statements of one function; every value ends in a local variable or is a constant."""

    def __init__(self) -> None:
        self._globals: dict[str, object] = {
            "len": len,
            "str": str,
            "bool": bool,
            "ABSENT": ABSENT,
            "COMPARE": compare,
            "CONCATENATE": concatenate,
            "IS_FREE": is_free,
            "IS_TRUE": is_true,
            "KEY": switch_key,
            "ALL_TAKEN": all_taken,
            "EVALUATE": evaluate,
        }
        self._attributes: dict[str, str] = {}
        self._body: list[ast.stmt] = []
        self._count = 0

    def finish(self, result: ast.expr) -> Any:
        """The finished function that returns the result."""
        reads = [read_attribute(name, variable) for name, variable in self._attributes.items()]
        body = [*reads, *self._body, ast.Return(value=result)]
        return finished_function(("attributes", "environment"), body, self._globals)

    # ------------------------------------------------------------ pieces

    def _fresh(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _keep(self, value: object) -> ast.expr:
        """A global that holds the value."""
        self._count += 1
        name = f"K{self._count}"
        self._globals[name] = value
        return load(name)

    def _called(self, function: ast.expr, *arguments: ast.expr) -> ast.expr:
        return ast.Call(func=function, args=list(arguments), keywords=[])

    def _put(self, value: ast.expr, variable: str | None = None) -> Operand:
        """Assigns the value to a variable, a fresh one unless named."""
        name = variable or self._fresh()
        self._body.append(assignment(name, value))
        return Operand(expression=load(name))

    def _block(self, node: Node, variable: str) -> list[ast.stmt]:
        """The statements that compute the node into the variable."""
        outer, self._body = self._body, []
        self._put(self.emit(node).expression, variable)
        inner, self._body = self._body, outer
        return inner

    def _when(self, test: ast.expr, body: list[ast.stmt], otherwise: list[ast.stmt] | None = None) -> None:
        self._body.append(ast.If(test=test, body=body, orelse=otherwise or []))

    # ------------------------------------------------------------ nodes

    def emit(self, node: Node) -> Operand:
        """Writes what computes the node; its value stands in the operand."""
        match node:
            case Attribute():
                variable = self._attributes.setdefault(node.name, f"a{len(self._attributes)}")
                return Operand(expression=load(variable))
            case Text() | Number():
                return Operand(expression=constant(node.value), value=node.value, is_constant=True)
            case Word():
                value = WORDS[node.name]
                expression = self._keep(value) if isinstance(value, FlowMarker) else constant(value)
                return Operand(expression=expression, value=value, is_constant=True)
            case Empty():
                return Operand(expression=constant(None), value=None, is_constant=True)
            case Comparison():
                return self._emit_comparison(node)
            case Combination():
                return self._emit_combination(node)
            case Concatenation():
                return self._emit_concatenation(node)
            case Call():
                return self._emit_call(node)
            case _:  # pragma: no cover - every kind of node is above
                assert_never(node)

    def emit_interpreted(self, node: Node) -> Operand:
        """Writes a call of the interpreter."""
        return self._put(self._called(load("EVALUATE"), self._keep(node), load("attributes"), load("environment")))

    def _emit_comparison(self, node: Comparison) -> Operand:
        left, right = self.emit(node.left), self.emit(node.right)
        slow = self._called(load("COMPARE"), self._keep(node.operator), left.expression, right.expression)
        return self._put(inline_comparison(node.operator, left, right, slow) or slow)

    def _emit_combination(self, node: Combination) -> Operand:
        variable = self._fresh()
        goes_on = load(variable)
        test = goes_on if node.conjunction is Conjunction.AND else ast.UnaryOp(op=ast.Not(), operand=goes_on)
        for index, term in enumerate(node.terms):
            outer, self._body = self._body, []
            self._put(self._truth(self.emit(term), term), variable)
            inner, self._body = self._body, outer
            if index == 0:
                self._body += inner
            else:
                self._when(test, inner)
        return Operand(expression=load(variable))

    def _truth(self, operand: Operand, node: Node) -> ast.expr:
        if isinstance(node, (Comparison, Combination)):
            return operand.expression
        return self._called(load("IS_TRUE"), operand.expression)

    def _emit_concatenation(self, node: Concatenation) -> Operand:
        parts = [self.emit(part) for part in node.parts]
        slow = self._called(load("CONCATENATE"), *(part.expression for part in parts))
        fast = inline_join("", parts, slow, skips_empty=False) if len(parts) <= MAX_JOINED else None
        return self._put(fast or slow)

    # ------------------------------------------------------------ calls

    def _emit_call(self, node: Call) -> Operand:
        match node.function:
            case "IIF":
                return self._emit_iif(node)
            case "Switch":
                return self._emit_switch(node)
            case "Coalesce":
                return self._emit_coalesce(node)
            case "SelectUniqueValue":
                return self._emit_select_unique(node)
        function = FUNCTIONS[node.function]
        arguments = [self.emit(argument) for argument in node.arguments]
        given = [
            load("ABSENT") if function.sees_absent and isinstance(argument, Empty) else operand.expression
            for argument, operand in zip(node.arguments, arguments, strict=True)
        ]
        before = [load("environment")] if function.needs_environment else []
        slow = self._called(self._keep(function.implementation), *before, *given)
        if node.function == "Join" and is_text(arguments[0]) and len(arguments) <= MAX_JOINED:
            return self._put(inline_join(str(arguments[0].value), arguments[1:], slow, skips_empty=True) or slow)
        inlined = INLINED.get(node.function)
        return self._put((inlined(arguments, slow) if inlined is not None else None) or slow)

    def _emit_iif(self, node: Call) -> Operand:
        condition, if_true, if_false = node.arguments
        test = self._truth(self.emit(condition), condition)
        variable = self._fresh()
        self._when(test, self._block(if_true, variable), self._block(if_false, variable))
        return Operand(expression=load(variable))

    def _emit_coalesce(self, node: Call) -> Operand:
        variable = self._fresh()
        self._body += self._block(node.arguments[0], variable)
        is_null = ast.Compare(left=load(variable), ops=[ast.Is()], comparators=[constant(None)])
        for argument in node.arguments[1:]:
            self._when(is_null, self._block(argument, variable))
        return Operand(expression=load(variable))

    def _emit_select_unique(self, node: Call) -> Operand:
        variable, free = self._fresh(), self._fresh()
        is_taken = ast.UnaryOp(op=ast.Not(), operand=load(free))
        asked = assignment(free, self._called(load("IS_FREE"), load(variable), load("environment")))
        self._body += [*self._block(node.arguments[0], variable), asked]
        for rule in node.arguments[1:]:
            self._when(is_taken, [*self._block(rule, variable), asked])
        error = self._called(load("ALL_TAKEN"), constant(len(node.arguments)))
        self._when(is_taken, [ast.Raise(exc=error)])
        return Operand(expression=load(variable))

    def _emit_switch(self, node: Call) -> Operand:
        source = self.emit(node.arguments[0])
        keys, values = node.arguments[2::2], node.arguments[3::2]
        wanted = self._put(_switched(source, self._called(load("KEY"), source.expression))).expression
        if all(isinstance(key, (Text, Number, Empty)) for key in keys):
            # setdefault: of equal keys the first one counts.
            places: dict[str, int] = {}
            for place, key in enumerate(keys):
                places.setdefault(switch_key(None if isinstance(key, Empty) else getattr(key, "value", None)), place)
            if all(isinstance(value, (Text, Number, Empty)) for value in (*values, node.arguments[1])):
                return self._emit_table(wanted, places, values, node.arguments[1])
            chosen = self._put(self._lookup(self._keep(places), wanted, constant(-1))).expression
        else:
            chosen = self._emit_places(wanted, keys)
        variable = self._fresh()
        self._body += [assignment(variable, constant(None))]
        for index, value in enumerate(values):
            self._when(_equals(chosen, constant(index)), self._block(value, variable))
        self._when(_equals(chosen, constant(-1)), self._block(node.arguments[1], variable))
        return Operand(expression=load(variable))

    def _emit_table(
        self, wanted: ast.expr, places: Mapping[str, int], values: Sequence[Node], default: Node
    ) -> Operand:
        answers = {key: getattr(values[place], "value", None) for key, place in places.items()}
        return self._put(self._lookup(self._keep(answers), wanted, constant(getattr(default, "value", None))))

    def _lookup(self, table: ast.expr, key: ast.expr, otherwise: ast.expr) -> ast.expr:
        return self._called(ast.Attribute(value=table, attr="get", ctx=ast.Load()), key, otherwise)

    def _emit_places(self, wanted: ast.expr, keys: Sequence[Node]) -> ast.expr:
        """The number of the first key that equals the source, -1 without one; later keys are not computed."""
        variable = self._fresh()
        self._body.append(assignment(variable, constant(-1)))
        for index, key in enumerate(keys):
            outer, self._body = self._body, []
            spelled = self._put(self._called(load("KEY"), self.emit(key).expression)).expression
            self._when(_equals(spelled, wanted), [assignment(variable, constant(index))])
            inner, self._body = self._body, outer
            self._when(_equals(load(variable), constant(-1)), inner)
        return load(variable)


def _equals(left: ast.expr, right: ast.expr) -> ast.expr:
    return ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])


def _switched(source: Operand, slow: ast.expr) -> ast.expr:
    """The source as Switch compares it: a text is its own key."""
    if source.is_constant:
        return slow
    return ast.IfExp(test=has_class(source, "str"), body=source.expression, orelse=slow)
