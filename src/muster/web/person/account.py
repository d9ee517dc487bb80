"""A person's own account: another password, the authenticator app, recovery codes."""

from typing import Any

import flask

from muster.administration.refusals import Refused
from muster.administration.signing_in import change_password, credentials_of, is_own_password, note
from muster.model.password_policy import SHORTEST_CHARACTERS
from muster.ui.language import gettext
from muster.web.factors import Holder
from muster.web.person.context import rooms, signed_in

PAGE = "/myapps/account"


def show_account(refusal: str | None = None, at: str = "", codes: tuple[str, ...] = ()) -> Any:
    """GET /myapps/account; `at` is the card that a refusal belongs to, `codes` are shown this once."""
    reception, person = rooms().persons.reception, signed_in().person
    return flask.render_template(
        "account.html",
        factor=_holder().view(),
        has_password=credentials_of(reception, person.object_id).password_hash is not None,
        password_length=SHORTEST_CHARACTERS,
        refusal=refusal,
        at=at,
        codes=codes,
        said=_said(flask.request.args.get("said")),
    )


def save_password() -> Any:
    """POST /myapps/account/password"""
    form, me, holder = flask.request.form, signed_in(), _holder()
    try:
        holder.check_pace()
        change_password(rooms().persons.reception, me.person, form.get("current", ""), form.get("password", ""))
    except Refused as refused:
        # What says only that a new password will not do is no guess.
        if refused.code == "WrongPassword":
            holder.fail()
        return show_account(refused.sentence, "password"), 400
    # All sessions have ended by it; this browser gets a new one.
    return rooms().persons.admit(flask.redirect(f"{PAGE}?said=password", 303), me.person, me.methods)


def begin_app() -> Any:
    """POST /myapps/account/app/begin"""
    try:
        _holder().begin()
    except Refused as refused:
        return show_account(refused.sentence, "app"), 409
    return flask.redirect(f"{PAGE}#app", 303)


def confirm_app() -> Any:
    """POST /myapps/account/app"""
    try:
        return show_account(codes=_holder().confirm(flask.request.form.get("code", "")))
    except Refused as refused:
        return show_account(refused.sentence, "app"), 400


def remove_app() -> Any:
    """POST /myapps/account/app/remove"""
    try:
        _holder().remove(flask.request.form.get("proof", ""))
    except Refused as refused:
        return show_account(refused.sentence, "app"), 400
    return flask.redirect(f"{PAGE}?said=removed", 303)


def renew_codes() -> Any:
    """POST /myapps/account/codes"""
    try:
        return show_account(codes=_holder().renew(flask.request.form.get("proof", "")))
    except Refused as refused:
        return show_account(refused.sentence, "app"), 400


def _holder() -> Holder:
    reception, person = rooms().persons.reception, signed_in().person
    return Holder(
        id=person.object_id,
        account=str(person.attributes.get("userPrincipalName")),
        stores=reception.stores,
        at=flask.g.now,
        machine=flask.request.remote_addr or "?",
        attempts=rooms().entrance.attempts,
        is_password=lambda given: is_own_password(reception, person.object_id, given),
        note=lambda activity: note(reception, person, activity),
    )


def _said(key: str | None) -> str | None:
    known = {
        "password": gettext("Your password is changed. Other sessions of yours have ended."),
        "removed": gettext("The authenticator app is removed."),
    }
    return known.get(key or "")
