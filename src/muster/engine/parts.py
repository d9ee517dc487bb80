"""What the engine works with: its stores, and the parts of one job."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from muster.expression.values import Environment
from muster.model.job import CycleKind, SynchronizationJob
from muster.model.log import Initiator, InitiatorType
from muster.planning.drift import CORRECT_ALL, DriftPolicy
from muster.planning.intent import JobTerms
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.protection import Protections
from muster.planning.rules import JobRules
from muster.planning.terms import DEFAULT_RETRY_TERMS, QuarantineTerms, RetryTerms
from muster.ports.applications import JobStore
from muster.ports.cycles import CensusStore, CycleStore, DiscoveryStore, LinkStore, LogStore
from muster.ports.holds import HoldStore
from muster.ports.notifier import Notifier
from muster.ports.plans import PlanStore
from muster.ports.source import Source
from muster.ports.supplies import Authority
from muster.ports.target import Target
from muster.ports.world import Clock, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStores:
    """The stores that the engine reads and writes."""

    jobs: JobStore
    cycles: CycleStore
    links: LinkStore
    census: CensusStore
    plans: PlanStore
    holds: HoldStore
    discovery: DiscoveryStore
    log: LogStore
    notifier: Notifier


@dataclass(frozen=True, slots=True, kw_only=True)
class JobParts:
    """One job ready to run: rules compiled, both systems at hand."""

    job: SynchronizationJob
    rules: JobRules
    terms: JobTerms
    threshold: RemovalThreshold
    quarantine_terms: QuarantineTerms
    source: Source
    target: Target
    retry_terms: RetryTerms = DEFAULT_RETRY_TERMS
    approval: Approval = Approval.NONE
    protections: Protections = field(default_factory=Protections)
    # How long a hard delete waits; the account is disabled meanwhile.
    delete_grace: timedelta = timedelta(0)
    drift: DriftPolicy = CORRECT_ALL
    # Everybody in the source, in scope or not, to tell whose an unmanaged account is; None: it cannot be told.
    everyone: Source | None = None
    # Of a source: what others supply, whose word counts for more. None: nobody else does.
    authority: Authority | None = None
    # One transaction over target and stores, where the target is in them (our directory); None: it is elsewhere.
    together: Callable[[], AbstractContextManager[object]] | None = None


class JobOpener(Protocol):
    """Brings a job's parts together; bootstrap names the adapters."""

    def __call__(self, job_id: str, options: Mapping[str, str]) -> JobParts:
        """Returns the parts. Raises JobFailure when the job cannot run (no credentials, rules that cannot be used)."""
        ...


# Job id -> holds the job before every other process. Raises: Fenced.
Alone: TypeAlias = Callable[[str], AbstractContextManager[None]]

# A cycle's options when a reconciliation is asked for.
RECONCILE = {"kind": CycleKind.RECONCILIATION.value}


# Who asked for a cycle, in its options.
_ASKED_BY = ("askedByType", "askedById", "askedByName")


def asked_by(initiator: Initiator | None) -> dict[str, str]:
    """Returns the options of a cycle that somebody asks for; None: nobody does, it is due."""
    if initiator is None:
        return {}
    return dict(zip(_ASKED_BY, (initiator.type.value, initiator.id, initiator.display_name), strict=True))


def initiator_of(options: Mapping[str, str]) -> Initiator | None:
    """Returns who asked for a cycle with these options."""
    if _ASKED_BY[0] not in options:
        return None
    kind, who, name = (options[each] for each in _ASKED_BY)
    return Initiator(type=InitiatorType(kind), id=who, display_name=name)


def reads_everything(job: SynchronizationJob, options: Mapping[str, str]) -> bool:
    """Whether the next pass is a full one: the first, one after a restart, that of a file, or a reconciliation."""
    return job.watermark is None or "file" in options or reconciles(options)


def reconciles(options: Mapping[str, Any]) -> bool:
    """Whether a reconciliation was asked for."""
    return options.get("kind") == CycleKind.RECONCILIATION.value


def environment(job: SynchronizationJob, clock: Clock, ids: Ids) -> Environment:
    """Returns what expressions of a job may ask of the world, at this instant."""
    return Environment(now=clock.now(), new_guid=ids.new_id, draw=ids.draw, default_domain=job.default_domain)
