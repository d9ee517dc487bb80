"""The function Replace with its five ways of working."""

from collections.abc import Iterator
from typing import Any, Final

from muster.expression.nodes import Call, Node, Text, children_of
from muster.expression.patterns import Pattern, PatternError, compile_pattern, expand_template
from muster.expression.signatures import ABSENT, Example, Function, Parameter, Topic
from muster.expression.text import over_each
from muster.expression.values import MAX_TEXT, EvaluationError, Value, refuse, text, too_long

MAX_MATCHES = 2_000


def find_pattern_fault(node: Node) -> str | None:
    """What is wrong with the first pattern that is written out and can never be run, and where; None: nothing is.

    A pattern that is put together from attributes is known only when it is run.
    """
    written = node.arguments[_PATTERN : _PATTERN + 2] if isinstance(node, Call) and node.function == "Replace" else ()
    for position, argument in enumerate(written):
        pattern = written[0]
        if not isinstance(pattern, Text) or not isinstance(argument, Text):
            break
        try:
            compiled = _compiled(pattern.value)
            if position:
                _group_number(compiled, argument.value)
        except EvaluationError as failure:
            return f"At character {argument.position + 1}: {failure}"
    return next(filter(None, map(find_pattern_fault, children_of(node))), None)


# Where Replace takes its pattern; the group's name follows.
_PATTERN: Final = 2


def _given(value: Any) -> bool:
    return value is not ABSENT


@over_each
def replace(
    source: Any,
    old: Any = ABSENT,
    pattern: Any = ABSENT,
    group: Any = ABSENT,
    replacement: Any = ABSENT,
    other: Any = ABSENT,
    template: Any = ABSENT,
) -> Value:
    """The source changed in the way the given arguments ask for; null stays null but where another attribute stands in.

    Raises:
        EvaluationError: the arguments name no way of replacing, or the pattern cannot be run.
    """
    if _given(pattern):
        compiled = _compiled(pattern)
        if _given(group) and _given(other):
            return _extract_when_empty(source, compiled, group, other)
        value = replacement if _given(replacement) else other
        if not _given(value):
            raise _no_way("regexPattern also needs replacementValue, or regexGroupName and replacementAttributeName")
        if source is None:
            return None
        if _given(group):
            return _replace_group(text(source, "Replace", "source"), compiled, group, _text_of(value))
        return _replace_matches(text(source, "Replace", "source"), compiled, _text_of(value))
    if not _given(old):
        raise _no_way("either oldValue or regexPattern is needed")
    searched = text(old, "Replace", "oldValue")
    if not searched:
        raise refuse("Replace", "oldValue", searched, "must not be empty")
    if source is None:
        return None
    whole = text(source, "Replace", "source")
    if _given(template):
        return _replace_text(text(template, "Replace", "template"), searched, whole)
    value = replacement if _given(replacement) else other
    if not _given(value):
        raise _no_way("oldValue also needs replacementValue or template")
    return _replace_text(whole, searched, _text_of(value))


def _text_of(value: Any) -> str:
    return text(value, "Replace", "replacementValue")


def _no_way(reason: str) -> EvaluationError:
    return EvaluationError(function="Replace", argument=None, value=None, sentence=f"Replace: {reason}.")


def _compiled(pattern: Any) -> Pattern:
    try:
        return compile_pattern(text(pattern, "Replace", "regexPattern"))
    except PatternError as failure:
        raise EvaluationError(
            function="Replace", argument="regexPattern", value=str(pattern), sentence=f"Replace: {failure}."
        ) from None


def _replace_text(whole: str, old: str, new: str) -> str:
    length = len(whole) + whole.count(old) * (len(new) - len(old))
    if length > MAX_TEXT:
        raise too_long("Replace", length)
    return whole.replace(old, new)


def _replace_matches(source: str, pattern: Pattern, replacement: str) -> str:
    built = _Built()
    end = 0
    for match in _matches(source, pattern):
        start, stop = match.span()
        built.add(source[end:start])
        for piece in expand_template(replacement, pattern, match, source):
            built.add(piece)
        end = stop
    return built.finished(source[end:])


def _matches(source: str, pattern: Pattern) -> Iterator[Any]:
    for count, match in enumerate(pattern.find_all(source)):
        if count == MAX_MATCHES:
            raise refuse("Replace", "regexPattern", pattern.source, f"must not match more than {MAX_MATCHES:,} times")
        yield match


class _Built:
    """A text that grows piece by piece, within the limit of output."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def add(self, piece: str) -> None:
        self._length += len(piece)
        if self._length > MAX_TEXT:
            raise too_long("Replace", self._length)
        self._pieces.append(piece)

    def finished(self, rest: str) -> str:
        self.add(rest)
        return "".join(self._pieces)


def _group_number(pattern: Pattern, group: Any) -> int:
    number = pattern.group(text(group, "Replace", "regexGroupName"))
    if number is None:
        known = ", ".join(pattern.names) or "none"
        raise refuse("Replace", "regexGroupName", group, f"must be a group of the pattern (it has {known})")
    return number


def _replace_group(source: str, pattern: Pattern, group: Any, replacement: str) -> str:
    number = _group_number(pattern, group)
    built = _Built()
    end = 0
    for match in _matches(source, pattern):
        start, stop = match.span(number)
        if start >= 0:
            built.add(source[end:start])
            built.add(replacement)
            end = stop
    return built.finished(source[end:])


def _extract_when_empty(source: Any, pattern: Pattern, group: Any, other: Any) -> Value:
    number = _group_number(pattern, group)
    own = text(source, "Replace", "source")
    if own:
        return own
    match = pattern.search(text(other, "Replace", "replacementAttributeName"))
    if match is None:
        return None
    extracted: str | None = match.group(number)
    return extracted


FUNCTIONS: Final = (
    Function(
        name="Replace",
        topic=Topic.TEXT,
        about="Replaces in a text, telling upper from lower case. What it does depends on which arguments are given.",
        parameters=(
            Parameter(name="source", about="The text; of a list every value is treated."),
            Parameter(name="oldValue", about="What is replaced, all its occurrences.", required=False, key="Find"),
            Parameter(
                name="regexPattern",
                about="A .NET pattern for what is replaced, run in linear time by RE2.",
                required=False,
                key="RegularExpression",
            ),
            Parameter(
                name="regexGroupName",
                about="The group of the pattern that is replaced or extracted.",
                required=False,
                key="RegularExpressionGroupName",
            ),
            Parameter(
                name="replacementValue",
                about="What takes its place; with a pattern, `${name}` and `$1` stand for its groups.",
                required=False,
                key="Replacement",
            ),
            Parameter(
                name="replacementAttributeName",
                about="Another attribute that supplies the value.",
                required=False,
                key="ReplacementPropertyName",
            ),
            Parameter(
                name="template",
                about="A text in which oldValue is replaced by the source.",
                required=False,
                key="Template",
            ),
        ),
        examples=(
            Example(
                expression='Replace([mail], "@contoso.com", , , "", , )',
                attributes={"mail": "john.doe@contoso.com"},
                result="john.doe",
            ),
            Example(
                expression='Replace([UserID], "<username>", , , , , "<username>@contoso.com")',
                attributes={"UserID": "jsmith"},
                result="jsmith@contoso.com",
            ),
            Example(
                expression=(
                    'Replace([telephoneNumber], , "\\\\+(?<isdCode>\\\\d* )(?<phoneNumber>\\\\d{10})", , '
                    '"${phoneNumber}", , )'
                ),
                attributes={"telephoneNumber": "+91 9998887777"},
                result="9998887777",
            ),
            Example(
                expression='Replace([userPrincipalName], , "(?<Suffix>@(.)*)", "Suffix", "", , )',
                attributes={"userPrincipalName": "jsmith@contoso.com"},
                result="jsmith",
            ),
            Example(
                expression=(
                    'Replace([telephoneNumber], , "\\\\+(?<isdCode>\\\\d* )(?<phoneNumber>\\\\d{10})", '
                    '"phoneNumber", , [mobile], )'
                ),
                attributes={"telephoneNumber": "", "mobile": "+91 8887779999"},
                result="8887779999",
            ),
            Example(expression='Replace([mail], , "(?=x)", , "", , )', attributes={"mail": "x"}, fails=True),
        ),
        implementation=replace,
        sees_absent=True,
        remarks=(
            "oldValue and replacementValue: plain replacement. oldValue and template: the source is put into the "
            "template. regexPattern and replacementValue: every match. With regexGroupName: only that group's text. "
            "regexPattern, regexGroupName and replacementAttributeName: the source if it has a value, else the group's "
            "text from the other attribute. RE2 has no look-around and no back-references; such a pattern is refused."
        ),
    ),
)
