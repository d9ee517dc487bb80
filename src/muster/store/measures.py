"""The figures of engines on SQL."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from muster.database.connection import Database, upsert
from muster.store.operator_tables import engine_measures

_KEPT = timedelta(hours=1)


class SqlMeasures:
    """The MeasureStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, engine_id: str, figures: bytes, at: datetime) -> None:
        """Keeps an engine's figures in place of those before; those of engines that are long silent are dropped."""
        row = {"engine_id": engine_id, "at": at, "figures": figures}
        with self._database.write() as connection:
            connection.execute(sa.delete(engine_measures).where(engine_measures.c.at < at - _KEPT))
            upsert(connection, engine_measures, row, keys=("engine_id",), update=("at", "figures"))

    def recent(self, since: datetime) -> Mapping[str, bytes]:
        """Returns by engine the figures that were kept at an instant or later."""
        columns = engine_measures.c
        wanted = sa.select(columns.engine_id, columns.figures).where(columns.at >= since).order_by(columns.engine_id)
        with self._database.read() as connection:
            return {row.engine_id: row.figures for row in connection.execute(wanted)}
