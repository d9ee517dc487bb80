"""Jobs that belong to the installation: the import of files, and SCIM clients. Nobody adds, runs or removes them."""

import uuid
from datetime import datetime

from muster.gallery.catalogue import GalleryPage
from muster.model.application import EnterpriseApplication
from muster.model.job import DEFAULT_INTERVAL, ScheduleState, SynchronizationJob
from muster.ports.world import Ids


def own_job_id(page: GalleryPage, tenant_id: str) -> str:
    """Returns the id of an installation's job of a page."""
    return f"{page.job_template_id}.{tenant_id.replace('-', '')}"


def form_own_job(
    page: GalleryPage, tenant_id: str, name: str, ids: Ids, at: datetime
) -> tuple[EnterpriseApplication, SynchronizationJob]:
    """Returns the application and the job of a page; `name` makes the application's id, once for all."""
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
        id=own_job_id(page, tenant_id),
        service_principal_id=application.service_principal_id,
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=at,
    )
    return application, job
