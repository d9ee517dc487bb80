"""The statements that run at every request, compiled once for the driver."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from muster.configuration_manager.tables import counters, members, resources
from muster.database.columns import Instant
from muster.database.connection import Database
from muster.database.statements import Prepared, PreparedInsert

_own_memberships = members.alias("own_memberships")

# What a resource is read as, in this order everywhere: the driver's own values, which need no conversion.
READ_COLUMNS = (
    resources.c.key,
    resources.c.resource_id,
    resources.c.revision,
    sa.type_coerce(resources.c.body, sa.types.NullType()).label("body"),
    sa.type_coerce(
        sa.exists().where(_own_memberships.c.member_key == resources.c.key).correlate(resources),
        sa.types.NullType(),
    ).label("is_member"),
)

WRITTEN_COLUMNS = (
    "customer_key",
    "type",
    "resource_id",
    "revision",
    "unique_scope",
    "unique_name",
    "external_id",
    "display_name",
    "active",
    "by_hand",
    "created_at",
    "modified_at",
    "body",
)
CHANGED_COLUMNS = (
    "revision",
    "unique_name",
    "external_id",
    "display_name",
    "active",
    "modified_at",
    "body",
)
# When nothing that is looked up changed: SQLite writes each index that a statement names a column of.
CONTENT_COLUMNS = ("revision", "modified_at", "body")

# The order in which the two that are asked most get their values.
BY_ID = ("p_customer_key", "p_type", "p_resource_id")
BY_COLUMN = ("p_customer_key", "p_type", "p_value", "p_limit")

_OF_TYPE = (
    resources.c.customer_key == sa.bindparam("p_customer_key"),
    resources.c.type == sa.bindparam("p_type"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingStatements:
    """What is asked of all resources, or of those alone that an identity provider made. A row of `page` says of nobody
    whether they are a member: `members_between` says it of all of them. It ends with how the list stands, which
    `standing` tells alone: how many there are, the newest one's key; after a place also how many are newer than
    `p_newest`."""

    by_id: Prepared
    by_id_for_update: Prepared
    by_id_for_delete: Prepared
    by_column: dict[str, Prepared]
    page: Prepared
    page_after: Prepared
    standing: Prepared
    standing_since: Prepared
    total: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Parameters are named after the columns, with `p_` before."""

    all: ReadingStatements
    provisioned: ReadingStatements
    insert: PreparedInsert
    update: Prepared
    update_content: Prepared
    delete: Prepared
    count: Prepared
    active: Prepared
    members: Prepared
    remove_member: Prepared
    clear_members: Prepared
    groups: Prepared
    holders: Prepared
    members_between: Prepared


def prepare_statements(database: Database) -> Statements:
    """The statements for this database's dialect."""
    member = resources.alias("member")
    holder = resources.alias("holder")
    membership = (
        members.c.group_key == sa.bindparam("p_group_key"),
        members.c.member_key == sa.bindparam("p_member_key"),
    )
    return Statements(
        all=_prepare_reading(database, only_provisioned=False),
        provisioned=_prepare_reading(database, only_provisioned=True),
        insert=database.prepare_insert(
            sa.insert(resources).values({name: sa.bindparam(f"p_{name}") for name in WRITTEN_COLUMNS}), resources.c.key
        ),
        update=_prepare_update(database, CHANGED_COLUMNS),
        update_content=_prepare_update(database, CONTENT_COLUMNS),
        delete=database.prepare(sa.delete(resources).where(resources.c.key == sa.bindparam("p_key"))),
        count=database.prepare(
            sa.update(counters)
            .where(counters.c.customer_key == sa.bindparam("p_customer_key"), counters.c.type == sa.bindparam("p_type"))
            .values(
                total=counters.c.total + sa.bindparam("p_change"), active=counters.c.active + sa.bindparam("p_active")
            )
        ).in_order(("p_change", "p_active", "p_customer_key", "p_type")),
        active=database.prepare(
            sa.select(counters.c.active).where(
                counters.c.customer_key == sa.bindparam("p_customer_key"), counters.c.type == sa.bindparam("p_type")
            )
        ),
        members=database.prepare(
            sa.select(member.c.resource_id, member.c.type, members.c.display)
            .select_from(members.join(member, member.c.key == members.c.member_key))
            .where(members.c.group_key == sa.bindparam("p_group_key"))
            .order_by(members.c.member_key)
        ),
        remove_member=database.prepare(sa.delete(members).where(*membership)),
        clear_members=database.prepare(sa.delete(members).where(membership[0])),
        groups=database.prepare(
            sa.select(holder.c.resource_id, holder.c.body)
            .select_from(members.join(holder, holder.c.key == members.c.group_key))
            .where(members.c.member_key == sa.bindparam("p_member_key"))
            .order_by(members.c.group_key)
        ),
        holders=database.prepare(
            sa.select(*READ_COLUMNS)
            .join(members, members.c.group_key == resources.c.key)
            .where(members.c.member_key == sa.bindparam("p_member_key"))
            .order_by(resources.c.key)
            .with_for_update(of=resources, key_share=True)
        ),
        members_between=database.prepare(
            sa.select(sa.exists().where(members.c.member_key.between(sa.bindparam("p_first"), sa.bindparam("p_last"))))
        ).in_order(("p_first", "p_last")),
    )


def _prepare_update(database: Database, columns: tuple[str, ...]) -> Prepared:
    values = {name: sa.bindparam(f"p_{name}", type_=sa.types.NullType()) for name in columns}
    prepared = database.prepare(sa.update(resources).where(resources.c.key == sa.bindparam("p_key")).values(values))
    return prepared.in_order(tuple(f"p_{name}" for name in (*columns, "key")))


def bound_type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """How a value for the column is given to the driver: instants converted, all else as it is."""
    return column.type if isinstance(column.type, Instant) else sa.types.NullType()


def is_provisioned(only_provisioned: bool) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition on resources that leaves out those made by hand, if they are to be left out."""
    return (sa.not_(resources.c.by_hand),) if only_provisioned else ()


def _prepare_reading(database: Database, *, only_provisioned: bool) -> ReadingStatements:
    scope = (*_OF_TYPE, *is_provisioned(only_provisioned))
    by_id = sa.select(*READ_COLUMNS).where(*scope, resources.c.resource_id == sa.bindparam("p_resource_id"))
    kept: sa.ColumnElement[int] = counters.c.total
    if only_provisioned:
        made = resources.alias("made")
        by_hand = sa.select(sa.func.count()).where(
            made.c.customer_key == counters.c.customer_key, made.c.type == counters.c.type, made.c.by_hand
        )
        kept = kept - by_hand.scalar_subquery()
    total = sa.select(kept).where(
        counters.c.customer_key == sa.bindparam("p_customer_key"), counters.c.type == sa.bindparam("p_type")
    )
    standing = (total.scalar_subquery(), sa.select(sa.func.max(resources.c.key)).where(*scope).scalar_subquery())
    added = sa.select(sa.func.count()).where(*scope, resources.c.key > sa.bindparam("p_newest")).scalar_subquery()
    rows = sa.select(*READ_COLUMNS[:-1], *standing).where(*scope).order_by(resources.c.key)
    return ReadingStatements(
        by_id=database.prepare(by_id).in_order(BY_ID),
        # A row that changes may be made a member meanwhile, one that goes may not.
        by_id_for_update=database.prepare(by_id.with_for_update(of=resources, key_share=True)).in_order(BY_ID),
        by_id_for_delete=database.prepare(by_id.with_for_update(of=resources)).in_order(BY_ID),
        by_column={
            name: database.prepare(
                sa.select(*READ_COLUMNS)
                .where(*scope, resources.c[name] == sa.bindparam("p_value"))
                .order_by(resources.c.key)
                .limit(sa.bindparam("p_limit"))
                .offset(sa.literal_column("0"))  # SQLite would get one as a parameter
            ).in_order(BY_COLUMN)
            for name in ("unique_name", "external_id", "display_name", "resource_id")
        },
        page=database.prepare(rows.limit(sa.bindparam("p_limit")).offset(sa.bindparam("p_offset"))),
        page_after=database.prepare(
            rows.add_columns(added)
            .where(resources.c.key > sa.bindparam("p_after"))
            .limit(sa.bindparam("p_limit"))
            .offset(sa.literal_column("0"))
        ),
        standing=database.prepare(sa.select(*standing)),
        standing_since=database.prepare(sa.select(*standing, added)),
        total=database.prepare(total),
    )
