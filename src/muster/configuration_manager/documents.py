"""Between the rows of the table and the documents of the SCIM server."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from muster.scim.repository import Document, StoredResource

Row = tuple[Any, ...]

LIMIT_MOVED_BYTES = 16_000  # of a group with those who came or left: less than the log keeps of a body


def write_document(document: Document, type_name: str, *, created: str, modified: str, revision: int) -> bytes:
    """The JSON of a document without `meta`, and with it, but for its location, as the last."""
    meta = (
        f',"meta":{{"resourceType":"{type_name}","created":"{created}","lastModified":"{modified}",'
        f'"version":"W/\\"{revision}\\""}}}}'
    )
    return orjson.dumps(document)[:-1] + meta.encode()


def with_relations(document: Document, relations: Mapping[str, Any]) -> Document:
    """The document with its members or groups, `meta` still the last."""
    meta = document.pop("meta")
    document.update((name, value) for name, value in relations.items() if value)
    document["meta"] = meta
    return document


def read_row(row: Row, relations: Mapping[str, Any] | None = None) -> StoredResource:
    """The resource of a row of `READ_COLUMNS`."""
    body = row[3]
    if relations:
        body = orjson.dumps(with_relations(orjson.loads(body), relations))
    return StoredResource(row[1], str(row[2]), body)


def with_moved(body: bytes | None, name: str, moved: Sequence[Mapping[str, Any]], count: int) -> bytes | None:
    """The JSON of a group with who came or left, for the log; what does not fit in there is counted."""
    if body is None or not count:
        return body
    shown: list[Any] = []
    size = len(body)
    for member in moved:
        size += len(orjson.dumps(member)) + 1
        if size > LIMIT_MOVED_BYTES:
            break
        shown.append(member)
    if len(shown) < count:
        shown.append(f"and {count - len(shown)} more")
    return body[:-1] + b"," + orjson.dumps({name: shown})[1:]


class Moment(NamedTuple):
    """A millisecond: when it begins and ends, how the column of an instant holds it, and how SCIM writes it."""

    begins: datetime
    ends: datetime
    stored: Any
    written: str


def read_rows(rows: Sequence[Row]) -> list[StoredResource]:
    """The resources of rows of `READ_COLUMNS` without relations."""
    return [StoredResource(row[1], str(row[2]), row[3]) for row in rows]


def moment_of(instant: datetime, encode: Callable[[datetime], Any]) -> Moment:
    """The millisecond, in which an instant is both stored and shown."""
    begins = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    text = begins.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00
    return Moment(begins, begins + timedelta(milliseconds=1), encode(begins), text)
