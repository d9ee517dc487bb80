"""How somebody lost their way into an application, read from the change feed: group deleted, assignment removed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.model.cause import Cause, CauseKind
from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.source import Window
from muster.store.changes import Cause as Change
from muster.store.rows import pieces
from muster.store.tables import assignments, changes, memberships, objects


class _Group(NamedTuple):
    """A group that gives, or once gave, a way into the application."""

    name: str
    object_id: str
    lifecycle: str
    security_enabled: bool


class _Event(NamedTuple):
    """A change that may have taken somebody out of scope; the newest one counts."""

    seq: int
    cause: Cause


def find_causes(
    connection: Connection, application: int, kind: ObjectKind, source_ids: Sequence[str], window: Window | None
) -> Mapping[str, Cause]:
    """Returns by object id what last took an object out of the application's scope, within the window if there is one.

    A way out is looked for at the object itself and at the groups that it is, or was, a direct member of.
    """
    ids = _ids_by_key(connection, source_ids)
    if not ids:
        return {}
    events: dict[int, _Event] = {}
    for row in _unassigned(connection, application, ids, window):
        cause = Cause(kind=CauseKind.UNASSIGNED, sentence="the assignment to the application was removed")
        _keep_newest(events, row.object_key, row.seq, cause)
    if kind is ObjectKind.USER:
        groups = _groups_of(connection, ids)
        left = _left(connection, ids, window)
        counted = _counted_groups(connection, application, {row.object_key for row in left})
        _add_departures(left, groups, counted, events)
        _add_group_events(connection, application, groups, window, events)
    return {ids[key]: event.cause for key, event in events.items()}


def find_losses(
    connection: Connection, group_ids: Sequence[str], source_ids: Sequence[str], window: Window | None
) -> Mapping[str, Cause]:
    """Returns by object id what last took an object out of one of the groups: it left, or the group was deleted."""
    ids = _ids_by_key(connection, source_ids)
    if not ids or not group_ids:
        return {}
    events: dict[int, _Event] = {}
    groups = _groups_of(connection, ids)
    named = _groups_where(connection, objects.c.object_id.in_(group_ids))
    _add_departures(_left(connection, ids, window), groups, named, events)
    lost = {member: of_member & named.keys() for member, of_member in groups.items()}
    for group, seq in connection.execute(
        sa.select(changes.c.object_key, changes.c.seq).where(
            _within(window), changes.c.cause == Change.ELIGIBILITY.value, changes.c.object_key.in_(named)
        )
    ):
        cause = _group_cause(Change.ELIGIBILITY.value, named[group], is_assigned=True)
        for member, of_member in lost.items():
            if cause is not None and group in of_member:
                _keep_newest(events, member, seq, cause)
    return {ids[key]: event.cause for key, event in events.items()}


def find_groups(connection: Connection, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Returns by object id the ids and names of the groups that an object is a direct member of, deleted ones too.

    Whoever was purged lost their memberships by it: those that they had count.
    """
    members = objects.alias("members")
    lost = sa.and_(changes.c.cause == Change.MEMBER.value, changes.c.seq > members.c.seq)
    found: dict[str, list[tuple[str, str]]] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(
            sa.select(members.c.object_id, objects.c.object_id.label("group_id"), objects.c.name)
            .select_from(memberships)
            .join(members, members.c.key == memberships.c.member_key)
            .join(objects, objects.c.key == memberships.c.group_key)
            .where(members.c.object_id.in_(piece))
        )
        purged = connection.execute(
            sa.select(members.c.object_id, objects.c.object_id.label("group_id"), objects.c.name)
            .select_from(members)
            .join(changes, sa.and_(changes.c.member_key == members.c.key, lost))
            .join(objects, objects.c.key == changes.c.object_key)
            .where(members.c.object_id.in_(piece), members.c.lifecycle == Lifecycle.HARD_DELETED.value)
        )
        for row in (*rows, *purged):
            found.setdefault(row.object_id, []).append((row.group_id, row.name))
    return found


def _add_departures(
    left: Sequence[Row[Any]],
    groups: Mapping[int, set[int]],
    counted: Mapping[int, _Group],
    events: dict[int, _Event],
) -> None:
    """Adds who left a group that counts, and has not come back."""
    for row in left:
        if row.object_key in counted and row.object_key not in groups.get(row.member_key, ()):
            group = counted[row.object_key]
            sentence = f"no longer in the group {group.name}"
            cause = Cause(kind=CauseKind.LEFT_GROUP, subject=group.object_id, sentence=sentence)
            _keep_newest(events, row.member_key, row.seq, cause)


def _keep_newest(events: dict[int, _Event], key: int, seq: int, cause: Cause) -> None:
    known = events.get(key)
    if known is None or known.seq < seq:
        events[key] = _Event(seq, cause)


def _ids_by_key(connection: Connection, source_ids: Sequence[str]) -> dict[int, str]:
    ids: dict[int, str] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(sa.select(objects.c.key, objects.c.object_id).where(objects.c.object_id.in_(piece)))
        ids.update((row.key, row.object_id) for row in rows)
    return ids


def _within(window: Window | None) -> sa.ColumnElement[bool]:
    if window is None:
        return sa.true()
    return sa.and_(changes.c.seq > window.after, changes.c.seq <= window.until)


def _unassigned(connection: Connection, application: int, keys: Iterable[int], window: Window | None) -> list[Row[Any]]:
    """Changes of an object's own assignment, of those that hold none now."""
    still = sa.exists(
        sa.select(assignments.c.key).where(
            assignments.c.application_key == application, assignments.c.principal_key == changes.c.object_key
        )
    )
    rows: list[Row[Any]] = []
    for piece in pieces(keys):
        rows += connection.execute(
            sa.select(changes.c.object_key, changes.c.seq).where(
                _within(window),
                changes.c.cause == Change.ASSIGNMENT.value,
                changes.c.application_key == application,
                changes.c.object_key.in_(piece),
                sa.not_(still),
            )
        )
    return rows


def _groups_of(connection: Connection, keys: Iterable[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for piece in pieces(keys):
        rows = connection.execute(
            sa.select(memberships.c.member_key, memberships.c.group_key).where(memberships.c.member_key.in_(piece))
        )
        for row in rows:
            found.setdefault(row.member_key, set()).add(row.group_key)
    return found


def _left(connection: Connection, keys: Iterable[int], window: Window | None) -> list[Row[Any]]:
    rows: list[Row[Any]] = []
    for piece in pieces(keys):
        rows += connection.execute(
            sa.select(changes.c.object_key, changes.c.member_key, changes.c.seq).where(
                _within(window), changes.c.cause == Change.MEMBER.value, changes.c.member_key.in_(piece)
            )
        )
    return rows


def _counted_groups(connection: Connection, application: int, groups: Iterable[int]) -> dict[int, _Group]:
    """Returns those groups that are, or once were, assigned to the application."""
    ever = sa.select(changes.c.object_key).where(
        changes.c.cause == Change.ASSIGNMENT.value, changes.c.application_key == application
    )
    now = sa.select(assignments.c.principal_key).where(assignments.c.application_key == application)
    found: dict[int, _Group] = {}
    for piece in pieces(groups):
        is_counted = sa.or_(objects.c.key.in_(now), objects.c.key.in_(ever))
        found.update(_groups_where(connection, objects.c.key.in_(piece), is_counted))
    return found


def _groups_where(connection: Connection, *conditions: sa.ColumnElement[bool]) -> dict[int, _Group]:
    rows = connection.execute(
        sa.select(
            objects.c.key, objects.c.name, objects.c.object_id, objects.c.lifecycle, objects.c.security_enabled
        ).where(*conditions)
    )
    return {key: _Group(*rest) for key, *rest in rows}


def _add_group_events(
    connection: Connection,
    application: int,
    groups: Mapping[int, set[int]],
    window: Window | None,
    events: dict[int, _Event],
) -> None:
    """Adds what happened to the groups that people are in: deleted, no longer counting, no longer assigned."""
    members: dict[int, list[int]] = {}
    for member, of_member in groups.items():
        for group in of_member:
            members.setdefault(group, []).append(member)
    counted = _counted_groups(connection, application, members)
    assigned = _still_assigned(connection, application, counted)
    for piece in pieces(counted):
        rows = connection.execute(
            sa.select(changes.c.object_key, changes.c.cause, changes.c.seq).where(
                _within(window),
                changes.c.object_key.in_(piece),
                sa.or_(
                    changes.c.cause == Change.ELIGIBILITY.value,
                    sa.and_(changes.c.cause == Change.ASSIGNMENT.value, changes.c.application_key == application),
                ),
            )
        )
        for row in rows:
            cause = _group_cause(row.cause, counted[row.object_key], is_assigned=row.object_key in assigned)
            if cause is not None:
                for member in members[row.object_key]:
                    _keep_newest(events, member, row.seq, cause)


def _group_cause(change: str, group: _Group, *, is_assigned: bool) -> Cause | None:
    if change == Change.ASSIGNMENT.value:
        if is_assigned:
            return None
        sentence = f"the group {group.name} is no longer assigned to the application"
        return Cause(kind=CauseKind.GROUP_UNASSIGNED, subject=group.object_id, sentence=sentence)
    if group.lifecycle != Lifecycle.PRESENT.value:
        return Cause(
            kind=CauseKind.GROUP_DELETED, subject=group.object_id, sentence=f"the group {group.name} was deleted"
        )
    if group.security_enabled:
        # Deleted and restored: it is in force again.
        return None
    sentence = f"the group {group.name} is no longer security-enabled"
    return Cause(kind=CauseKind.GROUP_UNASSIGNED, subject=group.object_id, sentence=sentence)


def _still_assigned(connection: Connection, application: int, groups: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for piece in pieces(groups):
        found.update(
            connection.execute(
                sa.select(assignments.c.principal_key).where(
                    assignments.c.application_key == application, assignments.c.principal_key.in_(piece)
                )
            ).scalars()
        )
    return found
