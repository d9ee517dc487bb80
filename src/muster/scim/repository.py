"""What the SCIM server asks of whoever stores its resources: one protocol and the values that cross it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from muster.scim.filters import AttributePath, Filter

Document = dict[str, Any]
"""A canonical resource: canonical attribute names, checked types, no null and no empty list.

Key order: `schemas`, `id`, `externalId`, the other attributes, extensions, and `meta` last.
"""

Transform = Callable[[Document], Document]
"""Makes the next document from the present one and never changes its argument. May raise ScimError, which must
reach the caller with nothing stored. Returns the very same object when nothing changed: then version and
lastModified stay as they are."""


class StoredResource(NamedTuple):
    """One resource as stored.

    `version` is the opaque text between the quotes of the ETag (`W/"<version>"`). `document["meta"]` holds
    resourceType, created, lastModified and version (`W/"<version>"`), and no location: the server adds that.
    `body` is the canonical JSON of `document` without spaces, with `meta` its last member, so it ends in `}}`:
    the server writes the location into that place and serves the bytes as they are. What is only served is never read.
    """

    id: str
    version: str
    body: bytes

    @property
    def document(self) -> Document:
        """The resource as a value; read from the body at every call."""
        document: Document = orjson.loads(self.body)
        return document


class ResourceQuery(NamedTuple):
    """What to find. Filter and paths are bound: canonical names, schema None for the core schema, types checked.

    `start_index` counts from 1 and is at least 1; `limit` is at least 0 (0: only the total is asked).
    Resources without the sort attribute come last when ascending, first when descending (RFC 7644 §3.4.2.3);
    ties and unsorted lists are in one stable order. `with_members` False: leave `members` out.
    `after` and `before` are for unsorted queries, never both: the first `limit` resources after that place in the order
    of creation (0 is before all), or the last `limit` before it; `start_index` is then 1. `total` stays that of all.
    """

    filter: Filter | None = None
    sort_by: AttributePath | None = None
    descending: bool = False
    start_index: int = 1
    limit: int = 100
    with_members: bool = True
    after: int | None = None
    before: int | None = None


class ResourcePage(NamedTuple):
    """One page of an answer; `total` counts everything that the filter finds. `places` are those of the resources in
    the order of creation: positive, growing, never used again; given when `after` or `before` was asked."""

    total: int
    resources: Sequence[StoredResource]
    places: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersChange:
    """A change of a group's members in the order: clear (if set), remove, add. Adding a present member, or
    removing an absent one, does nothing. Each added member is `{"value": id, "type"?, "display"?}`."""

    clear: bool = False
    remove: tuple[str, ...] = ()
    add: tuple[Mapping[str, Any], ...] = field(default=())


class Repository(Protocol):
    """Stores canonical resources of one customer. Every method is one transaction.

    Raises: ResourceNotFound (unknown or deleted id), UniquenessConflict, PreconditionFailed (`if_version` is given
    and is not the present version), InvalidValue (a member that does not exist).
    """

    def get(self, type_name: str, resource_id: str, *, with_members: bool = True) -> StoredResource | None:
        """The resource, or None when there is none of that id and type."""
        ...

    def query(self, type_name: str, query: ResourceQuery) -> ResourcePage: ...

    def insert(self, type_name: str, document: Document) -> StoredResource:
        """The stored resource; assigns id and meta."""
        ...

    def replace(
        self, type_name: str, resource_id: str, transform: Transform, *, if_version: str | None = None
    ) -> StoredResource:
        """PUT. The transform gets the present document whole, members included, and returns the next one whole."""
        ...

    def change(
        self,
        type_name: str,
        resource_id: str,
        transform: Transform,
        *,
        members: MembersChange | None = None,
        with_members: bool = False,
        if_version: str | None = None,
    ) -> StoredResource:
        """PATCH: read, transform, write. `with_members` False (the usual case): the transform sees no `members` and
        returns none, those of the group stay, changed by `members` at a cost of the change and not of the group;
        the answer's document may lack members. True: the transform gets and returns them whole."""
        ...

    def delete(self, type_name: str, resource_id: str, *, if_version: str | None = None) -> None: ...
