"""What may be written to a directory object: known attributes, of the right type, within limits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from muster.administration.refusals import bad_request
from muster.model.directory import (
    ATTRIBUTES_OF,
    VALUES_LIMIT,
    AttributeType,
    DirectoryAttribute,
    ObjectKind,
    why_text_is_refused,
)
from muster.model.values import Attributes, Value


def checked(kind: ObjectKind, attributes: Mapping[str, Any]) -> Attributes:
    """Returns the attributes as the directory keeps them: a cleared one is None, lists are tuples.

    Raises: Refused, naming every attribute that is unknown, read-only or of the wrong type.
    """
    known = ATTRIBUTES_OF[kind]
    problems: list[str] = []
    kept: dict[str, Value] = {}
    for name, value in attributes.items():
        attribute = known.get(name)
        if attribute is None:
            problems.append(f"{kind.value} has no attribute “{name[:100]}”.")
        elif not attribute.writable:
            problems.append(f"{attribute.graph_name} is read-only.")
        else:
            problem, kept[name] = _value(attribute, value)
            if problem:
                problems.append(f"{attribute.graph_name} {problem}.")
    if problems:
        raise bad_request(" ".join(problems[:5]), details=[("InvalidProperty", problem) for problem in problems[:20]])
    return kept


def check_principal_name(name: str | None, *, is_free: bool = False) -> None:
    """Checks a principal name: `alias@domain`, no blanks, at most 113 characters. Raises: Refused.

    Args: is_free: whether a name without a domain will do; SCIM asks for none (RFC 7643 §4.1.1).
    """
    alias, _, domain = (name or "").rpartition("@")
    has_shape = bool(name) if is_free else bool(alias and domain)
    if not has_shape or len(name or "") > 113 or any(character.isspace() for character in name or ""):
        shape = "" if is_free else "written alias@domain, "
        raise bad_request(f"userPrincipalName must be {shape}without blanks and with at most 113 characters.")


def require_filled(kind: ObjectKind, attributes: Attributes, names: Sequence[str]) -> None:
    """Checks that a new object has what it cannot do without. Raises: Refused."""
    missing = [ATTRIBUTES_OF[kind][name].graph_name for name in names if attributes.get(name) is None]
    if missing:
        raise bad_request(f"A value is required for {', '.join(missing)}.")


def _value(attribute: DirectoryAttribute, value: Any) -> tuple[str | None, Value]:
    if attribute.multivalued:
        if value is None or value == []:
            return None, None
        if not isinstance(value, list | tuple):
            return "takes a list", None
        if len(value) > VALUES_LIMIT:
            return f"takes at most {VALUES_LIMIT} values", None
        checked_items = [_single(attribute, item) for item in value]
        problem = next((problem for problem, _ in checked_items if problem), None)
        return problem, tuple(item for _, item in checked_items if item is not None)
    return _single(attribute, value)


def _single(attribute: DirectoryAttribute, value: Any) -> tuple[str | None, Value]:
    # "" clears, as it does in Graph's portal.
    if value is None or value == "":
        return None, None
    match attribute.type:
        case AttributeType.BOOLEAN:
            return (None, value) if isinstance(value, bool) else ("takes true or false", None)
        case AttributeType.INTEGER:
            whole = isinstance(value, int) and not isinstance(value, bool)
            return (None, value) if whole else ("takes a whole number", None)
        case AttributeType.DATE_TIME:
            return _instant(value)
        case _:
            if not isinstance(value, str):
                return "takes a text", None
            problem = why_text_is_refused(attribute.name, value)
            return problem, None if problem else value


def _instant(value: Any) -> tuple[str | None, Value]:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return "takes an instant such as 2026-01-31T00:00:00Z", None
        return None, value
    return "takes an instant such as 2026-01-31T00:00:00Z", None
