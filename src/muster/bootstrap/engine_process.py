"""The engine process of the service: the loop over durable runs."""

import threading
from datetime import timedelta
from typing import Any

from muster.bootstrap.assembly import (
    enter_house,
    make_chores,
    make_daemon,
    make_engine,
    make_helper,
    report_crash,
    sharing_of,
)
from muster.bootstrap.measuring import Teller
from muster.bootstrap.notifications import make_courier
from muster.bootstrap.processes import Child
from muster.database.connection import open_database
from muster.engine.cycle import CycleEngine
from muster.engine.daemon import cycle_of
from muster.runs.dbos import DurableRuns

RUNS_NAME = "runs.db"
# What the one engine of an embedded installation is called in its figures.
ENGINE = "engine"
_STOP_RUNS_WITHIN = timedelta(seconds=3)


def run_engine(child: Child, **arguments: Any) -> None:
    """Runs the engine until told to stop; runs in the engine process."""
    house = enter_house(arguments)
    embedded = not house.is_shared
    # On SQLite runs have a file of their own, so that their records do not wait for ours; the folder's lock is held.
    database = open_database(house.folder / RUNS_NAME) if embedded else house.database
    runs = DurableRuns(
        database,
        lambda run_id: engine.advance(cycle_of(run_id)),
        lambda *told: report_crash(engine)(*told),
        is_alone=embedded,
        # Whichever engine is free goes on with it; the only one keeps it in hand.
        on_yield=lambda run_id: None if embedded else engine.let_go(cycle_of(run_id)),
    )
    sharing = None if embedded else sharing_of(house, runs.executors, runs.executor_id)
    engine: CycleEngine = make_engine(house, runs.is_overtaken, sharing=sharing)
    helper = None if sharing is None else make_helper(house, engine, sharing, runs.is_overtaken)
    try:
        runs.start()
        daemon = make_daemon(house, engine, runs, runs.executor_id, leads=runs.leads)
        if embedded:
            daemon.abandon_work()
        # Beside the loop: a mail server that does not answer holds up nothing but mail.
        courier = make_courier(house)
        threading.Thread(target=courier.run, args=(child.stop,), name="courier", daemon=True).start()
        chores = make_chores(house, runs.leads)
        threading.Thread(target=chores.run, args=(child.stop,), name="chores", daemon=True).start()
        if helper is not None:
            threading.Thread(target=helper.run, args=(child.stop,), name="helper", daemon=True).start()
        teller = Teller(house.store.measures, house.clock, ENGINE if embedded else runs.executor_id)
        threading.Thread(target=teller.run, args=(child.stop,), name="measures", daemon=True).start()
        child.ready()
        daemon.run(child.stop)
    finally:
        # What the helper sends is this process's own, too: it signs out only when that has ended.
        if helper is None:
            runs.stop(_STOP_RUNS_WITHIN)
        else:
            runs.stop(_STOP_RUNS_WITHIN, beside=helper.stop)
        house.database.close()
