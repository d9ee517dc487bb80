"""`muster serve`: one supervisor with a web process and an engine process; `muster worker`: an engine alone."""

import logging
from collections.abc import Callable
from typing import Any

from muster.bootstrap.allowed_targets import tell_allowed
from muster.bootstrap.assembly import service_folder
from muster.bootstrap.folder import StartRefused, probe_port, take_folder
from muster.bootstrap.house import open_house
from muster.bootstrap.processes import ProcessPlan, supervise, web_plan
from muster.bootstrap.telling import refuse_without_traces
from muster.sealing import hash_token, make_token
from muster.settings import SERVICE_PORT, Settings

logger = logging.getLogger(__name__)


_ENGINE = "muster.bootstrap.engine_process:run_engine"


def serve(settings: Settings, *, ready: Callable[[str], None]) -> int:
    """Serves until told to stop and returns the exit status. Raises: StartRefused, DatabaseError, SealingError.

    `ready` is called with the service's address once its processes work.
    """
    if settings.web_only and settings.database is None:
        raise StartRefused("--web-only needs --database: engines elsewhere must reach what this process writes")
    refuse_without_traces(settings)
    folder = service_folder(settings)
    if not folder.exists():
        # Before it is made: whoever is refused for the port is left no folder behind.
        probe_port(settings.host, settings.port if settings.port is not None else SERVICE_PORT)
    with take_folder(folder, purpose="muster serve") as lock:
        port = probe_port(settings.host, settings.port if settings.port is not None else SERVICE_PORT)
        scheme = "https" if settings.tls_cert is not None else "http"
        address = settings.public_url or f"{scheme}://{settings.host}:{port}"
        # Migrations run once, before anybody else opens the database.
        house = open_house(settings, folder)
        has_administrator = house.store.access.count_administrators() > 0
        house.database.close()
        set_up_token = None if has_administrator else make_token("")
        arguments = {**_as_arguments(settings), "data": str(folder), "port": port, "public_url": settings.public_url}
        plans = (
            web_plan(
                "muster.bootstrap.web_process:create_web",
                arguments={
                    **arguments,
                    "set_up_hash": None if set_up_token is None else hash_token(set_up_token),
                },
                host=settings.host,
                port=port,
                threads=settings.threads,
                tls_cert=settings.tls_cert,
                tls_key=settings.tls_key,
            ),
            *(() if settings.web_only else (ProcessPlan(name="engine", target=_ENGINE, arguments=arguments),)),
        )

        def announce() -> None:
            ready(address)
            if set_up_token is not None:
                # Whoever reads the log owns the installation; the link ends with the first administrator.
                logger.warning(
                    "no administrator yet: make the first one at %s/set-up/%s (works once)", address, set_up_token
                )

        with tell_allowed(folder, settings.allow_targets):
            return supervise(plans, lock=lock, ready=announce)


def work(settings: Settings, *, ready: Callable[[], None]) -> int:
    """Runs one more engine on a shared database until told to stop and returns the exit status.

    It needs the installation's sealing key and nothing else of a data folder, and locks none.

    Raises: StartRefused, DatabaseError, SealingError.
    """
    if settings.database is None:
        raise StartRefused("a worker needs --database: on SQLite the engine of muster serve is the only one")
    refuse_without_traces(settings)
    folder = service_folder(settings)
    # Whatever is wrong is said here, once, rather than by a process that is started again and again.
    open_house(settings, folder).database.close()
    plan = ProcessPlan(name="engine", target=_ENGINE, arguments={**_as_arguments(settings), "data": str(folder)})
    return supervise((plan,), lock=None, ready=ready)


def _as_arguments(settings: Settings) -> dict[str, Any]:
    """Returns the settings as JSON values for a child process."""
    return settings.model_dump(mode="json", exclude_none=True)
