"""A SCIM repository in memory: passes the repository's contract suite, serves the tests of the SCIM server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import RLock
from typing import Any

import orjson

from muster.scim.errors import PreconditionFailed, ResourceNotFound, UniquenessConflict
from muster.scim.evaluation import compile_filter
from muster.scim.repository import (
    Document,
    MembersChange,
    ResourcePage,
    ResourceQuery,
    StoredResource,
    Transform,
)
from muster.scim.resources import ResourceType
from muster.scim.sorting import sort_documents
from muster.scim.validation import complete
from muster.scim.values import fold


def ticking_clock() -> Callable[[], datetime]:
    """A clock that is one second later at every look."""
    ticks = count()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return lambda: start + timedelta(seconds=next(ticks))


def counted_ids() -> Callable[[], str]:
    """Ids in the order of their making, shaped like UUIDs."""
    numbers = count(1)
    return lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"


class MemoryRepository:
    """Keeps documents in dicts; members are kept apart from their group, as a real store does."""

    def __init__(
        self,
        resource_types: Sequence[ResourceType],
        *,
        now: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._types = {resource_type.name: resource_type for resource_type in resource_types}
        self._documents: dict[str, dict[str, Document]] = {name: {} for name in self._types}
        self._members: dict[str, dict[str, dict[str, Any]]] = {}
        self._places: dict[str, int] = {}
        self._now = now or ticking_clock()
        self._new_id = new_id or counted_ids()
        self._lock = RLock()

    def get(self, type_name: str, resource_id: str, *, with_members: bool = True) -> StoredResource | None:
        with self._lock:
            document = self._documents[type_name].get(resource_id)
            return None if document is None else self._stored(type_name, document, with_members=with_members)

    def query(self, type_name: str, query: ResourceQuery) -> ResourcePage:
        resource_type = self._types[type_name]
        with self._lock:
            found = [self._shown(type_name, document) for document in self._documents[type_name].values()]
            if query.filter is not None:
                found = list(filter(compile_filter(query.filter, resource_type), found))
            if query.sort_by is not None:
                found = sort_documents(found, query.sort_by, resource_type, descending=query.descending)
            start = query.start_index - 1
            page = found[start : start + query.limit]
            if query.after is not None:
                page = [document for document in found if self._places[document["id"]] > query.after][: query.limit]
            elif query.before is not None:
                page = [document for document in found if self._places[document["id"]] < query.before]
                page = page[max(0, len(page) - query.limit) :]
            resources = [
                self._stored(type_name, self._documents[type_name][document["id"]], with_members=query.with_members)
                for document in page
            ]
            places = [self._places[document["id"]] for document in page]
            return ResourcePage(total=len(found), resources=resources, places=places)

    def insert(self, type_name: str, document: Document) -> StoredResource:
        with self._lock:
            resource_id = self._new_id()
            self._places[resource_id] = len(self._places) + 1
            now = _instant(self._now())
            made = {
                **document,
                "id": resource_id,
                "meta": {"resourceType": type_name, "created": now, "lastModified": now, "version": 'W/"1"'},
            }
            return self._keep(type_name, made, None)

    def replace(
        self, type_name: str, resource_id: str, transform: Transform, *, if_version: str | None = None
    ) -> StoredResource:
        return self.change(type_name, resource_id, transform, with_members=True, if_version=if_version)

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
        with self._lock:
            kept = self._present(type_name, resource_id, if_version)
            present = self._shown(type_name, kept, with_members=with_members)
            result = transform(present)
            group = self._members.get(resource_id, {})
            if with_members:
                after = {member["value"]: member for member in result.get("members", [])}
            else:
                after = _changed_members(group, members)
            if result is present and after == group:
                return self._stored(type_name, kept, with_members=with_members)
            version = int(kept["meta"]["version"][3:-1]) + 1
            meta = {**kept["meta"], "lastModified": _instant(self._now()), "version": f'W/"{version}"'}
            return self._keep(type_name, {**result, "id": resource_id, "meta": meta}, after)

    def delete(self, type_name: str, resource_id: str, *, if_version: str | None = None) -> None:
        with self._lock:
            self._present(type_name, resource_id, if_version)
            del self._documents[type_name][resource_id]
            self._members.pop(resource_id, None)
            for group in self._members.values():
                group.pop(resource_id, None)

    def _present(self, type_name: str, resource_id: str, if_version: str | None) -> Document:
        kept = self._documents[type_name].get(resource_id)
        if kept is None:
            raise ResourceNotFound(f"There is no {type_name} with the id {resource_id!r}.")
        if if_version is not None and kept["meta"]["version"] != f'W/"{if_version}"':
            raise PreconditionFailed("The resource has another version.")
        return kept

    def _keep(self, type_name: str, document: Document, members: dict[str, dict[str, Any]] | None) -> StoredResource:
        resource_type = self._types[type_name]
        for name in resource_type.unique_attributes:
            wanted = document.get(name)
            for other in self._documents[type_name].values():
                if wanted is not None and other["id"] != document["id"] and fold(other.get(name, "")) == fold(wanted):
                    raise UniquenessConflict(f"Another {type_name} has the {name} {wanted!r}.")
        listed = document.pop("members", [])
        document.pop("groups", None)
        self._members[document["id"]] = (
            {member["value"]: member for member in listed} if members is None else dict(members)
        )
        self._documents[type_name][document["id"]] = document
        return self._stored(type_name, document, with_members=True)

    def _shown(self, type_name: str, document: Document, *, with_members: bool = True) -> Document:
        """The document with what is kept apart: members of a group, groups of a user."""
        shown = dict(document)
        members = self._members.get(document["id"])
        if with_members and members:
            shown["members"] = list(members.values())
        groups = [
            {"value": group_id, "display": self._documents["Group"][group_id]["displayName"], "type": "direct"}
            for group_id, ids in self._members.items()
            if document["id"] in ids
        ]
        if groups and "groups" in self._types[type_name].by_name:
            shown["groups"] = groups
        return complete(shown, self._types[type_name])

    def _stored(self, type_name: str, document: Document, *, with_members: bool) -> StoredResource:
        shown = self._shown(type_name, document, with_members=with_members)
        version = shown["meta"]["version"][3:-1]
        return StoredResource(id=shown["id"], version=version, body=orjson.dumps(shown))


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _changed_members(group: dict[str, dict[str, Any]], change: MembersChange | None) -> dict[str, dict[str, Any]]:
    if change is None:
        return group
    after = {} if change.clear else dict(group)
    for member_id in change.remove:
        after.pop(member_id, None)
    for member in change.add:
        after.setdefault(member["value"], group.get(member["value"], dict(member)))
    return after
