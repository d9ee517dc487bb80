"""What keeps a job from taking away too much: thresholds, approval, protected accounts, grace before a deletion."""

import re
from collections.abc import Mapping
from typing import Any

import flask

from muster.administration import credentials, safeguards
from muster.administration.refusals import Refused
from muster.model.durations import write_duration
from muster.model.whatif import OtherScope, Weighed
from muster.planning.policy import Approval, Limit
from muster.planning.safeguards import (
    APPROVAL,
    BY_KIND,
    GRACE,
    MINIMUM,
    POPULATION,
    PROTECTED_GROUPS,
    PROTECTED_ROLES,
    PROTECTED_USERS,
    ROLLING,
    SETTINGS,
    SHARE,
    THRESHOLD,
    THRESHOLD_ENABLED,
    Safeguards,
    show_limit,
)
from muster.ports.engine_room import Told
from muster.ui.language import gettext, marked, told
from muster.web.portal.consequences import consequences
from muster.web.portal.forms import done, field, is_ticked, refused_page
from muster.web.portal.looking import look_at_everybody
from muster.web.portal.paths import desk
from muster.web.portal.shelves import Shelf, find_shelf, show

KINDS = {
    "DisableThreshold": marked("Accounts disabled"),
    "DeleteThreshold": marked("Accounts deleted"),
    "GroupDeleteThreshold": marked("Groups deleted"),
    "MemberRemovalThreshold": marked("Members removed from groups"),
}
APPROVALS = {
    Approval.NONE: (marked("Nothing"), marked("Changes go at once; removals within the thresholds.")),
    Approval.REMOVALS: (marked("Removals"), marked("Whoever is to be disabled or deleted waits for a decision.")),
    Approval.ALL: (marked("Everything"), marked("Each cycle is a plan; nothing is sent that nobody has approved.")),
}
PROTECTED = {
    PROTECTED_USERS: (marked("People"), marked("Names, addresses or ids; * stands for anything. One a line.")),
    PROTECTED_GROUPS: (marked("Members of groups"), marked("Names or ids of groups of the directory. One a line.")),
    PROTECTED_ROLES: (marked("Holders of roles"), marked("App roles of this application. One a line.")),
}
# The settings as the page calls them.
LABELS = {
    THRESHOLD_ENABLED: marked("Prevent accidental deletion"),
    THRESHOLD: marked("Accounts a cycle"),
    SHARE: marked("Share of all accounts"),
    MINIMUM: marked("Share from so many removals"),
    POPULATION: marked("… and among so many accounts"),
    ROLLING: marked("In 24 hours"),
    **KINDS,
    APPROVAL: marked("Approval"),
    GRACE: marked("Grace before a deletion"),
    **{name: word for name, (word, _hint) in PROTECTED.items()},
}
# The API's name of a setting before what is wrong with it.
_NAMED = re.compile(rf"(?:^|(?<=\. ))({'|'.join(LABELS)}): ")
PATTERN_CHARACTERS = 50_000


def show_safeguards(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/provisioning/safeguards"""
    found = find_shelf(sp)
    held = safeguards.safeguards_of(desk(), found.sp, found.job.id)
    return show(
        "provisioning/safeguards.html",
        found,
        values=_filled() if refusal is not None else _values(held.safeguards),
        given=held.given,
        skips=is_ticked("skips") if refusal is not None else held.skip_out_of_scope_deletions,
        kinds=KINDS,
        approvals=APPROVALS,
        protected=PROTECTED,
        labels=LABELS,
        rolling_count=held.safeguards.threshold.twice_a_cycle,
        lost=credentials.lost_secrets(desk(), found.sp),
        refusal=refusal,
    )


def save_safeguards(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/safeguards: what was changed is saved, or put back to the usual value."""
    found = find_shelf(sp)
    before = safeguards.safeguards_of(desk(), found.sp, found.job.id)
    if "reset" in flask.request.form:
        changes: Mapping[str, str] = dict.fromkeys(before.given, "")
        safeguards.set_safeguards(desk(), found.sp, found.job.id, changes)
        return done(found.to("provisioning", "safeguards"), "saved")
    shown = _values(before.safeguards)
    # What stands as it was shown is not given: it goes on following the product's own value.
    changes = {name: value for name, value in _filled().items() if value != shown[name]}
    skips = is_ticked("skips")
    try:
        safeguards.set_safeguards(
            desk(),
            found.sp,
            found.job.id,
            changes,
            skip_out_of_scope_deletions=None if skips == before.skip_out_of_scope_deletions else skips,
        )
    except Refused as refused:
        return refused_page(show_safeguards(sp, _as_labelled(refused)), refused)
    return done(found.to("provisioning", "safeguards"), "saved")


def try_leavers(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/safeguards/scope: what becomes of those who left, below the tick."""
    found = find_shelf(sp)
    skips = is_ticked("skips")
    held = safeguards.safeguards_of(desk(), found.sp, found.job.id)
    if skips is held.skip_out_of_scope_deletions:
        return ""
    return consequences(found, None, OtherScope(skip_out_of_scope_deletions=skips))


def weigh(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/safeguards/weigh: what these settings would let through, before Save."""
    found = find_shelf(sp)
    shown = _values(safeguards.safeguards_of(desk(), found.sp, found.job.id).safeguards)
    changes = {name: value for name, value in _filled().items() if value != shown[name]}
    return weighed(found, changes, guards=any(field(name, PATTERN_CHARACTERS) for name in PROTECTED))


def weighed(
    found: Shelf, settings: Mapping[str, str], notification: Mapping[str, object] | None = None, *, guards: bool = False
) -> str:
    """Returns the part of a page that says what safeguards would let through. `guards`: whether they protect people."""
    if not settings and not notification:
        return ""
    who = desk()

    def make(told: Told) -> Weighed:
        return safeguards.weigh_safeguards(who, found.sp, found.job.id, settings, notification, told)

    def show(made: Weighed | Refused, _name: str) -> str:
        if isinstance(made, Refused):
            return flask.render_template("provisioning/weighed.html", made=None, refusal=_as_labelled(made))
        return flask.render_template("provisioning/weighed.html", made=made, refusal=None, guards=guards)

    return look_at_everybody(found, make, show)


def _as_labelled(refused: Refused) -> Refused:
    """The refusal with each setting called what the page calls it; the API's own names are its callers'."""
    first, *rest = _NAMED.split(refused.sentence)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    problems = [f"{gettext(LABELS[name])}: {told(problem.strip())}" for name, problem in pairs]
    return Refused(refused.kind, refused.code, " ".join([first, *problems]).strip(), details=refused.details)


def _values(held: Safeguards) -> dict[str, str]:
    """What is in force, each setting as it is written."""
    threshold = held.threshold
    return {
        THRESHOLD: str(threshold.count),
        THRESHOLD_ENABLED: "true" if threshold.enabled else "false",
        SHARE: show_limit(Limit(share=threshold.share)) if threshold.share < 1 else "off",
        MINIMUM: str(threshold.minimum),
        POPULATION: str(threshold.population),
        ROLLING: "" if threshold.rolling is None else show_limit(threshold.rolling),
        **{name: show_limit(threshold.by_kind.get(kind, Limit())) for kind, name in BY_KIND.items()},
        APPROVAL: held.approval.value,
        GRACE: write_duration(held.delete_grace) if held.delete_grace else "",
        PROTECTED_USERS: "\n".join(held.protections.users),
        PROTECTED_GROUPS: "\n".join(held.protections.groups),
        PROTECTED_ROLES: "\n".join(held.protections.roles),
    }


def _filled() -> dict[str, str]:
    values = {
        name: "\n".join(field(name, PATTERN_CHARACTERS).splitlines()) if name in PROTECTED else field(name)
        for name in SETTINGS
    }
    return {**values, THRESHOLD_ENABLED: "true" if is_ticked(THRESHOLD_ENABLED) else "false"}
