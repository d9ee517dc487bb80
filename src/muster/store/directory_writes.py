"""A batch of writes to the directory: judged one after the other, written together in a few statements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.database.guids import new_guid
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.values import Value, frozen
from muster.model.values import content_hash as hash_content
from muster.ports.directory import ObjectWrite, WriteRefused
from muster.store.awaited import Arrival, give_awaited, is_anybody_awaited
from muster.store.changes import Cause, FeedChange, allocate, record
from muster.store.credentials import end_sessions, forget, take_credentials
from muster.store.encoding import frozen_attributes
from muster.store.held_writes import end_asked
from muster.store.rows import fetch_objects, pieces
from muster.store.tables import assignments, memberships, objects

_NAMES_KEPT = ("displayName", "userPrincipalName")


@dataclass(slots=True, kw_only=True)
class Draft:
    """An object as the batch would leave it, and as it was stored."""

    key: int
    object_id: str
    kind: ObjectKind
    lifecycle: Lifecycle = Lifecycle.PRESENT
    attributes: dict[str, Value] = field(default_factory=dict)
    manager_id: str | None = None
    manager_key: int | None = None
    created_at: datetime
    deleted_at: datetime | None = None
    seq: int = 0
    # What is stored; None for a new object.
    stored_hash: str | None = None
    stored_name: str | None = None
    stored_lifecycle: Lifecycle | None = None
    stored_security: bool = True
    # Perhaps somebody else's than who left it in the recycle bin.
    is_anothers: bool = False

    @property
    def principal_name(self) -> str | None:
        """The folded principal name of a user."""
        name = self.attributes.get("userPrincipalName")
        return str(name).casefold() if name and self.kind is ObjectKind.USER else None

    @property
    def is_security_enabled(self) -> bool:
        """Whether members of the group come to its assignments; a group that does not say is."""
        return self.attributes.get("securityEnabled") is not False

    @property
    def is_switched_off(self) -> bool:
        """Whether it is a user known before who may not sign in now."""
        is_off = self.attributes.get("accountEnabled") is False or self.lifecycle is not Lifecycle.PRESENT
        return is_off and self.kind is ObjectKind.USER and self.stored_hash is not None

    def hash(self) -> str:
        """The hash of all that makes a difference to a reader."""
        return hash_content([self.lifecycle, self.manager_id, self.attributes])

    def shown(self) -> DirectoryObject:
        """The object as a value."""
        return DirectoryObject(
            object_id=self.object_id,
            kind=self.kind,
            lifecycle=self.lifecycle,
            seq=self.seq,
            attributes=self.attributes,
            manager_id=self.manager_id,
            deleted_at=self.deleted_at,
            created_at=self.created_at,
        )

    def row(self, content_hash: str) -> dict[str, Any]:
        """The row's columns."""
        name = self.attributes.get("displayName") or self.attributes.get("userPrincipalName") or self.object_id
        is_purged = self.lifecycle is Lifecycle.HARD_DELETED
        return {
            "key": self.key,
            "object_id": self.object_id,
            "kind": self.kind.value,
            "lifecycle": self.lifecycle.value,
            "seq": self.seq,
            "name": str(name),
            "folded_name": str(name).casefold(),
            "principal_name": None if is_purged else self.principal_name,
            "purged_name": self.principal_name if is_purged else None,
            "mail": _folded(self.attributes.get("mail")),
            "employee_id": _folded(self.attributes.get("employeeId")),
            "security_enabled": self.is_security_enabled,
            "manager_key": self.manager_key,
            "content": self.attributes,
            "content_hash": content_hash,
            "created_at": self.created_at,
            "deleted_at": self.deleted_at,
        }


class DirectoryStatements:
    """What a batch writes with, compiled once."""

    def __init__(self, database: Database) -> None:
        given: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in objects.columns}
        at_key = objects.c.key == sa.bindparam("at_key")
        self.insert = database.prepare(sa.insert(objects).values(given))
        self.update = database.prepare(sa.update(objects).where(at_key).values(given))
        self.free_name = database.prepare(sa.update(objects).where(at_key).values(principal_name=sa.null()))


class DirectoryBatch:
    """Writes that are judged in order against the stored state and each other. The feed must be held."""

    def __init__(self, connection: Connection, statements: DirectoryStatements, at: datetime) -> None:
        self._connection = connection
        self._statements = statements
        self._at = at
        self._drafts: dict[str, Draft] = {}
        # Object id of the holder of each principal name that matters here; None once it has become free.
        self._holders: dict[str, str | None] = {}
        self._next_key = int(connection.execute(sa.select(sa.func.max(objects.c.key))).scalar() or 0) + 1

    def load(self, object_ids: Sequence[str], principal_names: Sequence[str] = ()) -> None:
        """Fetches what writes to these objects, or with these (folded) principal names, must be judged by."""
        rows = fetch_objects(self._connection, objects.c.object_id, set(object_ids) - self._drafts.keys())
        rows += fetch_objects(self._connection, objects.c.principal_name, set(principal_names) - self._holders.keys())
        for row in rows:
            self._keep(row)

    def draft(self, kind: ObjectKind, object_id: str) -> Draft | None:
        """Returns a loaded object."""
        draft = self._drafts.get(object_id)
        return draft if draft is not None and draft.kind is kind else None

    def write(self, write: ObjectWrite) -> Draft | WriteRefused:
        """Returns the object as it will be, or why the write is refused."""
        draft = self._drafts.get(write.object_id) if write.object_id is not None else None
        if write.is_new:
            if draft is not None:
                return _refused("ObjectConflict", f"an object with the id {write.object_id} exists already")
            draft = self._new(write)
        elif draft is None or draft.kind is not write.kind:
            return _refused("Request_ResourceNotFound", f"the directory has no {write.kind.lower()} {write.object_id}")
        elif draft.lifecycle is Lifecycle.HARD_DELETED:
            return _refused("Request_ResourceNotFound", f"{write.object_id} was deleted for good")
        merged = _merged(draft.attributes, write)
        refusal = self._refusal(write, draft, merged)
        if refusal is not None:
            return refusal
        if write.taken_up_by is not None and draft.lifecycle is Lifecycle.SOFT_DELETED:
            comes_back = write.lifecycle is Lifecycle.PRESENT
            draft.is_anothers = comes_back and not any(_has(draft, *number) for number in write.taken_up_by)
        before = draft.principal_name
        draft.attributes = merged
        if draft.principal_name != before or write.is_new:
            self._release(before, draft)
            if draft.principal_name is not None:
                self._holders[draft.principal_name] = draft.object_id
        if write.manager_id is not None:
            manager = self._drafts.get(write.manager_id)
            draft.manager_id, draft.manager_key = (manager.object_id, manager.key) if manager else (None, None)
        self._drafts[draft.object_id] = draft
        if write.lifecycle is not None:
            self.set_lifecycle(draft, write.lifecycle)
        return draft

    def exchange(self, refused: Mapping[int, ObjectWrite]) -> Mapping[int, Draft | WriteRefused]:
        """Answers those of the refused writes by which objects pass their principal names around (a to b, b to a).

        Each of these names must be held by another one of them, so that all can let go before any takes.
        """
        by_id = Counter(write.object_id for write in refused.values())
        circle: dict[str, int] = {}
        for number, write in refused.items():
            draft = self._drafts.get(write.object_id or "")
            if draft is not None and not write.is_new and by_id[write.object_id] == 1:
                merged = _merged(draft.attributes, write)
                if self._manager_refusal(write, draft) is None and self._holder(merged) is not None:
                    circle[draft.object_id] = number
        while True:
            holders = {
                each: self._holder(_merged(self._drafts[each].attributes, refused[number]))
                for each, number in circle.items()
            }
            takers = Counter(holders.values())
            kept = {each: number for each, number in circle.items() if holders[each] in circle}
            kept = {each: number for each, number in kept.items() if takers[holders[each]] == 1}
            if len(kept) == len(circle):
                break
            circle = kept
        for each in circle:
            self._release(self._drafts[each].principal_name, self._drafts[each])
        return {number: self.write(refused[number]) for number in circle.values()}

    def set_lifecycle(self, draft: Draft, lifecycle: Lifecycle) -> None:
        """Soft-deletes, restores or purges."""
        if draft.lifecycle is lifecycle:
            return
        draft.lifecycle = lifecycle
        if lifecycle is Lifecycle.PRESENT:
            draft.deleted_at = None
        else:
            draft.deleted_at = draft.deleted_at or self._at
        if lifecycle is Lifecycle.HARD_DELETED:
            draft.attributes = {name: draft.attributes[name] for name in _NAMES_KEPT if name in draft.attributes}
            draft.manager_id = draft.manager_key = None
            self._release(draft.principal_name, draft)

    def flush(self) -> None:
        """Writes what differs from the stored state, with numbers for the feed."""
        purged = [
            draft
            for draft in self._drafts.values()
            if draft.lifecycle is Lifecycle.HARD_DELETED and draft.stored_lifecycle not in (None, draft.lifecycle)
        ]
        causes = self._purge([draft.key for draft in purged]) if purged else []
        forget(self._connection, [draft.object_id for draft in purged])
        take_credentials(self._connection, [draft.object_id for draft in self._drafts.values() if draft.is_anothers])
        hashed = [(draft, draft.hash()) for draft in self._drafts.values()]
        written = [(draft, content_hash) for draft, content_hash in hashed if content_hash != draft.stored_hash]
        changed = [draft for draft, _ in written]
        if changed:
            first = allocate(self._connection, len(changed))
            for seq, draft in enumerate(changed, first):
                draft.seq = seq
            self._write_rows(written)
            # However it came about: whoever is switched off is signed out.
            end_sessions(self._connection, [draft.object_id for draft in changed if draft.is_switched_off])
        causes += [
            FeedChange(cause=Cause.ELIGIBILITY, object_key=draft.key)
            for draft in changed
            if draft.stored_lifecycle is not None
            and (draft.lifecycle is not draft.stored_lifecycle or draft.is_security_enabled != draft.stored_security)
        ]
        # However they left or came back: what a SCIM client asked for before is not asked for of whoever is here now.
        moved = [draft for draft in changed if draft.stored_lifecycle not in (None, draft.lifecycle)]
        end_asked(self._connection, [draft.object_id for draft in moved])
        if changed and is_anybody_awaited(self._connection):
            arrivals = [arrival for arrival in map(_arrival, changed) if arrival is not None]
            causes += give_awaited(self._connection, arrivals, self._at)
        record(self._connection, causes)

    def _write_rows(self, written: Sequence[tuple[Draft, str]]) -> None:
        # A name may pass from one object to another within the batch, in either order.
        renamed = [
            {"at_key": draft.key}
            for draft, _ in written
            if draft.stored_name is not None and draft.stored_name != draft.principal_name
        ]
        self._statements.free_name.execute_many(renamed, on=self._connection)
        old = [
            {"at_key": draft.key, **draft.row(content_hash)}
            for draft, content_hash in written
            if draft.stored_hash is not None
        ]
        self._statements.update.execute_many(old, on=self._connection)
        new = [draft.row(content_hash) for draft, content_hash in written if draft.stored_hash is None]
        self._statements.insert.execute_many(new, on=self._connection)

    def _purge(self, keys: Sequence[int]) -> list[FeedChange]:
        """Removes memberships, assignments and reports' manager; returns what that means for others."""
        for row in fetch_objects(self._connection, objects.c.manager_key, keys):
            report = self._drafts.get(row.object_id) or self._keep(row)
            if report.manager_key in keys:
                report.manager_id = report.manager_key = None
        found: list[FeedChange] = []
        for piece in pieces(keys):
            lost = self._connection.execute(
                sa.select(assignments.c.principal_key, assignments.c.application_key).where(
                    assignments.c.principal_key.in_(piece)
                )
            ).all()
            held = sa.or_(memberships.c.member_key.in_(piece), memberships.c.group_key.in_(piece))
            left = self._connection.execute(
                sa.select(memberships.c.group_key, memberships.c.member_key).where(held)
            ).all()
            found += [FeedChange(cause=Cause.MEMBER, object_key=group, member_key=member) for group, member in left]
            found += [FeedChange(cause=Cause.ASSIGNMENT, object_key=key, application_key=app) for key, app in lost]
            self._connection.execute(sa.delete(assignments).where(assignments.c.principal_key.in_(piece)))
            self._connection.execute(sa.delete(memberships).where(held))
        return found

    def _new(self, write: ObjectWrite) -> Draft:
        draft = Draft(key=self._next_key, object_id=write.object_id or new_guid(), kind=write.kind, created_at=self._at)
        self._next_key += 1
        return draft

    def _refusal(self, write: ObjectWrite, draft: Draft, merged: dict[str, Value]) -> WriteRefused | None:
        required = "userPrincipalName" if draft.kind is ObjectKind.USER else "displayName"
        if not merged.get(required):
            return _refused("Request_BadRequest", f"a {draft.kind.lower()} needs a value for {required}", "Give one.")
        if draft.kind is ObjectKind.USER:
            holder = self._holder(merged)
            if holder is not None and holder != draft.object_id:
                name = merged["userPrincipalName"]
                other = self._drafts[holder]
                deleted = other.lifecycle is Lifecycle.SOFT_DELETED
                who = f"{other.attributes.get('displayName') or name} ({holder})"
                return _refused(
                    "ObjectConflict",
                    f"another user, {who}{' in the recycle bin' if deleted else ''}, has the userPrincipalName {name}",
                    "Restore that user or delete it for good."
                    if deleted
                    else "Choose another userPrincipalName; if that user has just left, delete it for good. People who "
                    "exchange theirs do so in one read, file or upload.",
                )
        return self._manager_refusal(write, draft)

    def _manager_refusal(self, write: ObjectWrite, draft: Draft) -> WriteRefused | None:
        if write.manager_id:
            manager = self._drafts.get(write.manager_id)
            if manager is None or manager.kind is not ObjectKind.USER or manager.lifecycle is Lifecycle.HARD_DELETED:
                return _refused("Request_BadRequest", f"the manager {write.manager_id} is not a user of the directory")
            if manager.object_id == draft.object_id:
                return _refused("Request_BadRequest", "nobody can be their own manager")
        return None

    def _holder(self, attributes: Mapping[str, Value]) -> str | None:
        return self._holders.get(str(attributes.get("userPrincipalName")).casefold())

    def _release(self, name: str | None, draft: Draft) -> None:
        if name is not None and self._holders.get(name) == draft.object_id:
            self._holders[name] = None

    def _keep(self, row: Row[Any]) -> Draft:
        draft = Draft(
            key=row.key,
            object_id=row.object_id,
            kind=ObjectKind(row.kind),
            lifecycle=Lifecycle(row.lifecycle),
            attributes=dict(frozen_attributes(row.content)),
            manager_id=row.manager_id,
            manager_key=row.manager_key,
            created_at=row.created_at,
            deleted_at=row.deleted_at,
            seq=row.seq,
            stored_hash=row.content_hash,
            stored_name=row.principal_name,
            stored_lifecycle=Lifecycle(row.lifecycle),
            stored_security=row.security_enabled,
        )
        self._drafts[draft.object_id] = draft
        if row.principal_name is not None:
            self._holders.setdefault(row.principal_name, draft.object_id)
        return draft


def _arrival(draft: Draft) -> Arrival | None:
    """A user by principal name, a security-enabled group by display name: whom a role may wait for."""
    if draft.lifecycle is not Lifecycle.PRESENT:
        return None
    if draft.kind is ObjectKind.USER:
        return Arrival(key=draft.key, kind=draft.kind, name=draft.principal_name) if draft.principal_name else None
    name = draft.attributes.get("displayName")
    # Only a group that says that it is one of security can be assigned.
    if not name or draft.attributes.get("securityEnabled") is not True:
        return None
    return Arrival(key=draft.key, kind=draft.kind, name=str(name).casefold())


def _merged(stored: dict[str, Value], write: ObjectWrite) -> dict[str, Value]:
    merged = dict(stored)
    for name, value in write.attributes.items():
        if ((value.__class__ is str and value) or value.__class__ is bool) and name != "objectId":
            # Nearly all are texts, and a switch.
            merged[name] = value
        elif value is None or value in ("", (), []):
            merged.pop(name, None)
        elif name != "objectId":
            merged[name] = frozen(value)
    return merged


def _has(draft: Draft, name: str, value: str) -> bool:
    return str(draft.attributes.get(name) or "").casefold() == value.casefold() or draft.object_id == value


def _folded(value: Value) -> str | None:
    return str(value).casefold() if value is not None else None


def _refused(code: str, sentence: str, remedy: str = "") -> WriteRefused:
    return WriteRefused(code=code, sentence=sentence, remedy=remedy)
