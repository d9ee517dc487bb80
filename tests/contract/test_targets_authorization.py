"""What lets requests in: fixed headers, and access tokens that are fetched once, kept, and renewed in time."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from contract.test_targets_scim import ATTRIBUTES
from fakes.scripted_transport import ScriptedTransport, listing, reply
from fakes.world import CountingIds, StillClock
from muster.model.credentials import (
    BasicLogin,
    BearerToken,
    ClientAuthentication,
    HeaderValue,
    Login,
    NoAuthorization,
    OAuthClient,
)
from muster.model.exchange import AddressRefused, ConnectionFailed, HttpRequest, HttpResponse
from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.scim.dialect import Dialect
from muster.targets.authorization import AccessToken, Authorization, OAuthTokens, TokenShelf, authorization_of
from muster.targets.scim import ScimTarget

ENDPOINT = "https://id.example/oauth2/token"
SECRET = "cl!ent s3cret/+"
CLIENT = OAuthClient(token_endpoint=ENDPOINT, client_id="muster app", client_secret=SECRET)
FOR_SOMEBODY = replace(CLIENT, acts_for_somebody=True, refresh_token="refresh-1")


def token_reply(token: str, expires_in: Any = 3600, **more: Any) -> HttpResponse:
    body = {"access_token": token, "token_type": "Bearer", "expires_in": expires_in, **more}
    return reply(200, {key: value for key, value in body.items() if value is not None})


def tokens(
    transport: ScriptedTransport, client: OAuthClient = CLIENT, clock: StillClock | None = None, **more: Any
) -> OAuthTokens:
    return OAuthTokens(
        client, transport=transport, clock=clock or StillClock(), shelf=more.pop("shelf", TokenShelf()), **more
    )


def form_of(request: HttpRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}


def target_with(authorization: Authorization, transport: ScriptedTransport) -> ScimTarget:
    return ScimTarget(
        transport=transport,
        address="https://app.example/scim/v2",
        authorization=authorization,
        dialect=Dialect(),
        attributes=ATTRIBUTES,
        clock=StillClock(),
        ids=CountingIds(),
    )


# ---------------------------------------------------------------- fixed


@pytest.mark.parametrize(
    ("login", "headers"),
    [
        (NoAuthorization(), {}),
        (BearerToken(token="t"), {"Authorization": "Bearer t"}),
        (
            BasicLogin(user="jö", password="p:w"),
            {"Authorization": "Basic " + base64.b64encode("jö:p:w".encode()).decode()},
        ),
        (HeaderValue(name="X-API-Key", value="k"), {"X-API-Key": "k"}),
    ],
)
def test_a_login_is_sent_with_every_request_and_never_renewed(login: Login, headers: dict[str, str]) -> None:
    transport = ScriptedTransport([reply(401), listing()])
    authorization = authorization_of(login, transport=transport, clock=StillClock(), shelf=TokenShelf())
    target = target_with(authorization, transport)
    with pytest.raises(CredentialsRefused, match=f"does not accept the {authorization.name}") as refused:
        target.probe("userName")
    assert refused.value.remedy.startswith(f"Check the {authorization.name}, ")
    target.probe("userName")
    assert len(transport.sent) == 2
    for request in transport.sent:
        sent = {name: value for name, value in request.headers.items() if name not in ("Accept", "User-Agent")}
        assert sent == headers


@pytest.mark.parametrize(
    "login",
    [BearerToken(token="hush-1"), BasicLogin(user="u", password="hush-1"), HeaderValue(name="K", value="hush-1")],
)
def test_what_a_target_gives_back_of_a_login_does_not_show(login: Login) -> None:
    said = {"detail": f"hush-1 {base64.b64encode(b'u:hush-1').decode()} is wrong"}
    transport = ScriptedTransport([reply(401, said)])
    authorization = authorization_of(login, transport=transport, clock=StillClock(), shelf=TokenShelf())
    with pytest.raises(CredentialsRefused) as refused:
        target_with(authorization, transport).probe("userName")
    assert "hush-1" not in refused.value.sentence
    if isinstance(login, BasicLogin):
        assert base64.b64encode(b"u:hush-1").decode() not in refused.value.sentence


# ---------------------------------------------------------------- client credentials


@pytest.mark.parametrize(
    ("how", "in_header", "in_body"),
    [
        (ClientAuthentication.HEADER, True, False),
        (ClientAuthentication.BODY, False, True),
        (ClientAuthentication.BOTH, True, True),
    ],
)
def test_the_client_shows_itself_in_header_body_or_both(
    how: ClientAuthentication, in_header: bool, in_body: bool
) -> None:
    transport = ScriptedTransport([token_reply("a-1")])
    found = tokens(transport, replace(CLIENT, authentication=how, scopes="users.read users.write")).headers()
    assert found == {"Authorization": "Bearer a-1"}
    (request,) = transport.sent
    assert (request.method, request.url) == ("POST", ENDPOINT)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    # Both parts form-encoded before they are joined (RFC 6749 §2.3.1).
    encoded = base64.b64encode(b"muster+app:cl%21ent+s3cret%2F%2B").decode()
    assert (request.headers.get("Authorization") == f"Basic {encoded}") is in_header
    body = {"client_id": "muster app", "client_secret": SECRET} if in_body else {}
    assert form_of(request) == {"grant_type": "client_credentials", "scope": "users.read users.write", **body}


def test_a_token_is_kept_until_shortly_before_its_end_and_shared_by_connections_to_the_same_client() -> None:
    clock, shelf = StillClock(), TokenShelf()
    transport = ScriptedTransport([token_reply("a-1", 600), token_reply("a-2", "600"), token_reply("b-1")])
    first = tokens(transport, clock=clock, shelf=shelf)
    assert first.headers() == tokens(transport, clock=clock, shelf=shelf).headers() == {"Authorization": "Bearer a-1"}
    clock.advance(timedelta(seconds=539))
    assert first.headers() == {"Authorization": "Bearer a-1"}
    clock.advance(timedelta(seconds=1))
    assert first.headers() == {"Authorization": "Bearer a-2"}
    # Another secret is another client.
    other = replace(CLIENT, client_secret="changed")
    assert tokens(transport, other, clock, shelf=shelf).headers() == {"Authorization": "Bearer b-1"}


@pytest.mark.parametrize("expires_in", [None, 0, -5, "soon", True, "nan", 1e400])
def test_a_token_whose_end_nobody_says_is_kept_for_an_hour(expires_in: Any) -> None:
    clock = StillClock()
    answer = token_reply("a-1", None) if expires_in is None else token_reply("a-1", str(expires_in))
    transport = ScriptedTransport([answer, token_reply("a-2")])
    found = tokens(transport, clock=clock)
    found.headers()
    clock.advance(timedelta(minutes=59))
    assert found.headers() == {"Authorization": "Bearer a-1"}
    clock.advance(timedelta(minutes=1))
    assert found.headers() == {"Authorization": "Bearer a-2"}


def test_a_refused_token_is_renewed_once_and_the_request_sent_again() -> None:
    transport = ScriptedTransport([token_reply("a-1"), reply(401), token_reply("a-2"), listing()])
    target_with(tokens(transport), transport).probe("userName")
    asked = [request for request in transport.sent if request.url != ENDPOINT]
    assert [request.headers["Authorization"] for request in asked] == ["Bearer a-1", "Bearer a-2"]
    assert len({request.url for request in asked}) == 1


def test_a_renewed_token_that_is_refused_too_is_a_refusal() -> None:
    told = reply(401, {"detail": f"access-2 of {SECRET} is none"})
    transport = ScriptedTransport([token_reply("access-1"), reply(401), token_reply("access-2"), told])
    with pytest.raises(CredentialsRefused, match="does not accept the access token: ••• of ••• is none"):
        target_with(tokens(transport), transport).probe("userName")
    assert transport.script == []


def test_many_threads_fetch_one_token_and_renew_it_once() -> None:
    transport = ScriptedTransport([token_reply("a-1"), token_reply("a-2")])
    shared, barrier, found = tokens(transport), Barrier(8), []

    def work() -> None:
        barrier.wait()
        headers = shared.headers()
        barrier.wait()
        assert shared.renew(headers)
        found.append(shared.headers()["Authorization"])

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(transport.sent)) == (["Bearer a-2"] * 8, 2)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (reply(401, {"error": "invalid_client"}), CredentialsRefused, r"HTTP 401, invalid_client\)"),
        (
            reply(400, {"error": "invalid_scope", "error_description": f"no {SECRET}"}),
            CredentialsRefused,
            r"invalid_scope: no •••\)",
        ),
        (reply(403, raw=b"<html>no"), CredentialsRefused, r"HTTP 403\)"),
        (reply(302, headers={"location": "https://evil.example"}), SystemUnreachable, "is not followed"),
        (reply(500, {"error": "oops"}), SystemUnreachable, "gives no token"),
        (reply(404), SystemUnreachable, "gives no token"),
        (reply(200, raw=b"<html>sign in</html>"), SystemUnreachable, "does not answer as OAuth 2"),
        (reply(200, {"token_type": "Bearer"}), SystemUnreachable, "no access token"),
        (reply(200, {"access_token": "two words"}), SystemUnreachable, "no access token"),
        (reply(200, {"access_token": "a\r\nX: y"}), SystemUnreachable, "no access token"),
        (reply(200, {"access_token": "a" * 20_000}), SystemUnreachable, "no access token"),
        (reply(200, {"access_token": ["a"]}), SystemUnreachable, "no access token"),
        (token_reply("a", token_type="mac"), CredentialsRefused, "of the type mac"),
        (ConnectionFailed("it broke", sent=True), SystemUnreachable, "cannot be reached: it broke"),
        (AddressRefused("10.0.0.1 is a private address"), SystemUnreachable, "is not called: 10.0.0.1"),
    ],
)
def test_what_gives_no_token_says_why_and_no_secret(answer: Any, kind: type[Exception], said: str) -> None:
    transport = ScriptedTransport([answer])
    with pytest.raises(kind, match=said) as caught:
        target_with(tokens(transport), transport).probe("userName")
    assert SECRET not in str(caught.value)
    assert [request.url for request in transport.sent] == [ENDPOINT]


def test_an_endpoint_that_asks_to_wait_is_waited_for_and_not_for_ever() -> None:
    clock = StillClock()
    began = clock.now()
    busy = reply(429, headers={"retry-after": "7"})
    transport = ScriptedTransport([busy, reply(429), token_reply("a-1")])
    assert tokens(transport, clock=clock).headers() == {"Authorization": "Bearer a-1"}
    assert clock.now() - began == timedelta(seconds=8)
    with pytest.raises(SystemUnreachable, match="HTTP 429"):
        tokens(ScriptedTransport([busy] * 9), clock=clock).headers()


def test_a_token_without_a_type_is_taken() -> None:
    assert tokens(ScriptedTransport([token_reply("a", token_type=None)])).headers() == {"Authorization": "Bearer a"}


# ---------------------------------------------------------------- for somebody


def test_a_stored_token_is_used_to_its_end_and_each_new_refresh_token_is_kept() -> None:
    clock, kept = StillClock(), list[AccessToken]()
    client = replace(FOR_SOMEBODY, access_token="a-0", expires_at=int(clock.now().timestamp()) + 600)
    transport = ScriptedTransport(
        [token_reply("a-1", 600, refresh_token="refresh-2"), token_reply("a-2", 600), token_reply("a-3", 600)]
    )
    found = tokens(transport, client, clock, keep=kept.append)
    assert found.headers() == {"Authorization": "Bearer a-0"}
    for number in range(1, 4):
        clock.advance(timedelta(seconds=590))
        assert found.headers() == {"Authorization": f"Bearer a-{number}"}
    sent = [form_of(request) for request in transport.sent]
    assert [form["refresh_token"] for form in sent] == ["refresh-1", "refresh-2", "refresh-2"]
    assert {form["grant_type"] for form in sent} == {"refresh_token"}
    assert [(token.token, token.refresh_token) for token in kept] == [
        ("a-1", "refresh-2"),
        ("a-2", "refresh-2"),
        ("a-3", "refresh-2"),
    ]
    assert {"refresh-2", "a-3", SECRET} <= set(found.secrets())


def test_without_a_refresh_token_the_end_of_the_access_token_asks_for_a_new_authorization() -> None:
    clock = StillClock()
    client = replace(FOR_SOMEBODY, refresh_token=None, access_token="a-0", expires_at=int(clock.now().timestamp()) + 60)
    found = tokens(ScriptedTransport(), client, clock)
    assert found.headers() == {"Authorization": "Bearer a-0"}
    clock.advance(timedelta(seconds=60))
    with pytest.raises(CredentialsRefused, match="no refresh token"):
        found.headers()


def test_a_client_without_a_secret_names_itself_in_the_body() -> None:
    transport = ScriptedTransport([token_reply("a-1")])
    tokens(transport, replace(FOR_SOMEBODY, client_secret=None)).headers()
    (request,) = transport.sent
    assert "Authorization" not in request.headers
    assert form_of(request) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "muster app",
    }


def test_tokens_of_clients_that_act_for_themselves_are_not_kept_with_the_credentials() -> None:
    kept: list[AccessToken] = []
    transport = ScriptedTransport([token_reply("a-1")])
    made = authorization_of(CLIENT, transport=transport, clock=StillClock(), shelf=TokenShelf(), keep=kept.append)
    made.headers()
    assert kept == []


def test_a_shelf_forgets_the_oldest_of_too_many() -> None:
    shelf, clock = TokenShelf(), StillClock()
    for number in range(1_001):
        with shelf.fetching(str(number)):
            shelf.keep(str(number), AccessToken(token=str(number), until=clock.now()))
    assert (shelf.find("0"), shelf.find("1000") is not None) == (None, True)
