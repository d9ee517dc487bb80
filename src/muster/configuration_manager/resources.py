"""The SCIM resources of one customer in the database: what the SCIM server asks for, over SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager import queries
from muster.configuration_manager.documents import (
    Row,
    make_meta,
    read_row,
    whole_milliseconds,
    with_relations,
    written,
)
from muster.configuration_manager.membership import Membership
from muster.configuration_manager.statements import READ_COLUMNS, Statements, prepare_statements
from muster.configuration_manager.tables import resources
from muster.configuration_manager.writer import Writer
from muster.database import Database, is_unique_violation
from muster.scim.errors import InvalidValue, PreconditionFailed, ResourceNotFound, UniquenessConflict
from muster.scim.evaluation import compile_filter
from muster.scim.filters import Comparison, FilterOperator
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

GROUP = "Group"
USER = "User"
SCAN_ROWS = 500

# Comparisons with `eq` that one prepared statement answers.
_LOOKUPS: Mapping[queries.Name, str] = {
    (None, "userName", None): "user_name",
    (None, "externalId", None): "external_id",
    (None, "displayName", None): "display_name",
    (None, "id", None): "resource_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStore:
    """What the repositories of all customers share."""

    database: Database
    writer: Writer
    statements: Statements
    now: Callable[[], datetime]
    new_id: Callable[[], str]


def open_resource_store(
    database: Database, writer: Writer, *, now: Callable[[], datetime], new_id: Callable[[], str]
) -> ResourceStore:
    """The store over a migrated database."""
    statements = prepare_statements(database)
    return ResourceStore(
        database=database,
        writer=writer,
        statements=statements,
        now=now,
        new_id=new_id,
    )


class SqlRepository:
    """The resources of one customer. Source of the contract: muster.scim.repository."""

    def __init__(
        self,
        store: ResourceStore,
        *,
        customer_key: int,
        unique_scope: int,
        resource_types: Sequence[ResourceType],
        base_url: str,
    ) -> None:
        self._database = store.database
        self._writer = store.writer
        self._run = store.statements
        self._now = store.now
        self._new_id = store.new_id
        self._customer_key = customer_key
        self._unique_scope = unique_scope
        self._types = {resource_type.name: resource_type for resource_type in resource_types}
        self._unique = {
            name: resource_type.unique_attributes[0]
            for name, resource_type in self._types.items()
            if resource_type.unique_attributes
        }
        locations = {name: f"{base_url}{resource_type.endpoint}/" for name, resource_type in self._types.items()}
        self._membership = Membership(store.statements, customer_key, locations)

    # Reading

    def get(self, type_name: str, resource_id: str, *, with_members: bool = True) -> StoredResource | None:
        """The resource, or None when there is none of that id and type."""
        if "\0" in resource_id:
            return None  # PostgreSQL refuses the character
        if type_name == GROUP and with_members:
            with self._database.read() as connection:
                row = self._run.by_id.fetch_one(self._named(type_name, p_resource_id=resource_id), on=connection)
                return None if row is None else self._load([row], type_name, connection)[0]
        row = self._run.by_id.fetch_one(self._named(type_name, p_resource_id=resource_id))
        if row is None:
            return None
        if row[4]:
            with self._database.read() as connection:
                return self._load([row], type_name, connection, with_members=with_members)[0]
        return read_row(row)

    def query(self, type_name: str, query: ResourceQuery) -> ResourcePage:
        """One page of what the query finds."""
        looked_up = self._look_up(type_name, query)
        if looked_up is not None:
            return looked_up
        with self._database.read() as connection:
            if query.filter is None and query.sort_by is None and query.after is None and query.before is None:
                return self._read_page(type_name, query, connection)
            return self._search(type_name, query, connection)

    def _look_up(self, type_name: str, query: ResourceQuery) -> ResourcePage | None:
        """The answer to `attribute eq value` in one statement; None when it takes more."""
        bound = query.filter
        if not isinstance(bound, Comparison) or bound.operator is not FilterOperator.EQUAL or query.start_index != 1:
            return None
        column = _LOOKUPS.get(queries.name_of(bound.attribute))
        if column is None or "\0" in str(bound.value) or query.sort_by is not None or query.count == 0:
            return None
        if query.after is not None or query.before is not None:
            return None
        value = queries.COLUMNS[queries.name_of(bound.attribute)].encode(bound.value)
        rows = self._run.by_column[column].fetch_all(self._named(type_name, p_value=value, p_limit=query.count + 1))
        if len(rows) > query.count:
            return None
        if any(row[4] for row in rows) or (type_name == GROUP and query.with_members and rows):
            with self._database.read() as connection:
                found = self._load(rows, type_name, connection, with_members=query.with_members)
        else:
            found = [read_row(row) for row in rows]
        return ResourcePage(total=len(found), resources=found)

    def _read_page(self, type_name: str, query: ResourceQuery, connection: Connection) -> ResourcePage:
        total = self._count(type_name, self._scope(type_name), connection, is_everything=True)
        rows: list[Row] = []
        if query.count:
            limits = self._named(type_name, p_limit=query.count, p_offset=query.start_index - 1)
            rows = self._run.page.fetch_all(limits, on=connection)
        return ResourcePage(
            total=total,
            resources=self._load(rows, type_name, connection, with_members=query.with_members),
        )

    def _search(self, type_name: str, query: ResourceQuery, connection: Connection) -> ResourcePage:
        bound = query.filter
        compiled = queries.EVERYTHING if bound is None else queries.compile_clause(bound)
        scope = self._scope(type_name)
        if compiled.clause is not None:
            scope.append(compiled.clause)
        order = queries.order_by(query.sort_by, descending=query.descending)
        if compiled.is_exact and order is not None:
            total = self._count(type_name, scope, connection, is_everything=compiled.clause is None)
            rows: list[Row] = []
            if query.count and total >= query.start_index:
                page = queries.turn_page(sa.select(*READ_COLUMNS).where(*scope), query, order)
                rows = [tuple(row) for row in connection.execute(page)]
            if query.before is not None:
                rows.reverse()
            return self._page(total, rows, type_name, query, connection)
        return self._scan(type_name, query, connection, scope, is_exact=compiled.is_exact)

    def _scan(
        self,
        type_name: str,
        query: ResourceQuery,
        connection: Connection,
        scope: Sequence[sa.ColumnElement[bool]],
        *,
        is_exact: bool,
    ) -> ResourcePage:
        """The slow way: every row of the scope is read, and its document decides."""
        resource_type = self._types[type_name]
        bound = query.filter
        predicate = None if bound is None or is_exact else compile_filter(bound, resource_type)
        with_relations = predicate is not None and bound is not None and queries.needs_relations(bound)
        order = queries.order_by(query.sort_by, descending=query.descending)
        read = sa.select(*READ_COLUMNS).where(*scope).order_by(*(order or [resources.c.key]))
        kept: list[tuple[Document | None, Row]] = []
        for rows in connection.execute(read.execution_options(yield_per=SCAN_ROWS)).partitions():
            block = [tuple(row) for row in rows]
            if with_relations:
                documents = [found.document for found in self._load(block, type_name, connection)]
            else:
                documents = [orjson.loads(row[3]) for row in block]
            for row, document in zip(block, documents, strict=True):
                if predicate is None or predicate(document):
                    kept.append((document if order is None else None, row))
        ordered = [row for _, row in kept]
        if order is None and query.sort_by is not None:
            row_of = {row[1]: row for row in ordered}
            unordered = (document for document, _ in kept if document is not None)
            in_order = sort_documents(unordered, query.sort_by, resource_type, descending=query.descending)
            ordered = [row_of[document["id"]] for document in in_order]
        return self._page(len(kept), queries.choose_rows(ordered, query), type_name, query, connection)

    def _scope(self, type_name: str) -> list[sa.ColumnElement[bool]]:
        return [resources.c.customer_key == self._customer_key, resources.c.type == type_name]

    def _count(
        self,
        type_name: str,
        scope: Sequence[sa.ColumnElement[bool]],
        connection: Connection,
        *,
        is_everything: bool,
    ) -> int:
        """How many rows there are: kept for users and groups as a whole, else counted."""
        kept = self._run.total.fetch_one(self._named(type_name), on=connection) if is_everything else None
        if kept is not None:
            return int(kept[0])
        return connection.scalar(sa.select(sa.func.count()).select_from(resources).where(*scope)) or 0

    def _page(
        self, total: int, rows: Sequence[Row], type_name: str, query: ResourceQuery, connection: Connection
    ) -> ResourcePage:
        found = self._load(rows, type_name, connection, with_members=query.with_members)
        return ResourcePage(total=total, resources=found, places=[row[0] for row in rows])

    def _load(
        self, rows: Sequence[Row], type_name: str, connection: Connection, *, with_members: bool = True
    ) -> list[StoredResource]:
        found = []
        for row in rows:
            relations: dict[str, Any] = {}
            if type_name == GROUP and with_members:
                relations["members"] = self._membership.read_members(row[0], connection)
            elif type_name == USER and row[4]:
                relations["groups"] = self._membership.read_groups(row[0], connection)
            found.append(read_row(row, relations))
        return found

    # Writing

    def insert(self, type_name: str, document: Document) -> StoredResource:
        """The stored resource; assigns id and meta."""
        now = whole_milliseconds(self._now())
        wanted = document.get("members")
        meta = make_meta(type_name, created=written(now), modified_at=now, revision=1)
        kept = self._canonical(type_name, {**document, "id": self._new_id(), "meta": meta})
        body = orjson.dumps(kept)
        values = {
            **self._named(type_name),
            **self._column_values(type_name, kept, now, revision=1, body=body),
            "p_resource_id": kept["id"],
            "p_unique_scope": self._unique_scope,
            "p_created_at": now,
        }

        def work(connection: Connection) -> StoredResource:
            inserted = self._run.insert.fetch_one(values, on=connection)
            self._run.count.execute(self._named(type_name, p_change=1), on=connection)
            row = (inserted[0] if inserted else 0, kept["id"], 1, body, False)
            if not wanted:
                return read_row(row)
            self._membership.change(row[0], MembersChange(add=tuple(wanted)), connection)
            return self._load([row], type_name, connection)[0]

        return self._write(work, type_name, kept)

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

        def work(connection: Connection) -> StoredResource:
            row = self._require(type_name, resource_id, if_version, connection)
            whole = type_name == GROUP and with_members
            present: Document = orjson.loads(row[3])
            if whole:
                present = with_relations(present, {"members": self._membership.read_members(row[0], connection)})
            following = transform(present)
            seen.update(following)
            is_same = following is present
            touched = False
            if whole and not is_same:
                following = {**following}
                wanted = following.pop("members", [])
                edit = self._membership.difference(present.get("members", []), wanted)
                touched = self._membership.change(row[0], edit, connection)
                is_same = {**present, "members": None} == {**following, "members": None}
            elif members is not None:
                touched = self._membership.change(row[0], members, connection)
            if not is_same or touched:
                row = self._update(row, type_name, following, connection)
            return self._load([row], type_name, connection, with_members=with_members)[0]

        return self._write(work, type_name, seen)

    def delete(self, type_name: str, resource_id: str, *, if_version: str | None = None) -> None:
        """Deletes the resource and what refers to it."""

        def work(connection: Connection) -> None:
            row = self._require(type_name, resource_id, if_version, connection)
            if row[4]:
                for group_row in self._membership.read_holders(row[0], connection):
                    self._update(group_row, GROUP, orjson.loads(group_row[3]), connection)
            self._run.delete.execute({"p_key": row[0]}, on=connection)
            self._run.count.execute(self._named(type_name, p_change=-1), on=connection)

        self._writer.run(work)

    def _require(self, type_name: str, resource_id: str, if_version: str | None, connection: Connection) -> Row:
        named = self._named(type_name, p_resource_id=resource_id)
        row = None if "\0" in resource_id else self._run.by_id_for_update.fetch_one(named, on=connection)
        if row is None:
            raise ResourceNotFound(f"There is no {type_name} with the id {resource_id}.")
        if if_version is not None and if_version != str(row[2]):
            raise PreconditionFailed(
                f"The {type_name} is at version {row[2]} now, not {if_version}: read it again and repeat the change."
            )
        return row

    def _update(self, row: Row, type_name: str, following: Document, connection: Connection) -> Row:
        """Writes the next document and returns the row as it is then."""
        now = whole_milliseconds(self._now())
        revision = row[2] + 1
        created = orjson.loads(row[3])["meta"]["created"]
        meta = make_meta(type_name, created=created, modified_at=now, revision=revision)
        kept = self._canonical(type_name, {**following, "id": row[1], "meta": meta})
        body = orjson.dumps(kept)
        values = {
            **self._column_values(type_name, kept, now, revision=revision, body=body),
            "p_key": row[0],
        }
        self._run.update.execute(values, on=connection)
        return (row[0], row[1], revision, body, row[4])

    def _canonical(self, type_name: str, document: Document) -> Document:
        """The document as it is stored: in canonical order, without what the table of members says."""
        document.pop("members", None)
        document.pop("groups", None)
        return complete(document, self._types[type_name])

    def _write(
        self, work: Callable[[Connection], StoredResource], type_name: str, document: Mapping[str, Any]
    ) -> StoredResource:
        try:
            return self._writer.run(work)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
        name = self._unique[type_name]
        raise UniquenessConflict(
            f"{name}: there is a {type_name} with {document.get(name)!r} already. Look it up, or choose another."
        )

    def _column_values(
        self, type_name: str, document: Document, modified_at: datetime, *, revision: int, body: bytes
    ) -> dict[str, Any]:
        """What stands beside the body. Raises: InvalidValue for a character that no index takes."""
        unique = self._unique.get(type_name)
        texts = {name: document.get(name) for name in ("userName", "externalId", "displayName")}
        if unique is not None:
            texts[unique] = document.get(unique)
        for name, value in texts.items():
            if value is not None and "\0" in value:
                raise InvalidValue(f"{name}: it holds the character U+0000. Send it without.")
        folded = {name: None if value is None else fold(value) for name, value in texts.items()}
        return {
            "p_revision": revision,
            "p_unique_name": None if unique is None else folded[unique],
            "p_user_name": folded["userName"],
            "p_external_id": texts["externalId"],
            "p_display_name": folded["displayName"],
            "p_active": document.get("active"),
            "p_modified_at": modified_at,
            "p_body": body,
        }

    def _named(self, type_name: str, **others: Any) -> dict[str, Any]:
        return {"p_customer_key": self._customer_key, "p_type": type_name, **others}
