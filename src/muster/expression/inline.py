"""What the compiler writes in place of a call where the values are plain texts; the call stays for all others."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from muster.expression.nodes import ComparisonOperator
from muster.expression.values import MAX_TEXT, plain_text

# More parts than this are joined by the call: the code would be longer than the gain.
MAX_JOINED: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A variable or a constant, as the compiled code names it; `value` is the constant's."""

    expression: ast.expr
    value: Any = None
    is_constant: bool = False


Inlining: TypeAlias = Callable[[Sequence[Operand], ast.expr], ast.expr | None]


def load(name: str) -> ast.expr:
    """The value of a variable."""
    return ast.Name(id=name, ctx=ast.Load())


def constant(value: Any) -> ast.expr:
    """A constant."""
    return ast.Constant(value=value)


def is_text(operand: Operand) -> bool:
    """Whether the operand is a text known now."""
    return operand.is_constant and isinstance(operand.value, str)


def has_class(operand: Operand, name: str) -> ast.expr:
    """The test whether a value is of exactly that class."""
    its_class = ast.Attribute(value=operand.expression, attr="__class__", ctx=ast.Load())
    return ast.Compare(left=its_class, ops=[ast.Is()], comparators=[load(name)])


def assignment(variable: str, value: ast.expr) -> ast.stmt:
    """The statement that puts a value into a variable."""
    return ast.Assign(targets=[ast.Name(id=variable, ctx=ast.Store())], value=value)


def read_attribute(name: str, variable: str) -> ast.stmt:
    """The statement that reads a source attribute into a variable."""
    get = ast.Attribute(value=load("attributes"), attr="get", ctx=ast.Load())
    return assignment(variable, ast.Call(func=get, args=[constant(name)], keywords=[]))


def finished_function(parameters: Sequence[str], body: Sequence[ast.stmt], names: Mapping[str, object]) -> Any:
    """The function of these statements; it sees the names given and nothing else, no builtin."""
    function = ast.FunctionDef(
        name="compiled",
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(arg=parameter) for parameter in parameters],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        ),
        body=list(body),
        decorator_list=[],
    )
    module = ast.fix_missing_locations(ast.Module(body=[function], type_ignores=[]))
    namespace: dict[str, Any] = {"__builtins__": {}, **names}
    # The tree is made of constants and of names chosen in this code: nothing an admin writes becomes code.
    exec(compile(module, "<compiled>", "exec"), namespace)  # noqa: S102  the reason is the line above
    return namespace["compiled"]


def _if(test: ast.expr, fast: ast.expr, slow: ast.expr) -> ast.expr:
    return ast.IfExp(test=test, body=fast, orelse=slow)


def _all(tests: Sequence[ast.expr]) -> ast.expr:
    return tests[0] if len(tests) == 1 else ast.BoolOp(op=ast.And(), values=list(tests))


def _method(operand: Operand, name: str, *arguments: ast.expr) -> ast.expr:
    called = ast.Attribute(value=operand.expression, attr=name, ctx=ast.Load())
    return ast.Call(func=called, args=list(arguments), keywords=[])


def _length(operand: Operand) -> ast.expr:
    return ast.Call(func=load("len"), args=[operand.expression], keywords=[])


def inline_join(separator: str, parts: Sequence[Operand], slow: ast.expr, *, skips_empty: bool) -> ast.expr | None:
    """The parts as one f-string where all that vary are texts (that are not empty, if empty ones are skipped)."""
    pieces: list[ast.expr] = []
    tests: list[ast.expr] = []
    lengths: list[ast.expr] = []
    room = MAX_TEXT
    for part in parts:
        if part.is_constant:
            spelled = plain_text(part.value)
            if skips_empty and not spelled:
                continue
            piece: ast.expr = constant(spelled)
            room -= len(spelled)
        else:
            tests.append(has_class(part, "str"))
            if skips_empty:
                tests.append(part.expression)
            lengths.append(_length(part))
            piece = ast.FormattedValue(value=part.expression, conversion=-1)
        if pieces and separator:
            pieces.append(constant(separator))
            room -= len(separator)
        pieces.append(piece)
    if not tests or room < 0:
        return None
    grown = lengths[0]
    for length in lengths[1:]:
        grown = ast.BinOp(left=grown, op=ast.Add(), right=length)
    tests.append(ast.Compare(left=grown, ops=[ast.LtE()], comparators=[constant(room)]))
    return _if(_all(tests), ast.JoinedStr(values=pieces), slow)


def inline_comparison(operator: ComparisonOperator, left: Operand, right: Operand, slow: ast.expr) -> ast.expr | None:
    """The comparison itself where a text is compared with a known text for being equal or not."""
    if operator not in (ComparisonOperator.EQUAL, ComparisonOperator.NOT_EQUAL):
        return None
    varying, known = (right, left) if left.is_constant else (left, right)
    if varying.is_constant or not is_text(known):
        return None
    same: ast.cmpop = ast.Eq() if operator is ComparisonOperator.EQUAL else ast.NotEq()
    compared = ast.Compare(left=varying.expression, ops=[same], comparators=[known.expression])
    return _if(has_class(varying, "str"), compared, slow)


def _append(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    return inline_join("", arguments, slow, skips_empty=False) if not arguments[0].is_constant else None


def _prepend(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    return inline_join("", arguments, slow, skips_empty=False) if not arguments[1].is_constant else None


def _not(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    (source,) = arguments
    if source.is_constant:
        return None
    return _if(has_class(source, "bool"), ast.UnaryOp(op=ast.Not(), operand=source.expression), slow)


def _is_null(arguments: Sequence[Operand], _slow: ast.expr) -> ast.expr | None:
    if arguments[0].is_constant:
        return None
    return ast.Compare(left=arguments[0].expression, ops=[ast.Is()], comparators=[constant(None)])


def _compared_with_empty(operator: ast.cmpop) -> Inlining:
    def inlined(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
        (value,) = arguments
        if value.is_constant:
            return None
        compared = ast.Compare(left=value.expression, ops=[operator], comparators=[constant("")])
        return _if(has_class(value, "str"), compared, slow)

    return inlined


def _of_ascii(method: str | None) -> Inlining:
    """The method of a text that is all ASCII; without one the text itself."""

    def inlined(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
        source = arguments[0]
        if source.is_constant or len(arguments) > 1:
            return None
        test = _all((has_class(source, "str"), _method(source, "isascii")))
        return _if(test, _method(source, method) if method is not None else source.expression, slow)

    return inlined


def _strip_spaces(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    (source,) = arguments
    if source.is_constant:
        return None
    return _if(has_class(source, "str"), _method(source, "replace", constant(" "), constant("")), slow)


def _cut(source: Operand, first: int, last: int | None, slow: ast.expr) -> ast.expr | None:
    if source.is_constant:
        return None
    bounds = ast.Slice(lower=constant(first), upper=None if last is None else constant(last))
    part = ast.Subscript(value=source.expression, slice=bounds, ctx=ast.Load())
    return _if(has_class(source, "str"), part, slow)


def _is_count(operand: Operand, least: int) -> bool:
    return operand.is_constant and type(operand.value) is int and least <= operand.value < 2**31


def _left(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    source, count = arguments
    return _cut(source, 0, count.value, slow) if _is_count(count, 0) else None


def _mid(arguments: Sequence[Operand], slow: ast.expr) -> ast.expr | None:
    source, start, *length = arguments
    if not _is_count(start, 1) or not all(_is_count(operand, 0) for operand in length):
        return None
    first = start.value - 1
    return _cut(source, first, first + length[0].value if length else None, slow)


INLINED: Final[Mapping[str, Inlining]] = {
    "Append": _append,
    "Prepend": _prepend,
    "Not": _not,
    "IsNull": _is_null,
    "IsNothing": _is_null,
    "IsNullOrEmpty": _compared_with_empty(ast.Eq()),
    "IsPresent": _compared_with_empty(ast.NotEq()),
    "ToLower": _of_ascii("lower"),
    "ToUpper": _of_ascii("upper"),
    "NormalizeDiacritics": _of_ascii(None),
    "StripSpaces": _strip_spaces,
    "Left": _left,
    "Mid": _mid,
}
