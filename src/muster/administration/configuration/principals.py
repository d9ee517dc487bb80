"""Whom an assignment of a configuration names: users and groups by name, and users by a rule."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from muster.administration.desk import Desk
from muster.administration.group_clauses import Sieve, find_group
from muster.administration.refusals import bad_request, not_found
from muster.model.configuration import Assignment, Clause
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.ports.directory import DirectoryQuery

_PAGE = 1_000
_NAME_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Whom the directory does not have: a user by principal name, or a group by display name."""

    kind: ObjectKind
    name: str


class Principals:
    """Finds principals in the directory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(self, assignment: Assignment) -> Sequence[str] | Absent:
        """Returns the ids of those whom an assignment names, or whom it waits for. Raises: Refused."""
        if assignment.users is not None:
            return self._users(assignment.users)
        if assignment.user is not None:
            found = self._desk.stores.directory.get(ObjectKind.USER, assignment.user)
            if found is None or found.lifecycle is not Lifecycle.PRESENT:
                return _absent(ObjectKind.USER, assignment.user)
            return [found.object_id]
        name = assignment.group or ""
        group = find_group(self._desk, name)
        return _absent(ObjectKind.GROUP, name) if group is None else [group.object_id]

    def _users(self, clauses: Sequence[Clause]) -> Sequence[str]:
        group = FilterGroup(
            name="users",
            clauses=tuple(
                FilterClause(attribute=clause.attribute, operator=clause.operator, values=tuple(clause.values))
                for clause in clauses
            ),
        )
        sieve = Sieve(self._desk, ScopingFilter(groups=(group,)))
        chosen: list[str] = []
        after: str | None = None
        while True:
            page = self._desk.stores.directory.search(DirectoryQuery(kind=ObjectKind.USER, after=after, limit=_PAGE))
            chosen += [each.object_id for each, decision in sieve.decide(page.objects) if decision.in_scope]
            after = page.next_after
            if after is None:
                return chosen


def _absent(kind: ObjectKind, name: str) -> Absent:
    """Raises: Refused for what no name that is waited for can be: an id (they are given here), or half a name."""
    if not name or name != name.strip() or len(name) > _NAME_LIMIT:
        raise bad_request(f"A {kind.value.lower()} has a name of 1 to {_NAME_LIMIT} characters without blanks around.")
    if _is_id(name):
        raise not_found(kind.value, name)
    if kind is ObjectKind.USER and "@" not in name:
        raise bad_request(f"“{name}” is no user principal name: write one like name@company.example.")
    return Absent(kind=kind, name=name)


def _is_id(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True
