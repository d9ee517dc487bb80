"""What more workers bring to one large pass over a slow application: all of them send it.

    PYTHONPATH=tests python bench/shared_pass.py --users 1500 --delay 0.1

Each row provisions the same people to a customer of one Configuration Manager behind a proxy that takes its time over
every answer. A worker sends eight requests side by side; so one worker can do no more than 8 / delay a second.
"""

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from played_configuration_manager import configuration_manager
from played_installation import add_application, between, command, people_csv, service, worker
from played_postgres import postgres_server

ROW = "{:<12}{:>10}{:>10}{:>11}{:>8}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_500, help="people (default: %(default)s)")
    parser.add_argument("--delay", type=float, default=0.1, help="seconds more an answer (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, postgres_server() as server, ExitStack() as stack:
        assert server is not None, "no PostgreSQL here"
        folder = Path(name)
        manager = stack.enter_context(configuration_manager(folder / "target"))
        database = os.environ["MUSTER_DATABASE"] = server.url_of(server.create())
        running = stack.enter_context(service(folder / "service", options=("--database", database, "--web-only")))
        people = people_csv(folder / "people.csv", options.users, managers=False)
        assert command("import", people, "--data", running.folder).status == 0
        print(f"{options.users:,} people, {options.delay:.2f} s an answer, {os.cpu_count()} cores")
        print(ROW.format("workers", "objects", "seconds", "objects/s", "POST"))
        for count, more in ((1, 1), (2, 1), (4, 2)):
            for _ in range(more):
                stack.enter_context(worker(running.folder, database))
            customer = manager.customer(f"with{count}")
            with between(customer.url) as gate:
                gate.delay_seconds = options.delay
                secrets = {"BaseAddress": gate.url, "SecretToken": customer.token, "SyncAll": "true"}
                application = add_application(running.api, "Custom", **secrets)
                began = time.monotonic()
                application.start()
                cycle = application.ended(within=600)
                seconds = time.monotonic() - began
                created = cycle["counters"]["created"]
                print(ROW.format(count, created, f"{seconds:.1f}", f"{created / seconds:.0f}", gate.counts["POST"]))
                application.pause()
    print(f"Load {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
