"""Functions that search a text or take it apart."""

from itertools import groupby
from typing import Any, Final

from muster.expression.letters import upper
from muster.expression.signatures import Example, Function, Parameter, ParameterType, Topic
from muster.expression.values import Value, integer, refuse, text


def _word(source: Any, count: Any, delimiters: Any) -> Value:
    wanted = integer(count, "Word", "wordNumber")
    ends = frozenset(text(delimiters, "Word", "delimiters"))
    whole = text(source, "Word", "string")
    if wanted < 1:
        return ""
    kept = ["".join(letters) for is_end, letters in groupby(whole, ends.__contains__) if not is_end]
    return kept[wanted - 1] if wanted <= len(kept) else ""


def _in_string(searched: Any, wanted: Any, start: Any = None, comparison: Any = None) -> Value:
    whole, part = text(searched, "InStr", "value1"), text(wanted, "InStr", "value2")
    first = 1 if start is None else integer(start, "InStr", "start")
    if first < 1:
        raise refuse("InStr", "start", start, "must be 1 or more")
    match text(comparison, "InStr", "compareType"):
        case "" | "vbBinaryCompare":
            return whole.find(part, first - 1) + 1
        case "vbTextCompare":
            return upper(whole).find(upper(part), first - 1) + 1
        case _:
            raise refuse("InStr", "compareType", comparison, "must be vbTextCompare or vbBinaryCompare")


def _split(source: Any, delimiter: Any = None) -> Value:
    if source is None:
        return None
    whole = text(source, "Split", "source")
    mark = "," if delimiter is None else text(delimiter, "Split", "delimiter")
    if not mark:
        raise refuse("Split", "delimiter", mark, "must have at least one character")
    return tuple(part.strip() for part in whole.split(mark)) if whole else ()


FUNCTIONS: Final = (
    Function(
        name="Word",
        topic=Topic.TEXT,
        about="One word of a text; nothing if there are fewer words.",
        parameters=(
            Parameter(name="string", about="The text.", key="String"),
            Parameter(
                name="wordNumber", about="Which word; 1 is the first.", type=ParameterType.INTEGER, key="WordNumber"
            ),
            Parameter(name="delimiters", about="The characters that end a word.", key="Delimiters"),
        ),
        examples=(
            Example(expression='Word("The quick brown fox", 3, " ")', result="brown"),
            Example(expression='Word("This,string!has&many separators", 3, ",!&#")', result="has"),
        ),
        implementation=_word,
    ),
    Function(
        name="InStr",
        topic=Topic.TEXT,
        about="Where a text stands in another: 1 is the first character, 0 is nowhere.",
        parameters=(
            Parameter(name="value1", about="The text that is searched."),
            Parameter(name="value2", about="The text that is looked for."),
            Parameter(name="start", about="Where the search begins.", type=ParameterType.INTEGER, required=False),
            Parameter(
                name="compareType",
                about="vbBinaryCompare (the default) tells upper from lower case, vbTextCompare does not.",
                required=False,
                words=("vbBinaryCompare", "vbTextCompare"),
            ),
        ),
        examples=(
            Example(expression='InStr("The quick brown fox", "quick")', result=5),
            Example(expression='InStr("repEated", "e", 3, vbBinaryCompare)', result=7),
            Example(expression='InStr("repEated", "e", 3, vbTextCompare)', result=4),
        ),
        implementation=_in_string,
    ),
    Function(
        name="Split",
        topic=Topic.TEXT,
        about="Splits a text into a list; white space around the parts is removed.",
        parameters=(
            Parameter(name="source", about="The text."),
            Parameter(name="delimiter", about="What stands between the parts; left out, a comma.", required=False),
        ),
        examples=(
            Example(
                expression='Split([extensionAttribute5], ",")',
                attributes={"extensionAttribute5": "PermissionSetOne, PermissionSetTwo"},
                result=("PermissionSetOne", "PermissionSetTwo"),
            ),
        ),
        implementation=_split,
    ),
)
