"""The interpreter's explanations: every node with what it came to."""

import pytest

from muster.expression.evaluate import Explained, explain
from muster.expression.syntax import parse_expression
from unit.expression.expression_support import an_environment


def explained(expression: str, **attributes: object) -> Explained:
    return explain(parse_expression(expression), attributes, an_environment())  # type: ignore[arg-type]  # any values


def flat(tree: Explained) -> dict[str, str | None]:
    found = {tree.expression: tree.value}
    for child in tree.children:
        found |= flat(child)
    return found


def test_every_node_shows_its_value() -> None:
    tree = explained('Join("@", ToLower([givenName]), "x.org")', givenName="JO")
    assert flat(tree) == {
        'Join("@", ToLower([givenName]), "x.org")': '"jo@x.org"',
        '"@"': '"@"',
        "ToLower([givenName])": '"jo"',
        "[givenName]": '"JO"',
        '"x.org"': '"x.org"',
    }


def test_what_was_not_needed_is_not_computed() -> None:
    tree = explained('IIF([country] = "NL", "home", Error("abroad"))', country="NL")
    assert tree.value == '"home"'
    assert [(child.expression, child.evaluated) for child in tree.children] == [
        ('[country] = "NL"', True),
        ('"home"', True),
        ('Error("abroad")', False),
    ]


def test_an_error_stands_at_the_nodes_it_broke() -> None:
    tree = explained('Append("x", Mid([name], 0, 1))', name="Jo")
    assert not tree.evaluated
    assert tree.error == "Mid: start must be 1 or more, got 0."
    assert tree.children[0].error is None
    assert tree.children[1].error == tree.error


def test_a_redacted_attribute_is_hidden_in_the_whole_tree() -> None:
    tree = explained(
        'Join("-", [ssn], Redact(Append([ssn], "secret")), RemoveDuplicates([list]))', ssn="987", list=("1",)
    )
    assert "987" not in repr(tree)
    assert tree.value == "[Redact]"
    assert flat(tree)["[ssn]"] == "[Redact]"
    assert flat(tree)["RemoveDuplicates([list])"] == '["1"]'


def test_a_generated_value_that_is_redacted_is_hidden() -> None:
    tree = explained("Redact(RandomString(6,3,0,0,3))")
    assert set(flat(tree).values()) == {"[Redact]"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), (True, "True"), (1.5, "1.5"), (("a", None), '["a", null]'), ({"v": 'q"'}, '{v: "q\\""}')],
)
def test_values_are_shown_as_the_language_writes_them(value: object, shown: str) -> None:
    assert explained("[a]", a=value).value == shown


def test_long_values_are_cut() -> None:
    assert explained("[a]", a="x" * 500).value == '"' + "x" * 200 + '…"'
    assert str(explained("[a]", a=("x",) * 30).value).endswith(', "x", …]')


def test_a_tree_is_plain_data_for_the_api() -> None:
    assert explained("[a]", a="x").to_document() == {
        "expression": "[a]",
        "evaluated": True,
        "value": '"x"',
        "error": None,
        "children": [],
    }
    assert explained("Trim([a])").to_document()["children"][0]["value"] == "null"


def test_markers_are_shown_by_name() -> None:
    assert explained("IgnoreFlowIfNullOrEmpty([a])").value == "IgnoreAttributeFlow"
