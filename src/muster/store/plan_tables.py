"""Tables of plans: their heads, and their operations one by one."""

import sqlalchemy as sa

from muster.database.columns import Instant
from muster.store.access_tables import METADATA
from muster.store.tables import Folded, Key, reference_to

__all__ = ["METADATA", "plan_operations", "plans"]

plans = sa.Table(
    "plans",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("plan_id", sa.Text, nullable=False, unique=True),
    sa.Column("job_id", sa.Text, nullable=False),
    # Empty until the plan is finished: nobody sees it before.
    sa.Column("hash", Folded, nullable=False, index=True),
    sa.Column("made_at", Instant, nullable=False, index=True),
    sa.Column("applied_at", Instant),
    sa.Column("plan", sa.LargeBinary, nullable=False),
    sa.Index("plans_of_job", "job_id", "key"),
)

plan_operations = sa.Table(
    "plan_operations",
    METADATA,
    reference_to("plans.key", name="plan_key", primary=True),
    sa.Column("number", Key, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("object_kind", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("hold_code", sa.Text),
    sa.Column("hold_reason", sa.Text),
    sa.Column("operation", sa.LargeBinary, nullable=False),
    sa.Index("plan_operations_in_order", "plan_key", "part", "number"),
    sa.Index("plan_operations_of_group", "plan_key", "part", "kind", "group_key", "number"),
    sa.Index("plan_operations_of_object", "plan_key", "source_id"),
    sqlite_with_rowid=False,
)
