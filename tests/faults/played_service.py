"""A small party for the process tests: a web application, an engine, and the `serve` that supervises them.

python -m faults.played_service FOLDER PORT MARK BEHAVIOUR [IDENTITY.pem]
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from muster.bootstrap.folder import StartRefused, probe_port, take_folder
from muster.bootstrap.processes import Child, ProcessPlan, supervise, web_plan
from muster.http_server.wsgi import WsgiFace

PAUSE = timedelta(milliseconds=30)


def create_web(mark: str) -> WsgiFace:
    if mark == "broken":
        raise RuntimeError("the application cannot be made")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            time.sleep(60)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"pid": os.getpid(), "parent": os.getppid(), "mark": mark}).encode()]

    return WsgiFace(application)


def run_engine(child: Child, folder: str, behaviour: str) -> None:
    pid_file = Path(folder) / "engine.pid"
    with pid_file.with_name("engine.starts").open("a") as starts:
        starts.write("start\n")
    if behaviour == "never-ready":
        raise RuntimeError("the engine cannot start")
    draft = pid_file.with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    draft.rename(pid_file)
    child.ready()
    if behaviour == "ends-at-once":
        time.sleep(0.1)
        return
    child.stop.wait()
    if behaviour == "will-not-stop":
        time.sleep(60)
    pid_file.with_name("engine.stopped").touch()


def _say(text: str, stream: TextIO) -> None:
    stream.write(text + "\n")
    stream.flush()


def main(folder: str, port: str, mark: str, behaviour: str, identity: str | None = None) -> int:
    pem = None if identity is None else Path(identity)
    try:
        with take_folder(Path(folder), purpose="played serve") as lock:
            chosen = probe_port("127.0.0.1", int(port))
            plans = (
                web_plan(
                    "faults.played_service:create_web",
                    arguments={"mark": mark},
                    host="127.0.0.1",
                    port=chosen,
                    tls_cert=pem,
                    tls_key=pem,
                ),
                ProcessPlan(
                    name="engine",
                    target="faults.played_service:run_engine",
                    arguments={"folder": folder, "behaviour": behaviour},
                ),
            )
            return supervise(plans, lock=lock, ready=lambda: _say(f"ready {chosen}", sys.stdout), first_pause=PAUSE)
    except StartRefused as refusal:
        _say(str(refusal), sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
