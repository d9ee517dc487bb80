"""Functions of app role assignments: objects with id, value and displayName."""

from collections.abc import Mapping
from typing import Any, Final

from muster.expression.signatures import Example, Function, FunctionList, Parameter, Topic
from muster.expression.values import Value, items, refuse

ROLE_TYPE: Final = "WindowsAzureActiveDirectoryRole"
_ASSIGNMENTS: Final = Parameter(name="source", about="The attribute `[appRoleAssignments]`.")


def _roles(value: Any, function: str) -> list[Mapping[str, Any]]:
    roles: list[Mapping[str, Any]] = []
    for role in items(value):
        if isinstance(role, Mapping):
            roles.append(role)
        elif isinstance(role, str):
            roles.append({"value": role, "displayName": role})
        else:
            raise refuse(function, "source", role, "must be [appRoleAssignments]")
    return roles


def _role_value(role: Mapping[str, Any]) -> Any:
    # A role without a value, such as Default Access, is known by its name alone.
    return role.get("value") or role.get("displayName")


def _single(assignments: Any) -> Value:
    roles = _roles(assignments, "SingleAppRoleAssignment")
    value: Value = _role_value(roles[0]) if roles else None
    return value


def _values(assignments: Any) -> Value:
    return tuple(_role_value(role) for role in _roles(assignments, "AppRoleAssignments"))


def _objects(assignments: Any, function: str) -> Value:
    return tuple(
        {
            "id": role.get("id"),
            "value": _role_value(role),
            "display": role.get("displayName") or role.get("value"),
            "displayName": role.get("displayName") or role.get("value"),
            "type": ROLE_TYPE,
            "primary": False,
        }
        for role in _roles(assignments, function)
    )


def _complex(assignments: Any) -> Value:
    return _objects(assignments, "AppRoleAssignmentsComplex")


def _assertive(assignments: Any) -> Value:
    return _objects(assignments, "AssertiveAppRoleAssignmentsComplex")


_ADMIN: Final[Mapping[str, Value]] = {
    "appRoleAssignments": ({"id": "06b07648", "value": "Admin", "displayName": "Administrator"},)
}
_ADMIN_OBJECT: Final[Mapping[str, Value]] = {
    "id": "06b07648",
    "value": "Admin",
    "display": "Administrator",
    "displayName": "Administrator",
    "type": ROLE_TYPE,
    "primary": False,
}

FUNCTIONS: Final = (
    Function(
        name="SingleAppRoleAssignment",
        topic=Topic.ROLES,
        about="The value of the one role a user is assigned; null without one, the first if there are several.",
        parameters=(_ASSIGNMENTS,),
        examples=(
            Example(expression="SingleAppRoleAssignment([appRoleAssignments])", attributes=_ADMIN, result="Admin"),
        ),
        implementation=_single,
    ),
    Function(
        name="AppRoleAssignments",
        topic=Topic.ROLES,
        about="The values of all roles a user is assigned.",
        parameters=(_ASSIGNMENTS,),
        examples=(
            Example(expression="AppRoleAssignments([appRoleAssignments])", attributes=_ADMIN, result=("Admin",)),
        ),
        implementation=_values,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="AppRoleAssignmentsComplex",
        topic=Topic.ROLES,
        about="All roles a user is assigned, as objects; none is primary. The target's other roles are left alone.",
        parameters=(_ASSIGNMENTS,),
        examples=(
            Example(
                expression="AppRoleAssignmentsComplex([appRoleAssignments])",
                attributes=_ADMIN,
                result=(_ADMIN_OBJECT,),
            ),
        ),
        implementation=_complex,
    ),
    Function(
        name="AssertiveAppRoleAssignmentsComplex",
        topic=Topic.ROLES,
        about="The same objects, but they replace the target's: a role no longer assigned is removed there.",
        parameters=(_ASSIGNMENTS,),
        examples=(
            Example(
                expression="AssertiveAppRoleAssignmentsComplex([appRoleAssignments])",
                attributes=_ADMIN,
                result=(_ADMIN_OBJECT,),
            ),
        ),
        implementation=_assertive,
    ),
)
