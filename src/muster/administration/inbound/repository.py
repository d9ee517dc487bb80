"""Our directory as the repository of a SCIM server: every write is what an administrator's would be.

The caller's roles decide, the audit log names the client, attributes that a source owns are refused, and whoever is
deleted goes to the recycle bin. A client that creates somebody anew who lies there gets that person back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from muster.administration import groups, passwords, people
from muster.administration.desk import Desk
from muster.administration.inbound.asked import Removal
from muster.administration.inbound.documents import hide_active, kept, read_manager, read_user, show_user
from muster.administration.inbound.refusing import Understood, refuse_held
from muster.administration.inbound.removals import take_back, weigh
from muster.administration.inbound.writing import (
    change_members,
    change_user,
    difference,
    filled,
    require_known,
    taken_by,
)
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.ports.inbound import InboundStore, ScimPlace, ScimRecord
from muster.scim.errors import (
    PreconditionFailed,
    ResourceNotFound,
    TooMany,
    UniquenessConflict,
)
from muster.scim.evaluation import compile_filter
from muster.scim.filters import And, Comparison, Filter, FilterOperator
from muster.scim.repository import Document, MembersChange, ResourcePage, ResourceQuery, StoredResource, Transform
from muster.scim.resources import ResourceType
from muster.scim.sorting import sort_documents
from muster.scim.validation import complete

# What has no index is looked through up to so many.
SCAN_LIMIT = 100_000
_PAGE = 1_000
_FOUND_BY = frozenset({"userName", "externalId", "displayName"})


class InboundRepository:
    """Implements `scim.repository.Repository` for whoever sits at the desk."""

    def __init__(
        self,
        desk: Callable[[], Desk],
        base_url: Callable[[], str],
        store: InboundStore,
        resource_types: Mapping[str, ResourceType],
    ) -> None:
        """Args:
        desk: gives the desk of the caller whose request is answered.
        base_url: gives the address of the service as that caller reached it.
        """
        self._desk = desk
        self._base_url = base_url
        self._store = store
        self._types = resource_types

    def get(self, type_name: str, resource_id: str, *, with_members: bool = True) -> StoredResource | None:
        """The resource, or None when there is none of that id and type."""
        self._require(Permission.READ_DIRECTORY)
        found = self._store.get(ObjectKind(type_name), resource_id)
        return None if found is None else self._written(found, with_members=with_members)

    def query(self, type_name: str, query: ResourceQuery) -> ResourcePage:
        """One page of what the filter finds."""
        self._require(Permission.READ_DIRECTORY)
        kind = ObjectKind(type_name)
        if query.filter is None and query.sort_by is None:
            total, places = self._store.page(
                kind, skip=query.start_index - 1, after=query.after, before=query.before, limit=query.limit
            )
            resources = [self._written(each, with_members=query.with_members) for each in places]
            return ResourcePage(total=total, resources=resources, places=[each.place for each in places])
        found = list(self._matching(kind, query))
        if query.sort_by is not None:
            found = self._sorted(kind, found, query)
        total = len(found)
        if query.after is not None:
            found = [each for each in found if each[0].place > query.after][: query.limit]
        elif query.before is not None:
            ahead = [each for each in found if each[0].place < query.before]
            found = ahead[max(0, len(ahead) - query.limit) :]
        else:
            found = found[query.start_index - 1 :][: query.limit]
        resources = [self._written(place, with_members=query.with_members) for place, _ in found]
        return ResourcePage(total=total, resources=resources, places=[place.place for place, _ in found])

    def insert(self, type_name: str, document: Document) -> StoredResource:
        """The stored resource; assigns id and meta."""
        desk = self._require(Permission.WRITE_DIRECTORY)
        kind = ObjectKind(type_name)
        if kind is ObjectKind.USER:
            document = {"active": True, **document}
        with Understood(), desk.together():
            made = self._insert_user(desk, document) if kind is ObjectKind.USER else self._insert_group(desk, document)
            self._keep(desk, made, document, 1)
        return self._stored(kind, made.object_id)

    def replace(
        self, type_name: str, resource_id: str, transform: Transform, *, if_version: str | None = None
    ) -> StoredResource:
        """PUT: the transform gets the present document whole, members included, and returns the next one whole."""
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
        """PATCH: read, transform, write, in one transaction."""
        desk = self._require(Permission.WRITE_DIRECTORY)
        kind = ObjectKind(type_name)
        held: str | None = None
        with Understood(), desk.together():
            found = self._present(kind, resource_id, if_version)
            present = self._document(found, with_members=with_members)
            following = transform(present)
            is_changed = following is not present
            is_hidden = False
            if kind is ObjectKind.USER and following.get("active") is None:
                # Nobody is switched on by what is left out; what a PATCH takes away is shown no more.
                is_on = found.object.attributes.get("accountEnabled") is not False
                following = {**following, "active": is_on}
                is_hidden = not with_members
            if is_changed and with_members and kind is ObjectKind.GROUP:
                members = difference(present.get("members") or (), following.get("members") or ())
            going = self._leaving(desk, resource_id, members) if members is not None else ()
            taken = taken_by(found.object, following, going)
            held = None if taken is None else weigh(desk, taken)
            if held is None:
                self._write(
                    desk,
                    found,
                    present,
                    following,
                    members,
                    going,
                    is_hidden=is_hidden,
                    is_changed=is_changed,
                    is_whole=with_members,
                    # What the request says of it by itself, and not what stood there before.
                    says_active=kind is ObjectKind.USER
                    and transform({**present, "active": False}).get("active") is True,
                )
        refuse_held(held)
        return self._stored(kind, resource_id, with_members=with_members)

    def delete(self, type_name: str, resource_id: str, *, if_version: str | None = None) -> None:
        """Moves the object into the recycle bin."""
        desk = self._require(Permission.WRITE_DIRECTORY)
        kind = ObjectKind(type_name)
        with Understood(), desk.together():
            found = self._present(kind, resource_id, if_version)
            held = weigh(desk, Removal(kind=OperationKind.DELETE, found=found.object))
            if held is None:
                (people.delete_user if kind is ObjectKind.USER else groups.delete_group)(desk, resource_id)
        refuse_held(held)

    # ------------------------------------------------------------ reading

    def _require(self, permission: Permission) -> Desk:
        desk = self._desk()
        with Understood():
            desk.require(permission)
        return desk

    def _present(self, kind: ObjectKind, resource_id: str, if_version: str | None) -> ScimPlace:
        found = self._store.get(kind, resource_id)
        if found is None:
            raise ResourceNotFound(f"There is no {kind.value} with the id {resource_id[:80]}.")
        if if_version is not None and if_version != _version(found):
            raise PreconditionFailed(
                f"The {kind.value} is at version {_version(found)} now, not {if_version}: read it again and repeat "
                "the change."
            )
        return found

    def _matching(self, kind: ObjectKind, query: ResourceQuery) -> Iterator[tuple[ScimPlace, Document]]:
        resource_type = self._types[kind.value]
        holds = (lambda _: True) if query.filter is None else compile_filter(query.filter, resource_type)
        looks_at_members = kind is ObjectKind.GROUP and "members" in str(query.filter)
        for place in self._candidates(kind, query.filter):
            document = self._document(place, with_members=looks_at_members)
            if holds(document):
                yield place, document

    def _candidates(self, kind: ObjectKind, wanted: Filter | None) -> Iterator[ScimPlace]:
        for part in wanted.filters if isinstance(wanted, And) else (wanted,):
            if isinstance(part, Comparison) and part.operator is FilterOperator.EQUAL and part.attribute.schema is None:
                name, value = part.attribute.attribute, part.value
                if name == "id" and isinstance(value, str):
                    found = self._store.get(kind, value)
                    yield from () if found is None else (found,)
                    return
                if name in _FOUND_BY and isinstance(value, str) and (name != "displayName" or kind is ObjectKind.GROUP):
                    yield from self._store.find(kind, name, value)
                    return
        after = 0
        seen = 0
        while True:
            total, page = self._store.page(kind, after=after, limit=_PAGE)
            if total > SCAN_LIMIT:
                raise TooMany(
                    f"{total:,} would have to be looked through; {SCAN_LIMIT:,} are the limit. Filter by id, userName "
                    "or externalId."
                )
            yield from page
            seen += len(page)
            if len(page) < _PAGE:
                return
            after = page[-1].place

    def _sorted(
        self, kind: ObjectKind, found: Sequence[tuple[ScimPlace, Document]], query: ResourceQuery
    ) -> list[tuple[ScimPlace, Document]]:
        assert query.sort_by is not None  # noqa: S101  asked by the caller
        by_id = {place.object.object_id: (place, document) for place, document in found}
        documents = [document for _, document in found]
        ordered = sort_documents(documents, query.sort_by, self._types[kind.value], descending=query.descending)
        return [by_id[document["id"]] for document in ordered]

    def _document(self, place: ScimPlace, *, with_members: bool) -> Document:
        found, record = place.object, place.record
        # Without a client's word on it nothing is taken away: whoever is there is active.
        given: Document = {"active": True} if record is None else orjson.loads(record.content)
        if found.kind is ObjectKind.USER:
            document = show_user(found, given)
        else:
            document = {**given, "displayName": found.attributes.get("displayName") or found.display_name}
            if with_members and (members := self._members(found.object_id)):
                document["members"] = members
        changed_at = record.modified_at if record is not None else found.created_at
        meta: Document = {"resourceType": found.kind.value}
        if found.created_at is not None:
            meta["created"] = _instant(found.created_at)
        if changed_at is not None:
            meta["lastModified"] = _instant(changed_at)
        meta["version"] = f'W/"{_version(place)}"'
        return complete({**document, "id": found.object_id, "meta": meta}, self._types[found.kind.value])

    def _members(self, group_id: str) -> list[Document]:
        directory = self._desk().stores.directory
        members: list[Document] = []
        after: str | None = None
        while True:
            page = directory.members(group_id, after, _PAGE)
            members += [
                {
                    "value": each.object_id,
                    "$ref": f"{self._base_url()}{self._types[each.kind.value].endpoint}/{each.object_id}",
                    "type": each.kind.value,
                }
                for each in page.objects
            ]
            after = page.next_after
            if after is None:
                return members

    def _written(self, place: ScimPlace, *, with_members: bool) -> StoredResource:
        body = orjson.dumps(self._document(place, with_members=with_members))
        return StoredResource(place.object.object_id, _version(place), body)

    def _stored(self, kind: ObjectKind, resource_id: str, *, with_members: bool = True) -> StoredResource:
        found = self._store.get(kind, resource_id)
        if found is None:
            raise ResourceNotFound(f"The {kind.value} was deleted meanwhile.")
        return self._written(found, with_members=with_members)

    # ------------------------------------------------------------ writing

    def _insert_user(self, desk: Desk, document: Document) -> DirectoryObject:
        values = filled(read_user(document))
        manager = read_manager(document)
        there = desk.stores.directory.get(ObjectKind.USER, str(document["userName"]))
        if there is None or there.lifecycle is Lifecycle.HARD_DELETED:
            return people.create_user(desk, values, manager_id=require_known(desk, manager), has_free_name=True)
        if there.lifecycle is Lifecycle.PRESENT:
            raise UniquenessConflict(
                f"userName: there is a User with {str(document['userName'])!r} already. Look it up, or choose another."
            )
        before, now = there.attributes.get("employeeId"), values.get("employeeId")
        if before and now and str(before).casefold() != str(now).casefold():
            raise UniquenessConflict(
                f"userName: {there.display_name} (employeeNumber {before}) had {str(document['userName'])!r} and left; "
                f"this is another (employeeNumber {now}). Delete the one who left permanently, in the recycle bin, or "
                "correct the employeeNumber."
            )
        back = people.restore_user(desk, there.object_id)
        place = self._store.get(ObjectKind.USER, back.object_id)
        record = None if place is None else place.record
        same = record is not None and bool(record.external_id) and record.external_id == document.get("externalId")
        if not same and not (before and now):
            passwords.forget(desk, back.object_id)
        change_user(desk, back, None, document)
        return back

    def _insert_group(self, desk: Desk, document: Document) -> DirectoryObject:
        self._check_group_name(document, None)
        made = groups.create_group(desk, {"displayName": document["displayName"]})
        change_members(desk, made.object_id, MembersChange(add=tuple(document.get("members") or ())), ())
        return made

    def _change_group(self, desk: Desk, group: DirectoryObject, following: Document) -> None:
        if following["displayName"] != group.attributes.get("displayName"):
            self._check_group_name(following, group.object_id)
            groups.update_group(desk, group.object_id, {"displayName": following["displayName"]})

    def _check_group_name(self, document: Document, group_id: str | None) -> None:
        name = str(document["displayName"])
        if any(each.object.object_id != group_id for each in self._store.find(ObjectKind.GROUP, "displayName", name)):
            raise UniquenessConflict(f"displayName: there is a Group with {name!r} already. Choose another.")

    def _write(
        self,
        desk: Desk,
        found: ScimPlace,
        present: Document,
        following: Document,
        members: MembersChange | None,
        going: Sequence[str],
        *,
        is_changed: bool,
        is_hidden: bool,
        is_whole: bool,
        says_active: bool,
    ) -> None:
        """Writes what a request changes, once nothing that it takes away is held."""
        kind = found.object.kind
        if is_changed and kind is ObjectKind.USER:
            change_user(desk, found.object, present, following)
        elif is_changed:
            self._change_group(desk, found.object, following)
        if members is not None and kind is ObjectKind.GROUP:
            is_changed = change_members(desk, found.object.object_id, members, going) or is_changed
        if is_changed:
            revision = 1 if found.record is None else found.record.revision + 1
            self._keep(desk, found.object, hide_active(following) if is_hidden else following, revision)
        if kind is ObjectKind.GROUP:
            # A member or a name says nothing of the group itself; a whole document does.
            added = {str(each["value"]) for each in members.add} if members is not None else ()
            take_back(desk, found.object, added, is_kept=is_whole)
        elif says_active:
            # Another value of a person says nothing of whether the person stays.
            take_back(desk, found.object)

    def _leaving(self, desk: Desk, group_id: str, change: MembersChange) -> tuple[str, ...]:
        """The members whom a change takes out of a group."""
        asked = [*change.remove]
        if change.clear:
            asked += [str(member["value"]) for member in self._members(group_id)]
        keep = {str(member["value"]) for member in change.add}
        asked = [member_id for member_id in dict.fromkeys(asked) if member_id not in keep]
        if not asked:
            return ()
        within = desk.stores.directory.groups_among([group_id], asked)
        return tuple(member_id for member_id in asked if within.get(member_id))

    def _keep(self, desk: Desk, found: DirectoryObject, document: Document, revision: int) -> None:
        self._store.keep(
            ScimRecord(
                object_id=found.object_id,
                external_id=document.get("externalId"),
                client_id=desk.caller.id,
                client_name=desk.caller.display_name,
                content=orjson.dumps(kept(document)),
                revision=revision,
                modified_at=desk.now(),
            )
        )


def _version(place: ScimPlace) -> str:
    return f"{place.object.seq}.{0 if place.record is None else place.record.revision}"


def _instant(at: Any) -> str:
    return str(at.isoformat(timespec="milliseconds")[:-6]) + "Z"
