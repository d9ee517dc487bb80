"""An application and its job, as commands name them."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from muster.cli.api import Api, query, segment
from muster.cli.console import Failed
from muster.gallery.catalogue import CLIENTS_TEMPLATE_ID, OWN_TEMPLATE_IDS

_POLL_SECONDS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An application found by name, with its job."""

    service_principal_id: str
    display_name: str
    job_id: str
    template_id: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether it belongs to the installation."""
        return self.template_id in OWN_TEMPLATE_IDS

    @property
    def is_of_clients(self) -> bool:
        """Whether it stands for SCIM clients."""
        return self.template_id == CLIENTS_TEMPLATE_ID

    @property
    def path(self) -> str:
        """The application's path of the API."""
        return f"/servicePrincipals/{segment(self.service_principal_id)}"

    @property
    def job_path(self) -> str:
        """The job's path of the API."""
        return f"{self.path}/synchronization/jobs/{segment(self.job_id)}"


def find_application(api: Api, name: str) -> Named:
    """Returns the application of a display name or id. Raises: Failed, naming those there are."""
    quoted = name.replace("'", "''")
    found = api.get("/servicePrincipals" + query(filter=f"displayName eq '{quoted}'"))["value"]
    if not found:
        everything = list(api.pages("/servicePrincipals"))
        found = [item for item in everything if name in (item["id"], item["appId"])]
        if not found:
            raise Failed(f"There is no application “{name}”. {_those_there_are(everything)}")
    if len(found) > 1:
        ids = ", ".join(item["id"] for item in found)
        raise Failed(f"{len(found)} applications are called “{name}”: name one by id ({ids}).")
    jobs = api.get(f"/servicePrincipals/{segment(found[0]['id'])}/synchronization/jobs")["value"]
    if not jobs:
        raise Failed(f"{found[0]['displayName']} has no provisioning job yet: create one in the portal or the API.")
    return Named(
        service_principal_id=found[0]["id"],
        display_name=found[0]["displayName"],
        job_id=jobs[0]["id"],
        template_id=found[0]["applicationTemplateId"],
    )


def find_group(api: Api, name: str) -> str:
    """Returns the id of the group of a display name or id. Raises: Failed."""
    quoted = name.replace("'", "''")
    found = api.get("/groups" + query(filter=f"displayName eq '{quoted}' or id eq '{quoted}'"))["value"]
    if not found:
        raise Failed(f"There is no group “{name}”: name one by its display name or its id.")
    if len(found) > 1:
        raise Failed(f"{len(found)} groups are called “{name}”: name one by id ({', '.join(g['id'] for g in found)}).")
    return str(found[0]["id"])


def find_planned(api: Api, name: str) -> Named:
    """Returns the application as `find_application`. Raises: Failed, also for the built-in file import."""
    found = find_application(api, name)
    if found.is_own:
        when = "a SCIM client writes" if found.is_of_clients else "a file is imported (muster import FILE)"
        raise Failed(f"{found.display_name} is not planned: it runs whenever {when}.")
    return found


def await_work(api: Api, work: Mapping[str, Any], watch: Callable[[], None] | None = None) -> dict[str, Any]:
    """Returns the answer of queued work once it is done. Raises: Failed with the engine's reason and remedy."""
    while work["state"] in ("queued", "running"):
        time.sleep(_POLL_SECONDS)
        if watch is not None:
            watch()
        work = api.get(f"/work/{segment(work['id'])}")
    answer = dict(work.get("answer") or {})
    if work["state"] != "done":
        raise Failed(f"{answer.get('reason', 'It failed.')} {answer.get('recommendedAction', '')}".strip())
    return answer


def newest_cycle(api: Api, application: Named) -> dict[str, Any] | None:
    """Returns the job's newest cycle."""
    cycles = api.get(f"{application.job_path}/cycles" + query(top=1))["value"]
    return cycles[0] if cycles else None


def _those_there_are(everything: Iterable[Mapping[str, Any]]) -> str:
    """The applications that accounts are provisioned to: no program that signs in, and not the built-in file import."""
    kept = [item for item in everything if item["applicationTemplateId"] not in {None, *OWN_TEMPLATE_IDS}]
    names = ", ".join(sorted(item["displayName"] for item in kept))
    return f"There are: {names}." if names else "There is none yet: add one in the portal, or by muster config apply."
