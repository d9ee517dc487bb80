"""Two web processes behind one database: whoever signs in at one is known at the other, and signed out at both."""

import io
import json
import re
import shutil
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from ruamel.yaml import YAML

from documents.reading import ROOT
from muster.cli.api import HttpApi
from played_installation import ENVIRONMENT, PlayedService, command, service
from played_postgres import PlayedServer

NAME, PASSWORD = "Ada Admin", "correct horse battery"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """Keeps its cookies, whichever process a load balancer sends it to."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def ask(self, at: PlayedService, method: str, path: str, **fields: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", at.port, timeout=60)
        headers = {"Host": "muster.example", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(fields) if fields else None, headers)
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    cookie, _, content = value.partition(";")[0].partition("=")
                    self.cookies[cookie] = content
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def token(self, at: PlayedService, path: str) -> str:
        found = _TOKEN.search(self.ask(at, "GET", path)[1])
        assert found is not None
        return found.group(1)


def test_sessions_and_forms_are_known_to_every_web_process(
    own_server: PlayedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own_server.url_of(own_server.create())
    options = ("--database", url, "--web-only")
    monkeypatch.setitem(ENVIRONMENT, "MUSTER_LOG_FORMAT", "json")
    with service(tmp_path / "here", token="unused", options=options) as here:
        (tmp_path / "there").mkdir(mode=0o700)
        shutil.copy(here.folder / "secret.key", tmp_path / "there")
        monkeypatch.setenv("MUSTER_DATABASE", url)
        monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
        made = command("admin", "create", NAME, "--password-stdin", "--data", here.folder)
        assert made.status == 0, made.err
        issued = command("token", "create", "test", "--role", "Global Administrator", "--data", here.folder, "--json")
        with service(tmp_path / "there", token="unused", options=options) as there:
            # No engine works: the container's check says so, of a web process that answers.
            assert [_is_well(there, path) for path in ("/readyz", "/healthz")] == [False, True]
            _visit_both(here, there)
            _visit_both_as_a_person(here, there, issued.json["token"])
    told = [json.loads(line) for log in tmp_path.glob("*.log") for line in log.read_text().splitlines()]
    assert len([each for each in told if "Stop it with Ctrl-C" in each["message"]]) == 2, "each line is one object"


def _is_well(at: PlayedService, path: str) -> bool:
    """What the check of the compose file finds out, of this process and by this path."""
    compose = YAML(typ="safe").load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    _, _, option, program = compose["services"]["web"]["healthcheck"]["test"]
    asked = program.replace("8080", str(at.port)).replace("/readyz", path)
    return subprocess.run([sys.executable, option, asked], check=False).returncode == 0


def _visit_both(here: PlayedService, there: PlayedService) -> None:
    browser = Browser()
    # The form comes from one, and goes to the other.
    form = browser.token(here, "/sign-in")
    status, page = browser.ask(there, "POST", "/sign-in", csrf_token=form, name=NAME, password=PASSWORD)
    assert status == 303, page
    assert [browser.ask(each, "GET", "/users")[0] for each in (here, there)] == [200, 200]
    stolen = dict(browser.cookies)
    status, page = browser.ask(here, "POST", "/sign-out", csrf_token=browser.token(there, "/users"))
    assert status == 303, page
    browser.cookies = stolen
    assert [browser.ask(each, "GET", "/users")[0] for each in (here, there)] == [303, 303]


def _visit_both_as_a_person(here: PlayedService, there: PlayedService, token: str) -> None:
    profile = {"password": PASSWORD, "forceChangePasswordNextSignIn": False}
    name = "bob@example.com"
    person = {"userPrincipalName": name, "displayName": "Bob", "accountEnabled": True, "passwordProfile": profile}
    HttpApi(here.url, token).post("/users", person)
    browser = Browser()
    form = browser.token(there, "/signin")
    status, page = browser.ask(here, "POST", "/signin", csrf_token=form, name=name, password=PASSWORD)
    assert status == 303, page
    assert [browser.ask(each, "GET", "/myapps")[0] for each in (here, there)] == [200, 200]
    stolen = dict(browser.cookies)
    status, page = browser.ask(there, "POST", "/signout", csrf_token=browser.token(here, "/myapps"))
    assert status in (200, 303), page
    browser.cookies = stolen
    assert [browser.ask(each, "GET", "/myapps")[0] for each in (here, there)] == [303, 303]
