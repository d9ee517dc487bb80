"""Roles of administrators, and what a caller is and may (DESIGN: roles at the door)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Directory roles, by the names Entra gives them; owners of applications have one, too, so that it can be given."""

    GLOBAL_ADMINISTRATOR = "Global Administrator"
    APPLICATION_ADMINISTRATOR = "Application Administrator"
    CLOUD_APPLICATION_ADMINISTRATOR = "Cloud Application Administrator"
    HYBRID_IDENTITY_ADMINISTRATOR = "Hybrid Identity Administrator"
    USER_ADMINISTRATOR = "User Administrator"
    GLOBAL_READER = "Global Reader"
    SECURITY_ADMINISTRATOR = "Security Administrator"
    SECURITY_OPERATOR = "Security Operator"
    SECURITY_READER = "Security Reader"
    REPORTS_READER = "Reports Reader"
    # For callers that own applications and have no other role: it gives nothing but the directory to choose from.
    APPLICATION_OWNER = "Application Owner"


class Permission(StrEnum):
    """What a call needs."""

    # Whoever has any role: about oneself and the installation.
    SIGNED_IN = "signed.in"
    READ_DIRECTORY = "directory.read"
    WRITE_DIRECTORY = "directory.write"
    READ_CONFIGURATION = "configuration.read"
    WRITE_CONFIGURATION = "configuration.write"
    RUN_JOBS = "jobs.run"
    READ_LOGS = "logs.read"
    MANAGE_ACCESS = "access.manage"
    # What concerns the installation as a whole: its mail server, its webhook.
    MANAGE_INSTALLATION = "installation.manage"


# What the owner of an application may do with it. Source: Entra, "application owner".
OWNER_PERMISSIONS = frozenset(
    {Permission.READ_CONFIGURATION, Permission.WRITE_CONFIGURATION, Permission.RUN_JOBS, Permission.READ_LOGS}
)
_APPLICATION = frozenset({Permission.SIGNED_IN, Permission.READ_DIRECTORY, *OWNER_PERMISSIONS})
_DIRECTORY_READER = frozenset({Permission.SIGNED_IN, Permission.READ_DIRECTORY})
_LOG_READER = frozenset({Permission.SIGNED_IN, Permission.READ_LOGS})

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.GLOBAL_ADMINISTRATOR: frozenset(Permission),
    Role.APPLICATION_ADMINISTRATOR: _APPLICATION,
    Role.CLOUD_APPLICATION_ADMINISTRATOR: _APPLICATION,
    Role.HYBRID_IDENTITY_ADMINISTRATOR: _APPLICATION,
    Role.USER_ADMINISTRATOR: _DIRECTORY_READER | {Permission.WRITE_DIRECTORY},
    Role.GLOBAL_READER: _DIRECTORY_READER | {Permission.READ_CONFIGURATION, Permission.READ_LOGS},
    Role.SECURITY_ADMINISTRATOR: _LOG_READER,
    Role.SECURITY_OPERATOR: _LOG_READER,
    Role.SECURITY_READER: _LOG_READER,
    Role.REPORTS_READER: _LOG_READER,
    Role.APPLICATION_OWNER: _DIRECTORY_READER,
}


class CallerKind(StrEnum):
    """What stands behind a caller."""

    ADMINISTRATOR = "administrator"
    TOKEN = "token"  # noqa: S105  a kind of caller, no secret
    # An app registration that signed in with its client id and secret.
    APPLICATION = "application"


# Entra's ids of these roles, which scripts name; the last is ours.
ROLE_IDS: dict[Role, str] = {
    Role.GLOBAL_ADMINISTRATOR: "62e90394-69f5-4237-9190-012177145e10",
    Role.APPLICATION_ADMINISTRATOR: "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    Role.CLOUD_APPLICATION_ADMINISTRATOR: "158c047a-c907-4556-b7ef-446551a6b5f7",
    Role.HYBRID_IDENTITY_ADMINISTRATOR: "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
    Role.USER_ADMINISTRATOR: "fe930be7-5e62-47db-91af-98c3a49a38b1",
    Role.GLOBAL_READER: "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
    Role.SECURITY_ADMINISTRATOR: "194ae4cb-b126-40b2-bd5b-6091b380977d",
    Role.SECURITY_OPERATOR: "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f",
    Role.SECURITY_READER: "5d6b6bb7-de71-4623-b4af-96380a352509",
    Role.REPORTS_READER: "4a5d8f65-41da-4de4-8968-e035b65339cf",
    Role.APPLICATION_OWNER: "b6b6a3c7-5d2e-4f0a-9d5b-7d1f6a1e0c42",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a person, a token or an application; its roles, and the applications it owns."""

    id: str
    display_name: str
    roles: frozenset[Role]
    kind: CallerKind = CallerKind.ADMINISTRATOR
    # Service principal ids.
    owned: frozenset[str] = frozenset()

    def may(self, permission: Permission) -> bool:
        """Whether one of the caller's roles gives the permission, for everything."""
        return any(permission in PERMISSIONS[role] for role in self.roles)

    def may_on(self, permission: Permission, service_principal_id: str) -> bool:
        """Whether the caller has the permission for one application: by a role, or as its owner."""
        if self.may(permission):
            return True
        return permission in OWNER_PERMISSIONS and service_principal_id in self.owned
