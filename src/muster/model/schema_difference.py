"""What differs between two schema documents, entry by entry, so that a version says what it changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.model.values import canonical_json

SHOWN_CHARACTERS = 300
# What an entry of a list is known by, in this order.
_NAMES = ("targetAttributeName", "sourceOperandName", "name", "key", "referencedObjectName", "id")
# Kept by the store, or by clients, and no part of the rules.
_NOT_COMPARED = frozenset({"id", "version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDifference:
    """One entry that differs: where it is, and its value before and after as text; None: it is not there."""

    path: str
    before: str | None
    after: str | None


def find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[SchemaDifference, ...]:
    """Returns what differs, in the order of the documents: what is gone, then what changed or came.

    A path names entries of lists by their names: `synchronizationRules[USER_OUTBOUND_USER].objectMappings[…]…`.
    """
    return tuple(_of_objects("", _compared(before), _compared(after)))


def _compared(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in _NOT_COMPARED and not name.startswith("@")}


def _of_objects(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[SchemaDifference]:
    for name in dict.fromkeys((*before, *after)):
        yield from _of_values(f"{path}.{name}" if path else name, before.get(name), after.get(name))


def _of_values(path: str, before: Any, after: Any) -> Iterator[SchemaDifference]:
    if canonical_json(before) == canonical_json(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(path, before, after)
    elif _is_list(before) and _is_list(after) and (names := _named(before)) and (others := _named(after)):
        for name in dict.fromkeys((*names, *others)):
            yield from _of_values(f"{path}[{name}]", names.get(name), others.get(name))
        if list(names) != list(others) and set(names) == set(others):
            yield SchemaDifference(path=f"{path} (order)", before=", ".join(names), after=", ".join(others))
    else:
        yield SchemaDifference(path=path, before=_text(before), after=_text(after))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _named(entries: Sequence[Any]) -> dict[str, Any] | None:
    """The entries by what they are known by; None where that does not tell them apart."""
    if not all(isinstance(entry, Mapping) for entry in entries):
        return None
    for name in _NAMES:
        named = {str(entry.get(name)): entry for entry in entries if entry.get(name) not in (None, "")}
        if len(named) == len(entries) and entries:
            return named
    return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else canonical_json(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
