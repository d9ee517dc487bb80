"""Attacks that no test of a face plays: paths that leave their folder, sessions brought along, lines in headers, and
comparisons that tell by their time how much of a secret was right. SECURITY.md says where the others are."""

import ast
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from documents.reading import ROOT, modules
from faces.house import House
from faces.portal_visit import NAME, PASSWORD, Visit
from muster.administration.access import create_administrator
from muster.http_server.messages import Answer, Request, write_answer
from muster.http_server.wsgi import WsgiFace
from muster.model.roles import Role
from muster.sealing import MAX_PASSWORD_CHARACTERS
from muster.ui.brake import network_of
from muster.web.portal.door import COOKIE

ADMIN = Role.GLOBAL_ADMINISTRATOR
_SECRET = re.compile(r"(token|secret|signature|hmac|password|code_challenge)s?$")
# Neither is compared with what somebody sent.
_HARMLESS = {
    "found.token != refused",  # whether another thread has renewed our own access token
    "secret == MASK",
    "password == MASK",
}


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../pyproject.toml",
        "/assets/..%2f..%2fpyproject.toml",
        "/assets/%2e%2e/%2e%2e/settings.py",
        "/assets/....//....//settings.py",
        "/assets//etc/passwd",
        "/assets/..%5c..%5csettings.py",
        "/assets/muster.css%00.py",
        "/assets/",
    ],
)
def test_no_path_leads_out_of_the_assets(house: House, path: str) -> None:
    answer = Visit(house, ADMIN).get(path)
    assert answer.status_code in (308, 404)  # 308: the same path without its double slashes
    assert "root:" not in answer.text
    assert "[project]" not in answer.text


def test_a_session_that_was_brought_along_is_not_the_one_that_signs_in(house: House) -> None:
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    visit = Visit(house)
    visit.client.set_cookie(COOKIE, "chosen-by-somebody-else")
    assert visit.sign_in().status_code == 303
    kept = visit.client.get_cookie(COOKIE)
    assert kept is not None
    assert kept.value != "chosen-by-somebody-else"
    stranger = Visit(house)
    stranger.client.set_cookie(COOKIE, "chosen-by-somebody-else")
    assert stranger.get("/").status_code == 303


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "\r\n\r\n<script>"])
def test_no_header_of_an_answer_ends_its_line(value: str) -> None:
    with pytest.raises(ValueError, match="end of a line"):
        write_answer(Answer(200, [("Location", value)], b""), date="Date: x\r\n", is_head=False, connection=None)


@pytest.mark.parametrize("wanted", ["/%0d%0aSet-Cookie:%20x=1", "/\r\nSet-Cookie: x=1", "//elsewhere.example"])
def test_a_sign_in_leads_on_without_a_header_of_the_caller_s(house: House, wanted: str) -> None:
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    visit = Visit(house)
    form = {"csrf_token": visit.token("/sign-in"), "name": NAME, "password": PASSWORD, "next": wanted}
    answer = visit.client.post("/sign-in", data=form)
    assert answer.status_code in (303, 400)
    assert "x=1" not in str(answer.headers.getlist("Set-Cookie"))
    assert "elsewhere" not in answer.headers.get("Location", "")


def test_a_stranger_who_guesses_through_the_proxy_keeps_nobody_else_out(house: House) -> None:
    """All of them have the proxy's address: were that the machine, sixty wrong guesses would stop everybody."""
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    face = WsgiFace(Visit(house).client.application, behind_proxy=True)

    def sign_in(machine: str, name: str, password: str) -> int:
        headers = {b"host": b"localhost", b"x-forwarded-for": f"127.0.0.1, {machine}".encode()}
        page = face.answer(Request("GET", b"/sign-in", headers, b"", ("10.0.0.1", 5), False))
        seal = re.search(rb'name="csrf_token" value="([^"]+)"', page.body)
        assert seal is not None
        cookie = next(value for key, value in page.headers if key == "Set-Cookie").partition(";")[0]
        form = urlencode({"csrf_token": seal[1].decode(), "name": name, "password": password}).encode()
        headers |= {b"content-type": b"application/x-www-form-urlencoded", b"cookie": cookie.encode()}
        return face.answer(Request("POST", b"/sign-in", headers, form, ("10.0.0.1", 5), False)).status

    # Each of them from one network: an IPv6 address more costs nothing.
    # A guess too long to be one is refused before it is hashed, which takes a sixth of a second.
    guess = "x" * (MAX_PASSWORD_CHARACTERS + 1)
    guesses = [sign_in(f"2001:db8:0:1::{number:x}", f"name {number}", guess) for number in range(62)]
    assert (guesses[:60], guesses[60:]) == ([401] * 60, [429] * 2)
    assert sign_in("198.51.100.7", NAME, PASSWORD) == 303


@pytest.mark.parametrize(
    ("machine", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:0:1:2::3", "2001:db8:0:1::/64"),
        ("?", "?"),
    ],
)
def test_one_machine_is_an_ipv4_address_or_a_network_of_ipv6(machine: str, network: str) -> None:
    assert network_of(machine) == network


def _compared(module: Path) -> list[str]:
    """Comparisons by == and != of something that is named like a secret, but for those with a constant and those that
    a database makes."""
    found = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            parts = [node.left, *node.comparators]
            names = [
                part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
                for part in parts
            ]
            text = ast.unparse(node)
            is_constant = any(isinstance(part, ast.Constant) for part in parts)
            if any(_SECRET.search(name) for name in names) and ".c." not in text and not is_constant:
                found.append(text)
    return found


def test_what_somebody_sends_is_compared_with_a_secret_in_constant_time() -> None:
    """By hmac.compare_digest, or looked up in a database by its hash."""
    compared = {(module.name, text) for module in modules() for text in _compared(module)}
    assert [each for each in sorted(compared) if each[1] not in _HARMLESS] == []
    assert {text for _, text in compared} >= _HARMLESS, "nothing is left of what is gone"


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
