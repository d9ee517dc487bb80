"""The service's tables: directory and its change feed, applications, jobs, cycles, links, log.

Rows that are joined by the million carry integer keys; identifiers that people and Graph see are text beside them.
What is never compared in SQL is a JSON document in a binary column (see store/encoding.py).
"""

import sqlalchemy as sa

from muster.database.columns import Instant, Json

METADATA = sa.MetaData()

# SQLite gives an automatic number only to a column of the exact type INTEGER.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared byte by byte on both dialects, so that a beginning is a range of the index.
Folded = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def reference_to(column: str, *, index: bool = False, primary: bool = False, name: str) -> sa.Column[int]:
    """A reference to a row that takes this row with it when it goes."""
    reference = sa.ForeignKey(column, ondelete="CASCADE")
    return sa.Column(name, Key, reference, nullable=False, index=index, primary_key=primary, autoincrement=False)


installation = sa.Table(
    "installation",
    METADATA,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tenant_id", sa.Text, nullable=False),
    # Which key seals: who comes with another one is told before anything is sealed with it.
    sa.Column("sealing_key_id", sa.Text),
)

# ---------------------------------------------------------------- directory

# One row: the last number given. Its lock lets no number commit before a lower one.
feed = sa.Table(
    "feed",
    METADATA,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)

objects = sa.Table(
    "objects",
    METADATA,
    # Given by the store under the feed's lock, so that a batch knows its keys before it is written.
    sa.Column("key", Key, primary_key=True, autoincrement=False),
    sa.Column("object_id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("lifecycle", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # The name to show; the folded ones are for comparison without case.
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded_name", Folded, nullable=False),
    # Folded; NULL for groups and once purged, which frees the name.
    sa.Column("principal_name", Folded, unique=True),
    sa.Column("purged_name", Folded),
    sa.Column("mail", Folded),
    sa.Column("employee_id", Folded),
    sa.Column("security_enabled", sa.Boolean, nullable=False),
    # No foreign key: objects are never removed, and a batch may name a manager that comes later in it.
    sa.Column("manager_key", Key),
    sa.Column("content", Json, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("deleted_at", Instant),
    sa.Index("objects_in_order", "kind", "key"),
    sa.Index("objects_changed", "kind", "seq"),
    sa.Index("objects_by_name", "kind", "lifecycle", "folded_name", "key"),
)
for _column in ("purged_name", "mail", "employee_id", "manager_key", "deleted_at"):
    _present = objects.c[_column].is_not(None)
    sa.Index(f"objects_{_column}", objects.c[_column], sqlite_where=_present, postgresql_where=_present)

memberships = sa.Table(
    "memberships",
    METADATA,
    reference_to("objects.key", name="group_key", primary=True),
    reference_to("objects.key", name="member_key", primary=True),
    sa.Index("memberships_of_member", "member_key", "group_key"),
    sqlite_with_rowid=False,
)

# What may alter somebody's entitlement without a change of their own row. No foreign keys: rows outlive what they name.
changes = sa.Table(
    "changes",
    METADATA,
    sa.Column("seq", Key, primary_key=True, autoincrement=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("object_key", Key),
    sa.Column("member_key", Key),
    sa.Column("application_key", Key),
)

# ---------------------------------------------------------------- applications and jobs

applications = sa.Table(
    "applications",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("service_principal_id", sa.Text, nullable=False, unique=True),
    sa.Column("application_id", sa.Text, nullable=False, unique=True),
    sa.Column("app_id", sa.Text, nullable=False, unique=True),
    sa.Column("template_id", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False, index=True),
    sa.Column("app_roles", sa.LargeBinary, nullable=False),
    sa.Column("accepts_default_access", sa.Boolean, nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    # A tile of My Apps for whoever is assigned.
    sa.Column("is_visible", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("notes", sa.Text),
    # What an administrator has set otherwise than the gallery page.
    sa.Column("dialect", Json),
    sa.Column("created_at", Instant),
    # In the recycle bin: not there for anybody but it.
    sa.Column("deleted_at", Instant),
    # Digest of the target's address in the clear form: equal for jobs that write to the same target.
    sa.Column("address_digest", sa.Text),
)

secrets = sa.Table(
    "secrets",
    METADATA,
    reference_to("applications.key", name="application_key", primary=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

assignments = sa.Table(
    "assignments",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("assignment_id", sa.Text, nullable=False, unique=True),
    reference_to("applications.key", name="application_key"),
    reference_to("objects.key", name="principal_key", index=True),
    # Known here so that an application's groups are found among a million assigned people.
    sa.Column("is_group", sa.Boolean, nullable=False),
    sa.Column("role_id", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("assignments_in_order", "application_key", "is_group", "principal_key"),
    sa.UniqueConstraint("application_key", "principal_key", "role_id", name="assignments_unique"),
)

jobs = sa.Table(
    "jobs",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False, unique=True),
    reference_to("applications.key", name="application_key", index=True),
    sa.Column("template_id", sa.Text, nullable=False),
    sa.Column("schedule_state", sa.Text, nullable=False),
    sa.Column("interval_seconds", sa.Integer, nullable=False),
    sa.Column("watermark", sa.BigInteger),
    # Raised whenever a new initial cycle is asked for: a cycle that began before may not set the watermark then.
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("quarantine", sa.LargeBinary),
    sa.Column("last_cycle_began_at", Instant),
    sa.Column("last_cycle_ended_at", Instant),
    sa.Column("settings", sa.LargeBinary, nullable=False),
)

schemas = sa.Table(
    "schemas",
    METADATA,
    reference_to("jobs.key", name="job_key", primary=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
)

# ---------------------------------------------------------------- cycles

cycles = sa.Table(
    "cycles",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("cycle_id", sa.Text, nullable=False, unique=True),
    reference_to("jobs.key", name="job_key"),
    # The job while an initial or incremental cycle runs, else NULL: there is one at a time.
    sa.Column("running_job_key", Key, unique=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("position", sa.Text),
    sa.Column("window_after", sa.BigInteger, nullable=False),
    sa.Column("window_until", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("counters", sa.LargeBinary, nullable=False),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("progressed_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("failure", sa.LargeBinary),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("options", sa.LargeBinary, nullable=False),
    sa.Index("cycles_of_job", "job_key", "key"),
)

staged = sa.Table(
    "staged",
    METADATA,
    reference_to("cycles.key", name="cycle_key", primary=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("hold_code", sa.Text),
    sa.Column("hold_reason", sa.Text),
    # The engine that sends it for the one that carries the cycle; NULL: that one itself.
    sa.Column("sender", sa.Text),
    sa.Column("operation", sa.LargeBinary, nullable=False),
    sa.Index("staged_in_order", "cycle_key", "state", "wave", "number"),
)

# What parts of a cycle have counted that the engine which carries it has not added up yet.
part_counts = sa.Table(
    "part_counts",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    reference_to("cycles.key", name="cycle_key", index=True),
    sa.Column("counters", sa.LargeBinary, nullable=False),
)

# ---------------------------------------------------------------- links

# Source anchors of a job. With a target id they are links; without one, objects that others refer to.
links = sa.Table(
    "links",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    reference_to("jobs.key", name="job_key"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    # The object's key when the source is our directory.
    sa.Column("source_key", Key),
    sa.Column("target_id", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("owned", sa.Text),
    sa.Column("display_name", sa.Text),
    sa.Column("acknowledged", sa.LargeBinary),
    sa.UniqueConstraint("job_key", "kind", "source_id", name="links_unique"),
    sa.Index("links_of_object", "job_key", "source_key"),
    sa.Index("links_at_target", "target_id"),
)
_linked = links.c.target_id.is_not(None)
# For counting, which the portal and the gate do, and for a page of one state in the order of keys.
sa.Index(
    "links_linked",
    links.c.job_key,
    links.c.kind,
    links.c.state,
    links.c.key,
    sqlite_where=_linked,
    postgresql_where=_linked,
)

reference_attributes = sa.Table(
    "reference_attributes",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("multivalued", sa.Boolean, nullable=False),
    sa.UniqueConstraint("name", "kind", "multivalued", name="reference_attributes_unique"),
)

references = sa.Table(
    "link_references",
    METADATA,
    reference_to("links.key", name="owner_key", primary=True),
    sa.Column("attribute_key", Key, primary_key=True, autoincrement=False),
    reference_to("links.key", name="other_key", primary=True),
    sa.Column("wanted", sa.Boolean, nullable=False),
    # The other end's target id as the owner holds it at the target.
    sa.Column("acknowledged", sa.Text),
    # True: a change of it was sent and never confirmed, so the owner may hold it or not; else NULL.
    sa.Column("unsure", sa.Boolean),
    # The job while wanted and acknowledged differ, or nobody knows, else NULL.
    sa.Column("open_job_key", Key),
    sa.Index("link_references_to", "other_key"),
    sqlite_with_rowid=False,
)
_open = references.c.open_job_key
sa.Index(
    "link_references_open",
    _open,
    references.c.owner_key,
    references.c.attribute_key,
    sqlite_where=_open.is_not(None),
    postgresql_where=_open.is_not(None),
)

escrows = sa.Table(
    "escrows",
    METADATA,
    reference_to("jobs.key", name="job_key", primary=True),
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("failure", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("first_failed_at", Instant, nullable=False),
    sa.Column("tried", sa.LargeBinary),
    sa.Column("next_attempt_at", Instant, nullable=False),
)

# What may not go before an administrator has decided, over cycles; `attribute` "" is the object itself.
holds = sa.Table(
    "holds",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("hold_id", sa.Text, nullable=False, unique=True),
    sa.Column("job_key", Key, sa.ForeignKey("jobs.key", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("attribute", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("operation_kind", sa.Text, nullable=False),
    sa.Column("cause_key", sa.Text),
    # Names and ids of both sides, folded, for a search by a part.
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("hold", sa.LargeBinary, nullable=False),
    # Decided apart from the rest, so that a thousand are decided by one statement.
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", Instant),
    sa.UniqueConstraint("job_key", "kind", "source_id", "attribute", name="holds_unique"),
    sa.Index("holds_in_order", "job_key", "state", "key"),
)

# ---------------------------------------------------------------- log, work, audit

# No foreign keys: the log outlives jobs and applications.
log = sa.Table(
    "log",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    # A number made of the entry's id, by which it is found.
    sa.Column("id_number", Key, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("service_principal_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("cycle_id", sa.Text, nullable=False),
    sa.Column("change_id", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    # Why it failed or was skipped.
    sa.Column("error_code", sa.Text),
    # Folded, for a search by the whole name.
    sa.Column("source_name", Folded, nullable=False),
    # Names and ids of both sides, folded, for a search by a part.
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Index("log_of_application", "service_principal_id", "key"),
    sa.Index("log_of_cycle", "cycle_id", "key"),
    sa.Index("log_in_time", "at", "key"),
    sa.Index("log_of_name", "source_name", "key"),
)
# What is rare among a million lines is found without reading them, if a search says it in these very words.
LOGGED_FAILURES = "log.status = 'failure'"
LOGGED_REMOVALS = "log.action IN ('delete', 'disable')"
for _index, _found_by, _rare in (
    ("log_by_error", (log.c.error_code, log.c.key), "error_code IS NOT NULL"),
    ("log_failures", (log.c.key,), LOGGED_FAILURES.replace("log.", "")),
    # With the status once more, so that it is always preferred to the index of all lines of an application.
    (
        "log_failures_of_application",
        (log.c.service_principal_id, log.c.status, log.c.key),
        LOGGED_FAILURES.replace("log.", ""),
    ),
    ("log_removals", (log.c.key,), LOGGED_REMOVALS.replace("log.", "")),
):
    sa.Index(_index, *_found_by, sqlite_where=sa.text(_rare), postgresql_where=sa.text(_rare))

work = sa.Table(
    "work",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("work_id", sa.Text, nullable=False, unique=True),
    sa.Column("asked_at", Instant, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("engine_id", sa.Text),
    sa.Column("work", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary),
    sa.Index("work_in_order", "state", "key"),
)

# Until when the requests of a target are given away, in seconds of the server's clock: one rate for all engines.
budgets = sa.Table(
    "budgets",
    METADATA,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("due", sa.Double, nullable=False),
)

# Uploaded files on their way from the web process that took them to the engine that reads them, on another machine.
uploads = sa.Table(
    "uploads",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("id_number", Key, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
