"""The web process: an application and the HTTP server before it, in one process that ends with the supervisor."""

import signal
import ssl
from collections.abc import Mapping
from typing import Any

from muster.bootstrap.processes import Child, import_target
from muster.http_server.server import HttpServer, listen

_STOP_WITHIN_SECONDS = 3.0


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
