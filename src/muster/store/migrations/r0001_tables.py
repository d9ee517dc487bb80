"""The first revision: every table as it was at the first release."""

from alembic import op

from muster.store.openid_tables import METADATA
from muster.store.tables import feed

revision, down_revision = "0001", None


def upgrade() -> None:
    """Creates all tables and sets the feed to its beginning."""
    METADATA.create_all(op.get_bind())
    op.execute(feed.insert().values(key=1, seq=0))
