"""Provisioning of an application set up: mode, credentials with their test, notification, deletions, scope, status."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import flask

from muster.administration import credentials, dialects, jobs, mapping_edits
from muster.administration.refusals import Refused, bad_request
from muster.model.application import SecretKey
from muster.model.job import DEFAULT_INTERVAL, TRANSITIVE_GROUPS_SETTING, ScheduleState
from muster.model.roles import Permission
from muster.model.whatif import OtherScope
from muster.ui.language import gettext, marked
from muster.web.portal.consequences import consequences
from muster.web.portal.credentials import (
    CLIENT_WAYS,
    KINDS,
    are_changed,
    await_authorization,
    given_form,
    given_secrets,
    return_address,
    saved_form,
)
from muster.web.portal.forms import chosen, done, field, is_ticked
from muster.web.portal.paths import desk, text
from muster.web.portal.safeguards import weighed
from muster.web.portal.shelves import Shelf, find_shelf, show

SCOPES = {
    "assigned": marked("Only assigned users and groups"),
    "all": marked("All users and groups"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the form shows: as saved, or as filled in when it came back."""

    url: str
    email: str
    sends_mail: bool
    sends_digest: bool
    guards_deletions: bool
    threshold: str
    scope: str
    skips_leavers: bool
    transitive: bool
    interval_minutes: str
    is_on: bool


def show_provisioning(sp: str) -> Any:
    """GET /applications/<sp>/provisioning: what it does and *Get started*, or the form."""
    found = find_shelf(sp)
    if found.is_source:
        return flask.redirect(found.to("source"))
    if found.is_of_clients:
        return flask.redirect(found.to("provisioning", "safeguards"))
    if found.status is None and text("mode") != "automatic":
        return show("provisioning/begin.html", found)
    return _form(found, _saved(found))


def save(sp: str) -> Any:
    """POST /applications/<sp>/provisioning: tests new credentials, then saves everything, or nothing."""
    found = find_shelf(sp)
    saved = _saved(found)
    given = _given(saved)
    try:
        said = _save(found, given)
    except Refused as refused:
        return _form(found, given, refused), 400
    return done(found.to() if said == "started" else found.to("provisioning"), said)


def test(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/test: Test Connection, as a line below the button."""
    found = find_shelf(sp)
    refusal: Refused | None = None
    shown = credentials.kept_secrets(desk(), found.sp)
    is_kept = False
    try:
        given = given_secrets(found, shown)
        # What is examined are the saved credentials: new ones are first to be kept.
        is_kept = SecretKey.BASE_ADDRESS in shown and not are_changed(given, shown)
        credentials.validate(desk(), found.sp, given, job_id=_job_id(found))
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    is_tls = field("url").lower().startswith("https://")
    return flask.render_template(
        "provisioning/tested.html", refusal=refusal, shelf=found, is_kept=is_kept, is_tls=is_tls
    )


def examine(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/examine: what the application really does, below the connection's test."""
    found = find_shelf(sp)
    report: Mapping[str, Any] | None = None
    refusal: Refused | None = None
    try:
        report = dialects.examine(desk(), found.sp)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    return flask.render_template("provisioning/examined.html", report=report, refusal=refusal)


def try_scope(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/scope: what other settings of the scope would change, below its fields."""
    found = find_shelf(sp)
    saved = _saved(found)
    is_all, transitive = chosen("scope", SCOPES) == "all", is_ticked("transitive")
    skips = is_ticked("skips_leavers")
    scope = OtherScope(
        sync_all=None if is_all is (saved.scope == "all") else is_all,
        transitive=None if transitive is saved.transitive else transitive,
        skip_out_of_scope_deletions=None if skips is saved.skips_leavers else skips,
    )
    return "" if scope.is_saved else consequences(found, None, scope)


def weigh(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/weigh: what another threshold would let through, below it."""
    found = find_shelf(sp)
    before, guards, threshold = _saved(found), is_ticked("guards_deletions"), field("threshold")
    if guards and not (threshold.isascii() and threshold.isdigit()):
        refusal = bad_request(gettext("The threshold of removals is a whole number."))
        return flask.render_template("provisioning/weighed.html", refusal=refusal)
    if (guards, threshold) == (before.guards_deletions, before.threshold):
        return ""
    return weighed(found, {}, _guarding(guards, threshold))


# ---------------------------------------------------------------- saving


def _save(found: Shelf, given: Settings) -> str:
    desk().require(Permission.WRITE_CONFIGURATION)
    shown = credentials.kept_secrets(desk(), found.sp)
    way_in = given_secrets(found, shown)
    pairs = _pairs(shown, way_in, given)
    interval = _interval(given.interval_minutes)
    if await_authorization(way_in, shown):
        if given.is_on:
            raise bad_request(
                gettext("Save this switched off, authorize Muster at the application, then switch it on.")
            )
    elif are_changed(way_in, shown) or found.status is None:
        credentials.validate(desk(), found.sp, way_in, job_id=_job_id(found))
    credentials.put_secrets(desk(), found.sp, pairs)
    job = found.job if found.status is not None else jobs.create_job(desk(), found.sp, None)
    transitive = "true" if given.transitive else "false"
    if interval != job.interval or transitive != (job.settings.get(TRANSITIVE_GROUPS_SETTING) or "false"):
        jobs.set_settings(desk(), found.sp, job.id, {TRANSITIVE_GROUPS_SETTING: transitive}, interval=interval)
    is_on = job.schedule_state is ScheduleState.ACTIVE
    if given.is_on and not is_on:
        jobs.start(desk(), found.sp, job.id)
        return "started"
    if is_on and not given.is_on:
        jobs.pause(desk(), found.sp, job.id)
        return "paused"
    return "saved"


def _pairs(shown: Mapping[str, str], way_in: Mapping[str, str], given: Settings) -> dict[str, str]:
    """All secrets as they are to be kept: what the form does not know stays as it is (masked: kept)."""
    if given.guards_deletions and not (given.threshold.isascii() and given.threshold.isdigit()):
        raise bad_request(gettext("The threshold of removals is a whole number."))
    notification: dict[str, Any] = {
        "Enabled": given.sends_mail,
        "Recipients": given.email,
        **_guarding(given.guards_deletions, given.threshold),
    }
    if (given.sends_mail or given.sends_digest) and not given.email:
        raise bad_request(gettext("Enter the address that failures are mailed to, or untick the box."))
    before = _notification(shown)
    if given.sends_digest or "Digest" in before:
        notification["Digest"] = given.sends_digest
    return {
        **shown,
        **way_in,
        SecretKey.SYNC_ALL: "true" if given.scope == "all" else "false",
        SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS: "true" if given.skips_leavers else "false",
        SecretKey.SYNC_NOTIFICATION_SETTINGS: json.dumps({**before, **notification}),
    }


def _guarding(guards: bool, threshold: str) -> dict[str, Any]:
    """What the notification settings say of accidental deletions; switched off, the number stays as it was."""
    return {"DeleteThresholdEnabled": guards, **({"DeleteThresholdValue": int(threshold)} if guards else {})}


def _interval(minutes: str) -> timedelta:
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) <= 6):
        raise bad_request(gettext("The interval is a whole number of minutes."))
    interval = timedelta(minutes=int(minutes))
    # Looked at before anything is saved: a form is saved whole or not at all.
    if not jobs.SHORTEST_INTERVAL <= interval <= jobs.LONGEST_INTERVAL:
        raise bad_request(gettext("The interval is from one minute to 24 hours (1,440 minutes)."))
    return interval


def _job_id(found: Shelf) -> str | None:
    return None if found.status is None else found.status.job.id


# ---------------------------------------------------------------- what the form shows


def _form(found: Shelf, settings: Settings, refusal: Refused | None = None) -> str:
    saved = saved_form(found, credentials.kept_secrets(desk(), found.sp))
    return show(
        "provisioning/form.html",
        found,
        settings=settings,
        scopes=SCOPES,
        lost=credentials.lost_secrets(desk(), found.sp),
        mappings=() if found.status is None else mapping_edits.object_mappings(desk(), found.sp, found.job.id),
        way=saved if refusal is None else given_form(saved),
        ways=KINDS,
        client_ways=CLIENT_WAYS,
        return_address=return_address(),
        refusal=refusal,
    )


def _saved(found: Shelf) -> Settings:
    secrets = credentials.kept_secrets(desk(), found.sp)
    job = None if found.status is None else found.status.job
    notification = _notification(secrets)
    threshold = notification.get("DeleteThresholdValue")
    interval = DEFAULT_INTERVAL if job is None else job.interval
    return Settings(
        url=secrets.get(SecretKey.BASE_ADDRESS, ""),
        email=str(notification.get("Recipients") or ""),
        sends_mail=notification.get("Enabled") is True,
        sends_digest=notification.get("Digest") is True,
        guards_deletions=notification.get("DeleteThresholdEnabled", True) is not False,
        threshold=str(500 if threshold is None else threshold),
        scope="all" if secrets.get(SecretKey.SYNC_ALL, "").lower() == "true" else "assigned",
        skips_leavers=secrets.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS, "").lower() == "true",
        transitive=job is not None and job.settings.get(TRANSITIVE_GROUPS_SETTING, "").lower() == "true",
        interval_minutes=str(round(interval.total_seconds() / 60)),
        is_on=job is not None and job.schedule_state is ScheduleState.ACTIVE,
    )


def _given(saved: Settings) -> Settings:
    return Settings(
        url=field("url"),
        email=field("email"),
        sends_mail=is_ticked("sends_mail"),
        sends_digest=is_ticked("sends_digest"),
        guards_deletions=is_ticked("guards_deletions"),
        threshold=field("threshold") or saved.threshold,
        scope="all" if field("scope") == "all" else "assigned",
        skips_leavers=is_ticked("skips_leavers"),
        transitive=is_ticked("transitive"),
        interval_minutes=field("interval") or saved.interval_minutes,
        is_on=field("status") == "on",
    )


def _notification(secrets: Mapping[str, str]) -> dict[str, Any]:
    try:
        read = json.loads(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS) or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
