"""Frozen values as JSON bytes and back: what the store keeps whole and never compares in SQL."""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

from muster.model.copies import replace
from muster.model.hold import Hold
from muster.model.job import Plan
from muster.model.operation import Acknowledged, Operation, TargetResource
from muster.model.values import Attributes, frozen

T = TypeVar("T")

# Texts of a class of their own (redacted ones) flow as their text.
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_OPERATION = msgspec.json.Decoder(Operation)
_ACKNOWLEDGED = msgspec.json.Decoder(Acknowledged)
_RESOURCE = msgspec.json.Decoder(TargetResource)
_PLAN = msgspec.json.Decoder(Plan)
_OPEN = frozenset({list, dict})
_HOLD = msgspec.json.Decoder(Hold)


def id_number(entry_id: str) -> int:
    """Returns a number of eight bytes made of an id: what is found by it is looked at whether it has the id."""
    return int.from_bytes(hashlib.blake2b(entry_id.encode(), digest_size=8).digest(), signed=True)


def encode(value: Any) -> bytes:
    """Returns a value of the model as JSON."""
    return _ENCODER.encode(value)


def encode_optional(value: Any) -> bytes | None:
    """Returns a value as JSON, None as None."""
    return None if value is None else _ENCODER.encode(value)


def decode(document: bytes, wanted: type[T]) -> T:
    """Returns a value that holds no attribute value (those have functions of their own here)."""
    return msgspec.json.decode(document, type=wanted)


def decode_optional(document: bytes | None, wanted: type[T]) -> T | None:
    """Returns a value, None for NULL."""
    return None if document is None else msgspec.json.decode(document, type=wanted)


def frozen_attributes(attributes: Mapping[str, Any]) -> Attributes:
    """Returns attributes with lists as tuples; those that have none as they are."""
    if not attributes or _OPEN.isdisjoint(map(type, attributes.values())):
        return attributes
    return {name: frozen(value) if value.__class__ in _OPEN else value for name, value in attributes.items()}


def read_attributes(document: str) -> dict[str, Any]:
    """Returns attributes of an object that nobody else holds, with lists as tuples, from the text of their column."""
    attributes: dict[str, Any] = orjson.loads(document)
    # Most have no list: looking for a bracket costs less than looking at each value.
    return dict(frozen_attributes(attributes)) if "[" in document else attributes


def decode_operation(document: bytes) -> Operation:
    """Returns an operation."""
    return _frozen_operation(_OPERATION.decode(document))


def decode_acknowledged(document: bytes | None) -> Acknowledged:
    """Returns an acknowledged projection, an empty one for NULL."""
    if document is None:
        return Acknowledged()
    value = _ACKNOWLEDGED.decode(document)
    # A bracket alone may stand in the name of an attribute: a list follows a colon.
    return _frozen_acknowledged(value) if b":[" in document else value


def decode_resource(document: bytes) -> TargetResource:
    """Returns a target's object."""
    resource = _RESOURCE.decode(document)
    return replace(resource, attributes=frozen_attributes(resource.attributes))


def decode_plan(document: bytes) -> Plan:
    """Returns the head of a plan."""
    return _PLAN.decode(document)


def decode_hold(document: bytes) -> Hold:
    """Returns a hold."""
    hold = _HOLD.decode(document)
    return replace(hold, operation=_frozen_operation(hold.operation))


def _frozen_acknowledged(value: Acknowledged) -> Acknowledged:
    sent, seen = frozen_attributes(value.sent), frozen_attributes(value.seen)
    if sent is value.sent and seen is value.seen:
        return value
    return Acknowledged(sent=sent, seen=seen, repeated=value.repeated)


def _frozen_operation(operation: Operation) -> Operation:
    return replace(
        operation,
        changes=tuple(replace(change, old=frozen(change.old), new=frozen(change.new)) for change in operation.changes),
        acknowledged=_frozen_acknowledged(operation.acknowledged),
    )
