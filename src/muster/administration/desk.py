"""The desk an admin works at: who asks, and the ports that administration reads and writes through."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from muster.administration.refusals import forbidden
from muster.model.log import Initiator, InitiatorType
from muster.model.roles import Caller, CallerKind, Permission
from muster.ports.administration import AccessStore, AuditEntry, AuditStore, WorkQueue
from muster.ports.applications import ApplicationStore, JobStore, SecretStore
from muster.ports.clients import ClientStore, OwnerStore
from muster.ports.cycles import CycleStore, DiscoveryStore, LinkStore, LogStore
from muster.ports.directory import DirectoryStore
from muster.ports.engine_room import EngineRoom
from muster.ports.federation import IdentityProviderStore, RelyingParty
from muster.ports.holds import HoldStore
from muster.ports.inbound import InboundStore
from muster.ports.measures import MeasureStore
from muster.ports.mirror import MirrorStore
from muster.ports.notifier import Notifications
from muster.ports.openid import OpenIdStore
from muster.ports.plans import PlanStore
from muster.ports.sign_ins import CredentialStore, SecondFactorStore, SignInLog
from muster.ports.single_sign_on import SingleSignOnStore
from muster.ports.supplies import SupplyStore
from muster.ports.wire import WireLog
from muster.ports.world import Clock, Ids

Change = tuple[str, str | None, str | None]


class Uploads(Protocol):
    """Keeps uploaded files in the data folder, where the engine process reads them."""

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        """Keeps the content under a name of its own (only the suffix is taken from `file_name`), returns its path."""
        ...

    def notices(self, content: bytes) -> tuple[str, ...]:
        """Returns what whoever uploads a file may want to know of how it is read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The service's stores, one a port."""

    directory: DirectoryStore
    applications: ApplicationStore
    secrets: SecretStore
    jobs: JobStore
    cycles: CycleStore
    links: LinkStore
    log: LogStore
    wire: WireLog
    plans: PlanStore
    holds: HoldStore
    work: WorkQueue
    audit: AuditStore
    access: AccessStore
    clients: ClientStore
    owners: OwnerStore
    single_sign_on: SingleSignOnStore
    credentials: CredentialStore
    second_factors: SecondFactorStore
    sign_ins: SignInLog
    openid: OpenIdStore
    identity_providers: IdentityProviderStore
    discovery: DiscoveryStore
    inbound: InboundStore
    mirrors: MirrorStore
    supplies: SupplyStore
    measures: MeasureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One caller with everything that administration needs."""

    caller: Caller
    stores: Stores
    clock: Clock
    ids: Ids
    tenant_id: str
    engine_room: EngineRoom
    uploads: Uploads
    notifications: Notifications
    relying_party: RelyingParty
    # What is written within is kept as a whole or not at all.
    together: Callable[[], AbstractContextManager[object]]
    # The application (service principal id) that is dealt with: its owner may what other callers need a role for.
    application_id: str | None = None

    def on(self, service_principal_id: str) -> "Desk":
        """Returns the desk for dealing with one application: rights of its owner count, and hold for it alone."""
        return replace(self, application_id=service_principal_id)

    def of_owner(self, service_principal_id: str) -> "Desk":
        """Returns the desk for dealing with an application if the caller owns it, else this one."""
        return self.on(service_principal_id) if service_principal_id in self.caller.owned else self

    def may(self, permission: Permission) -> bool:
        """Whether the caller has a permission, by a role or as the owner of the application dealt with."""
        if self.application_id is None:
            return self.caller.may(permission)
        return self.caller.may_on(permission, self.application_id)

    def require(self, permission: Permission) -> None:
        """Checks that the caller may. Raises: Refused."""
        if not self.may(permission):
            raise forbidden(permission)

    def reaches(self, service_principal_id: str) -> bool:
        """Whether an application may be looked at from this desk: an owner's desk reaches no other."""
        return self.application_id in (None, service_principal_id) or self.caller.may(Permission.READ_CONFIGURATION)

    @property
    def initiator(self) -> Initiator:
        """The caller, as the provisioning log names whoever had something carried out."""
        kind = InitiatorType.APPLICATION if self.caller.kind is CallerKind.APPLICATION else InitiatorType.USER
        return Initiator(type=kind, id=self.caller.id, display_name=self.caller.display_name)

    def now(self) -> datetime:
        """Returns the instant."""
        return self.clock.now()

    def note(
        self,
        activity: str,
        category: str,
        *,
        target: tuple[str, str, str],
        changes: tuple[Change, ...] = (),
        result: str = "success",
    ) -> None:
        """Writes an audit entry. `target` is type, id and name; `changes` are name, before, after: never a secret."""
        target_type, target_id, target_name = target
        self.stores.audit.add(
            AuditEntry(
                id=self.ids.new_id(),
                at=self.now(),
                activity=activity,
                category=category,
                # What else they own says nothing of this change.
                by=replace(self.caller, owned=frozenset()),
                target_type=target_type,
                target_id=target_id,
                target_name=target_name,
                changes=changes,
                result=result,
            )
        )
