"""How much of a target's rate a job uses, and how often it is refused: an initial cycle through a proxy that counts.

The proxy grants so many requests in any second, refuses the others with 429 and `Retry-After: 1`, and takes its time
for each. The job knows the rate from the application's dialect; with --unknown it has to find it.
"""

import argparse
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from played_configuration_manager import configuration_manager
from played_installation import add_application, command, people_csv, service


class Gate:
    """Grants requests by a sliding second and notes when."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._last: deque[float] = deque()
        self.granted: list[float] = []
        self.refused = 0

    def grants(self) -> bool:
        """Whether one more may pass now."""
        now = time.monotonic()
        with self._lock:
            while self._last and self._last[0] <= now - 1:
                self._last.popleft()
            if len(self._last) >= self._limit:
                self.refused += 1
                return False
            self._last.append(now)
            self.granted.append(now)
            return True


def main() -> None:
    """Prints how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rate", type=int, default=25, help="requests a second that are allowed (default: %(default)s)"
    )
    parser.add_argument("--users", type=int, default=400, help="people, two requests each (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds an answer takes (default: %(default)s)")
    parser.add_argument("--unknown", action="store_true", help="do not tell the job the rate")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        with configuration_manager(folder / "target") as manager, service(folder / "service") as running:
            people = people_csv(folder / "people.csv", options.users, managers=False)
            imported = command("import", people, "--data", running.folder, "--json")
            assert imported.status == 0, imported.err
            customer, gate = manager.customer("paced"), Gate(options.rate)
            with _proxy(customer.url, gate, options.latency) as url:
                secrets = {"BaseAddress": url, "SecretToken": customer.token, "SyncAll": "true"}
                application = add_application(running.api, "Custom", **secrets)
                dialect = (
                    {"can_list": False}
                    if options.unknown
                    else {
                        "can_list": False,
                        "requests_per_second": options.rate,
                    }
                )
                running.api.patch(f"{application.path}/synchronization/dialect", dialect)
                application.start()
                cycle = application.ended(within=3_600)
    assert cycle["counters"]["created"] == options.users, cycle
    span = gate.granted[-1] - gate.granted[0]
    rate = (len(gate.granted) - 1) / span
    print(
        f"{len(gate.granted):,} requests in {span:.1f} s: {rate:.1f} a second, {rate / options.rate:.1%} of what is "
        f"allowed; {gate.refused} refused."
    )


@contextmanager
def _proxy(target: str, gate: Gate, latency: float) -> Iterator[str]:
    parts = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not gate.grants():
                self._answer(429, b"", {"Retry-After": "1"})
                return
            time.sleep(latency)
            connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
            connection.request(self.command, self.path, body or None, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            self._answer(response.status, content, {"Content-Type": response.headers.get("Content-Type", "")})
            connection.close()

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{parts.path}"
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
