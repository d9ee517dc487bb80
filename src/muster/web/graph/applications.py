"""/applicationTemplates, /applications, /servicePrincipals and app role assignments."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from muster.administration import applications, assignments, groups, people
from muster.administration.refusals import bad_request
from muster.model.application import AppRole, AppRoleAssignment, EnterpriseApplication
from muster.model.conditions import holds
from muster.web.graph import render
from muster.web.graph.call import (
    NO_CONTENT,
    Answer,
    Call,
    Document,
    flag_of,
    list_of,
    object_list,
    required_text,
    text_of,
)
from muster.web.graph.properties import Properties, bind, booleans, choice, instants, lists, read_search, texts

_BY_APP_ID = "appId="
# Sent back by clients that read before they write; what they say here cannot be changed.
_UNCHANGED = frozenset({"appRoleAssignmentRequired", "tags", "id", "appId"})

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
_APPLICATION = Properties(
    "an application",
    *texts("id", "appId", "applicationTemplateId", "displayName", "signInAudience"),
    *instants("createdDateTime", "deletedDateTime"),
    *_ROLES,
)
_SERVICE_PRINCIPAL = Properties(
    "a service principal",
    *texts("id", "appId", "appDisplayName", "applicationTemplateId", "displayName", "notes", "servicePrincipalType"),
    *booleans("accountEnabled", "appRoleAssignmentRequired", "acceptsDefaultAccess"),
    *instants("createdDateTime", "deletedDateTime"),
    *lists("servicePrincipalNames", "tags"),
    *_ROLES,
)
_ASSIGNMENT = Properties(
    "an app role assignment",
    *texts("id", "appRoleId", "principalId", "principalDisplayName", "resourceId", "resourceDisplayName"),
    choice("principalType", "User", "Group", "ServicePrincipal"),
    *instants("createdDateTime"),
)


def list_templates(call: Call) -> Answer:
    """GET /applicationTemplates."""
    return _narrowed(call, "applicationTemplates", applications.templates(call.desk), render.template, _TEMPLATE)


def get_template(call: Call) -> Answer:
    """GET /applicationTemplates/{template}."""
    return call.entity(
        "applicationTemplates", render.template(applications.find_page(call.desk, call.parts["template"]))
    )


def instantiate(call: Call) -> Answer:
    """POST /applicationTemplates/{template}/instantiate."""
    name = text_of(call.fields(optional=True), "displayName", optional=True)
    made = applications.instantiate(call.desk, call.parts["template"], name)
    return Answer(
        status=201,
        document={
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.applicationServicePrincipal",
            "application": render.application(made),
            "servicePrincipal": render.service_principal(made),
        },
    )


def list_applications(call: Call) -> Answer:
    """GET /applications."""
    return _narrowed(call, "applications", applications.applications(call.desk), render.application, _APPLICATION)


def get_application(call: Call) -> Answer:
    """GET /applications/{application}."""
    return call.entity("applications", render.application(_registration(call)))


def update_application(call: Call) -> Answer:
    """PATCH /applications/{application}: display name and the manifest's roles."""
    fields = call.fields()
    _check_known(fields, {"displayName", "appRoles"})
    applications.update_application(
        call.desk,
        _registration(call).service_principal_id,
        display_name=text_of(fields, "displayName", optional=True),
        app_roles=None if fields.get("appRoles") is None else _roles(fields),
    )
    return NO_CONTENT


def delete_application(call: Call) -> Answer:
    """DELETE /applications/{application}."""
    applications.remove_application(call.desk, _registration(call).service_principal_id)
    return NO_CONTENT


def list_service_principals(call: Call) -> Answer:
    """GET /servicePrincipals."""
    return _narrowed(
        call, "servicePrincipals", applications.applications(call.desk), render.service_principal, _SERVICE_PRINCIPAL
    )


def get_service_principal(call: Call) -> Answer:
    """GET /servicePrincipals/{sp}."""
    return call.entity("servicePrincipals", render.service_principal(application_of(call)))


def update_service_principal(call: Call) -> Answer:
    """PATCH /servicePrincipals/{sp}; `acceptsDefaultAccess` says whether Default Access entitles."""
    fields = call.fields()
    _check_known(fields, {"displayName", "accountEnabled", "acceptsDefaultAccess", "appRoles"})
    applications.update_application(
        call.desk,
        application_of(call).service_principal_id,
        display_name=text_of(fields, "displayName", optional=True),
        is_enabled=flag_of(fields, "accountEnabled"),
        accepts_default_access=flag_of(fields, "acceptsDefaultAccess"),
        app_roles=None if fields.get("appRoles") is None else _roles(fields),
    )
    return NO_CONTENT


def delete_service_principal(call: Call) -> Answer:
    """DELETE /servicePrincipals/{sp}."""
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
    return applications.find_application(call.desk, call.parts["sp"].removeprefix(_BY_APP_ID))


def _registration(call: Call) -> EnterpriseApplication:
    return applications.find_registration(call.desk, call.parts["application"].removeprefix(_BY_APP_ID))


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
    return _narrowed(
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


def _check_known(fields: Document, known: set[str]) -> None:
    unknown = [name for name in fields if name not in known and name not in _UNCHANGED and "@odata." not in name]
    if unknown:
        raise bad_request(f"The properties {', '.join(unknown[:5])[:300]} cannot be changed here.")


def _narrowed(
    call: Call, path: str, items: Iterable[Any], shown: Callable[[Any], Document], known: Properties
) -> Answer:
    """Lists what the $filter lets through, in pages; these collections are small enough to be read whole."""
    options = call.options()
    wanted = None if options.search is None else read_search(options.search, known, "displayName")
    parts = tuple(part for part in (bind(options.filter, known), wanted) if part is not None)
    found = [document for document in map(shown, items) if all(holds(part, document) for part in parts)]
    order = known.order(options.order_by, "displayName", "createdDateTime", "principalDisplayName")
    if order is not None:
        found.sort(key=lambda document: str(document.get(order[0]) or "").casefold(), reverse=order[1])
    start = int(options.after) if options.after is not None and options.after.isdigit() else 0
    end = start + options.limit
    return call.collection(
        path,
        found[start:end],
        dict,
        next_after=str(end) if end < len(found) else None,
        total=len(found),
    )
