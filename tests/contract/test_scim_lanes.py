"""Where the Configuration Manager answers which request: what may take long never on the thread of all sockets."""

import threading
from pathlib import Path

import pytest

from fakes.scim_site import PlayedSite, open_site
from muster.configuration_manager.calls import LIMIT_WAITING
from muster.configuration_manager.customer import PREFIX, SCIM
from muster.configuration_manager.customers import Profile
from muster.http_server.messages import Lane, Request
from waiting import eventually


def _request(method: str, path: str, body: bytes = b"", token: str = "") -> Request:
    headers = {b"host": b"x", b"authorization": f"Bearer {token}".encode()}
    return Request(method, f"{PREFIX}acme/{SCIM}{path}".encode(), headers, body, ("127.0.0.1", 1), False)


@pytest.mark.parametrize(
    ("method", "path", "size", "lane"),
    [
        ("GET", "/Users/7", 0, Lane.HERE),
        ("GET", "/Users?filter=userName%20eq%20%22ada%40x.example%22", 0, Lane.HERE),
        ("GET", "/Users?filter=userName+eq+%22ada%22&startIndex=1&count=100", 0, Lane.HERE),
        ("GET", "/Users?count=100", 0, Lane.HERE),
        ("GET", "/Users?startIndex=999&count=10", 0, Lane.HERE),
        ("GET", "/Users?count=1000", 0, Lane.APART),
        ("GET", "/Users?startIndex=100000", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20co%20%22a%22", 0, Lane.APART),
        ("GET", "/Users?filter=displayName%20eq%20%22a%22", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%22%20or%20title%20pr", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%22%20or%20title%20eq%20%22b%22", 0, Lane.APART),
        ("GET", "/Users?filter=userName%20eq%20%22a%5c%22%20or%20title%20pr%20or%20title%20eq%20%22", 0, Lane.APART),
        ("GET", "/Users?count=10&sortBy=title", 0, Lane.APART),
        ("GET", "/Users/7?attributes=groups", 0, Lane.APART),
        ("GET", "/Groups/7", 0, Lane.APART),
        ("GET", "/Groups?filter=id%20eq%20%22a%22", 0, Lane.APART),
        ("HEAD", "/Users/7", 0, Lane.APART),
        ("POST", "/Users", 900, Lane.TOGETHER),
        ("PATCH", "/Users/7", 900, Lane.TOGETHER),
        ("PATCH", "/Groups/7", 900, Lane.TOGETHER),
        ("DELETE", "/Users/7", 0, Lane.TOGETHER),
        ("PUT", "/Groups/7", 100_000, Lane.APART),
        ("POST", "/Users/.search", 100, Lane.APART),
        ("POST", "/Bulk", 100, Lane.APART),
    ],
)
def test_a_request_is_answered_where_it_holds_up_nobody(
    tmp_path: Path, method: str, path: str, size: int, lane: Lane
) -> None:
    with open_site(tmp_path) as site:
        assert site.application.choose_lane(_request(method, path, b"x" * size)) is lane


def test_the_thread_of_all_sockets_does_not_wait_for_a_log_that_is_behind(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        token = _customer(site)
        request = _request("GET", "/Users/7", token=token)
        held, done = threading.Event(), threading.Event()

        def write() -> None:
            with site.database.write():
                held.set()
                done.wait(60)

        writer = threading.Thread(target=write)
        writer.start()
        held.wait(60)
        for _ in range(LIMIT_WAITING // 2 + 1_000):
            assert site.application.answer(request).status == 404
        assert site.application.choose_lane(request) is Lane.APART
        done.set()
        writer.join()
        assert eventually(lambda: site.application.choose_lane(request) is Lane.HERE)


def _customer(site: PlayedSite) -> str:
    return site.create_customer("acme", Profile.GENERIC)[1]
