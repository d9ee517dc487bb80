"""What a target listed at the start of a full pass, on SQL."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.directory import ObjectKind
from muster.model.operation import TargetResource
from muster.store.census_tables import census, census_values
from muster.store.encoding import decode_resource, encode
from muster.store.rows import pieces
from muster.store.tables import cycles


class SqlCensus:
    """The CensusStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._add = database.prepare_upsert(census, keys=("cycle_key", "kind", "target_id"))
        keys = ("cycle_key", "kind", "attribute", "value", "target_id")
        self._add_value = database.prepare_upsert(census_values, keys=keys, update=())

    def add(
        self, cycle_id: str, kind: ObjectKind, resources: Sequence[TargetResource], matching: Sequence[str]
    ) -> None:
        """Keeps listed objects; one that is listed twice counts once. Raises LookupError for an unknown cycle."""
        with self._database.write() as connection:
            place = {"cycle_key": _cycle_key(connection, cycle_id), "kind": kind.value}
            rows = {
                resource.target_id: {**place, "target_id": resource.target_id, "resource": encode(resource)}
                for resource in resources
            }
            self._add.execute_many(list(rows.values()), on=connection)
            values = {
                (attribute, value, resource.target_id): {
                    **place,
                    "attribute": attribute,
                    "value": value,
                    "target_id": resource.target_id,
                }
                for resource in resources
                for attribute in matching
                for value in _folded_values(resource.attributes.get(attribute))
            }
            self._add_value.execute_many(list(values.values()), on=connection)

    def page(
        self, cycle_id: str, kind: ObjectKind, after: str | None, limit: int
    ) -> tuple[Sequence[TargetResource], str | None]:
        """Returns listed objects by target id, and the key to go on after."""
        with self._database.read() as connection:
            key = _cycle_key(connection, cycle_id)
            rows = connection.execute(
                sa.select(census.c.target_id, census.c.resource)
                .where(
                    census.c.cycle_key == key,
                    census.c.kind == kind.value,
                    *(() if after is None else (census.c.target_id > after,)),
                )
                .order_by(census.c.target_id)
                .limit(limit + 1)
            ).all()
        shown = rows[:limit]
        return [decode_resource(row.resource) for row in shown], shown[-1].target_id if len(rows) > limit else None

    def count(self, cycle_id: str, kind: ObjectKind) -> int:
        """Returns how many objects are kept."""
        with self._database.read() as connection:
            mine = census.c.cycle_key == _cycle_key(connection, cycle_id), census.c.kind == kind.value
            return int(connection.execute(sa.select(sa.func.count()).select_from(census).where(*mine)).scalar_one())

    def find(
        self, cycle_id: str, kind: ObjectKind, attribute: str, values: Sequence[str]
    ) -> Mapping[str, tuple[TargetResource, ...]]:
        """Returns objects by value, the value as it was asked; comparison without case."""
        asked: dict[str, list[str]] = {}
        for value in values:
            asked.setdefault(value.casefold(), []).append(value)
        found: dict[str, list[TargetResource]] = {}
        with self._database.read() as connection:
            key = _cycle_key(connection, cycle_id)
            for piece in pieces(asked):
                given = {"cycle": key, "of_kind": kind.value, "attribute": attribute, "values": as_list(piece)}
                rows = connection.execute(_BY_VALUE, given)
                for row in rows:
                    resource = decode_resource(row.resource)
                    for value in asked[row.value]:
                        found.setdefault(value, []).append(resource)
        return {value: tuple(resources) for value, resources in found.items()}

    def by_id(self, cycle_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, TargetResource]:
        """Returns objects by target id."""
        found: dict[str, TargetResource] = {}
        with self._database.read() as connection:
            key = _cycle_key(connection, cycle_id)
            for piece in pieces(target_ids):
                rows = connection.execute(
                    sa.select(census.c.target_id, census.c.resource).where(
                        census.c.cycle_key == key, census.c.kind == kind.value, census.c.target_id.in_(piece)
                    )
                )
                found.update((row.target_id, decode_resource(row.resource)) for row in rows)
        return found

    def forget(self, cycle_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> None:
        """Drops objects that are no longer as they were listed. Raises LookupError for an unknown cycle."""
        with self._database.write() as connection:
            key = _cycle_key(connection, cycle_id)
            for table in (census, census_values):
                for piece in pieces(target_ids):
                    mine = table.c.cycle_key == key, table.c.kind == kind.value, table.c.target_id.in_(piece)
                    connection.execute(sa.delete(table).where(*mine))


def _cycle_key(connection: Connection, cycle_id: str) -> int:
    key = connection.execute(_KEY_BY_ID, {"id": cycle_id}).scalar()
    if key is None:
        raise LookupError(f"there is no cycle {cycle_id}")
    return int(key)


_BY_VALUE = (
    sa.select(census_values.c.value, census.c.resource)
    .join(
        census,
        sa.and_(
            census.c.cycle_key == census_values.c.cycle_key,
            census.c.kind == census_values.c.kind,
            census.c.target_id == census_values.c.target_id,
        ),
    )
    .where(
        census_values.c.cycle_key == sa.bindparam("cycle"),
        census_values.c.kind == sa.bindparam("of_kind"),
        census_values.c.attribute == sa.bindparam("attribute"),
        one_of(census_values.c.value, "values"),
    )
    .order_by(census_values.c.target_id)
)
_KEY_BY_ID = sa.select(cycles.c.key).where(cycles.c.cycle_id == sa.bindparam("id"))


def _folded_values(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, tuple | list) else (value,):
        if each is not None and not isinstance(each, dict):
            yield str(each).casefold()
