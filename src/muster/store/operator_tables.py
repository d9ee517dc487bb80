"""Tables of what operators are told and shown: notices and their deliveries, and the wire log."""

import sqlalchemy as sa

from muster.database.columns import Instant

# Each module of tables knows the one before it, so that the last one knows them all.
from muster.store.census_tables import METADATA
from muster.store.tables import Key, reference_to

__all__ = ["METADATA", "deliveries", "engine_measures", "feed_marks", "notices", "notification_settings", "wire"]

# Requests and answers as they went over the wire, while somebody has switched that on for a job.
wire = sa.Table(
    "wire",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text),
    sa.Column("cycle_id", sa.Text),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("exchange", sa.LargeBinary, nullable=False),
    sa.Index("wire_of_job", "job_id", "key"),
    sa.Index("wire_of_object", "job_id", "source_id", "key"),
)

# When the feed was at which number, a row a second at most: how long a change took to arrive is measured from there.
feed_marks = sa.Table(
    "feed_marks",
    METADATA,
    sa.Column("seq", Key, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

# What each engine process has measured since it began, as it told last.
engine_measures = sa.Table(
    "engine_measures",
    METADATA,
    sa.Column("engine_id", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("figures", sa.LargeBinary, nullable=False),
)

# ---------------------------------------------------------------- notifications

# No foreign key to jobs: that a job was in trouble is told even if it is removed meanwhile.
notices = sa.Table(
    "notices",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("notice_id", sa.Text, nullable=False, unique=True),
    sa.Column("at", Instant, nullable=False, index=True),
    # Whether it is decided to whom it is told.
    sa.Column("addressed", sa.Boolean, nullable=False),
    sa.Column("notice", sa.LargeBinary, nullable=False),
    sa.Index("notices_unaddressed", "addressed", "key"),
)

deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("delivery_id", sa.Text, nullable=False, unique=True),
    reference_to("notices.key", name="notice_key", index=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("trouble", sa.Text),
    sa.Index("deliveries_due", "state", "next_attempt_at"),
)

# One row: how the installation tells, sealed.
notification_settings = sa.Table(
    "notification_settings",
    METADATA,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
