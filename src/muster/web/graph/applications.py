"""/applicationTemplates, /applications, /servicePrincipals and app role assignments."""

from collections.abc import Sequence

from muster.administration import applications, assignments, awaited, clients, groups, people
from muster.administration.refusals import bad_request
from muster.gallery.catalogue import OWN_TEMPLATE_IDS
from muster.model.application import AppRole, AppRoleAssignment, EnterpriseApplication
from muster.model.clients import ClientApplication
from muster.model.roles import Permission
from muster.web.graph import render
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    check_fixed,
    flag_of,
    list_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.listing import narrowed
from muster.web.graph.properties import Properties, booleans, choice, instants, lists, texts
from muster.web.graph.sign_on_properties import (
    OF_APPLICATION,
    OF_SERVICE_PRINCIPAL,
    SignOns,
    change_application,
    change_service_principal,
)

BY_APP_ID = "appId="
# Sent back by clients that read before they write; what they say here cannot be changed.
UNCHANGED = frozenset({"appRoleAssignmentRequired", "tags"})

_ROLES = (
    *lists("appRoles", "appRoles/allowedMemberTypes"),
    *texts("appRoles/id", "appRoles/displayName", "appRoles/value"),
    *booleans("appRoles/isEnabled"),
)
_TEMPLATE = Properties(
    "an application template",
    *texts("id", "displayName", "description", "publisher", "homePageUrl"),
    *lists("categories", "supportedProvisioningTypes", "supportedSingleSignOnModes"),
)
APPLICATION = Properties(
    "an application",
    *texts("id", "appId", "applicationTemplateId", "displayName", "signInAudience"),
    *lists("identifierUris", "passwordCredentials"),
    *texts("passwordCredentials/keyId", "passwordCredentials/displayName"),
    *instants("createdDateTime", "deletedDateTime"),
    *_ROLES,
)
SERVICE_PRINCIPAL = Properties(
    "a service principal",
    *texts("id", "appId", "appDisplayName", "applicationTemplateId", "displayName", "notes", "servicePrincipalType"),
    *booleans("accountEnabled", "appRoleAssignmentRequired", "acceptsDefaultAccess"),
    *instants("createdDateTime", "deletedDateTime"),
    *texts("preferredSingleSignOnMode", "loginUrl", "logoutUrl", "preferredTokenSigningKeyThumbprint"),
    *lists("servicePrincipalNames", "tags", "roles", "replyUrls", "notificationEmailAddresses"),
    *_ROLES,
)
_ASSIGNMENT = Properties(
    "an app role assignment",
    *texts("id", "appRoleId", "principalId", "principalDisplayName", "resourceId", "resourceDisplayName"),
    choice("principalType", "User", "Group", "ServicePrincipal"),
    *instants("createdDateTime"),
)

_AWAITED = Properties(
    "an awaited assignment",
    *texts("id", "appRoleId", "principalName"),
    choice("principalType", "User", "Group"),
    *instants("createdDateTime"),
)


def list_templates(call: Call) -> Answer:
    """GET /applicationTemplates."""
    return narrowed(call, "applicationTemplates", applications.templates(call.desk), render.template, _TEMPLATE)


def get_template(call: Call) -> Answer:
    """GET /applicationTemplates/{template}."""
    return call.entity(
        "applicationTemplates", render.template(applications.find_page(call.desk, call.parts["template"]))
    )


def instantiate(call: Call) -> Answer:
    """POST /applicationTemplates/{template}/instantiate."""
    name = text_of(call.fields(optional=True), "displayName", optional=True)
    made = applications.instantiate(call.desk, call.parts["template"], name)
    shown = SignOns(call.desk.stores, made)
    return Answer(
        status=201,
        document={
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.applicationServicePrincipal",
            "application": shown.application(made),
            "servicePrincipal": shown.service_principal(made),
        },
    )


def list_applications(call: Call) -> Answer:
    """GET /applications."""
    with_sign_on = SignOns(call.desk.stores)
    shown = [with_sign_on.application(found) for found in applications.applications(call.desk)]
    shown += [render.registration(client) for client in _clients(call)]
    return narrowed(call, "applications", shown, dict, APPLICATION)


def get_application(call: Call) -> Answer:
    """GET /applications/{application}."""
    client = _client(call, "application")
    if client is not None:
        return call.entity("applications", render.registration(client))
    found = registration_of(call)
    return call.entity("applications", SignOns(call.desk.stores, found).application(found))


def update_application(call: Call) -> Answer:
    """PATCH /applications/{application}: display name, the manifest's roles, identifier and reply URLs."""
    fields = call.fields()
    client = _client(call, "application")
    if client is not None:
        check_fixed(fields, {"id": client.application_id, "appId": client.app_id}, {"displayName"} | UNCHANGED)
        clients.rename_client(call.desk, client.application_id, required_text(fields, "displayName"))
        return NO_CONTENT
    found = registration_of(call)
    fixed = {"id": found.application_id, "appId": found.app_id}
    check_fixed(fields, fixed, {"displayName", "appRoles"} | OF_APPLICATION | UNCHANGED)
    with call.desk.together():
        applications.update_application(
            call.desk,
            found.service_principal_id,
            display_name=text_of(fields, "displayName", optional=True),
            app_roles=None if fields.get("appRoles") is None else _roles(fields),
        )
        change_application(call.desk, found.service_principal_id, fields)
    return NO_CONTENT


def delete_application(call: Call) -> Answer:
    """DELETE /applications/{application}."""
    client = _client(call, "application")
    if client is not None:
        clients.remove_client(call.desk, client.application_id)
        return NO_CONTENT
    applications.remove_application(call.desk, registration_of(call).service_principal_id)
    return NO_CONTENT


def list_service_principals(call: Call) -> Answer:
    """GET /servicePrincipals."""
    # Those that are provisioned to come first: scripts take the first.
    found = sorted(applications.applications(call.desk), key=lambda each: each.template_id in OWN_TEMPLATE_IDS)
    with_sign_on = SignOns(call.desk.stores)
    shown = [with_sign_on.service_principal(each) for each in found]
    shown += [render.client_service_principal(client) for client in _clients(call)]
    return narrowed(call, "servicePrincipals", shown, dict, SERVICE_PRINCIPAL)


def get_service_principal(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}."""
    client = _client(call, "sp")
    if client is not None:
        return call.entity("servicePrincipals", render.client_service_principal(client))
    found = application_of(call)
    return call.entity("servicePrincipals", SignOns(call.desk.stores, found).service_principal(found))


def update_service_principal(call: Call) -> Answer:
    """PATCH /servicePrincipals/{sp}; `acceptsDefaultAccess`: Default Access entitles; tag HideApp: no tile."""
    fields = call.fields()
    client = _client(call, "sp")
    if client is not None:
        fixed = {"id": client.service_principal_id, "appId": client.app_id, "displayName": client.display_name}
        check_fixed(fields, fixed, {"accountEnabled"} | UNCHANGED)
        is_enabled = flag_of(fields, "accountEnabled")
        if is_enabled is not None:
            clients.switch_client(call.desk, client.application_id, is_enabled=is_enabled)
        return NO_CONTENT
    found = application_of(call)
    fixed = {"id": found.service_principal_id, "appId": found.app_id}
    known = {"displayName", "accountEnabled", "acceptsDefaultAccess", "appRoles"} | OF_SERVICE_PRINCIPAL | UNCHANGED
    check_fixed(fields, fixed, known)
    with call.desk.together():
        applications.update_application(
            call.desk,
            found.service_principal_id,
            display_name=text_of(fields, "displayName", optional=True),
            is_enabled=flag_of(fields, "accountEnabled"),
            is_visible=None if fields.get("tags") is None else render.HIDDEN_TAG not in list_of(fields, "tags"),
            accepts_default_access=flag_of(fields, "acceptsDefaultAccess"),
            app_roles=None if fields.get("appRoles") is None else _roles(fields),
        )
        change_service_principal(call.desk, found.service_principal_id, fields)
    return NO_CONTENT


def delete_service_principal(call: Call) -> Answer:
    """DELETE /servicePrincipals/{sp}."""
    client = _client(call, "sp")
    if client is not None:
        clients.remove_client(call.desk, client.application_id)
        return NO_CONTENT
    applications.remove_application(call.desk, application_of(call).service_principal_id)
    return NO_CONTENT


def list_assigned_to(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}/appRoleAssignedTo."""
    application = application_of(call)
    given = assignments.assignments(call.desk, service_principal_id=application.service_principal_id)
    return _assignments(call, given)


def get_assigned_to(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}/appRoleAssignedTo/{assignment}."""
    application = application_of(call)
    found = assignments.find_assignment(
        call.desk, call.parts["assignment"], service_principal_id=application.service_principal_id
    )
    return call.entity("appRoleAssignments", render.assignment(found, application.display_name))


def assign(call: Call) -> Answer:
    """POST /servicePrincipals/{sp}/appRoleAssignedTo."""
    application = application_of(call)
    fields = call.fields()
    if fields.get("resourceId", application.service_principal_id) != application.service_principal_id:
        raise bad_request("resourceId must be the id of the service principal in the address.")
    return _assign(call, application, fields)


def unassign(call: Call) -> Answer:
    """DELETE /servicePrincipals/{sp}/appRoleAssignedTo/{assignment}."""
    assignments.unassign(call.desk, application_of(call).service_principal_id, call.parts["assignment"])
    return NO_CONTENT


def list_awaited(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}/awaitedAssignments (ours): roles for whom the directory does not have yet."""
    given = awaited.awaited(call.desk, application_of(call).service_principal_id)
    return narrowed(call, "awaitedAssignments", given, render.awaited_assignment, _AWAITED)


def stop_awaiting(call: Call) -> Answer:
    """DELETE /servicePrincipals/{sp}/awaitedAssignments/{assignment} (ours)."""
    awaited.stop_awaiting(call.desk, application_of(call).service_principal_id, call.parts["assignment"])
    return NO_CONTENT


def list_assignments(call: Call) -> Answer:
    """GET /users|groups/{principal}/appRoleAssignments."""
    return _assignments(call, assignments.assignments(call.desk, principal_id=_principal_id(call)))


def get_assignment(call: Call) -> Answer:
    """GET /users|groups/{principal}/appRoleAssignments/{assignment}."""
    found = assignments.find_assignment(call.desk, call.parts["assignment"], principal_id=_principal_id(call))
    application = applications.find_application(call.desk, found.service_principal_id)
    return call.entity("appRoleAssignments", render.assignment(found, application.display_name))


def assign_principal(call: Call) -> Answer:
    """POST /users|groups/{principal}/appRoleAssignments."""
    fields = call.fields()
    principal_id = _principal_id(call)
    if fields.get("principalId", principal_id) != principal_id:
        raise bad_request("principalId must be the id of the user or group in the address.")
    application = applications.find_application(call.desk, required_text(fields, "resourceId"))
    return _assign(call, application, {**fields, "principalId": principal_id})


def unassign_principal(call: Call) -> Answer:
    """DELETE /users|groups/{principal}/appRoleAssignments/{assignment}."""
    found = assignments.find_assignment(call.desk, call.parts["assignment"], principal_id=_principal_id(call))
    assignments.unassign(call.desk, found.service_principal_id, found.id)
    return NO_CONTENT


def application_of(call: Call) -> EnterpriseApplication:
    """Returns the application that the path names. Raises: Refused."""
    return applications.find_application(call.desk, call.parts["sp"].removeprefix(BY_APP_ID))


def registration_of(call: Call) -> EnterpriseApplication:
    """Returns the application from the gallery whose registration the path names. Raises: Refused."""
    return applications.find_registration(call.desk, call.parts["application"].removeprefix(BY_APP_ID))


def _client(call: Call, part: str) -> ClientApplication | None:
    """The app registration that the path names, if it names one."""
    return clients.known_client(call.desk, call.parts[part].removeprefix(BY_APP_ID))


def _clients(call: Call) -> Sequence[ClientApplication]:
    """App registrations, as far as the caller may look at all applications."""
    return clients.clients(call.desk) if call.desk.caller.may(Permission.READ_CONFIGURATION) else ()


def _principal_id(call: Call) -> str:
    """The id of the user or group that the path names."""
    if "user" in call.parts:
        return people.find_user(call.desk, call.parts["user"]).object_id
    return groups.find_group(call.desk, call.parts["group"]).object_id


def _assign(call: Call, application: EnterpriseApplication, fields: Document) -> Answer:
    made = assignments.assign(
        call.desk,
        application.service_principal_id,
        assignments.Grant(
            principal_id=required_text(fields, "principalId"), role_id=required_text(fields, "appRoleId")
        ),
    )
    return call.entity("appRoleAssignments", render.assignment(made, application.display_name), status=201)


def _assignments(call: Call, given: Sequence[AppRoleAssignment]) -> Answer:
    names = {found.service_principal_id: found.display_name for found in applications.applications(call.desk)}
    return narrowed(
        call,
        "appRoleAssignments",
        given,
        lambda assignment: render.assignment(assignment, names.get(assignment.service_principal_id, "")),
        _ASSIGNMENT,
    )


def _roles(fields: Document) -> list[AppRole]:
    return [_role(item) for item in object_list(fields, "appRoles")]


def _role(fields: Document) -> AppRole:
    enabled = flag_of(fields, "isEnabled")
    kinds = list_of(fields, "allowedMemberTypes")
    if any(not isinstance(kind, str) for kind in kinds):
        raise bad_request("allowedMemberTypes takes a list of texts.")
    # Roles without value or description come back from clients with "".
    filled = {name: value for name, value in fields.items() if value != ""}
    return AppRole(
        id=required_text(fields, "id"),
        display_name=required_text(fields, "displayName"),
        value=text_of(filled, "value", optional=True),
        description=text_of(filled, "description", optional=True) or "",
        is_enabled=True if enabled is None else enabled,
        allowed_member_types=tuple(kinds),
    )
