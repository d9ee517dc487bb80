"""The reference page of the language: `python -m muster.expression.reference > docs/expressions.md`."""

import sys
from collections.abc import Iterator

from muster.expression.replace import MAX_MATCHES
from muster.expression.signatures import Example, Function, FunctionList, Topic
from muster.expression.syntax import MAX_CALLS, MAX_DEPTH, MAX_LENGTH
from muster.expression.table import FUNCTIONS, WORDS
from muster.expression.values import MAX_TEXT, shown

_WORDS = ", ".join(f"`{word}`" for word in WORDS if word not in ("true", "false", "null"))
_INTRODUCTION = f"""\
# Expressions

This page is made from the table of functions; do not edit it by hand.

An attribute mapping of type Expression computes the target's value from the source's attributes. The language is that
of Microsoft Entra's attribute mappings. Everything marked **ours** is an extension that Entra does not know.

## Syntax

| what | how it is written |
|---|---|
| source attribute | `[givenName]`; an attribute that is absent is null |
| text | `"United States"`; `\\"` is a quotation mark, `\\\\` a backslash, any other backslash stands for itself |
| number | `1`, `-10`, `1.5`, hexadecimal `&HF` |
| function | `Append([mailNickname], "@contoso.com")`; names are case-sensitive; functions nest |
| argument left out | nothing between the commas: `Switch([state], , "QLD", "Brisbane")` |
| bare word | {_WORDS} |
| comparison | `=` `<>` `>` `>=` `<` `<=`, only in the condition of IIF and in CBool |
| texts joined | `"t-" & [alias]`; null is the empty text (**ours** outside cloud sync) |
| AND, OR | `[country]="NL" AND ([state]="ZH" OR [state]="NH")`, only in conditions (**ours**) |

`True`, `False` and `Null` as bare words are **ours**. White space and line breaks between the parts mean nothing.

A mistake is answered with the character it stands at, what was expected there, and the name that was perhaps meant.

## Values

- **Null** is an attribute that is absent. Functions of text answer null for null where this page says nothing else.
  In Switch null matches the key `""`. A comparison with null never holds, not even `<>`.
- **Booleans** show as `True` and `False`, **dates** as `M/d/yyyy h:mm:ss tt` in UTC.
- **Lists** are multi-valued attributes. Functions of one text treat every value of a list; a list where one value is
  needed is an error.
- **Comparisons** take numbers by size, also when one side is a number's text, dates by time, booleans by their text,
  texts letter for letter. Two texts are ordered as numbers when both are numbers.
- `IgnoreAttributeFlow` leaves the attribute out of this flow, `IgnoreObjectFlow` the whole object.

## Limits

An expression has at most {MAX_LENGTH:,} characters, {MAX_DEPTH} levels and {MAX_CALLS} functions; a text made in it
has at most {MAX_TEXT:,} characters, and a pattern in Replace matches at most {MAX_MATCHES:,} times.
Patterns are run by RE2, in time that grows with the text only: no look-around, no back-references.
"""


def reference_page() -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION, "\n".join(_contents())]
    for topic in Topic:
        parts.append(f"## {topic.value}\n")
        parts += ("\n".join(_chapter(function)) for function in FUNCTIONS.values() if function.topic is topic)
    return "\n".join(parts)


def _contents() -> Iterator[str]:
    yield "## Functions"
    yield ""
    for topic in Topic:
        names = [name for name, function in FUNCTIONS.items() if function.topic is topic]
        yield f"- {topic.value}: " + ", ".join(f"[{name}](#{name.lower()})" for name in names)
    yield ""


_LISTED = {
    FunctionList.PUBLISHED: "",
    FunctionList.EXTENDED: "From Microsoft's other lists (cloud sync, Graph).",
    FunctionList.OURS: "**Ours.**",
}


def _chapter(function: Function) -> Iterator[str]:
    yield f"### {function.name}"
    yield ""
    yield f"`{_signature(function)}`"
    yield ""
    yield " ".join(part for part in (function.about, function.remarks, _LISTED[function.source]) if part)
    yield ""
    if function.parameters:
        yield "| parameter | needed | type | what it is |"
        yield "|---|---|---|---|"
        for parameter in function.parameters:
            needed = ("yes" if parameter.required else "no") + (", any number" if parameter.multiple else "")
            yield f"| {parameter.name} | {needed} | {parameter.type.value} | {_cell(parameter.about)} |"
        yield ""
    for example in function.examples:
        yield f"- {_example(example)}"
    yield ""


def _signature(function: Function) -> str:
    names = []
    for parameter in function.parameters:
        name = f"{parameter.name}, …" if parameter.multiple else parameter.name
        names.append(name if parameter.required else f"[{name}]")
    return f"{function.name}({', '.join(names)})"


def _example(example: Example) -> str:
    given = ", ".join(f"{name} = {shown(value)}" for name, value in example.attributes.items())
    if example.fails:
        answer = "an error"
    elif example.pattern is not None:
        answer = f"a text that matches `{example.pattern}`"
    else:
        answer = f"`{shown(example.result)}`"
    return f"`{example.expression}`" + (f" with `{given}`" if given else "") + f" → {answer}"


def _cell(about: str) -> str:
    return about.replace("|", "\\|")


if __name__ == "__main__":  # pragma: no cover - `make reference` writes the page
    sys.stdout.write(reference_page())
