"""The audit log: what administrators changed, with the values before and after."""

from typing import Any

import flask

from muster.administration import logs
from muster.ports.administration import AuditEntry
from muster.ui.language import marked
from muster.web.portal.paths import address, choice, desk, place, text

ROWS = 50
CATEGORIES = {
    "ProvisioningManagement": marked("Provisioning"),
    "ApplicationManagement": marked("Applications"),
    "UserManagement": marked("Users"),
    "GroupManagement": marked("Groups"),
    "RoleManagement": marked("Access"),
}


def show() -> Any:
    """GET /audit: what fits the filters, or the one entry that an address names."""
    wanted, category, target = text("search"), choice("category", CATEGORIES), text("target")
    folded = (wanted or "").casefold()

    def fits(entry: AuditEntry) -> bool:
        texts = (entry.activity, entry.target_name, entry.by.display_name)
        return (
            category in (None, entry.category)
            and target in (None, entry.target_id)
            and any(folded in each.casefold() for each in texts)
        )

    after, entry = place(), text("entry")
    if entry is None:
        entries, following = logs.audits(desk(), fits, after, ROWS)
    else:
        entries, following = [logs.find_audit(desk(), entry)], None
    return flask.render_template(
        "audit/list.html",
        entries=entries,
        entry=entry,
        search=wanted,
        category=category,
        categories=CATEGORIES,
        target=target,
        is_first=after is None,
        first=address("audit", search=wanted, category=category, target=target),
        following=address("audit", search=wanted, category=category, target=target, after=following)
        if following
        else None,
    )
