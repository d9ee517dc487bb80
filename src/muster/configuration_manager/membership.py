"""Who is in which group: rows of two integer keys, so that a change costs what it changes, not what the group holds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager.statements import Statements
from muster.configuration_manager.tables import MEMBER_TYPES, members, resources
from muster.database.connection import upsert
from muster.scim.errors import InvalidValue
from muster.scim.repository import MembersChange

Row = tuple[Any, ...]
Member = dict[str, Any]

# Below the number of parameters that SQLite takes in one statement.
BLOCK = 500
# How many of those who came or left are named, at most.
LIMIT_NAMED = 100


def _find_with(body: sa.ColumnElement[Any], *, stays: bool) -> sa.Select[Any]:
    held = sa.and_(members.c.group_key == sa.bindparam("group_key"), members.c.member_key == resources.c.key)
    found = resources.outerjoin(members, held)
    is_member = members.c.member_key.is_not(None)
    query = sa.select(resources.c.resource_id, resources.c.key, body, is_member, members.c.display).select_from(found)
    query = query.where(
        resources.c.customer_key == sa.bindparam("customer_key"),
        resources.c.type.in_(MEMBER_TYPES),
        resources.c.resource_id.in_(sa.bindparam("member_ids", expanding=True)),
    )
    return query.with_for_update(of=resources, read=True, key_share=True) if stays else query


# For those who come, who must stay until they have, and for those who leave, who may be deleted meanwhile: the first
# of them with their bodies, and the others. Made once: to make it would cost more than to run it.
FIND_COMING = (_find_with(resources.c.body, stays=True), _find_with(sa.null(), stays=True))
FIND_LEAVING = (_find_with(resources.c.body, stays=False), _find_with(sa.null(), stays=False))


class Moved(NamedTuple):
    """Those who came into a group, or left it: how many, and the first of them with id and name."""

    total: int = 0
    named: Sequence[Member] = ()


class MembersMoved(NamedTuple):
    """What a change made of a group's members."""

    removed: Moved = Moved()
    added: Moved = Moved()

    @property
    def is_any(self) -> bool:
        """Whether anybody left or came."""
        return bool(self.removed.total or self.added.total)


class _Found(NamedTuple):
    """A user or group that may be a member, or is one, as `display`; `body` is not read of all."""

    member_id: str
    key: int
    body: bytes | None
    is_member: bool
    display: str | None


class Membership:
    """Reads and changes memberships of one customer on the caller's connection.

    `locations` says for each type of resource what stands before the id in its address.
    """

    def __init__(self, statements: Statements, customer_key: int, locations: Mapping[str, str]) -> None:
        self._run = statements
        self._customer_key = customer_key
        self._locations = locations

    def read_members(self, group_key: int, connection: Connection) -> list[Member]:
        """The group's members in the order in which they were created."""
        rows = self._run.members.fetch_all({"p_group_key": group_key}, on=connection)
        at = self._locations
        return [
            {"value": member_id, "$ref": at[kind] + member_id, "type": kind}
            if display is None
            else {"value": member_id, "$ref": at[kind] + member_id, "display": display, "type": kind}
            for member_id, kind, display in rows
        ]

    def read_groups(self, member_key: int, connection: Connection) -> list[Member]:
        """The groups that a user is a direct member of."""
        rows = self._run.groups.fetch_all({"p_member_key": member_key}, on=connection)
        groups = []
        for group_id, body in rows:
            group = {"value": group_id, "$ref": self._locations["Group"] + group_id, "type": "direct"}
            name = orjson.loads(body).get("displayName")
            groups.append(group if name is None else {**group, "display": name})
        return groups

    def read_holders(self, member_key: int, connection: Connection) -> list[Row]:
        """The rows of the groups that hold the member, locked."""
        return self._run.holders.fetch_all({"p_member_key": member_key}, on=connection)

    def difference(self, present: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> MembersChange:
        """The change that makes the wanted members of the present ones."""
        there = {member["value"] for member in present}
        kept = {member["value"] for member in wanted}
        return MembersChange(
            remove=tuple(member["value"] for member in present if member["value"] not in kept),
            add=tuple(member for member in wanted if member["value"] not in there),
        )

    def change(self, group_key: int, edit: MembersChange, connection: Connection) -> MembersMoved:
        """Who left and who came; who stays keeps the name it was added with.

        Raises: InvalidValue for an added member that does not exist.
        """
        displays = {member["value"]: member.get("display") for member in edit.add}
        wanted = self._find(FIND_COMING, list(displays), group_key, connection)
        missing = [member_id for member_id in displays if member_id not in wanted]
        if missing:
            raise InvalidValue(f"members: there is no user or group with the id {missing[0]}: create it first.")
        removed = Moved()
        if edit.clear:
            removed = self.read_leaving(group_key, connection, staying=wanted.values())
            if removed.total:
                self._run.clear_members.execute({"p_group_key": group_key}, on=connection)
        elif edit.remove:
            named = [each for each in edit.remove if each not in displays]
            found = self._find(FIND_LEAVING, named, group_key, connection)
            leaving = [each for each in found.values() if each.is_member]
            for each in leaving:
                self._run.remove_member.execute({"p_group_key": group_key, "p_member_key": each.key}, on=connection)
            removed = _moved(leaving)
        rows = [
            {
                "group_key": group_key,
                "member_key": each.key,
                "display": each.display if each.is_member else displays[each.member_id],
            }
            for each in wanted.values()
        ]
        for start in range(0, len(rows), BLOCK):
            upsert(connection, members, rows[start : start + BLOCK], keys=("group_key", "member_key"), update=())
        return MembersMoved(removed=removed, added=_moved([each for each in wanted.values() if not each.is_member]))

    def read_leaving(self, group_key: int, connection: Connection, *, staying: Collection[_Found] = ()) -> Moved:
        """All members but those who stay."""
        of_group = members.c.group_key == group_key
        total = connection.scalar(sa.select(sa.func.count()).where(of_group)) or 0
        kept = {each.key for each in staying if each.is_member}
        first = sa.select(members.c.member_key).where(of_group).order_by(members.c.member_key)
        keys = [key for key in connection.scalars(first.limit(LIMIT_NAMED + len(kept))) if key not in kept]
        query = sa.select(resources.c.resource_id, resources.c.body).where(resources.c.key.in_(keys[:LIMIT_NAMED]))
        rows = connection.execute(query.order_by(resources.c.key))
        return Moved(total - len(kept), [_named(member_id, body) for member_id, body in rows])

    def _find(
        self,
        queries: tuple[sa.Select[Any], sa.Select[Any]],
        ids: Sequence[str],
        group_key: int,
        connection: Connection,
    ) -> dict[str, _Found]:
        """Those that exist, by id, in the order asked; the bodies of the first."""
        found: dict[str, _Found] = {}
        ids = [member_id for member_id in ids if "\0" not in member_id]
        for start in range(0, len(ids), BLOCK):
            query = queries[start > 0]
            given = {
                "customer_key": self._customer_key,
                "group_key": group_key,
                "member_ids": list(ids[start : start + BLOCK]),
            }
            found.update((row[0], _Found(*row)) for row in connection.execute(query, given))
        return {member_id: found[member_id] for member_id in ids if member_id in found}


def _moved(found: Sequence[_Found]) -> Moved:
    return Moved(len(found), [_named(each.member_id, each.body) for each in found[:LIMIT_NAMED]])


def _named(member_id: str, body: bytes | None) -> Member:
    """The member with the name it has, as far as that was read."""
    document = {} if body is None else orjson.loads(body)
    name = document.get("displayName") or document.get("userName")
    return {"value": member_id} if name is None else {"value": member_id, "display": name}
