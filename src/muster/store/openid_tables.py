"""Tables of OpenID Connect: settings of applications, signing keys, what was granted, and the provider of our own."""

import sqlalchemy as sa

from muster.database.columns import Instant

# Each module of tables knows the one before it, so that the last one knows them all.
from muster.store.single_sign_on_tables import METADATA
from muster.store.tables import reference_to

__all__ = ["METADATA", "identity_providers", "openid_grants", "openid_keys", "openid_settings"]

openid_settings = sa.Table(
    "openid_settings",
    METADATA,
    reference_to("applications.key", name="application_key", primary=True),
    sa.Column("settings", sa.LargeBinary, nullable=False),
)

openid_keys = sa.Table(
    "openid_keys",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

# A row an authorization: the code first, then the access token that it was exchanged for.
openid_grants = sa.Table(
    "openid_grants",
    METADATA,
    sa.Column("code_hash", sa.Text, primary_key=True),
    sa.Column("is_used", sa.Boolean, nullable=False),
    sa.Column("token_hash", sa.Text, unique=True),
    # Of the code, then of the token.
    sa.Column("expires_at", Instant, nullable=False, index=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

# The one that signing in is delegated to.
identity_providers = sa.Table(
    "identity_providers",
    METADATA,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
