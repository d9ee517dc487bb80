"""Finding the SCIM resources of one customer in the database: by id, by filter, page by page."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager import queries
from muster.configuration_manager.documents import read_row, read_rows
from muster.configuration_manager.marks import List, Mark, Marks
from muster.configuration_manager.membership import Membership
from muster.configuration_manager.statements import READ_COLUMNS, Statements, is_provisioned
from muster.configuration_manager.tables import resources
from muster.database.connection import Database
from muster.scim.evaluation import compile_filter
from muster.scim.filters import Comparison, FilterOperator
from muster.scim.references import References
from muster.scim.repository import Document, ResourcePage, ResourceQuery, StoredResource
from muster.scim.resources import ResourceType
from muster.scim.sorting import sort_documents

Row = tuple[Any, ...]

GROUP = "Group"
USER = "User"
SCAN_ROWS = 500
REST_ROWS = 20_000
STANDING = len(READ_COLUMNS) - 1  # from where a row of a page holds how the list stands

# Comparisons with `eq` that one prepared statement answers.
_LOOKUPS: Mapping[queries.Name, str] = {
    (None, "userName", None): "unique_name",
    (None, "externalId", None): "external_id",
    (None, "displayName", None): "display_name",
    (None, "id", None): "resource_id",
}


class ResourceReader:
    """Reads the resources of one customer: all, or those alone that an identity provider made."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        *,
        customer_key: int,
        resource_types: Sequence[ResourceType],
        base_url: str,
        only_provisioned: bool,
        marks: Marks,
    ) -> None:
        self._database = database
        self._marks = marks
        self._reads = statements.provisioned if only_provisioned else statements.all
        self._customer_key = customer_key
        self._only_provisioned = only_provisioned
        self._types = {resource_type.name: resource_type for resource_type in resource_types}
        self._columns = {name: queries.columns_of(resource_type) for name, resource_type in self._types.items()}
        self._base_url = base_url
        self._locations = {name: f"{base_url}{resource_type.endpoint}/" for name, resource_type in self._types.items()}
        self._references = {name: References(each, resource_types) for name, each in self._types.items()}
        self._members_between = statements.members_between
        self._membership = Membership(statements, customer_key, self._locations)

    def get(self, type_name: str, resource_id: str, *, with_members: bool = True) -> StoredResource | None:
        """The resource, or None when there is none of that id and type."""
        if "\0" in resource_id:
            return None  # PostgreSQL refuses the character
        if type_name == GROUP and with_members:
            # The group and its members as they were at one moment.
            with self._database.read() as connection:
                row = self._reads.by_id.fetch_one(self._named(type_name, p_resource_id=resource_id), on=connection)
                return None if row is None else self._load([row], type_name, connection)[0]
        rows = self._reads.by_id.fetch_values((self._customer_key, type_name, resource_id))
        if not rows:
            return None
        row = rows[0]
        if row[4]:
            with self._database.read() as connection:
                return self._load([row], type_name, connection, with_members=with_members)[0]
        return read_row(row)

    def query(self, type_name: str, query: ResourceQuery) -> ResourcePage:
        """One page of what the query finds."""
        looked_up = self._look_up(type_name, query)
        if looked_up is not None:
            return looked_up
        is_list = _is_list(query)
        page = self._read_page(type_name, query) if is_list else None
        if page is not None:
            return page
        with self._database.read() as connection:
            if is_list:
                return self._list(type_name, query, connection)
            return self._search(type_name, query, connection)

    def _look_up(self, type_name: str, query: ResourceQuery) -> ResourcePage | None:
        """The answer to `attribute eq value` in one statement; None when it takes more."""
        bound = query.filter
        if not isinstance(bound, Comparison) or bound.operator is not FilterOperator.EQUAL or query.start_index != 1:
            return None
        name = queries.name_of(bound.attribute)
        column = _LOOKUPS.get(name)
        indexed = self._columns[type_name].get(name)
        if (
            column is None
            or indexed is None
            or "\0" in str(bound.value)
            or query.sort_by is not None
            or query.limit == 0
        ):
            return None
        if query.after is not None or query.before is not None:
            return None
        value = indexed.encode(bound.value)
        rows = self._reads.by_column[column].fetch_values((self._customer_key, type_name, value, query.limit + 1))
        if len(rows) > query.limit:
            return None
        if any(row[4] for row in rows) or (type_name == GROUP and query.with_members and rows):
            with self._database.read() as connection:
                found = self._load(rows, type_name, connection, with_members=query.with_members)
        else:
            found = read_rows(rows)
        return ResourcePage(total=len(found), resources=found)

    def _read_page(self, type_name: str, query: ResourceQuery) -> ResourcePage | None:
        """A page of a list in one statement; None when it takes more."""
        if type_name == GROUP and query.with_members:
            return None
        of = self._of(type_name)
        mark = self._marks.find(of, query.start_index)
        rows: list[Row] = []
        if mark is not None:
            after = self._named(type_name, p_limit=query.limit, p_after=mark.key, p_newest=mark.newest)
            rows = self._reads.page_after.fetch_all(after)
            if rows and not mark.holds(total=rows[0][STANDING], added=rows[0][STANDING + 2]):
                rows = []
        if not rows:
            limits = self._named(type_name, p_limit=query.limit, p_offset=query.start_index - 1)
            rows = self._reads.page.fetch_all(limits)
        if not rows or rows[0][STANDING] is None:
            return None
        total, newest = rows[0][STANDING : STANDING + 2]
        self._marks.keep(of, query.start_index + len(rows), Mark(key=rows[-1][0], total=total, newest=newest))
        # Asked of each row it would take a tenth of the time. A member of another customer leads the longer way.
        ((has_members,),) = self._members_between.fetch_values((rows[0][0], rows[-1][0]))
        if has_members:
            return None
        return ResourcePage(total=total, resources=read_rows(rows))

    def _list(self, type_name: str, query: ResourceQuery, connection: Connection) -> ResourcePage:
        """A page of a list whose resources are read with their members or groups."""
        of = self._of(type_name)
        mark = self._marks.find(of, query.start_index)
        if mark is None:
            standing = self._reads.standing.fetch_one(self._named(type_name), on=connection)
        else:
            since = self._named(type_name, p_newest=mark.newest)
            standing = self._reads.standing_since.fetch_one(since, on=connection)
        if standing is None or standing[0] is None:
            return self._search(type_name, query, connection)
        if mark is not None and mark.holds(total=standing[0], added=standing[2]):
            page = self._search(type_name, query._replace(start_index=1, after=mark.key), connection)
        else:
            page = self._search(type_name, query, connection)
        if page.places:
            following = Mark(key=page.places[-1], total=standing[0], newest=standing[1])
            self._marks.keep(of, query.start_index + len(page.places), following)
        return page

    def _search(self, type_name: str, query: ResourceQuery, connection: Connection) -> ResourcePage:
        bound = query.filter
        compiled = queries.EVERYTHING if bound is None else queries.compile_clause(bound, self._columns[type_name])
        scope = self._scope(type_name)
        if compiled.clause is not None:
            scope.append(compiled.clause)
        order = queries.order_by(query.sort_by, self._columns[type_name], descending=query.descending)
        if compiled.is_exact and order is not None:
            total = self._count_rest(type_name, query, connection)
            if total is None:
                total = self._count(type_name, scope, connection, is_everything=compiled.clause is None)
            elif query.sort_by is None and isinstance(bound, Comparison):
                scope = [*self._scope(type_name), queries.compile_beside_index(bound, self._columns[type_name])]
            rows: list[Row] = []
            if query.limit and total >= query.start_index:
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
        with_addresses = (predicate is not None and bound is not None and queries.needs_addresses(bound)) or (
            query.sort_by is not None and queries.is_address(query.sort_by)
        )
        order = queries.order_by(query.sort_by, self._columns[type_name], descending=query.descending)
        read = sa.select(*READ_COLUMNS).where(*scope).order_by(*(order or [resources.c.key]))
        kept: list[tuple[Document | None, Row]] = []
        for rows in connection.execute(read.execution_options(yield_per=SCAN_ROWS)).partitions():
            block = [tuple(row) for row in rows]
            if with_relations:
                documents = [found.document for found in self._load(block, type_name, connection)]
            else:
                documents = [orjson.loads(row[3]) for row in block]
            if with_addresses:
                documents = [self._with_addresses(document, type_name) for document in documents]
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

    def _with_addresses(self, document: Document, type_name: str) -> Document:
        """The document as it is shown: with its location, and with the address of what it refers to."""
        shown = self._references[type_name].show(document, self._base_url)
        return {**shown, "meta": {**shown["meta"], "location": f"{self._locations[type_name]}{shown['id']}"}}

    def _of(self, type_name: str) -> List:
        return self._customer_key, type_name, self._only_provisioned

    def _scope(self, type_name: str) -> list[sa.ColumnElement[bool]]:
        return [
            resources.c.customer_key == self._customer_key,
            resources.c.type == type_name,
            *is_provisioned(self._only_provisioned),
        ]

    def _count(
        self,
        type_name: str,
        scope: Sequence[sa.ColumnElement[bool]],
        connection: Connection,
        *,
        is_everything: bool,
    ) -> int:
        """How many rows there are: kept for users and groups as a whole, else counted."""
        kept = self._reads.total.fetch_one(self._named(type_name), on=connection) if is_everything else None
        if kept is not None:
            return int(kept[0])
        return connection.scalar(sa.select(sa.func.count()).select_from(resources).where(*scope)) or 0

    def _count_rest(self, type_name: str, query: ResourceQuery, connection: Connection) -> int | None:
        """How many rows a broad comparison by order finds: all but the few it leaves out. None when those are many."""
        rest = queries.complement_of(query.filter, self._columns[type_name])
        kept = None if rest is None else self._reads.total.fetch_one(self._named(type_name), on=connection)
        if rest is None or kept is None or kept[0] <= REST_ROWS:
            return None
        few = sa.select(resources.c.key).where(*self._scope(type_name), rest).limit(REST_ROWS).subquery()
        left_out = connection.scalar(sa.select(sa.func.count()).select_from(few)) or 0
        return int(kept[0]) - left_out if left_out < REST_ROWS else None

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

    def _named(self, type_name: str, **others: Any) -> dict[str, Any]:
        return {"p_customer_key": self._customer_key, "p_type": type_name, **others}


def _is_list(query: ResourceQuery) -> bool:
    """Whether a page of everything is asked for, by its index."""
    is_everything = query.filter is None and query.sort_by is None
    return is_everything and query.after is None and query.before is None and query.limit > 0
