"""An installation with one source, for tests: added, connected and run through the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.settings import load_settings
from waiting import eventually


class PlayedSource:
    """A source of one kind and its job."""

    def __init__(self, api: LocalApi, template: str) -> None:
        self.api = api
        made = api.call("POST", f"/applicationTemplates/{template}/instantiate", {"displayName": "Source"})
        self.sync = f"/servicePrincipals/{made['servicePrincipal']['id']}/synchronization"
        self.job = api.call("POST", f"{self.sync}/jobs", {"templateId": template})["id"]
        self.job_path = f"{self.sync}/jobs/{self.job}"

    def connect(self, **values: str) -> None:
        """Enters the fields of the connection."""
        body = {"value": [{"key": key, "value": value} for key, value in values.items()]}
        self.api.call("PUT", f"{self.sync}/secrets", body)

    def start(self) -> None:
        """Tests the connection and starts the job."""
        self.api.call("POST", f"{self.job_path}/validateCredentials", {"useSavedCredentials": True})
        self.api.call("POST", f"{self.job_path}/start")

    def run(self) -> Any:
        """A cycle now; its counters, or None when there was nothing to do."""
        work = self.api.call("POST", f"{self.job_path}/cycles")
        assert eventually(lambda: self.api.get(f"/work/{work['id']}")["state"] not in ("queued", "running"))
        done = self.api.get(f"/work/{work['id']}")
        assert done["state"] == "done", done
        return done["answer"].get("counters")

    def users(self) -> dict[str, Any]:
        """The directory's present users by principal name."""
        found = self.api.get("/users?$top=999&$expand=manager")["value"]
        return {each["userPrincipalName"]: each for each in found}

    def groups(self) -> dict[str, Any]:
        """The directory's present groups by name."""
        return {each["displayName"]: each for each in self.api.get("/groups?$top=999")["value"]}

    def members(self, group: str) -> set[str]:
        """The names of a group's members."""
        found = self.api.get(f"/groups/{self.groups()[group]['id']}/members")["value"]
        return {str(each["displayName"]) for each in found}

    def problems(self) -> list[str]:
        """What the log says that is wrong."""
        found = self.api.get(f"/auditLogs/provisioning?$filter=jobId%20eq%20'{self.job}'")["value"]
        told = [each["provisioningStatusInfo"]["errorInformation"] for each in found]
        return [each["reason"] for each in told if each]


@contextmanager
def played_source(folder: Path, template: str) -> Iterator[PlayedSource]:
    """A new installation on the folder that may call this machine, with a source of the kind."""
    settings = load_settings(data=folder, allow_targets="127.0.0.0/8")
    open_house(settings, folder).database.close()
    with open_site(settings) as (site, secret):
        yield PlayedSource(LocalApi(site, secret), template)
