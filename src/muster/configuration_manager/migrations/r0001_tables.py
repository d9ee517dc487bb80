"""The first revision: every table as it was at the first release."""

from alembic import op

from muster.configuration_manager.tables import METADATA

revision, down_revision = "0001", None


def upgrade() -> None:
    """Creates all tables."""
    METADATA.create_all(op.get_bind())
