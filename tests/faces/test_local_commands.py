"""Commands on a data folder that no service runs on."""

from contextlib import ExitStack
from pathlib import Path

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.settings import load_settings
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
