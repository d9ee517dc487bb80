"""What goes over the wire, request by request, against the shapes that standards and vendors document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from fakes.scripted_transport import ScriptedTransport, listing, reply
from fakes.world import CountingIds, StillClock
from muster.model.directory import AttributeType, ObjectKind
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Verb
from muster.model.rules import AttributeDefinition
from muster.scim.dialect import Dialect, PatchForm
from muster.targets.authorization import bearer
from muster.targets.scim import ScimTarget

FOLDER = Path(__file__).parent / "outgoing"
MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
ATTRIBUTES = {
    ObjectKind.USER: (
        AttributeDefinition(name="userName"),
        AttributeDefinition(name='emails[type eq "work"].value'),
        AttributeDefinition(name='phoneNumbers[type eq "mobile"].value'),
        AttributeDefinition(name="active", type=AttributeType.BOOLEAN),
        AttributeDefinition(name=MANAGER, type=AttributeType.REFERENCE),
    ),
    ObjectKind.GROUP: (AttributeDefinition(name="displayName"),),
}


def load() -> list[Any]:
    cases = []
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for exchange in document["exchanges"]:
            cases.append(pytest.param(document, exchange, id=f"{path.stem}-{exchange['id']}"))
    return cases


def perform(target: ScimTarget, do: dict[str, Any]) -> None:
    kind = ObjectKind(do.get("kind", "User"))
    match do["call"]:
        case "probe":
            target.probe(do["matching"])
        case "find":
            target.find(kind, MatchingValue(attribute=do["attribute"], value=do["value"]))
        case "read":
            target.read(kind, do["id"])
        case "list":
            target.list_page(kind, None)
        case "create":
            target.create(kind, [MappedValue(attribute=name, value=value) for name, value in do["values"].items()])
        case "update":
            target.update(kind, do["id"], [change_of(item) for item in do["changes"]])
        case "delete":
            target.delete(kind, do["id"])


def change_of(item: dict[str, Any]) -> AttributeChange:
    change = AttributeChange(**{**item, "verb": Verb(item["verb"])})
    return structs.replace(change, old=frozen(change.old), new=frozen(change.new))


def frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


ANSWERS = {
    "probe": listing(),
    "find": listing(),
    "list": listing(),
    "read": reply(200, {"id": "x"}),
    "create": reply(201, {"id": "x"}),
    "update": reply(204),
    "delete": reply(204),
}


@pytest.mark.parametrize(("document", "exchange"), load())
def test_a_request_has_the_documented_shape(document: dict[str, Any], exchange: dict[str, Any]) -> None:
    current = exchange.get("current")
    # Where the resource is looked at first, `current` is what it shows.
    looks = [] if current is None else [reply(200, current)]
    transport = ScriptedTransport([*looks, ANSWERS[exchange["do"]["call"]]])
    target = ScimTarget(
        transport=transport,
        address=document["tenant_url"],
        authorization=bearer("secret-token"),
        dialect=Dialect(patch_form=PatchForm(document["dialect"])),
        attributes=ATTRIBUTES,
        clock=StillClock(),
        ids=CountingIds(),
    )
    perform(target, exchange["do"])
    wanted = exchange["request"]
    assert len(transport.sent) == len(looks) + 1
    sent = transport.sent[-1]
    assert (sent.method, sent.url) == (wanted["method"], wanted["url"])
    assert (None if sent.body is None else json.loads(sent.body)) == wanted.get("body")
    assert sent.headers["Authorization"] == "Bearer secret-token"
    assert ("Content-Type" in sent.headers) is (sent.body is not None)
    assert "secret-token" not in repr(sent)
