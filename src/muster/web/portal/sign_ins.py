"""The log of sign-ins, and what an administrator does to how a person signs in."""

from typing import Any

import flask

from muster.administration import passwords, people, signing_in
from muster.administration.refusals import Refused
from muster.model.directory import DirectoryObject
from muster.model.password_policy import SHORTEST_CHARACTERS
from muster.model.sign_in import SignInResult
from muster.ports.sign_ins import SignInQuery
from muster.ui.language import marked
from muster.web.portal.forms import done, field, is_ticked
from muster.web.portal.paths import address, choice, desk, place, text

ROWS = 50
RESULTS = {
    SignInResult.SUCCESS.value: marked("Signed in"),
    SignInResult.FAILURE.value: marked("Refused"),
    SignInResult.INTERRUPTED.value: marked("Interrupted"),
}


def show() -> Any:
    """GET /sign-ins"""
    wanted, result, person = text("search"), choice("result", RESULTS), text("person")
    query = SignInQuery(
        person_id=person,
        search=wanted,
        result=None if result is None else SignInResult(result),
        after=place(),
        limit=ROWS,
    )
    entries, following = signing_in.sign_ins(desk(), query)
    kept = {"search": wanted, "result": result, "person": person}
    return flask.render_template(
        "directory/sign_ins.html",
        entries=entries,
        results=RESULTS,
        search=wanted,
        result=result,
        person=person,
        is_first=query.after is None,
        first=address("sign-ins", **kept),
        following=address("sign-ins", **kept, after=following) if following else None,
    )


def show_person(user_id: str, refusal: Refused | None = None, link: str | None = None) -> Any:
    """GET /users/<user_id>/sign-in; `link` is shown this once."""
    user = people.find_user(desk(), user_id)
    return flask.render_template(
        "directory/sign_in.html",
        user=user,
        state=passwords.sign_in_state(desk(), user.object_id),
        password_length=SHORTEST_CHARACTERS,
        refusal=refusal,
        link=link,
        lifetime_hours=int(passwords.LINK_LIFETIME.total_seconds() // 3600),
    )


def set_password(user_id: str) -> Any:
    """POST /users/<user_id>/sign-in/password"""
    return _do(user_id, lambda user: passwords.set_password(desk(), user, _password(), must_change=is_ticked("change")))


def remove_password(user_id: str) -> Any:
    """POST /users/<user_id>/sign-in/password/remove"""
    return _do(user_id, lambda user: passwords.remove_password(desk(), user), said="removed")


def create_link(user_id: str) -> Any:
    """POST /users/<user_id>/sign-in/link"""
    user = people.find_user(desk(), user_id)
    try:
        token, _ = passwords.create_link(desk(), user.object_id)
    except Refused as refused:
        return show_person(user_id, refused), 400
    return show_person(user_id, link=f"{_root()}/signin/link/{token}")


def end_sessions(user_id: str) -> Any:
    """POST /users/<user_id>/sign-in/sessions"""
    return _do(user_id, lambda user: passwords.end_sessions(desk(), user), said="signed-out")


def remove_factor(user_id: str) -> Any:
    """POST /users/<user_id>/sign-in/factor"""
    return _do(user_id, lambda user: passwords.remove_second_factor(desk(), user), said="removed")


def _do(user_id: str, act: Any, said: str = "saved") -> Any:
    user: DirectoryObject = people.find_user(desk(), user_id)
    try:
        act(user.object_id)
    except Refused as refused:
        return show_person(user_id, refused), 400
    return done(address("users", user.object_id, "sign-in"), said)


def _password() -> str:
    # Blanks around it are part of a password.
    field("password")
    return flask.request.form.get("password", "")


def _root() -> str:
    root: str = flask.current_app.extensions["services"].root(flask.request.environ)
    return root
