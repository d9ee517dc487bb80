"""What reconciliations of a job have found: values changed at the target, and accounts that nobody manages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from muster.administration.desk import Desk
from muster.administration.jobs import find_job
from muster.administration.refusals import bad_request
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.job import Cycle, CycleKind
from muster.model.roles import Permission
from muster.planning.drift import DriftPolicy
from muster.planning.terms import drift_policy, reconcile_every

_LOOKED_BACK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """How a job is reconciled, and what came of the last time."""

    policy: DriftPolicy
    # None: only when it is asked for.
    next_at: datetime | None
    # The last one, or the one that runs.
    cycle: Cycle | None
    linked: int
    unmanaged: Mapping[Standing, int]


def reconciliation(desk: Desk, service_principal_id: str, job_id: str) -> Reconciliation:
    """Returns how a job is reconciled, and what the last time found. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    history = desk.stores.cycles.history(job.id, _LOOKED_BACK)
    last = next((each for each in history if each.kind is CycleKind.RECONCILIATION), None)
    full = next((each for each in history if each.kind in (CycleKind.RECONCILIATION, CycleKind.INITIAL)), None)
    every = reconcile_every(job.settings)
    return Reconciliation(
        policy=drift_policy(job.settings),
        next_at=None if every is None else (job.created_at if full is None else full.began_at) + every,
        cycle=last,
        linked=desk.stores.links.count_links(job.id),
        unmanaged=desk.stores.discovery.count(job.id),
    )


def discovered(
    desk: Desk, service_principal_id: str, job_id: str, standing: str | None, after: str | None, limit: int
) -> tuple[Sequence[DiscoveredAccount], str | None]:
    """Returns accounts that nobody manages, of one standing if named, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    known = {each.value: each for each in Standing}
    if standing is not None and standing not in known:
        raise bad_request(f"There is no standing “{standing[:100]}”; use one of {', '.join(known)}.")
    return desk.stores.discovery.accounts(job.id, None if standing is None else known[standing], limit, after)
