"""The tables of what a target has: listed for one cycle, and who nobody manages there."""

import sqlalchemy as sa

from muster.store.plan_tables import METADATA
from muster.store.tables import Folded, reference_to

__all__ = ["METADATA", "census", "census_values", "discovered"]

census = sa.Table(
    "census",
    METADATA,
    reference_to("cycles.key", name="cycle_key", primary=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("target_id", sa.Text, primary_key=True),
    sa.Column("resource", sa.LargeBinary, nullable=False),
)

census_values = sa.Table(
    "census_values",
    METADATA,
    reference_to("cycles.key", name="cycle_key", primary=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("attribute", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("target_id", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

# Accounts at the target that nobody manages, as the job's last reconciliation found them.
discovered = sa.Table(
    "discovered",
    METADATA,
    reference_to("jobs.key", name="job_key", primary=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("target_id", sa.Text, primary_key=True),
    sa.Column("cycle_id", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text),
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("matching", sa.Text),
    sa.Column("source_id", sa.Text),
    sa.Column("source_name", sa.Text),
    # What it is called, or else is found by, folded and cut: the order of the list.
    sa.Column("folded_name", Folded, nullable=False),
    sa.Index("discovered_by_name", "job_key", "kind", "folded_name", "target_id"),
)
