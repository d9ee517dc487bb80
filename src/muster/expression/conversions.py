"""Functions that convert: base 64, hexadecimal, texts, security identifiers, distinguished names, bits."""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any, Final

from muster.expression.signatures import Example, Function, FunctionList, Parameter, ParameterType, Topic
from muster.expression.values import Redacted, Value, bounded, integer, redact, refuse, text

_ENCODINGS: Final = {"": "utf-16-le", "Unicode": "utf-16-le", "ASCII": "ascii", "UTF8": "utf-8"}
_SID: Final = re.compile(r"S-1-\d+(?:-\d+)*", re.ASCII)


def _to_base64(source: Any) -> Value:
    if source is None:
        return None
    octets = text(source, "ConvertToBase64", "source").encode("utf-16-le", "surrogatepass")
    return bounded(b64encode(octets).decode("ascii"), "ConvertToBase64")


def _from_base64(source: Any, encoding: Any = None) -> Value:
    if source is None:
        return None
    name = text(encoding, "ConvertFromBase64", "encoding")
    if name not in _ENCODINGS:
        raise refuse("ConvertFromBase64", "encoding", encoding, "must be Unicode, ASCII or UTF8")
    try:
        octets = b64decode("".join(text(source, "ConvertFromBase64", "source").split()), validate=True)
        return octets.decode(_ENCODINGS[name])
    except (Base64Error, ValueError):
        kind = name or "Unicode"
        raise refuse("ConvertFromBase64", "source", source, f"must be {kind} text in base 64") from None


def _to_hexadecimal(source: Any) -> Value:
    if source is None:
        return None
    octets = text(source, "ConvertToUTF8Hex", "source").encode("utf-8", "surrogatepass")
    return bounded(octets.hex().upper(), "ConvertToUTF8Hex")


def _to_string(value: Any) -> Value:
    if value is None:
        return None
    if isinstance(value, Mapping):
        # A reference: what it points at.
        return _to_string(value.get("value") or value.get("id"))
    return text(value, "CStr", "value")


def _to_reference(value: Any) -> Value:
    if value is None:
        return None
    return text(value.get("value") or value.get("id") if isinstance(value, Mapping) else value, "CRef", "value")


def _bit_and(first: Any, second: Any) -> Value:
    if first is None or second is None:
        return None
    return integer(first, "BitAnd", "value1") & integer(second, "BitAnd", "value2")


def _string_from_sid(value: Any) -> Value:
    if value is None or value == "":
        return None
    spelled = text(value, "StringFromSid", "objectSID")
    if _SID.fullmatch(spelled):
        return spelled
    try:
        octets = (
            bytes.fromhex(spelled)
            if re.fullmatch(r"01(?:[0-9A-Fa-f]{2})+", spelled)
            else b64decode(spelled, validate=True)
        )
    except (Base64Error, ValueError):
        raise refuse("StringFromSid", "objectSID", value, "must be a security identifier in base 64") from None
    if len(octets) < 8 or octets[0] != 1 or len(octets) != 8 + 4 * octets[1]:
        raise refuse("StringFromSid", "objectSID", value, "must be a security identifier in base 64")
    parts = [int.from_bytes(octets[at : at + 4], "little") for at in range(8, len(octets), 4)]
    return "-".join(["S-1", str(int.from_bytes(octets[2:8], "big")), *map(str, parts)])


def _dn_component(name: Any, index: Any) -> Value:
    wanted = integer(index, "DNComponent", "componentNumber")
    if wanted < 1:
        raise refuse("DNComponent", "componentNumber", index, "must be 1 or more")
    if name is None:
        return None
    components = _components(text(name, "DNComponent", "dn"))
    return components[wanted - 1] if wanted <= len(components) else None


def _components(name: str) -> list[str]:
    """The values of a distinguished name's components from the left, unescaped.

    Source: RFC 4514 §3
    """
    found = re.findall(r"((?:[^,\\]|\\.)+)", name, re.DOTALL)
    return [_unescape(component.partition("=")[2].strip()) for component in found if "=" in component]


def _unescape(value: str) -> str:
    def octets(escaped: "re.Match[str]") -> str:
        return bytes.fromhex(escaped.group().replace("\\", "")).decode("utf-8", "replace")

    return re.sub(r"\\(.)", r"\1", re.sub(r"(?:\\[0-9A-Fa-f]{2})+", octets, value), flags=re.DOTALL)


FUNCTIONS: Final = (
    Function(
        name="BitAnd",
        topic=Topic.CONVERSIONS,
        about="The bits two numbers have in common. Null stays null.",
        parameters=(
            Parameter(name="value1", about="A number; `&HF` is hexadecimal.", type=ParameterType.INTEGER),
            Parameter(name="value2", about="A number.", type=ParameterType.INTEGER),
        ),
        examples=(
            Example(expression="BitAnd(&HF, &HF7)", result=7),
            Example(
                expression="CBool(BitAnd([userAccountControl], 2))", attributes={"userAccountControl": 514}, result=True
            ),
        ),
        implementation=_bit_and,
    ),
    Function(
        name="CStr",
        topic=Topic.CONVERSIONS,
        about="A number, boolean, date or reference as text. Null stays null.",
        parameters=(Parameter(name="value", about="The value."),),
        examples=(
            Example(
                expression="CStr([dn])",
                attributes={"dn": "cn=Joe,dc=contoso,dc=com"},
                result="cn=Joe,dc=contoso,dc=com",
            ),
            Example(expression="CStr(12)", result="12"),
        ),
        implementation=_to_string,
    ),
    Function(
        name="CRef",
        topic=Topic.CONVERSIONS,
        about="A text as a reference, as DNComponent takes it.",
        parameters=(Parameter(name="value", about="The text."),),
        examples=(
            Example(expression="DNComponent(CRef([dn]), 1)", attributes={"dn": "cn=Joe,ou=Sales"}, result="Joe"),
        ),
        implementation=_to_reference,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="ConvertToBase64",
        topic=Topic.CONVERSIONS,
        about="The text's UTF-16 octets in base 64.",
        parameters=(Parameter(name="source", about="The text."),),
        examples=(Example(expression='ConvertToBase64("Hello world!")', result="SABlAGwAbABvACAAdwBvAHIAbABkACEA"),),
        implementation=_to_base64,
    ),
    Function(
        name="ConvertFromBase64",
        topic=Topic.CONVERSIONS,
        about="The text that stands behind base 64.",
        parameters=(
            Parameter(name="source", about="Text in base 64."),
            Parameter(
                name="encoding",
                about="Unicode (the default, UTF-16), UTF8 or ASCII.",
                required=False,
                words=("Unicode", "UTF8", "ASCII"),
            ),
        ),
        examples=(
            Example(expression='ConvertFromBase64("SABlAGwAbABvACAAdwBvAHIAbABkACEA")', result="Hello world!"),
            Example(expression='ConvertFromBase64("SGVsbG8gd29ybGQh", UTF8)', result="Hello world!"),
        ),
        implementation=_from_base64,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="ConvertToUTF8Hex",
        topic=Topic.CONVERSIONS,
        about="The text's UTF-8 octets in hexadecimal.",
        parameters=(Parameter(name="source", about="The text."),),
        examples=(Example(expression='ConvertToUTF8Hex("Hello world!")', result="48656C6C6F20776F726C6421"),),
        implementation=_to_hexadecimal,
    ),
    Function(
        name="StringFromSid",
        topic=Topic.CONVERSIONS,
        about="A security identifier, octets in base 64 or hexadecimal, as text.",
        parameters=(Parameter(name="objectSID", about="The identifier.", type=ParameterType.BINARY, key="ObjectSID"),),
        examples=(Example(expression='StringFromSid("AQEAAAAAAAUSAAAA")', result="S-1-5-18"),),
        implementation=_string_from_sid,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="DNComponent",
        topic=Topic.CONVERSIONS,
        about="The value of one component of a distinguished name, counted from the left; null if there are fewer.",
        parameters=(
            Parameter(name="dn", about="The name.", type=ParameterType.REFERENCE),
            Parameter(name="componentNumber", about="Which one.", type=ParameterType.INTEGER, key="ComponentNumber"),
        ),
        examples=(
            Example(
                expression="DNComponent([dn], 2)", attributes={"dn": "cn=Joe,ou=Sales\\, EU,dc=x"}, result="Sales, EU"
            ),
        ),
        implementation=_dn_component,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="Redact",
        topic=Topic.CONVERSIONS,
        about="The value flows to the target, but logs, plans, explanations and errors show `[Redact]`.",
        parameters=(Parameter(name="value", about="What is hidden."),),
        examples=(
            Example(
                expression="Redact([userPrincipalName])",
                attributes={"userPrincipalName": "u@x"},
                result=Redacted("u@x"),
            ),
        ),
        implementation=redact,
        remarks="An attribute that stands in a Redact is hidden in the whole expression.",
    ),
)
