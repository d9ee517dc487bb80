"""PUT: what was sent joined with what is there, and the check that immutable attributes stay as they are.

Source: RFC 7644 §3.5.1.
"""

from __future__ import annotations

from muster.scim.attributes import Mutability
from muster.scim.errors import MutabilityViolation
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.validation import check_required, complete


def merge_for_replacement(sent: Document, present: Document, resource_type: ResourceType) -> Document:
    """The document after PUT: what was sent, with the read-only attributes as they are.

    An immutable attribute keeps its value when it is not sent. Returns `present` itself when nothing changes.
    Raises: MutabilityViolation when an immutable attribute would change, InvalidValue when what is kept is not whole.
    Source: RFC 7644 §3.5.1.
    """
    result = dict(sent)
    for attribute in resource_type.by_name.values():
        if attribute.mutability is Mutability.READ_ONLY and attribute.name in present:
            result[attribute.name] = present[attribute.name]
    check_immutable(result, present, resource_type, keep=True)
    check_required(result, resource_type)  # of an extension that was left out, what is immutable is there again
    result = complete(result, resource_type)
    return present if result == present else result


def check_immutable(result: Document, present: Document, resource_type: ResourceType, *, keep: bool) -> None:
    """Checks that immutable attributes of `present` are the same in `result`, which `keep` first fills in.

    Raises: MutabilityViolation.
    """
    for urn, name in resource_type.immutable:
        if urn is None:
            _check_unchanged(name, name, result, present, keep=keep)
            continue
        before = present.get(urn)
        if before is not None and name in before:
            after = dict(result.get(urn, {}))
            _check_unchanged(f"{urn}:{name}", name, after, before, keep=keep)
            result[urn] = after


def _check_unchanged(name: str, key: str, result: Document, present: Document, *, keep: bool) -> None:
    if key not in present:
        return
    if key not in result and keep:
        result[key] = present[key]
    elif result.get(key) != present[key]:
        raise MutabilityViolation(f"{name} cannot change once it is set. Leave it out, or send its present value.")
