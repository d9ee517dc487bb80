"""The statements that run at every request, compiled once for the driver."""

from dataclasses import dataclass

import sqlalchemy as sa

from muster.configuration_manager.tables import counters, members, resources
from muster.database import Database, Prepared

_own_memberships = members.alias("own_memberships")

# What a resource is read as, in this order everywhere.
READ_COLUMNS = (
    resources.c.key,
    resources.c.resource_id,
    resources.c.revision,
    resources.c.body,
    sa.exists().where(_own_memberships.c.member_key == resources.c.key).correlate(resources).label("is_member"),
)

WRITTEN_COLUMNS = (
    "customer_key",
    "type",
    "resource_id",
    "revision",
    "unique_scope",
    "unique_name",
    "user_name",
    "external_id",
    "display_name",
    "active",
    "created_at",
    "modified_at",
    "body",
)
CHANGED_COLUMNS = (
    "revision",
    "unique_name",
    "user_name",
    "external_id",
    "display_name",
    "active",
    "modified_at",
    "body",
)

_OF_TYPE = (
    resources.c.customer_key == sa.bindparam("p_customer_key"),
    resources.c.type == sa.bindparam("p_type"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Parameters are named after the columns, with `p_` before."""

    by_id: Prepared
    by_id_for_update: Prepared
    by_column: dict[str, Prepared]
    page: Prepared
    total: Prepared
    insert: Prepared
    update: Prepared
    delete: Prepared
    count: Prepared
    members: Prepared
    remove_member: Prepared
    clear_members: Prepared
    groups: Prepared


def prepare_statements(database: Database) -> Statements:
    """The statements for this database's dialect."""
    by_id = sa.select(*READ_COLUMNS).where(*_OF_TYPE, resources.c.resource_id == sa.bindparam("p_resource_id"))
    member = resources.alias("member")
    holder = resources.alias("holder")
    membership = (
        members.c.group_key == sa.bindparam("p_group_key"),
        members.c.member_key == sa.bindparam("p_member_key"),
    )
    return Statements(
        by_id=database.prepare(by_id),
        by_id_for_update=database.prepare(by_id.with_for_update(of=resources)),
        by_column={
            name: database.prepare(
                sa.select(*READ_COLUMNS)
                .where(*_OF_TYPE, resources.c[name] == sa.bindparam("p_value"))
                .order_by(resources.c.key)
                .limit(sa.bindparam("p_limit"))
            )
            for name in ("user_name", "external_id", "display_name", "resource_id")
        },
        page=database.prepare(
            sa.select(*READ_COLUMNS)
            .where(*_OF_TYPE)
            .order_by(resources.c.key)
            .limit(sa.bindparam("p_limit"))
            .offset(sa.bindparam("p_offset"))
        ),
        total=database.prepare(
            sa.select(counters.c.total).where(
                counters.c.customer_key == sa.bindparam("p_customer_key"), counters.c.type == sa.bindparam("p_type")
            )
        ),
        insert=database.prepare(
            sa.insert(resources)
            .values({name: sa.bindparam(f"p_{name}", type_=resources.c[name].type) for name in WRITTEN_COLUMNS})
            .returning(resources.c.key)
        ),
        update=database.prepare(
            sa.update(resources)
            .where(resources.c.key == sa.bindparam("p_key"))
            .values({name: sa.bindparam(f"p_{name}", type_=resources.c[name].type) for name in CHANGED_COLUMNS})
        ),
        delete=database.prepare(sa.delete(resources).where(resources.c.key == sa.bindparam("p_key"))),
        count=database.prepare(
            sa.update(counters)
            .where(counters.c.customer_key == sa.bindparam("p_customer_key"), counters.c.type == sa.bindparam("p_type"))
            .values(total=counters.c.total + sa.bindparam("p_change"))
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
    )
