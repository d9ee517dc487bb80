"""Source anchors of a job as integer keys: what links and references are joined by."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import upsert
from muster.model.directory import ObjectKind
from muster.store.rows import pieces
from muster.store.tables import links, objects


class Anchor(NamedTuple):
    """A source anchor's key, and the target it is linked to."""

    key: int
    target_id: str | None


Anchors: TypeAlias = Mapping[tuple[ObjectKind, str], Anchor]


def fetch_anchors(connection: Connection, job_key: int, wanted: Iterable[tuple[ObjectKind, str]]) -> Anchors:
    """Returns the anchors of source objects; those that the job has not met get one."""
    missing = set(wanted)
    found = find_anchors(connection, job_key, missing)
    missing -= found.keys()
    if missing:
        sources = _source_keys(connection, {source_id for _, source_id in missing})
        rows = [
            {"job_key": job_key, "kind": kind.value, "source_id": source_id, "source_key": sources.get(source_id)}
            for kind, source_id in sorted(missing)
        ]
        upsert(connection, links, rows, keys=("job_key", "kind", "source_id"), update=())
        found.update(find_anchors(connection, job_key, missing))
    return found


def find_anchors(
    connection: Connection, job_key: int, wanted: Iterable[tuple[ObjectKind, str]]
) -> dict[tuple[ObjectKind, str], Anchor]:
    """Returns the anchors that the job has."""
    by_kind: dict[ObjectKind, list[str]] = {}
    for kind, source_id in wanted:
        by_kind.setdefault(kind, []).append(source_id)
    found: dict[tuple[ObjectKind, str], Anchor] = {}
    for kind, source_ids in by_kind.items():
        for piece in pieces(source_ids):
            rows = connection.execute(
                sa.select(links.c.source_id, links.c.key, links.c.target_id).where(
                    links.c.job_key == job_key, links.c.kind == kind.value, links.c.source_id.in_(piece)
                )
            )
            found.update(((kind, source_id), Anchor(key, target_id)) for source_id, key, target_id in rows)
    return found


def _source_keys(connection: Connection, source_ids: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(sa.select(objects.c.object_id, objects.c.key).where(objects.c.object_id.in_(piece)))
        found.update((object_id, key) for object_id, key in rows)
    return found
