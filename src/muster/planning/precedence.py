"""Which source's word counts for an attribute, where several supply it: the order that administrators set.

Each source's job has a precedence (setting `Precedence`, lowest first, 100 unless set) and, where an attribute is to
be otherwise, one for it (`AttributePrecedence`: `mail=10; mobile=200`). Equal ones: the older source. What is edited by
hand comes after every source, or before it for the attributes of `LocalEditsFirst` (`mobile; otherMails`, or `*`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from muster.model.copies import replace
from muster.model.operation import Intent
from muster.model.rules import FlowType, SynchronizationSchema
from muster.model.schema_checks import attributes_in
from muster.model.supply import Supply

PRECEDENCE = "Precedence"
ATTRIBUTE_PRECEDENCE = "AttributePrecedence"
LOCAL_EDITS_FIRST = "LocalEditsFirst"
ORDER_SETTINGS = (PRECEDENCE, ATTRIBUTE_PRECEDENCE, LOCAL_EDITS_FIRST)
DEFAULT_PRECEDENCE = 100
# An import of a single file, as an edit by hand, comes after every source.
LAST_PRECEDENCE = 1_000_000
# Whether somebody is there at all; the one thing that a source still says when it no longer has the object.
EXISTENCE = "isSoftDeleted"
BY_HAND = "an edit by hand"
_MOST = 10_000
_EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How much a source's word counts, and what it can speak of."""

    job_id: str
    name: str
    # Of equal precedence the first counts: an instant as text, or any text that sorts.
    since: str = ""
    precedence: int = DEFAULT_PRECEDENCE
    by_attribute: Mapping[str, int] = field(default_factory=dict)
    local_first: frozenset[str] = frozenset()
    # Directory attribute -> source attributes of its mapping; one that flows at creation only is not in it.
    made_of: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def place(self, attribute: str) -> tuple[int, str, str]:
        """Returns where it stands in the order for an attribute: the lowest counts."""
        return (self.by_attribute.get(attribute, self.precedence), self.since, self.job_id)

    def lets_edit(self, attribute: str) -> bool:
        """Whether what is edited by hand comes before this source."""
        return _EVERYTHING in self.local_first or attribute in self.local_first

    def speaks_of(self, attribute: str, supply: Supply) -> bool:
        """Whether the source supplies an attribute of an object; a default value is no word of the source."""
        made_of = self.made_of.get(attribute)
        if made_of is None or attribute not in supply.sent:
            return False
        if attribute == EXISTENCE:
            return True
        return supply.is_live and (not made_of or not made_of.isdisjoint(supply.has))


def read_standing(
    job_id: str, name: str, since: str, settings: Mapping[str, str], schema: SynchronizationSchema
) -> Standing:
    """Returns a source's standing; settings that cannot be read are as if not given."""
    return Standing(
        job_id=job_id,
        name=name,
        since=since,
        precedence=_or_default(settings.get(PRECEDENCE, "")),
        by_attribute=dict(_pairs(settings.get(ATTRIBUTE_PRECEDENCE, ""))),
        local_first=frozenset(_names(settings.get(LOCAL_EDITS_FIRST, ""))),
        made_of={
            item.target_attribute: frozenset(attributes_in(item.expression))
            for rule in schema.rules
            for mapping in rule.object_mappings
            for item in mapping.attribute_mappings
            if item.expression is not None and item.flow_type is not FlowType.OBJECT_ADD_ONLY
        },
    )


def owners(standings: Mapping[str, Standing], supplies: Sequence[Supply]) -> Mapping[str, Standing]:
    """Returns by attribute the source whose word counts."""
    found: dict[str, Standing] = {}
    for supply in supplies:
        standing = standings.get(supply.job_id)
        if standing is None:
            continue
        for attribute in supply.sent:
            best = found.get(attribute)
            if standing.speaks_of(attribute, supply) and (
                best is None or standing.place(attribute) < best.place(attribute)
            ):
                found[attribute] = standing
    return found


def withheld_from(
    mine: Standing, standings: Mapping[str, Standing], supplies: Sequence[Supply], edited: Collection[str]
) -> Mapping[str, str]:
    """Returns the attributes that a source may not write, each with the name of whoever supplies it."""
    others = [supply for supply in supplies if supply.job_id != mine.job_id]
    found = {
        attribute: owner.name
        for attribute, owner in owners(standings, others).items()
        if owner.place(attribute) < mine.place(attribute)
    }
    found.update((attribute, BY_HAND) for attribute in edited if mine.lets_edit(attribute))
    return found


def without(intent: Intent, withheld: Collection[str]) -> Intent:
    """Returns an intent that says nothing of attributes that are somebody else's affair."""
    return replace(
        intent,
        values=tuple(value for value in intent.values if value.attribute not in withheld),
        references=tuple(each for each in intent.references if each.attribute not in withheld),
    )


def check_precedence(text: str) -> int:
    """Returns a precedence. Raises: ValueError."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or int(text) > _MOST:
        raise ValueError(f"takes a whole number from 0 to {_MOST:,}; the lowest counts")
    return int(text)


def check_attribute_precedence(text: str) -> Mapping[str, int]:
    """Returns precedences by attribute. Raises: ValueError."""
    found: dict[str, int] = {}
    for part in text.split(";"):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if part.strip() and (not name or not equals):
            raise ValueError("takes attributes with a number each, such as mail=10; mobile=200")
        if part.strip():
            found[name] = check_precedence(number)
    return found


def _or_default(text: str) -> int:
    try:
        return check_precedence(text)
    except ValueError:
        return DEFAULT_PRECEDENCE


def _pairs(text: str) -> Iterator[tuple[str, int]]:
    try:
        yield from check_attribute_precedence(text).items()
    except ValueError:
        return


def _names(text: str) -> Iterator[str]:
    return (name.strip() for name in text.split(";") if name.strip())
