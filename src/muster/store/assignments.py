"""Rows of assignments: kept once each, and what that means for the feed."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.store.changes import Cause, FeedChange
from muster.store.rows import pieces
from muster.store.tables import assignments


def insert_assignments(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keeps rows of assignments and returns those that were not there (same application, principal and role)."""
    columns = assignments.c
    applications = {row["application_key"] for row in rows}
    present: set[tuple[int, int, str]] = set()
    for piece in pieces({row["principal_key"] for row in rows}):
        known = connection.execute(
            sa.select(columns.application_key, columns.principal_key, columns.role_id).where(
                columns.principal_key.in_(piece), columns.application_key.in_(applications)
            )
        )
        present.update((row[0], row[1], row[2]) for row in known)
    new = []
    for row in rows:
        what = (row["application_key"], row["principal_key"], row["role_id"])
        if what not in present:
            present.add(what)
            new.append(row)
    if new:
        connection.execute(sa.insert(assignments), new)
    return new


def reassigned(application: int, principal: int) -> FeedChange:
    """Returns what the feed tells of an assignment that came or went."""
    return FeedChange(cause=Cause.ASSIGNMENT, object_key=principal, application_key=application)
