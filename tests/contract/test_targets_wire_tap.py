"""The tap on the wire: open as long as it was asked for, bounded, and blind to secrets and redacted values."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.scripted_transport import ScriptedTransport, reply
from fakes.store import fresh_store
from fakes.world import EPOCH, StillClock
from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.model.wire import WireExchange
from muster.ports.wire import concerning
from muster.store import wire as store_wire
from muster.store.open import Store
from muster.targets.wire_tap import BODY_CHARACTERS, TappedTransport, leaf_name
from muster.telemetry.ids import bound

REDACTED = ('emails[type eq "work"].value', "urn:example:1.0:User:badgeNumber", "name.familyName", "nickName")
TOKEN = "s3cret-token"
DEADLINE = timedelta(seconds=5)


class Tapped:
    """A tapped transport that plays answers."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = fresh_store(folder)
        self.clock = StillClock()
        self.until = EPOCH + timedelta(minutes=30)
        self.inner = ScriptedTransport()
        self.transport = TappedTransport(
            self.inner,
            log=self.store.wire,
            job_id="job",
            open_until=lambda: self.until,
            redacted=REDACTED,
            secrets=lambda: (TOKEN, ""),
            clock=self.clock,
        )

    def send(self, answer: HttpResponse | ExchangeFailed, body: Any = None, url: str = "https://x/Users") -> None:
        self.inner.script.append(answer)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.transport.send(HttpRequest(method="POST", url=url, headers=headers, body=content), deadline=DEADLINE)

    def kept(self, source_id: str | None = None) -> list[WireExchange]:
        return list(self.store.wire.recent("job", source_id, 5_000))


@pytest.fixture
def tapped(tmp_path: Path) -> Tapped:
    return Tapped(tmp_path)


def test_an_exchange_is_kept_with_whom_it_was_about(tapped: Tapped) -> None:
    with concerning("ada"), bound(cycle_id="cycle-1"):
        tapped.send(reply(201, {"id": "1"}), {"userName": "ada"})
    tapped.send(reply(200, {}))
    second, first = tapped.kept()
    assert (first.source_id, first.cycle_id, first.method, first.status) == ("ada", "cycle-1", "POST", 201)
    assert (first.request_body, first.response_body) == ('{"userName": "ada"}', '{"id": "1"}')
    assert (second.source_id, second.cycle_id) == (None, None)
    assert tapped.kept("ada") == [first]


def test_nothing_is_kept_while_it_is_closed_and_it_closes_by_itself(tapped: Tapped) -> None:
    tapped.clock.advance(timedelta(minutes=30))
    tapped.send(reply(200, {}))
    assert tapped.kept() == []
    tapped.until = tapped.clock.now() + timedelta(minutes=1)
    tapped.send(reply(200, {}))
    assert tapped.kept() == []
    tapped.clock.advance(timedelta(seconds=5))
    tapped.send(reply(200, {}))
    assert len(tapped.kept()) == 1


BODIES: list[Any] = [
    {"nickName": "HIDE", "password": "HIDE", "title": "shown"},
    {"name": {"familyName": "HIDE", "givenName": "shown"}},
    {"emails": [{"type": "work", "value": "HIDE"}], "title": "shown"},
    {"urn:example:1.0:User": {"badgeNumber": "HIDE"}, "title": "shown"},
    {"Operations": [{"op": "Replace", "path": "nickName", "value": "HIDE"}, {"op": "add", "value": "shown"}]},
    {"Operations": [{"op": "Replace", "path": 'emails[type eq "work"].value', "value": "HIDE"}, {"v": "shown"}]},
    {"Operations": [{"op": "Add", "path": "urn:example:1.0:User:badgeNumber", "value": "HIDE"}, {"v": "shown"}]},
    {"Operations": [{"op": "replace", "value": {"name.familyName": "HIDE", "title": "shown"}}]},
    {"Operations": [{"op": "replace", "value": {"urn:example:1.0:User:badgeNumber": "HIDE", "title": "shown"}}]},
    {"Resources": [{"NICKNAME": "HIDE", "title": "shown"}]},
]


@pytest.mark.parametrize("body", BODIES)
def test_redacted_values_are_taken_out_wherever_they_stand(tapped: Tapped, body: Any) -> None:
    tapped.send(reply(200, body), body)
    (found,) = tapped.kept()
    for text in (found.request_body or "", found.response_body or ""):
        assert "HIDE" not in text and "shown" in text and "[Redact]" in text


def test_credentials_are_not_kept_whoever_sends_them(tapped: Tapped) -> None:
    tapped.send(reply(401, {"detail": f"the token {TOKEN} is unknown"}), url=f"https://x/Users?key={TOKEN}")
    tapped.send(reply(500, raw=f"<html>{TOKEN}</html>".encode()))
    for found in tapped.kept():
        assert TOKEN not in repr(found) and "•••" in repr(found)


def test_a_lookup_by_a_redacted_attribute_shows_no_value(tapped: Tapped) -> None:
    tapped.send(reply(200, {}), url="https://x/Users?filter=nickName+eq+%22HIDE%22")
    assert tapped.kept()[0].url == "https://x/Users?[Redact]"


def test_what_cannot_be_read_and_may_hold_a_redacted_value_is_not_shown(tapped: Tapped) -> None:
    tapped.send(reply(200, raw=b'{"nickName": "HIDE'))
    tapped.send(reply(200, raw=b"<html>Sign in</html>"))
    page, cut = tapped.kept()
    assert (cut.response_body, page.response_body) == ("[Redact]", "<html>Sign in</html>")


def test_a_long_body_is_cut(tapped: Tapped) -> None:
    tapped.send(reply(200, {"title": "x" * 100_000}))
    assert len(tapped.kept()[0].response_body or "") == BODY_CHARACTERS + 1


def test_a_lost_answer_is_kept_with_its_reason_and_still_lost(tapped: Tapped) -> None:
    with pytest.raises(ExchangeFailed):
        tapped.send(ExchangeFailed("the connection broke", sent=True))
    assert (tapped.kept()[0].status, tapped.kept()[0].trouble) == (None, "the connection broke")


def test_a_store_that_fails_does_not_change_what_is_sent(tapped: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(tapped.store.wire), "record", fail)
    tapped.send(reply(200, {}))
    assert tapped.inner.script == []


def test_only_the_newest_are_kept(tapped: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_wire, "KEPT_A_JOB", 50)
    for number in range(230):
        tapped.send(reply(200, {"n": number}))
    kept = tapped.kept()
    assert 50 <= len(kept) <= 150
    assert kept[0].response_body == '{"n": 229}'


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("nickName", "nickname"),
        ("name.familyName", "familyname"),
        ('emails[type eq "work"].value', "emails"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "department"),
        ("urn:example:2.0:User:address.city", "city"),
        ('urn:example:2.0:User:tags[type eq "x"].value', "tags"),
    ],
)
def test_an_attribute_is_known_by_its_name_in_bodies(path: str, name: str) -> None:
    assert leaf_name(path) == name
