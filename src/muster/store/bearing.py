"""Which objects of the directory bear on a job, and which of them changed for it: queries of object keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CTE, BindParameter, ColumnElement, CompoundSelect, Select

from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.source import Window
from muster.store.changes import Cause
from muster.store.directory_reach import reach
from muster.store.tables import assignments, changes, links, memberships, objects

# A key, or the parameter that stands for one.
Key = int | BindParameter[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A window as statements name it: after (exclusive) to until (inclusive)."""

    after: BindParameter[int]
    until: BindParameter[int]


def parameters_of(application: int, job: int, window: Window | None) -> Mapping[str, int]:
    """Returns what the statements of `select_keys` are executed with; the keys are 0 for what is not kept."""
    bounds = {} if window is None else {"after": window.after, "until": window.until}
    return {"application": application, "job": job, **bounds}


@lru_cache(maxsize=64)
def select_keys(
    *, sync_all: bool, kind: ObjectKind, in_window: bool, transitive: bool, named_groups: tuple[str, ...]
) -> Select[Any]:
    """Returns the keys of what a read gives, in order; `named_groups`: ids of groups that scoping filters name.

    Each due check asks, of the few shapes that there are: a statement is made once, for `parameters_of` any job.
    """
    application, job = _parameter("application"), _parameter("job")
    window = Stretch(after=_parameter("after"), until=_parameter("until")) if in_window else None
    reached = _reached_members(application) if transitive and kind is ObjectKind.USER and not sync_all else None
    query = sa.select(objects.c.key).order_by(objects.c.key)
    if window is None:
        query = query.where(objects.c.kind == kind.value)
    else:
        # Hidden from the planner, which would go through all objects of the kind rather than those that changed.
        query = query.where(sa.func.coalesce(objects.c.kind, "") == kind.value)
        changed = (
            _changed_users(application, job, window, sync_all=sync_all)
            if kind is ObjectKind.USER
            else _changed_groups(application, job, window, sync_all=sync_all)
        )
        deep = [] if reached is None else [objects.c.key.in_(sa.union(*_moved_deep_within(application, job, window)))]
        if named_groups:
            moved = _moved_among_named(window, named_groups, transitive=transitive)
            deep.append(objects.c.key.in_(sa.union(*moved)))
        query = query.where(sa.or_(objects.c.key.in_(changed), *deep))
    if sync_all:
        return query.where(sa.or_(objects.c.lifecycle != Lifecycle.HARD_DELETED.value, _is_linked(job)))
    if window is None:
        entitled = [*_entitled(application, kind), *([] if reached is None else [reached])]
        return query.where(objects.c.key.in_(sa.union(*entitled, _linked(job))))
    # Few objects: each is looked up rather than all that are assigned listed.
    bearing = [_is_assigned(application, objects.c.key), _is_linked(job)]
    if kind is ObjectKind.USER:
        bearing.append(_is_member_of_assigned(application))
    if reached is not None:
        bearing.append(objects.c.key.in_(reached))
    return query.where(sa.or_(*bearing))


def _parameter(name: str) -> BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger())


def _changed_users(application: Key, job: Key, window: Stretch, *, sync_all: bool) -> CompoundSelect[Any]:
    assigned_then = _principals_reassigned(application, window)
    eligibility = _causes(window, Cause.ELIGIBILITY)
    everyone = _present(window, Cause.APPLICATION, changes.c.application_key == application)
    bears_on_group = sa.or_(_is_assigned(application, changes.c.object_key), changes.c.object_key.in_(assigned_then))
    everyone_concerned: list[Select[Any]] = (
        [_all(ObjectKind.USER).where(everyone)]
        if sync_all
        else [
            _assigned(application).where(everyone),
            _members_of_assigned(application).where(everyone),
            _linked(job).where(everyone),
        ]
    )
    return sa.union(
        _own(ObjectKind.USER, window),
        assigned_then,
        # Everybody in a group that came or went.
        sa.select(memberships.c.member_key).where(memberships.c.group_key.in_(assigned_then)),
        # Everybody in an assigned group that was deleted, restored, or whose securityEnabled changed.
        sa.select(memberships.c.member_key)
        .join(changes, changes.c.object_key == memberships.c.group_key)
        .where(eligibility, bears_on_group),
        # Who came into a group or left it, assigned now or at some time in the window.
        sa.select(changes.c.member_key).where(_causes(window, Cause.MEMBER), bears_on_group),
        *everyone_concerned,
    )


def reached_groups(application: Key) -> CTE:
    """Returns pairs (`root`, `group_key`): an assigned group that counts, and each group within it, itself too."""
    groups = objects.alias()
    return reach(
        sa.select(groups.c.key.label("root"), groups.c.key.label("group_key"))
        .join(assignments, assignments.c.principal_key == groups.c.key)
        .where(
            assignments.c.application_key == application,
            assignments.c.is_group,
            groups.c.lifecycle == Lifecycle.PRESENT.value,
            groups.c.security_enabled,
        )
    )


def _reached_members(application: Key) -> Select[Any]:
    reached = reached_groups(application)
    return sa.select(memberships.c.member_key).join(reached, reached.c.group_key == memberships.c.group_key)


def _moved_deep_within(application: Key, job: Key, window: Stretch) -> list[Select[Any]]:
    """Who came into a group within an assigned one; and all concerned, where a whole group came or went.

    Wherever a way to an assigned group was broken, its highest broken place is an assignment, a group that no longer
    counts, or a member taken from a group that is still reached.
    """
    reached, members = reached_groups(application), objects.alias()
    within = changes.c.object_key.in_(sa.select(reached.c.group_key))
    is_group = sa.exists(
        sa.select(members.c.key).where(
            members.c.key == sa.func.coalesce(changes.c.member_key, changes.c.object_key),
            members.c.kind == ObjectKind.GROUP.value,
        )
    )
    moved = sa.or_(
        _present(window, Cause.MEMBER, sa.and_(within, is_group)),
        _present(window, Cause.ELIGIBILITY, is_group),
        _present(window, Cause.ASSIGNMENT, changes.c.application_key == application),
        _present(window, Cause.APPLICATION, changes.c.application_key == application),
    )
    return [
        sa.select(changes.c.member_key).where(_causes(window, Cause.MEMBER), within),
        _reached_members(application).where(moved),
        _linked(job).where(moved),
    ]


def _moved_among_named(window: Stretch, group_ids: Sequence[str], *, transitive: bool) -> list[Select[Any]]:
    """Who came into a group that a scoping filter names, or left it; all in it, where it was deleted or restored.

    At any depth: everybody in a group that came, went, was deleted or restored, whatever holds it. Wherever a way to a
    named group was made or broken, it leads through one of those or through somebody's own membership within.
    """
    wanted, moved, members = objects.alias(), objects.alias(), changes.alias()
    named = sa.select(wanted.c.key).where(wanted.c.object_id.in_(group_ids))
    if not transitive:
        return [
            sa.select(changes.c.member_key).where(_causes(window, Cause.MEMBER), changes.c.object_key.in_(named)),
            sa.select(memberships.c.member_key)
            .join(changes, changes.c.object_key == memberships.c.group_key)
            .where(_causes(window, Cause.ELIGIBILITY), changes.c.object_key.in_(named)),
        ]
    as_roots = (moved.c.key.label("root"), moved.c.key.label("group_key"))
    # Of changes, which are few, to groups; not of each group, of which there may be many, to its changes.
    concerned = sa.union(
        sa.select(members.c.member_key).where(_causes(window, Cause.MEMBER, members)),
        sa.select(members.c.object_key).where(_causes(window, Cause.ELIGIBILITY, members)),
    )
    below = reach(sa.select(*as_roots).where(moved.c.kind == ObjectKind.GROUP.value, moved.c.key.in_(concerned)))
    within = reach(sa.select(*as_roots).where(moved.c.key.in_(named)))
    places = sa.union(sa.select(within.c.group_key), sa.select(below.c.group_key))
    return [
        sa.select(changes.c.member_key).where(_causes(window, Cause.MEMBER), changes.c.object_key.in_(places)),
        sa.select(memberships.c.member_key).join(below, below.c.group_key == memberships.c.group_key),
    ]


def _changed_groups(application: Key, job: Key, window: Stretch, *, sync_all: bool) -> CompoundSelect[Any]:
    everyone = _present(window, Cause.APPLICATION, changes.c.application_key == application)
    everyone_concerned: list[Select[Any]] = (
        [_all(ObjectKind.GROUP).where(everyone)]
        if sync_all
        else [_assigned(application).where(everyone), _linked(job).where(everyone)]
    )
    return sa.union(
        _own(ObjectKind.GROUP, window),
        _principals_reassigned(application, window),
        # Its members changed, or one of them was deleted or restored.
        sa.select(changes.c.object_key).where(_causes(window, Cause.MEMBER)),
        sa.select(memberships.c.group_key)
        .join(changes, changes.c.object_key == memberships.c.member_key)
        .where(_causes(window, Cause.ELIGIBILITY)),
        *everyone_concerned,
    )


def _causes(window: Stretch, cause: Cause, of: sa.FromClause = changes) -> ColumnElement[bool]:
    return sa.and_(of.c.seq > window.after, of.c.seq <= window.until, of.c.cause == cause.value)


def _present(window: Stretch, cause: Cause, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return sa.exists(sa.select(changes.c.seq).where(_causes(window, cause), condition))


def _own(kind: ObjectKind, window: Stretch) -> Select[Any]:
    changed = objects.alias()
    return sa.select(changed.c.key).where(
        changed.c.kind == kind.value, changed.c.seq > window.after, changed.c.seq <= window.until
    )


def _all(kind: ObjectKind) -> Select[Any]:
    everything = objects.alias()
    return sa.select(everything.c.key).where(everything.c.kind == kind.value)


def _principals_reassigned(application: Key, window: Stretch) -> Select[Any]:
    given = changes.alias()
    return sa.select(given.c.object_key).where(
        given.c.seq > window.after,
        given.c.seq <= window.until,
        given.c.cause == Cause.ASSIGNMENT.value,
        given.c.application_key == application,
    )


def _assigned(application: Key) -> Select[Any]:
    return sa.select(assignments.c.principal_key).where(assignments.c.application_key == application)


def _members_of_assigned(application: Key) -> Select[Any]:
    groups = objects.alias("groups")
    return (
        sa.select(memberships.c.member_key)
        .join(assignments, assignments.c.principal_key == memberships.c.group_key)
        .join(groups, groups.c.key == memberships.c.group_key)
        .where(
            assignments.c.application_key == application,
            assignments.c.is_group,
            groups.c.lifecycle == Lifecycle.PRESENT.value,
            groups.c.security_enabled,
        )
    )


def _entitled(application: Key, kind: ObjectKind) -> list[Select[Any]]:
    assigned = [_assigned(application)]
    return assigned if kind is ObjectKind.GROUP else [*assigned, _members_of_assigned(application)]


def _linked(job: Key) -> Select[Any]:
    return sa.select(links.c.source_key).where(
        links.c.job_key == job, links.c.source_key.is_not(None), links.c.target_id.is_not(None)
    )


def _is_assigned(application: Key, key: ColumnElement[Any]) -> ColumnElement[bool]:
    given = assignments.alias()
    return sa.exists(sa.select(given.c.key).where(given.c.application_key == application, given.c.principal_key == key))


def _is_member_of_assigned(application: Key) -> ColumnElement[bool]:
    # Not a join: from the object to its few groups, never from all that is assigned.
    groups = objects.alias("groups")
    counts = sa.exists(
        sa.select(groups.c.key).where(
            groups.c.key == memberships.c.group_key,
            groups.c.lifecycle == Lifecycle.PRESENT.value,
            groups.c.security_enabled,
        )
    )
    return sa.exists(
        sa.select(memberships.c.group_key).where(
            memberships.c.member_key == objects.c.key, _is_assigned(application, memberships.c.group_key), counts
        )
    )


def _is_linked(job: Key) -> ColumnElement[bool]:
    return sa.exists(_linked(job).where(links.c.source_key == objects.c.key))
