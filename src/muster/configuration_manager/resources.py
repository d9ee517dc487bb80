"""The SCIM resources of one customer in the database: what the SCIM server asks for, over SQL."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.documents import (
    Moment,
    moment_of,
    read_row,
    with_moved,
    with_relations,
    write_document,
)
from muster.configuration_manager.marks import Marks
from muster.configuration_manager.membership import MembersMoved
from muster.configuration_manager.reading import GROUP, USER, ResourceReader, Row
from muster.configuration_manager.statements import Statements, prepare_statements
from muster.configuration_manager.tables import resources
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, is_unique_violation
from muster.database.statements import Prepared
from muster.scim.errors import Forbidden, InvalidValue, PreconditionFailed, ResourceNotFound, UniquenessConflict
from muster.scim.repository import Document, MembersChange, StoredResource, Transform
from muster.scim.resources import ResourceType
from muster.scim.values import fold

T = TypeVar("T")

# What is looked up in columns of its own; a change of nothing else writes no index of them.
LOOKED_UP = ("userName", "externalId", "displayName", "active")


class LicenceLimitReached(Forbidden):
    """Everyone the customer has a licence for is active already."""

    def __init__(self, licences: int) -> None:
        super().__init__(
            f"LicenceLimitReached: all {licences} licences of this customer are in use. Deactivate somebody, or have "
            "an administrator raise the number of licences or lift the limit in the console under Settings."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """What a call made of one resource: its JSON before (None: it was created) and after (None: it was deleted);
    of a group's members those who left, or came."""

    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStore:
    """What the repositories of all customers share."""

    database: Database
    writer: Writer
    statements: Statements
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    marks: Marks = field(default_factory=Marks)


def open_resource_store(
    database: Database, writer: Writer, *, now: Callable[[], datetime], new_id: Callable[[], str]
) -> ResourceStore:
    """The store over a migrated database."""
    return ResourceStore(
        database=database, writer=writer, statements=prepare_statements(database), now=now, new_id=new_id
    )


class SqlRepository(ResourceReader):
    """The resources of one customer. Source of the contract: muster.scim.repository.

    `licences` is how many users may be active, `only_provisioned` hides what administrators made by hand;
    `by_hand` says that what is created here is made so.
    """

    def __init__(
        self,
        store: ResourceStore,
        *,
        customer_key: int,
        unique_scope: int,
        resource_types: Sequence[ResourceType],
        base_url: str,
        only_provisioned: bool = False,
        licences: int | None = None,
        by_hand: bool = False,
    ) -> None:
        super().__init__(
            store.database,
            store.statements,
            customer_key=customer_key,
            resource_types=resource_types,
            base_url=base_url,
            only_provisioned=only_provisioned,
            marks=store.marks,
        )
        self._writer = store.writer
        self._run = store.statements
        self._now = store.now
        self._new_id = store.new_id
        self._unique_scope = unique_scope
        self._licences = licences
        self._by_hand = by_hand
        self._unique = {
            name: resource_type.unique_attributes[0]
            for name, resource_type in self._types.items()
            if resource_type.unique_attributes
        }
        self._unique_as_written = {
            name for name, unique in self._unique.items() if self._types[name].by_name[unique.lower()].case_exact
        }
        self._changes = threading.local()
        self._encode_instant = store.database.encoder_of(resources.c.modified_at)
        self._last_moment: Moment | None = None

    def take_changes(self) -> list[ResourceChange]:
        """What the calling thread changed since it last asked."""
        taken: list[ResourceChange] = self._changes.__dict__.pop("kept", [])
        return taken

    def insert(self, type_name: str, document: Document) -> StoredResource:
        """The stored resource; assigns id and meta."""
        now = self._moment()
        wanted = document.get("members")
        kept = self._kept(document, self._new_id())
        body = write_document(kept, type_name, created=now.written, modified=now.written, revision=1)
        values = (
            self._customer_key,
            type_name,
            kept["id"],
            1,
            self._unique_scope,
            *self._looked_up(type_name, kept),
            self._by_hand,
            now.stored,
            now.stored,
            body,
        )

        def work(connection: Connection) -> tuple[StoredResource, MembersMoved]:
            key = self._run.insert.insert(values, on=connection)
            self._count_up(type_name, 1, _licences_of(kept), connection)
            row = (key, kept["id"], 1, body, False)
            if not wanted:
                return read_row(row), MembersMoved()
            moved = self._membership.change(row[0], MembersChange(add=tuple(wanted)), connection)
            return self._load([row], type_name, connection)[0], moved

        stored, moved = self._write(work, type_name, kept)
        self._note(None, body, moved)
        return stored

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
        seen: Document = {}

        def work(connection: Connection) -> tuple[StoredResource, bytes, bytes, MembersMoved]:
            before = row = self._require(self._reads.by_id_for_update, type_name, resource_id, if_version, connection)
            whole = type_name == GROUP and with_members
            present: Document = orjson.loads(row[3])
            if whole:
                present = with_relations(present, {"members": self._membership.read_members(row[0], connection)})
            following = transform(present)
            seen.update(following)
            is_same = following is present
            moved = MembersMoved()
            if whole and not is_same:
                following = {**following}
                wanted = following.pop("members", [])
                edit = self._membership.difference(present.get("members", []), wanted)
                moved = self._membership.change(row[0], edit, connection)
                is_same = {**present, "members": None} == {**following, "members": None}
            elif members is not None:
                moved = self._membership.change(row[0], members, connection)
            if not is_same or moved.is_any:
                row = self._update(row, type_name, present, following, connection)
            if type_name == GROUP or (row[4] and type_name == USER):
                stored = self._load([row], type_name, connection, with_members=with_members)[0]
            else:
                stored = read_row(row)
            return stored, before[3], row[3], moved

        stored, before, after, moved = self._write(work, type_name, seen)
        if after is not before:
            self._note(before, after, moved)
        return stored

    def delete(self, type_name: str, resource_id: str, *, if_version: str | None = None) -> None:
        """Deletes the resource and what refers to it."""

        def work(connection: Connection) -> tuple[bytes, MembersMoved]:
            row = self._require(self._reads.by_id_for_delete, type_name, resource_id, if_version, connection)
            # Whatever the row says: until it was locked, a group could take it in.
            for group_row in self._membership.read_holders(row[0], connection):
                group = orjson.loads(group_row[3])
                self._update(group_row, GROUP, group, group, connection)
            moved = MembersMoved()
            if type_name == GROUP:
                moved = MembersMoved(removed=self._membership.read_leaving(row[0], connection))
            self._run.delete.execute({"p_key": row[0]}, on=connection)
            self._count_up(type_name, -1, -_licences_of(orjson.loads(row[3])), connection)
            return row[3], moved

        before, moved = self._writer.run(work)
        self._note(before, None, moved)

    def _require(
        self, locked: Prepared, type_name: str, resource_id: str, if_version: str | None, connection: Connection
    ) -> Row:
        row: Row | None = None
        if "\0" not in resource_id:
            values = (self._customer_key, type_name, resource_id)
            row = locked.run_values(values, on=connection).fetchone()
        if row is None:
            raise ResourceNotFound(f"There is no {type_name} with the id {resource_id}.")
        if if_version is not None and if_version != str(row[2]):
            raise PreconditionFailed(
                f"The {type_name} is at version {row[2]} now, not {if_version}: read it again and repeat the change."
            )
        return row

    def _update(self, row: Row, type_name: str, present: Document, following: Document, connection: Connection) -> Row:
        """Writes the next document and returns the row as it is then."""
        now = self._moment()
        revision = row[2] + 1
        kept = self._kept(following, row[1])
        created = present["meta"]["created"]
        body = write_document(kept, type_name, created=created, modified=now.written, revision=revision)
        if _same_looked_up(kept, present, self._unique.get(type_name)):
            self._run.update_content.execute_values((revision, now.stored, body, row[0]), on=connection)
        else:
            looked_up = self._looked_up(type_name, kept)
            self._run.update.execute_values((revision, *looked_up, now.stored, body, row[0]), on=connection)
            step = _licences_of(kept) - _licences_of(present)
            if step:
                self._count_up(type_name, 0, step, connection)
        return (row[0], row[1], revision, body, row[4])

    def _moment(self) -> Moment:
        """The present millisecond: writes that share a commit mostly share it too, and it is formed once."""
        now, moment = self._now(), self._last_moment
        if moment is None or not moment.begins <= now < moment.ends:
            moment = self._last_moment = moment_of(now, self._encode_instant)
        return moment

    def _count_up(self, type_name: str, change: int, active: int, connection: Connection) -> None:
        """Keeps the numbers. Raises: LicenceLimitReached."""
        self._run.count.execute_values((change, active, self._customer_key, type_name), on=connection)
        licences = self._licences
        if active > 0 and type_name == USER and licences is not None:
            counted = self._run.active.fetch_one(self._named(type_name), on=connection)
            if counted is not None and counted[0] > licences:
                raise LicenceLimitReached(licences)

    def _note(self, before: bytes | None, after: bytes | None, moved: MembersMoved) -> None:
        change = ResourceChange(
            before=with_moved(before, "membersRemoved", moved.removed.named, moved.removed.total),
            after=with_moved(after, "membersAdded", moved.added.named, moved.added.total),
        )
        self._changes.__dict__.setdefault("kept", []).append(change)

    @staticmethod
    def _kept(document: Document, resource_id: str) -> Document:
        """A canonical document as it is stored: without what the table of members says, and without `meta`."""
        kept = {"schemas": document["schemas"], "id": resource_id}
        if "externalId" in document:
            kept["externalId"] = document["externalId"]
        kept.update(document)
        kept["id"] = resource_id
        for name in ("members", "groups", "meta"):
            kept.pop(name, None)
        return kept

    def _write(self, work: Callable[[Connection], T], type_name: str, document: Mapping[str, Any]) -> T:
        try:
            return self._writer.run(work)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
        name = self._unique[type_name]
        raise UniquenessConflict(
            f"{name}: there is a {type_name} with {document.get(name)!r} already. Look it up, or choose another."
        )

    def _looked_up(self, type_name: str, document: Document) -> tuple[Any, ...]:
        """What stands beside the body: unique name, externalId, displayName, active.

        Raises: InvalidValue for a character that no index takes.
        """
        unique = self._unique.get(type_name)
        named = None if unique is None else document.get(unique)
        external_id, shown = document.get("externalId"), document.get("displayName")
        for name, value in ((unique, named), ("externalId", external_id), ("displayName", shown)):
            if value is not None and "\0" in value:
                raise InvalidValue(f"{name}: it holds the character U+0000. Send it without.")
        if named is not None and type_name not in self._unique_as_written:
            named = fold(named)
        return (
            named,
            external_id,
            None if shown is None else fold(shown),
            document.get("active"),
        )


def _same_looked_up(kept: Document, present: Document, unique: str | None) -> bool:
    for name in LOOKED_UP:  # runs at every change, and all() costs three times as much
        if kept.get(name) != present.get(name):
            return False
    return unique is None or kept.get(unique) == present.get(unique)


def _licences_of(document: Document) -> int:
    """How many licences an account takes: one unless it is inactive, as whoever is not inactive may sign in."""
    return 0 if document.get("active") is False else 1
