"""What SCIM clients gave of objects of our directory, and the directory in the order in which SCIM lists it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muster.model.directory import DirectoryObject, ObjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimRecord:
    """What a client last gave of an object: its document as JSON, without id, members and meta."""

    object_id: str
    external_id: str | None
    client_id: str
    client_name: str
    content: bytes
    # Counts the client's changes, those of members too.
    revision: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimPlace:
    """A present object with its record, if a client gave one; `place` grows in the order of creation."""

    place: int
    object: DirectoryObject
    record: ScimRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCount:
    """Present people and groups that clients gave or changed, and the members of those groups."""

    people: int
    groups: int
    members: int


class InboundStore(Protocol):
    """The directory's present objects, as SCIM clients see them."""

    def get(self, kind: ObjectKind, object_id: str) -> ScimPlace | None:
        """Returns a present object by id."""
        ...

    def find(self, kind: ObjectKind, name: str, value: str) -> Sequence[ScimPlace]:
        """Returns present objects by `userName` or `displayName` (without case) or `externalId` (exact)."""
        ...

    def page(
        self, kind: ObjectKind, *, skip: int = 0, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, Sequence[ScimPlace]]:
        """Returns how many there are, and a page of them in the order of creation.

        `skip` leaves out the first so many; `after` begins behind a place, `before` ends in front of one.
        """
        ...

    def keep(self, record: ScimRecord) -> None:
        """Keeps a record in the place of the one there is."""
        ...

    def given(self) -> GivenCount:
        """Returns how much there is of what clients gave."""
        ...
