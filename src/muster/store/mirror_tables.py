"""The tables of mirrors: what sources outside have given, by job."""

import sqlalchemy as sa

from muster.database.columns import Instant
from muster.store.operator_tables import METADATA
from muster.store.tables import Folded, Key, reference_to

__all__ = ["METADATA", "local_edits", "mirror_entries", "mirror_names", "mirror_references", "mirrors"]

# One row a source: how far it was read.
mirrors = sa.Table(
    "mirrors",
    METADATA,
    reference_to("jobs.key", name="job_key", primary=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    # The number of changes when the read under way began.
    sa.Column("began_seq", sa.BigInteger, nullable=False),
    sa.Column("cursor", sa.Text),
    sa.Column("is_resumable", sa.Boolean, nullable=False),
    sa.Column("users", sa.BigInteger, nullable=False),
    sa.Column("groups", sa.BigInteger, nullable=False),
    sa.Column("is_whole", sa.Boolean, nullable=False),
    sa.Column("because", sa.Text),
    sa.Column("missing", sa.BigInteger, nullable=False),
    sa.Column("full_number", sa.BigInteger, nullable=False),
    sa.Column("problems", sa.LargeBinary, nullable=False),
    sa.Column("problem_count", sa.BigInteger, nullable=False),
    sa.Column("problem_number", sa.BigInteger, nullable=False),
    sa.Column("read_at", Instant),
    sa.Column("whole_at", Instant),
    sa.Column("reading_at", Instant),
)

mirror_entries = sa.Table(
    "mirror_entries",
    METADATA,
    # Given by the store, so that a page knows its keys before it is written.
    sa.Column("key", Key, primary_key=True, autoincrement=False),
    reference_to("jobs.key", name="job_key"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # The last read that named it.
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("is_removed", sa.Boolean, nullable=False),
    # Attributes, and which references it speaks of.
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    # Of the references when they were last given whole; NULL: they were changed one by one since.
    sa.Column("references_hash", sa.Text),
    sa.UniqueConstraint("job_key", "source_id", name="mirror_entries_unique"),
    sa.Index("mirror_entries_in_order", "job_key", "kind", "key"),
    sa.Index("mirror_entries_changed", "job_key", "kind", "seq", "key"),
)

# Everything by which references may call an entry, folded.
mirror_names = sa.Table(
    "mirror_names",
    METADATA,
    reference_to("jobs.key", name="job_key", primary=True),
    sa.Column("name", Folded, primary_key=True),
    # No foreign key, here and below: entries go with their job alone, and so do these rows.
    sa.Column("entry_key", Key, nullable=False),
    sqlite_with_rowid=False,
)

# References by the name that the source gives, folded: who it is may be known later.
mirror_references = sa.Table(
    "mirror_references",
    METADATA,
    sa.Column("owner_key", Key, primary_key=True, autoincrement=False),
    sa.Column("attribute", sa.Text, primary_key=True),
    sa.Column("name", Folded, primary_key=True),
    reference_to("jobs.key", name="job_key"),
    sa.Index("mirror_references_to", "job_key", "name"),
    sqlite_with_rowid=False,
)

# Attributes that were edited by hand where that comes before what sources say. No foreign key: what is gone harms
# nobody.
local_edits = sa.Table(
    "local_edits",
    METADATA,
    sa.Column("object_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)
