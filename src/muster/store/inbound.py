"""What SCIM clients gave of objects of the directory, on SQL."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select

from muster.database.connection import Database
from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.inbound import GivenCount, ScimPlace, ScimRecord
from muster.store.inbound_tables import scim_records
from muster.store.rows import MANAGERS, object_key, object_of
from muster.store.tables import memberships, objects

_COLUMNS = {
    "userName": objects.c.principal_name,
    "displayName": objects.c.folded_name,
    "externalId": scim_records.c.external_id,
}


class SqlInbound:
    """The InboundStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, kind: ObjectKind, object_id: str) -> ScimPlace | None:
        """Returns a present object by id."""
        with self._database.read() as connection:
            row = connection.execute(_select(kind).where(objects.c.object_id == object_id)).first()
        return None if row is None else _place(row)

    def find(self, kind: ObjectKind, name: str, value: str) -> Sequence[ScimPlace]:
        """Returns present objects by userName, displayName or externalId."""
        if "\0" in value:
            return ()
        wanted = value if name == "externalId" else value.casefold()
        query = _select(kind).where(_COLUMNS[name] == wanted).order_by(objects.c.key)
        with self._database.read() as connection:
            return [_place(row) for row in connection.execute(query)]

    def page(
        self, kind: ObjectKind, *, skip: int = 0, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, Sequence[ScimPlace]]:
        """Returns how many there are, and a page of them in the order of creation."""
        query = _select(kind).limit(limit)
        if before is not None:
            query = query.where(objects.c.key < before).order_by(objects.c.key.desc())
        else:
            query = query.where(objects.c.key > (after or 0)).order_by(objects.c.key).offset(skip)
        counted = sa.select(sa.func.count()).select_from(objects).where(*_present(kind))
        with self._database.read() as connection:
            total = int(connection.execute(counted).scalar_one())
            found = [_place(row) for row in connection.execute(query)] if limit else []
        return total, found if before is None else found[::-1]

    def keep(self, record: ScimRecord) -> None:
        """Keeps a record in the place of the one there is."""
        values = {
            "external_id": record.external_id,
            "client_id": record.client_id,
            "client_name": record.client_name,
            "content": record.content,
            "revision": record.revision,
            "modified_at": record.modified_at,
        }
        with self._database.write() as connection:
            key = object_key(connection, record.object_id)
            if not _update(connection, key, values):
                connection.execute(sa.insert(scim_records).values(object_key=key, **values))

    def given(self) -> GivenCount:
        """Returns how much there is of what clients gave."""
        present = objects.c.lifecycle == Lifecycle.PRESENT.value
        kept = sa.join(scim_records, objects, objects.c.key == scim_records.c.object_key)
        kinds = sa.select(objects.c.kind, sa.func.count()).select_from(kept).where(present).group_by(objects.c.kind)
        of_groups = kept.join(memberships, memberships.c.group_key == objects.c.key)
        members = sa.select(sa.func.count()).select_from(of_groups).where(present)
        with self._database.read() as connection:
            counted = {row[0]: row[1] for row in connection.execute(kinds)}
            return GivenCount(
                people=counted.get(ObjectKind.USER.value, 0),
                groups=counted.get(ObjectKind.GROUP.value, 0),
                members=int(connection.execute(members).scalar_one()),
            )


def _update(connection: Connection, key: int, values: dict[str, Any]) -> bool:
    done = connection.execute(sa.update(scim_records).where(scim_records.c.object_key == key).values(**values))
    return bool(done.rowcount)


def _present(kind: ObjectKind) -> tuple[sa.ColumnElement[bool], ...]:
    return (objects.c.kind == kind.value, objects.c.lifecycle == Lifecycle.PRESENT.value)


def _select(kind: ObjectKind) -> Select[Any]:
    return (
        sa.select(
            objects,
            MANAGERS.c.object_id.label("manager_id"),
            scim_records.c.external_id,
            scim_records.c.client_id,
            scim_records.c.client_name,
            scim_records.c.content.label("given"),
            scim_records.c.revision,
            scim_records.c.modified_at,
        )
        .outerjoin(MANAGERS, MANAGERS.c.key == objects.c.manager_key)
        .outerjoin(scim_records, scim_records.c.object_key == objects.c.key)
        .where(*_present(kind))
    )


def _place(row: Row[Any]) -> ScimPlace:
    record = None
    if row.given is not None:
        record = ScimRecord(
            object_id=row.object_id,
            external_id=row.external_id,
            client_id=row.client_id,
            client_name=row.client_name,
            content=row.given,
            revision=row.revision,
            modified_at=row.modified_at,
        )
    return ScimPlace(place=row.key, object=object_of(row), record=record)
