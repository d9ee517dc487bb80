"""Enterprise applications: added from the gallery, their roles edited, removed."""

import re
from collections.abc import Sequence
from dataclasses import replace

from muster.administration.desk import Change, Desk
from muster.administration.refusals import bad_request, conflict, not_found
from muster.gallery.catalogue import CLIENTS_TEMPLATE_ID, GalleryPage, all_pages, find, sources
from muster.model.application import DEFAULT_ACCESS, AppRole, EnterpriseApplication
from muster.model.counting import number_of
from muster.model.job import CycleState, ScheduleState, SynchronizationJob
from muster.model.roles import Permission

CATEGORY = "ApplicationManagement"
NAME_LIMIT = 120
ROLES_LIMIT = 1_200
MEMBER_TYPES = frozenset({"User", "Application"})
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Microsoft Graph, appRole.value: these characters and no blank; not beginning with a full stop.
_ROLE_VALUE = re.compile(r"[0-9A-Za-z:!#$%&'()*+,\-./;<=>?@\[\]^_`{|}~\\]{1,120}")


def source_templates(desk: Desk) -> Sequence[GalleryPage]:
    """Returns the kinds of sources that can be added. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return sources()


def templates(desk: Desk) -> Sequence[GalleryPage]:
    """Returns the gallery. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return all_pages()


def find_page(desk: Desk, name: str) -> GalleryPage:
    """Returns a page of the gallery, or a kind of source, by template id or name. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    page = find(name)
    if page is None or not page.is_managed:
        raise not_found("Application template", name)
    return page


def instantiate(desk: Desk, template: str, display_name: str | None) -> EnterpriseApplication:
    """Returns the application made from a page of the gallery. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    page = find_page(desk, template)
    name = _checked_name(display_name if display_name is not None else page.display_name)
    application = EnterpriseApplication(
        service_principal_id=desk.ids.new_id(),
        application_id=desk.ids.new_id(),
        app_id=desk.ids.new_id(),
        template_id=page.id,
        display_name=name,
        app_roles=tuple(replace(role, id=desk.ids.new_id()) for role in page.app_roles),
        accepts_default_access=page.accepts_default_access,
        created_at=desk.now(),
    )
    desk.stores.applications.add(application)
    _note(desk, "Add service principal", application, (("template", None, page.display_name),))
    return application


def find_application(desk: Desk, service_principal_id: str) -> EnterpriseApplication:
    """Returns an application by service principal id or app id. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    found = desk.stores.applications.get(service_principal_id)
    if (
        found is None
        or service_principal_id not in (found.service_principal_id, found.app_id)
        or not desk.reaches(found.service_principal_id)
    ):
        raise not_found("Service principal", service_principal_id)
    return found


def find_registration(desk: Desk, application_id: str) -> EnterpriseApplication:
    """Returns an application by the id of its registration (Graph application) or app id. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    found = desk.stores.applications.get(application_id)
    if (
        found is None
        or application_id not in (found.application_id, found.app_id)
        or not desk.reaches(found.service_principal_id)
    ):
        raise not_found("Application", application_id)
    return found


def applications(desk: Desk) -> Sequence[EnterpriseApplication]:
    """Returns all applications by display name; an owner sees their own. Raises: Refused."""
    if not desk.caller.may(Permission.READ_CONFIGURATION) and desk.caller.owned:
        return [found for found in desk.stores.applications.list() if found.service_principal_id in desk.caller.owned]
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.applications.list()


def update_application(
    desk: Desk,
    service_principal_id: str,
    *,
    display_name: str | None = None,
    is_enabled: bool | None = None,
    is_visible: bool | None = None,
    accepts_default_access: bool | None = None,
    app_roles: Sequence[AppRole] | None = None,
) -> EnterpriseApplication:
    """Returns the changed application; what is None stays. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    before = find_application(desk, service_principal_id)
    require_changeable(desk, before)
    if app_roles is not None:
        _check_roles(app_roles)
        _check_removals(desk, before, app_roles)
    after = desk.stores.applications.change(
        before.service_principal_id,
        display_name=None if display_name is None else _checked_name(display_name),
        app_roles=app_roles,
        accepts_default_access=accepts_default_access,
        is_enabled=is_enabled,
        is_visible=is_visible,
    )
    changes = _changes(before, after)
    if changes:
        _note(desk, "Update application", after, changes)
    return after


def remove_application(desk: Desk, service_principal_id: str) -> None:
    """Puts an application into the recycle bin; its jobs are paused, and accounts stay as they are. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    for job in desk.stores.jobs.list(application.service_principal_id):
        stop_cycle(desk, job)
        if job.schedule_state is ScheduleState.ACTIVE:
            desk.stores.jobs.set_schedule(job.id, ScheduleState.PAUSED)
    desk.stores.applications.set_deleted(application.service_principal_id, desk.now())
    _note(desk, "Remove service principal", application)


def restore_application(desk: Desk, application: EnterpriseApplication) -> EnterpriseApplication:
    """Returns an application taken out of the recycle bin; its jobs stay paused. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    desk.stores.applications.set_deleted(application.service_principal_id, None)
    _note(desk, "Restore application", application)
    return find_application(desk, application.service_principal_id)


def purge_application(desk: Desk, application: EnterpriseApplication) -> None:
    """Removes an application in the recycle bin with its assignments, credentials and jobs. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    desk.stores.applications.remove(application.service_principal_id)
    _note(desk, "Hard delete application", application)


def stop_cycle(desk: Desk, job: SynchronizationJob) -> None:
    """Ends the running cycle: its engine is fenced out and writes no more."""
    running = desk.stores.cycles.running(job.id)
    if running is None:
        return
    ours = desk.stores.cycles.take_over(running.id)
    desk.stores.cycles.close(replace(ours, state=CycleState.STOPPED, ended_at=desk.now()), None)


def template_of(desk: Desk, application: EnterpriseApplication) -> GalleryPage:
    """Returns the page that an application was made from, a source that writes into the directory too.

    Raises: Refused.
    """
    desk.require(Permission.READ_CONFIGURATION)
    page = find(application.template_id)
    if page is None:
        raise not_found("Application template", application.template_id)
    return page


def require_managed(desk: Desk, application: EnterpriseApplication) -> None:
    """Checks that an application, or a source, is one that the caller may run.

    A source writes people into the directory, so whoever runs it must be allowed to do that as well.

    Raises: Refused for the import of files, too.
    """
    page = template_of(desk, application)
    if page.is_source:
        desk.require(Permission.WRITE_DIRECTORY)
    require_changeable(desk, application)


def require_changeable(desk: Desk, application: EnterpriseApplication) -> None:
    """Checks that an application does not belong to the installation. Raises: Refused."""
    require_run(desk, application)
    if not template_of(desk, application).is_managed:
        raise bad_request(
            f"{application.display_name} belongs to the installation: it runs whenever a file is imported, "
            "and cannot be started, changed or removed."
        )


def require_run(desk: Desk, application: EnterpriseApplication) -> None:
    """Checks that an application has cycles, and rules that count: SCIM clients have none. Raises: Refused."""
    if template_of(desk, application).id == CLIENTS_TEMPLATE_ID:
        raise bad_request(
            f"{application.display_name} belongs to the installation: it works whenever a client writes, "
            "and cannot be started, changed or removed."
        )


def require_guarded(desk: Desk, application: EnterpriseApplication) -> None:
    """Checks that the caller may set the safeguards of an application; those of SCIM clients, too. Raises: Refused."""
    if template_of(desk, application).id == CLIENTS_TEMPLATE_ID:
        desk.require(Permission.WRITE_DIRECTORY)
    else:
        require_managed(desk, application)


def find_template(desk: Desk, application: EnterpriseApplication, template_id: str) -> GalleryPage:
    """Returns the synchronization template of an application. Raises: Refused with the one it has."""
    page = template_of(desk, application)
    if template_id not in (page.job_template_id, page.id):
        raise not_found(
            f"{application.display_name} has the synchronization template “{page.job_template_id}”; template",
            template_id,
        )
    return page


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not stripped or len(stripped) > NAME_LIMIT or not stripped.isprintable():
        raise bad_request(f"displayName takes 1 to {NAME_LIMIT} printable characters.")
    return stripped


def _check_roles(roles: Sequence[AppRole]) -> None:
    if len(roles) > ROLES_LIMIT:
        raise bad_request(f"An application has at most {ROLES_LIMIT} roles.")
    for role in roles:
        where = f"App role “{role.display_name[:100]}”"
        if not _GUID.fullmatch(role.id) or role.id == DEFAULT_ACCESS:
            raise bad_request(f"{where}: id must be a GUID of its own.")
        if not role.display_name.strip() or len(role.display_name) > 100:
            raise bad_request(f"{where}: displayName takes 1 to 100 characters.")
        if role.value is not None and (not _ROLE_VALUE.fullmatch(role.value) or role.value.startswith(".")):
            raise bad_request(
                f"{where}: value “{role.value[:120]}” must have no blanks, at most 120 characters "
                "and must not begin with a full stop."
            )
        if not role.allowed_member_types or not MEMBER_TYPES.issuperset(role.allowed_member_types):
            raise bad_request(f"{where}: allowedMemberTypes takes User, Application or both.")
    for name, values in (
        ("id", [role.id for role in roles]),
        ("value", [role.value for role in roles if role.value is not None]),
        ("displayName", [role.display_name for role in roles]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise bad_request(f"Two app roles have the {name} “{twice}”: it must be unique.")


def _check_removals(desk: Desk, before: EnterpriseApplication, roles: Sequence[AppRole]) -> None:
    """A role is deleted in two steps, as in Entra: disabled and saved, then taken out."""
    kept = {role.id for role in roles}
    removed = [role for role in before.app_roles if role.id not in kept]
    for role in removed:
        if role.is_enabled:
            raise bad_request(
                f"App role “{role.display_name}” cannot be deleted unless it is disabled first: "
                "set isEnabled to false, save, then delete it.",
                code="CannotDeleteOrUpdateEnabledEntitlement",
            )
    if not removed:
        return
    given = desk.stores.applications.assignments(service_principal_id=before.service_principal_id)
    for role in removed:
        holders = sum(1 for assignment in given if assignment.role_id == role.id)
        if holders:
            raise conflict(
                f"App role “{role.display_name}” is still assigned {number_of(holders, 'time')}: unassign it first."
            )


def _changes(before: EnterpriseApplication, after: EnterpriseApplication) -> tuple[Change, ...]:
    pairs = (
        ("displayName", before.display_name, after.display_name),
        ("accountEnabled", str(before.is_enabled), str(after.is_enabled)),
        ("visibleToUsers", str(before.is_visible), str(after.is_visible)),
        ("acceptsDefaultAccess", str(before.accepts_default_access), str(after.accepts_default_access)),
        ("appRoles", _shown(before.app_roles), _shown(after.app_roles)),
    )
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _shown(roles: Sequence[AppRole]) -> str:
    return "; ".join(f"{role.display_name}{'' if role.is_enabled else ' (disabled)'}" for role in roles)


def _note(desk: Desk, activity: str, application: EnterpriseApplication, changes: tuple[Change, ...] = ()) -> None:
    desk.note(
        activity,
        CATEGORY,
        target=("ServicePrincipal", application.service_principal_id, application.display_name),
        changes=changes,
    )
