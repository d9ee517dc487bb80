"""Roles for users and groups whom the directory does not have yet: kept by name, and given once they come."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.model.application import DEFAULT_ACCESS, AppRole, AwaitedAssignment
from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.administration import AuditEntry
from muster.store.access_tables import awaited_assignments
from muster.store.assignments import insert_assignments, reassigned
from muster.store.audit import write_entry
from muster.store.changes import FeedChange
from muster.store.encoding import decode, encode
from muster.store.rows import pieces
from muster.store.tables import applications, objects

GIVEN = "Add app role assignment grant"
CATEGORY = "ApplicationManagement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A user or a security-enabled group that has come into the directory, or got another name."""

    key: int
    kind: ObjectKind
    # Folded: a user's principal name, a group's display name.
    name: str


def read_awaited(connection: Connection, application: int) -> list[AwaitedAssignment]:
    """Returns what an application waits for, in the order of names."""
    columns = awaited_assignments.c
    rows = connection.execute(
        sa.select(columns.entry)
        .where(columns.application_key == application)
        .order_by(columns.kind, columns.folded_name, columns.role_id)
    )
    return [decode(row.entry, AwaitedAssignment) for row in rows]


def write_awaited(connection: Connection, application: int, awaited: Sequence[AwaitedAssignment]) -> None:
    """Replaces what an application waits for; of two for one name and role the first is kept."""
    connection.execute(sa.delete(awaited_assignments).where(awaited_assignments.c.application_key == application))
    rows = {
        (each.principal_kind, each.name.casefold(), each.role_id): {
            "assignment_id": each.id,
            "application_key": application,
            "kind": each.principal_kind.value,
            "folded_name": each.name.casefold(),
            "role_id": each.role_id,
            "entry": encode(each),
        }
        for each in reversed(awaited)
    }
    if rows:
        connection.execute(sa.insert(awaited_assignments), list(rows.values()))


def is_anybody_awaited(connection: Connection) -> bool:
    """Whether any application waits for somebody."""
    return connection.execute(sa.select(awaited_assignments.c.assignment_id).limit(1)).first() is not None


def give_awaited(connection: Connection, arrivals: Sequence[Arrival], at: datetime) -> list[FeedChange]:
    """Gives arrivals the roles that wait for them, and returns what that means for the feed, which must be held.

    A name that several groups have names none of them; a role that is no longer there, or not for people, is not
    given: both go on waiting.
    """
    columns = awaited_assignments.c
    by_name = {(each.kind.value, each.name): each for each in arrivals}
    rows: list[Row[Any]] = []
    for kind in ObjectKind:
        for piece in pieces(name for found, name in by_name if found == kind.value):
            rows += connection.execute(
                sa.select(awaited_assignments, applications.c.service_principal_id, applications.c.display_name)
                .add_columns(applications.c.app_roles)
                .join(applications, applications.c.key == columns.application_key)
                .where(columns.kind == kind.value, columns.folded_name.in_(piece), applications.c.deleted_at.is_(None))
                .order_by(columns.assignment_id)
            ).all()
    given: dict[str, dict[str, Any]] = {}
    entries: list[AuditEntry] = []
    for row in rows:
        arrival = by_name[row.kind, row.folded_name]
        role = _role(decode(row.app_roles, tuple[AppRole, ...]), row.role_id)
        if role is None or (arrival.kind is ObjectKind.GROUP and _is_ambiguous(connection, arrival.name)):
            continue
        given[row.assignment_id] = {
            "assignment_id": row.assignment_id,
            "application_key": row.application_key,
            "principal_key": arrival.key,
            "is_group": arrival.kind is ObjectKind.GROUP,
            "role_id": row.role_id,
            "created_at": at,
        }
        wish = decode(row.entry, AwaitedAssignment)
        entries.append(
            AuditEntry(
                id=str(uuid.uuid4()),
                at=at,
                activity=GIVEN,
                category=CATEGORY,
                by=wish.by,
                target_type="ServicePrincipal",
                target_id=row.service_principal_id,
                target_name=row.display_name,
                changes=((f"{arrival.kind.value} {wish.name}", None, role),),
                result="success",
            )
        )
    for piece in pieces(given):
        connection.execute(sa.delete(awaited_assignments).where(columns.assignment_id.in_(piece)))
    new = insert_assignments(connection, list(given.values()))
    kept = {row["assignment_id"] for row in new}
    for assignment_id, entry in zip(given, entries, strict=True):
        if assignment_id in kept:
            write_entry(connection, entry)
    return [reassigned(row["application_key"], row["principal_key"]) for row in new]


def _role(roles: Sequence[AppRole], role_id: str) -> str | None:
    """The name of a role that can be given."""
    if role_id == DEFAULT_ACCESS:
        return "Default Access"
    return next(
        (role.display_name for role in roles if role.id == role_id and "User" in role.allowed_member_types), None
    )


def _is_ambiguous(connection: Connection, name: str) -> bool:
    found = connection.execute(
        sa.select(objects.c.key)
        .where(
            objects.c.kind == ObjectKind.GROUP.value,
            objects.c.lifecycle == Lifecycle.PRESENT.value,
            objects.c.folded_name == name,
        )
        .limit(2)
    ).all()
    return len(found) > 1
