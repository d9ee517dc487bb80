"""The tables of the Configuration Manager: customers, tokens, sites, administrators, resources, members, the call log.

A resource is stored as the canonical JSON bytes that are served, with what is looked up beside it in indexed columns.
Group members are never in the JSON: they live in a table of their own, so that one member more is one row more.
"""

import sqlalchemy as sa

from muster.database.columns import Instant

METADATA = sa.MetaData()

# Ordered by code point everywhere, as the filters compare: PostgreSQL would use the language of its installation.
Ordered = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")

# SQLite gives an automatic number only to a column of the exact type INTEGER.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Whom a unique name (a userName, a group's displayName) must differ from: those of all customers that share a scope.
# Customers of profile 8x8 share this one (8x8: "unique across all of 8x8"); a generic customer's is its own, its key.
SHARED_SCOPE = 0

# The types of resources whose number is kept in `counters`; a customer has a row of each from the start.
COUNTED_TYPES = ("User", "Group")

# What may be a member of a group.
MEMBER_TYPES = ("User", "Group")

customers = sa.Table(
    "customers",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # One more at every change of what follows: whoever keeps a customer in memory sees that it is out of date.
    sa.Column("revision", sa.Integer, nullable=False, default=1),
    sa.Column("strict", sa.Boolean, nullable=False, default=False),
    sa.Column("retrieval", sa.Text, nullable=False),
    sa.Column("limits", sa.Text, nullable=False),
    sa.Column("one_writer", sa.Boolean, nullable=False),
    sa.Column("writing_client", sa.Text),
    sa.Column("rate_limit", sa.Integer),
    sa.Column("licences", sa.Integer),
    sa.Column("licence_limit", sa.Boolean, nullable=False, default=False),
)

# What the installation knows of itself: one row a name.
installation = sa.Table(
    "installation",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

sites = sa.Table(
    "sites",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("customer_key", "name", name="sites_name_unique"),
)

administrators = sa.Table(
    "administrators",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("administrator_key", Key, sa.ForeignKey("administrators.key", ondelete="CASCADE"), nullable=False),
    sa.Column("csrf_token", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

tokens = sa.Table(
    "tokens",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("administrator_key", Key, sa.ForeignKey("administrators.key")),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.Index("tokens_of_customer", "customer_key"),
)

resources = sa.Table(
    "resources",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("resource_id", Ordered, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("unique_scope", Key, nullable=False),
    sa.Column("unique_name", Ordered),
    sa.Column("external_id", Ordered),
    sa.Column("display_name", Ordered),
    sa.Column("active", sa.Boolean),
    sa.Column("by_hand", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("modified_at", Instant, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("customer_key", "type", "resource_id", name="resources_id_unique"),
    # A user's unique name is the userName: this index finds it too.
    sa.UniqueConstraint("customer_key", "type", "unique_name", name="resources_name_unique"),
    sa.Index(
        "resources_shared_name_unique",
        "type",
        "unique_name",
        unique=True,
        sqlite_where=sa.text(f"unique_scope = {SHARED_SCOPE}"),
        postgresql_where=sa.text(f"unique_scope = {SHARED_SCOPE}"),
    ),
    sa.Index("resources_external_id", "customer_key", "type", "external_id"),
    sa.Index("resources_display_name", "customer_key", "type", "display_name"),
    sa.Index("resources_active", "customer_key", "type", "active"),
    sa.Index("resources_modified_at", "customer_key", "type", "modified_at"),
    # In the order of creation, which is that of the instants too: one index for both.
    sa.Index("resources_in_order", "customer_key", "type", "key", "created_at"),
    sa.Index(
        "resources_by_hand",
        "customer_key",
        "type",
        sqlite_where=sa.text("by_hand"),
        postgresql_where=sa.text("by_hand"),
    ),
)

members = sa.Table(
    "members",
    METADATA,
    sa.Column("group_key", Key, sa.ForeignKey("resources.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("member_key", Key, sa.ForeignKey("resources.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("display", sa.Text),
    sa.Index("members_of_whom", "member_key"),
    sqlite_with_rowid=False,
)

counters = sa.Table(
    "counters",
    METADATA,
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("active", sa.BigInteger, nullable=False),
)

calls = sa.Table(
    "calls",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("token_prefix", sa.Text, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("administrator", sa.Text),
    sa.Column("user_agent", sa.Text),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("duration_us", sa.Integer, nullable=False),
    sa.Column("request_body", sa.LargeBinary),
    sa.Column("answer_body", sa.LargeBinary),
    sa.Column("before_body", sa.LargeBinary),
    sa.Column("after_body", sa.LargeBinary),
    sa.Column("error", sa.Text),
    # In the order of their beginning: the log gets some of them before others that began earlier.
    sa.Index("calls_of_customer", "customer_key", "at", "key"),
)

# ---------------------------------------------------------------- single sign-on of the customers' people

# One row a customer that has set it up.
sign_ons = sa.Table(
    "sign_ons",
    METADATA,
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    # A response is given to the customer by it: no two customers share one.
    sa.Column("issuer", sa.Text, nullable=False, unique=True),
    sa.Column("login_url", sa.Text, nullable=False),
    sa.Column("logout_url", sa.Text),
    # PEM, one after the other.
    sa.Column("certificates", sa.Text, nullable=False),
    sa.Column("from_provider", sa.Boolean, nullable=False),
)

# Domains of company e-mail addresses, and whose sign-in they lead to.
sign_on_domains = sa.Table(
    "sign_on_domains",
    METADATA,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("sign_ons.customer_key", ondelete="CASCADE"), nullable=False),
)

# Requests that a browser, known by the digest of its secret, has begun; each is answered once.
sign_on_requests = sa.Table(
    "sign_on_requests",
    METADATA,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

# Assertions that have come, for as long as they count: each comes once.
sign_on_assertions = sa.Table(
    "sign_on_assertions",
    METADATA,
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("assertion_id", sa.Text, primary_key=True),
    sa.Column("counts_until", Instant, nullable=False, index=True),
)

people_sessions = sa.Table(
    "people_sessions",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("resource_id", sa.Text, nullable=False),
    sa.Column("name_id", sa.Text, nullable=False),
    sa.Column("name_format", sa.Text),
    sa.Column("session_index", sa.Text),
    sa.Column("csrf_token", sa.Text, nullable=False),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False, index=True),
)

# Who signed in, who was refused and why; without a customer if the issuer is none that we know.
sign_on_log = sa.Table(
    "sign_on_log",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("customer_key", Key, sa.ForeignKey("customers.key", ondelete="CASCADE")),
    sa.Column("at", Instant, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("name_id", sa.Text),
    sa.Column("machine", sa.Text, nullable=False),
    # None: signed in.
    sa.Column("code", sa.Text),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Index("sign_on_log_of_customer", "customer_key", "key"),
)
