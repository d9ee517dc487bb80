"""The pages of people in a real browser: accessible, in both themes and widths, from the link to the second factor."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from faces.browser import Browser
from faces.house import House
from faces.person_visit import PASSWORD, PeopleSite
from muster.administration import passwords, second_factors


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (inherited)
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[PeopleSite, Browser]]:
    house = House(tmp_path)
    house.clock.at = datetime.now(UTC)
    site = PeopleSite(house)
    with make_server("127.0.0.1", 0, site.site, _Server, _Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        browser = Browser(f"http://127.0.0.1:{server.server_port}")
        try:
            yield site, browser
        finally:
            browser.close()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_a_person_sets_a_password_and_an_app_and_every_page_on_the_way_is_accessible(
    served: tuple[PeopleSite, Browser], theme: str, width: int
) -> None:
    site, browser = served
    person = site.person(password=None)
    token, _ = passwords.create_link(site.house.desk, person)

    def seen(selector: str, name: str) -> None:
        browser.see(selector)
        assert browser.violations() == [], name
        browser.picture(f"person-{name}-{theme}-{width}")

    browser.size(width, 900)
    browser.go("/signin")
    browser.theme(theme)
    browser.go("/signin")
    seen("#password", "sign-in")
    browser.go(f"/signin/link/{token}")
    seen("#password", "link")
    browser.fill(password=PASSWORD)
    browser.click("form .btn-primary")
    seen(".blank", "no-apps")
    browser.go("/myapps/account")
    seen("#app", "account")
    browser.click("#app button")
    seen(".qr img", "qr-code")
    secret = browser.see(".key").text.replace(" ", "")
    code = second_factors._codes(secret).generate(int(site.house.clock.at.timestamp())).decode()
    browser.fill(code=code)
    browser.click("#app button")
    seen(".codes", "recovery-codes")
    browser.driver.delete_all_cookies()
    browser.go("/signin")
    browser.fill(name="ada@example.com", password="wrong guess")
    browser.click("form .btn-primary")
    seen(".refusal", "refused")
    browser.fill(password=PASSWORD)
    browser.click("form .btn-primary")
    seen("#code", "code")
