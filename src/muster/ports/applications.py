"""The store of enterprise applications, assignments, credentials, jobs and their rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from muster.model.application import AppRole, AppRoleAssignment, AwaitedAssignment, EnterpriseApplication
from muster.model.job import Quarantine, ScheduleState, SynchronizationJob
from muster.model.notice import Notice
from muster.ports.administration import AuditEntry


class ApplicationStore(Protocol):
    """Enterprise applications and who is assigned to them."""

    def add(self, application: EnterpriseApplication) -> None:
        """Keeps a new application."""
        ...

    def get(self, name: str) -> EnterpriseApplication | None:
        """Returns an application by service principal id, application id, app id or exact display name."""
        ...

    def list(self) -> Sequence[EnterpriseApplication]:
        """Returns all applications by display name."""
        ...

    def change(
        self,
        service_principal_id: str,
        *,
        display_name: str | None = None,
        app_roles: Sequence[AppRole] | None = None,
        accepts_default_access: bool | None = None,
        is_enabled: bool | None = None,
        is_visible: bool | None = None,
        dialect: Mapping[str, Any] | None = None,
    ) -> EnterpriseApplication:
        """Changes what is given. Changed roles or acceptance touch everyone assigned."""
        ...

    def remove(self, service_principal_id: str) -> None:
        """Removes an application with its assignments, credentials and jobs; accounts at the target stay."""
        ...

    def set_deleted(self, service_principal_id: str, at: datetime | None) -> None:
        """Puts an application into the recycle bin, where nothing but this port knows it; None takes it out again."""
        ...

    def deleted(self) -> Sequence[EnterpriseApplication]:
        """Returns what is in the recycle bin, by display name."""
        ...

    def assign(self, assignments: Sequence[AppRoleAssignment]) -> Sequence[AppRoleAssignment | None]:
        """Keeps assignments in one transaction; None for one that is there already (same principal and role)."""
        ...

    def unassign(self, assignment_id: str) -> AppRoleAssignment | None:
        """Removes an assignment and returns it; None if unknown."""
        ...

    def assignments(
        self, *, service_principal_id: str | None = None, principal_id: str | None = None
    ) -> Sequence[AppRoleAssignment]:
        """Returns assignments of an application or of a principal."""
        ...

    def awaited(self, service_principal_id: str) -> Sequence[AwaitedAssignment]:
        """Returns what is given once the directory has whom it is for, in the order of names."""
        ...

    def set_awaited(self, service_principal_id: str, awaited: Sequence[AwaitedAssignment]) -> None:
        """Replaces that list; one for a name and role that stands in it already is left out."""
        ...


class SecretStore(Protocol):
    """Synchronization secrets, sealed at rest."""

    def put(self, service_principal_id: str, secrets: Mapping[str, str]) -> None:
        """Replaces the list; a key with an empty value is removed."""
        ...

    def get(self, service_principal_id: str) -> Mapping[str, str]:
        """Returns the secrets in the clear: for the engine and validation only, never for a face."""
        ...

    def names(self, service_principal_id: str) -> Sequence[str]:
        """Returns what is kept, by name: known, too, while the key that opens the values is lost."""
        ...

    def exchange_tokens(self, service_principal_id: str, used: str | None, given: Mapping[str, str]) -> bool:
        """Keeps the tokens that a token endpoint gave for the refresh token `used`; others stay, empty ones go.

        Returns whether they were kept: not if the stored refresh token is another by now.
        """
        ...

    def reseal(self) -> int:
        """Seals with the key in force whatever was sealed with an older one, all or nothing; returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """That there is a version of a job's rules: its number, when it was saved and by whom."""

    version: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """A kept version of a job's rules."""

    version: str
    at: datetime
    by: str
    document: Mapping[str, Any]


class JobStore(Protocol):
    """Synchronization jobs and their rules."""

    def add(self, job: SynchronizationJob, document: Mapping[str, Any], by: str) -> None:
        """Keeps a new job with its rules."""
        ...

    def get(self, job_id: str) -> SynchronizationJob | None:
        """Returns a job."""
        ...

    def list(self, service_principal_id: str | None = None) -> Sequence[SynchronizationJob]:
        """Returns jobs, of one application or all."""
        ...

    def remove(self, job_id: str) -> None:
        """Removes a job with its links and cycles; accounts at the target stay."""
        ...

    def set_schedule(self, job_id: str, state: ScheduleState) -> None:
        """Starts, pauses or disables."""
        ...

    def set_quarantine(
        self,
        job_id: str,
        quarantine: Quarantine | None,
        *,
        notice: Notice | None = None,
        entry: AuditEntry | None = None,
        state: ScheduleState | None = None,
    ) -> None:
        """Puts a job into quarantine or lifts it; in the same transaction what is told of it, what the audit log says
        of it (of the job by its application's name), and the job's new schedule, where they are given."""
        ...

    def set_settings(self, job_id: str, settings: Mapping[str, str]) -> None:
        """Merges settings."""
        ...

    def set_interval(self, job_id: str, interval: timedelta) -> None:
        """Sets how long the job rests between cycles."""
        ...

    def set_watermark(self, job_id: str, watermark: int | None) -> None:
        """Moves the watermark; None asks for an initial cycle."""
        ...

    def save_schema(self, job_id: str, document: Mapping[str, Any], by: str, at: datetime) -> str:
        """Keeps a new version of the rules and returns its number; clears the watermark (a new initial cycle)."""
        ...

    def schema(self, job_id: str) -> SchemaVersion:
        """Returns the rules in force."""
        ...

    def schema_versions(self, job_id: str) -> Sequence[KeptVersion]:
        """Returns all kept versions of the rules, newest first, without their documents."""
        ...

    def schema_version(self, job_id: str, version: str) -> SchemaVersion | None:
        """Returns a kept version of the rules."""
        ...
