"""The scoping filters of an object mapping: an editor that says at each change how many people are in and out."""

from dataclasses import replace
from typing import Any

import flask

from muster.administration import mapping_edits, people, rules
from muster.administration.group_clauses import called
from muster.administration.mapping_edits import PlacedMapping, ScopeCount
from muster.administration.refusals import Refused, bad_request
from muster.model.directory import ObjectKind
from muster.model.job import TRANSITIVE_GROUPS_SETTING
from muster.model.rules import MEMBER_OF, FilterClause, FilterGroup, ScopingFilter
from muster.model.schema_checks import OWN_DIRECTORY_NAMES
from muster.planning.operators import OPERATORS, OPERATORS_BY_NAME, Kind, normal_name
from muster.ports.directory import DirectoryQuery
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import gettext
from muster.web.portal.consequences import are_asked, consequences, refused_consequences
from muster.web.portal.forms import done
from muster.web.portal.paths import checked_place, desk, read_number
from muster.web.portal.shelves import Shelf, find_shelf, show

GROUPS = 50
CLAUSES = 50
LIST_CHARACTERS = 100_000
# How a clause's value is entered; the page shows the field that fits.
_KINDS = {Kind.UNARY: "none", Kind.LIST: "list", Kind.GROUPS: "groups"}
_OFFERED = 8
# Attributes that no clause can look at (Microsoft, "Scoping filters").
_EXCLUDED = frozenset(
    {"appRoleAssignments", "IsSoftDeleted", "manager", "members", "userType", "proxyAddresses", "otherMails"}
)


def show_scope(sp: str, number: int) -> Any:
    """GET /applications/<sp>/mappings/<number>/scope"""
    found = find_shelf(sp)
    placed = mapping_edits.find_mapping(desk(), found.sp, found.job.id, number)
    # Counted by the page itself once it stands: it may be many.
    return _editor(sp, placed, placed.mapping.scope, is_counted=False)


def change_scope(sp: str, number: int) -> Any:
    """POST /applications/<sp>/mappings/<number>/scope: a clause or filter more or less, or all saved."""
    found = find_shelf(sp)
    placed = mapping_edits.find_mapping(desk(), found.sp, found.job.id, number)
    # Who tabs on from a field is at a button when the count is sent, and htmx sends that with it as if it were pressed.
    is_count = flask.request.headers.get("HX-Target") == "scope-count"
    deed, _, place = ("" if is_count else flask.request.form.get("do", "")).partition(":")
    if deed == "find":
        return _offers(found, place)
    if deed == "list":
        return _listed(found, placed, place)
    scope = _changed(_given(), deed, place)
    if deed in ("save", "review"):
        try:
            document = mapping_edits.with_scope(desk(), found.sp, found.job.id, number, scope)
            if are_asked():
                return consequences(found, document)
            rules.replace_schema(desk(), found.sp, found.job.id, document)
        except Refused as refused:
            if are_asked():
                return refused_consequences(found, refused)
            return _editor(sp, placed, scope, refused), 400
        return done(found.to("mappings"), "resync")
    # A changed field is counted and nothing else of the page is exchanged: who goes on typing meanwhile loses nothing.
    return _editor(sp, placed, scope, part="mappings/scope_count.html" if deed == "" else None)


def _offers(found: Shelf, key: str) -> str:
    """The groups whose names begin with what is looked for, to be put into a clause."""
    wanted = flask.request.form.get(f"find-{key}", "").strip()[:200]
    query = DirectoryQuery(kind=ObjectKind.GROUP, search=wanted, limit=_OFFERED)
    offers = people.search(desk(), query).objects if wanted else ()
    return show("mappings/group_offers.html", found, offers=offers, key=key, is_asked=bool(wanted))


def _listed(found: Shelf, placed: PlacedMapping, place: str) -> str:
    """Those whom the filter in the form lets in or leaves out, some at a time: `in`, or `out:` and the key to go on."""
    side, _, after = place.partition(":")
    people_of, following = mapping_edits.list_scope(
        desk(),
        placed.mapping.kind,
        _given(),
        passes=side == "in",
        after=checked_place(after or None),
        transitive=_is_transitive(found),
    )
    return show(
        "mappings/scope_names.html",
        found,
        side=side,
        people=people_of,
        following=following,
        is_first=not after,
        place=_place(placed),
    )


def _is_transitive(found: Shelf) -> bool:
    return found.job.settings.get(TRANSITIVE_GROUPS_SETTING, "").lower() == "true"


def _place(placed: PlacedMapping) -> str:
    return "groups" if placed.mapping.kind is ObjectKind.GROUP else "users"


def _editor(
    sp: str,
    placed: PlacedMapping,
    scope: ScopingFilter,
    refusal: Refused | None = None,
    part: str | None = None,
    *,
    is_counted: bool = True,
) -> str:
    count: ScopeCount | None = None
    problem: str | None = None
    if is_counted and _is_filled(scope):
        try:
            transitive = _is_transitive(find_shelf(sp))
            count = mapping_edits.count_scope(desk(), placed.mapping.kind, scope, transitive=transitive)
        except Refused as refused:
            problem = refused.sentence
    elif is_counted:
        problem = gettext("Choose an attribute and a value for every clause to see who is in.")
    return show(
        (part or "mappings/scope_editor.html") if is_fragment_wanted() else "mappings/scope.html",
        find_shelf(sp),
        placed=placed,
        scope=called(desk(), scope),
        operators=OPERATORS,
        kinds=_KINDS,
        attributes=_attributes(placed),
        count=count,
        is_counted=is_counted,
        problem=problem,
        refusal=refusal,
        place=_place(placed),
    )


def _attributes(placed: PlacedMapping) -> list[str]:
    known = () if placed.source is None else placed.source.attributes
    names = {each.name for each in known if not each.multivalued and each.name not in _EXCLUDED}
    if placed.rule.source_directory in OWN_DIRECTORY_NAMES:
        names.add(MEMBER_OF)
    return sorted(names, key=str.casefold)


def _is_filled(scope: ScopingFilter) -> bool:
    return all(clause.attribute and clause.operator for group in scope.groups for clause in group.clauses)


def _given() -> ScopingFilter:
    """The filters as the form holds them: group-0 is the first title; attribute-0-1 its second clause's attribute."""
    form = flask.request.form
    groups: list[FilterGroup] = []
    for at in range(GROUPS + 1):
        if f"group-{at}" not in form:
            break
        clauses: list[FilterClause] = []
        for number in range(CLAUSES + 1):
            key = f"{at}-{number}"
            if f"attribute-{key}" not in form:
                break
            clauses.append(_clause(key))
        groups.append(FilterGroup(name=form[f"group-{at}"].strip()[:200], clauses=tuple(clauses)))
    if len(groups) > GROUPS or any(len(group.clauses) > CLAUSES for group in groups):
        raise bad_request(
            f"The editor takes up to {GROUPS} filters with {CLAUSES} clauses each: use the schema editor."
        )
    return ScopingFilter(groups=tuple(groups))


def _clause(key: str) -> FilterClause:
    form = flask.request.form
    operator = form.get(f"operator-{key}", "")
    value = form.get(f"value-{key}", "")[:2_000]
    attribute = form.get(f"attribute-{key}", "").strip()[:200]
    known = OPERATORS_BY_NAME.get(normal_name(operator))
    if attribute == MEMBER_OF and (known is None or known.kind is not Kind.GROUPS):
        # Chosen just now: what else could be asked of it?
        known = OPERATORS_BY_NAME[normal_name("MEMBER_OF")]
        operator = known.name
    if known is not None and known.kind is Kind.GROUPS:
        lines = form.get(f"groups-{key}", "")[:LIST_CHARACTERS]
        values: tuple[str, ...] = tuple(dict.fromkeys(part for line in lines.splitlines() if (part := line.strip())))
    elif known is None or known.kind is Kind.UNARY:
        values = ()
    elif known.kind is Kind.LIST:
        # What was written before the operator took a list is its first value.
        lines = form.get(f"values-{key}", "")[:LIST_CHARACTERS] or value
        values = tuple(part for line in lines.splitlines() if (part := line.strip()))
    else:
        values = (value,)
    return FilterClause(attribute=attribute, operator=operator, values=values)


def _changed(scope: ScopingFilter, deed: str, place: str) -> ScopingFilter:
    groups = list(scope.groups)
    at, _, number = place.partition("-")
    index = read_number(at)
    blank = FilterClause(attribute="", operator="EQUALS", values=("",))
    if deed == "add-group":
        groups.append(FilterGroup(name=gettext("Filter %(number)s", number=len(groups) + 1), clauses=(blank,)))
    elif index is not None and index < len(groups):
        group = groups[index]
        if deed == "remove-group":
            del groups[index]
        elif deed == "add-clause":
            groups[index] = FilterGroup(name=group.name, clauses=(*group.clauses, blank))
        elif deed == "add-member" and (added := _with_member(group, number)) is not None:
            groups[index] = added
        elif deed == "remove-clause" and (removed := read_number(number)) is not None:
            kept = tuple(each for other, each in enumerate(group.clauses) if other != removed)
            groups[index : index + 1] = [FilterGroup(name=group.name, clauses=kept)] if kept else []
    return ScopingFilter(groups=tuple(groups))


def _with_member(group: FilterGroup, place: str) -> FilterGroup | None:
    """The filter with a group added to what a clause asks for; `place` is the clause's number and the group's id."""
    number, _, group_id = place.partition(":")
    at = read_number(number)
    if at is None or at >= len(group.clauses):
        return None
    clauses = list(group.clauses)
    clause = clauses[at]
    clauses[at] = replace(clause, values=tuple(dict.fromkeys((*clause.values, group_id[:200]))))
    return FilterGroup(name=group.name, clauses=tuple(clauses))
