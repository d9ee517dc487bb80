"""What a job reads of the directory: objects that bear on it or changed for it, with grants and references.

A read first finds the keys of all its objects and keeps them (eight bytes each) until its last page is given; a page
then costs a few statements for all of its objects together.
"""

import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.application import DEFAULT_ACCESS, AppRole, RoleGrant
from muster.model.cause import Cause
from muster.model.directory import Lifecycle, ObjectKind, original_principal_name
from muster.model.operation import Change
from muster.model.rules import MEMBER_OF
from muster.ports.directory import JobView
from muster.ports.source import Window
from muster.store.bearing import parameters_of, reached_groups, select_keys
from muster.store.changes import latest, marked_at
from muster.store.directory import find_row
from muster.store.directory_reach import groups_among
from muster.store.encoding import decode, read_attributes
from muster.store.evidence import find_causes, find_groups, find_losses
from muster.store.rows import MANAGERS, pieces
from muster.store.tables import applications, assignments, jobs, memberships, objects

_READS_KEPT = 8
_USER = ObjectKind.USER.value
_NO_MANAGER: Mapping[str, tuple[str, ...]] = {"manager": ()}
_LIFECYCLES = {item.value: item for item in Lifecycle}

_Read = tuple[JobView, ObjectKind, Window | None]


class SqlDirectoryFeed:
    """The DirectoryFeed on SQL. Threads share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._keys: OrderedDict[_Read, array[int]] = OrderedDict()
        self._page = _Page(database)

    def latest(self) -> int:
        """Returns the highest number whose change, and all before it, are committed."""
        with self._database.read() as connection:
            return latest(connection)

    def changed_at(self, seqs: Sequence[int]) -> Mapping[int, datetime]:
        """Returns by number when the change was committed, or up to a second earlier; nothing of what is long past."""
        with self._database.read() as connection:
            return marked_at(connection, seqs)

    def count(self, view: JobView, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects `read` will give in all pages."""
        with self._database.read() as connection:
            found = connection.execute(
                _count_of(_select_keys(view, kind, window)), _parameters(connection, view, window)
            )
            return int(found.scalar_one())

    def read(
        self, view: JobView, kind: ObjectKind, window: Window | None, after: str | None, limit: int
    ) -> tuple[Sequence[Change], str | None]:
        """Returns a page of objects by key, each once, and the key to go on after."""
        with self._database.read() as connection:
            keys = self._find_keys(connection, (view, kind, window), is_first=after is None)
            start = 0 if after is None else bisect_right(keys, int(after))
            page = keys[start : start + limit]
            changes = self._page.changes(connection, view, kind, page)
        if start + limit < len(keys):
            return changes, str(page[-1])
        with self._lock:
            self._keys.pop((view, kind, window), None)
        return changes, None

    def read_one(self, view: JobView, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object, whether or not it bears on the job; by id or principal name."""
        with self._database.read() as connection:
            row = find_row(connection, kind, source_id)
            return None if row is None else self._page.changes(connection, view, kind, [row.key])[0]

    def causes(
        self,
        view: JobView,
        kind: ObjectKind,
        source_ids: Sequence[str],
        window: Window | None,
        *,
        by_filter: bool = False,
    ) -> Mapping[str, Cause]:
        """Returns by id what last took an object out of the job's scope, or out of a group that the view names."""
        with self._database.read() as connection:
            if by_filter:
                return find_losses(connection, view.named_groups, source_ids, window)
            application, _ = _scope(connection, view)
            return find_causes(connection, application, kind, source_ids, window)

    def groups_of(self, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Returns by id the ids and names of the groups that an object is a direct member of, deleted ones too."""
        with self._database.read() as connection:
            return find_groups(connection, source_ids)

    def _find_keys(self, connection: Connection, read: _Read, *, is_first: bool) -> "array[int]":
        with self._lock:
            kept = None if is_first else self._keys.get(read)
        if kept is not None:
            return kept
        view, _, window = read
        found = array("q", connection.execute(_select_keys(*read), _parameters(connection, view, window)).scalars())
        with self._lock:
            self._keys[read] = found
            while len(self._keys) > _READS_KEPT:
                self._keys.popitem(last=False)
        return found


def _select_keys(view: JobView, kind: ObjectKind, window: Window | None) -> Select[Any]:
    return select_keys(
        sync_all=view.sync_all,
        kind=kind,
        in_window=window is not None,
        transitive=view.transitive,
        named_groups=tuple(view.named_groups),
    )


@lru_cache(maxsize=64)
def _count_of(keys: Select[Any]) -> Select[int]:
    return sa.select(sa.func.count()).select_from(keys.subquery())


def _parameters(connection: Connection, view: JobView, window: Window | None) -> Mapping[str, int]:
    return parameters_of(*_scope(connection, view), window)


def _scope(connection: Connection, view: JobView) -> tuple[int, int]:
    """Returns the keys of the view's application and job; 0, which nothing has, for one that is not kept."""
    application = connection.execute(_APPLICATION_BY_ID, {"id": view.service_principal_id}).scalar()
    job = connection.execute(_JOB_BY_ID, {"id": view.job_id}).scalar()
    return int(application or 0), int(job or 0)


_APPLICATION_BY_ID = sa.select(applications.c.key).where(applications.c.service_principal_id == sa.bindparam("id"))
_JOB_BY_ID = sa.select(jobs.c.key).where(jobs.c.job_id == sa.bindparam("id"))


# What a change is made of: a pass reads a million of these rows, and reads nothing that it has no use for.
_CHANGED = sa.select(
    objects.c.key,
    objects.c.object_id,
    objects.c.kind,
    objects.c.lifecycle,
    objects.c.seq,
    # As the text that it is kept as: what the column's type makes of it costs half as much again.
    sa.cast(objects.c.content, sa.Text),
    MANAGERS.c.object_id.label("manager_id"),
).outerjoin(MANAGERS, MANAGERS.c.key == objects.c.manager_key)
_CHANGED_OF_KEYS = _CHANGED.where(one_of(objects.c.key, "keys"))
_MANIFEST = sa.select(applications.c.key, applications.c.app_roles).where(
    applications.c.service_principal_id == sa.bindparam("id")
)
# What each assigned group gives its direct members; a deleted or distribution group gives nothing.
_OF_GROUPS = (
    sa.select(objects.c.key, objects.c.object_id, objects.c.name, assignments.c.role_id)
    .join(assignments, assignments.c.principal_key == objects.c.key)
    .where(
        assignments.c.application_key == sa.bindparam("application"),
        assignments.c.is_group,
        objects.c.lifecycle == Lifecycle.PRESENT.value,
        objects.c.security_enabled,
    )
    .order_by(assignments.c.key)
)
_DIRECT = (
    sa.select(assignments.c.principal_key, assignments.c.role_id)
    .where(assignments.c.application_key == sa.bindparam("application"), one_of(assignments.c.principal_key, "keys"))
    .order_by(assignments.c.key)
)

_BOTH = (False, True)


def _through(*, transitive: bool) -> Select[Any]:
    """Pairs of a member and a group whose assignments it shares."""
    members = one_of(memberships.c.member_key, "keys")
    if not transitive:
        return sa.select(memberships.c.member_key, memberships.c.group_key).where(members)
    reach = reached_groups(sa.bindparam("application"))
    joined = sa.select(memberships.c.member_key, reach.c.root).join(reach, reach.c.group_key == memberships.c.group_key)
    return joined.where(members).distinct().order_by(memberships.c.member_key, reach.c.root)


class _Page:
    """What is read of a page of objects: a million rows in a pass, by statements that the driver runs."""

    def __init__(self, database: Database) -> None:
        self._changed = database.prepare(_CHANGED_OF_KEYS)
        self._direct = database.prepare(_DIRECT)
        self._manifest = database.prepare(_MANIFEST)
        self._of_groups = database.prepare(_OF_GROUPS)
        self._through = {is_transitive: database.prepare(_through(transitive=is_transitive)) for is_transitive in _BOTH}

    def changes(self, connection: Connection, view: JobView, kind: ObjectKind, keys: Sequence[int]) -> list[Change]:
        """Returns the objects of these keys as changes, in order."""
        rows: dict[int, Any] = {}
        for piece in pieces(keys):
            found = self._changed.fetch_all({"keys": as_list(piece)}, on=connection)
            rows.update((row[0], row) for row in found)
        grants = self._grants(connection, view, keys)
        members = _members(connection, keys) if kind is ObjectKind.GROUP else {}
        named = view.named_groups
        held = groups_among(connection, named, keys, transitive=view.transitive) if named else {}
        changes = []
        for key in keys:
            _, object_id, kept_kind, lifecycle, seq, content, manager_id = rows[key]
            if kept_kind == _USER:
                # A purged manager was taken from all reports when it was purged.
                references = _NO_MANAGER if manager_id is None else {"manager": (manager_id,)}
            else:
                references = {"members": tuple(members.get(key, ()))}
            attributes = _attributes(content, object_id, is_user=kept_kind == _USER)
            if named:
                attributes[MEMBER_OF] = held.get(key, ())
            changes.append(
                Change(
                    source_id=object_id,
                    kind=kind,
                    lifecycle=_LIFECYCLES[lifecycle],
                    seq=seq,
                    attributes=attributes,
                    grants=tuple(grants.get(key, ())),
                    references=references,
                )
            )
        return changes

    def _grants(self, connection: Connection, view: JobView, keys: Sequence[int]) -> dict[int, list[RoleGrant]]:
        found = self._manifest.fetch_one({"id": view.service_principal_id}, on=connection)
        if found is None:
            return {}
        application, app_roles = found
        manifest = {role.id: role for role in decode(app_roles, tuple[AppRole, ...])}
        of_groups: dict[int, list[RoleGrant]] = {}
        for key, object_id, name, role_id in self._of_groups.fetch_all({"application": application}, on=connection):
            of_groups.setdefault(key, []).append(_grant(manifest, role_id, group_id=object_id, group_name=name))
        through = self._through[view.transitive]
        grants: dict[int, list[RoleGrant]] = {}
        for piece in pieces(keys):
            listed = as_list(piece)
            given = {"application": application, "keys": listed}
            for principal, role_id in self._direct.fetch_all(given, on=connection):
                grants.setdefault(principal, []).append(_grant(manifest, role_id))
            if not of_groups:
                # Nobody comes through a group: most applications are assigned to people, or to everybody.
                continue
            for member, group in through.fetch_all(given, on=connection):
                grants.setdefault(member, []).extend(of_groups.get(group, ()))
        return grants


def _attributes(content: str, object_id: str, *, is_user: bool) -> dict[str, Any]:
    attributes = read_attributes(content)
    attributes["objectId"] = object_id
    if is_user:
        raw = attributes.get("userPrincipalName")
        if raw is not None:
            attributes["originalUserPrincipalName"] = raw
            attributes["userPrincipalName"] = original_principal_name(raw)
    return attributes


def _grant(
    manifest: dict[str, AppRole], role_id: str, *, group_id: str | None = None, group_name: str | None = None
) -> RoleGrant:
    role = manifest.get(role_id)
    if role is None:
        # Default Access, or a role that has left the manifest while somebody holds it: a way in without a value.
        value, name = None, "Default Access" if role_id == DEFAULT_ACCESS else role_id
    else:
        value, name = role.value, role.display_name
    return RoleGrant(
        role_id=role_id, role_value=value, role_display_name=name, via_group_id=group_id, via_group_name=group_name
    )


def _members(connection: Connection, keys: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for piece in pieces(keys):
        rows = connection.execute(
            sa.select(memberships.c.group_key, objects.c.object_id)
            .join(objects, objects.c.key == memberships.c.member_key)
            .where(memberships.c.group_key.in_(piece), objects.c.lifecycle == Lifecycle.PRESENT.value)
            .order_by(memberships.c.group_key, memberships.c.member_key)
        )
        for group, member in rows:
            found.setdefault(group, []).append(member)
    return found
