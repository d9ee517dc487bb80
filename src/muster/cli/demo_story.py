"""The demo's story: the tutorial's six steps and a day of changes, all through the API an administrator has."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from muster.cli.api import Api, query, segment
from muster.cli.applications import Named, await_work, newest_cycle
from muster.cli.console import Failed

DEFAULT_ACCESS = "00000000-0000-0000-0000-000000000000"
SUPERVISOR_ROLE = "5f2a2c0c-7c0b-4b0e-9d0a-8a8b0d5c7e11"
NOTIFIED = "identity-team@lantaarn.example"
_CHANGES_WITHIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something an administrator did, to whom, and what should come of it at 8x8."""

    what: str
    who: str
    object_id: str


@dataclass(slots=True)
class Story:
    """The application in the making, and what is known of it."""

    api: Api
    scim_url: str
    scim_token: str
    service_principal_id: str = ""
    application_id: str = ""
    role_id: str = ""
    job_id: str = ""
    deeds: list[Deed] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The application's path of the API."""
        return f"/servicePrincipals/{segment(self.service_principal_id)}"

    @property
    def named(self) -> Named:
        """The application with its job."""
        return Named(service_principal_id=self.service_principal_id, display_name="8x8", job_id=self.job_id)

    # ------------------------------------------------------------ the tutorial

    def import_directory(self, content: bytes) -> dict[str, int]:
        """Imports the sample directory and returns the import's counters."""
        headers = {"content-type": "application/octet-stream"}
        work = self.api.call("POST", "/imports?fileName=directory.json", raw=content, headers=headers)
        return dict(await_work(self.api, work)["counters"])

    def add_application(self) -> None:
        """Adds 8x8 from the gallery."""
        templates = self.api.get("/applicationTemplates" + query(filter="displayName eq '8x8'"))["value"]
        made = self.api.post(f"/applicationTemplates/{segment(templates[0]['id'])}/instantiate", {"displayName": "8x8"})
        self.service_principal_id = made["servicePrincipal"]["id"]
        self.application_id = made["application"]["id"]
        roles = made["application"]["appRoles"]
        self.role_id = next(role["id"] for role in roles if role["displayName"] == "User")

    def add_role(self) -> None:
        """Adds an app role of our own to the manifest."""
        path = f"/applications/{segment(self.application_id)}"
        roles = self.api.get(path)["appRoles"]
        supervisor = {
            "id": SUPERVISOR_ROLE,
            "displayName": "Supervisor",
            "description": "Leads a team in the contact center",
            "value": "Supervisor",
            "isEnabled": True,
            "allowedMemberTypes": ["User"],
        }
        self.api.patch(path, {"appRoles": [*roles, supervisor]})

    def assign(self) -> int:
        """Assigns groups and people, some of them with Default Access only; returns how many assignments were made."""
        groups = {group["displayName"]: group["id"] for group in self.api.pages("/groups")}
        given = [
            (groups["8x8 licensed"], self.role_id),
            (groups["8x8 supervisors"], SUPERVISOR_ROLE),
            (groups["Contact center trial"], DEFAULT_ACCESS),
        ]
        leaders = self.api.get(f"/groups/{segment(groups['People leaders'])}/members" + query(top=25))["value"]
        given += [(person["id"], self.role_id) for person in leaders]
        for principal_id, role_id in given:
            body = {"principalId": principal_id, "resourceId": self.service_principal_id, "appRoleId": role_id}
            self.api.post(f"{self.path}/appRoleAssignedTo", body)
        return len(given)

    def connect(self) -> None:
        """Saves the credentials and the notification address, and tests the connection."""
        notify = (
            '{"Enabled":true,"Recipients":"' + NOTIFIED + '","DeleteThresholdEnabled":true,"DeleteThresholdValue":50}'
        )
        pairs = {
            "BaseAddress": self.scim_url,
            "SecretToken": self.scim_token,
            "SyncAll": "false",
            "SyncNotificationSettings": notify,
        }
        listed = [{"key": key, "value": value} for key, value in pairs.items()]
        self.api.put(f"{self.path}/synchronization/secrets", {"value": listed})
        templates = self.api.get(f"{self.path}/synchronization/templates")["value"]
        job = self.api.post(f"{self.path}/synchronization/jobs", {"templateId": templates[0]["id"]})
        self.job_id = job["id"]
        self.api.post(f"{self.named.job_path}/validateCredentials", {"useSavedCredentials": True})

    def set_up_sign_on(self, addresses: dict[str, Any]) -> dict[str, Any]:
        """Sets up single sign-on with 8x8's addresses; returns ours and the certificate, as 8x8 is told of them."""
        body = {
            "preferredSingleSignOnMode": "saml",
            "identifier": addresses["entityId"],
            "replyUrls": [addresses["replyUrl"]],
            # The tile of My Apps signs in directly.
            "signOnUrl": None,
            "logoutUrl": addresses["spLogoutUrl"],
        }
        return dict(self.api.patch(f"{self.path}/singleSignOn", body))

    def let_in(self, password: str) -> str:
        """Gives whoever was hired a password; returns their principal name."""
        hired = next(deed for deed in self.deeds if deed.what == "hire")
        profile = {"passwordProfile": {"password": password, "forceChangePasswordNextSignIn": False}}
        self.api.patch(f"/users/{hired.object_id}", profile)
        return str(self.api.get(f"/users/{hired.object_id}")["userPrincipalName"])

    def start(self) -> str:
        """Starts provisioning and returns the id of the initial cycle."""
        self.api.post(f"{self.named.job_path}/start")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            cycle = newest_cycle(self.api, self.named)
            if cycle is not None:
                return str(cycle["id"])
            time.sleep(0.1)
        raise Failed("The initial cycle did not start within 30 seconds: see the engine's log in the data folder.")

    # ------------------------------------------------------------ a day of changes

    def change(self) -> None:
        """Does what happens in a company in a day, and notes who should notice it at 8x8."""
        # A person to do each thing to: provisioned, and not through a second way that would keep them in.
        people = self._provisioned()
        returning = self._deleted()
        for deed in (self._hire, self._rename, self._move, self._unassign, self._block, self._leave, self._purge):
            self.deeds.append(deed(people))
        self.deeds.append(self._return(returning))

    def outcomes(self, initial_cycle_id: str, tick: Callable[[], None]) -> list[tuple[Deed, dict[str, Any]]]:
        """Returns each deed with its newest log entry of a later cycle, once all are there."""
        until = time.monotonic() + _CHANGES_WITHIN_SECONDS
        found: dict[str, dict[str, Any]] = {}
        while len(found) < len(self.deeds):
            if time.monotonic() > until:
                missing = ", ".join(deed.who for deed in self.deeds if deed.object_id not in found)
                raise Failed(f"No cycle dealt with {missing} within {_CHANGES_WITHIN_SECONDS:.0f} seconds.")
            time.sleep(0.3)
            tick()
            options = query(filter=f"jobId eq '{self.job_id}'", orderby="activityDateTime desc", top=200)
            for entry in self.api.get(f"/auditLogs/provisioning{options}")["value"]:
                if entry["cycleId"] != initial_cycle_id:
                    found.setdefault(entry["sourceIdentity"]["id"], entry)
            found = {deed.object_id: found[deed.object_id] for deed in self.deeds if deed.object_id in found}
        return [(deed, found[deed.object_id]) for deed in self.deeds]

    def later_cycles(self, initial_cycle_id: str) -> list[dict[str, Any]]:
        """Returns the cycles after the initial one, ended ones only, waiting for a running one."""
        while True:
            cycles = self.api.get(f"{self.named.job_path}/cycles" + query(top=50))["value"]
            later = [cycle for cycle in cycles if cycle["id"] != initial_cycle_id]
            if all(cycle["state"] != "Running" for cycle in later):
                return later
            time.sleep(0.1)

    def _provisioned(self) -> Iterator[dict[str, Any]]:
        """Gives people whose account was created and who belong to 8x8 licensed only."""
        filter_ = f"jobId eq '{self.job_id}' and provisioningAction eq 'create'"
        options = query(filter=f"{filter_} and provisioningStatusInfo/status eq 'success'", top=200)
        for entry in self.api.get(f"/auditLogs/provisioning{options}")["value"]:
            person = self.api.get(f"/users/{segment(entry['sourceIdentity']['id'])}")
            names = [group["displayName"] for group in self.api.get(f"/users/{person['id']}/memberOf")["value"]]
            direct = self.api.get(f"/users/{person['id']}/appRoleAssignments")["value"]
            if "8x8 licensed" in names and "8x8 supervisors" not in names and not direct:
                yield person

    def _deleted(self) -> dict[str, Any]:
        """Returns somebody who is soft-deleted; in a small company nobody is, so that one without an account leaves."""
        path = "/directory/deletedItems/microsoft.graph.user" + query(top=1)
        found = self.api.get(path)["value"]
        if not found:
            self.api.delete(f"/users/{self._somebody_outside()['id']}")
            found = self.api.get(path)["value"]
        return dict(found[0])

    def _somebody_outside(self) -> dict[str, Any]:
        for person in self.api.pages("/users" + query(top=100)):
            filter_ = f"jobId eq '{self.job_id}' and sourceIdentity/id eq '{person['id']}'"
            is_ours = person["mail"] and "#EXT#" not in person["userPrincipalName"]
            if is_ours and not self.api.get("/auditLogs/provisioning" + query(filter=filter_, top=1))["value"]:
                return person
        raise Failed("Everybody has an account at 8x8: make the demo with more people.")

    def _hire(self, _people: Iterator[dict[str, Any]]) -> Deed:
        body = {
            "userPrincipalName": "amina.el-idrissi@lantaarn.example",
            "mailNickname": "amina.el-idrissi",
            "mail": "amina.el-idrissi@lantaarn.example",
            "displayName": "Amina El Idrissi",
            "givenName": "Amina",
            "surname": "El Idrissi",
            "jobTitle": "Support Engineer",
            "department": "Support",
            "officeLocation": "Rotterdam HQ",
            "accountEnabled": True,
        }
        person = self.api.post("/users", body)
        self._assign_directly(person["id"])
        return Deed(what="hire", who=person["displayName"], object_id=person["id"])

    def _rename(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        local, _, domain = person["userPrincipalName"].partition("@")
        given, old = local.split(".")[0], person["surname"]
        body = {
            "surname": f"{old}-Verhoeven",
            "displayName": f"{person['givenName']} {old}-Verhoeven",
            "userPrincipalName": f"{given}.verhoeven.{local[-3:].strip('.')}@{domain}",
        }
        self.api.patch(f"/users/{person['id']}", body)
        return Deed(what="rename", who=body["displayName"], object_id=person["id"])

    def _move(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        self.api.patch(f"/users/{person['id']}", {"department": "Customer Success", "jobTitle": "Success Manager"})
        return Deed(what="change department", who=person["displayName"], object_id=person["id"])

    def _unassign(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        group = self._group("8x8 licensed")
        self.api.delete(f"/groups/{group}/members/{person['id']}/$ref")
        return Deed(what="unassign", who=person["displayName"], object_id=person["id"])

    def _block(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        self.api.patch(f"/users/{person['id']}", {"accountEnabled": False})
        return Deed(what="block sign-in", who=person["displayName"], object_id=person["id"])

    def _leave(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        self.api.delete(f"/users/{person['id']}")
        return Deed(what="soft-delete", who=person["displayName"], object_id=person["id"])

    def _purge(self, people: Iterator[dict[str, Any]]) -> Deed:
        person = next(people)
        self.api.delete(f"/users/{person['id']}")
        self.api.delete(f"/directory/deletedItems/{person['id']}")
        return Deed(what="hard-delete", who=person["displayName"], object_id=person["id"])

    def _return(self, deleted: dict[str, Any]) -> Deed:
        self.api.post(f"/directory/deletedItems/{deleted['id']}/restore")
        self.api.patch(f"/users/{deleted['id']}", {"accountEnabled": True})
        if not self.api.get(f"/users/{deleted['id']}/appRoleAssignments")["value"]:
            self._assign_directly(deleted["id"])
        return Deed(what="restore", who=deleted["displayName"], object_id=deleted["id"])

    def _assign_directly(self, person_id: str) -> None:
        body = {"principalId": person_id, "resourceId": self.service_principal_id, "appRoleId": self.role_id}
        self.api.post(f"{self.path}/appRoleAssignedTo", body)

    def _group(self, name: str) -> str:
        return str(self.api.get("/groups" + query(filter=f"displayName eq '{name}'"))["value"][0]["id"])
