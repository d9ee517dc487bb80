"""Roles of administrators and what a caller is (DESIGN: roles at the door)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Directory roles, by the names Entra gives them."""

    GLOBAL_ADMINISTRATOR = "Global Administrator"
    APPLICATION_ADMINISTRATOR = "Application Administrator"
    CLOUD_APPLICATION_ADMINISTRATOR = "Cloud Application Administrator"
    USER_ADMINISTRATOR = "User Administrator"
    GLOBAL_READER = "Global Reader"
    REPORTS_READER = "Reports Reader"


class Permission(StrEnum):
    """What a call needs."""

    READ_DIRECTORY = "directory.read"
    WRITE_DIRECTORY = "directory.write"
    READ_CONFIGURATION = "configuration.read"
    WRITE_CONFIGURATION = "configuration.write"
    RUN_JOBS = "jobs.run"
    READ_LOGS = "logs.read"
    MANAGE_ACCESS = "access.manage"
    # What concerns the installation as a whole: its mail server, its webhook.
    MANAGE_INSTALLATION = "installation.manage"


_APPLICATION = frozenset(
    {
        Permission.READ_DIRECTORY,
        Permission.READ_CONFIGURATION,
        Permission.WRITE_CONFIGURATION,
        Permission.RUN_JOBS,
        Permission.READ_LOGS,
    }
)

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.GLOBAL_ADMINISTRATOR: frozenset(Permission),
    Role.APPLICATION_ADMINISTRATOR: _APPLICATION,
    Role.CLOUD_APPLICATION_ADMINISTRATOR: _APPLICATION,
    Role.USER_ADMINISTRATOR: frozenset({Permission.READ_DIRECTORY, Permission.WRITE_DIRECTORY}),
    Role.GLOBAL_READER: frozenset({Permission.READ_DIRECTORY, Permission.READ_CONFIGURATION, Permission.READ_LOGS}),
    Role.REPORTS_READER: frozenset({Permission.READ_LOGS}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a person or a token, and the roles it has."""

    id: str
    display_name: str
    roles: frozenset[Role]

    def may(self, permission: Permission) -> bool:
        """Whether one of the caller's roles gives the permission."""
        return any(permission in PERMISSIONS[role] for role in self.roles)
