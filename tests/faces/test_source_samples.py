"""The samples of docs/sources: every command in them runs, against servers that the tests start."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from muster.bootstrap.house import open_house
from muster.settings import load_settings
from played_installation import command, service
from played_ldap import GROUPS, PASSWORD, PEOPLE, READER, SKIP, find_slapd, group, person, played_slapd

DOCS = Path(__file__).parents[2] / "docs" / "sources"


def commands(page: str) -> list[str]:
    """The commands of a page, in their order."""
    return re.findall(r"^    ((?:muster|curl) .+)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)


def run(line: str, exchanged: Mapping[str, str], *more: str) -> str:
    """What a command prints, with addresses and names of the sample exchanged for those there are."""
    for name, real in exchanged.items():
        line = line.replace(name, real)
    program, *arguments = shlex.split(line)
    if program == "curl":
        done = subprocess.run([program, "-sf", *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout
    ended = command(*arguments, *more)
    assert ended.status == 0, (line, ended.err)
    return ended.out


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation that may call this machine."""
    folder = tmp_path / "data"
    folder.mkdir()
    open_house(load_settings(data=folder), folder).database.close()
    monkeypatch.setenv("MUSTER_ALLOW_TARGETS", "127.0.0.0/8")
    return folder


@pytest.mark.skipif(find_slapd() is None, reason=SKIP)
def test_the_sample_for_ldap(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_CREDENTIAL_LDAP", PASSWORD)
    lines = commands("ldap.md")
    assert READER in lines[0] and PEOPLE in lines[0] and GROUPS in lines[0] and len(lines) == 5
    staff = [person("ada", "Ada Long"), person("bob", "Bob", f"manager: uid=ada,{PEOPLE}"), group("sales", "ada")]
    with played_slapd(tmp_path / "slapd", staff) as server:
        exchanged = {"Server=ldaps://ldap.example.com": f"Server={server.url} --set Encryption=none"}
        said = [run(line, exchanged, "--data", str(data)) for line in lines]
    assert "2 hires" in said[2]


def test_the_sample_for_microsoft_graph(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, *lines = commands("microsoft-graph.md")
    with service(tmp_path / "theirs") as theirs:
        theirs.api.call(
            "POST",
            "/users",
            {"displayName": "Ada", "userPrincipalName": "ada@x.example", "mailNickname": "ada", "accountEnabled": True},
        )
        made = json.loads(run(client, {}, "--data", str(theirs.folder)).splitlines()[-1])
        monkeypatch.setenv("MUSTER_CREDENTIAL_GRAPH", made["secret"])
        tenant = theirs.api.get("/organization")["value"][0]["id"]
        exchanged = {"TENANT": tenant, "CLIENT": made["clientId"], "https://muster.example": theirs.url}
        said = [run(line, exchanged, "--data", str(data)) for line in lines]
    assert "1 hire" in said[2]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: install it (Debian: apt install curl)")
def test_the_sample_for_scim_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, look = commands("scim.md")
    with service(tmp_path / "data") as running:
        made = json.loads(run(token, {}, "--data", str(running.folder)).splitlines()[-1])
        exchanged = {"$MUSTER_TOKEN": made["token"], "http://127.0.0.1:8080": running.url}
        assert json.loads(run(look, exchanged))["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
