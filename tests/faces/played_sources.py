"""Sources over folders, played with through the API of an installation whose engine works when it is asked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.settings import load_settings
from waiting import eventually

HEAD = "employeeId,userPrincipalName,displayName,department,manager\n"
PEOPLE = {
    number: f"{number},p{number}@lantaarn.example,Person {number},Sales,{'' if number == 1 else 1}\n"
    for number in range(1, 11)
}


class FolderSource:
    """One source over a folder, in an installation that others may share."""

    def __init__(self, api: LocalApi, folder: Path, name: str = "HR") -> None:
        self.api = api
        self.folder = folder
        folder.mkdir(parents=True)
        made = api.call("POST", "/applicationTemplates/folder/instantiate", {"displayName": name})
        self.sp = made["servicePrincipal"]["id"]
        self.sync = f"/servicePrincipals/{self.sp}/synchronization"
        self.job = api.call("POST", f"{self.sync}/jobs", {"templateId": "folder"})["id"]
        self.job_path = f"{self.sync}/jobs/{self.job}"

    def connect(self, **values: str) -> None:
        given = {"Server": self.folder.name, **values}
        body = {"value": [{"key": key, "value": value} for key, value in given.items()]}
        self.api.call("PUT", f"{self.sync}/secrets", body)

    def set(self, **settings: str) -> None:
        """Settings of the job."""
        value = [{"name": name, "value": text} for name, text in settings.items()]
        self.api.call("PATCH", self.job_path, {"synchronizationJobSettings": value})

    def start(self) -> None:
        """Has the job be run when it is asked for."""
        self.api.call("POST", f"{self.job_path}/start")

    def put(self, name: str, text: str) -> None:
        """A file that was written a while ago."""
        path = self.folder / name
        path.write_text(text)
        os.utime(path, (1_000_000_000, 1_000_000_000))

    def run(self) -> Any:
        """A cycle now; its counters, or None when there was nothing to do."""
        return self._answer(self.api.call("POST", f"{self.job_path}/cycles"))

    def _answer(self, work: Any) -> Any:
        assert eventually(lambda: self.api.get(f"/work/{work['id']}")["state"] not in ("queued", "running"))
        done = self.api.get(f"/work/{work['id']}")
        assert done["state"] == "done", done
        return done["answer"].get("counters")

    def users(self) -> dict[str, Any]:
        return {each["employeeId"]: each for each in self.api.get("/users?$top=999&$expand=manager")["value"]}

    def problems(self) -> list[str]:
        found = self.api.get(f"/auditLogs/provisioning?$filter=jobId%20eq%20'{self.job}'")["value"]
        told = [each["provisioningStatusInfo"]["errorInformation"] for each in found]
        return [each["reason"] for each in told if each]


@contextmanager
def open_installation(folder: Path, **options: str) -> Iterator[LocalApi]:
    """A fresh installation, whose engine does what it is asked for."""
    settings = load_settings(data=folder, **options)
    open_house(settings, folder).database.close()
    with open_site(settings) as (site, secret):
        yield LocalApi(site, secret)
