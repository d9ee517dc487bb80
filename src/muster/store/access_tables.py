"""The tables of who may use the installation: app registrations, tokens, administrators, owners, and who is awaited."""

import sqlalchemy as sa

from muster.database.columns import Instant
from muster.store.tables import METADATA, Folded, Key, reference_to

__all__ = ["METADATA", "administrators", "awaited_assignments", "client_secrets", "clients", "owners", "tokens"]

# App registrations: programs that sign in with a client id and a secret.
clients = sa.Table(
    "clients",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("application_id", sa.Text, nullable=False, unique=True),
    sa.Column("service_principal_id", sa.Text, nullable=False, unique=True),
    sa.Column("app_id", sa.Text, nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # False: it signs in no longer, and the access tokens it has are refused.
    sa.Column("is_enabled", sa.Boolean, nullable=False),
)

client_secrets = sa.Table(
    "client_secrets",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    reference_to("clients.key", name="client_key", index=True),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
)

# Subjects are applications (by service principal id) and groups; owners whoever may call. No foreign keys: either may
# be of several tables.
owners = sa.Table(
    "owners",
    METADATA,
    sa.Column("key", Key, primary_key=True),
    sa.Column("subject_id", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False, index=True),
    sa.UniqueConstraint("subject_id", "owner_id", name="owners_unique"),
)

tokens = sa.Table(
    "tokens",
    METADATA,
    sa.Column("token_id", sa.Text, primary_key=True),
    # The secret that an access token of an app registration was exchanged for, which takes the token with it.
    sa.Column("secret_key_id", sa.Text, sa.ForeignKey("client_secrets.key_id", ondelete="CASCADE"), index=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("last_used_at", Instant),
)

administrators = sa.Table(
    "administrators",
    METADATA,
    sa.Column("administrator_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded_name", sa.Text, nullable=False, unique=True),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
)

# Roles for users and groups whom the directory does not have yet, by folded name.
awaited_assignments = sa.Table(
    "awaited_assignments",
    METADATA,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    reference_to("applications.key", name="application_key"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("folded_name", Folded, nullable=False),
    sa.Column("role_id", sa.Text, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Index("awaited_by_name", "kind", "folded_name"),
    sa.UniqueConstraint("application_key", "kind", "folded_name", "role_id", name="awaited_unique"),
)
