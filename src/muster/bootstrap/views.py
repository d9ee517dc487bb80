"""Which part of the directory a job reads, by its settings and its rules."""

from collections.abc import Iterable
from dataclasses import replace

from muster.model.application import EnterpriseApplication
from muster.model.directory import ObjectKind
from muster.model.job import TRANSITIVE_GROUPS_SETTING, SynchronizationJob
from muster.model.whatif import OtherScope
from muster.ports.directory import JobView


def is_transitive(job: SynchronizationJob) -> bool:
    """Whether members of groups within assigned groups count."""
    return job.settings.get(TRANSITIVE_GROUPS_SETTING, "").lower() == "true"


def with_scope(
    job: SynchronizationJob, application: EnterpriseApplication, scope: OtherScope
) -> tuple[SynchronizationJob, EnterpriseApplication]:
    """Returns both as they would be with other settings of who is in scope; the same ones where none is other."""
    if scope.transitive is not None and scope.transitive is not is_transitive(job):
        settings = {**job.settings, TRANSITIVE_GROUPS_SETTING: "true" if scope.transitive else "false"}
        job = replace(job, settings=settings)
    if scope.accepts_default_access is not None:
        application = replace(application, accepts_default_access=scope.accepts_default_access)
    return job, application


def view_of(
    job: SynchronizationJob, kinds: Iterable[ObjectKind], *, sync_all: bool, named_groups: tuple[str, ...]
) -> JobView:
    """Returns a job's view; `named_groups`: ids of the groups that its scoping filters name."""
    return JobView(
        job_id=job.id,
        service_principal_id=job.service_principal_id,
        sync_all=sync_all,
        kinds=tuple(kinds),
        transitive=is_transitive(job),
        named_groups=named_groups,
    )
