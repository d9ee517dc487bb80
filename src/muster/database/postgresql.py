"""PostgreSQL opened: a pool of connections that notice when the other side is gone."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from muster.database.columns import ENGINE_OPTIONS

# A machine that is gone is noticed within a quarter of a minute, by either side; nothing for a socket on this machine.
_NOTICE_SILENCE = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 15_000}
# Intents are written before requests are sent: a commit that the server's end can take back would repeat them. Every
# other setting of the server's waits for as much or more, and is kept.
_KEEP_COMMITS = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
_NOTICE_SILENCE_THERE = (
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 3",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 15000",
    # What stands between may keep a connection open whose other end is gone: see `keep_holding`.
    "SET idle_session_timeout = 15000",
)


def open_postgresql(url: URL, *, busy_timeout: timedelta, pool_size: int, notices_silence: bool = False) -> Engine:
    """Returns the pool. `notices_silence`: the server is to end sessions whose machine is gone, for their locks."""
    engine = create_engine(
        url,
        **ENGINE_OPTIONS,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout.total_seconds(),
        pool_pre_ping=True,
        # Else the driver goes by the server's or the environment's encoding, and by SQL_ASCII gives bytes for text.
        connect_args={
            "connect_timeout": 10,
            "application_name": "muster",
            "client_encoding": "utf8",
            **_NOTICE_SILENCE,
        },
    )

    def on_connect(driver: Any, _: Any) -> None:
        with driver.cursor() as cursor:
            cursor.execute(_KEEP_COMMITS)
            for statement in _NOTICE_SILENCE_THERE if notices_silence else ():
                cursor.execute(statement)
        driver.commit()

    event.listen(engine, "connect", on_connect)
    return engine
