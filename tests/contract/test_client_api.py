"""What commands say to a running installation, over HTTP."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from muster.cli.api import HttpApi

# More than a target may answer: the plan of a first cycle of 10,000 people.
LONG = 11 * 1024 * 1024


class _Plan(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"operations":"' + b"x" * LONG + b'"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_command_takes_the_plan_of_a_first_cycle_of_many_people() -> None:
    with HTTPServer(("127.0.0.1", 0), _Plan) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            found = HttpApi(f"http://127.0.0.1:{server.server_port}", "token").get("/plan")
        finally:
            server.shutdown()
    assert len(found["operations"]) == LONG
