"""The service as `upkeep` knows it."""

import sqlalchemy as sa

from muster.bootstrap.assembly import service_folder
from muster.bootstrap.house import DATABASE_NAME
from muster.bootstrap.upkeep import Party
from muster.database.connection import Database
from muster.settings import Settings
from muster.store.open import MIGRATIONS
from muster.store.tables import METADATA, jobs


def service_party(settings: Settings) -> Party:
    """Returns the service whose data folder the settings name."""
    return Party(
        folder=service_folder(settings),
        database_name=DATABASE_NAME,
        migrations=MIGRATIONS,
        metadata=METADATA,
        mark=jobs.name,
        after_restore=_compare_anew,
    )


def _compare_anew(database: Database) -> None:
    """Makes the next cycle of each job an initial one: applications have moved on since the backup, so that what was
    last confirmed is no longer known to be there."""
    with database.write() as connection:
        connection.execute(sa.update(jobs).values(watermark=None, generation=jobs.c.generation + 1))
