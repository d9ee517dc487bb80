"""Who is in which group: rows of two integer keys, so that a change costs what it changes, not what the group holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager.statements import READ_COLUMNS, Statements
from muster.configuration_manager.tables import MEMBER_TYPES, members, resources
from muster.database.connection import upsert
from muster.scim.errors import InvalidValue
from muster.scim.repository import MembersChange

Row = tuple[Any, ...]
Member = dict[str, Any]

# Below the number of parameters that SQLite takes in one statement.
BLOCK = 500


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
        query = (
            sa.select(*READ_COLUMNS)
            .join(members, members.c.group_key == resources.c.key)
            .where(members.c.member_key == member_key)
            .order_by(resources.c.key)
            .with_for_update(of=resources)
        )
        return [tuple(row) for row in connection.execute(query)]

    def difference(self, present: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> MembersChange:
        """The change that makes the wanted members of the present ones."""
        there = {member["value"] for member in present}
        kept = {member["value"] for member in wanted}
        return MembersChange(
            remove=tuple(sorted(there - kept)),
            add=tuple(member for member in wanted if member["value"] not in there),
        )

    def change(self, group_key: int, edit: MembersChange, connection: Connection) -> bool:
        """Whether the change made a difference. Raises InvalidValue for an added member that does not exist."""
        changed = 0
        if edit.clear:
            changed += self._run.clear_members.execute({"p_group_key": group_key}, on=connection)
        if edit.remove:
            for key in self._find_keys(edit.remove, connection).values():
                changed += self._run.remove_member.execute(
                    {"p_group_key": group_key, "p_member_key": key}, on=connection
                )
        if edit.add:
            displays = {member["value"]: member.get("display") for member in edit.add}
            keys = self._find_keys(list(displays), connection)
            missing = [member_id for member_id in displays if member_id not in keys]
            if missing:
                raise InvalidValue(f"members: there is no user or group with the id {missing[0]}: create it first.")
            rows = [
                {"group_key": group_key, "member_key": keys[member_id], "display": display}
                for member_id, display in displays.items()
            ]
            for start in range(0, len(rows), BLOCK):
                changed += upsert(
                    connection, members, rows[start : start + BLOCK], keys=("group_key", "member_key"), update=()
                )
        return changed > 0

    def _find_keys(self, ids: Sequence[str], connection: Connection) -> dict[str, int]:
        found: dict[str, int] = {}
        ids = [member_id for member_id in ids if "\0" not in member_id]
        for start in range(0, len(ids), BLOCK):
            query = sa.select(resources.c.resource_id, resources.c.key).where(
                resources.c.customer_key == self._customer_key,
                resources.c.type.in_(MEMBER_TYPES),
                resources.c.resource_id.in_(ids[start : start + BLOCK]),
            )
            found.update((resource_id, key) for resource_id, key in connection.execute(query))
        return found
