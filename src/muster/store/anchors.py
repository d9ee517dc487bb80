"""Source anchors of a job as integer keys: what links and references are joined by."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.directory import ObjectKind
from muster.store.rows import pieces
from muster.store.tables import links, objects

Place: TypeAlias = tuple[ObjectKind, str]


class Anchor(NamedTuple):
    """A source anchor's key, and the target it is linked to."""

    key: int
    target_id: str | None


Anchors: TypeAlias = Mapping[Place, Anchor]

LINKED_COLUMNS = ("target_id", "state", "owned", "display_name", "acknowledged")
UNLINKED: Mapping[str, Any] = dict.fromkeys(LINKED_COLUMNS)


class AnchorWriter:
    """Adds anchors of source objects that the job has not met yet, in the caller's transaction."""

    def __init__(self, database: Database) -> None:
        given: dict[str, Any] = {name: sa.bindparam(name) for name in ("job_key", "kind", "source_id", *LINKED_COLUMNS)}
        source = sa.select(objects.c.key).where(objects.c.object_id == sa.bindparam("source_id"))
        self._add = database.prepare_upsert(
            links,
            {**given, "source_key": source.scalar_subquery()},
            keys=("job_key", "kind", "source_id"),
            update=(),
        )

    def add(self, connection: Connection, job_key: int, anchors: Mapping[Place, Mapping[str, Any]]) -> bool:
        """Adds anchors with their columns of a link; returns whether none of them was there already."""
        rows = [
            {"job_key": job_key, "kind": kind.value, "source_id": source_id, **anchors[kind, source_id]}
            for kind, source_id in sorted(anchors)
        ]
        return self._add.execute_many(rows, on=connection) == len(rows)


def find_anchors(connection: Connection, job_key: int, wanted: Iterable[Place]) -> dict[Place, Anchor]:
    """Returns the anchors that the job has."""
    by_kind: dict[ObjectKind, list[str]] = {}
    for kind, source_id in wanted:
        by_kind.setdefault(kind, []).append(source_id)
    found: dict[Place, Anchor] = {}
    for kind, source_ids in by_kind.items():
        for piece in pieces(source_ids):
            rows = connection.execute(
                _ANCHORS_OF, {"job": job_key, "of_kind": kind.value, "source_ids": as_list(piece)}
            ).all()
            found.update([((kind, source_id), Anchor(key, target_id)) for source_id, key, target_id in rows])
    return found


_ANCHORS_OF = sa.select(links.c.source_id, links.c.key, links.c.target_id).where(
    links.c.job_key == sa.bindparam("job"),
    links.c.kind == sa.bindparam("of_kind"),
    one_of(links.c.source_id, "source_ids"),
)
