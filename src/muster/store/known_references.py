"""Reading references of linked objects: what is open, what the target has confirmed, how many members leave."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Result, Row

from muster.model.directory import ObjectKind
from muster.model.operation import LinkState
from muster.ports.cycles import KnownReferences, OpenReference
from muster.store.rows import pieces
from muster.store.tables import links, reference_attributes, references

OURS = (LinkState.ADOPTED.value, LinkState.MANAGED.value)
_OWNERS = links.alias("owners")
_OTHERS = links.alias("others")


def find_open_references(
    connection: Connection, job: int, limit: int, after: str | None
) -> tuple[Sequence[OpenReference], str | None]:
    """Returns references that can be set or removed now, one an object and attribute; and the key to go on."""
    owner, attribute = (int(part) for part in after.split(":")) if after else (0, 0)
    place = sa.tuple_(references.c.owner_key, references.c.attribute_key)
    able = _able(job)
    places = connection.execute(
        sa.select(references.c.owner_key, references.c.attribute_key)
        .select_from(_joined())
        .where(able, place > sa.tuple_(owner, attribute))
        .distinct()
        .order_by(references.c.owner_key, references.c.attribute_key)
        .limit(limit + 1)
    ).all()
    page = places[:limit]
    found = _open_references(connection, able, [(row.owner_key, row.attribute_key) for row in page])
    more = len(places) > limit and page
    return found, f"{page[-1].owner_key}:{page[-1].attribute_key}" if more else None


def count_members(connection: Connection, job: int) -> int:
    """Returns how many members of groups the target has confirmed."""
    statement = (
        sa.select(sa.func.count())
        .select_from(_attributed().join(_OWNERS, _OWNERS.c.key == references.c.owner_key))
        .where(_OWNERS.c.job_key == job, _is_member())
    )
    return int(connection.execute(statement).scalar_one())


def count_leaving_members(connection: Connection, job: int) -> int:
    """Returns how many members that the target has confirmed are to be taken away, without those who were deleted."""
    is_leaving = sa.and_(
        references.c.open_job_key == job,
        _is_member(),
        sa.not_(references.c.wanted),
        _OTHERS.c.target_id.is_not(None),
    )
    ends = _attributed().join(_OTHERS, _OTHERS.c.key == references.c.other_key)
    return int(connection.execute(sa.select(sa.func.count()).select_from(ends).where(is_leaving)).scalar_one())


def find_missing_ends(connection: Connection, job: int, attribute: str) -> Sequence[str]:
    """Returns the source ids that open references of an attribute name and that have no link yet, in order."""
    statement = (
        sa.select(links.c.source_id)
        .select_from(_attributed().join(links, links.c.key == references.c.other_key))
        .where(
            references.c.open_job_key == job,
            references.c.wanted,
            reference_attributes.c.name == attribute,
            links.c.target_id.is_(None),
        )
        .distinct()
        .order_by(links.c.source_id)
    )
    return connection.execute(statement).scalars().all()


def find_awaited_ends(
    connection: Connection, job: int, kind: ObjectKind, source_ids: Sequence[str], attribute: str
) -> dict[str, str]:
    """Returns whom open references of an attribute name that have no link yet, by the source ids of their owners."""
    found: dict[str, str] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(
            sa.select(_OWNERS.c.source_id, _OTHERS.c.source_id.label("other_id"))
            .select_from(_joined())
            .where(
                references.c.open_job_key == job,
                references.c.wanted,
                reference_attributes.c.name == attribute,
                _OTHERS.c.target_id.is_(None),
                _OWNERS.c.kind == kind.value,
                _OWNERS.c.source_id.in_(piece),
            )
        )
        found.update((row.source_id, row.other_id) for row in rows)
    return found


def find_known_references(
    connection: Connection, job: int, kind: ObjectKind, source_ids: Sequence[str]
) -> Sequence[KnownReferences]:
    """Returns what the target has confirmed of the references of objects, one an object and attribute."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    kinds: dict[tuple[str, str], tuple[ObjectKind, bool]] = {}
    unsure: dict[tuple[str, str], set[str]] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(
            sa.select(
                _OWNERS.c.source_id,
                reference_attributes.c.name,
                reference_attributes.c.kind,
                reference_attributes.c.multivalued,
                _OTHERS.c.source_id.label("other_id"),
                references.c.acknowledged,
                references.c.unsure,
            )
            .select_from(_joined())
            .where(
                _OWNERS.c.job_key == job,
                _OWNERS.c.kind == kind.value,
                _OWNERS.c.source_id.in_(piece),
                references.c.acknowledged.is_not(None),
            )
            .order_by(references.c.other_key)
        )
        for row in rows:
            place = (row.source_id, row.name)
            kinds[place] = ObjectKind(row.kind), row.multivalued
            found.setdefault(place, {})[row.other_id] = row.acknowledged
            if row.unsure:
                unsure.setdefault(place, set()).add(row.other_id)
    return [
        KnownReferences(
            source_id=source_id,
            attribute=attribute,
            reference_kind=kinds[source_id, attribute][0],
            multivalued=kinds[source_id, attribute][1],
            acknowledged=acknowledged,
            unsure=frozenset(unsure.get((source_id, attribute), ())),
        )
        for (source_id, attribute), acknowledged in found.items()
    ]


def _attributed() -> Any:
    return references.join(reference_attributes, reference_attributes.c.key == references.c.attribute_key)


def _is_member() -> ColumnElement[bool]:
    return sa.and_(references.c.acknowledged.is_not(None), reference_attributes.c.multivalued)


def _joined() -> Any:
    return (
        references.join(_OWNERS, _OWNERS.c.key == references.c.owner_key)
        .join(_OTHERS, _OTHERS.c.key == references.c.other_key)
        .join(reference_attributes, reference_attributes.c.key == references.c.attribute_key)
    )


def _able(job: int) -> ColumnElement[bool]:
    """Open references of our objects to objects that are ours, or that are to be taken away."""
    return sa.and_(
        references.c.open_job_key == job,
        _OWNERS.c.state.in_(OURS),
        sa.or_(_is_to_go(), sa.and_(references.c.wanted, _OTHERS.c.state.in_(OURS))),
    )


def _is_to_go() -> ColumnElement[bool]:
    """What the target holds and should not, or not by that id. What it only may hold, and should, is set again."""
    is_another = references.c.acknowledged.is_distinct_from(_OTHERS.c.target_id)
    return sa.and_(references.c.acknowledged.is_not(None), sa.or_(sa.not_(references.c.wanted), is_another))


def _open_references(
    connection: Connection, able: ColumnElement[bool], places: Iterable[tuple[int, int]]
) -> list[OpenReference]:
    by_place: dict[tuple[int, int], list[Row[Any]]] = {place: [] for place in places}
    for piece in pieces({owner for owner, _ in by_place}):
        rows: Result[Any] = connection.execute(
            sa.select(
                references.c.owner_key,
                references.c.attribute_key,
                references.c.wanted,
                references.c.acknowledged,
                references.c.unsure,
                _OWNERS.c.kind,
                _OWNERS.c.source_id,
                _OWNERS.c.target_id,
                sa.func.coalesce(_OWNERS.c.display_name, _OWNERS.c.source_id).label("source_name"),
                _OTHERS.c.source_id.label("other_source_id"),
                _OTHERS.c.target_id.label("other_target_id"),
                _OTHERS.c.state.label("other_state"),
                _is_to_go().label("is_to_go"),
                reference_attributes.c.name,
                reference_attributes.c.kind.label("reference_kind"),
                reference_attributes.c.multivalued,
            )
            .select_from(_joined())
            .where(able, references.c.owner_key.in_(piece))
            .order_by(references.c.other_key)
        )
        for row in rows:
            if (row.owner_key, row.attribute_key) in by_place:
                by_place[row.owner_key, row.attribute_key].append(row)
    return [_open_reference(rows) for rows in by_place.values() if rows]


def _open_reference(rows: Sequence[Row[Any]]) -> OpenReference:
    first = rows[0]
    return OpenReference(
        kind=ObjectKind(first.kind),
        source_id=first.source_id,
        source_name=first.source_name,
        target_id=first.target_id,
        attribute=first.name,
        reference_kind=ObjectKind(first.reference_kind),
        multivalued=first.multivalued,
        add=tuple((row.other_source_id, row.other_target_id) for row in rows if row.wanted and row.other_state in OURS),
        remove=tuple((row.other_source_id, each) for row in rows if row.is_to_go for each in _held_ids(row)),
    )


def _held_ids(row: Row[Any]) -> tuple[str, ...]:
    """Returns the ids by which the target may hold an end that is to go: what it confirmed, and what was sent in its
    place if nobody knows what came of that."""
    may_be_another = row.unsure and not row.wanted and row.multivalued and row.other_target_id is not None
    sent = row.other_target_id if may_be_another else row.acknowledged
    return tuple(dict.fromkeys((row.acknowledged, sent)))
