"""Reading expressions: what is understood, what is refused and how it is told."""

import pytest

from muster.expression.nodes import (
    Attribute,
    Call,
    Combination,
    Comparison,
    ComparisonOperator,
    Concatenation,
    Conjunction,
    Empty,
    Number,
    Text,
    Word,
)
from muster.expression.syntax import (
    MAX_CALLS,
    MAX_DEPTH,
    MAX_LENGTH,
    ExpressionSyntaxError,
    Node,
    attributes_of,
    parse_expression,
)


def call(name: str, *arguments: Node) -> Call:
    return Call(function=name, arguments=arguments)


A, B = Attribute(name="a"), Attribute(name="b")
X = Text(value="x")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("[a]", A),
        ("[ a ]", A),
        ('[emails[type eq "work"].value]', Attribute(name='emails[type eq "work"].value')),
        ("[urn:ietf:x:1.0:User:site]", Attribute(name="urn:ietf:x:1.0:User:site")),
        ('"x"', X),
        ('"Company \\"C\\" \\\\ \\d \\+"', Text(value='Company "C" \\ \\d \\+')),
        ('""', Text(value="")),
        ("12", Number(value=12)),
        ("-1.5", Number(value=-1.5)),
        ("+3", Number(value=3)),
        ("&HfF", Number(value=255)),
        ("IgnoreAttributeFlow", Word(name="IgnoreAttributeFlow")),
        ("Now()", call("Now")),
        (' Append ( [a] ,\n"x" ) ', call("Append", A, X)),
        ('Append([a], "x",)', call("Append", A, X)),
        ('Switch([a], , "x", [b])', call("Switch", A, Empty(), X, B)),
        ('Switch([a], , "x", [b], )', call("Switch", A, Empty(), X, B)),
        ('Switch([a], , "x", )', call("Switch", A, Empty(), X, Empty())),
        ("Coalesce([a], [b], , )", call("Coalesce", A, B)),
        ('Replace([a], "x", , , "x", ,)', call("Replace", A, X, Empty(), Empty(), X, Empty(), Empty())),
        ('"x" & [a] & 1', Concatenation(parts=(X, A, Number(value=1)))),
        ("[a] &Hf", None),
        (
            "CBool([a] AND -1 OR &HF)",
            call(
                "CBool",
                Combination(
                    conjunction=Conjunction.OR,
                    terms=(
                        Combination(conjunction=Conjunction.AND, terms=(A, Number(value=-1))),
                        Number(value=15),
                    ),
                ),
            ),
        ),
        ("[a] & &HF", Concatenation(parts=(A, Number(value=15)))),
        ('("x" & [a])', Concatenation(parts=(X, A))),
        (
            'CBool([a] <> "x")',
            call("CBool", Comparison(operator=ComparisonOperator.NOT_EQUAL, left=A, right=X)),
        ),
        (
            "IIF([a] AND [b] OR [a], 1, 2)",
            call(
                "IIF",
                Combination(
                    conjunction=Conjunction.OR, terms=(Combination(conjunction=Conjunction.AND, terms=(A, B)), A)
                ),
                Number(value=1),
                Number(value=2),
            ),
        ),
        (
            "IIF([a] AND ([b] or [a]), 1, 2)",
            call(
                "IIF",
                Combination(
                    conjunction=Conjunction.AND, terms=(A, Combination(conjunction=Conjunction.OR, terms=(B, A)))
                ),
                Number(value=1),
                Number(value=2),
            ),
        ),
    ],
)
def test_an_expression_is_read(text: str, node: Node | None) -> None:
    if node is None:
        with pytest.raises(ExpressionSyntaxError):
            parse_expression(text)
    else:
        assert parse_expression(text) == node


@pytest.mark.parametrize(
    ("text", "position", "told", "suggestion"),
    [
        ("", 0, "expected a function, an attribute, a text or a number, but found the end", None),
        ('append([a], "x")', 0, "append is no function of the language (names are case-sensitive)", "Append"),
        ("ToLowr([a])", 0, "Did you mean ToLower?", "ToLower"),
        ("Qqqqqq([a])", 0, "Qqqqqq is no function", None),
        ("Append([a], tolower)", 12, "tolower is none (texts stand in double quotes", "ToLower"),
        ("vbTextCompar", 0, "Did you mean vbTextCompare?", "vbTextCompare"),
        ("Append", 6, "expected ( after Append, but found the end", None),
        ("Append([a])", 0, "at least 2 arguments of Append (source, suffix), but there is 1", None),
        ("Count()", 0, "at least 1 argument of Count (attribute), but there are 0", None),
        ('Append([a], "x", "y")', 17, "expected 2 arguments of Append, but there are 3", None),
        ("Now(1)", 4, "expected 0 arguments of Now", None),
        ("Count([a], 1)", 11, "expected 1 argument of Count, but there are 2", None),
        ('Switch([a], "d", "k")', 0, "at least 4 arguments of Switch", None),
        ('Switch([a], "d", "k", "v", "l")', 0, "an even number of arguments of Switch (each key with its value)", None),
        ('Append(, "x")', 7, "expected source of Append, but the argument is empty", None),
        ("Append([a], )", 12, "expected suffix of Append, but the argument is empty", None),
        ("Append([a] [b])", 11, "a comma or ) to close Append at character 1, but found [b]", None),
        ("Append([a], [b]", 15, "to close Append at character 1, but found the end", None),
        ("Append([a]=[b], [c])", 10, "a comparison stands only in the condition of IIF or in CBool", None),
        ("[a] = [b]", 4, "a comparison stands only in the condition", None),
        ("[a] AND [b]", 4, "AND stands only in the condition", None),
        ("Append([a] or [b], [c])", 11, "OR stands only in the condition", None),
        ("IIF([a] = [b] = [c], 1, 2)", 14, "expected AND, OR, a comma or ), but found =", None),
        ("([a]", 4, "to close ( at character 1", None),
        ("[a] [b]", 4, "the end of the expression, but found [b]", None),
        ("[a] " + '"' + "y" * 50 + '"', 4, "but found a long text", None),
        ("[]", 0, "the brackets are empty", None),
        ("[a", 0, "a closing ] of the attribute that begins here", None),
        ('Append("a, [b])', 7, 'a closing " of the text that begins here', None),
        ("Append('a', [b])", 7, "a text in straight double quotes (\"), but found '", None),
        ("Append(“a”, [b])", 7, "straight double quotes", None),
        ("$", 0, "but found '$'", None),
        ("[a]-1", 3, "the language has no arithmetic", None),
        ("1" * 61, 0, "a number of at most 60 digits", None),
        (",", 0, "but found ,", None),
        ('Append(SelectUniqueValue("a","b"),"c")', 7, "it may only be the outermost function", None),
        ('"c" & SelectUniqueValue("a","b")', 6, "it may only be the outermost function", None),
        ('SelectUniqueValue("a")', 0, "at least 2 arguments", None),
        ('InStr("a", "b", 1, vbTextCompar)', 19, "Did you mean vbTextCompare?", "vbTextCompare"),
        ('InStr("a", "b", 1, UTF8)', 19, "vbBinaryCompare or vbTextCompare as compareType of InStr", None),
        ('InStr("a", "b", 1, "binary")', 19, "as compareType of InStr, but found binary", None),
        ('"' + "x" * MAX_LENGTH + '"', MAX_LENGTH, "at most 10,000 characters", None),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, position: int, told: str, suggestion: str | None) -> None:
    with pytest.raises(ExpressionSyntaxError) as mistake:
        parse_expression(text)
    assert mistake.value.position == position
    assert mistake.value.sentence.startswith(f"At character {position + 1}: expected {mistake.value.expected}")
    assert told in mistake.value.sentence
    assert mistake.value.suggestion == suggestion


def test_depth_is_limited() -> None:
    deepest = "Trim(" * MAX_DEPTH + "[a]" + ")" * MAX_DEPTH
    assert attributes_of(parse_expression(deepest)) == {"a"}
    with pytest.raises(ExpressionSyntaxError, match="at most 100 levels"):
        parse_expression(f"Trim({deepest})")
    with pytest.raises(ExpressionSyntaxError, match="at most 100 levels"):
        parse_expression("(" * (MAX_DEPTH + 1) + "[a]" + ")" * (MAX_DEPTH + 1))


def test_the_number_of_functions_is_limited() -> None:
    joined = "Join(" + ",".join(["Now()"] * MAX_CALLS) + ")"
    with pytest.raises(ExpressionSyntaxError, match="at most 500 functions"):
        parse_expression(joined)


def test_attributes_are_gathered_from_everywhere() -> None:
    node = parse_expression('IIF([a]="x" AND Trim([b])="y", [c] & [d], Switch([e], [f], [g], [a]))')
    assert attributes_of(node) == frozenset("abcdefg")
    assert attributes_of(parse_expression("Now()")) == frozenset()


def test_conditions_nested_beyond_the_stack_are_a_mistake_like_any_other() -> None:
    depth = MAX_DEPTH - 1
    with pytest.raises(ExpressionSyntaxError, match="nested too deeply"):
        parse_expression("IIF(" * depth + '[a] = "x"' + ', "a", "b")' * depth)
