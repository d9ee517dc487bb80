"""The Configuration Manager put together: its database, its supervisor, and what its commands work on."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muster.bootstrap.folder import StartRefused, probe_port, take_folder
from muster.bootstrap.installation import (
    CURSOR_KEY,
    Installation,
    assemble,
    read_resource_types,
)
from muster.bootstrap.processes import supervise, web_plan
from muster.bootstrap.telling import refuse_without_traces
from muster.bootstrap.upkeep import Party
from muster.configuration_manager.administrators import (
    PUBLIC_URL,
    read_installation,
    write_installation,
)
from muster.configuration_manager.tables import METADATA, customers
from muster.database.connection import Synchronous, open_database
from muster.database.migration import migrate
from muster.scim.custom_schemas import SchemaMistake
from muster.sealing import make_token
from muster.settings import CONFIGURATION_MANAGER_FOLDER, CONFIGURATION_MANAGER_PORT, Settings

DATABASE_NAME = "configuration-manager.db"
SCHEMAS_NAME = "schemas"
WEB = "muster.bootstrap.configuration_manager_web:create_web"
MIGRATIONS = "muster.configuration_manager.migrations"

logger = logging.getLogger(__name__)


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """The installation of the settings, its tables brought up to date; closed after use.

    Its address is the one that is set, else that of the last start of the server, else the default one.
    """
    database = open_database(_location(settings), synchronous=_synchronous(settings))
    try:
        migrate(database, MIGRATIONS)
        public_url = settings.public_url or read_installation(database, PUBLIC_URL) or _address(settings, None)
        yield assemble(database, public_url)
    finally:
        database.close()


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> int:
    """The exit status after serving until a signal; `ready` gets the public address once requests are answered.

    Raises: StartRefused, DatabaseError.
    """
    refuse_without_traces(settings)
    folder = data_folder(settings)
    if not folder.exists():
        # Before it is made: whoever is refused for the port is left no folder behind.
        probe_port(settings.host, CONFIGURATION_MANAGER_PORT if settings.port is None else settings.port)
    with take_folder(folder, purpose="muster configuration-manager serve") as lock:
        port = probe_port(settings.host, CONFIGURATION_MANAGER_PORT if settings.port is None else settings.port)
        public_url = settings.public_url or _address(settings, port)
        try:
            read_resource_types(folder / SCHEMAS_NAME)
        except SchemaMistake as mistake:
            raise StartRefused(str(mistake)) from None
        with open_installation(settings) as installation:
            write_installation(installation.writer, PUBLIC_URL, public_url)
            if read_installation(installation.database, CURSOR_KEY) is None:
                write_installation(installation.writer, CURSOR_KEY, make_token(""))
            token = installation.administrators.open_set_up()
        if token is not None:
            logger.warning("no administrator yet: make the first one at %s/setup/%s (works once)", public_url, token)
        plan = web_plan(
            WEB,
            arguments={
                "location": _location(settings),
                "synchronous": _synchronous(settings).value,
                "public_url": public_url,
                "schemas": str(folder / SCHEMAS_NAME),
                "threads": settings.threads,
                "log_level": settings.log_level,
                "log_format": settings.log_format,
                "traces": settings.traces,
                "metrics_token": settings.metrics_token,
                "behind_proxy": settings.behind_proxy,
            },
            host=settings.host,
            port=port,
            threads=settings.threads,
            tls_cert=settings.tls_cert,
            tls_key=settings.tls_key,
        )
        return supervise((plan,), lock=lock, ready=None if ready is None else lambda: ready(public_url))


def data_folder(settings: Settings) -> Path:
    """The data folder of the settings, else the default one."""
    return (settings.data or CONFIGURATION_MANAGER_FOLDER).expanduser().absolute()


def as_party(settings: Settings) -> Party:
    """The Configuration Manager whose data folder the settings name, for backup, restore and migration."""
    return Party(
        folder=data_folder(settings),
        database_name=DATABASE_NAME,
        migrations=MIGRATIONS,
        metadata=METADATA,
        mark=customers.name,
    )


def _location(settings: Settings) -> str:
    return settings.database or str(data_folder(settings) / DATABASE_NAME)


def _synchronous(settings: Settings) -> Synchronous:
    """FULL where nothing else is set: what was acknowledged to an identity provider must be there after a power cut."""
    return Synchronous(settings.synchronous) if "synchronous" in settings.model_fields_set else Synchronous.FULL


def _address(settings: Settings, port: int | None) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if port is None:
        port = settings.port or CONFIGURATION_MANAGER_PORT
    return f"{'http' if settings.tls_cert is None else 'https'}://{host}:{port}"
