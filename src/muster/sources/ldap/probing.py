"""What a test of a connection finds in a branch: how many objects, and whether its filter can mean what it says.

A server takes a comparison with an attribute that it does not know for neither true nor false (RFC 4511 §4.5.1.7): the
search succeeds and finds nobody, as if nobody were there.
"""

import re

from muster.model.counting import number_of
from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure, SchemaRefused
from muster.sources.ldap.filters import has_value, names_in
from muster.sources.ldap.messages import FoundEntry, Result
from muster.sources.ldap.reading import Branch
from muster.sources.ldap.results import CUT_SHORT, SUCCESS, cut_sentence, failure_of
from muster.sources.ldap.session import LdapSession

# Beyond these a test does not count.
COUNTED = 10_000
_PAGE = 1_000
# An attribute's description begins with its number, then come its names: RFC 4512 §4.1.2.
_DESCRIPTION = re.compile(r"\(\s*(\S+)(?:\s+NAME\s+(?:'([^']*)'|\(([^)]*)\)))?")
_NOUNS = {ObjectKind.USER: "user", ObjectKind.GROUP: "group"}
_QUOTED = re.compile(r"'([^']*)'")


def known_attributes(session: LdapSession, schema_dn: str) -> frozenset[str] | None:
    """Returns the names of the attributes that the server knows, in lower case; None: it does not say."""
    if not schema_dn:
        return None
    try:
        found = session.read_entry(schema_dn, ("attributeTypes",), has_value("objectClass", "subschema"))
    except JobFailure:
        # Whoever may read people need not be allowed to read this.
        return None
    names: set[str] = set()
    for values in () if found is None else found.attributes.values():
        for value in values:
            described = _DESCRIPTION.match(value.decode(errors="replace"))
            if described is not None:
                number, one, several = described.groups(default="")
                names |= {number, one.casefold(), *(name.casefold() for name in _QUOTED.findall(several))}
    return frozenset(names) or None


def look_at(session: LdapSession, branch: Branch, known: frozenset[str] | None) -> list[str]:
    """Returns sentences: how many objects a branch has, and what about that is odd.

    Raises: SchemaRefused for a filter that finds nobody as the server does not know what it compares; JobFailure.
    """
    counted, cut = _count(session, branch)
    unknown = () if known is None else tuple(sorted(names_in(branch.filter_bytes) - known))
    field = "UserFilter" if branch.kind is ObjectKind.USER else "GroupFilter"
    number = f"{COUNTED:,}+ {_NOUNS[branch.kind]}s" if counted > COUNTED else number_of(counted, _NOUNS[branch.kind])
    said = [f"Below {branch.base} the filter finds {number}.", *cut]
    if unknown:
        odd = f"{field} compares what the server does not know as an attribute: {', '.join(unknown)}."
        if not counted:
            raise SchemaRefused(" ".join((*said, odd)), remedy="Correct the filter: such a comparison finds nobody.")
        return [*said, odd, "Such a comparison finds nobody."]
    if not counted and not cut:
        return [*said, f"Check the base, {field}, and what the bind DN may read."]
    return said


def _count(session: LdapSession, branch: Branch) -> tuple[int, list[str]]:
    """How many objects a branch has, as far as a test counts them; why that may not be all. Raises: JobFailure."""
    counted = 0
    for answer in session.search_pages(
        base=branch.base, filter_bytes=branch.filter_bytes, attributes=("1.1",), page_size=_PAGE
    ):
        if isinstance(answer, FoundEntry):
            counted += 1
            if counted > COUNTED:
                break
        elif isinstance(answer, Result) and answer.code in CUT_SHORT:
            return counted, [cut_sentence(session.origin, answer, branch.base)]
        elif isinstance(answer, Result) and answer.code != SUCCESS:
            raise failure_of(session.origin, answer, f"the base {branch.base}")
    return counted, []
