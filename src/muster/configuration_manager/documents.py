"""Between the rows of the table and the documents of the SCIM server."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from muster.scim.repository import Document, StoredResource

Row = tuple[Any, ...]


def write_document(document: Document, type_name: str, *, created: str, modified_at: datetime, revision: int) -> bytes:
    """The JSON of a document without `meta`, and with it, but for its location, as the last."""
    meta = (
        f',"meta":{{"resourceType":"{type_name}","created":"{created}","lastModified":"{written(modified_at)}",'
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


def whole_milliseconds(instant: datetime) -> datetime:
    """The instant as it is both stored and shown."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def written(instant: datetime) -> str:
    """The instant as SCIM writes it."""
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00
