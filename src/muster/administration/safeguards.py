"""A job's safeguards: thresholds on removals, approval, protected accounts, grace before a deletion."""

from collections.abc import Mapping
from dataclasses import dataclass

from muster.administration.applications import find_application, require_guarded
from muster.administration.credentials import kept_secrets, put_secrets
from muster.administration.desk import Desk
from muster.administration.jobs import find_job, set_settings
from muster.administration.refusals import bad_request
from muster.administration.rules import trying
from muster.model.application import SecretKey
from muster.model.roles import Permission
from muster.model.whatif import Weighed
from muster.planning.notices import read_notification_settings
from muster.planning.safeguards import SETTINGS, Safeguards, find_safeguard_problems, read_safeguards
from muster.ports.engine_room import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSafeguards:
    """What is in force for a job, and which settings say so; a setting that is not given has the product's value."""

    safeguards: Safeguards
    given: Mapping[str, str]
    # Who leaves the scope stays untouched at the application (secret SkipOutOfScopeDeletions).
    skip_out_of_scope_deletions: bool


def safeguards_of(desk: Desk, service_principal_id: str, job_id: str) -> ShownSafeguards:
    """Returns a job's safeguards; what is kept sealed has its usual value while its key is lost. Raises: Refused."""
    job = find_job(desk, service_principal_id, job_id)
    secrets = kept_secrets(desk, job.service_principal_id)
    return ShownSafeguards(
        safeguards=read_safeguards(
            job.settings, read_notification_settings(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS))
        ),
        given={name: value for name in SETTINGS if (value := job.settings.get(name))},
        skip_out_of_scope_deletions=secrets.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS, "").lower() == "true",
    )


def weigh_safeguards(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    settings: Mapping[str, str],
    notification: Mapping[str, object] | None = None,
    told: Told | None = None,
) -> Weighed:
    """Returns what safeguards that are not saved would let through now; nothing is saved, sent or asked.

    Args:
        settings: over the saved ones; "" is a setting taken back.
        notification: the same of the notification settings (`DeleteThresholdEnabled`, `DeleteThresholdValue`).
        told: hears how many were looked at so far.
    Raises: Refused, naming what cannot be used.
    """
    desk.require(Permission.READ_CONFIGURATION)
    # A pattern of one's own shows whether somebody is there.
    desk.require(Permission.READ_DIRECTORY)
    job = find_job(desk, service_principal_id, job_id)
    require_guarded(desk, find_application(desk, job.service_principal_id))
    _require_known(settings)
    problems = find_safeguard_problems(settings)
    if problems:
        raise bad_request(" ".join(problems), code="InvalidJobSetting")
    with trying():
        return desk.engine_room.weigh(job.id, settings, notification or {}, told)


def _require_known(settings: Mapping[str, str]) -> None:
    unknown = [name[:60] for name in settings if name not in SETTINGS]
    if unknown:
        raise bad_request(f"There is no safeguard {', '.join(unknown)}; there are {', '.join(SETTINGS)}.")


def set_safeguards(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    settings: Mapping[str, str],
    *,
    skip_out_of_scope_deletions: bool | None = None,
) -> ShownSafeguards:
    """Returns the safeguards once they are changed; "" takes a setting back. Raises: Refused, naming the setting."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_guarded(desk, application)
    _require_known(settings)
    # Opened before anything is saved: while the key to it is lost, nothing is.
    stored = {} if skip_out_of_scope_deletions is None else desk.stores.secrets.get(application.service_principal_id)
    if settings:
        set_settings(desk, application.service_principal_id, job_id, settings)
    if skip_out_of_scope_deletions is not None:
        switch = {SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS.value: "true" if skip_out_of_scope_deletions else "false"}
        put_secrets(desk, application.service_principal_id, {**stored, **switch})
    return safeguards_of(desk, application.service_principal_id, job_id)
