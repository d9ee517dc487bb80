"""The provisioning service's processes: supervisor, web and engine; and the engine that a command runs by itself."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from muster.bootstrap.folder import probe_port, take_folder
from muster.bootstrap.house import House, open_house
from muster.bootstrap.processes import Child, ProcessPlan, supervise, web_plan
from muster.database import open_database
from muster.engine.control import Control
from muster.engine.cycle import CycleEngine
from muster.engine.daemon import Daemon, cycle_of
from muster.engine.planner import Planner
from muster.engine.schedule import Schedule
from muster.ports.runs import Runs
from muster.runs.dbos import DurableRuns
from muster.settings import SERVICE_FOLDER, SERVICE_PORT, Settings, load_settings
from muster.web.services import Services
from muster.web.site import make_site

logger = logging.getLogger(__name__)

RUNS_NAME = "runs.db"
_STOP_RUNS_WITHIN = timedelta(seconds=3)


def service_folder(settings: Settings) -> Path:
    """Returns the data folder of the service."""
    return (settings.data or SERVICE_FOLDER).expanduser()


def serve(settings: Settings, *, ready: Callable[[str], None]) -> int:
    """Serves until told to stop and returns the exit status. Raises: StartRefused, DatabaseError, SealingError.

    `ready` is called with the service's address once both processes work.
    """
    folder = service_folder(settings)
    with take_folder(folder, purpose="muster serve") as lock:
        port = probe_port(settings.host, settings.port if settings.port is not None else SERVICE_PORT)
        scheme = "https" if settings.tls_cert is not None else "http"
        address = settings.public_url or f"{scheme}://{settings.host}:{port}"
        # Migrations run once, before anybody else opens the database.
        open_house(settings, folder).database.close()
        arguments = {**_as_arguments(settings), "data": str(folder), "public_url": settings.public_url}
        plans = (
            web_plan(
                "muster.bootstrap.service:create_web",
                arguments=arguments,
                host=settings.host,
                port=port,
                threads=settings.threads,
                tls_cert=settings.tls_cert,
                tls_key=settings.tls_key,
            ),
            ProcessPlan(name="engine", target="muster.bootstrap.service:run_engine", arguments=arguments),
        )
        return supervise(plans, lock=lock, ready=lambda: ready(address))


def create_web(**arguments: Any) -> Any:
    """Returns the WSGI application of the service; runs in the web process."""
    house = _house(arguments)
    return make_site(make_services(house))


def make_services(house: House) -> Services:
    """Returns what the faces need of the house."""
    return Services(
        stores=house.stores(),
        clock=house.clock,
        ids=house.ids,
        tenant_id=house.tenant_id,
        open_target=house.open_target,
        explain=house.explain,
        uploads=house.uploads(),
        trouble=lambda: None,
        public_url=house.settings.public_url,
    )


def run_engine(child: Child, **arguments: Any) -> None:
    """Runs the engine until told to stop; runs in the engine process."""
    house = _house(arguments)
    engine = make_engine(house)
    embedded = house.settings.database is None
    # On SQLite runs have a file of their own, so that their records do not wait for ours; the folder's lock is held.
    database = open_database(house.folder / RUNS_NAME) if embedded else house.database
    runs = DurableRuns(database, lambda run_id: engine.advance(cycle_of(run_id)), report_crash, is_alone=embedded)
    try:
        runs.start()
        daemon = make_daemon(house, engine, runs, runs.executor_id)
        child.ready()
        daemon.run(child.stop)
    finally:
        runs.stop(_STOP_RUNS_WITHIN)
        house.database.close()


def make_engine(house: House) -> CycleEngine:
    """Returns the engine over the house's stores."""
    return CycleEngine(house.engine_stores(), house.open_job, house.clock, house.ids)


def make_daemon(
    house: House, engine: CycleEngine, runs: Runs, engine_id: str, latest: Callable[[], int] | None = None
) -> Daemon:
    """Returns the engine's loop."""
    stores = house.engine_stores()
    return Daemon(
        engine=engine,
        planner=Planner(stores, house.open_job, house.clock, house.ids),
        control=Control(engine, stores, house.open_job, house.clock, house.ids),
        schedule=Schedule(stores, house.clock, latest or house.store.feed.latest),
        stores=stores,
        directory=house.store.directory,
        queue=house.store.work,
        runs=runs,
        import_job_id=house.import_job_id(),
        engine_id=engine_id,
        clock=house.clock,
        ids=house.ids,
    )


def report_crash(run_id: str, job_id: str, trace: str) -> None:
    """Logs a run that ended by a fault of ours."""
    logger.error("a run ended by a fault of ours", extra={"run_id": run_id, "job_id": job_id, "trace": trace})


def _house(arguments: Mapping[str, Any]) -> House:
    settings = load_settings(**arguments)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return open_house(settings, Path(arguments["data"]))


def _as_arguments(settings: Settings) -> dict[str, Any]:
    """Returns the settings as JSON values for a child process."""
    return settings.model_dump(mode="json", exclude_none=True)
