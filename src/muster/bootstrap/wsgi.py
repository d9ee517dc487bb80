"""The web process: granian with one worker process and its threads, bound to the supervisor's life."""

import multiprocessing
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server import Server

from muster.bootstrap.processes import Child, import_target

_WORKER_STOP_SECONDS = 3
_LOGGING: dict[str, Any] = {"handlers": {}, "loggers": {}}  # to the root logger; granian's own way is to stdout


def serve_wsgi(
    child: Child,
    *,
    factory: str,
    factory_arguments: Mapping[str, Any],
    host: str,
    port: int,
    threads: int,
    tls_cert: str | None,
    tls_key: str | None,
) -> None:
    """Serves the WSGI application with granian until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until granian has its own handler, a stop ends the process
    if child.stop.is_set():
        return
    multiprocessing.set_start_method("fork", force=True)  # the worker inherits the lock and the lifeline
    server = Server(
        factory,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        workers_kill_timeout=_WORKER_STOP_SECONDS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
        ssl_cert=None if tls_cert is None else Path(tls_cert),
        ssl_key=None if tls_key is None else Path(tls_key),
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.serve(target_loader=partial(_load_in_worker, child, factory, dict(factory_arguments)), wrap_loader=False)


def _load_in_worker(child: Child, factory: str, arguments: dict[str, Any]) -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    child.follow_supervisor()
    application = import_target(factory)(**arguments)
    child.ready()
    return application
