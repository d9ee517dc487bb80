"""Who supplies what, on SQL: links of sources joined with their mirrors; and what was edited by hand."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database, upsert
from muster.model.directory import MEMBER_GROUPS, MEMBERS, ObjectKind
from muster.model.operation import LinkState
from muster.model.supply import Supply
from muster.store.encoding import decode_acknowledged
from muster.store.mirror_tables import local_edits, mirror_entries
from muster.store.rows import pieces
from muster.store.tables import jobs, links, reference_attributes, references

_LIVE = (LinkState.ADOPTED.value, LinkState.MANAGED.value)


class SqlSupplies:
    """The SupplyStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def supplies(self, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, Sequence[Supply]]:
        """Returns by object id what each source has supplied."""
        found: dict[str, list[Supply]] = {}
        with self._database.read() as connection:
            for piece in pieces(target_ids):
                rows = connection.execute(
                    sa.select(
                        links.c.key,
                        links.c.target_id,
                        links.c.source_id,
                        links.c.state,
                        links.c.acknowledged,
                        jobs.c.job_id,
                        mirror_entries.c.is_removed,
                        mirror_entries.c.content,
                    )
                    .join(jobs, jobs.c.key == links.c.job_key)
                    .join(
                        mirror_entries,
                        sa.and_(
                            mirror_entries.c.job_key == links.c.job_key,
                            mirror_entries.c.source_id == links.c.source_id,
                        ),
                    )
                    .where(links.c.kind == kind.value, links.c.target_id.in_(piece))
                ).all()
                referring = _referring(connection, [row.key for row in rows])
                for row in rows:
                    found.setdefault(row.target_id, []).append(_supply(row, referring.get(row.key, ())))
        return found

    def edited(self, target_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """Returns by object id the attributes that were edited by hand where that comes before sources."""
        found: dict[str, set[str]] = {}
        with self._database.read() as connection:
            for piece in pieces(target_ids):
                for row in connection.execute(sa.select(local_edits).where(local_edits.c.object_id.in_(piece))):
                    found.setdefault(row.object_id, set()).add(row.name)
        return found

    def note_edits(self, target_id: str, names: Collection[str]) -> None:
        """Notes that attributes were edited by hand."""
        with self._database.write() as connection:
            rows = [{"object_id": target_id, "name": name} for name in sorted(names)]
            upsert(connection, local_edits, rows, keys=("object_id", "name"))


def _referring(connection: Connection, link_keys: Sequence[int]) -> Mapping[int, Sequence[str]]:
    """Returns by link the reference attributes that point to somebody."""
    found: dict[int, list[str]] = {}
    for piece in pieces(link_keys):
        rows = connection.execute(
            sa.select(references.c.owner_key, reference_attributes.c.name)
            .join(reference_attributes, reference_attributes.c.key == references.c.attribute_key)
            .where(references.c.owner_key.in_(piece), references.c.wanted.is_(True))
            .distinct()
        )
        for key, name in rows:
            found.setdefault(key, []).append(name)
    return found


def _supply(row: Any, referring: Sequence[str]) -> Supply:
    attributes, spoken = orjson.loads(row.content)
    sent = decode_acknowledged(row.acknowledged).sent
    return Supply(
        job_id=row.job_id,
        source_id=row.source_id,
        target_id=row.target_id,
        is_live=not row.is_removed and row.state in _LIVE,
        sent=frozenset((*(name for name, value in sent.items() if value is not None), *referring)),
        has=frozenset((*attributes, *spoken, *((MEMBER_GROUPS,) if MEMBERS in spoken else ()), "IsSoftDeleted")),
    )
