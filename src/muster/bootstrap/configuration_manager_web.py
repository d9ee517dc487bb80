"""The web process of the Configuration Manager: SCIM and the console as one application."""

import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from muster.bootstrap.installation import CURSOR_KEY, assemble, read_resource_types
from muster.configuration_manager.administrators import read_installation
from muster.configuration_manager.calls import CallLog
from muster.configuration_manager.console import make_console
from muster.configuration_manager.measures import make_measure, make_trouble
from muster.configuration_manager.resources import open_resource_store
from muster.configuration_manager.scim_face import ScimFace
from muster.configuration_manager.site import Site
from muster.database.connection import Synchronous, open_database
from muster.http_server.wsgi import WsgiFace
from muster.telemetry.logs import start_logging
from muster.telemetry.traces import start_traces

OWN_THREADS = 2  # the one that owns the sockets, and the one that answers together

logger = logging.getLogger(__name__)


def create_web(
    *,
    location: str,
    synchronous: str,
    public_url: str,
    schemas: str,
    threads: int,
    log_level: str,
    log_format: str = "text",
    traces: bool = False,
    metrics_token: str | None = None,
    behind_proxy: bool = False,
) -> Site:
    """The application over an installation whose tables are up to date."""
    start_logging(log_level, log_format)
    if traces:
        start_traces("muster-configuration-manager")
    database = open_database(
        location, synchronous=Synchronous(synchronous), pool_size=threads + OWN_THREADS, checkpoints_apart=True
    )
    logger.info("commits are kept with %s", database.describe_durability())
    installation = assemble(database, public_url)
    store = open_resource_store(database, installation.writer, now=lambda: datetime.now(UTC), new_id=make_resource_id)
    resource_types = read_resource_types(Path(schemas))
    calls = CallLog(database, installation.writer, resource_types)
    scim = ScimFace(
        installation.customers,
        store,
        calls,
        installation.writer,
        public_url=public_url,
        resource_types=resource_types,
        cursor_key=(read_installation(database, CURSOR_KEY) or "").encode(),
        is_last_administrator=installation.administrators.is_last,
    )
    console = make_console(
        installation.customers,
        installation.administrators,
        calls,
        installation.sign_ons,
        installation.flow,
        repository_of=scim.users_of,
        add_by_hand=scim.add_by_hand,
        public_url=public_url,
    )
    return Site(
        scim,
        console=WsgiFace(console, behind_proxy=behind_proxy),
        trouble=make_trouble(database),
        measure=make_measure(database, calls, metrics_token, behind_proxy=behind_proxy),
    )


def make_resource_id() -> str:
    """A new id: a UUID that begins with the time, so that ids made together lie together in every index.

    Source: RFC 9562 §5.7.
    """
    at = f"{(time.time_ns() // 1_000_000) & 0xFFFF_FFFF_FFFF:012x}"
    chance = os.urandom(10).hex()
    return f"{at[:8]}-{at[8:]}-7{chance[:3]}-{'89ab'[int(chance[3], 16) & 3]}{chance[4:7]}-{chance[7:19]}"
