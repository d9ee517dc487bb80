"""Directory roles: who has which, given and taken. Administrators and app registrations may have several."""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.administration.access import administrators, set_administrator_roles
from muster.administration.clients import clients, known_client, set_client_roles
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.model.roles import ROLE_IDS, CallerKind, Permission, Role

_SEPARATOR = "-as-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role that an administrator or an app registration (by its service principal) has."""

    principal_id: str
    principal_name: str
    kind: CallerKind
    role: Role

    @property
    def id(self) -> str:
        """The assignment's id: principal and role."""
        return f"{self.principal_id}{_SEPARATOR}{ROLE_IDS[self.role]}"


def find_role(role_id: str) -> Role:
    """Returns the role with one of Entra's ids. Raises: Refused."""
    found = next((role for role, known in ROLE_IDS.items() if known == role_id.lower()), None)
    if found is None:
        raise not_found("Role definition", role_id)
    return found


def role_assignments(desk: Desk) -> Sequence[RoleAssignment]:
    """Returns all assignments of directory roles. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    held = [(each.id, each.display_name, CallerKind.ADMINISTRATOR, each.roles) for each in administrators(desk)]
    held += [
        (each.service_principal_id, each.display_name, CallerKind.APPLICATION, each.roles) for each in clients(desk)
    ]
    return [
        RoleAssignment(principal_id=principal_id, principal_name=name, kind=kind, role=role)
        for principal_id, name, kind, roles in held
        for role in sorted(roles)
    ]


def find_role_assignment(desk: Desk, assignment_id: str) -> RoleAssignment:
    """Returns an assignment. Raises: Refused."""
    found = next((each for each in role_assignments(desk) if each.id == assignment_id), None)
    if found is None:
        raise not_found("Role assignment", assignment_id)
    return found


def assign_role(desk: Desk, principal_id: str, role: Role) -> RoleAssignment:
    """Returns the new assignment. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    held = {each.role for each in role_assignments(desk) if each.principal_id == principal_id}
    if role in held:
        raise bad_request("A conflicting object with one or more of the specified property values is present.")
    _set(desk, principal_id, frozenset({*held, role}))
    return find_role_assignment(desk, f"{principal_id}{_SEPARATOR}{ROLE_IDS[role]}")


def unassign_role(desk: Desk, assignment_id: str) -> None:
    """Takes a role away. Raises: Refused."""
    desk.require(Permission.MANAGE_ACCESS)
    gone = find_role_assignment(desk, assignment_id)
    held = {each.role for each in role_assignments(desk) if each.principal_id == gone.principal_id}
    _set(desk, gone.principal_id, frozenset(held - {gone.role}))


def _set(desk: Desk, principal_id: str, roles: frozenset[Role]) -> None:
    client = known_client(desk, principal_id)
    if client is not None and client.service_principal_id == principal_id:
        set_client_roles(desk, principal_id, roles)
        return
    if any(token.id == principal_id for token in desk.stores.access.tokens()):
        raise bad_request("A token keeps the roles it was made with: make another one and revoke this.")
    set_administrator_roles(desk, principal_id, roles)
