"""When somebody will be done, or what stands in the way, as a page tells it: one sentence, and where to press."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster.model.job import JobCode
from muster.ui.language import gettext, ngettext, told
from muster.web.portal.logs import ACTIONS, STATUSES
from muster.web.portal.paths import address
from muster.web.portal.shelves import Shelf

# Of what happened to somebody in an application, so much is told beside why they are in or out.
HISTORY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to come for somebody. Tones are those of banners; `at` is when something happens next."""

    tone: str
    icon: str
    title: str
    sentence: str = ""
    remedy: str = ""
    at: datetime | None = None
    # What happens then, and a place that helps.
    then: str = ""
    to: str | None = None
    link: str = ""


def why_values(
    explained: Mapping[str, Any] | None, refusal: str | None, found: Shelf, *, is_part: bool, is_deleted: bool = False
) -> dict[str, Any]:
    """Returns what `directory/why.html` shows. `is_part`: below other things, where the attributes are folded away."""
    history = () if explained is None else explained.get("history", ())[:HISTORY]
    return {
        "explained": explained,
        "refusal": refusal,
        "is_part": is_part,
        # The rules keep the account of who is deleted as it is: in scope it says nothing about them.
        "is_in": explained is not None and explained["verdict"]["inScope"] and not is_deleted,
        "outlook": None if explained is None else view_outlook(explained, found),
        "history": [{**each, "at": datetime.fromisoformat(each["activityDateTime"])} for each in history],
        "statuses": STATUSES,
        "actions": ACTIONS,
    }


def view_outlook(explained: Mapping[str, Any], found: Shelf) -> Outlook:
    """Returns what is to come, of what `explain` says."""
    outlook = explained["outlook"]
    expected = outlook["expectedDateTime"]
    at = None if expected is None else datetime.fromisoformat(expected)
    match outlook["state"]:
        case "held":
            return Outlook(
                tone="warn",
                icon="clock",
                title=gettext("Waits for a decision"),
                sentence=told(outlook["hold"]["reason"]),
                to=found.to("held", search=explained["source"]["displayName"]),
                link=gettext("Decide"),
            )
        case "waitsForRetry":
            return _retry(explained, outlook["nextAttempt"], at)
        case "stopped":
            is_paused = found.job.code is JobCode.PAUSED
            return Outlook(
                tone="idle",
                icon="player-pause",
                title=gettext("Provisioning is paused") if is_paused else gettext("Provisioning is not started"),
                sentence=gettext(
                    "No cycle sends anything until it is started; provisioning on demand and an applied plan do."
                ),
                to=found.to(),
                link=gettext("Overview"),
            )
        case "quarantine" if found.job.quarantine is not None:
            failure = found.job.quarantine.failure
            return Outlook(
                tone="bad",
                icon="alert-triangle",
                title=gettext("Waits: the job is in quarantine"),
                sentence=told(failure.sentence),
                remedy=told(failure.remedy),
                at=at,
                then=gettext("Next attempt"),
                to=found.to(),
                link=gettext("Overview"),
            )
        case "inCycle":
            before = outlook["objectsBefore"]
            return Outlook(
                tone="running",
                icon="refresh",
                title=gettext("In the cycle that runs"),
                sentence=ngettext("At most %(num)s object before.", "At most %(num)s objects before.", before),
                at=at,
                then=gettext("Done by about"),
                to=found.to(),
                link=gettext("Its progress"),
            )
        case "waitsForCycle":
            return Outlook(
                tone="running",
                icon="clock",
                title=gettext("Waits for the next cycle"),
                at=at,
                then=gettext("It begins"),
            )
    return Outlook(tone="idle", icon="circle-check", title=gettext("Nothing is waiting to be done"))


def _retry(explained: Mapping[str, Any], attempt: Mapping[str, Any], at: datetime | None) -> Outlook:
    return Outlook(
        tone="bad",
        icon="alert-triangle",
        title=ngettext("Failed %(num)s time", "Failed %(num)s times", attempt["attempts"]),
        sentence=told(attempt["reason"]),
        remedy=told(attempt["recommendedAction"]),
        at=at,
        then=gettext("Tried again"),
        to=address("logs", source=explained["source"]["id"], status="failure"),
        link=gettext("Its failures"),
    )
