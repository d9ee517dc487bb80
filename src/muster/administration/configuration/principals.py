"""Whom an assignment of a configuration names: users and groups by name, and users by a rule."""

from collections.abc import Sequence

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.model.configuration import Assignment, Clause
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.planning.scoping import FilterRefused, compile_filter
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
        return [self._group(assignment.group or "").object_id]

    def _group(self, name: str) -> DirectoryObject:
        by_id = self._desk.stores.directory.get(ObjectKind.GROUP, name)
        if by_id is not None and by_id.lifecycle is Lifecycle.PRESENT:
            return by_id
        query = DirectoryQuery(kind=ObjectKind.GROUP, comparisons=(("displayName", "eq", name),), limit=2)
        found = self._desk.stores.directory.search(query).objects
        if not found:
            raise not_found("Group", name)
        if len(found) > 1:
            raise bad_request(f"Several groups are called {name}: name the one you mean by its id.")
        return found[0]

    def _users(self, clauses: Sequence[Clause]) -> Sequence[str]:
        group = FilterGroup(
            name="users",
            clauses=tuple(
                FilterClause(attribute=clause.attribute, operator=clause.operator, values=tuple(clause.values))
                for clause in clauses
            ),
        )
        try:
            rule = compile_filter(ScopingFilter(groups=(group,)))
        except FilterRefused as refused:
            raise bad_request(refused.sentence) from refused
        chosen: list[str] = []
        after: str | None = None
        while True:
            page = self._desk.stores.directory.search(DirectoryQuery(kind=ObjectKind.USER, after=after, limit=_PAGE))
            chosen += [each.object_id for each in page.objects if rule.decide(each.attributes).in_scope]
            after = page.next_after
            if after is None:
                return chosen
