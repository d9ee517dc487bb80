"""`muster check` against a real Configuration Manager over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.bootstrap.house import open_house
from muster.settings import load_settings
from played_configuration_manager import PlayedManager, configuration_manager
from played_installation import command


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("check") / "data") as running:
        yield running


def test_our_own_provider_gets_grade_a(manager: PlayedManager) -> None:
    customer = manager.customer("checked")
    done = command("check", customer.url, "--token", customer.token, "--write", "--json")
    assert done.status == 0, done.err
    assert (done.json["grade"], done.json["counts"]["failed"]) == ("A", 0)
    assert customer.token not in done.out
    assert customer.ask("GET", "/Users").json["totalResults"] == 0


def test_the_8x8_profile_gets_grade_a_with_a_site_for_the_trial_user(manager: PlayedManager) -> None:
    customer = manager.customer("sited", profile="8x8", sites=("London",))
    site = json.dumps({"site": "London"})
    options = ("--with", f"urn:ietf:params:scim:schemas:extension:8x8:1.1:User={site}")
    done = command("check", customer.url, "--token", customer.token, "--write", *options)
    assert done.status == 0, done.err
    assert done.out.startswith("A  ")
    left = customer.ask("GET", "/Users").json
    assert (
        f"Left at the application, switched off, as it keeps what is deleted: {left['Resources'][0]['userName']}"
        in done.out
    )
    assert [user["active"] for user in left["Resources"]] == [False], "on this profile DELETE deactivates"


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("ftp://x", (), "must begin with https://"),
        ("http://127.0.0.1:1/scim", (), "cannot be reached"),
        ("http://127.0.0.1:1/scim", ("--with", "x"), "--with takes NAME=JSON"),
        ("http://127.0.0.1:1/scim", ("--ca", "/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_what_cannot_be_examined_is_said_in_a_sentence(url: str, options: tuple[str, ...], said: str) -> None:
    done = command("check", url, *options)
    assert done.status == 1
    assert said in done.err


def test_a_token_that_was_not_given_is_asked_for(manager: PlayedManager) -> None:
    done = command("check", manager.customer("unasked").url)
    assert (done.status, "give --token or MUSTER_TARGET_TOKEN" in done.err) == (1, True)


@pytest.mark.parametrize("arguments", [("https://x.example/scim", "--save"), ("8x8", "--write")])
def test_options_that_do_not_fit_are_refused(arguments: tuple[str, ...]) -> None:
    assert command("check", *arguments).status == 2


def test_a_wrong_token_is_named(manager: PlayedManager) -> None:
    customer = manager.customer("closed")
    done = command("check", customer.url, "--token", "wrong")
    assert (done.status, "refuses the token (HTTP 401)" in done.err) == (1, True)


def test_an_application_is_examined_with_its_credentials_and_what_was_found_is_kept(
    manager: PlayedManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = manager.customer("kept")
    monkeypatch.setenv("MUSTER_ALLOW_TARGETS", "127.0.0.0/8")
    monkeypatch.setenv("KEPT_TOKEN", customer.token)
    open_house(load_settings(data=tmp_path), tmp_path).database.close()
    file = tmp_path / "muster.yaml"
    file.write_text(
        "version: 1\napplications:\n  - name: Kept\n    template: 8x8\n    credentials:\n"
        f"      BaseAddress: {customer.url}\n      SecretToken: env:KEPT_TOKEN\n"
    )
    assert command("config", "apply", file, "--yes", "--data", tmp_path).status == 0
    done = command("check", "Kept", "--save", "--json", "--data", tmp_path)
    assert done.status == 0, done.err
    assert (done.json["grade"], done.json["dialect"]) == ("A", {"page_size": 1000})
    assert "dialect:\n      page_size: 1000\n" in command("config", "export", "--data", tmp_path).out
