"""The web process: an application and the HTTP server before it, in one process that ends with the supervisor."""

import ctypes
import signal
import ssl
import sys
from collections.abc import Mapping
from typing import Any

from muster.bootstrap.processes import Child, import_target
from muster.http_server.connection import listen
from muster.http_server.server import HttpServer

_STOP_WITHIN_SECONDS = 3.0
# The thread of all sockets waits for Python's lock several times a request; whoever computes meanwhile lets go of it
# ten times as soon as by Python's own measure.
SWITCH_SECONDS = 0.0005
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8


def serve_web(
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
    """Serves the application that the factory returns until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # while it loads, a stop ends the process
    _keep_memory()
    sys.setswitchinterval(SWITCH_SECONDS)
    if child.stop.is_set():
        return
    application = import_target(factory)(**factory_arguments)
    tls = None
    if tls_cert is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(tls_cert, tls_key)
    server = HttpServer(application, listen(host, port), threads=threads, tls=tls)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    child.ready()
    server.serve(stop_within_seconds=_STOP_WITHIN_SECONDS)


def _keep_memory() -> None:
    """Lets the C library keep what an answer took for the next one: giving 100 kB back and fetching them anew takes as
    long as writing a list. Threads share one heap: Python's lock lets few of them allocate at once anyway."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc
        for option, value in (
            (_M_TRIM_THRESHOLD, 33_554_432),
            (_M_TOP_PAD, 1_048_576),
            (_M_MMAP_THRESHOLD, 4_194_304),
            (_M_ARENA_MAX, 1),
        ):
            mallopt(option, value)
