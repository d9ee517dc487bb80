"""The wire log of a job: switched on for some minutes, and read."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from muster.administration.applications import find_application, require_managed
from muster.administration.desk import Desk
from muster.administration.jobs import CATEGORY, find_job
from muster.administration.refusals import bad_request
from muster.model.roles import Permission
from muster.model.wire import WIRE_LOG_UNTIL_SETTING, WireExchange, WireKind

LONGEST = timedelta(hours=24)


def switch_wire_log(desk: Desk, service_principal_id: str, job_id: str, minutes: int) -> datetime | None:
    """Keeps the requests of a job for so many minutes and returns until when; 0 ends it. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    job = find_job(desk, application.service_principal_id, job_id)
    if not 0 <= minutes <= LONGEST // timedelta(minutes=1):
        raise bad_request("minutes takes a whole number from 0 to 1,440.")
    until = desk.now() + timedelta(minutes=minutes) if minutes else None
    shown = "" if until is None else until.isoformat()
    desk.stores.jobs.set_settings(job.id, {WIRE_LOG_UNTIL_SETTING: shown})
    desk.note(
        "Switch wire log",
        CATEGORY,
        target=("SynchronizationJob", job.id, application.display_name),
        changes=(("until", job.settings.get(WIRE_LOG_UNTIL_SETTING) or None, shown or None),),
    )
    return until


def wire_log_until(desk: Desk, service_principal_id: str, job_id: str) -> datetime | None:
    """Returns until when requests of a job are kept; None: none are. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    kept = find_job(desk, service_principal_id, job_id).settings.get(WIRE_LOG_UNTIL_SETTING)
    until = datetime.fromisoformat(kept) if kept else None
    return until if until is not None and until > desk.now() else None


def wire_exchanges(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    source_id: str | None,
    limit: int,
    *,
    cycle_id: str | None = None,
    kind: WireKind | None = None,
) -> Sequence[WireExchange]:
    """Returns the newest exchanges of a job, or those about one object or of one cycle of it. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    found = find_job(desk, service_principal_id, job_id)
    return desk.stores.wire.recent(found.id, source_id, limit, cycle_id=cycle_id, kind=kind)


def exchanges_kept(
    desk: Desk, service_principal_id: str, job_id: str, cycle_id: str, kind: WireKind | None = None
) -> int:
    """Returns how many exchanges of a cycle are kept. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.wire.count(find_job(desk, service_principal_id, job_id).id, cycle_id, kind)
