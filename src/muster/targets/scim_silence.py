"""What 200 without content means: SCIM knows no such answer, and a middle box says it of what it dropped.

So the application is looked at: what it shows is done. That silence means done is known only once a change was seen
absent, was sent, was confirmed so and was seen there: what the application had before proves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.model.exchange import HttpResponse
from muster.model.operation import TargetResource
from muster.scim.dialect import Dialect
from muster.scim.mapping_paths import parse_mapping_path, read_value
from muster.scim.updates import AttributeOperation, form_put_body

# What is confirmed without content and not shown is sent so often before it counts as dropped.
SILENT_TRIES = 3


def says_nothing(response: HttpResponse) -> bool:
    """Whether an answer is 200 without content."""
    return response.status == 200 and not response.body.strip()


def absent_in(
    kind: str, current: Mapping[str, Any], operations: Sequence[AttributeOperation], dialect: Dialect
) -> frozenset[int]:
    """Returns which of the changes, by their places, a resource does not show. Raises: MappingPathInvalid."""
    return frozenset(place for place, item in enumerate(operations) if not _is_shown(kind, current, item, dialect))


def switches_off(operation: AttributeOperation) -> bool:
    """Whether a change takes away somebody's access: that is never taken for done unseen."""
    return parse_mapping_path(operation.path).attribute.lower() == "active" and _told(operation.value) == "false"


def shows_on(operations: Iterable[AttributeOperation], resource: TargetResource | None) -> bool:
    """Whether an answer shows that somebody has access still whom one of the changes switches off."""
    shown = {} if resource is None else resource.attributes
    return any(_told(shown.get(item.path)) == "true" for item in operations if switches_off(item))


def known_by(element: Any) -> str:
    """What an element of a list is known by: its `value`, if it is an object that has one."""
    value = element.get("value") if isinstance(element, Mapping) else None
    return str(element if value is None else value)


def _is_shown(kind: str, current: Mapping[str, Any], item: AttributeOperation, dialect: Dialect) -> bool:
    path = parse_mapping_path(item.path)
    changed = form_put_body(kind, current, [item], dialect)
    return bool(_told(read_value(changed, path)) == _told(read_value(current, path)))


def _told(value: Any) -> Any:
    """A value to compare: a list's order, what an application adds to an object, and texts for booleans are its own."""
    if isinstance(value, list):
        return frozenset(known_by(element) for element in value)
    text = None if value is None else known_by(value)
    return text.lower() if text is not None and text.lower() in ("true", "false") else text
