"""Memberships of named groups and at any depth: who is in a group through others, which groups hold an object.

A group that is deleted leads no further, as where people are assigned through groups (see `bearing`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CTE, Connection, Select

from muster.database.lists import as_list, one_of
from muster.model.directory import Lifecycle, ObjectKind
from muster.store.rows import pieces
from muster.store.tables import memberships, objects


def members_within(group_key: int) -> Select[Any]:
    """Returns the keys of a group's members, direct and through groups within it, each once."""
    nested = objects.alias()
    within = sa.select(memberships.c.member_key).where(memberships.c.group_key == group_key).cte(recursive=True)
    # UNION, not UNION ALL: groups that hold each other in a circle come to an end.
    within = within.union(
        sa.select(memberships.c.member_key)
        .join(within, within.c.member_key == memberships.c.group_key)
        .join(nested, nested.c.key == memberships.c.group_key)
        .where(nested.c.kind == ObjectKind.GROUP.value, nested.c.lifecycle == Lifecycle.PRESENT.value)
    )
    return sa.select(within.c.member_key).where(within.c.member_key != group_key)


def groups_around(member_key: int) -> Select[Any]:
    """Returns the keys of the groups that an object is a member of, directly and through other groups, each once."""
    holding = objects.alias()
    around = sa.select(memberships.c.group_key).where(memberships.c.member_key == member_key).cte(recursive=True)
    around = around.union(
        sa.select(memberships.c.group_key)
        .join(around, around.c.group_key == memberships.c.member_key)
        .join(holding, holding.c.key == memberships.c.member_key)
        .where(holding.c.lifecycle == Lifecycle.PRESENT.value)
    )
    return sa.select(around.c.group_key).where(around.c.group_key != member_key)


def reach(roots: Select[Any]) -> CTE:
    """Returns pairs (`root`, `group_key`): each given pair, and for its root each group within, at any depth."""
    nested, found = objects.alias(), roots.cte(recursive=True)
    # UNION, not UNION ALL: groups that hold each other in a circle come to an end.
    return found.union(
        sa.select(found.c.root, memberships.c.member_key)
        .join(memberships, memberships.c.group_key == found.c.group_key)
        .join(nested, nested.c.key == memberships.c.member_key)
        .where(nested.c.kind == ObjectKind.GROUP.value, nested.c.lifecycle == Lifecycle.PRESENT.value)
    )


_HELD = sa.select(memberships.c.member_key, memberships.c.group_key).where(one_of(memberships.c.member_key, "keys"))


def groups_among(
    connection: Connection, group_ids: Sequence[str], keys: Sequence[int], *, transitive: bool
) -> Mapping[int, tuple[str, ...]]:
    """Returns by member key the ids of those of the groups that it is a member of, in order; not who is in none."""
    leading = _leading_to(connection, group_ids, transitive=transitive)
    found: dict[int, set[str]] = {}
    # From people to the few groups that each is in, never from a group to all of its members.
    for piece in pieces(keys) if leading else ():
        for member, group in connection.execute(_HELD, {"keys": as_list(piece)}):
            if group in leading:
                found.setdefault(member, set()).update(leading[group])
    return {member: tuple(sorted(ids)) for member, ids in found.items()}


def _leading_to(connection: Connection, group_ids: Sequence[str], *, transitive: bool) -> Mapping[int, Sequence[str]]:
    """Returns by group key the ids of those of the groups that its direct members are in by it; not of deleted ones."""
    roots = sa.select(objects.c.key.label("root"), objects.c.key.label("group_key")).where(
        one_of(objects.c.object_id, "ids"),
        objects.c.kind == ObjectKind.GROUP.value,
        objects.c.lifecycle == Lifecycle.PRESENT.value,
    )
    pairs = reach(roots) if transitive else roots.subquery()
    named = objects.alias("named")
    query = sa.select(pairs.c.group_key, named.c.object_id).join(pairs, pairs.c.root == named.c.key)
    leading: dict[int, list[str]] = {}
    for group, object_id in connection.execute(query, {"ids": as_list(group_ids)}):
        leading.setdefault(group, []).append(object_id)
    return leading
