"""The main navigation: what the caller may read."""

import flask

from muster.model.roles import Permission
from muster.ui.language import gettext


def places() -> tuple[tuple[str, str, str], ...]:
    """Returns address, name and icon of the places that the caller may go to."""
    known = (
        (None, "/", gettext("Home"), "home"),
        (Permission.READ_CONFIGURATION, "/applications", gettext("Enterprise applications"), "apps"),
        (Permission.READ_DIRECTORY, "/users", gettext("Users"), "users"),
        (Permission.READ_DIRECTORY, "/groups", gettext("Groups"), "users-group"),
        (Permission.READ_LOGS, "/logs", gettext("Provisioning logs"), "list-details"),
        (Permission.READ_LOGS, "/audit", gettext("Audit log"), "clipboard-list"),
        (Permission.READ_LOGS, "/insights", gettext("Insights"), "chart-bar"),
    )
    may = flask.g.me.may
    return tuple((to, name, icon) for needed, to, name, icon in known if needed is None or may(needed))
