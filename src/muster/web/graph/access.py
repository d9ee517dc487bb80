"""Who may use the installation: directory roles, API tokens, administrators; and who one is oneself."""

from datetime import timedelta
from typing import Any

from muster.administration import access, role_assignments
from muster.administration.refusals import bad_request, not_found
from muster.administration.role_assignments import RoleAssignment
from muster.model.roles import PERMISSIONS, ROLE_IDS, Caller, CallerKind, Role
from muster.ports.administration import ApiToken
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, list_of, required_text, text_of
from muster.web.graph.filters import read_instant
from muster.web.graph.listing import narrowed
from muster.web.graph.properties import Properties, booleans, instants, texts
from muster.web.graph.render import instant

LONGEST_DAYS = 3_660

_DEFINITION = Properties("a role definition", *texts("id", "displayName", "templateId"), *booleans("isBuiltIn"))
_ASSIGNMENT = Properties(
    "a role assignment", *texts("id", "principalId", "roleDefinitionId", "directoryScopeId", "principal/displayName")
)
_TOKEN = Properties(
    "a token", *texts("id", "name"), *instants("createdDateTime", "expirationDateTime", "lastUsedDateTime")
)
_ADMINISTRATOR = Properties("an administrator", *texts("id", "displayName"))


# ---------------------------------------------------------------- oneself


def get_me(call: Call) -> Answer:
    """GET /me: the caller."""
    caller = call.desk.caller
    is_person = caller.kind is CallerKind.ADMINISTRATOR
    document = {
        "@odata.type": "#microsoft.graph.user" if is_person else "#microsoft.graph.servicePrincipal",
        "id": caller.id,
        "displayName": caller.display_name,
        "userPrincipalName": caller.display_name if is_person else None,
        "roles": sorted(role.value for role in caller.roles),
        "ownedApplications": sorted(caller.owned),
    }
    return call.entity("users", document)


def list_organization(call: Call) -> Answer:
    """GET /organization: this installation, alone."""
    return call.whole("organization", [_organization(call)], dict)


def get_organization(call: Call) -> Answer:
    """GET /organization/{organization}."""
    if call.parts["organization"] != call.desk.tenant_id:
        raise not_found("Organization", call.parts["organization"])
    return call.entity("organization", _organization(call))


def _organization(call: Call) -> Document:
    return {
        "id": call.desk.tenant_id,
        "displayName": "Muster",
        "tenantType": "AAD",
        "verifiedDomains": [],
        "provisionedPlans": [],
        "onPremisesSyncEnabled": None,
    }


# ---------------------------------------------------------------- roles


def list_definitions(call: Call) -> Answer:
    """GET /roleManagement/directory/roleDefinitions."""
    return narrowed(call, "roleManagement/directory/roleDefinitions", Role, _definition, _DEFINITION)


def get_definition(call: Call) -> Answer:
    """GET /roleManagement/directory/roleDefinitions/{role}."""
    role = role_assignments.find_role(call.parts["role"])
    return call.entity("roleManagement/directory/roleDefinitions", _definition(role))


def list_assignments(call: Call) -> Answer:
    """GET /roleManagement/directory/roleAssignments."""
    found = role_assignments.role_assignments(call.desk)
    return narrowed(call, "roleManagement/directory/roleAssignments", found, _assignment, _ASSIGNMENT)


def get_assignment(call: Call) -> Answer:
    """GET /roleManagement/directory/roleAssignments/{assignment}."""
    found = role_assignments.find_role_assignment(call.desk, call.parts["assignment"])
    return call.entity("roleManagement/directory/roleAssignments", _assignment(found))


def assign_role(call: Call) -> Answer:
    """POST /roleManagement/directory/roleAssignments: a role for the whole installation."""
    fields = call.fields()
    if fields.get("directoryScopeId", "/") != "/":
        raise bad_request('directoryScopeId takes "/": for one application make its owner, POST …/owners/$ref.')
    role = role_assignments.find_role(required_text(fields, "roleDefinitionId"))
    made = role_assignments.assign_role(call.desk, required_text(fields, "principalId"), role)
    return call.entity("roleManagement/directory/roleAssignments", _assignment(made), status=201)


def unassign_role(call: Call) -> Answer:
    """DELETE /roleManagement/directory/roleAssignments/{assignment}."""
    role_assignments.unassign_role(call.desk, call.parts["assignment"])
    return NO_CONTENT


def _definition(role: Role) -> Document:
    return {
        "id": ROLE_IDS[role],
        "displayName": role.value,
        "description": f"May: {', '.join(sorted(permission.value for permission in PERMISSIONS[role]))}.",
        "isBuiltIn": True,
        "isEnabled": True,
        "templateId": ROLE_IDS[role],
        "rolePermissions": [
            {"allowedResourceActions": sorted(permission.value for permission in PERMISSIONS[role]), "condition": None}
        ],
    }


def _assignment(found: RoleAssignment) -> Document:
    return {
        "id": found.id,
        "principalId": found.principal_id,
        "roleDefinitionId": ROLE_IDS[found.role],
        "directoryScopeId": "/",
        "principal": {"id": found.principal_id, "displayName": found.principal_name, "kind": found.kind.value},
    }


# ---------------------------------------------------------------- tokens and administrators (ours)


def list_tokens(call: Call) -> Answer:
    """GET /tokens: names, roles, ends, last use; never a token."""
    return narrowed(call, "tokens", access.tokens(call.desk), _token, _TOKEN)


def create_token(call: Call) -> Answer:
    """POST /tokens: the token is in this answer and nowhere else."""
    fields = call.fields()
    made, secret = access.create_token(
        call.desk, required_text(fields, "name"), _roles(fields), lifetime=_lifetime(call, fields)
    )
    return call.entity("tokens", {**_token(made), "token": secret}, status=201)


def revoke_token(call: Call) -> Answer:
    """DELETE /tokens/{token}: at once."""
    access.revoke_token(call.desk, call.parts["token"])
    return NO_CONTENT


def list_administrators(call: Call) -> Answer:
    """GET /administrators."""
    return narrowed(call, "administrators", access.administrators(call.desk), _administrator, _ADMINISTRATOR)


def create_administrator(call: Call) -> Answer:
    """POST /administrators."""
    fields = call.fields()
    made = access.create_administrator(
        call.desk, required_text(fields, "displayName"), required_text(fields, "password"), _roles(fields)
    )
    return call.entity("administrators", _administrator(made), status=201)


def update_administrator(call: Call) -> Answer:
    """PATCH /administrators/{administrator}: other roles."""
    access.set_administrator_roles(call.desk, call.parts["administrator"], _roles(call.fields()))
    return NO_CONTENT


def remove_administrator(call: Call) -> Answer:
    """DELETE /administrators/{administrator}."""
    access.remove_administrator(call.desk, call.parts["administrator"])
    return NO_CONTENT


def _token(found: ApiToken) -> Document:
    return {
        "id": found.id,
        "name": found.name,
        "roles": sorted(role.value for role in found.roles),
        "createdDateTime": instant(found.created_at),
        "expirationDateTime": instant(found.expires_at),
        "lastUsedDateTime": instant(found.last_used_at),
    }


def _administrator(found: Caller) -> Document:
    return {"id": found.id, "displayName": found.display_name, "roles": sorted(role.value for role in found.roles)}


def _roles(fields: Document) -> frozenset[Role]:
    known = {role.value.lower(): role for role in Role} | {ROLE_IDS[role]: role for role in Role}
    given = list_of(fields, "roles")
    unknown = [name for name in given if not isinstance(name, str) or name.lower() not in known]
    if unknown:
        raise bad_request(f"roles takes names such as {Role.GLOBAL_READER.value}, not “{str(unknown[0])[:60]}”.")
    return frozenset(known[name.lower()] for name in given)


def _lifetime(call: Call, fields: Document) -> timedelta | None:
    """`expirationDateTime`, an instant, or `expiresInDays`; neither: it does not end."""
    days: Any = fields.get("expiresInDays")
    text = text_of(fields, "expirationDateTime", optional=True)
    if days is not None:
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_DAYS or text is not None:
            raise bad_request(f"expiresInDays takes a whole number from 1 to {LONGEST_DAYS}, without another end.")
        return timedelta(days=days)
    if text is None:
        return None
    ends = read_instant(text)
    if ends is None or ends <= call.desk.now():
        raise bad_request("expirationDateTime takes an instant that lies in the future, such as 2027-01-31T00:00:00Z.")
    return ends - call.desk.now()
