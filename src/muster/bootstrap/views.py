"""Which part of the directory a job reads, by its settings and its rules."""

from collections.abc import Iterable

from muster.model.directory import ObjectKind
from muster.model.job import TRANSITIVE_GROUPS_SETTING, SynchronizationJob
from muster.ports.directory import JobView


def view_of(
    job: SynchronizationJob, kinds: Iterable[ObjectKind], *, sync_all: bool, named_groups: tuple[str, ...]
) -> JobView:
    """Returns a job's view; `named_groups`: ids of the groups that its scoping filters name."""
    return JobView(
        job_id=job.id,
        service_principal_id=job.service_principal_id,
        sync_all=sync_all,
        kinds=tuple(kinds),
        transitive=job.settings.get(TRANSITIVE_GROUPS_SETTING, "").lower() == "true",
        named_groups=named_groups,
    )
