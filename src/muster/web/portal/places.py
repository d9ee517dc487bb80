"""The main navigation: what the caller may read."""

import flask

from muster.model.roles import Permission
from muster.ui.language import gettext

# Lists that show owners their own applications.
_OF_OWNERS = frozenset({"/applications", "/logs"})


def places() -> tuple[tuple[str, str, str], ...]:
    """Returns address, name and icon of the places that the caller may go to."""
    known = (
        (None, "/", gettext("Home"), "home"),
        (Permission.READ_CONFIGURATION, "/applications", gettext("Enterprise applications"), "apps"),
        (Permission.READ_CONFIGURATION, "/sources", gettext("Sources"), "database-import"),
        (Permission.READ_DIRECTORY, "/users", gettext("Users"), "users"),
        (Permission.READ_DIRECTORY, "/groups", gettext("Groups"), "users-group"),
        (Permission.READ_LOGS, "/logs", gettext("Provisioning logs"), "list-details"),
        (Permission.READ_LOGS, "/audit", gettext("Audit log"), "clipboard-list"),
        (Permission.READ_LOGS, "/sign-ins", gettext("Sign-in logs"), "key"),
        (Permission.READ_LOGS, "/insights", gettext("Insights"), "chart-bar"),
        (Permission.READ_CONFIGURATION, "/notifications", gettext("Notifications"), "mail"),
    )
    me = flask.g.me
    return tuple(
        (to, name, icon)
        for needed, to, name, icon in known
        if needed is None or me.may(needed) or (to in _OF_OWNERS and me.owned)
    )


def may_somewhere(permission: Permission) -> bool:
    """Whether the caller has a permission by a role, or for an application as its owner."""
    me = flask.g.me
    return me.may(permission) or any(me.may_on(permission, owned) for owned in me.owned)
