"""The service on a data folder of this machine, entered by a command: no socket, and no durable runner of its own."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from muster.administration.access import OPERATOR, TOKEN_PREFIX
from muster.administration.desk import Desk
from muster.bootstrap.allowed_targets import allowed_beside
from muster.bootstrap.assembly import make_daemon, make_engine, make_services, report_crash, service_folder, sharing_of
from muster.bootstrap.folder import FolderLock, StartRefused, is_folder_taken, refuse_half_moved, take_folder
from muster.bootstrap.house import DATABASE_NAME, House, open_house
from muster.bootstrap.stillness import has_engine
from muster.engine.daemon import cycle_of
from muster.ports.administration import ApiToken
from muster.runs.executors import Executors
from muster.runs.inline import InlineRuns
from muster.sealing import hash_token, make_token
from muster.settings import Settings
from muster.web.site import make_site

_PASS_FOR = timedelta(hours=12)
_PURPOSE = "a muster command"
_LOOK_AGAIN = timedelta(milliseconds=500)
_BEAT_EVERY = timedelta(seconds=2)


@contextmanager
def open_site(settings: Settings) -> Iterator[tuple[Any, str]]:
    """Returns the service's WSGI application and a token that ends with the command.

    Raises: StartRefused, DatabaseError, SealingError.
    """
    with _opened(settings) as house:
        # Whoever may read the data folder owns the installation.
        secret = make_token(TOKEN_PREFIX)
        now = house.clock.now()
        pass_ = ApiToken(
            id=house.ids.new_id(),
            name=OPERATOR.display_name,
            roles=OPERATOR.roles,
            created_at=now,
            expires_at=now + _PASS_FOR,
            last_used_at=None,
        )
        house.store.access.add_token(pass_, hash_token(secret))
        try:
            with _engine_at_hand(house):
                yield make_site(make_services(house)), secret
        finally:
            house.store.access.remove_token(pass_.id)


@contextmanager
def open_operator_desk(settings: Settings) -> Iterator[Desk]:
    """Returns the operator's desk. Raises: StartRefused, DatabaseError, SealingError."""
    with _opened(settings) as house:
        yield make_services(house).desk(OPERATOR)


@contextmanager
def _opened(settings: Settings) -> Iterator[House]:
    folder: Path = service_folder(settings)
    # A command makes no installation: a mistyped --data would leave a database and a key in somebody's folder.
    if settings.database is None and not (folder / DATABASE_NAME).is_file():
        raise StartRefused(f"There is no installation in {folder}: run muster serve, or name another with --data.")
    refuse_half_moved(folder)
    if "allow_targets" not in settings.model_fields_set:
        # Beside a running service a command may call what the service may call.
        settings = settings.model_copy(update={"allow_targets": allowed_beside(folder)})
    house = open_house(settings, folder)
    try:
        yield house
    finally:
        house.database.close()


@contextmanager
def _engine_at_hand(house: House) -> Iterator[None]:
    """Lets somebody answer queued work while a command runs: the running service, or else this process.

    What is merely due is not started here; that is the service's affair.
    """
    stop = threading.Event()
    locks: tuple[FolderLock, ...] = (
        () if house.is_shared or is_folder_taken(house.folder) else (take_folder(house.folder, purpose=_PURPOSE),)
    )
    thread = threading.Thread(target=_work_once_free, args=(house, stop, locks), name="engine")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _work_once_free(house: House, stop: threading.Event, locks: tuple[FolderLock, ...]) -> None:
    """Does queued work as soon as the folder is ours: whoever has it may be a command that ends before this one.

    On a shared database, which no folder's lock keeps, engines on other machines do it, if there is one.
    """
    if house.executors is not None and has_engine(house.executors, stop):
        return
    while not locks and not house.is_shared:
        if stop.wait(_LOOK_AGAIN.total_seconds()):
            return
        with suppress(StartRefused):
            locks = (take_folder(house.folder, purpose=_PURPOSE, patience=timedelta(0)),)
    with ExitStack() as held:
        for lock in locks:
            held.enter_context(lock)
        engine_id = f"command {house.ids.new_id()}"
        sharing = None if house.executors is None else sharing_of(house, house.executors, engine_id)
        engine = make_engine(house, sharing=sharing)
        runs = InlineRuns(lambda run_id: engine.advance(cycle_of(run_id)), report_crash(engine))
        daemon = make_daemon(house, engine, runs, engine_id)
        if house.executors is None:
            daemon.abandon_work()
        else:
            threading.Thread(target=_count_on, args=(house, house.executors, engine_id, stop), daemon=True).start()
        daemon.run(stop, scheduled=False)


def _count_on(house: House, executors: Executors, engine_id: str, stop: threading.Event) -> None:
    """Shows other engines that this one lives, so that they leave it what it is at."""
    while True:
        executors.beat(engine_id)
        house.database.keep_holding()
        if stop.wait(_BEAT_EVERY.total_seconds()):
            executors.sign_out(engine_id)
            return
