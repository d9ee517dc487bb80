"""The table of all functions and bare words of the language, and its shape in Graph's `schema/functions`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from muster.expression import conversions, dates, generated, lists, logic, replace, roles, text, words
from muster.expression.signatures import Function
from muster.expression.values import IGNORE_ATTRIBUTE_FLOW, IGNORE_OBJECT_FLOW, Value

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        function.name: function
        for function in sorted(
            (
                *text.FUNCTIONS,
                *words.FUNCTIONS,
                *replace.FUNCTIONS,
                *dates.FUNCTIONS,
                *lists.FUNCTIONS,
                *logic.FUNCTIONS,
                *roles.FUNCTIONS,
                *conversions.FUNCTIONS,
                *generated.FUNCTIONS,
            ),
            key=lambda function: function.name.lower(),
        )
    }
)

# True, False and Null as bare words are an extension of ours; the others are Microsoft's.
WORDS: Final[Mapping[str, Value]] = MappingProxyType(
    {
        "vbBinaryCompare": "vbBinaryCompare",
        "vbTextCompare": "vbTextCompare",
        "CaseSensitive": "CaseSensitive",
        "CaseInsensitive": "CaseInsensitive",
        "Unicode": "Unicode",
        "UTF8": "UTF8",
        "ASCII": "ASCII",
        "IgnoreAttributeFlow": IGNORE_ATTRIBUTE_FLOW,
        "IgnoreObjectFlow": IGNORE_OBJECT_FLOW,
        "True": True,
        "False": False,
        "true": True,
        "false": False,
        "Null": None,
        "null": None,
    }
)


def functions_as_graph() -> list[dict[str, Any]]:
    """All functions as `attributeMappingFunctionSchema`, in the order of their names.

    Source: Microsoft Graph, attributeMappingFunctionSchema and attributeMappingParameterSchema.
    """
    return [
        {
            "name": function.name,
            "parameters": [
                {
                    "name": parameter.key or parameter.name,
                    "required": parameter.required,
                    "allowMultipleOccurrences": parameter.multiple,
                    "type": parameter.type.value,
                }
                for parameter in function.parameters
            ],
        }
        for function in FUNCTIONS.values()
    ]
