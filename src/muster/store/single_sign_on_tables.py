"""Tables of single sign-on: settings of applications, and their signing keys."""

import sqlalchemy as sa

from muster.database.columns import Instant

# Each module of tables knows the one before it, so that the last one knows them all.
from muster.store.inbound_tables import METADATA
from muster.store.tables import reference_to

__all__ = ["METADATA", "saml_keys", "saml_settings"]

saml_settings = sa.Table(
    "saml_settings",
    METADATA,
    reference_to("applications.key", name="application_key", primary=True),
    # A request says by it for which application it is.
    sa.Column("identifier", sa.Text, unique=True),
    sa.Column("settings", sa.LargeBinary, nullable=False),
)

saml_keys = sa.Table(
    "saml_keys",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    reference_to("applications.key", name="application_key", index=True),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
