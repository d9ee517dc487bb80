"""kill -9 of a Configuration Manager under load: no write that was answered is lost."""

import threading
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from played_configuration_manager import PlayedCustomer, configuration_manager

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
WRITERS = 8


def _write_until_the_end(customer: PlayedCustomer, number: int, answered: dict[str, tuple[str, str]]) -> None:
    """Makes users and changes each; `answered` holds for each what the last answer said of title and version."""
    made = 0
    try:
        while True:
            made += 1
            user: dict[str, Any] = {"userName": f"w{number}-{made}@x.example", "title": "made"}
            answer = customer.ask("POST", "/Users", user)
            assert answer.status == 201, answer.body
            resource_id = answer.json["id"]
            answered[resource_id] = ("made", answer.headers["etag"])
            change = {"op": "replace", "path": "title", "value": "changed"}
            answer = customer.ask("PATCH", f"/Users/{resource_id}", {"schemas": [PATCH], "Operations": [change]})
            assert answer.status == 200, answer.body
            answered[resource_id] = ("changed", answer.headers["etag"])
    except (OSError, HTTPException):
        return


@pytest.mark.parametrize("seconds", [0.7, 1.5])
def test_what_was_answered_is_there_after_a_kill_under_load(tmp_path: Path, seconds: float) -> None:
    folder = tmp_path / "cm"
    answered: list[dict[str, tuple[str, str]]] = [{} for _ in range(WRITERS)]
    with configuration_manager(folder) as first:
        customer = first.customer("killed")
        threads = [
            threading.Thread(target=_write_until_the_end, args=(customer, number, answered[number]))
            for number in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        threading.Event().wait(seconds)
        while not any(answered):
            threading.Event().wait(0.05)
        first.process.kill()
        first.process.wait()
        for thread in threads:
            thread.join()
    log = folder.parent / f"{folder.name}.log"
    assert "journal_mode=wal, synchronous=2" in log.read_text(), "commits wait for the disk"
    promised = {resource_id: said for each in answered for resource_id, said in each.items()}
    assert promised
    with configuration_manager(folder) as second:
        again = PlayedCustomer(name="killed", url=customer.url.replace(first.url, second.url), token=customer.token)
        for resource_id, (title, etag) in promised.items():
            found = again.ask("GET", f"/Users/{resource_id}")
            assert found.status == 200, resource_id
            # A change under way when the process was killed may have been kept without an answer.
            assert (found.json["title"], found.headers["etag"]) in ((title, etag), ("changed", 'W/"2"'))
        listed = again.ask("GET", "/Users?count=0").json["totalResults"]
        counted = again.ask("GET", "/Users?count=0&filter=userName%20pr").json["totalResults"]
        assert listed == counted >= len(promised)
