"""Commands on a data folder: of an installation that runs, and of one that does not."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.mail_server import mail_server
from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.settings import load_settings
from played_configuration_manager import configuration_manager
from played_installation import add_application, command, service
from waiting import eventually

PEOPLE = b"userPrincipalName,displayName\nada@lantaarn.example,Ada Long\n"


def test_a_command_does_its_work_itself_once_the_command_that_had_the_folder_has_ended(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    open_house(settings, tmp_path).database.close()
    with ExitStack() as first:
        first.enter_context(open_site(settings))
        with open_site(settings) as (site, secret):
            api = LocalApi(site, secret)
            first.close()
            headers = {"content-type": "application/octet-stream"}
            work = api.call("POST", "/imports?fileName=people.csv", raw=PEOPLE, headers=headers)
            where = f"/work/{work['id']}"
            assert eventually(lambda: api.get(where)["state"] not in ("queued", "running"))
            work = api.get(where)
    assert work["state"] == "done"
    assert work["answer"]["counters"]["created"] == 1


def test_a_command_beside_the_service_may_call_what_the_service_may_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "service"
    monkeypatch.delenv("MUSTER_ALLOW_TARGETS", raising=False)
    with configuration_manager(tmp_path / "manager") as manager, mail_server() as mails, service(folder) as running:
        customer = manager.customer("beside")
        add_application(running.api, "8x8", BaseAddress=customer.url, SecretToken=customer.token)
        checked = command("check", "8x8", "--json", "--data", folder)
        assert (checked.status, checked.json["grade"]) == (0, "A"), checked.err
        mail = ("--smtp", f"127.0.0.1:{mails.port}", "--security", "none", "--from", "muster@example.com")
        done = command("notifications", "set", *mail, "--to", "it@example.com", "--data", folder)
        assert done.status == 0, done.err
        done = command("notifications", "test", "--data", folder)
        assert (done.status, "arrived" in done.out) == (0, True), done.err
        monkeypatch.setenv("MUSTER_ALLOW_TARGETS", "10.0.0.0/8")
        refused = command("check", "8x8", "--data", folder)
        assert (refused.status, "MUSTER_ALLOW_TARGETS" in refused.err) == (1, True)
        monkeypatch.delenv("MUSTER_ALLOW_TARGETS")
    assert "127.0.0.1" in command("check", "8x8", "--data", folder).err, "nobody runs there who may call it"


def test_the_built_in_file_import_is_no_application_to_plan(tmp_path: Path) -> None:
    open_house(load_settings(data=tmp_path), tmp_path).database.close()
    assert command("client", "create", "deploy", "--data", tmp_path).status == 0
    unknown = command("plan", "8x8", "--data", tmp_path)
    assert (unknown.status, unknown.err) == (
        1,
        "muster: There is no application “8x8”. There is none yet: add one in the portal, or by muster config apply.\n",
    )
    refused = command("plan", "File import", "--data", tmp_path)
    assert (refused.status, "it runs whenever a file is imported" in refused.err) == (1, True)
