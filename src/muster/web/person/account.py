"""A person's own account: another password, the authenticator app, recovery codes."""

from typing import Any

import flask

from muster.administration import second_factors
from muster.administration.refusals import Refused, bad_request
from muster.administration.signing_in import change_password, credentials_of, is_own_password, note
from muster.model.password_policy import CHOSEN_CHARACTERS
from muster.ui.language import gettext, ngettext
from muster.web import factors
from muster.web.person.context import rooms, signed_in

PAGE = "/myapps/account"


def show_account(refusal: str | None = None, at: str = "", codes: tuple[str, ...] = ()) -> Any:
    """GET /myapps/account; `at` is the card that a refusal belongs to, `codes` are shown this once."""
    reception, person = rooms().persons.reception, signed_in().person
    return flask.render_template(
        "account.html",
        factor=factors.view(reception.stores, person.object_id, str(person.attributes.get("userPrincipalName"))),
        has_password=credentials_of(reception, person.object_id).password_hash is not None,
        password_length=CHOSEN_CHARACTERS,
        refusal=refusal,
        at=at,
        codes=codes,
        said=_said(flask.request.args.get("said")),
    )


def save_password() -> Any:
    """POST /myapps/account/password"""
    form, me = flask.request.form, signed_in()
    try:
        _brake()
        change_password(rooms().persons.reception, me.person, form.get("current", ""), form.get("password", ""))
    except Refused as refused:
        _note_failure(refused)
        return show_account(refused.sentence, "password"), 400
    # All sessions have ended by it; this browser gets a new one.
    return rooms().persons.admit(flask.redirect(f"{PAGE}?said=password", 303), me.person, me.methods)


def begin_app() -> Any:
    """POST /myapps/account/app/begin"""
    try:
        second_factors.begin(rooms().persons.reception.stores, signed_in().person.object_id)
    except ValueError:
        return show_account(gettext("There is an authenticator app already: remove it first."), "app"), 409
    return flask.redirect(f"{PAGE}#app", 303)


def confirm_app() -> Any:
    """POST /myapps/account/app"""
    reception, me = rooms().persons.reception, signed_in()
    try:
        _brake()
        codes = second_factors.confirm(
            reception.stores, me.person.object_id, flask.request.form.get("code", ""), flask.g.now
        )
        if codes is None:
            raise bad_request(gettext("This code does not fit. Wait for the next one and try again."))
    except Refused as refused:
        _note_failure(refused)
        return show_account(refused.sentence, "app"), 400
    note(reception, me.person, "Add second factor")
    return show_account(codes=codes)


def remove_app() -> Any:
    """POST /myapps/account/app/remove"""
    reception, me = rooms().persons.reception, signed_in()
    try:
        _prove()
    except Refused as refused:
        _note_failure(refused)
        return show_account(refused.sentence, "app"), 400
    if reception.stores.second_factors.remove(me.person.object_id):
        note(reception, me.person, "Remove second factor")
    return flask.redirect(f"{PAGE}?said=removed", 303)


def renew_codes() -> Any:
    """POST /myapps/account/codes"""
    reception, me = rooms().persons.reception, signed_in()
    try:
        _prove()
    except Refused as refused:
        _note_failure(refused)
        return show_account(refused.sentence, "app"), 400
    note(reception, me.person, "Renew recovery codes")
    return show_account(codes=second_factors.renew_recovery_codes(reception.stores, me.person.object_id))


def _prove() -> None:
    """Whoever sits at an open browser is not yet who signed in: the password, or a code. Raises: Refused."""
    reception, me = rooms().persons.reception, signed_in()
    _brake()
    given = flask.request.form.get("proof", "")
    if is_own_password(reception, me.person.object_id, given):
        return
    if second_factors.check(reception.stores, me.person.object_id, given, flask.g.now) is None:
        raise bad_request(gettext("Neither your password nor a code that fits now."))


def _brake() -> None:
    seconds = rooms().entrance.attempts.wait(_machine(), _key(), flask.g.now)
    if seconds is not None:
        raise bad_request(
            ngettext(
                "Too many attempts that failed. Wait %(num)s second and try again.",
                "Too many attempts that failed. Wait %(num)s seconds and try again.",
                seconds,
            )
        )


def _note_failure(refused: Refused) -> None:
    # What says only that a new password will not do is no guess.
    if not any(code == "WeakPassword" for code, _ in refused.details) and refused.code != "WeakPassword":
        rooms().entrance.attempts.fail(_machine(), _key(), flask.g.now)


def _key() -> str:
    return f"account {signed_in().person.object_id}"


def _machine() -> str:
    return flask.request.remote_addr or "?"


def _said(key: str | None) -> str | None:
    known = {
        "password": gettext("Your password is changed. Other sessions of yours have ended."),
        "removed": gettext("The authenticator app is removed."),
    }
    return known.get(key or "")
