"""The whole conversation of a small company's life, request by request, against what Entra is documented to send.

The files in tests/exchanges/engine hold it by event, for both of Entra's ways of writing. Source: Microsoft, "Develop a
SCIM endpoint for user provisioning" and "Known issues and resolutions with SCIM 2.0 protocol compliance".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playing import ADDRESS, JOB, Trip

from fakes.scim_service import TOKEN
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.scim.dialect import Dialect

FOLDER = Path(__file__).parents[1] / "exchanges" / "engine"


class Life:
    """What happens in the directory, event by event."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.ada = self.bob = self.crew = ""
        # Who has an id, also once the link to it is gone.
        self.names: dict[str, str] = {}

    def note_names(self) -> None:
        """Notes who has which id at the target, and the group's in the directory, which is sent as externalId."""
        for who, kind in (("ada", ObjectKind.USER), ("bob", ObjectKind.USER), ("crew", ObjectKind.GROUP)):
            link = self.trip.link(getattr(self, who), kind)
            if link is not None:
                self.names[link.target_id] = f"{{{who}}}"
        if self.crew:
            self.names[self.crew] = "{crew's objectId}"

    def hire(self) -> None:
        self.ada = self.trip.hire("Ada", department="Sales", mailNickname="ada", jobTitle="Clerk")
        self.bob = self.trip.hire("Bob", mailNickname="bob")

    def update(self) -> None:
        names = {"displayName": "Bjfe", "givenName": "Kkom", "surname": "Unua"}
        self.trip.edit(self.ada, **names, mail="new@x.example", telephoneNumber="+1 206 555 0100")

    def rename(self) -> None:
        self.trip.edit(self.ada, userPrincipalName="ada2@lantaarn.example")

    def disable(self) -> None:
        self.trip.edit(self.ada, accountEnabled=False)

    def enable(self) -> None:
        self.trip.edit(self.ada, accountEnabled=True)

    def manager(self) -> None:
        self.trip.set_manager(self.bob, self.ada)

    def group(self) -> None:
        self.crew = self.trip.found("Crew", [self.ada, self.bob])

    def rename_group(self) -> None:
        self.trip._write(ObjectKind.GROUP, self.crew, {"displayName": "Crew 2"})

    def members_leave(self) -> None:
        self.trip.store.directory.change_members(self.crew, add=[], remove=[self.ada, self.bob])

    def members_return(self) -> None:
        self.trip.store.directory.change_members(self.crew, add=[self.bob], remove=[])

    def no_manager(self) -> None:
        self.trip.set_manager(self.bob, "")

    def unassign_group(self) -> None:
        self.trip.unassign(self.crew)

    def unassign(self) -> None:
        self.trip.unassign(self.ada)

    def soft_delete(self) -> None:
        self.trip.soft_delete(self.bob)

    def hard_delete(self) -> None:
        self.trip.hard_delete(self.bob)


@pytest.mark.parametrize("name", ["aadOptscim062020", "AzureAdScimPatch2017"])
def test_the_engine_sends_what_entra_is_documented_to_send(tmp_path: Path, name: str) -> None:
    trip = Trip(tmp_path, page="scim")
    # As the flag in the Tenant URL asks for; and nobody is listed, which Entra does not do.
    dialect = Dialect(can_list=False, concurrency=1).with_flags(frozenset({name}))
    trip.page = replace(trip.page, dialect=dialect)
    life = Life(trip)
    told: dict[str, list[Any]] = {}
    trip.open_job(JOB, {}).target.probe("userName")
    told["test connection"] = said_in(trip, life)
    events: list[Callable[[], None]] = [
        life.hire, life.update, life.rename, life.disable, life.enable, life.manager, life.group, life.rename_group,
        life.members_leave, life.members_return, life.no_manager, life.unassign_group, life.unassign,
        life.soft_delete, life.hard_delete,
    ]  # fmt: skip
    for event in events:
        event()
        trip.run()
        told[event.__name__.replace("_", " ")] = said_in(trip, life)
        assert trip.run() is None, event
    documented = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert told == documented


def in_order(body: Any) -> Any:
    """A body with its members by name: they have no order."""
    operations = (body or {}).get("Operations", [])
    if all(str(each.get("path", "")).startswith("members") for each in operations):
        operations.sort(key=lambda each: each["path"])
        for operation in operations:
            operation.get("value", []).sort(key=lambda each: each["value"])
    return body


def said_in(trip: Trip, life: Life) -> list[Any]:
    """Requests as data; ids by the name of who has them."""
    life.note_names()
    said = []
    for request in trip.transport.requests:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        where, body = unquote(request.url.removeprefix(ADDRESS)), (request.body or b"null").decode()
        assert request.body is None or request.headers["Content-Type"] == "application/scim+json"
        for object_id, name in life.names.items():
            where, body = where.replace(object_id, name), body.replace(object_id, name)
        if not life.ada:
            where = re.sub(r'"[0-9a-f-]{36}"', '"{guid}"', where)
        exchange = {"method": request.method, "path": where, "body": in_order(json.loads(body))}
        said.append({key: value for key, value in exchange.items() if value is not None})
    trip.transport.forget()
    return said
