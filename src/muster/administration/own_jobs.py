"""Jobs that belong to the installation: the import of files, and SCIM clients. Nobody adds, runs or removes them.

They are made with it, so that their thresholds can be set before anything comes in.
"""

import uuid
from datetime import datetime

from muster.administration.access import OPERATOR
from muster.gallery.catalogue import FILE_TEMPLATE_ID, GalleryPage
from muster.model.application import EnterpriseApplication
from muster.model.job import DEFAULT_INTERVAL, ScheduleState, SynchronizationJob
from muster.ports.applications import ApplicationStore, JobStore
from muster.ports.world import Ids

# What the ids of their applications are made of, once for all; of others it is their template's.
_NAMES = {FILE_TEMPLATE_ID: "file-import"}


def own_job_id(page: GalleryPage, tenant_id: str) -> str:
    """Returns the id of an installation's job of a page."""
    return f"{page.job_template_id}.{tenant_id.replace('-', '')}"


def make_own_job(
    page: GalleryPage, tenant_id: str, applications: ApplicationStore, jobs: JobStore, ids: Ids, at: datetime
) -> None:
    """Makes an installation's application and job of a page, unless they are there."""
    job_id, name = own_job_id(page, tenant_id), _NAMES.get(page.id, page.job_template_id)
    if jobs.get(job_id) is not None:
        return
    application = EnterpriseApplication(
        service_principal_id=str(uuid.uuid5(uuid.UUID(tenant_id), name)),
        application_id=ids.new_id(),
        app_id=ids.new_id(),
        template_id=page.id,
        display_name=page.display_name,
        app_roles=(),
        accepts_default_access=True,
        created_at=at,
    )
    job = SynchronizationJob(
        id=job_id,
        service_principal_id=application.service_principal_id,
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=at,
    )
    if applications.get(application.service_principal_id) is None:
        applications.add(application)
    jobs.add(job, page.schema_document(), OPERATOR.display_name)
