"""Functions of choice and presence, and how two values compare."""

from datetime import datetime
from typing import Any, Final

from muster.expression.dates import as_date
from muster.expression.nodes import ComparisonOperator
from muster.expression.signatures import Example, Function, FunctionList, Parameter, ParameterType, Topic
from muster.expression.values import (
    IGNORE_ATTRIBUTE_FLOW,
    EvaluationError,
    Value,
    is_true,
    number,
    plain_text,
    read_number,
    refuse,
    text,
)


def is_empty(value: Any) -> bool:
    """Whether the value is null, the empty text or the empty list."""
    return value is None or value == "" or (isinstance(value, (tuple, list)) and not value)


def is_not(source: Any) -> bool:
    """False when the source is true (a boolean, or its text in any case), else True."""
    if source.__class__ is bool:
        return not source
    return not (isinstance(source, str) and plain_text(source).strip().lower() == "true")


def _is_null(value: Any) -> Value:
    return value is None


def _is_present(value: Any) -> Value:
    return not is_empty(value)


def _is_string(value: Any) -> Value:
    return isinstance(value, (str, int, float, bool, datetime))


def _to_boolean(value: Any) -> Value:
    if isinstance(value, str):
        plain = plain_text(value).strip().lower()
        if plain in ("true", "false", ""):
            return plain == "true"
        return number(value, "CBool", "expression") != 0
    if isinstance(value, (tuple, list, dict, datetime)):
        raise refuse("CBool", "expression", value, "must be a boolean or a number")
    return is_true(value)


def _ignore_if_empty(value: Any) -> Value:
    if is_empty(value):
        return IGNORE_ATTRIBUTE_FLOW
    kept: Value = value
    return kept


def _fail(message: Any) -> Value:
    told = text(message, "Error", "message")
    raise EvaluationError(function="Error", argument=None, value=None, sentence=told or "The expression asks to fail.")


def switch_key(value: Any) -> str:
    """The value as Switch compares it: its text, null as the empty text."""
    return text(value, "Switch", "source")


def compare(operator: ComparisonOperator, left: Any, right: Any) -> bool:
    """Whether the comparison holds; with null on a side it never does.

    Numbers compare by size also when one side is their text, dates with texts that are dates, booleans with `True`
    and `False`; two texts are equal letter for letter, and ordered as numbers when both are, else by code point.

    Raises:
        EvaluationError: a list or an object is compared.
    """
    if left is None or right is None:
        return False
    match operator:
        case ComparisonOperator.EQUAL:
            return equal(left, right)
        case ComparisonOperator.NOT_EQUAL:
            return not equal(left, right)
    first, second = _sizes(left, right)
    match operator:
        case ComparisonOperator.GREATER:
            return bool(first > second)
        case ComparisonOperator.GREATER_OR_EQUAL:
            return bool(first >= second)
        case ComparisonOperator.LESS:
            return bool(first < second)
        case _:
            return bool(first <= second)


def equal(left: Any, right: Any) -> bool:
    """Whether two values, neither of them null, are the same."""
    if isinstance(left, datetime) or isinstance(right, datetime):
        return as_date(left, "=", "left") == as_date(right, "=", "right")
    if isinstance(left, bool) or isinstance(right, bool):
        return _compared_text(left, "left").lower() == _compared_text(right, "right").lower()
    if isinstance(left, (int, float)) or isinstance(right, (int, float)):
        first, second = _as_number(left), _as_number(right)
        if first is not None and second is not None:
            return first == second
    return _compared_text(left, "left") == _compared_text(right, "right")


def _compared_text(value: Any, side: str) -> str:
    return text(value, "comparison", side)


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    return read_number(plain_text(value).strip()) if isinstance(value, str) else None


def _sizes(left: Any, right: Any) -> tuple[Any, Any]:
    """The two values as something that has an order: dates, numbers, else texts."""
    if isinstance(left, datetime) or isinstance(right, datetime):
        first_date, second_date = as_date(left, "comparison", "left"), as_date(right, "comparison", "right")
        if first_date is not None and second_date is not None:
            return first_date, second_date
    first, second = _as_number(left), _as_number(right)
    if first is not None and second is not None:
        return first, second
    return _compared_text(left, "left"), _compared_text(right, "right")


_EXPRESSION = Parameter(name="expression", about="Any value.", key="Expression")

FUNCTIONS: Final = (
    Function(
        name="IIF",
        topic=Topic.LOGIC,
        about="One value if a condition holds, else the other. A comparison with null never holds.",
        parameters=(
            Parameter(
                name="condition",
                about="A comparison (= <> > >= < <=) or a true or false value. AND, OR and parentheses are ours.",
                type=ParameterType.BOOLEAN,
                condition=True,
            ),
            Parameter(name="valueIfTrue", about="The answer if it holds."),
            Parameter(name="valueIfFalse", about="The answer if not."),
        ),
        examples=(
            Example(
                expression='IIF([country]="USA",[country],[department])',
                attributes={"country": "NL", "department": "Sales"},
                result="Sales",
            ),
            Example(
                expression='IIF([country]="USA" AND ([state]="CA" OR [state]="NY"),"coast","inland")',
                attributes={"country": "USA", "state": "NY"},
                result="coast",
            ),
            Example(expression='IIF([country]<>"USA","abroad","home")', result="home"),
        ),
        remarks="Only the value that is chosen is computed.",
    ),
    Function(
        name="Switch",
        topic=Topic.LOGIC,
        about='The value whose key equals the source, else the default. Null matches the key "".',
        parameters=(
            Parameter(name="source", about="What is compared, telling upper from lower case."),
            Parameter(name="defaultValue", about="The answer if no key matches; left out, null.", required=False),
            Parameter(name="switchValue", about="A key and its value, any number of pairs.", multiple=True),
        ),
        examples=(
            Example(
                expression='Switch([state], "Sydney", "QLD", "Brisbane", "SA", "Adelaide")',
                attributes={"state": "QLD"},
                result="Brisbane",
            ),
            Example(expression='Switch([country], [country], "", "Other")', result="Other"),
            Example(expression='Switch([state], , "QLD", "Australia/Brisbane")', result=None),
        ),
        least=4,
        in_pairs=True,
        remarks="Only the value that is chosen is computed.",
    ),
    Function(
        name="Coalesce",
        topic=Topic.LOGIC,
        about='The first value that is not null. The empty text "" is not null.',
        parameters=(Parameter(name="source", about="A value; the last one may be the default.", multiple=True),),
        examples=(
            Example(
                expression="Coalesce([mail],[userPrincipalName])",
                attributes={"userPrincipalName": "John.Doe@contoso.com"},
                result="John.Doe@contoso.com",
            ),
        ),
    ),
    Function(
        name="Not",
        topic=Topic.LOGIC,
        about="False when the source is True; True for everything else, null too.",
        parameters=(Parameter(name="source", about="True or False.", type=ParameterType.BOOLEAN),),
        examples=(
            Example(expression="Not([IsSoftDeleted])", attributes={"IsSoftDeleted": False}, result=True),
            Example(expression='Not("True")', result=False),
            Example(expression="Not([IsSoftDeleted])", result=True),
        ),
        implementation=is_not,
    ),
    Function(
        name="CBool",
        topic=Topic.LOGIC,
        about="A boolean: of a comparison, a number (0 is False) or the texts True and False. Null is False.",
        parameters=(Parameter(name="expression", about="A comparison or a value.", condition=True, key="Expression"),),
        examples=(
            Example(expression="CBool([a] = [b])", attributes={"a": "x", "b": "x"}, result=True),
            Example(expression="CBool(0)", result=False),
            Example(expression='CBool("perhaps")', fails=True),
        ),
        implementation=_to_boolean,
    ),
    Function(
        name="IsNull",
        topic=Topic.LOGIC,
        about="Whether the value is null; an attribute that is absent is.",
        parameters=(_EXPRESSION,),
        examples=(
            Example(expression="IsNull([displayName])", result=True),
            Example(expression="IsNull([displayName])", attributes={"displayName": ""}, result=False),
        ),
        implementation=_is_null,
    ),
    Function(
        name="IsNothing",
        topic=Topic.LOGIC,
        about="The same as IsNull.",
        parameters=(Parameter(name="source", about="Any value."),),
        examples=(Example(expression="IsNothing([displayName])", result=True),),
        implementation=_is_null,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="IsNullOrEmpty",
        topic=Topic.LOGIC,
        about="Whether the value is null, the empty text or an empty list.",
        parameters=(_EXPRESSION,),
        examples=(Example(expression="IsNullOrEmpty([displayName])", attributes={"displayName": ""}, result=True),),
        implementation=is_empty,
    ),
    Function(
        name="IsPresent",
        topic=Topic.LOGIC,
        about="Whether the value is neither null nor empty.",
        parameters=(_EXPRESSION,),
        examples=(Example(expression="IsPresent([displayName])", attributes={"displayName": "x"}, result=True),),
        implementation=_is_present,
    ),
    Function(
        name="IsString",
        topic=Topic.LOGIC,
        about="Whether the value can be had as a text: single values can, lists, objects and null cannot.",
        parameters=(_EXPRESSION,),
        examples=(
            Example(expression="IsString([displayName])", attributes={"displayName": "x"}, result=True),
            Example(expression="IsString([groups])", attributes={"groups": ("a", "b")}, result=False),
        ),
        implementation=_is_string,
    ),
    Function(
        name="IgnoreFlowIfNullOrEmpty",
        topic=Topic.LOGIC,
        about="The value, or, if it is null or empty, the wish to leave the attribute out of this flow.",
        parameters=(_EXPRESSION,),
        examples=(
            Example(expression="IgnoreFlowIfNullOrEmpty([department])", result=IGNORE_ATTRIBUTE_FLOW),
            Example(expression="IgnoreFlowIfNullOrEmpty([department])", attributes={"department": "HR"}, result="HR"),
        ),
        implementation=_ignore_if_empty,
    ),
    Function(
        name="Error",
        topic=Topic.LOGIC,
        about="Fails the object with a message of yours.",
        parameters=(Parameter(name="message", about="What the log shall say."),),
        examples=(Example(expression='IIF(IsPresent([mail]), [mail], Error("mail is required"))', fails=True),),
        implementation=_fail,
        source=FunctionList.EXTENDED,
    ),
)
