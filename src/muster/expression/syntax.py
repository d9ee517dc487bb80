"""Reads expressions: text to tokens to a tree; every mistake named with its place and what was expected there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from typing import Final

from muster.expression.nodes import (
    Attribute,
    Call,
    Combination,
    Comparison,
    ComparisonOperator,
    Concatenation,
    Conjunction,
    Empty,
    Node,
    Number,
    Text,
    Word,
    attributes_of,
    children_of,
)
from muster.expression.signatures import Function, Parameter
from muster.expression.table import FUNCTIONS, WORDS
from muster.expression.values import read_number

__all__ = ["MAX_CALLS", "MAX_DEPTH", "MAX_LENGTH", "ExpressionSyntaxError", "Node", "attributes_of", "parse_expression"]

MAX_LENGTH = 10_000
MAX_DEPTH = 100
MAX_CALLS = 500

_TOKENS: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<attribute>\[(?:[^\[\]]|\[[^\[\]]*\])*\])
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<hexadecimal>&[Hh][0-9A-Fa-f]+\b)
    |(?P<number>[+-]?\d+(?:\.\d+)?\b)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator><>|>=|<=|=|<|>)
    |(?P<sign>[(),&])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_OPERANDS: Final = frozenset(("attribute", "text", "hexadecimal", "number", "word"))
_ESCAPES: Final = re.compile(r'\\(["\\])')


class ExpressionSyntaxError(ValueError):
    """A text that is no expression; `position` counts characters from 0, `suggestion` a name perhaps meant."""

    def __init__(self, position: int, expected: str, suggestion: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.position = position
        self.expected = expected
        self.suggestion = suggestion
        self.sentence = sentence


class _Kind(Enum):
    ATTRIBUTE = auto()
    TEXT = auto()
    NUMBER = auto()
    WORD = auto()
    OPERATOR = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: _Kind
    spelled: str
    position: int

    def is_sign(self, sign: str) -> bool:
        return self.kind is _Kind.SIGN and self.spelled == sign

    def is_word(self, word: str) -> bool:
        return self.kind is _Kind.WORD and self.spelled.upper() == word

    def named(self) -> str:
        return "the end" if self.kind is _Kind.END else self.spelled if len(self.spelled) <= 40 else "a long text"


def parse_expression(text: str) -> Node:
    """The tree of an expression.

    Raises:
        ExpressionSyntaxError: names the position, what was expected there and the nearest name.
    """
    if len(text) > MAX_LENGTH:
        raise _mistake(MAX_LENGTH, f"at most {MAX_LENGTH:,} characters", f"the expression has {len(text):,}")
    parser = _Parser(list(_tokenize(text)))
    try:
        node = parser.parse_value(in_condition=False)
    except RecursionError:
        # Conditions in conditions take more of Python's stack a level than anything else.
        found = "they are nested too deeply to be read"
        raise _mistake(0, f"conditions within conditions of far fewer than {MAX_DEPTH} levels", found) from None
    parser.expect_end()
    for part in children_of(node) if isinstance(node, Concatenation) else ():
        if isinstance(part, Call) and FUNCTIONS[part.function].top_level_only:
            raise _nested(part.function, part.position)
    return node


def _nested(name: str, position: int) -> ExpressionSyntaxError:
    found = f"{name} stands inside another one; it may only be the outermost function"
    return _mistake(position, "another function", found)


def _mistake(position: int, expected: str, found: str, suggestion: str | None = None) -> ExpressionSyntaxError:
    meant = f" Did you mean {suggestion}?" if suggestion else ""
    sentence = f"At character {position + 1}: expected {expected}, but {found}.{meant}"
    return ExpressionSyntaxError(position, expected, suggestion, sentence)


def _tokenize(text: str) -> Iterator[_Token]:
    position = 0
    after_operand = False
    while position < len(text):
        found = _TOKENS.match(text, position)
        if found is None:
            raise _unreadable(text, position)
        kind, spelled = str(found.lastgroup), found.group()
        if kind == "hexadecimal" and after_operand:
            # After a value `&` joins texts: "t-" &Half is no number.
            kind, spelled = "sign", "&"
        if kind == "number" and after_operand and spelled[0] in "+-":
            raise _mistake(position, "a comma, & or )", f"found {spelled}; the language has no arithmetic")
        if kind != "space":
            yield _Token(
                kind=_Kind.NUMBER if kind == "hexadecimal" else _Kind[kind.upper()], spelled=spelled, position=position
            )
            joins = spelled.upper() in (Conjunction.AND, Conjunction.OR)
            after_operand = (kind in _OPERANDS and not joins) or spelled == ")"
        position += len(spelled)
    yield _Token(kind=_Kind.END, spelled="", position=len(text))


def _unreadable(text: str, position: int) -> ExpressionSyntaxError:
    match text[position]:
        case '"':
            return _mistake(position, 'a closing " of the text that begins here', "the expression ends")
        case "[":
            return _mistake(position, "a closing ] of the attribute that begins here", "there is none")
        case "'" | "“" | "”" | "‘" | "’":
            return _mistake(position, 'a text in straight double quotes (")', f"found {text[position]}")
        case other:
            return _mistake(position, "a function, an attribute, a text or a number", f"found {other!r}")


def _nearest(name: str, known: list[str]) -> str | None:
    for candidate in known:
        if candidate.lower() == name.lower():
            return candidate
    close = get_close_matches(name.lower(), [candidate.lower() for candidate in known], n=1, cutoff=0.6)
    return next((candidate for candidate in known if close and candidate.lower() == close[0]), None)


class _Parser:
    """Recursive descent over the tokens; one token is looked at ahead."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._calls = 0

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def expect_end(self) -> None:
        token = self._peek()
        if token.kind is _Kind.END:
            return
        if token.kind is _Kind.OPERATOR:
            raise self._misplaced(token, "a comparison")
        if token.is_word("AND") or token.is_word("OR"):
            raise self._misplaced(token, token.spelled.upper())
        raise _mistake(token.position, "the end of the expression", f"found {token.named()}")

    def _misplaced(self, token: _Token, what: str) -> ExpressionSyntaxError:
        sentence = f"{what} stands only in the condition of IIF or in CBool"
        return _mistake(token.position, "a comma, & or )", f"found {token.named()}; {sentence}")

    def parse_value(self, *, in_condition: bool) -> Node:
        if in_condition:
            return self._parse_combination(Conjunction.OR)
        return self._parse_concatenation(in_condition=False)

    def _parse_combination(self, conjunction: Conjunction) -> Node:
        terms = [self._parse_term(conjunction)]
        position = terms[0].position
        while self._peek().is_word(conjunction):
            self._take()
            terms.append(self._parse_term(conjunction))
        if len(terms) == 1:
            return terms[0]
        return Combination(conjunction=conjunction, terms=tuple(terms), position=position)

    def _parse_term(self, conjunction: Conjunction) -> Node:
        if conjunction is Conjunction.OR:
            return self._parse_combination(Conjunction.AND)
        return self._parse_comparison()

    def _parse_comparison(self) -> Node:
        left = self._parse_concatenation(in_condition=True)
        if self._peek().kind is not _Kind.OPERATOR:
            return left
        operator = self._take()
        right = self._parse_concatenation(in_condition=True)
        if self._peek().kind is _Kind.OPERATOR:
            raise _mistake(self._peek().position, "AND, OR, a comma or )", f"found {self._peek().named()}")
        return Comparison(operator=ComparisonOperator(operator.spelled), left=left, right=right, position=left.position)

    def _parse_concatenation(self, *, in_condition: bool) -> Node:
        parts = [self._parse_operand(in_condition=in_condition)]
        while self._peek().is_sign("&"):
            self._take()
            parts.append(self._parse_operand(in_condition=in_condition))
        if len(parts) == 1:
            return parts[0]
        return Concatenation(parts=tuple(parts), position=parts[0].position)

    def _parse_operand(self, *, in_condition: bool) -> Node:
        token = self._take()
        match token.kind:
            case _Kind.ATTRIBUTE:
                name = token.spelled[1:-1].strip()
                if not name:
                    raise _mistake(token.position, "the name of an attribute", "the brackets are empty")
                return Attribute(name=name, position=token.position)
            case _Kind.TEXT:
                return Text(value=_ESCAPES.sub(r"\1", token.spelled[1:-1]), position=token.position)
            case _Kind.NUMBER:
                value = read_number(token.spelled)
                if value is None:
                    raise _mistake(token.position, "a number of at most 60 digits", "this one is longer")
                return Number(value=value, position=token.position)
            case _Kind.WORD if self._peek().is_sign("("):
                return self._parse_call(token)
            case _Kind.WORD:
                return self._read_word(token)
            case _Kind.SIGN if token.spelled == "(":
                self._descend(token)
                inside = self.parse_value(in_condition=in_condition)
                self._close(token)
                return inside
            case _:
                raise _mistake(token.position, "a function, an attribute, a text or a number", f"found {token.named()}")

    def _read_word(self, token: _Token) -> Word:
        if token.spelled in WORDS:
            return Word(name=token.spelled, position=token.position)
        if token.spelled in FUNCTIONS:
            raise _mistake(self._peek().position, f"( after {token.spelled}", f"found {self._peek().named()}")
        suggestion = _nearest(token.spelled, [*FUNCTIONS, *WORDS])
        found = f"{token.spelled} is none (texts stand in double quotes, attributes in brackets)"
        raise _mistake(token.position, "a function or a known word", found, suggestion)

    def _descend(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _mistake(token.position, f"at most {MAX_DEPTH} levels of nesting", "this is one more")

    def _close(self, opened: _Token) -> None:
        token = self._peek()
        if token.kind is _Kind.OPERATOR:
            raise self._misplaced(token, "a comparison")
        if token.is_word("AND") or token.is_word("OR"):
            raise self._misplaced(token, token.spelled.upper())
        if not token.is_sign(")"):
            place = f"{opened.spelled} at character {opened.position + 1}"
            raise _mistake(token.position, f"a comma or ) to close {place}", f"found {token.named()}")
        self._take()
        self._depth -= 1

    def _parse_call(self, name: _Token) -> Call:
        function = FUNCTIONS.get(name.spelled)
        if function is None:
            found = f"{name.spelled} is no function of the language (names are case-sensitive)"
            raise _mistake(name.position, "a function", found, _nearest(name.spelled, list(FUNCTIONS)))
        if function.top_level_only and self._depth > 0:
            raise _nested(function.name, name.position)
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise _mistake(name.position, f"at most {MAX_CALLS} functions in one expression", "this is one more")
        self._take()
        self._descend(name)
        arguments = self._parse_arguments(function)
        self._close(name)
        return Call(function=function.name, arguments=_checked(function, arguments, name), position=name.position)

    def _parse_arguments(self, function: Function) -> list[Node]:
        if self._peek().is_sign(")"):
            return []
        arguments: list[Node] = []
        while True:
            token = self._peek()
            if token.is_sign(",") or token.is_sign(")"):
                arguments.append(Empty(position=token.position))
            else:
                condition = bool(function.parameters) and function.parameter_at(len(arguments)).condition
                arguments.append(self.parse_value(in_condition=condition))
            if not self._peek().is_sign(","):
                return arguments
            self._take()


def _checked(function: Function, arguments: list[Node], name: _Token) -> tuple[Node, ...]:
    """The arguments without surplus empty ones at the end, when their number and kinds fit the function."""
    most = function.most_arguments
    while arguments and isinstance(arguments[-1], Empty) and _is_surplus(function, len(arguments), most):
        arguments.pop()
    count = len(arguments)
    if most is not None and count > most:
        raise _mistake(arguments[most].position, f"{_counted(most)} of {function.name}", f"there are {count}")
    if count < function.least_arguments:
        expected = f"at least {_counted(function.least_arguments)} of {function.name} ({_listed(function)})"
        raise _mistake(name.position, expected, f"there {'is' if count == 1 else 'are'} {count}")
    if function.in_pairs and count % 2:
        expected = f"an even number of arguments of {function.name} (each key with its value)"
        raise _mistake(name.position, expected, f"there are {count}")
    for index, argument in enumerate(arguments):
        parameter = function.parameter_at(index)
        if isinstance(argument, Empty) and parameter.required and not parameter.multiple:
            raise _mistake(argument.position, f"{parameter.name} of {function.name}", "the argument is empty")
        _check_word(function, parameter, argument)
    return tuple(arguments)


def _is_surplus(function: Function, count: int, most: int | None) -> bool:
    if most is not None:
        return count > most
    return count > function.least_arguments and (not function.in_pairs or count % 2 == 1)


def _check_word(function: Function, parameter: Parameter, argument: Node) -> None:
    if not parameter.words:
        return
    given = argument.name if isinstance(argument, Word) else argument.value if isinstance(argument, Text) else None
    if given is not None and given not in parameter.words:
        expected = f"{' or '.join(parameter.words)} as {parameter.name} of {function.name}"
        suggestion = _nearest(given, list(parameter.words))
        raise _mistake(argument.position, expected, f"found {given[:40]}", suggestion)


def _counted(count: int) -> str:
    return "1 argument" if count == 1 else f"{count} arguments"


def _listed(function: Function) -> str:
    return ", ".join(parameter.name for parameter in function.parameters)
