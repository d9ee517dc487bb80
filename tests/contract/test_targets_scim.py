from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from msgspec import structs

from fakes.scim_service import BASE_URL, TOKEN, ScimService, generic_profile
from fakes.scripted_transport import JoinedTransport, ScriptedTransport, listing, reply
from fakes.world import EPOCH, CountingIds, StillClock
from muster.gallery.catalogue import find
from muster.model.directory import AttributeType, ObjectKind
from muster.model.exchange import (
    AddressRefused,
    ConnectionFailed,
    ExchangeFailed,
    HttpResponse,
    ResponseTooLarge,
    TransportTimeout,
)
from muster.model.failures import (
    Conflict,
    CredentialsRefused,
    OperationRefused,
    ProvisioningFailure,
    Resting,
    SystemUnreachable,
    TargetBusy,
    TargetObjectGone,
    ValueRefused,
)
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Verb
from muster.model.rules import AttributeDefinition
from muster.model.schema_document import read_schema
from muster.ports.target import UnknownOutcome
from muster.ports.transport import Transport
from muster.scim.dialect import ENTRA, ENTRA_LEGACY, Dialect, UpdateMethod
from muster.scim.errors import ERROR_URN
from muster.scim.schemas import USER_URN
from muster.targets.authorization import bearer
from muster.targets.pace import Pace
from muster.targets.scim import ScimTarget
from muster.targets.scim_failures import INCOMPATIBLE, SEVERAL_ENTRIES
from muster.targets.scim_names import AttributesByKind, mapped_attributes

ADDRESS = "https://app.example/scim/v2"
SECRET = "s3cret-token-value"
MAIL = 'emails[type eq "work"].value'
MOBILE = 'phoneNumbers[type eq "mobile"].value'
CITY = 'addresses[type eq "work"].locality'
COUNTRY = 'addresses[type eq "work"].country'
MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
USER, GROUP = ObjectKind.USER, ObjectKind.GROUP

ATTRIBUTES: AttributesByKind = {
    USER: (
        *(AttributeDefinition(name=name) for name in ("userName", "title", MAIL, MOBILE, CITY, COUNTRY, DEPARTMENT)),
        AttributeDefinition(name="active", type=AttributeType.BOOLEAN),
        AttributeDefinition(name=MANAGER, type=AttributeType.REFERENCE),
    ),
    GROUP: (
        AttributeDefinition(name="displayName"),
        AttributeDefinition(name="members", type=AttributeType.REFERENCE, multivalued=True),
    ),
}


def target_on(
    transport: Transport,
    *,
    address: str = ADDRESS,
    token: str | None = SECRET,
    dialect: Dialect | None = None,
    clock: StillClock | None = None,
    read_attempts: int = 1,
) -> ScimTarget:
    return ScimTarget(
        transport=transport,
        address=address,
        authorization=bearer(token),
        dialect=dialect or Dialect(),
        attributes=ATTRIBUTES,
        clock=clock or StillClock(),
        ids=CountingIds(),
        read_attempts=read_attempts,
    )


def scripted(*answers: HttpResponse | ExchangeFailed, dialect: Dialect | None = None) -> ScimTarget:
    return target_on(ScriptedTransport(list(answers)), dialect=dialect)


def replaced(path: str, value: Any) -> AttributeChange:
    return AttributeChange(attribute=path, verb=Verb.REPLACE, old="before", new=value)


def added(path: str, value: Any) -> AttributeChange:
    return AttributeChange(attribute=path, verb=Verb.ADD, old=None, new=value)


def removed(path: str) -> AttributeChange:
    return AttributeChange(attribute=path, verb=Verb.REMOVE, old="before", new=None)


def members(verb: Verb, *ids: str) -> AttributeChange:
    old, new = (ids, None) if verb is Verb.REMOVE else (None, ids)
    return AttributeChange(attribute="members", verb=verb, old=old, new=new, is_reference=True, multivalued=True)


CALLS: dict[str, Callable[[ScimTarget], object]] = {
    "probe": lambda target: target.probe("userName"),
    "list": lambda target: target.list_page(USER, None),
    "find": lambda target: target.find(USER, MatchingValue(attribute="userName", value="ada@x.example")),
    "read": lambda target: target.read(USER, "42"),
    "create": lambda target: target.create(USER, [MappedValue(attribute="userName", value="ada@x.example")]),
    "update": lambda target: target.update(USER, "42", [replaced("title", "Chief")]),
    "delete": lambda target: target.delete(USER, "42"),
}


# ---------------------------------------------------------------- the failure table

SITE_REFUSED = {"scimType": "invalidValue", "detail": "The site “Atlantis” does not exist."}


# What some gateways answer as a success.
FORBIDDEN = {"schemas": [ERROR_URN], "status": "403"}
TAKEN = {"schemas": [ERROR_URN], "status": "409"}
FAULTY = {"schemas": [ERROR_URN], "detail": "no"}


@pytest.mark.parametrize(
    ("call", "answer", "failure", "code", "said"),
    [
        ("probe", reply(401), CredentialsRefused, "InvalidCredentials", "Secret Token"),
        ("probe", reply(403), CredentialsRefused, "InvalidCredentials", "HTTP 403"),
        ("probe", reply(404), SystemUnreachable, "SystemUnreachable", ADDRESS),
        ("probe", reply(410), SystemUnreachable, "SystemUnreachable", ADDRESS),
        ("probe", reply(400, {"detail": "no such filter"}), SystemUnreachable, "SystemUnreachable", "no such filter"),
        ("probe", reply(500), SystemUnreachable, "SystemUnreachable", "HTTP 500"),
        ("probe", reply(302), SystemUnreachable, "SystemUnreachable", "not followed"),
        ("probe", reply(200, raw=b"<html>"), SystemUnreachable, "SystemUnreachable", "web page"),
        ("probe", reply(200), SystemUnreachable, "SystemUnreachable", "empty"),
        ("probe", reply(200, raw=b'{"totalRes'), SystemUnreachable, "SystemUnreachable", "cut off"),
        # Filters that are ignored are no hindrance, as long as everybody is listed.
        ("probe", listing({"id": "1"}), None, None, None),
        ("probe", listing(total=0), None, None, None),
        ("list", reply(401), CredentialsRefused, "InvalidCredentials", "Secret Token"),
        ("list", reply(403), CredentialsRefused, "InvalidCredentials", "HTTP 403"),
        ("list", reply(503), SystemUnreachable, "SystemUnreachable", "HTTP 503"),
        ("list", reply(200, raw=b"<html>"), SystemUnreachable, "SystemUnreachable", "web page"),
        ("find", reply(401), CredentialsRefused, "InvalidCredentials", "Secret Token"),
        ("find", reply(403), OperationRefused, "InsufficientRights", "HTTP 403"),
        ("find", reply(404), SystemUnreachable, "SystemUnreachable", ADDRESS),
        ("find", reply(400, {"scimType": "invalidFilter"}), ValueRefused, "UnprocessableEntity", "invalidFilter"),
        ("find", reply(501), OperationRefused, "NotImplemented", "HTTP 501"),
        ("find", reply(500), TargetBusy, "InternalServerError", "HTTP 500"),
        ("find", reply(200, raw=b"<html>"), TargetBusy, INCOMPATIBLE, "web page"),
        ("find", reply(200), TargetBusy, INCOMPATIBLE, "empty"),
        ("find", listing(total=1), OperationRefused, INCOMPATIBLE, "shows none"),
        ("find", listing({"id": "1", "userName": "b"}, total=900), OperationRefused, SEVERAL_ENTRIES, "ignores"),
        ("read", reply(403), OperationRefused, "InsufficientRights", "user 42"),
        ("read", reply(502), TargetBusy, "InternalServerError", "HTTP 502"),
        ("read", reply(408), TargetBusy, "Timeout", "user 42"),
        ("read", reply(200, raw=b"[]"), TargetBusy, INCOMPATIBLE, "no object"),
        ("read", reply(200, {"userName": "a"}), TargetBusy, INCOMPATIBLE, "without an id"),
        ("create", reply(400, SITE_REFUSED), ValueRefused, "UnprocessableEntity", "Atlantis"),
        ("create", reply(413), ValueRefused, "UnprocessableEntity", "HTTP 413"),
        ("create", reply(422, {"message": "too short"}), ValueRefused, "UnprocessableEntity", "too short"),
        ("create", reply(402), ValueRefused, "LicenseLimitExceeded", "licence"),
        ("create", reply(409, {"scimType": "uniqueness"}), Conflict, "EntryConflict", "uniqueness"),
        ("create", reply(400, {"scimType": "uniqueness"}), Conflict, "EntryConflict", "uniqueness"),
        ("create", reply(403), OperationRefused, "InsufficientRights", "creating"),
        ("create", reply(404), OperationRefused, "NotPermitted", "creating"),
        ("create", reply(405), OperationRefused, "MethodNotAllowed", "creating"),
        ("create", reply(500), TargetBusy, "InternalServerError", "HTTP 500"),
        ("create", reply(200, TAKEN), Conflict, "EntryConflict", "HTTP 409"),
        ("create", reply(301), SystemUnreachable, "SystemUnreachable", "not followed"),
        ("create", reply(201, raw=b"<html>"), UnknownOutcome, None, "without its id"),
        ("create", reply(201), UnknownOutcome, None, "without its id"),
        (
            "update",
            reply(400, {"scimType": "mutability", "detail": "site"}),
            ValueRefused,
            "UnprocessableEntity",
            "site",
        ),
        ("update", reply(400, {"scimType": "invalidPath"}), ValueRefused, "SchemaAttributeNotFound", "invalidPath"),
        ("update", reply(404), TargetObjectGone, "InvalidAnchor", "user 42"),
        ("update", reply(410), TargetObjectGone, "InvalidAnchor", "user 42"),
        ("update", reply(405), OperationRefused, "MethodNotAllowed", "changing"),
        ("update", reply(501), OperationRefused, "NotImplemented", "changing"),
        ("update", reply(503), TargetBusy, "InternalServerError", "HTTP 503"),
        ("update", reply(200, raw=b"<html>"), TargetBusy, INCOMPATIBLE, "web page"),
        ("delete", reply(403), OperationRefused, "InsufficientRights", "deleting"),
        (
            "update",
            reply(200, {"schemas": [ERROR_URN], "status": "403"}),
            OperationRefused,
            "InsufficientRights",
            "403",
        ),
        ("delete", reply(200, FAULTY), TargetBusy, "InternalServerError", "500): no"),
        ("delete", reply(500), TargetBusy, "InternalServerError", "HTTP 500"),
        ("delete", reply(404), None, None, None),
        ("delete", reply(410), None, None, None),
    ],
)
def test_each_refusing_answer_is_named_by_what_to_do_next(
    call: str, answer: HttpResponse, failure: type[Exception] | None, code: str | None, said: str | None
) -> None:
    # What is refused in one way is tried in another, and then refused for the first reason.
    target = scripted(*[answer] * 4)
    if failure is None:
        CALLS[call](target)
        return
    with pytest.raises(failure) as raised:
        CALLS[call](target)
    assert type(raised.value) is failure
    assert said is not None and said in str(raised.value)
    if isinstance(raised.value, ProvisioningFailure):
        assert raised.value.code == code
        # What to do follows it as a sentence of its own.
        assert raised.value.remedy and str(raised.value).endswith((".", "!", "?"))
        if failure is not TargetBusy and answer.status != 200:
            assert raised.value.status == answer.status


@pytest.mark.parametrize(
    ("call", "broken", "failure", "said"),
    [
        ("probe", ConnectionFailed("refused", sent=False), SystemUnreachable, "refused"),
        ("probe", TransportTimeout("20 s passed", sent=True), SystemUnreachable, "20 s passed"),
        ("list", ConnectionFailed("reset", sent=True), SystemUnreachable, "reset"),
        ("find", TransportTimeout("30 s passed", sent=True), TargetBusy, "30 s passed"),
        ("find", ConnectionFailed("reset", sent=True), TargetBusy, "reset"),
        ("find", ConnectionFailed("no such host", sent=False), SystemUnreachable, "no such host"),
        ("read", ResponseTooLarge("more than 16 MiB"), TargetBusy, "too long"),
        ("create", TransportTimeout("60 s passed", sent=True), UnknownOutcome, "creating a user"),
        ("create", ResponseTooLarge("more than 16 MiB"), UnknownOutcome, "creating a user"),
        ("create", ConnectionFailed("refused", sent=False), SystemUnreachable, "refused"),
        ("update", ConnectionFailed("reset", sent=True), UnknownOutcome, "changing user 42"),
        ("delete", TransportTimeout("60 s passed", sent=True), UnknownOutcome, "deleting user 42"),
        ("delete", TransportTimeout("connect", sent=False), SystemUnreachable, "connect"),
    ],
)
def test_an_answer_that_never_comes_is_unknown_for_writes_and_a_failure_for_reads(
    call: str, broken: ExchangeFailed, failure: type[Exception], said: str
) -> None:
    with pytest.raises(failure, match=said):
        CALLS[call](scripted(broken))


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_refused_address_tells_how_to_allow_it(call: str) -> None:
    with pytest.raises(SystemUnreachable, match="is not called") as raised:
        why = "127.0.0.1 is a loopback address"
        CALLS[call](scripted(AddressRefused(f"it is not called: {why}; allow it with --allow-target", why=why)))
    # Said once: what is not called, why, and what to do.
    assert str(raised.value).count("not called") == 1
    assert raised.value.sentence.endswith(f" is not called: {why}.")
    assert raised.value.remedy.count("--allow-target") == 1


@pytest.mark.parametrize("call", sorted(CALLS))
def test_that_nobody_answers_is_said_once(call: str) -> None:
    sentence = "https://scim.example:443 cannot be reached: Connection refused"
    with pytest.raises(SystemUnreachable) as raised:
        CALLS[call](scripted(ConnectionFailed(sentence, sent=False, why="Connection refused")))
    assert raised.value.sentence.endswith(" cannot be reached: Connection refused.")
    assert raised.value.sentence.count("cannot be reached") == 1


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_token_that_the_application_gives_back_is_not_shown(call: str) -> None:
    echo = {"detail": f"Bearer {SECRET} is not welcome"}
    for answer in (reply(401, echo), reply(400, echo), ConnectionFailed(f"sent {SECRET}", sent=False)):
        with pytest.raises(ProvisioningFailure) as raised:
            CALLS[call](scripted(*[answer] * 4))
        shown = f"{raised.value} {raised.value.remedy} {raised.value.record()!r}"
        assert SECRET not in shown
        assert "•••" in shown


def test_a_redacted_value_that_the_application_gives_back_is_not_shown() -> None:
    refusal = reply(400, {"detail": "“secret-title” is too long"})
    hidden = MappedValue(attribute="title", value="secret-title", redacted=True)
    change = structs.replace(replaced("title", "secret-title"), redacted=True)
    matching = MatchingValue(attribute="title", value="secret-title", redacted=True)
    for call in (
        lambda target: target.create(USER, [hidden]),
        lambda target: target.update(USER, "42", [change]),
        lambda target: target.find(USER, matching),
    ):
        with pytest.raises(ValueRefused, match="too long") as raised:
            call(scripted(*[refusal] * 3))
        assert "secret-title" not in str(raised.value) and "[Redact]" in str(raised.value)


@pytest.mark.parametrize("address", ["", "app.example", "https://u:p@app.example/scim"])
def test_a_tenant_url_that_cannot_be_used_is_refused_at_once(address: str) -> None:
    with pytest.raises(SystemUnreachable, match="Tenant URL"):
        target_on(ScriptedTransport(), address=address)


def test_a_value_that_cannot_be_sent_is_refused_before_sending() -> None:
    target = scripted()
    with pytest.raises(ValueRefused, match="UTF-8"):
        target.create(USER, [MappedValue(attribute="userName", value="\ud800")])
    with pytest.raises(ValueRefused, match="UTF-8"):
        target.find(USER, MatchingValue(attribute="userName", value="\ud800"))


@pytest.mark.parametrize(
    "call",
    [
        lambda target: target.create(USER, [MappedValue(attribute="a b", value="x")]),
        lambda target: target.update(USER, "1", [replaced("a b", "x")]),
        lambda target: target.find(USER, MatchingValue(attribute="a b", value="x")),
    ],
)
def test_an_attribute_that_is_no_path_is_refused_before_sending(call: Callable[[ScimTarget], object]) -> None:
    with pytest.raises(ValueRefused) as raised:
        call(scripted())
    assert raised.value.code == "SchemaAttributeNotFound"


# ---------------------------------------------------------------- answers that count


def test_an_answer_with_another_value_is_no_match() -> None:
    target = scripted(listing({"id": "1", "userName": "bob"}, {"id": 2, "userName": "ADA@x.example"}))
    found = target.find(USER, MatchingValue(attribute="userName", value="ada@x.example"))
    assert [item.target_id for item in found] == ["2"]


def test_an_attribute_that_cannot_be_filtered_is_looked_for_in_the_list() -> None:
    first = listing(*({"id": str(number), "userName": f"u{number}"} for number in range(2)), total=3)
    second = listing({"id": "2", "userName": "u2", "title": "Chief"}, total=3, start=3)
    target = scripted(first, second, dialect=Dialect(filterable={"User": ("userName",)}))
    found = target.find(USER, MatchingValue(attribute="title", value="chief"))
    assert [item.target_id for item in found] == ["2"]
    assert found[0].display_name == "u2"


def read_pages(target: ScimTarget) -> tuple[list[str], bool]:
    """Everybody's id in order, and whether nothing tells that somebody is missing."""
    ids: list[str] = []
    start: str | None = None
    while True:
        page = target.list_page(USER, start)
        ids += [item.target_id for item in page.resources]
        start = page.next_start
        if start is None:
            return ids, page.is_whole


def page_of(*ids: str, total: int | None, **also: Any) -> HttpResponse:
    listed = {"Resources": [{"id": each} for each in ids], **({} if total is None else {"totalResults": total})}
    return reply(200, {**listed, **also})


@pytest.mark.parametrize(
    ("answers", "ids", "is_whole"),
    [
        ([page_of("a", "b", total=3), page_of("c", total=3)], "abc", True),
        ([page_of(total=0)], "", True),
        # All on one page: the next one is to be empty, for the total may count the page only.
        ([page_of("a", "b", total=2), page_of(total=2)], "ab", True),
        ([page_of("a", "b", total=2), page_of("c", total=1), page_of(total=0)], "abc", True),
        ([page_of("a", "b", total=2), reply(200, {"totalResults": 2})], "ab", True),
        ([page_of("a", "b", total=2), reply(400)], "ab", True),
        ([page_of("a", "b", total=2), reply(404)], "ab", True),
        ([page_of("a", "b", total=2), page_of("a", "b", total=2)], "abab", True),
        ([page_of("a", total=None), page_of("b", total=None), page_of(total=None)], "ab", True),
        # The same page again: everybody is asked for at once.
        ([page_of("a", "b", total=3), page_of("a", "b", total=3), page_of("a", "b", "c", total=3)], "ababc", True),
        ([page_of("a", "b", total=3), page_of("a", "b", total=3), page_of("a", "b", total=3)], "abab", False),
        ([page_of("a", "b", total=20_000), reply(404), page_of("a", "b", total=20_000)], "abab", False),
        ([page_of("a", "b", total=4), page_of(total=4)], "ab", False),
        ([page_of("a", "b", total=4), reply(400)], "ab", False),
        ([page_of(total=5)], "", False),
    ],
)
def test_a_list_ends_where_it_ends_and_tells_whether_somebody_is_missing(
    answers: list[HttpResponse], ids: str, is_whole: bool
) -> None:
    assert read_pages(scripted(*answers)) == (list(ids), is_whole)


PAGES_BY_CURSOR = reply(200, {"pagination": {"cursor": True, "index": True}})


@pytest.mark.parametrize(
    ("answers", "asked", "ids", "is_whole"),
    [
        # The end is where no cursor leads on, although somebody has come and the total has fallen meanwhile.
        (
            [
                page_of("a", "b", total=2_000, nextCursor="p 2"),
                page_of("c", total=1_999, nextCursor="3"),
                page_of("d", total=4),
            ],
            ["cursor", "cursor=p%202", "cursor=3"],
            "abcd",
            True,
        ),
        # A list that ends before its total is not whole.
        (
            [page_of("a", "b", total=2_000, nextCursor="2"), page_of("c", total=2_000)],
            ["cursor", "cursor=2"],
            "abc",
            False,
        ),
        # A cursor that is too old, leads back or to nobody: an index goes on.
        (
            [
                page_of("a", "b", total=2_000, nextCursor="2"),
                reply(400, {"scimType": "expiredCursor"}),
                page_of("c", total=3),
                page_of(total=3),
            ],
            ["cursor", "cursor=2", "startIndex=3", "startIndex=4"],
            "abc",
            False,
        ),
        (
            [
                page_of("a", "b", total=2_000, nextCursor="2"),
                page_of("a", "b", total=2_000, nextCursor="2"),
                page_of(total=2_000),
            ],
            ["cursor", "cursor=2", "startIndex=3"],
            "ab",
            False,
        ),
        (
            [
                page_of("a", "b", total=2_000, nextCursor="2"),
                page_of(total=2_000, nextCursor="3"),
                page_of(total=2_000),
            ],
            ["cursor", "cursor=2", "startIndex=3"],
            "ab",
            False,
        ),
        # Cursors that are promised and not given, or refused at once.
        ([page_of("a", "b", total=2_000), page_of(total=2_000)], ["cursor", "startIndex=3"], "ab", False),
        ([reply(400), page_of(total=2_000)], ["cursor", "startIndex=3"], "ab", False),
    ],
)
def test_a_long_list_is_followed_by_cursors_as_far_as_they_lead(
    answers: list[HttpResponse], asked: list[str], ids: str, is_whole: bool
) -> None:
    transport = ScriptedTransport([page_of("a", "b", total=2_000), PAGES_BY_CURSOR, *answers])
    assert read_pages(target_on(transport)) == (list(ids), is_whole)
    assert [sent.url.partition("?")[2].partition("&")[0] for sent in transport.sent[2:]] == asked


def test_a_list_by_cursors_without_totals_is_as_long_as_its_index_says() -> None:
    begun = [page_of("a", "b", total=2_000), PAGES_BY_CURSOR, page_of("a", "b", total=None, nextCursor="2")]
    assert read_pages(scripted(*begun, page_of("c", total=None))) == (["a", "b", "c"], False)
    # Each page counts itself.
    assert read_pages(scripted(*begun, page_of("c", total=1))) == (["a", "b", "c"], False)


def test_cursors_that_lead_in_a_circle_end_and_prove_nothing() -> None:
    there = [str(number) for number in range(1_100)]
    page = [page_of(*there, total=1_500, nextCursor="b"), page_of("x", *there, total=1_500, nextCursor="a")]
    begun = [page_of("0", total=1_500), PAGES_BY_CURSOR]
    ids, is_whole = read_pages(scripted(*begun, *page, *page))
    assert (len(ids), is_whole) == (4_402, False)


def test_no_cursor_costs_the_list_where_a_page_by_index_is_there() -> None:
    begun = [page_of("a", total=2_000), PAGES_BY_CURSOR, reply(503), page_of(total=2_000)]
    assert read_pages(scripted(*begun)) == (["a"], False)


@pytest.mark.parametrize("first", ["a", "a b", ""])
def test_a_list_goes_on_where_a_key_without_cursor_says(first: str) -> None:
    transport = ScriptedTransport([page_of("d", total=3)])
    page = target_on(transport).list_page(USER, f"3 3 {first}")
    assert (page.next_start, page.is_whole) == (None, True)
    assert "startIndex=3" in transport.sent[0].url


def test_a_short_list_or_one_without_cursors_is_read_by_its_index() -> None:
    short = ScriptedTransport([page_of("a", total=1_000), page_of(total=1_000)])
    assert read_pages(target_on(short)) == (["a"], False)
    without = ScriptedTransport([page_of("a", total=2_000, nextCursor="2"), reply(404), page_of(total=2_000)])
    assert read_pages(target_on(without)) == (["a"], False)
    assert "startIndex=2" in without.sent[2].url


def test_a_cursor_that_fails_for_another_reason_fails_the_list() -> None:
    begun = [page_of("a", total=2_000), PAGES_BY_CURSOR, page_of("a", total=2_000, nextCursor="2"), reply(503)]
    with pytest.raises(SystemUnreachable):
        read_pages(scripted(*begun))


@pytest.mark.parametrize(
    ("answer", "target_id"),
    [
        (reply(201, {"id": 7}), "7"),
        (reply(200, {"id": "x"}), "x"),
        (reply(201, headers={"location": f"{ADDRESS}/Users/a%2Fb"}), "a/b"),
        (reply(201, raw=b"created", headers={"location": "/scim/v2/Users/9/"}), "9"),
        (reply(201, headers={"location": "/scim/v2/Users/a/b"}), "a/b"),
        (reply(201, headers={"location": "9"}), "9"),
    ],
)
def test_a_created_object_is_known_by_its_body_or_its_location(answer: HttpResponse, target_id: str) -> None:
    written = scripted(answer).create(USER, [MappedValue(attribute="userName", value="a")])
    assert written.target_id == target_id


def test_a_location_without_id_is_no_id() -> None:
    with pytest.raises(UnknownOutcome):
        CALLS["create"](scripted(reply(201, headers={"location": f"{ADDRESS}/Users"})))


def test_a_confirmation_without_body_shows_no_resource() -> None:
    written = scripted(reply(204)).update(USER, "42", [replaced("title", "Chief")])
    assert (written.target_id, written.resource) == ("42", None)


def sent_by(transport: ScriptedTransport) -> list[str]:
    return [request.method for request in transport.sent]


def switched_off() -> AttributeChange:
    return AttributeChange(attribute="active", verb=Verb.REPLACE, old=True, new=False)


def test_200_without_content_is_believed_once_a_change_that_was_absent_is_so_confirmed_and_shown() -> None:
    chief = reply(200, {"id": "42", "title": "Chief"})
    boss = reply(200, {"id": "42", "title": "Boss"})
    transport = ScriptedTransport([reply(200), chief, chief, reply(200), boss, reply(200)])
    target = target_on(transport)
    for title in ("Chief", "Boss", "Clerk"):
        assert target.update(USER, "42", [replaced("title", title)]).resource is None
    # The first may have been there before; the second was not; from then on it is as good as 204.
    assert sent_by(transport) == ["PATCH", "GET", "GET", "PATCH", "GET", "PATCH"]


def test_a_change_that_is_shown_only_when_it_was_sent_again_shows_what_silence_means() -> None:
    shown = [reply(200, {"id": "42", "title": title}) for title in ("before", "Chief")]
    transport = ScriptedTransport([reply(200), shown[0], reply(200), shown[1], reply(200)])
    target = target_on(transport)
    for title in ("Chief", "Boss"):
        target.update(USER, "42", [replaced("title", title)])
    assert sent_by(transport) == ["PATCH", "GET", "PATCH", "GET", "PATCH"]


def test_what_the_application_had_already_does_not_prove_what_silence_means() -> None:
    had = reply(200, {"id": "42", "title": "Chief"})
    active = reply(200, {"id": "43", "active": True})
    transport = ScriptedTransport([reply(200), had, active, *[reply(200), active] * 3])
    target = target_on(transport)
    target.update(USER, "42", [replaced("title", "Chief")])
    with pytest.raises(TargetBusy, match="not switched off"):
        target.update(USER, "43", [switched_off()])
    assert sent_by(transport) == ["PATCH", "GET", "GET", *["PATCH", "GET"] * 3]
    # Nor does one of two.
    half = reply(200, {"id": "42", "title": "Chief", "userName": "before"})
    transport = ScriptedTransport([reply(200), half, reply(204)])
    target_on(transport).update(USER, "42", [replaced("title", "Chief"), replaced("userName", "ada")])
    assert sent_by(transport) == ["PATCH", "GET", "PATCH"]


def test_who_is_still_active_after_200_without_content_is_not_switched_off() -> None:
    with pytest.raises(TargetBusy, match="not switched off"):
        scripted(*[reply(200), reply(200, {"id": "42", "active": True})] * 3).update(USER, "42", [switched_off()])
    # Not even where another of the changes is shown.
    answers = [reply(200, {"id": "42", "active": True, "title": title}) for title in ("before", "Chief", "Chief")]
    target = scripted(*[each for answer in answers for each in (reply(200), answer)])
    with pytest.raises(TargetBusy, match="not switched off"):
        target.update(USER, "42", [replaced("title", "Chief"), switched_off()])


@pytest.mark.parametrize("value", [False, "False"])
def test_who_is_shown_switched_off_is_so_whatever_else_was_dropped(value: bool | str) -> None:
    kept = reply(200, {"id": "42", "active": value, "title": "before"})
    transport = ScriptedTransport([reply(200), kept] * 3)
    target_on(transport).update(USER, "42", [replaced("title", "Chief"), switched_off()])
    assert sent_by(transport) == ["PATCH", "GET"] * 3


@pytest.mark.parametrize("update", UpdateMethod)
def test_who_is_shown_active_by_the_answer_that_confirms_the_opposite_is_looked_at_again(update: UpdateMethod) -> None:
    on, off = (reply(200, {"id": "42", "active": active}) for active in (True, False))
    before = [on] if update is UpdateMethod.PUT else []
    transport = ScriptedTransport([*before, on, on, *before, on, off])
    target = target_on(transport, dialect=Dialect(update=update))
    with pytest.raises(TargetBusy, match="not switched off"):
        target.update(USER, "42", [switched_off()])
    # Some answer as it was before the change.
    written = target.update(USER, "42", [switched_off()])
    assert written.resource is not None and written.resource.attributes == {"active": False}
    assert not transport.script


def test_an_answer_that_does_not_say_whether_somebody_is_active_is_believed() -> None:
    scripted(reply(200, {"id": "42", "title": "Chief"})).update(USER, "42", [switched_off()])


def test_200_without_content_of_a_middle_box_is_not_believed() -> None:
    transport = ScriptedTransport([reply(200), reply(200, {"id": "42", "title": "before"}), reply(204)])
    target_on(transport).update(USER, "42", [replaced("title", "Chief")])
    assert sent_by(transport) == ["PATCH", "GET", "PATCH"]


def test_members_that_were_confirmed_without_content_are_looked_for_too() -> None:
    without = reply(200, {"id": "g", "displayName": "Staff", "members": []})
    transport = ScriptedTransport([reply(200), without, reply(204)])
    target_on(transport).update(ObjectKind.GROUP, "g", [members(Verb.ADD, "u1")])
    assert sent_by(transport) == ["PATCH", "GET", "PATCH"]


def test_a_change_that_is_confirmed_without_content_again_and_again_and_never_shown_is_dropped_there() -> None:
    unmoved = reply(200, {"id": "42", "title": "before"})
    transport = ScriptedTransport([reply(200), unmoved] * 3)
    assert target_on(transport).update(USER, "42", [replaced("title", "Chief")]).resource is None
    assert sent_by(transport) == ["PATCH", "GET"] * 3


def test_every_request_of_a_change_is_sent_before_it_is_looked_for() -> None:
    """What an application shows in its own way is shown all the same."""
    crew = [{"value": each, "display": each.upper(), "$ref": f"/Users/{each}"} for each in ("b", "a")]
    shown = reply(200, {"id": "g", "displayName": "Crew", "members": crew})
    transport = ScriptedTransport([reply(200), reply(200), shown])
    target_on(transport).update(GROUP, "g", [replaced("displayName", "Crew"), members(Verb.REPLACE, "a", "b")])
    assert sent_by(transport) == ["PATCH", "PATCH", "GET"]


def test_who_vanishes_while_a_change_is_looked_for_is_gone() -> None:
    with pytest.raises(TargetObjectGone):
        scripted(reply(200), reply(404)).update(USER, "42", [replaced("title", "Chief")])


def test_a_deletion_that_is_confirmed_without_content_is_looked_for() -> None:
    there = reply(200, {"id": "43", "active": True})
    transport = ScriptedTransport([reply(200), reply(404), reply(200), there, reply(200), reply(404), reply(200)])
    target = target_on(transport)
    for target_id in ("42", "43", "44"):
        target.delete(USER, target_id)
    # The first may have been gone before; the second was there: silence means done.
    assert sent_by(transport) == [*["DELETE", "GET"] * 3, "DELETE"]
    # A middle box swallowed the first one.
    scripted(reply(200), reply(200, {"id": "42", "active": False}), reply(204)).delete(USER, "42")
    # The application does no more than switch off.
    scripted(*[reply(200), reply(200, {"id": "42", "active": False})] * 3).delete(USER, "42")
    with pytest.raises(TargetBusy, match="still there"):
        scripted(*[reply(200), reply(200, {"id": "42", "active": True})] * 3).delete(USER, "42")


def test_an_update_without_changes_sends_nothing() -> None:
    target = scripted()
    assert target.update(USER, "42", []).target_id == "42"
    assert target.requests_made() == 0


def test_an_element_that_turns_out_to_be_missing_is_added_whole() -> None:
    transport = ScriptedTransport(
        [reply(400, {"scimType": "noTarget"}), reply(200, {"id": "42", "emails": []}), reply(204)]
    )
    target_on(transport).update(USER, "42", [replaced(CITY, "London"), replaced(MAIL, "a@x")])
    assert transport.bodies()[-1]["Operations"] == [
        {"op": "add", "path": "addresses", "value": [{"type": "work", "locality": "London"}]},
        {"op": "add", "path": "emails", "value": [{"type": "work", "value": "a@x"}]},
    ]


def test_members_who_are_gone_already_do_not_hinder_the_others() -> None:
    crew = {"id": "g", "members": [{"value": "b"}]}
    transport = ScriptedTransport([reply(400, {"scimType": "noTarget"}), reply(200, crew), reply(204)])
    target_on(transport).update(GROUP, "g", [members(Verb.REMOVE, "a", "b")])
    assert transport.sent[1].url == f"{ADDRESS}/Groups/g"
    assert transport.bodies()[-1]["Operations"] == [{"op": "remove", "path": 'members[value eq "b"]'}]


REFUSED = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]}
NO_PATCH = reply(200, {"patch": {"supported": False}})


@pytest.mark.parametrize(
    "answers",
    [
        [reply(501)],
        [reply(405, REFUSED)],
        [reply(400, REFUSED), NO_PATCH],
        [reply(404), NO_PATCH],
        [reply(415), NO_PATCH],
    ],
)
def test_where_patch_is_unknown_the_whole_is_put_now_and_from_then_on(answers: list[HttpResponse]) -> None:
    kept = reply(200, {"id": "42", "userName": "ada", "title": "Clerk", "meta": {"version": "1"}})
    done = reply(200, {"id": "42", "userName": "ada", "title": "Chief"})
    transport = ScriptedTransport([*answers, kept, done, kept, done])
    target = target_on(transport)
    for _ in range(2):
        written = target.update(USER, "42", [replaced("title", "Chief")])
        assert written.resource is not None and written.resource.attributes["title"] == "Chief"
    assert [request.method for request in transport.sent[len(answers) :]] == ["GET", "PUT", "GET", "PUT"]
    assert transport.bodies()[-1] == {"schemas": [USER_URN], "id": "42", "userName": "ada", "title": "Chief"}


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ([reply(400, {"scimType": "mutability"})], ValueRefused),
        ([reply(400, REFUSED), reply(200, {"patch": {"supported": True}})], ValueRefused),
        ([reply(400, REFUSED), reply(500)], ValueRefused),
        ([reply(404), reply(404)], TargetObjectGone),
        ([reply(501), reply(200, {"id": "42"}), reply(405)], OperationRefused),
        ([reply(501), reply(404)], OperationRefused),
    ],
)
def test_what_patch_is_refused_for_is_told(answers: list[HttpResponse], failure: type[Exception]) -> None:
    transport = ScriptedTransport(list(answers))
    with pytest.raises(failure) as raised:
        target_on(transport).update(USER, "42", [replaced("title", "Chief")])
    assert isinstance(raised.value, ProvisioningFailure) and raised.value.status == answers[0].status
    assert not transport.script


@pytest.mark.parametrize(("dialect", "verb"), [(None, Verb.ADD), (None, Verb.REMOVE), (ENTRA_LEGACY, Verb.REMOVE)])
def test_too_many_members_are_halved_until_they_are_taken(dialect: Dialect | None, verb: Verb) -> None:
    too_many = reply(413)
    transport = ScriptedTransport([too_many, too_many, reply(204), reply(204), reply(204), *[reply(204)] * 3])
    target = target_on(transport, dialect=dialect)
    ids = tuple("abcdef")
    target.update(GROUP, "1", [members(verb, *ids)])
    # Six, three, two and one; then, as that is known, two, two and two.
    target.update(GROUP, "1", [members(verb, *ids)])
    sizes = [_members_in(body) for body in transport.bodies()]
    assert sizes == [6, 3, 2, 1, 3, 2, 2, 2]


def _members_in(body: Any) -> int:
    operations = body["Operations"]
    return len(operations[0]["value"]) if isinstance(operations[0].get("value"), list) else len(operations)


def test_one_member_who_is_refused_is_named_and_the_others_are_set() -> None:
    refused = reply(400, {"detail": "there is no c"})
    transport = ScriptedTransport([refused, reply(204), refused, reply(200, {})])
    with pytest.raises(ValueRefused, match="there is no c"):
        target_on(transport).update(GROUP, "1", [members(Verb.ADD, "a", "b", "c")])
    assert [_members_in(body) for body in transport.bodies()] == [3, 2, 1]


def test_a_read_that_fails_in_passing_is_tried_again_a_write_never() -> None:
    clock = StillClock()
    began = clock.now()
    for answers in (
        [reply(503), reply(200, raw=b"<html>"), reply(200, {"id": "42"})],
        [ConnectionFailed("reset", sent=True), reply(500), reply(200, {"id": "42"})],
    ):
        target = target_on(ScriptedTransport(list(answers)), clock=clock, read_attempts=3)
        assert target.read(USER, "42") is not None
    assert clock.now() - began == timedelta(seconds=3)
    with pytest.raises(TargetBusy):
        target_on(ScriptedTransport([reply(503)] * 3), clock=clock, read_attempts=3).read(USER, "42")
    transport = ScriptedTransport([reply(503)] * 3)
    with pytest.raises(TargetBusy):
        target_on(transport, read_attempts=3).create(USER, [MappedValue(attribute="userName", value="a")])
    assert len(transport.sent) == 1


def test_who_cannot_be_asked_for_is_looked_for_in_one_list_until_something_is_written() -> None:
    everybody = listing({"id": "1", "userName": "ada"}, {"id": "2", "userName": "bob"})
    end = listing(total=2)
    transport = ScriptedTransport(
        [
            reply(501),
            everybody,
            end,
            reply(200, {"id": "2", "userName": "bob"}),
            reply(201, {"id": "3", "userName": "cyd"}),
            everybody,
            end,
        ]
    )
    target = target_on(transport)
    assert [item.target_id for item in target.find(USER, MatchingValue(attribute="userName", value="ada"))] == ["1"]
    assert target.find(USER, MatchingValue(attribute="userName", value="nobody")) == ()
    assert [item.target_id for item in target.find(USER, MatchingValue(attribute="userName", value="Bob"))] == ["2"]
    target.create(USER, [MappedValue(attribute="userName", value="cyd")])
    assert target.find(USER, MatchingValue(attribute="userName", value="dan")) == ()
    assert not transport.script


def test_where_nobody_can_be_asked_for_and_the_list_has_gaps_nobody_counts_as_absent() -> None:
    transport = ScriptedTransport([reply(501), listing({"id": "1", "userName": "ada"}, total=3), listing(total=3)])
    with pytest.raises(OperationRefused, match="HTTP 501"):
        target_on(transport).find(USER, MatchingValue(attribute="userName", value="bob"))


@pytest.mark.parametrize("filters", [listing({"id": "1"}), reply(400), reply(501)])
def test_a_connection_without_filters_is_good_only_if_everybody_is_listed(filters: HttpResponse) -> None:
    scripted(filters, listing({"id": "1"})).probe("userName")
    scripted(listing({"id": "1"}), dialect=Dialect(filterable={"User": ()})).probe("userName")
    for others in (reply(500), reply(200, raw=b"<html>")):
        with pytest.raises(SystemUnreachable, match=r"ignores the filter|HTTP 400|HTTP 501"):
            scripted(filters, others).probe("userName")
    with pytest.raises(SystemUnreachable):
        scripted(filters, dialect=Dialect(can_list=False)).probe("userName")


def test_accounts_that_cannot_be_deleted_are_known_from_then_on() -> None:
    target = scripted(reply(405))
    assert target.capabilities.can_delete
    with pytest.raises(OperationRefused):
        target.delete(USER, "1")
    assert not target.capabilities.can_delete


def test_entras_forms_are_not_looked_after_when_they_find_no_target() -> None:
    with pytest.raises(ValueRefused) as raised:
        scripted(reply(400, {"scimType": "noTarget"}), dialect=ENTRA).update(USER, "42", [replaced(MAIL, "a@x")])
    assert raised.value.code == "SchemaAttributeNotFound"


def test_an_object_that_vanishes_while_its_element_is_looked_for_is_gone() -> None:
    with pytest.raises(TargetObjectGone):
        scripted(reply(400, {"scimType": "noTarget"}), reply(404)).update(USER, "42", [replaced(MAIL, "a@x")])


def test_without_a_token_no_authorization_is_sent() -> None:
    transport = ScriptedTransport([reply(404)])
    assert target_on(transport, token="").read(USER, "1") is None
    assert "Authorization" not in transport.sent[0].headers


# ---------------------------------------------------------------- sent on


@pytest.mark.parametrize(
    ("status", "location", "shown"),
    [
        (308, "https://evil.example/scim/v2/Users/1?token=t0psecret", "https://evil.example/scim/v2/Users/1"),
        (301, "http://app.example/scim/v2/Users/1", "http://app.example/scim/v2/Users/1"),
        (307, "https://app.example:8443/scim/v2/Users/1", "https://app.example:8443/scim/v2/Users/1"),
        (307, "//evil.example/", "//evil.example/"),
        (307, "https://app.example@evil.example/", "another address"),
        (307, "https://[evil/", "https://[evil/"),
        (308, "", "another address"),
        # Not within the same service, either: a page of maintenance or another account would answer for what was meant.
        (308, "/scim/v2/Users/1/", "/scim/v2/Users/1/"),
        (302, "/scim/v2/Users/1/", "/scim/v2/Users/1/"),
        (303, "/scim/v2/Users/1/", "/scim/v2/Users/1/"),
        (307, "/maintenance", "/maintenance"),
        (308, "/scim/v2/Users/2", "/scim/v2/Users/2"),
        (301, "/", "/"),
    ],
)
def test_no_redirect_is_followed(status: int, location: str, shown: str) -> None:
    transport = ScriptedTransport([reply(status, headers={"location": location})])
    with pytest.raises(SystemUnreachable, match="not followed") as raised:
        target_on(transport).delete(USER, "1")
    assert f"sends on to {shown} (HTTP {status})" in raised.value.sentence
    assert len(transport.sent) == 1


def test_a_version_that_is_demanded_is_named_from_then_on_and_looked_up_again_when_it_is_another() -> None:
    first, second = (
        reply(200, {"id": "1"}, headers={"etag": 'W/"1"'}),
        reply(200, {"id": "1", "meta": {"version": "2"}}),
    )
    transport = ScriptedTransport([reply(428), first, reply(412), second, reply(204), first, reply(204)])
    target = target_on(transport)
    target.delete(USER, "1")
    target.delete(USER, "1")
    changes = [each.headers.get("If-Match") for each in transport.sent if each.method == "DELETE"]
    assert changes == [None, 'W/"1"', "2", 'W/"1"']


@pytest.mark.parametrize("look", [reply(403), reply(200, {"id": "1"}), reply(200, raw=b"<html>")])
def test_a_version_that_is_demanded_and_never_shown_is_a_failure_of_the_object(look: HttpResponse) -> None:
    transport = ScriptedTransport([reply(412), look])
    with pytest.raises(ValueRefused, match="HTTP 412"):
        target_on(transport).delete(USER, "1")


def test_what_is_gone_is_gone_although_its_version_is_demanded_first() -> None:
    transport = ScriptedTransport([reply(428), reply(404)])
    target_on(transport).delete(USER, "42")
    assert [each.method for each in transport.sent] == ["DELETE", "GET"]


def test_the_version_of_a_group_is_looked_up_without_its_members_unless_that_is_another() -> None:
    part, whole = reply(200, {"id": "1"}, headers={"etag": '"p"'}), reply(200, {"id": "1"}, headers={"etag": '"w"'})
    transport = ScriptedTransport([reply(428), whole, reply(204), part, reply(412), whole, reply(204)])
    target = target_on(transport)
    for name in ("Crew", "Team"):
        target.update(GROUP, "1", [replaced("displayName", name)])
    assert [each.url.partition("?")[2] for each in transport.sent if each.method == "GET"] == [
        "",
        "excludedAttributes=members",
        "",
    ]
    versions = [each.headers.get("If-Match") for each in transport.sent if each.method == "PATCH"]
    assert versions == [None, '"w"', '"p"', '"w"']


@pytest.mark.parametrize("demand", [412, 428])
def test_a_whole_resource_that_somebody_else_changed_meanwhile_is_formed_anew(demand: int) -> None:
    first = reply(200, {"id": "42", "userName": "ada", "title": "Clerk"}, headers={"etag": '"1"'})
    theirs = reply(200, {"id": "42", "userName": "ada", "title": "Clerk", "nickName": "Ace", "meta": {"version": "2"}})
    transport = ScriptedTransport([reply(501), first, reply(demand), first, reply(412), theirs, reply(204)])
    target_on(transport).update(USER, "42", [replaced("title", "Chief")])
    assert [each.method for each in transport.sent] == ["PATCH", "GET", "PUT", "GET", "PUT", "GET", "PUT"]
    assert [each.headers.get("If-Match") for each in transport.sent if each.method == "PUT"] == [None, '"1"', "2"]
    last = transport.bodies()[-1]
    assert (last["title"], last["nickName"]) == ("Chief", "Ace")


@pytest.mark.parametrize(("headers", "looks"), [({"etag": '"1"'}, 4), ({}, 1)])
def test_a_whole_resource_whose_version_is_refused_again_and_again_is_a_failure_of_the_object(
    headers: dict[str, str], looks: int
) -> None:
    shown = reply(200, {"id": "42", "userName": "ada"}, headers=headers)
    transport = ScriptedTransport([reply(501), *([shown, reply(412)] * looks)])
    with pytest.raises(ValueRefused, match="HTTP 412"):
        target_on(transport).update(USER, "42", [replaced("title", "Chief")])
    assert len(transport.sent) == 1 + 2 * looks


# ---------------------------------------------------------------- 429 and the pace


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"retry-after": "7"}, timedelta(seconds=7)),
        ({"retry-after": "Mon, 05 Jan 2026 08:00:30 GMT"}, timedelta(seconds=30)),
        ({"ratelimit-reset": "12"}, timedelta(seconds=12)),
        ({"x-ratelimit-reset": str(int(EPOCH.timestamp()) + 5)}, timedelta(seconds=5)),
        ({"retry-after": "soon"}, timedelta(seconds=1)),
        ({}, timedelta(seconds=1)),
    ],
)
def test_a_429_is_waited_out_as_long_as_the_application_asks(headers: dict[str, str], waited: timedelta) -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(429, headers=headers), reply(204)]), clock=clock)
    target.delete(USER, "1")
    assert clock.now() - EPOCH == waited
    assert target.requests_made() == 2


def test_a_429_holds_back_the_other_requests_of_the_target_too() -> None:
    clock = StillClock()
    answers = [reply(429, headers={"retry-after": "3"}), reply(204), reply(404)]
    target = target_on(ScriptedTransport(answers), clock=clock)
    target.delete(USER, "1")
    assert target.read(USER, "2") is None
    # And then one by one, as it has said that it was too much.
    assert clock.slept[0] == timedelta(seconds=3)
    assert clock.now() - EPOCH < timedelta(seconds=3.1)


def test_without_retry_after_each_pause_is_twice_as_long_and_at_last_the_object_waits_for_the_next_cycle() -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(429)] * 20), clock=clock)
    with pytest.raises(TargetBusy, match="fewer requests") as raised:
        target.delete(USER, "1")
    assert raised.value.code == "TooManyRequests"
    assert [pause.total_seconds() for pause in clock.slept[:7]] == [1, 2, 4, 8, 16, 32, 60]


@pytest.mark.parametrize(
    ("headers", "minutes"),
    [
        ({"retry-after": "61"}, 61 / 60),
        ({"retry-after": "3600"}, 60),
        # Somebody who is told to stay away for a day asks again each hour.
        ({"retry-after": "86400"}, 60),
    ],
)
def test_a_long_pause_is_not_sat_out_but_said(headers: dict[str, str], minutes: float) -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(429, headers=headers), reply(204)]), clock=clock)
    for _ in range(2):
        # Nobody else sends anything either.
        with pytest.raises(Resting) as raised:
            target.delete(USER, "1")
        assert (raised.value.until, raised.value.code) == (EPOCH + timedelta(minutes=minutes), "TooManyRequests")
    assert (clock.slept, target.requests_made()) == ([], 1)
    clock.advance(timedelta(minutes=minutes))
    target.delete(USER, "1")


def test_a_budget_that_is_spent_for_long_is_said_too() -> None:
    clock = StillClock()
    spent = {"ratelimit-remaining": "0", "ratelimit-reset": "1800"}
    target = target_on(ScriptedTransport([reply(204, headers=spent)]), clock=clock)
    target.delete(USER, "1")
    with pytest.raises(Resting, match="08:30:00 UTC"):
        target.delete(USER, "2")


def test_whoever_tests_a_connection_is_not_left_waiting() -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(429, headers={"retry-after": "30"})]), clock=clock)
    with pytest.raises(Resting, match="until 2026-01-05 08:00:30 UTC"):
        target.probe("userName")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4"}, 4),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": '"default";r=1;t=30'}, 0),
        ({"ratelimit-remaining": "1", "ratelimit-reset": "9"}, 0),
        ({"ratelimit-remaining": "0"}, 0),
        ({}, 0),
    ],
)
def test_a_spent_budget_is_waited_for_before_it_is_overdrawn(headers: dict[str, str], waited: int) -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(204, headers=headers), reply(204)]), clock=clock)
    target.delete(USER, "1")
    target.delete(USER, "2")
    assert sum(pause.total_seconds() for pause in clock.slept) == waited


def test_requests_keep_to_the_rate_of_the_dialect() -> None:
    clock = StillClock()
    target = target_on(ScriptedTransport([reply(204)] * 30), dialect=Dialect(requests_per_second=10), clock=clock)
    for _ in range(30):
        target.delete(USER, "1")
    # One by one, a little slower than allowed: a target that counts by the second refuses none.
    assert timedelta(seconds=2.9) <= clock.now() - EPOCH <= timedelta(seconds=29 / 9.5)


def test_at_a_low_rate_nobody_takes_their_turn_for_a_pause() -> None:
    clock = StillClock()
    pace = Pace(clock, 20 / 60, at_once=32)
    passed: list[bool] = []
    threads = [Thread(target=lambda: (pace.wait(), passed.append(True))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(passed) == 32


def test_threads_share_one_pause_and_one_rate() -> None:
    clock = StillClock()
    pace = Pace(clock, 2)
    for asked in ("30", "5"):
        pace.wait()
        pace.refuse({"retry-after": asked})
    passed: list[timedelta] = []
    threads = [
        Thread(target=lambda: (pace.wait(), passed.append(clock.now() - EPOCH), pace.note({}))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(passed) == 8
    assert min(passed) >= timedelta(seconds=30)


# ---------------------------------------------------------------- with a real server, in memory


def joined(dialect: Dialect | None = None) -> tuple[ScimTarget, JoinedTransport]:
    transport = JoinedTransport(ScimService(generic_profile()))
    return target_on(transport, address=BASE_URL, token=TOKEN, dialect=dialect), transport


DIALECTS = [
    pytest.param(Dialect(), id="standard"),
    pytest.param(ENTRA, id="entra"),
    pytest.param(ENTRA_LEGACY, id="entra-legacy"),
    pytest.param(Dialect(update=UpdateMethod.PUT), id="put"),
]


def make(target: ScimTarget, name: str, **values: Any) -> str:
    pairs = {"userName": name, "active": True, **values}
    return target.create(USER, [MappedValue(attribute=key, value=value) for key, value in pairs.items()]).target_id


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_person_is_created_found_changed_disabled_renamed_and_deleted(dialect: Dialect) -> None:
    target, _ = joined(dialect)
    target.probe("userName")
    name = 'o"b\\r+ien %x@x.example'
    person = make(target, name, **{MAIL: "a@x.example", DEPARTMENT: "Sales", CITY: "London"})
    found = target.find(USER, MatchingValue(attribute="userName", value=name.upper()))
    assert [item.target_id for item in found] == [person]
    assert found[0].attributes == {
        "userName": name,
        "active": True,
        MAIL: "a@x.example",
        DEPARTMENT: "Sales",
        CITY: "London",
    }
    assert target.find(USER, MatchingValue(attribute=MAIL, value="a@x.example"))
    target.update(USER, person, [replaced(MAIL, "b@x.example"), replaced(DEPARTMENT, "R&D"), added("title", "Chief")])
    target.update(USER, person, [added(MOBILE, "+44 1"), added(COUNTRY, "GB"), replaced("userName", "new@x.example")])
    target.update(USER, person, [replaced("active", False)])
    seen = target.read(USER, person)
    assert seen is not None
    assert seen.attributes == {
        "userName": "new@x.example",
        "active": False,
        MAIL: "b@x.example",
        MOBILE: "+44 1",
        CITY: "London",
        COUNTRY: "GB",
        DEPARTMENT: "R&D",
        "title": "Chief",
    }
    target.update(USER, person, [removed("title"), replaced("active", True)])
    seen = target.read(USER, person)
    assert seen is not None and "title" not in seen.attributes and seen.attributes["active"] is True
    target.delete(USER, person)
    target.delete(USER, person)
    assert target.read(USER, person) is None
    with pytest.raises(TargetObjectGone):
        target.update(USER, person, [replaced("title", "x")])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_managers_and_members_are_set_and_taken_away(dialect: Dialect) -> None:
    target, transport = joined(dialect)
    ada, bob = make(target, "ada"), make(target, "bob")
    reference = AttributeChange(attribute=MANAGER, verb=Verb.ADD, old=None, new=bob, is_reference=True)
    target.update(USER, ada, [reference])
    seen = target.read(USER, ada)
    assert seen is not None and seen.references == {MANAGER: (bob,)}
    gone = AttributeChange(attribute=MANAGER, verb=Verb.REMOVE, old=bob, new=None, is_reference=True)
    target.update(USER, ada, [gone])
    seen = target.read(USER, ada)
    assert seen is not None and seen.references == {MANAGER: ()}

    crew = target.create(GROUP, [MappedValue(attribute="displayName", value="Crew")]).target_id
    target.update(GROUP, crew, [members(Verb.ADD, ada, bob)])
    target.update(GROUP, crew, [members(Verb.REMOVE, ada), replaced("displayName", "Band")])
    found = target.find(GROUP, MatchingValue(attribute="displayName", value="band"))
    assert [(item.target_id, item.display_name) for item in found] == [(crew, "Band")]
    shown = transport.service.ask("GET", f"/Groups/{crew}").json
    assert [member["value"] for member in shown["members"]] == [bob]
    target.update(GROUP, crew, [members(Verb.REPLACE, ada)])
    shown = transport.service.ask("GET", f"/Groups/{crew}").json
    assert [member["value"] for member in shown["members"]] == [ada]


def test_the_second_of_two_with_one_user_name_is_a_conflict() -> None:
    target, _ = joined()
    make(target, "ada")
    with pytest.raises(Conflict):
        make(target, "ADA")


def test_a_lost_answer_leaves_an_account_that_can_be_found() -> None:
    target, transport = joined()
    transport.lose_answers_of.add("POST")
    with pytest.raises(UnknownOutcome):
        make(target, "ada")
    assert target.find(USER, MatchingValue(attribute="userName", value="ada"))


def test_a_wrong_token_is_refused_on_the_probe() -> None:
    transport = JoinedTransport(ScimService(generic_profile()))
    with pytest.raises(CredentialsRefused):
        target_on(transport, address=BASE_URL, token="wrong").probe("userName")


def test_a_list_of_several_pages_shows_everybody_once() -> None:
    target, _ = joined(Dialect(page_size=7))
    made = {make(target, f"user{number}") for number in range(23)}
    seen: list[str] = []
    start: str | None = None
    while True:
        page = target.list_page(USER, start)
        seen += [item.target_id for item in page.resources]
        start = page.next_start
        if start is None:
            break
    assert sorted(seen) == sorted(made)


def test_the_gallery_page_of_8x8_makes_an_account_that_reads_back_as_it_was_sent() -> None:
    page = find("8x8")
    assert page is not None
    schema = read_schema(page.schema_document())
    transport = JoinedTransport(ScimService(generic_profile()))
    target = ScimTarget(
        transport=transport,
        address=f"{BASE_URL}/",
        authorization=bearer(TOKEN),
        dialect=page.dialect,
        attributes=mapped_attributes(schema),
        clock=StillClock(),
        ids=CountingIds(),
    )
    values: dict[str, Any] = {item.name: f"{number}" for number, item in enumerate(mapped_attributes(schema)[USER])}
    values |= {"active": True, MAIL: "ada@x.example"}
    written = target.create(USER, [MappedValue(attribute=name, value=value) for name, value in values.items()])
    assert written.resource is not None
    assert dict(written.resource.attributes) == values
    assert target.capabilities.can_list and target.capabilities.page_size == 100
