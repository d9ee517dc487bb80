"""An administrator's own account: the authenticator app and its recovery codes."""

from typing import Any

import flask

from muster.administration.refusals import Refused
from muster.sealing import is_password
from muster.web.factors import Holder
from muster.web.portal.forms import done
from muster.web.portal.paths import desk

PAGE = "/account"


def show_account(refusal: str | None = None, codes: tuple[str, ...] = ()) -> Any:
    """GET /account; `codes` are shown this once."""
    return flask.render_template("account.html", factor=_holder().view(), refusal=refusal, codes=codes)


def begin_app() -> Any:
    """POST /account/app/begin"""
    try:
        _holder().begin()
    except Refused as refused:
        return show_account(refused.sentence), 409
    return flask.redirect(f"{PAGE}#app", 303)


def confirm_app() -> Any:
    """POST /account/app"""
    try:
        return show_account(codes=_holder().confirm(flask.request.form.get("code", "")))
    except Refused as refused:
        return show_account(refused.sentence), 400


def remove_app() -> Any:
    """POST /account/app/remove"""
    try:
        _holder().remove(flask.request.form.get("proof", ""))
    except Refused as refused:
        return show_account(refused.sentence), 400
    return done(PAGE, "removed")


def renew_codes() -> Any:
    """POST /account/codes"""
    try:
        return show_account(codes=_holder().renew(flask.request.form.get("proof", "")))
    except Refused as refused:
        return show_account(refused.sentence), 400


def _holder() -> Holder:
    me, stores = flask.g.me, desk().stores
    found = stores.access.administrator(me.display_name)
    stored_hash = None if found is None else found[1]
    target = ("Administrator", me.id, me.display_name)
    return Holder(
        id=me.id,
        account=me.display_name,
        stores=stores,
        at=flask.g.now,
        machine=flask.request.remote_addr or "?",
        attempts=flask.current_app.extensions["attempts"],
        is_password=lambda given: is_password(given, stored_hash),
        note=lambda activity: desk().note(activity, "RoleManagement", target=target),
    )
