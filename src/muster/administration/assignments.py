"""App role assignments: who is given which role of an enterprise application."""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.administration.applications import find_application
from muster.administration.desk import Desk
from muster.administration.refusals import Refused, bad_request, not_found
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, EnterpriseApplication
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.roles import Permission

CATEGORY = "ApplicationManagement"
ADDED, REMOVED = "Add app role assignment grant", "Remove app role assignment"
ASSIGNMENTS_A_CALL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A wish: this principal gets this role."""

    principal_id: str
    role_id: str = DEFAULT_ACCESS


def assign(desk: Desk, service_principal_id: str, grant: Grant) -> AppRoleAssignment:
    """Returns the new assignment. Raises: Refused, also when it is there already."""
    answer = assign_many(desk, service_principal_id, [grant])[0]
    if isinstance(answer, Refused):
        raise answer
    return answer


def assign_many(
    desk: Desk, service_principal_id: str, grants: Sequence[Grant]
) -> Sequence[AppRoleAssignment | Refused]:
    """Returns one answer a grant, in order; those that are refused hinder no other. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    if len(grants) > ASSIGNMENTS_A_CALL:
        raise bad_request(f"At most {ASSIGNMENTS_A_CALL} assignments can be made in one call.")
    application = find_application(desk, service_principal_id)
    answers: list[AppRoleAssignment | Refused] = []
    for grant in grants:
        try:
            answers.append(_form(desk, application, grant))
        except Refused as refused:
            answers.append(refused)
    formed = [answer for answer in answers if isinstance(answer, AppRoleAssignment)]
    kept = {asked.id: answer for asked, answer in zip(formed, desk.stores.applications.assign(formed), strict=True)}
    for assignment in kept.values():
        if assignment is not None:
            _note(desk, ADDED, application, assignment)
    return [answer if isinstance(answer, Refused) else kept[answer.id] or _exists_already(answer) for answer in answers]


def unassign(desk: Desk, service_principal_id: str, assignment_id: str) -> None:
    """Takes an assignment away. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    assignment = find_assignment(desk, assignment_id, service_principal_id=application.service_principal_id)
    if desk.stores.applications.unassign(assignment.id) is None:
        raise not_found("App role assignment", assignment_id)
    _note(desk, REMOVED, application, assignment)


def assignments(
    desk: Desk, *, service_principal_id: str | None = None, principal_id: str | None = None
) -> Sequence[AppRoleAssignment]:
    """Returns the assignments of an application or of a principal. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    given = desk.stores.applications.assignments(service_principal_id=service_principal_id, principal_id=principal_id)
    if desk.application_id is None:
        return given
    return [assignment for assignment in given if desk.reaches(assignment.service_principal_id)]


def find_assignment(
    desk: Desk, assignment_id: str, *, service_principal_id: str | None = None, principal_id: str | None = None
) -> AppRoleAssignment:
    """Returns an assignment of an application or of a principal. Raises: Refused."""
    known = assignments(desk, service_principal_id=service_principal_id, principal_id=principal_id)
    found = next((assignment for assignment in known if assignment.id == assignment_id), None)
    if found is None:
        raise not_found("App role assignment", assignment_id)
    return found


def find_principal(desk: Desk, principal_id: str) -> DirectoryObject:
    """Returns the present user or group with an id. Raises: Refused."""
    for kind in (ObjectKind.USER, ObjectKind.GROUP):
        found = desk.stores.directory.get(kind, principal_id)
        if found is not None and found.object_id == principal_id and found.lifecycle is Lifecycle.PRESENT:
            return found
    raise not_found("User or group", principal_id)


def _form(desk: Desk, application: EnterpriseApplication, grant: Grant) -> AppRoleAssignment:
    principal = find_principal(desk, grant.principal_id)
    if principal.kind is ObjectKind.GROUP and principal.attributes.get("securityEnabled") is not True:
        raise bad_request(
            f"Group {principal.display_name} is not security-enabled: only security groups can be assigned to "
            "an application. Set securityEnabled, or assign another group."
        )
    _check_role(application, grant.role_id)
    return AppRoleAssignment(
        id=desk.ids.new_id(),
        service_principal_id=application.service_principal_id,
        principal_id=principal.object_id,
        principal_kind=principal.kind,
        principal_display_name=principal.display_name,
        role_id=grant.role_id,
        created_at=desk.now(),
    )


def _check_role(application: EnterpriseApplication, role_id: str) -> None:
    # Default Access can always be given, as the tutorial does; whether it entitles is the application's switch.
    if role_id == DEFAULT_ACCESS:
        return
    role = next((role for role in application.app_roles if role.id == role_id), None)
    if role is None:
        raise bad_request(f"Permission being assigned was not found on application {application.display_name}.")
    if not role.is_enabled:
        raise bad_request(f"Role {role.display_name} is disabled: enable it or choose another.")
    if "User" not in role.allowed_member_types:
        raise bad_request(
            f"Role {role.display_name} cannot be given to users or groups (allowedMemberTypes has no User)."
        )


def _exists_already(assignment: AppRoleAssignment) -> Refused:
    sentence = "Permission being assigned already exists on the object"
    return bad_request(
        f"{sentence}: {assignment.principal_display_name} has this role.", details=[("InvalidUpdate", sentence)]
    )


def _note(desk: Desk, activity: str, application: EnterpriseApplication, assignment: AppRoleAssignment) -> None:
    subject = f"{assignment.principal_kind.value} {assignment.principal_display_name}"
    note_grant(desk, activity, application, subject, assignment.role_id)


def note_grant(desk: Desk, activity: str, application: EnterpriseApplication, subject: str, role_id: str) -> None:
    """Writes the audit entry of a role that was given to a subject (`ADDED`), or taken away."""
    role = next((role.display_name for role in application.app_roles if role.id == role_id), None)
    shown_role = role or ("Default Access" if role_id == DEFAULT_ACCESS else role_id)
    given, taken = (shown_role, None) if activity == ADDED else (None, shown_role)
    desk.note(
        activity,
        CATEGORY,
        target=("ServicePrincipal", application.service_principal_id, application.display_name),
        changes=((subject, taken, given),),
    )
