"""Whom an assignment of a configuration names: users and groups by name, and users by a rule."""

from collections.abc import Sequence

from muster.administration.desk import Desk
from muster.administration.group_clauses import Sieve, named_group
from muster.administration.refusals import not_found
from muster.model.configuration import Assignment, Clause
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.ports.directory import DirectoryQuery

_PAGE = 1_000


class Principals:
    """Finds principals in the directory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def find(self, assignment: Assignment) -> Sequence[str]:
        """Returns the ids of those whom an assignment names. Raises: Refused."""
        if assignment.users is not None:
            return self._users(assignment.users)
        if assignment.user is not None:
            found = self._desk.stores.directory.get(ObjectKind.USER, assignment.user)
            if found is None or found.lifecycle is not Lifecycle.PRESENT:
                raise not_found("User", assignment.user)
            return [found.object_id]
        return [named_group(self._desk, assignment.group or "").object_id]

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
