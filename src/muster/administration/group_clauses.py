"""Groups that scoping filters name: written by their names or ids, kept by their ids, shown by their names.

An id outlives a new name. A configuration that is carried to another installation has names: ids differ there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.administration.desk import Desk
from muster.administration.refusals import Refused, bad_request, not_found
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.rules import MEMBER_OF, FilterClause, FilterGroup, ScopingFilter
from muster.planning.operators import OPERATORS_BY_NAME, normal_name
from muster.planning.scoping import MAX_VALUES, CompiledFilter, FilterRefused, ScopeDecision, compile_filter
from muster.ports.directory import DirectoryQuery

Document = Mapping[str, Any]
# Filter and group as written -> group as kept or shown.
_Naming = Callable[[str, str], str]

# Lenient: what a person is a member of is asked of the person, so some write the person's own key.
_OWN_KEY = "objectId"


def named_group(desk: Desk, name: str) -> DirectoryObject:
    """Returns a group that is there, by its id or else by its display name. Raises: Refused."""
    found = find_group(desk, name)
    if found is None:
        raise not_found("Group", name)
    return found


def find_group(desk: Desk, name: str) -> DirectoryObject | None:
    """The same, or None when there is none. Raises: Refused when several are called so."""
    by_id = desk.stores.directory.get(ObjectKind.GROUP, name)
    if by_id is not None and by_id.lifecycle is Lifecycle.PRESENT:
        return by_id
    query = DirectoryQuery(kind=ObjectKind.GROUP, comparisons=(("displayName", "eq", name),), limit=2)
    found = desk.stores.directory.search(query).objects
    if len(found) > 1:
        raise bad_request(f"Several groups are called {name}: name the one you mean by its id.")
    return found[0] if found else None


def with_group_ids(desk: Desk, document: Document, before: Document | None = None) -> tuple[Document, Sequence[str]]:
    """Returns a schema document whose filters name groups by their ids, and a sentence for each group there is not.

    A group that `before`, the rules in force, names already may be gone: other rules can be saved all the same.
    """
    known: dict[str, str] = {}
    if before is not None:
        _renamed(before, lambda _, name: known.setdefault(name, name))
    problems: list[str] = []
    ids: dict[str, str] = {}

    def identify(title: str, name: str) -> str:
        if name in known:
            return name
        if name not in ids and len(ids) >= MAX_VALUES:
            too_many = f"Scoping filters ask for more than {MAX_VALUES:,} groups: put people into fewer."
            problems.extend([] if too_many in problems else [too_many])
            return name
        if name not in ids:
            try:
                ids[name] = named_group(desk, name).object_id
            except Refused as refused:
                ids[name] = name
                problems.append(f"Scoping filter “{title}” asks for the group {name}: {_why(refused, desk, name)}")
        return ids[name]

    return _renamed(document, identify), problems


def with_group_names(desk: Desk, document: Document) -> Document:
    """Returns a schema document whose filters name groups by their display names, but for those that share one."""
    names: dict[str, str] = {}

    def call(_title: str, group_id: str) -> str:
        if group_id not in names:
            found = desk.stores.directory.get(ObjectKind.GROUP, group_id)
            names[group_id] = group_id if found is None else unmistakable(desk, found)
        return names[group_id]

    return _renamed(document, call)


def identified(desk: Desk, scoping: ScopingFilter) -> ScopingFilter:
    """Returns a filter that names groups by their ids. Raises: Refused, naming the group that is not there."""
    return _with_groups(scoping, lambda name: named_group(desk, name).object_id)


def called(desk: Desk, scoping: ScopingFilter) -> ScopingFilter:
    """Returns a filter that names groups by their display names, as a person reads it."""
    found = {each: desk.stores.directory.get(ObjectKind.GROUP, each) for each in _named(scoping)}
    names = {each: unmistakable(desk, group) for each, group in found.items() if group is not None}
    return _with_groups(scoping, lambda group_id: names.get(group_id, group_id))


class Sieve:
    """A filter that lets objects of the directory through, page by page; groups in it may be written by their names."""

    def __init__(self, desk: Desk, scoping: ScopingFilter, *, transitive: bool = False) -> None:
        """Raises: Refused, naming the clause that cannot be used, or the group that is not there."""
        self._desk = desk
        self._transitive = transitive
        scoping = identified(desk, scoping)
        try:
            self._filter: CompiledFilter = compile_filter(scoping, _names(desk, _named(scoping)))
        except FilterRefused as refused:
            raise bad_request(refused.sentence, code="InvalidScopingFilter") from refused

    def decide(self, page: Sequence[DirectoryObject]) -> Sequence[tuple[DirectoryObject, ScopeDecision]]:
        """Returns each object with what the filter says of it."""
        named = self._filter.named_groups
        ids = [each.object_id for each in page] if named else []
        held = self._desk.stores.directory.groups_among(named, ids, transitive=self._transitive) if named else {}
        return [
            (
                each,
                self._filter.decide(
                    {**each.attributes, "objectId": each.object_id, MEMBER_OF: held.get(each.object_id, ())}
                ),
            )
            for each in page
        ]


def _why(refused: Refused, desk: Desk, name: str) -> str:
    deleted = desk.stores.directory.get(ObjectKind.GROUP, name)
    if deleted is not None and deleted.lifecycle is Lifecycle.SOFT_DELETED:
        return "it is deleted; restore it, or name another."
    if refused.code == "Request_ResourceNotFound":
        return "the directory has none of this name or id."
    return refused.sentence


def _names(desk: Desk, ids: Sequence[str]) -> Mapping[str, str]:
    return {each.object_id: each.display_name for each in desk.stores.directory.by_ids(ids)} if ids else {}


def unmistakable(desk: Desk, group: DirectoryObject) -> str:
    """The name by which a group is found again; its id, if others share the name or it is gone."""
    try:
        found = named_group(desk, group.display_name)
    except Refused:
        return group.object_id
    return group.display_name if found.object_id == group.object_id else group.object_id


def _named(scoping: ScopingFilter) -> Sequence[str]:
    clauses = [clause for group in scoping.groups for clause in group.clauses if clause.tests_membership]
    return tuple(dict.fromkeys(value for clause in clauses for value in clause.values))


def _with_groups(scoping: ScopingFilter, name: Callable[[str], str]) -> ScopingFilter:
    def formed(clause: FilterClause) -> FilterClause:
        if not clause.tests_membership:
            return clause
        attribute = MEMBER_OF if clause.attribute in ("", _OWN_KEY) else clause.attribute
        known = OPERATORS_BY_NAME.get(normal_name(clause.operator))
        values = tuple(name(value) for value in clause.values if value)
        return FilterClause(
            attribute=attribute, operator=clause.operator if known is None else known.name, values=values
        )

    return ScopingFilter(
        groups=tuple(
            FilterGroup(name=group.name, clauses=tuple(formed(clause) for clause in group.clauses))
            for group in scoping.groups
        )
    )


# ---------------------------------------------------------------- documents


def _renamed(document: Document, name: _Naming) -> Document:
    """The document with each group in its filters named otherwise; what is no schema stays: others say why."""
    rules = document.get("synchronizationRules")
    if not isinstance(rules, list):
        return document
    return {**document, "synchronizationRules": [_inside(rule, "objectMappings", _of_mapping, name) for rule in rules]}


def _inside(entry: Any, key: str, change: Callable[[Any, _Naming], Any], name: _Naming) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get(key), list):
        return entry
    return {**entry, key: [change(each, name) for each in entry[key]]}


def _of_mapping(mapping: Any, name: _Naming) -> Any:
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("scope"), Mapping):
        return mapping
    return {**mapping, "scope": _inside(mapping["scope"], "groups", _of_group, name)}


def _of_group(group: Any, name: _Naming) -> Any:
    title = str(group.get("name") or "") if isinstance(group, Mapping) else ""
    return _inside(group, "clauses", lambda clause, _: _of_clause(clause, title, name), name)


def _of_clause(clause: Any, title: str, name: _Naming) -> Any:
    if not isinstance(clause, Mapping):
        return clause
    operand, attribute = clause.get("targetOperand"), clause.get("sourceOperandName")
    operator = str(clause.get("operatorName") or "")
    if not FilterClause(attribute="", operator=operator).tests_membership or not isinstance(operand, Mapping):
        return clause
    values = operand.get("values")
    if not isinstance(values, list):
        return clause
    renamed = [name(title, value) if isinstance(value, str) and value else value for value in values]
    return {
        **clause,
        "sourceOperandName": MEMBER_OF if attribute == _OWN_KEY else attribute,
        "targetOperand": {**operand, "values": renamed},
    }
