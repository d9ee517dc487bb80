"""The reader of Microsoft Graph over shapes that its documentation shows, and when it refuses or is busy."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.scripted_transport import ScriptedTransport, reply
from fakes.world import StillClock
from muster.model.directory import ObjectKind
from muster.model.exchange import ConnectionFailed
from muster.model.failures import CredentialsRefused, JobFailure, SchemaRefused, SystemUnreachable
from muster.ports.reader import CursorExpired, Ending, ReadPage
from muster.sources.graph.reader import GraphReader
from muster.sources.graph.session import LONGEST_WAIT, GraphSession

BASE = "https://graph.microsoft.com/v1.0"
# Source: Microsoft Graph, "Get incremental changes for users", "… for groups"; ids and names are made up.
USERS_1 = {
    "@odata.context": f"{BASE}/$metadata#users(displayName)",
    "@odata.nextLink": f"{BASE}/users/delta?$skiptoken=s1",
    "value": [
        {
            "id": "u1",
            "displayName": "Ada Long",
            "userPrincipalName": "ada@x.example",
            "accountEnabled": True,
            "businessPhones": ["+44 1", "+44 2"],
            "mail": None,
            "proxyAddresses": ["SMTP:ada@x.example"],
            "onPremisesExtensionAttributes": {"extensionAttribute1": "E1", "extensionAttribute2": None},
        },
    ],
}
USERS_2 = {
    "@odata.deltaLink": f"{BASE}/users/delta?$deltatoken=d1",
    "value": [
        {
            "id": "u2",
            "displayName": "Bob",
            "accountEnabled": False,
            "manager@delta": [{"@odata.type": "#microsoft.graph.user", "id": "u1"}],
        }
    ],
}
GROUPS = {
    "@odata.deltaLink": f"{BASE}/groups/delta?$deltatoken=g1",
    "value": [
        {
            "id": "g1",
            "displayName": "Sales",
            "securityEnabled": True,
            "members@delta": [
                {"@odata.type": "#microsoft.graph.user", "id": "u1"},
                {"@odata.type": "#microsoft.graph.device", "id": "d1"},
            ],
        },
        {"id": "g1", "members@delta": [{"@odata.type": "#microsoft.graph.user", "id": "u2"}]},
    ],
}
CHANGED_USERS = {
    "@odata.deltaLink": f"{BASE}/users/delta?$deltatoken=d2",
    "value": [
        {"id": "u1", "displayName": "Ada Longer", "mail": None},
        {"id": "u2", "@removed": {"reason": "changed"}},
        {"id": "u3", "@removed": {"reason": "deleted"}},
    ],
}
CHANGED_GROUPS = {
    "@odata.deltaLink": f"{BASE}/groups/delta?$deltatoken=g2",
    "value": [
        {
            "id": "g1",
            "members@delta": [
                {"@odata.type": "#microsoft.graph.user", "id": "u2", "@removed": {"reason": "deleted"}},
                {"@odata.type": "#microsoft.graph.user", "id": "u9"},
            ],
        }
    ],
}


class Played:
    """A reader over scripted answers."""

    def __init__(self, *script: Any, **options: Any) -> None:
        self.transport = ScriptedTransport(
            [each if not isinstance(each, dict) else reply(200, each) for each in script]
        )
        self.clock = StillClock()
        self.tokens: list[bool] = []
        session = GraphSession(self.transport, BASE, self._token, self.clock)
        self.reader = GraphReader(session, **options)

    def _token(self, anew: bool) -> str:
        self.tokens.append(anew)
        return f"token-{sum(self.tokens)}"

    def read(self, cursor: str | None = None) -> list[ReadPage]:
        return list(self.reader.read(cursor))


def test_a_round_of_everything_gives_people_groups_members_and_managers() -> None:
    played = Played(USERS_1, USERS_2, GROUPS)
    pages = played.read()
    ada, bob, sales, more = (entry for page in pages for entry in page.entries)
    assert pages[-1].ending is Ending.WHOLE and all(page.ending is None for page in pages[:-1])
    assert (ada.kind, ada.source_id, ada.names) == (ObjectKind.USER, "u1", ("u1", "ada@x.example"))
    assert ada.attributes["businessPhones"] == "+44 1" and ada.attributes["proxyAddresses"] == ("SMTP:ada@x.example",)
    assert ada.attributes["extensionAttribute1"] == "E1" and "mail" not in ada.attributes
    assert bob.references == {"manager": ("u1",)} and ada.references == {"manager": ()}
    assert sales.references == {"members": ("u1",)} and not sales.is_partial
    assert (more.is_partial, more.added, more.removed) == (True, {"members": ("u2",)}, {})
    asked = played.transport.sent[0].url
    assert asked.startswith(f"{BASE}/users/delta?$select=userPrincipalName,") and asked.endswith(",manager")
    assert played.transport.sent[0].headers["Authorization"] == "Bearer token-0"
    assert len(played.transport.sent) == 3


def test_a_round_of_changes_goes_on_from_the_delta_links() -> None:
    cursor = Played(USERS_1, USERS_2, GROUPS).read()[-1].cursor
    played = Played(CHANGED_USERS, CHANGED_GROUPS)
    users, groups, last = played.read(cursor)
    assert [request.url for request in played.transport.sent] == [
        USERS_2["@odata.deltaLink"],
        GROUPS["@odata.deltaLink"],
    ]
    assert users.removed == ("u2", "u3") and last.ending is Ending.CHANGES
    (ada,) = users.entries
    assert ada.is_partial and ada.attributes["displayName"] == "Ada Longer" and ada.attributes["mail"] is None
    (sales,) = groups.entries
    assert (sales.added, sales.removed, sales.references) == ({"members": ("u9",)}, {"members": ("u2",)}, {})


def test_of_a_person_who_was_removed_and_is_there_again_in_one_page_the_last_counts() -> None:
    cursor = Played(USERS_1, USERS_2, GROUPS).read()[-1].cursor
    gone = [{"id": who, "@removed": {"reason": "changed"}} for who in ("u1", "u2")]
    items = [gone[0], {"id": "u1", "displayName": "Ada"}, {"id": "u2", "displayName": "Bob"}, gone[1]]
    users = Played({**CHANGED_USERS, "value": items}, CHANGED_GROUPS).read(cursor)[0]
    assert [entry.source_id for entry in users.entries] == ["u1", "u2"]
    # What a page removes is removed after its entries.
    assert users.removed == ("u2",)


def test_what_the_mappings_name_is_asked_for_and_nothing_else() -> None:
    played = Played(USERS_2, GROUPS, wanted=("displayName", "extensionAttribute3", "employeeOrgData", "IsSoftDeleted"))
    played.read()
    assert played.transport.sent[0].url == (
        f"{BASE}/users/delta?$select=displayName,onPremisesExtensionAttributes,employeeOrgData,manager"
    )
    assert played.transport.sent[1].url == f"{BASE}/groups/delta?$select=displayName,members"


@pytest.mark.parametrize(
    "gone",
    [
        reply(410, {"error": {"code": "resyncRequired", "message": "Resync."}}),
        reply(400, {"error": {"code": "syncStateNotFound", "message": "The sync state is gone."}}),
        reply(400, {"error": {"code": "SyncStateNotFound", "message": "The sync state root folder is not found."}}),
    ],
    ids=["410", "400", "400-as-graph-spells-it"],
)
def test_a_link_that_graph_no_longer_knows_has_everything_read_again(gone: Any) -> None:
    cursor = Played(USERS_1, USERS_2, GROUPS).read()[-1].cursor
    with pytest.raises(CursorExpired):
        Played(gone).read(cursor)
    with pytest.raises(CursorExpired):
        Played(wanted=("displayName",)).read(cursor)
    with pytest.raises(CursorExpired):
        Played().read("not a cursor")


def test_graph_is_obeyed_when_it_asks_to_wait() -> None:
    busy = reply(429, {"error": {"code": "TooManyRequests"}}, headers={"retry-after": "17"})
    later = reply(503, headers={"retry-after": "Mon, 05 Jan 2026 08:00:47 GMT"})
    endless = reply(429, headers={"retry-after": "86400"})
    played = Played(busy, later, endless, USERS_2, reply(502), GROUPS)
    assert played.read()[-1].ending is Ending.WHOLE
    assert played.clock.slept[:3] == [timedelta(seconds=17), timedelta(seconds=30), LONGEST_WAIT]


def test_a_token_that_has_ended_is_fetched_anew_once() -> None:
    played = Played(reply(401), USERS_2, GROUPS)
    assert played.read()[-1].ending is Ending.WHOLE
    assert [request.headers["Authorization"] for request in played.transport.sent][:2] == [
        "Bearer token-0",
        "Bearer token-1",
    ]
    with pytest.raises(CredentialsRefused, match="does not accept the access token"):
        Played(reply(401), reply(401)).read()


REFUSALS: list[tuple[Any, type[JobFailure], str]] = [
    ([reply(403, {"error": {"code": "Authorization_RequestDenied"}})], CredentialsRefused, "does not let people"),
    ([reply(404)], SchemaRefused, "does not understand"),
    ([reply(400, {"error": {"code": "Request_BadRequest", "message": "no such property"}})], SchemaRefused, "property"),
    ([reply(500)] * 4, SystemUnreachable, "cannot answer .HTTP 500"),
    ([ConnectionFailed("graph broke off", sent=True)] * 4, SystemUnreachable, "graph broke off"),
    ([reply(200, raw=b"<html>")], SystemUnreachable, "something other than Microsoft Graph"),
    ([{"value": [], "@odata.nextLink": "https://evil.example/v1.0/users"}], SystemUnreachable, "another address"),
    ([{"value": []}], SystemUnreachable, "without a deltaLink"),
    ([{"@odata.deltaLink": f"{BASE}/x"}], SystemUnreachable, "without a value"),
]


@pytest.mark.parametrize(("script", "failure", "said"), REFUSALS, ids=[said for *_, said in REFUSALS])
def test_a_read_that_cannot_go_on_raises_and_never_ends_well(
    script: list[Any], failure: type[JobFailure], said: str
) -> None:
    pages: list[ReadPage] = []
    with pytest.raises(failure, match=said) as caught:
        for page in Played(*script).reader.read(None):
            pages.append(page)
    assert all(page.ending is None for page in pages) and "token" not in caught.value.sentence.replace(
        "access token", ""
    )


def test_what_has_no_id_is_left_out_and_told() -> None:
    page = Played({"value": [{"displayName": "x"}, 7], "@odata.deltaLink": f"{BASE}/d"}, GROUPS).read()[0]
    assert len(page.problems) == 2 and not page.entries


def test_a_test_of_the_connection_asks_for_one_of_each() -> None:
    played = Played({"value": [{"id": "u1"}]}, {"value": []})
    assert "people can be read and groups can be read" in played.reader.probe()
    assert [request.url for request in played.transport.sent] == [
        f"{BASE}/users?$top=1&$select=id",
        f"{BASE}/groups?$top=1&$select=id",
    ]
