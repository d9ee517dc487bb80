"""The directory on SQL: objects, memberships, searches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from muster.database.connection import Database
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.ports.directory import DirectoryPage, DirectoryQuery, MemberChange, ObjectWrite, WriteRefused
from muster.store.changes import Cause, FeedChange, hold_feed, latest, record
from muster.store.directory_delta import changed_members, changed_objects
from muster.store.directory_reach import groups_among, groups_around, members_within
from muster.store.directory_search import search_objects
from muster.store.directory_writes import DirectoryBatch, DirectoryStatements, Draft
from muster.store.inbound_tables import scim_records
from muster.store.rows import fetch_objects, object_key, object_of, objects_of, pieces, select_objects
from muster.store.tables import memberships, objects


class SqlDirectory:
    """The DirectoryStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = DirectoryStatements(database)

    def get(self, kind: ObjectKind, name: str) -> DirectoryObject | None:
        """Returns an object by id or (users) principal name, whatever its lifecycle; None if unknown."""
        with self._database.read() as connection:
            row = find_row(connection, kind, name)
        return None if row is None else object_of(row)

    def by_ids(self, object_ids: Sequence[str]) -> Sequence[DirectoryObject]:
        """Returns the objects with these ids, whatever their kind and lifecycle; unknown ones are left out."""
        with self._database.read() as connection:
            return objects_of(fetch_objects(connection, objects.c.object_id, object_ids))

    def search(self, query: DirectoryQuery) -> DirectoryPage:
        """Returns a page of objects in the query's order."""
        with self._database.read() as connection:
            found = search_objects(connection, query)
            whole = {row.key: row for row in fetch_objects(connection, objects.c.key, found.keys)}
        return DirectoryPage(
            objects=objects_of([whole[key] for key in found.keys]), next_after=found.next_after, total=found.total
        )

    def write(self, writes: Sequence[ObjectWrite], at: datetime) -> Sequence[DirectoryObject | WriteRefused]:
        """Writes in one transaction and returns one answer a write; a refused one does not hinder the others."""
        ids = [name for write in writes for name in (write.object_id, write.manager_id) if name]
        names = [
            str(write.attributes["userPrincipalName"]).casefold()
            for write in writes
            if write.kind is ObjectKind.USER and write.attributes.get("userPrincipalName")
        ]
        with self._database.write() as connection:
            hold_feed(connection)
            batch = DirectoryBatch(connection, self._statements, at)
            batch.load(ids, names)
            answers: list[Draft | WriteRefused] = [batch.write(write) for write in writes]
            _write_again(batch, writes, answers)
            taken = {number: writes[number] for number, answer in enumerate(answers) if _is_taken(answer)}
            for number, answer in batch.exchange(taken).items() if taken else ():
                answers[number] = answer
            batch.flush()
        return [answer.shown() if isinstance(answer, Draft) else answer for answer in answers]

    def set_lifecycle(self, kind: ObjectKind, object_id: str, lifecycle: Lifecycle, at: datetime) -> DirectoryObject:
        """Soft-deletes, restores or purges. Raises LookupError; ValueError for an object that was purged."""
        with self._database.write() as connection:
            hold_feed(connection)
            batch = DirectoryBatch(connection, self._statements, at)
            batch.load([object_id])
            draft = batch.draft(kind, object_id)
            if draft is None:
                raise LookupError(f"the directory has no {kind.lower()} {object_id}")
            if draft.lifecycle is Lifecycle.HARD_DELETED and lifecycle is not Lifecycle.HARD_DELETED:
                raise ValueError(f"{object_id} was deleted for good and cannot be brought back")
            batch.set_lifecycle(draft, lifecycle)
            batch.flush()
            if lifecycle is Lifecycle.HARD_DELETED:
                # What a SCIM client gave goes with the person.
                key = object_key(connection, draft.object_id)
                connection.execute(sa.delete(scim_records).where(scim_records.c.object_key == key))
        return draft.shown()

    def change_members(self, group_id: str, *, add: Sequence[str], remove: Sequence[str]) -> int:
        """Returns how many members really came or went. Raises LookupError for an id that the directory has not."""
        with self._database.write() as connection:
            hold_feed(connection)
            group = _living_group(connection, group_id)
            coming = _keys(connection, add)
            going = _keys(connection, remove)
            present: set[int] = set()
            for piece in pieces(coming | going):
                present.update(
                    connection.execute(
                        sa.select(memberships.c.member_key).where(
                            memberships.c.group_key == group, memberships.c.member_key.in_(piece)
                        )
                    ).scalars()
                )
            new = sorted(coming - present)
            old = sorted((going - coming) & present)
            if new:
                connection.execute(
                    sa.insert(memberships), [{"group_key": group, "member_key": member} for member in new]
                )
            for piece in pieces(old):
                connection.execute(
                    sa.delete(memberships).where(memberships.c.group_key == group, memberships.c.member_key.in_(piece))
                )
            seq = record(
                connection,
                [FeedChange(cause=Cause.MEMBER, object_key=group, member_key=member) for member in (*new, *old)],
            )
            if seq is not None:
                connection.execute(sa.update(objects).where(objects.c.key == group).values(seq=seq))
        return len(new) + len(old)

    def members(self, group_id: str, after: str | None, limit: int, *, transitive: bool = False) -> DirectoryPage:
        """Returns members that are not deleted, in the order in which they came into the directory."""
        with self._database.read() as connection:
            group = object_key(connection, group_id)
            if transitive:
                return _page(connection, objects.c.key.in_(members_within(group)), after, limit)
            of_group = sa.and_(memberships.c.group_key == group, objects.c.lifecycle == Lifecycle.PRESENT.value)
            total = None
            if after is None:
                total = connection.execute(
                    sa.select(sa.func.count())
                    .select_from(memberships.join(objects, objects.c.key == memberships.c.member_key))
                    .where(of_group)
                ).scalar_one()
            rows = connection.execute(
                select_objects()
                .join(memberships, memberships.c.member_key == objects.c.key)
                .where(of_group, memberships.c.member_key > int(after or 0))
                .order_by(memberships.c.member_key)
                .limit(limit + 1)
            ).all()
        return _page_of(rows, limit, total)

    def groups_of(self, object_id: str, *, transitive: bool = False) -> Sequence[DirectoryObject]:
        """Returns the groups, not deleted, of which an object is a member."""
        with self._database.read() as connection:
            member = object_key(connection, object_id)
            around = sa.select(memberships.c.group_key).where(memberships.c.member_key == member)
            rows = connection.execute(
                select_objects()
                .where(
                    objects.c.key.in_(groups_around(member) if transitive else around),
                    objects.c.lifecycle == Lifecycle.PRESENT.value,
                )
                .order_by(objects.c.folded_name, objects.c.key)
            ).all()
        return objects_of(rows)

    def groups_among(
        self, group_ids: Sequence[str], object_ids: Sequence[str], *, transitive: bool = False
    ) -> Mapping[str, tuple[str, ...]]:
        """Returns by object the ids of those of these groups, not deleted, that it is a member of."""
        by_key: dict[int, str] = {}
        with self._database.read() as connection:
            for piece in pieces(object_ids):
                query = sa.select(objects.c.key, objects.c.object_id).where(objects.c.object_id.in_(piece))
                by_key.update((row.key, row.object_id) for row in connection.execute(query))
            found = groups_among(connection, group_ids, list(by_key), transitive=transitive)
        return {by_key[key]: ids for key, ids in found.items()}

    def reports_of(self, user_id: str, after: str | None, limit: int) -> DirectoryPage:
        """Returns those, not deleted, whose manager a user is, in the order in which they came into the directory."""
        with self._database.read() as connection:
            return _page(connection, objects.c.manager_key == object_key(connection, user_id), after, limit)

    def latest(self) -> int:
        """Returns the last number of the feed that is committed."""
        with self._database.read() as connection:
            return latest(connection)

    def changed(self, kind: ObjectKind, after: int, until: int, limit: int) -> Sequence[tuple[int, DirectoryObject]]:
        """Returns objects by their last change within the feed's numbers, with its number."""
        with self._database.read() as connection:
            return changed_objects(connection, kind, after, until, limit)

    def changed_members(self, group_ids: Sequence[str], after: int, until: int) -> Mapping[str, Sequence[MemberChange]]:
        """Returns by group who came or went within the feed's numbers."""
        with self._database.read() as connection:
            return changed_members(connection, group_ids, after, until)

    def purge_due(self, before: datetime) -> Sequence[DirectoryObject]:
        """Returns objects that were soft-deleted before an instant, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select_objects()
                .where(objects.c.lifecycle == Lifecycle.SOFT_DELETED.value, objects.c.deleted_at < before)
                .order_by(objects.c.deleted_at, objects.c.key)
            ).all()
        return objects_of(rows)


def _write_again(batch: DirectoryBatch, writes: Sequence[ObjectWrite], answers: list[Draft | WriteRefused]) -> None:
    """Writes what was refused for a name that a later write of the batch has given up, as long as that helps.

    What a later write of the same object has overtaken stays refused.
    """
    last = {write.object_id: number for number, write in enumerate(writes) if write.object_id is not None}
    taken = [number for number, answer in enumerate(answers) if _is_taken(answer)]
    standing = [number for number in taken if last.get(writes[number].object_id or "", number) == number]
    while refused := [number for number in standing if _is_taken(answers[number])]:
        # Of a chain of names the last to be refused is the first that is free.
        for number in reversed(refused):
            answers[number] = batch.write(writes[number])
        if all(_is_taken(answers[number]) for number in refused):
            return


def _is_taken(answer: Draft | WriteRefused) -> bool:
    return isinstance(answer, WriteRefused) and answer.code == "ObjectConflict"


def _page(connection: Connection, wanted: ColumnElement[bool], after: str | None, limit: int) -> DirectoryPage:
    """Returns a page of the objects, not deleted, that fulfil a condition, by key; the first one with the total."""
    conditions = (wanted, objects.c.lifecycle == Lifecycle.PRESENT.value)
    total = None
    if after is None:
        total = connection.execute(sa.select(sa.func.count()).select_from(objects).where(*conditions)).scalar_one()
    rows = connection.execute(
        select_objects().where(*conditions, objects.c.key > int(after or 0)).order_by(objects.c.key).limit(limit + 1)
    ).all()
    return _page_of(rows, limit, total)


def _page_of(rows: Sequence[Row[Any]], limit: int, total: int | None) -> DirectoryPage:
    page = rows[:limit]
    more = len(rows) > limit and page
    return DirectoryPage(objects=objects_of(page), next_after=str(page[-1].key) if more else None, total=total)


def find_row(connection: Connection, kind: ObjectKind, name: str) -> Row[Any] | None:
    """Returns the row of an object by id or principal name; of several purged ones of that name the newest."""
    names = [objects.c.object_id == name.lower(), objects.c.object_id == name]
    if kind is ObjectKind.USER:
        names += [objects.c.principal_name == name.casefold(), objects.c.purged_name == name.casefold()]
    for condition in names:
        row = connection.execute(
            select_objects().where(objects.c.kind == kind.value, condition).order_by(objects.c.key.desc()).limit(1)
        ).first()
        if row is not None:
            return row
    return None


def _living_group(connection: Connection, group_id: str) -> int:
    key = connection.execute(
        sa.select(objects.c.key).where(
            objects.c.object_id == group_id,
            objects.c.kind == ObjectKind.GROUP.value,
            objects.c.lifecycle != Lifecycle.HARD_DELETED.value,
        )
    ).scalar()
    if key is None:
        raise LookupError(f"the directory has no group {group_id}")
    return int(key)


def _keys(connection: Connection, object_ids: Sequence[str]) -> set[int]:
    found: dict[str, int] = {}
    for piece in pieces(set(object_ids)):
        rows = connection.execute(
            sa.select(objects.c.object_id, objects.c.key).where(
                objects.c.object_id.in_(piece), objects.c.lifecycle != Lifecycle.HARD_DELETED.value
            )
        )
        found.update((row.object_id, row.key) for row in rows)
    unknown = [object_id for object_id in object_ids if object_id not in found]
    if unknown:
        raise LookupError(f"the directory has no object {unknown[0]}")
    return set(found.values())
