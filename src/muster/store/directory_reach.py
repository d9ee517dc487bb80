"""Memberships at any depth: who is in a group through others, and which groups hold an object through others.

A group that is deleted leads no further, as where people are assigned through groups (see `bearing`).
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select

from muster.model.directory import Lifecycle, ObjectKind
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
