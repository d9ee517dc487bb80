"""The installation's applications as a configuration: what an apply of it elsewhere gives again."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from muster.administration.applications import applications, template_of
from muster.administration.assignments import assignments
from muster.administration.awaited import awaited
from muster.administration.configuration.rules import declare_rules
from muster.administration.configuration.sign_on import export_openid, export_saml
from muster.administration.desk import Desk
from muster.administration.group_clauses import unmistakable, with_group_names
from muster.administration.jobs import FORCE_DELETES_SETTING, jobs
from muster.administration.refusals import conflict, not_found
from muster.administration.secrets import masked_keys
from muster.gallery.catalogue import CLIENTS_TEMPLATE_ID, find
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, EnterpriseApplication, SecretKey
from muster.model.configuration import VERSION, Application, Assignment, Configuration, Job, Notifications, Role
from muster.model.directory import ObjectKind
from muster.model.job import ScheduleState, SynchronizationJob
from muster.model.roles import Permission
from muster.model.wire import WIRE_LOG_UNTIL_SETTING

DEFAULT_ACCESS_NAME = "Default Access"
_KNOWN_BY = ("name", "template")
# Asked for once, by a person: no configuration.
PASSING_SETTINGS = frozenset({FORCE_DELETES_SETTING, WIRE_LOG_UNTIL_SETTING})
# What an application's credentials hold beside credentials, by Graph's keys.
_SWITCHES = frozenset(
    {
        SecretKey.SYNC_ALL.value,
        SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS.value,
        SecretKey.SYNC_NOTIFICATION_SETTINGS.value,
    }
)


def export_configuration(desk: Desk, names: Sequence[str] | None = None) -> Configuration:
    """Returns all applications that admins run, or those named; no secret is in it. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    chosen = [each for each in described(desk, names or ()) if names is None or each.display_name in names]
    for name, count in Counter(each.display_name for each in chosen).items():
        if count > 1:
            raise conflict(
                f"{count} applications are called {name}, and a configuration knows them by their names: "
                "give each its own."
            )
    return Configuration(version=VERSION, applications=[_exported(desk, each) for each in chosen])


def configured(desk: Desk) -> Sequence[EnterpriseApplication]:
    """Returns the applications that admins run: those that a configuration is about. Raises: Refused."""
    return [each for each in applications(desk) if template_of(desk, each).is_managed]


def described(desk: Desk, names: Sequence[str] = ()) -> Sequence[EnterpriseApplication]:
    """Returns those, and SCIM clients once anything is set of what they may take away, or if they are named.

    Raises: Refused.
    """
    return [
        each
        for each in applications(desk)
        if (page := template_of(desk, each)).is_managed
        or (
            page.id == CLIENTS_TEMPLATE_ID
            and (each.display_name in names or len(_guarded(desk, each)) > len(_KNOWN_BY))
        )
    ]


def reference_for(application: str, key: str) -> str:
    """Returns the reference that stands for a secret in an export: the environment variable it is to be given in."""
    return "env:" + re.sub(r"[^A-Z0-9]+", "_", f"MUSTER_{application}_{key}".upper())


def _exported(desk: Desk, application: EnterpriseApplication) -> Application:
    page = template_of(desk, application)
    if not page.is_managed:
        return Application.model_validate(_guarded(desk, application))
    secrets = desk.stores.secrets.get(application.service_principal_id)
    hidden = masked_keys(page.connection)
    return Application.model_validate(
        {
            "name": application.display_name,
            "template": page.display_name,
            "enabled": application.is_enabled,
            "defaultAccessEntitles": application.accepts_default_access,
            "roles": [_role(role) for role in application.app_roles],
            "assignments": _assignments(desk, application),
            "scope": "all" if is_true(secrets.get(SecretKey.SYNC_ALL)) else "assigned",
            "skipOutOfScopeDeletions": is_true(secrets.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS)),
            **_told(secrets),
            "dialect": dict(application.dialect) or None,
            "credentials": {
                key: reference_for(application.display_name, key) if key in hidden else value
                for key, value in sorted(secrets.items())
                if key not in _SWITCHES
            }
            or None,
            "singleSignOn": export_saml(desk, application),
            "openIdConnect": export_openid(desk, application.service_principal_id),
            "jobs": [_job(desk, job) for job in jobs(desk, application.service_principal_id)],
        }
    )


def _guarded(desk: Desk, application: EnterpriseApplication) -> dict[str, Any]:
    """What is set of SCIM clients, beside what they are known by: whom to tell, and what is too much."""
    found: dict[str, Any] = {
        "name": application.display_name,
        "template": template_of(desk, application).display_name,
        **_told(desk.stores.secrets.get(application.service_principal_id)),
    }
    settings = [job.settings for job in jobs(desk, application.service_principal_id)]
    if any(_kept(each) for each in settings):
        found["jobs"] = [{"settings": _kept(each)} for each in settings]
    return {name: value for name, value in found.items() if value is not None}


def _told(secrets: Mapping[str, str]) -> dict[str, Any]:
    """Who is told, and from how many removals on."""
    notices = read_notices(secrets)
    threshold: int | str | None = "off" if notices.get("DeleteThresholdEnabled") is False else None
    if threshold is None:
        threshold = notices.get("DeleteThresholdValue")
    recipients = str(notices.get("Recipients") or "").replace(";", ",").split(",")
    addresses = [address.strip() for address in recipients if address.strip()]
    return {
        "notifications": Notifications(enabled=notices.get("Enabled") is not False, recipients=addresses)
        if "Enabled" in notices or addresses
        else None,
        "deletionThreshold": threshold,
    }


def _kept(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(settings.items()) if name not in PASSING_SETTINGS and value}


def read_notices(secrets: Mapping[str, str]) -> Mapping[str, Any]:
    """Returns Graph's SyncNotificationSettings, checked when they were saved."""
    found: Any = json.loads(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS) or "{}")
    return found if isinstance(found, dict) else {}


def is_true(text: str | None) -> bool:
    """Whether a switch among the credentials is on."""
    return (text or "").lower() == "true"


def _role(role: Any) -> Role:
    return Role.model_validate(
        {
            "name": role.display_name,
            "value": role.value,
            "description": role.description,
            "enabled": role.is_enabled,
            "for": list(role.allowed_member_types),
        }
    )


def _assignments(desk: Desk, application: EnterpriseApplication) -> list[Assignment]:
    roles = {role.id: role.display_name for role in application.app_roles} | {DEFAULT_ACCESS: DEFAULT_ACCESS_NAME}
    given = assignments(desk, service_principal_id=application.service_principal_id)
    made = [_assignment(desk, each, roles.get(each.role_id, each.role_id)) for each in given]
    for each in awaited(desk, application.service_principal_id):
        who = "group" if each.principal_kind is ObjectKind.GROUP else "user"
        made.append(Assignment.model_validate({who: each.name, "role": roles.get(each.role_id, each.role_id)}))
    return sorted(made, key=lambda each: (each.group is None, (each.group or each.user or "").casefold(), each.role))


def _assignment(desk: Desk, given: AppRoleAssignment, role: str) -> Assignment:
    found = desk.stores.directory.get(given.principal_kind, given.principal_id)
    if given.principal_kind is ObjectKind.GROUP:
        return Assignment(group=given.principal_id if found is None else unmistakable(desk, found), role=role)
    name = None if found is None else found.attributes.get("userPrincipalName")
    return Assignment(user=str(name or given.principal_id), role=role)


def _job(desk: Desk, job: SynchronizationJob) -> Job:
    page = find(job.template_id)
    if page is None:
        raise not_found("Application template", job.template_id)
    return Job.model_validate(
        {
            "status": "running" if job.schedule_state is ScheduleState.ACTIVE else "stopped",
            "interval": job.interval,
            "settings": _kept(job.settings) or None,
            **declare_rules(with_group_names(desk, desk.stores.jobs.schema(job.id).document), page.schema_document()),
        }
    )
