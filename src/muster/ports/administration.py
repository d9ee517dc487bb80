"""What administrators' faces need besides: callers, audit, work for the running engine."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from muster.model.job import Counters
from muster.model.log import Initiator
from muster.model.roles import Caller, Role


class WorkKind(StrEnum):
    """What a face or command asks of the engine process."""

    PROVISION_ON_DEMAND = "provisionOnDemand"
    PLAN = "plan"
    APPLY = "apply"
    ROLLBACK = "rollback"
    RUN_CYCLE = "runCycle"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece of work in the queue and, once done, its answer or its failure."""

    id: str
    kind: WorkKind
    job_id: str
    payload: Mapping[str, Any]
    asked_by: str
    asked_at: datetime
    # queued | running | done | failed
    state: str
    answer: Mapping[str, Any] | None = None
    counters: Counters | None = None
    # Who asked, as the log names it.
    initiator: Initiator | None = None


class WorkQueue(Protocol):
    """Work for the engine process, one row a request; each is taken by one engine only."""

    def add(self, *works: Work) -> None:
        """Queues pieces of work in their order: all of them or none."""
        ...

    def get(self, work_id: str) -> Work | None:
        """Returns a piece of work as it stands."""
        ...

    def waiting(self, kind: WorkKind) -> int:
        """Returns how many pieces of a kind nobody has taken yet."""
        ...

    def take(self, engine_id: str, *, spared: WorkKind | None = None) -> Work | None:
        """Marks the oldest queued piece as running here and returns it; none of a kind that is `spared`, and no import
        while another engine is at one: they follow each other in the order in which they came."""
        ...

    def finish(self, work_id: str, state: str, answer: Mapping[str, Any]) -> None:
        """Notes the answer."""
        ...

    def engines(self) -> Collection[str]:
        """Returns the engines that are at a piece of work."""
        ...

    def abandon(self, answer: Mapping[str, Any], engine_ids: Collection[str] | None = None) -> int:
        """Ends as failed whatever these engines were at, and returns how many that were; without them all that is
        running, for an engine that is surely alone.

        An import of which no cycle has begun is queued again, once: nothing of it was done."""
        ...


class UploadBin(Protocol):
    """Rids the installation of uploaded files, which hold people's data and are of no use once they were read."""

    def drop(self, path: str) -> None:
        """Removes an uploaded file; nothing for one that is gone, or that is no upload."""
        ...

    def drop_older(self, than: datetime) -> None:
        """Removes uploads from before an instant: those whose import a crash has cut off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A change of configuration or directory by an administrator: who, what, before, after. Never a secret."""

    id: str
    at: datetime
    activity: str
    category: str
    by: Caller
    target_type: str
    target_id: str
    target_name: str
    changes: tuple[tuple[str, str | None, str | None], ...] = ()
    result: str = "success"


class AuditStore(Protocol):
    """The audit log."""

    def add(self, entry: AuditEntry) -> None:
        """Writes an entry."""
        ...

    def get(self, entry_id: str) -> AuditEntry | None:
        """Returns an entry, None if there is none of that id."""
        ...

    def search(
        self, *, after: str | None, limit: int, ascending: bool = False
    ) -> tuple[Sequence[AuditEntry], str | None]:
        """Returns entries, newest first unless ascending, and the key to go on after."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token as it is listed; the token itself is kept only as a hash."""

    id: str
    name: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    # The service principal of the app registration that an access token stands for, by its secret.
    client_id: str | None = None


class AccessStore(Protocol):
    """Administrators and API tokens."""

    def add_token(self, token: ApiToken, token_hash: str) -> None:
        """Keeps a token."""
        ...

    def token(self, token_hash: str, at: datetime) -> ApiToken | None:
        """Returns the token with a hash unless it has expired; notes its use (to the minute)."""
        ...

    def tokens(self) -> Sequence[ApiToken]:
        """Returns all tokens but access tokens of app registrations."""
        ...

    def remove_token(self, token_id: str) -> bool:
        """Revokes a token."""
        ...

    def add_administrator(self, caller: Caller, password_hash: str) -> None:
        """Keeps an administrator; the display name is the sign-in name, unique without case."""
        ...

    def administrator(self, name: str) -> tuple[Caller, str] | None:
        """Returns an administrator and the password's hash."""
        ...

    def administrators(self) -> Sequence[Caller]:
        """Returns all administrators by name."""
        ...

    def set_roles(self, administrator_id: str, roles: frozenset[Role]) -> None:
        """Gives an administrator other roles."""
        ...

    def remove_administrator(self, administrator_id: str) -> bool:
        """Removes an administrator; False if there is none."""
        ...

    def count_administrators(self) -> int:
        """Returns how many there are: none means that the set-up link is shown."""
        ...

    def tenant_id(self) -> str:
        """Returns the installation's tenant GUID, fixed at creation."""
        ...
