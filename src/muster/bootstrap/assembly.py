"""From the house to what each process works with: services for the faces, engine and loop for the engine process."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from muster.bootstrap.house import House, open_house
from muster.bootstrap.keys import told_by
from muster.bootstrap.notifications import make_office
from muster.database.connection import Database
from muster.engine.chores import Chore, Chores
from muster.engine.control import Control
from muster.engine.cycle import CycleEngine
from muster.engine.daemon import Daemon, cycle_of
from muster.engine.expiry import EXPIRY_LOOK_EVERY, ExpiryWatch
from muster.engine.helping import Helper
from muster.engine.planner import Planner
from muster.engine.retention import SWEEP_EVERY, Sweep
from muster.engine.schedule import Schedule
from muster.engine.sharing import Sharing
from muster.engine.watch import DIGEST_LOOK_EVERY, WATCH_EVERY, Watch
from muster.federation.reading import LIMIT_BYTES
from muster.federation.relying_party import FederationClient
from muster.model.failures import Fenced
from muster.planning.notices import audience_of, read_notification_settings
from muster.ports.retention import Kept, Retention
from muster.ports.runs import OnCrash, Runs
from muster.runs.executors import Executors
from muster.settings import SERVICE_FOLDER, Settings, load_settings
from muster.telemetry.logs import start_logging
from muster.telemetry.traces import start_traces
from muster.transport.client import HttpTransport
from muster.transport.guard import AddressGuard
from muster.ui.sessions import own_memory
from muster.web.services import Services

logger = logging.getLogger(__name__)

# A step of another engine ends in this time, unless its target is slow: then the cycle is looked at again later.
_JOB_WITHIN = timedelta(minutes=2)


def service_folder(settings: Settings) -> Path:
    """Returns the data folder of the service."""
    return (settings.data or SERVICE_FOLDER).expanduser()


def enter_house(arguments: Mapping[str, Any]) -> House:
    """Returns the house in a fresh child process, which sets up its own logging."""
    settings = load_settings(**arguments)
    start_logging(settings.log_level, settings.log_format)
    if settings.traces:
        start_traces("muster")
    # What is to be said of the key, the supervisor has said.
    logging.getLogger("muster.sealing").setLevel(logging.ERROR)
    return open_house(settings, Path(arguments["data"]))


def make_services(house: House) -> Services:
    """Returns what the faces need of the house."""
    return Services(
        stores=house.stores(),
        clock=house.clock,
        ids=house.ids,
        tenant_id=house.tenant_id,
        engine_room=house,
        uploads=house.uploads(),
        notifications=make_office(house),
        relying_party=FederationClient(_open_way_out(house.settings)),
        together=house.database.together,
        trouble=house.engine_trouble,
        public_url=house.settings.public_url,
        metrics_token=house.settings.metrics_token,
        behind_proxy=house.settings.behind_proxy,
        api_rate=house.settings.api_rate,
        faces=house.faces or own_memory(),
    )


def _open_way_out(settings: Settings) -> HttpTransport:
    """The guarded way to the provider that signing in is delegated to."""
    ca_pem = settings.ca_file.read_bytes() if settings.ca_file is not None else None
    guard = AddressGuard(allowed=settings.allow_targets)
    return HttpTransport(guard, limit_bytes=LIMIT_BYTES, ca_pem=ca_pem, proxy=settings.proxy)


def make_engine(
    house: House, is_overtaken: Callable[[], bool] = lambda: False, *, sharing: Sharing | None = None
) -> CycleEngine:
    """Returns the engine over the house's stores.

    `is_overtaken`: whether another process may have taken up what this one does; `sharing`: lets others send parts.
    """
    return CycleEngine(
        house.engine_stores(),
        house.open_job,
        house.clock,
        house.ids,
        alone=partial(_alone, house.database),
        is_overtaken=is_overtaken,
        sharing=sharing,
        read_every=house.sources.read_every,
    )


def sharing_of(house: House, executors: Executors, name: str) -> Sharing:
    """Returns what the engine of this name shares large passes by with the others on its database."""
    return Sharing(
        shares=house.store.shares,
        name=name,
        others_live=lambda: len(executors.living()) > 1,
        find_dead=executors.dead_among,
    )


def make_helper(house: House, engine: CycleEngine, sharing: Sharing, is_overtaken: Callable[[], bool]) -> Helper:
    """Returns what sends parts of passes that other engines carry."""
    return Helper(
        sharing,
        house.engine_stores(),
        house.open_job,
        house.clock,
        house.ids,
        carries=engine.holds,
        is_overtaken=is_overtaken,
    )


@contextmanager
def _alone(database: Database, job_id: str) -> Iterator[None]:
    """Holds a job before the engines on other machines. Raises: Fenced when one of them keeps it."""
    with ExitStack() as held:
        try:
            held.enter_context(database.exclusive(f"job {job_id}", patience=_JOB_WITHIN))
        except TimeoutError:
            raise Fenced(f"another engine is at the job {job_id}") from None
        yield


def make_daemon(
    house: House, engine: CycleEngine, runs: Runs, engine_id: str, *, leads: Callable[[], bool] = lambda: True
) -> Daemon:
    """Returns the engine's loop; `leads`: whether this engine is the one that starts what is due."""
    stores = house.engine_stores()
    return Daemon(
        engine=engine,
        planner=Planner(stores, house.open_job, house.clock, house.ids, alone=engine.lock),
        control=Control(engine, stores, house.open_job, house.clock, house.ids),
        schedule=Schedule(stores, house.clock, house.store.feed.latest, house.sources.read_every),
        stores=stores,
        directory=house.store.directory,
        applications=house.store.applications,
        queue=house.store.work,
        runs=runs,
        import_job_id=house.import_job_id(),
        engine_id=engine_id,
        beat=house.beat,
        is_slow_to_start=lambda job: house.sources.read_every(job) is not None,
        uploads=house.uploads(),
        clock=house.clock,
        ids=house.ids,
        leads=leads,
        find_dead=None if house.executors is None else house.executors.dead_among,
    )


def make_chores(house: House, leads: Callable[[], bool]) -> Chores:
    """Returns what the engine process that leads does beside its cycles."""

    def wants_digest(service_principal_id: str) -> bool:
        return audience_of(read_notification_settings(told_by(house.store.secrets, service_principal_id))).digest

    watch = Watch(house.engine_stores(), house.store.log, house.store.outbox, wants_digest, house.clock, house.ids)
    expiry = ExpiryWatch(
        house.store.access,
        house.store.clients,
        house.store.applications,
        house.store.single_sign_on,
        house.store.outbox,
        house.clock,
    )
    sweep = Sweep(house.store.records, retention_of(house.settings), house.clock)
    return Chores(
        (
            Chore(name="watch", every=WATCH_EVERY, do=watch.look),
            Chore(name="digest", every=DIGEST_LOOK_EVERY, do=watch.digest),
            Chore(name="expiry", every=EXPIRY_LOOK_EVERY, do=expiry.look),
            Chore(name="retention", every=SWEEP_EVERY, do=sweep.sweep),
        ),
        house.clock,
        leads=leads,
    )


def retention_of(settings: Settings) -> Retention:
    """Returns how long records are kept, as the operator has set it."""
    days = {
        Kept.LOG: settings.keep_log_days,
        Kept.AUDIT: settings.keep_audit_days,
        Kept.CYCLES: settings.keep_cycles_days,
        Kept.PLANS: settings.keep_plans_days,
        Kept.WORK: settings.keep_work_days,
        Kept.NOTICES: settings.keep_notices_days,
        Kept.SIGN_INS: settings.keep_sign_ins_days,
        # Bodies of requests are people's data and of use for as long as somebody looks at them.
        Kept.WIRE: 7,
        Kept.FEED_MARKS: 7,
    }
    return Retention(spans={kind: timedelta(days=span) for kind, span in days.items() if span})


def report_crash(engine: CycleEngine) -> OnCrash:
    """Returns what is told of a run that a fault of ours has ended: it is logged, and its job is quarantined."""

    def told(run_id: str, job_id: str, trace: str) -> None:
        logger.error("run %s of job %s ended by a fault of ours\n%s", run_id, job_id, trace)
        # The exception's own line: those after it are a library's remarks.
        lines = [line for line in trace.splitlines() if line[:1].isalpha() and not line.startswith("Traceback")]
        engine.crashed(cycle_of(run_id), lines[-1] if lines else "unknown")

    return told
