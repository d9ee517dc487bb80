"""Why an operation came about, in a form that groups operations: "these 38, because group Sales-Temp was deleted"."""

from dataclasses import dataclass
from enum import StrEnum


class CauseKind(StrEnum):
    """What sort of thing brought an operation about."""

    GROUP_DELETED = "groupDeleted"
    GROUP_UNASSIGNED = "groupUnassigned"
    LEFT_GROUP = "leftGroup"
    UNASSIGNED = "unassigned"
    ROLE_NOT_ENTITLED = "roleNotEntitled"
    SCOPING_FILTER = "scopingFilter"
    SIGN_IN_BLOCKED = "signInBlocked"
    SOFT_DELETED = "softDeleted"
    HARD_DELETED = "hardDeleted"
    MEMBERS_LEFT = "membersLeft"
    CAME_INTO_SCOPE = "cameIntoScope"
    ATTRIBUTES_CHANGED = "attributesChanged"
    REFERENCES_CHANGED = "referencesChanged"
    ROLLBACK = "rollback"
    CLIENT_ASKED = "clientAsked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What brought an operation about. Operations with one `key` belong together."""

    kind: CauseKind
    sentence: str
    # What tells two causes of a kind apart: an object id, a clause, attribute names.
    subject: str = ""

    @property
    def key(self) -> str:
        """The cause in one word, for filters."""
        return f"{self.kind.value}:{self.subject}" if self.subject else self.kind.value
