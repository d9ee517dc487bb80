"""How fast a reconciliation is against a target that is listed: everybody compared, by attribute, and drift found.

Engine, store (SQLite in a file) and SCIM client are the real ones, on one thread of work. The target is a list of
documents answered from memory, so that what is measured is ours alone: reading its pages, keeping them for the cycle,
deciding about each person, and writing down what came of it. One person in a hundred was changed at the target, and one
account in a hundred belongs to nobody.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from muster.engine.parts import RECONCILE
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.job import Cycle, CycleState
from muster.ports.directory import ObjectWrite
from trip.playing import JOB, Trip

GOAL = 5_000
_BATCH = 5_000
_PASSED = timedelta(milliseconds=1)


class Listed:
    """A target of many accounts that lists, takes changes and forgets them."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents
        self.writes = 0
        self._pages: dict[tuple[int, int, int], bytes] = {}

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """Answers a page of the list, or a change."""
        assert deadline
        parts = urlsplit(request.url)
        if request.method != "GET":
            self.writes += 1
            return _answer(204, b"")
        query = parse_qs(parts.query)
        found = self.documents if parts.path.endswith("/Users") else []
        start, count = int(query["startIndex"][0]), int(query["count"][0])
        return _answer(200, self._pages.get((len(found), start, count)) or self.page(found, start, count))

    def page(self, found: list[dict[str, Any]], start: int, count: int) -> bytes:
        """Writes a page, and keeps it."""
        page = found[start - 1 : start - 1 + count]
        body = {"totalResults": len(found), "startIndex": start, "itemsPerPage": len(page), "Resources": page}
        self._pages[len(found), start, count] = json.dumps(body).encode()
        return self._pages[len(found), start, count]


def _answer(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status=status, headers={}, body=body, elapsed=_PASSED)


def main() -> None:
    """Prints how many objects a second, by the clock and by processor time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000, help="people (default: %(default)s)")
    users = parser.parse_args().users
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        trip = Trip(Path(name), page="scim", sync_all=True)
        _hire(trip, users)
        target = Listed([_document(number) for number in range(users)])
        trip.transport = target  # type: ignore[assignment]  # answers as one
        taken = _timed(trip, {}, "initial cycle, everybody adopted", users)
        assert taken.counters.unchanged == users, taken.counters
        for number in range(0, users, 100):
            target.documents[number] = {**target.documents[number], "title": "Changed there"}
            target.documents.append(_document(users + number))
        compared = _timed(trip, RECONCILE, "reconciliation", users)
        assert compared.counters.drifted == target.writes == len(range(0, users, 100)), compared.counters
        print(f"unmanaged accounts: {dict(trip.store.discovery.count(JOB))}, load {os.getloadavg()[0]:.1f}")


def _timed(trip: Trip, options: Mapping[str, str], name: str, users: int) -> Cycle:
    for start in range(1, len(trip.transport.documents) + 2, 100):  # type: ignore[attr-defined]  # the list's own
        trip.transport.page(trip.transport.documents, start, 100)  # type: ignore[attr-defined]
    began, burnt = time.monotonic(), time.process_time()
    cycle = trip.engine.begin(JOB, options)
    assert cycle is not None
    while trip.engine.advance(cycle.id):
        pass
    seconds, processor = time.monotonic() - began, time.process_time() - burnt
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None and ended.state is CycleState.SUCCEEDED, ended
    print(
        f"{name}: {users:,} objects in {seconds:.1f} s, {users / seconds:,.0f} objects/s; "
        f"{processor / users * 1e6:,.0f} µs of processor time each, {users / processor:,.0f} objects/s by that "
        f"(goal {GOAL:,})"
    )
    return ended


def _hire(trip: Trip, users: int) -> None:
    for start in range(0, users, _BATCH):
        writes = [
            ObjectWrite(kind=ObjectKind.USER, object_id=None, attributes=_person(number), is_new=True)
            for number in range(start, min(start + _BATCH, users))
        ]
        trip.store.directory.write(writes, trip.clock.now())


def _person(number: int) -> dict[str, Any]:
    return {
        "userPrincipalName": f"p{number:06}@example.com",
        "mail": f"p{number:06}@example.com",
        "displayName": f"Person {number}",
        "givenName": "Person",
        "surname": f"No {number}",
        "jobTitle": "Clerk",
        "department": f"Department {number % 40}",
        "mailNickname": f"p{number:06}",
        "accountEnabled": True,
    }


def _document(number: int) -> dict[str, Any]:
    return {
        "id": f"id-{number:06}",
        "userName": f"p{number:06}@example.com",
        "active": True,
        "displayName": f"Person {number}",
        "title": "Clerk",
        "emails": [{"type": "work", "value": f"p{number:06}@example.com", "primary": True}],
        "name": {"givenName": "Person", "familyName": f"No {number}", "formatted": f"Person No {number}"},
        "externalId": f"p{number:06}",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": f"Department {number % 40}"},
        "meta": {"resourceType": "User", "location": f"https://scim.example/scim/v2/Users/id-{number:06}"},
    }


if __name__ == "__main__":
    main()
