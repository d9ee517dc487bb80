"""Functions of multi-valued attributes."""

from collections.abc import Mapping
from typing import Any, Final

from muster.expression.letters import upper
from muster.expression.signatures import Example, Function, FunctionList, Parameter, ParameterType, Topic
from muster.expression.values import Value, integer, items, refuse, text


def _count(attribute: Any) -> Value:
    return len(items(attribute))


def _item(attribute: Any, index: Any) -> Value:
    wanted = integer(index, "Item", "index")
    if attribute is None:
        return None
    values = items(attribute)
    if wanted < 1:
        raise refuse("Item", "index", index, "must be 1 or more (1 is the first value)")
    if wanted > len(values):
        raise refuse("Item", "index", index, f"must be at most {len(values)}, the number of values")
    value: Value = values[wanted - 1]
    return value


def _remove_duplicates(attribute: Any) -> Value:
    if attribute is None:
        return None
    kept: dict[Any, Any] = {}
    for value in items(attribute):
        kept.setdefault(_identity(value), value)
    return tuple(kept.values())


def _identity(value: Any) -> Any:
    """Something hashable that equal values share; True and 1 are different values."""
    if isinstance(value, Mapping):
        return ("object", tuple(sorted((key, repr(item)) for key, item in value.items())))
    if isinstance(value, (tuple, list)):
        return ("list", repr(value))
    return (isinstance(value, bool), value)


def _contains(attribute: Any, search: Any, casing: Any = None) -> Value:
    wanted = text(search, "Contains", "search")
    match text(casing, "Contains", "casing"):
        case "" | "CaseSensitive":
            exact = True
        case "CaseInsensitive":
            exact = False
        case _:
            raise refuse("Contains", "casing", casing, "must be CaseSensitive or CaseInsensitive")
    for place, value in enumerate(items(attribute), start=1):
        whole = text(value, "Contains", "attribute")
        if wanted in whole or (not exact and upper(wanted) in upper(whole)):
            return place
    return 0


_LIST = Parameter(name="attribute", about="A multi-valued attribute; a single value counts as a list of one.")

FUNCTIONS: Final = (
    Function(
        name="Count",
        topic=Topic.LISTS,
        about="How many values an attribute has; 0 for null.",
        parameters=(_LIST,),
        examples=(
            Example(expression="Count([proxyAddresses])", attributes={"proxyAddresses": ("a", "b")}, result=2),
            Example(expression="Count([proxyAddresses])", result=0),
        ),
        implementation=_count,
    ),
    Function(
        name="Item",
        topic=Topic.LISTS,
        about="One value of a list; 1 is the first. An index beyond the list fails; of null the answer is null.",
        parameters=(_LIST, Parameter(name="index", about="Which value.", type=ParameterType.INTEGER)),
        examples=(
            Example(
                expression="Item([proxyAddresses], 1)",
                attributes={"proxyAddresses": ("SMTP:a@x.org", "smtp:b@x.org")},
                result="SMTP:a@x.org",
            ),
            Example(expression="Item([proxyAddresses], 3)", attributes={"proxyAddresses": ("a",)}, fails=True),
        ),
        implementation=_item,
    ),
    Function(
        name="RemoveDuplicates",
        topic=Topic.LISTS,
        about="The list with each value once, in the order of their first appearance.",
        parameters=(_LIST,),
        examples=(
            Example(
                expression="RemoveDuplicates([proxyAddresses])",
                attributes={"proxyAddresses": ("a", "b", "a")},
                result=("a", "b"),
            ),
        ),
        implementation=_remove_duplicates,
    ),
    Function(
        name="Contains",
        topic=Topic.LISTS,
        about="The place of the first value that contains a text; 0 if none does.",
        parameters=(
            _LIST,
            Parameter(name="search", about="The text."),
            Parameter(
                name="casing",
                about="CaseSensitive (the default) or CaseInsensitive.",
                required=False,
                words=("CaseSensitive", "CaseInsensitive"),
            ),
        ),
        examples=(
            Example(
                expression='Mid(Item([proxyAddresses], Contains([proxyAddresses], "SMTP:")), 6)',
                attributes={"proxyAddresses": ("smtp:b@x.org", "SMTP:a@x.org")},
                result="a@x.org",
            ),
        ),
        implementation=_contains,
        source=FunctionList.EXTENDED,
    ),
)
