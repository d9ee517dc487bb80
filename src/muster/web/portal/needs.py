"""What each action of the portal needs, asked before its form is read.

Administration asks again, for what the form says. Here a stranger to an action is turned away with one answer, whatever
they sent: what is wrong with a form is told to those alone who may send it.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from muster.model.roles import Permission
from muster.web.portal.paths import desk

# The first that fits counts; an action that fits none is for Global Administrators.
_NEEDS: tuple[tuple[re.Pattern[str], Permission], ...] = tuple(
    (re.compile(pattern), permission)
    for pattern, permission in (
        (r"/account/.*", Permission.SIGNED_IN),
        (r"/(notifications|identity-provider).*", Permission.MANAGE_INSTALLATION),
        (r"/(import|users|groups)(/.*)?", Permission.WRITE_DIRECTORY),
        # What is only tried writes nothing, and the same address may save: that is asked for there.
        (r"/applications/.*/(scope|try)", Permission.READ_CONFIGURATION),
        (
            r"/applications/.*/(start|pause|restart|rollback|reconcile|held|apply|plans|on-demand|read|accept)",
            Permission.RUN_JOBS,
        ),
        (r"/applications/<sp>/provisioning/accounts", Permission.RUN_JOBS),
        (r"/(applications|sources)(/.*)?", Permission.WRITE_CONFIGURATION),
    )
)


def needed_for(rule: str) -> Permission:
    """Returns what an action needs, by the rule of its address."""
    found = (permission for pattern, permission in _NEEDS if pattern.fullmatch(rule))
    return next(found, Permission.MANAGE_ACCESS)


def at_the_door(rule: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the view behind a check of what it needs: for everything, or as the owner of its application."""
    permission = needed_for(rule)

    @wraps(view)
    def checked(**parts: Any) -> Any:
        desk().require(permission)
        return view(**parts)

    return checked
