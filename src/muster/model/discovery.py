"""Accounts at a target that the job does not manage, as a reconciliation finds them."""

from dataclasses import dataclass
from enum import StrEnum

from muster.model.directory import ObjectKind


class Standing(StrEnum):
    """Whose an unmanaged account is. Source: Entra's account discovery."""

    # Nobody of the directory matches it.
    LOCAL = "local"
    # Somebody of the directory matches it, and is not in the job's scope.
    UNASSIGNED = "unassigned"
    # Somebody in scope matches it; something hinders the link (the log says what).
    ASSIGNED = "assigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredAccount:
    """One account of the target that is not linked."""

    kind: ObjectKind
    target_id: str
    display_name: str | None
    standing: Standing = Standing.LOCAL
    # The value that it is matched by, folded.
    matching: str | None = None
    # Who of the directory matches it.
    source_id: str | None = None
    source_name: str | None = None
