"""The table of what SCIM clients gave of objects of the directory."""

import sqlalchemy as sa

from muster.database.columns import Instant
from muster.store.sign_in_tables import METADATA
from muster.store.tables import reference_to

__all__ = ["METADATA", "scim_records"]

scim_records = sa.Table(
    "scim_records",
    METADATA,
    reference_to("objects.key", name="object_key", primary=True),
    sa.Column("external_id", sa.Text, index=True),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("client_name", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("modified_at", Instant, nullable=False),
)
