"""What changed in the directory between two numbers of the feed, for readers that keep a token (Graph's delta)."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.model.directory import DirectoryObject, ObjectKind
from muster.ports.directory import MemberChange
from muster.store.changes import Cause
from muster.store.rows import fetch_objects, object_of
from muster.store.tables import changes, memberships, objects


def changed_objects(
    connection: Connection, kind: ObjectKind, after: int, until: int, limit: int
) -> Sequence[tuple[int, DirectoryObject]]:
    """Returns objects in the order of their last change within the numbers, each with that change's number.

    A change of a group's members counts as one of the group.
    """
    own = sa.select(objects.c.key.label("key"), objects.c.seq.label("place")).where(
        objects.c.kind == kind.value, objects.c.seq > after, objects.c.seq <= until
    )
    moved = (
        sa.select(changes.c.object_key.label("key"), changes.c.seq.label("place"))
        .join(objects, objects.c.key == changes.c.object_key)
        .where(
            objects.c.kind == kind.value,
            changes.c.cause == Cause.MEMBER.value,
            changes.c.seq > after,
            changes.c.seq <= until,
        )
    )
    if kind is ObjectKind.USER:
        # The index gives the page alone, however many have changed.
        statement = own.order_by(objects.c.seq).limit(limit)
    else:
        both = sa.union_all(own, moved).subquery()
        last = sa.func.max(both.c.place)
        statement = sa.select(both.c.key, last.label("place")).group_by(both.c.key).order_by(last).limit(limit)
    places = {row.key: int(row.place) for row in connection.execute(statement)}
    rows = fetch_objects(connection, objects.c.key, places)
    return sorted(((places[row.key], object_of(row)) for row in rows), key=lambda pair: pair[0])


def changed_members(
    connection: Connection, group_ids: Sequence[str], after: int, until: int
) -> Mapping[str, Sequence[MemberChange]]:
    """Returns by group who came or went within the numbers: as it stands now, each once."""
    groups, members = objects.alias("groups"), objects.alias("members")
    still = sa.exists().where(memberships.c.group_key == groups.c.key, memberships.c.member_key == members.c.key)
    rows = connection.execute(
        sa.select(groups.c.object_id.label("group_id"), members.c.object_id, members.c.kind, still.label("is_member"))
        .select_from(changes)
        .join(groups, groups.c.key == changes.c.object_key)
        .join(members, members.c.key == changes.c.member_key)
        .where(
            changes.c.cause == Cause.MEMBER.value,
            changes.c.seq > after,
            changes.c.seq <= until,
            groups.c.object_id.in_(group_ids),
        )
        .distinct()
        .order_by(members.c.object_id)
    )
    found: dict[str, list[MemberChange]] = {}
    for row in rows:
        change = MemberChange(member_id=row.object_id, kind=ObjectKind(row.kind), is_gone=not row.is_member)
        found.setdefault(row.group_id, []).append(change)
    return found
