"""Between the rows of the table and the documents of the SCIM server."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from muster.scim.repository import Document, StoredResource

Row = tuple[Any, ...]


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
