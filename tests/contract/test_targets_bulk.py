"""Several operations in one request: what each of them comes to, whatever the application makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contract.test_targets_scim import ATTRIBUTES, GROUP, MOBILE, SECRET, USER, added, members, replaced, target_on
from fakes.scim_service import BASE_URL, TOKEN, ScimService, generic_profile
from fakes.scripted_transport import JoinedTransport, ScriptedTransport, reply
from fakes.world import CountingIds, StillClock
from muster.model.directory import ObjectKind
from muster.model.exchange import ConnectionFailed, ExchangeFailed, HttpRequest, HttpResponse, TransportTimeout
from muster.model.failures import (
    Conflict,
    CredentialsRefused,
    OperationRefused,
    SystemUnreachable,
    TargetBusy,
    TargetObjectGone,
    ValueRefused,
)
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.ports.target import UnknownOutcome, WriteResult, Written
from muster.scim.dialect import Dialect, UpdateMethod
from muster.scim.errors import ERROR_URN
from muster.scim.limits import Limits
from muster.scim.messages import BULK_RESPONSE_URN
from muster.targets.authorization import bearer
from muster.targets.scim import ScimTarget

BULK = Dialect(bulk=True)
OFFERED: dict[str, Any] = {"bulk": {"supported": True, "maxOperations": 50, "maxPayloadSize": 100_000}}


def operation(kind: OperationKind, name: str, *changes: AttributeChange, of: ObjectKind = USER) -> Operation:
    return Operation(
        change_id=f"{kind}-{name}",
        kind=kind,
        object_kind=of,
        source_id=f"source-{name}",
        source_name=name,
        reason="",
        target_id=None if kind is OperationKind.CREATE else name,
        changes=changes,
    )


def create(name: str, *changes: AttributeChange) -> Operation:
    return operation(OperationKind.CREATE, name, added("userName", f"{name}@x.example"), *changes)


def update(target_id: str, *changes: AttributeChange) -> Operation:
    return operation(OperationKind.UPDATE, target_id, *(changes or (replaced("title", "Chief"),)))


def delete(target_id: str) -> Operation:
    return operation(OperationKind.DELETE, target_id)


class Watched:
    """A transport that keeps what was sent, and answers with what a test says or with what is behind it."""

    def __init__(self, service: ScimService) -> None:
        self._inner = JoinedTransport(service)
        self.sent: list[HttpRequest] = []
        self.answer: Callable[[HttpRequest], HttpResponse | None] = lambda _: None

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        self.sent.append(request)
        return self.answer(request) or self._inner.send(request, deadline=deadline)

    @property
    def told(self) -> list[str]:
        return [f"{request.method} {request.url.removeprefix(BASE_URL).partition('?')[0]}" for request in self.sent]


def joined(
    *, dialect: Dialect = BULK, limits: Limits | None = None, offers: bool = True
) -> tuple[ScimTarget, ScimService, Watched]:
    profile = generic_profile(bulk=offers) if limits is None else generic_profile(limits=limits, bulk=offers)
    service = ScimService(profile)
    transport = Watched(service)
    target = ScimTarget(
        transport=transport,
        address=BASE_URL,
        authorization=bearer(TOKEN),
        dialect=dialect,
        attributes=ATTRIBUTES,
        clock=StillClock(),
        ids=CountingIds(),
    )
    return target, service, transport


def scripted(*answers: HttpResponse | ExchangeFailed, dialect: Dialect = BULK) -> tuple[ScimTarget, ScriptedTransport]:
    transport = ScriptedTransport([reply(200, OFFERED), *answers])
    return target_on(transport, dialect=dialect), transport


def response_of(*operations: dict[str, Any]) -> HttpResponse:
    return reply(200, {"schemas": [BULK_RESPONSE_URN], "Operations": list(operations)})


def kinds(results: Any) -> list[type]:
    return [type(result) for result in results]


# ---------------------------------------------------------------- over a provider


def test_many_operations_are_one_request_and_each_has_its_own_result() -> None:
    target, service, transport = joined()
    ada, bob, taken = service.make_user("ada"), service.make_user("bob"), service.make_user("taken@x.example")
    results = target.write_together(
        [create("new"), update(ada), delete(bob), create("taken"), update("00000000-0000-4000-8000-00000000dead")]
    )
    assert kinds(results) == [Written, Written, Written, Conflict, TargetObjectGone]
    assert transport.told == ["GET /ServiceProviderConfig", "POST /Bulk"]
    made = results[0]
    assert isinstance(made, Written)
    assert service.ask("GET", f"/Users/{made.target_id}").json["userName"] == "new@x.example"
    assert service.ask("GET", f"/Users/{ada}").json["title"] == "Chief"
    assert service.ask("GET", f"/Users/{bob}").status == 404
    assert service.ask("GET", f"/Users/{taken}").status == 200
    assert "taken" in str(results[3]) or "uniqueness" in str(results[3])


@pytest.mark.parametrize(
    ("dialect", "offers", "why"),
    [(Dialect(), True, "nobody asked for it"), (BULK, False, "it is not offered")],
)
def test_without_the_switch_and_the_offer_each_goes_alone(dialect: Dialect, offers: bool, why: str) -> None:
    target, _, transport = joined(dialect=dialect, offers=offers)
    assert target.most_together() == 1, why
    assert kinds(target.write_together([create("ada"), create("bob")])) == [Written, Written]
    assert "POST /Bulk" not in transport.told
    assert ("GET /ServiceProviderConfig" in transport.told) is (dialect is BULK)


def test_no_request_has_more_operations_or_bytes_than_the_application_takes() -> None:
    target, service, transport = joined(limits=Limits(bulk_operations=3, body_bytes=600))
    results = target.write_together([create(f"user{number}", added("title", "x" * 60)) for number in range(8)])
    assert kinds(results) == [Written] * 8
    bulks = [request for request in transport.sent if request.url.endswith("/Bulk")]
    assert len(bulks) > 2
    assert all(len(request.body or b"") <= 600 for request in bulks)
    assert all(len(json.loads(request.body or b"")["Operations"]) <= 3 for request in bulks)
    assert service.ask("GET", "/Users").json["totalResults"] == 8


def test_one_that_is_too_large_for_a_bulk_goes_alone() -> None:
    target, _, transport = joined(limits=Limits(bulk_operations=9, body_bytes=700))
    results = target.write_together([create("a", added("title", "x" * 400)), create("b"), create("c")])
    assert kinds(results) == [Written] * 3
    assert transport.told[1:] == ["POST /Bulk", "POST /Users"]


def test_what_needs_a_look_before_or_several_requests_goes_alone() -> None:
    target, service, transport = joined(dialect=Dialect(bulk=True, members_per_request=2))
    ada, ids = service.make_user("ada"), [service.make_user(f"user{number}") for number in range(3)]
    crew = service.make_group()
    several = operation(OperationKind.REFER, crew, members(Verb.ADD, *ids), of=GROUP)
    results = target.write_together([update(ada, added(MOBILE, "+31 6")), several, create("bob"), create("cyd")])
    assert kinds(results) == [Written] * 4
    assert transport.told.count("POST /Bulk") == 1
    assert transport.told.count(f"PATCH /Groups/{crew}") == 2
    assert len(service.ask("GET", f"/Groups/{crew}").json["members"]) == 3
    assert service.ask("GET", f"/Users/{ada}").json["phoneNumbers"][0]["value"] == "+31 6"


def test_an_object_stands_in_a_bulk_once_so_that_its_changes_keep_their_order() -> None:
    target, service, transport = joined()
    ada = service.make_user("ada")
    results = target.write_together([update(ada), create("bob"), update(ada, replaced("title", "Last"))])
    assert kinds(results) == [Written] * 3
    assert transport.told[1:] == ["POST /Bulk", f"PATCH /Users/{ada}"]
    assert service.ask("GET", f"/Users/{ada}").json["title"] == "Last"


def test_where_changes_are_made_by_put_only_creations_and_deletions_go_together() -> None:
    target, service, transport = joined(dialect=Dialect(bulk=True, update=UpdateMethod.PUT))
    ada, bob = service.make_user("ada"), service.make_user("bob")
    assert kinds(target.write_together([create("new"), update(ada), delete(bob)])) == [Written] * 3
    assert transport.told[1:] == ["POST /Bulk", f"GET /Users/{ada}", f"PUT /Users/{ada}"]


def test_an_application_that_answers_soon_gets_more_at_once_and_one_that_takes_long_fewer() -> None:
    def slowly(request: HttpRequest) -> HttpResponse | None:
        if not request.url.endswith("/Bulk"):
            return None
        answer = JoinedTransport(service).send(request, deadline=timedelta(seconds=60))
        return HttpResponse(
            status=answer.status, headers=answer.headers, body=answer.body, elapsed=timedelta(seconds=5)
        )

    target, service, transport = joined()
    before = target.most_together()
    target.write_together([create("a"), create("b")])
    assert target.most_together() > before
    transport.answer = slowly
    sizes = []
    for number in range(10):
        target.write_together([create(f"c{number}"), create(f"d{number}")])
        sizes.append(target.most_together())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 2


# ---------------------------------------------------------------- what an application may answer

ADA, BOB = create("ada"), delete("8")
MADE = {"method": "POST", "bulkId": "0", "location": "https://app.example/scim/v2/Users/7", "status": "201"}
GONE = {"method": "DELETE", "location": "https://app.example/scim/v2/Users/8", "status": "204"}


def test_answers_in_another_order_find_their_operations() -> None:
    target, _ = scripted(response_of(GONE, MADE))
    assert target.write_together([ADA, BOB]) == [Written(target_id="7"), Written(target_id="8")]


def test_a_resource_that_is_shown_is_taken_as_it_is() -> None:
    target, _ = scripted(response_of({**MADE, "response": {"id": "7", "userName": "ada@x.example"}}, GONE))
    written = target.write_together([ADA, BOB])[0]
    assert isinstance(written, Written)
    assert written.resource is not None
    assert written.resource.attributes["userName"] == "ada@x.example"


def refusing(status: str, **response: str) -> dict[str, Any]:
    return {"method": "POST", "bulkId": "0", "status": status, "response": response}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (refusing("409", detail="userName is taken"), Conflict),
        (refusing("400", scimType="uniqueness"), Conflict),
        (refusing("400", scimType="invalidValue"), ValueRefused),
        (refusing("503"), TargetBusy),
        (refusing("401"), CredentialsRefused),
        ({**refusing("200"), "response": {"schemas": [ERROR_URN], "status": "403"}}, OperationRefused),
        ({"method": "POST", "bulkId": "0", "status": "201"}, UnknownOutcome),
        ({"method": "POST", "bulkId": "9", "status": "201", "location": "/Users/7"}, UnknownOutcome),
        ({"method": "POST", "bulkId": "0", "location": "/Users/7"}, UnknownOutcome),
    ],
)
def test_each_answer_means_what_it_would_mean_alone(answer: dict[str, Any], result: type[WriteResult]) -> None:
    target, _ = scripted(response_of(answer, GONE))
    assert kinds(target.write_together([ADA, BOB])) == [result, Written]


def test_what_is_left_out_of_an_answer_is_unknown_and_nothing_goes_together_any_more() -> None:
    target, _ = scripted(response_of(GONE))
    assert kinds(target.write_together([ADA, BOB])) == [UnknownOutcome, Written]
    assert target.most_together() == 1


@pytest.mark.parametrize(
    "lost",
    [
        TransportTimeout("the deadline passed", sent=True),
        reply(500),
        reply(502),
        reply(503),
        reply(504),
        reply(408),
        reply(200, raw=b"<html>a proxy</html>"),
        reply(200, raw=b'{"Operations": ['),
        reply(204),
    ],
)
def test_when_nobody_knows_how_far_a_bulk_came_every_outcome_is_unknown(lost: HttpResponse | ExchangeFailed) -> None:
    target, transport = scripted(lost)
    assert kinds(target.write_together([ADA, BOB])) == [UnknownOutcome] * 2
    assert len(transport.sent) == 2, "nothing is sent again blindly"


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (reply(401), CredentialsRefused),
        (reply(302), SystemUnreachable),
        (ConnectionFailed("refused", sent=False), SystemUnreachable),
    ],
)
def test_what_concerns_everybody_stops_all_that_were_not_carried_out(
    refusal: HttpResponse | ExchangeFailed, failure: type[WriteResult]
) -> None:
    target, transport = scripted(refusal)
    assert kinds(target.write_together([ADA, BOB])) == [failure] * 2
    assert len(transport.sent) == 2


@pytest.mark.parametrize("status", [403, 404, 405, 400, 501])
def test_an_application_that_refuses_bulk_after_all_gets_each_alone(status: int) -> None:
    target, transport = scripted(reply(status), reply(201, {"id": "7"}), reply(204))
    assert kinds(target.write_together([ADA, BOB])) == [Written] * 2
    assert [request.method for request in transport.sent] == ["GET", "POST", "POST", "DELETE"]
    assert target.most_together() == 1


@pytest.mark.parametrize("refusal", [reply(413), reply(400, {"scimType": "tooMany"})])
def test_a_bulk_that_is_too_large_is_halved_and_the_limit_is_kept(refusal: HttpResponse) -> None:
    whole = [create(f"user{number}") for number in range(4)]
    halves = [
        response_of(
            *({**MADE, "bulkId": str(number), "location": f"/Users/{number}"} for number in range(start, start + 2))
        )
        for start in (0, 2)
    ]
    target, transport = scripted(refusal, *halves)
    assert target.write_together(whole) == [Written(target_id=str(number)) for number in range(4)]
    sizes = [len(json.loads(request.body or b"")["Operations"]) for request in transport.sent[1:]]
    assert sizes == [4, 2, 2]
    assert target.most_together() == 2


def test_two_that_are_too_large_together_go_alone() -> None:
    target, transport = scripted(reply(413), reply(201, {"id": "7"}), reply(204))
    assert kinds(target.write_together([ADA, BOB])) == [Written] * 2
    assert [request.method for request in transport.sent] == ["GET", "POST", "POST", "DELETE"]


def test_one_that_was_throttled_within_a_bulk_is_sent_again_alone() -> None:
    target, transport = scripted(response_of(refusing("429"), GONE), reply(201, {"id": "7"}))
    assert target.write_together([ADA, BOB])[1] == Written(target_id="8")
    assert [request.url.rpartition("/")[2] for request in transport.sent] == [
        "ServiceProviderConfig",
        "Bulk",
        "Users",
    ]


@pytest.mark.parametrize("status", ["400", "405", "413", "501"])
def test_a_change_that_is_refused_in_a_way_that_has_another_way_is_tried_alone(status: str) -> None:
    refused = {"method": "PATCH", "location": "/Users/9", "status": status}
    target, transport = scripted(response_of(refused, GONE), reply(200, {"id": "9"}))
    assert kinds(target.write_together([update("9"), BOB])) == [Written] * 2
    assert transport.sent[-1].method == "PATCH"


def test_who_is_shown_active_still_in_the_answer_to_a_bulk_is_switched_off_alone() -> None:
    off = update("9", replaced("active", False))
    shown_on = {"method": "PATCH", "location": "/Users/9", "status": "200", "response": {"id": "9", "active": True}}
    target, transport = scripted(response_of(shown_on, GONE), reply(200, {"id": "9", "active": False}))
    assert kinds(target.write_together([off, BOB])) == [Written] * 2
    assert [request.method for request in transport.sent] == ["GET", "POST", "PATCH"]
    # Who is made so is made once.
    made = {**MADE, "response": {"id": "7", "active": True}}
    target, transport = scripted(response_of(made, GONE))
    assert kinds(target.write_together([create("ada", added("active", False)), BOB])) == [Written] * 2


def test_a_value_that_cannot_be_sent_fails_alone() -> None:
    target, _ = scripted(response_of({**MADE, "bulkId": "1"}, {**GONE, "location": "/Users/8"}))
    results = target.write_together([create("bad", added("title", "\ud800")), create("ada"), BOB])
    assert kinds(results) == [ValueRefused, Written, Written]


def test_an_id_that_an_address_has_to_escape_goes_alone() -> None:
    target, transport = scripted(response_of(MADE, {**GONE, "location": "/Users/9"}), reply(204))
    assert kinds(target.write_together([ADA, delete("a/b"), delete("9")])) == [Written] * 3
    assert transport.sent[-1].url.endswith("/Users/a%2Fb")


def test_redacted_values_and_the_token_are_taken_out_of_what_a_bulk_is_refused_with() -> None:
    secret = AttributeChange(attribute="title", verb=Verb.ADD, old=None, new="topsecret", redacted=True)
    answer = refusing("400", scimType="invalidValue", detail=f"title topsecret, {SECRET}")
    target, _ = scripted(response_of(answer, GONE))
    failure = target.write_together([create("ada", secret), BOB])[0]
    assert isinstance(failure, ValueRefused)
    assert "topsecret" not in str(failure)
    assert SECRET not in str(failure)
