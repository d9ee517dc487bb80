"""Signing in: name and password, then a code of the authenticator app, then another password, as far as each is due."""

import logging
from datetime import datetime, timedelta
from typing import Any

import flask
from werkzeug.wrappers import Response

from muster.administration import second_factors
from muster.administration.identity_provider import find_vouched
from muster.administration.refusals import Refused
from muster.administration.signing_in import (
    NAME_LIMIT,
    change_password,
    check_password,
    credentials_of,
    find_link,
    find_person,
    may_sign_in,
    session_stamp,
    set_password_by_link,
)
from muster.model.directory import DirectoryObject
from muster.model.identity_provider import FederationRefused, IdentityProvider
from muster.model.password_policy import SHORTEST_CHARACTERS
from muster.model.sign_in import SignInCode, SignInMethod
from muster.ui.brake import Attempts
from muster.ui.frame import message
from muster.ui.guarding import Guard, own_path
from muster.ui.language import gettext, marked, ngettext
from muster.ui.sessions import Session, is_same
from muster.web.federation import Federation, not_for_them, sign_in_key, turned_back
from muster.web.persons import Persons
from muster.web.services import Services

logger = logging.getLogger(__name__)

HOME = "/myapps"
CALLBACK = "/signin/provider/callback"
_STEP_COOKIE = "muster_step"
_STEP_LASTS = timedelta(minutes=10)
_WRONG = marked("Name and password do not fit. Check both and try again.")
_WRONG_CODE = marked("This code does not fit. Wait for the next one and try again.")
_BLOCKED = marked("Your account is blocked. Ask your administrator.")


class Entrance:
    """The pages of signing in."""

    def __init__(self, services: Services, persons: Persons) -> None:
        self._persons = persons
        self._federation = Federation(services, CALLBACK, lambda provider: provider.serves_people)
        self._reception = persons.reception
        self.attempts = Attempts()
        # Whoever has given the password, but not yet all that is due: a session that opens nothing but these pages.
        self._steps = Guard(_STEP_COOKIE, services.faces, same_site="Lax", public_url=persons.public_url)
        self.pages: tuple[tuple[str, str, Any], ...] = (
            ("/signin", "show_sign_in", self.show_sign_in),
            ("/signin/code", "show_code", self.show_code),
            ("/signin/password", "show_password", self.show_password),
            ("/signin/link/<token>", "show_link", self.show_link),
            ("/signin/provider", "go_to_provider", self.go_to_provider),
            (CALLBACK, "come_from_provider", self.come_from_provider),
        )
        self.actions: tuple[tuple[str, str, Any], ...] = (
            ("/signin", "sign_in", self.sign_in),
            ("/signin/code", "code", self.code),
            ("/signin/password", "password", self.password),
            ("/signin/link/<token>", "use_link", self.use_link),
            ("/signout", "sign_out", self.sign_out),
        )

    def is_own_form(self, session: Session | None) -> bool:
        """Whether the form of this request was made by us, for this browser."""
        if flask.request.endpoint in ("code", "password"):
            step = self._steps.find(flask.request, flask.g.now, is_seen=True)
            return step is not None and self._steps.is_own_form(step)
        return self._persons.guard.is_own_form(session)

    # ------------------------------------------------------------ name and password

    def show_sign_in(self) -> Any:
        """GET /signin"""
        to = own_path(flask.request.args.get("next"), HOME)
        if flask.g.me is not None:
            return flask.redirect(to, 303)
        return self._sign_in_form(200, name="", next=to)

    def sign_in(self) -> Any:
        """POST /signin"""
        form = flask.request.form
        name, password = form.get("name", "").strip(), form.get("password", "")
        to = own_path(form.get("next"), HOME)
        if not self._takes_passwords():
            return self._sign_in_form(403, name="", next=to)
        shown = {"name": name[:NAME_LIMIT], "next": to, **self._ways_in(to)}
        refused = self._braked(name, "sign_in.html", **shown)
        if refused is not None:
            return refused
        code, person = check_password(self._reception, name, password)
        if code in (SignInCode.NOBODY, SignInCode.WRONG_PASSWORD):
            self._fail(name)
            self._persons.record(flask.request.environ, code, person=person, name=name)
            return self._form("sign_in.html", 401, refusal=gettext(_WRONG), **shown)
        self.attempts.succeed(_machine(), name)
        if person is None or code is SignInCode.BLOCKED:
            # Told only to whoever knows the password.
            self._persons.record(flask.request.environ, SignInCode.BLOCKED, person=person, name=name)
            return self._form("sign_in.html", 403, refusal=gettext(_BLOCKED), **shown)
        return self._go_on(person, (SignInMethod.PASSWORD,), to)

    def _go_on(
        self, person: DirectoryObject, methods: tuple[str, ...], to: str, shown_at: datetime | None = None
    ) -> Response:
        """The next page that is due, or in."""
        environ, stores = flask.request.environ, self._reception.stores
        has_shown_code = not {SignInMethod.ONE_TIME_CODE, SignInMethod.RECOVERY_CODE}.isdisjoint(methods)
        if second_factors.is_required(stores, person.object_id) and not has_shown_code:
            self._persons.record(environ, SignInCode.SECOND_FACTOR_DUE, person=person, methods=methods)
            return self._step("code", person, methods, to)
        # Whoever comes from another provider has shown no password of ours.
        if SignInMethod.FEDERATED not in methods and credentials_of(self._reception, person.object_id).must_change:
            self._persons.record(environ, SignInCode.PASSWORD_CHANGE_DUE, person=person, methods=methods)
            return self._step("password", person, methods, to)
        self._persons.record(environ, SignInCode.SUCCESS, person=person, methods=methods)
        return self.admit(person, methods, to, shown_at)

    def admit(
        self, person: DirectoryObject, methods: tuple[str, ...], to: str, shown_at: datetime | None = None
    ) -> Response:
        """Returns the way on for somebody who has shown all that is due, signed in."""
        if to == HOME or to.startswith(f"{HOME}/"):
            response: Response = flask.redirect(to, 303)
        else:
            # Not a redirect: browsers hold a form's redirects to `form-action`, and an application is elsewhere.
            response = flask.Response(flask.render_template("onward.html", to=to, title=gettext("Signed in")))
        self._persons.admit(response, person, methods, shown_at)
        response.delete_cookie(_STEP_COOKIE, httponly=True, samesite="Lax")
        return response

    def sign_out(self) -> Any:
        """POST /signout: the session here ends first, then those of the applications that want to hear of it."""
        me = flask.g.me
        to = None if me is None else self._persons.way_out(me)
        if to is None:
            return self._persons.guard.dismiss(flask.redirect("/signin", 303))
        page = flask.render_template("onward.html", to=to, title=gettext("You are signed out"))
        return self._persons.guard.dismiss(flask.Response(page))

    # ------------------------------------------------------------ another provider

    def go_to_provider(self) -> Any:
        """GET /signin/provider"""
        provider, to = self._federation.provider(), own_path(flask.request.args.get("next"), HOME)
        if provider is None:
            return flask.redirect("/signin", 303)
        try:
            return self._federation.begin(provider, to, is_fresh="fresh" in flask.request.args)
        except FederationRefused as refused:
            return self._turn_back(provider, refused)

    def come_from_provider(self) -> Any:
        """GET /signin/provider/callback: the provider's answer."""
        provider = self._federation.provider()
        if provider is None:
            return flask.redirect("/signin", 303)
        name = sign_in_key()
        refused = self._braked(name, "sign_in.html", name="", next=HOME, **self._ways_in(HOME))
        if refused is not None:
            return refused
        try:
            vouched, to = self._federation.finish(provider)
        except FederationRefused as refusal:
            # Else any page of another site could use up the attempts of an address, by answers that it makes up.
            if not refusal.is_unasked:
                self._fail(name)
            return self._federation.forget(self._turn_back(provider, refusal))
        person = find_vouched(self._reception.stores, provider, vouched.value)
        methods = (SignInMethod.FEDERATED,)
        if person is None or not may_sign_in(person):
            code = SignInCode.NOT_IN_DIRECTORY if person is None else SignInCode.BLOCKED
            details = f"{provider.claim} is {vouched.value}, of {provider.issuer}"
            self._persons.record(
                flask.request.environ, code, person=person, name=vouched.value, methods=methods, details=details
            )
            return self._federation.forget(
                not_for_them(provider, "/signin", gettext(_BLOCKED) if person is not None else None)
            )
        return self._federation.forget(self._go_on(person, methods, to, vouched.authenticated_at))

    def _turn_back(self, provider: IdentityProvider, refused: FederationRefused) -> Response:
        """The page for a sign-in that the provider did not bring about; why stands in the log."""
        logger.warning("a sign-in with the identity provider failed: %s", refused.sentence)
        self._persons.record(
            flask.request.environ,
            SignInCode.UPSTREAM_REFUSED,
            person=None,
            methods=(SignInMethod.FEDERATED,),
            details=refused.sentence,
        )
        return turned_back(provider, refused, "/signin")

    def _takes_passwords(self) -> bool:
        provider = self._federation.provider()
        return provider is None or provider.keeps_passwords

    def _ways_in(self, to: str) -> dict[str, Any]:
        """What the sign-in page offers: a password, the other provider, or both."""
        provider = self._federation.provider()
        if provider is None:
            return {"provider": None, "takes_passwords": True}
        fresh = "1" if "fresh" in flask.request.args else None
        address = flask.url_for("go_to_provider", next=to, fresh=fresh)
        return {"provider": provider, "provider_address": address, "takes_passwords": provider.keeps_passwords}

    def _sign_in_form(self, status: int, **values: Any) -> Response:
        return self._form("sign_in.html", status, **values, **self._ways_in(values["next"]))

    # ------------------------------------------------------------ the steps between

    def show_code(self) -> Any:
        """GET /signin/code"""
        step = self._stepping()
        return _to_start() if step is None else self._step_form("code.html", 200, step[1], **_code_page())

    def code(self) -> Any:
        """POST /signin/code"""
        found = self._stepping()
        if found is None:
            return _to_start()
        person, step = found
        name = f"code {person.object_id}"
        refused = self._braked(name, "code.html", person=person, **_carried(step), **_code_page())
        if refused is not None:
            return refused
        given = flask.request.form.get("code", "")
        method = second_factors.check(self._reception.stores, person.object_id, given, flask.g.now)
        if method is None:
            self._fail(name)
            self._persons.record(
                flask.request.environ, SignInCode.SECOND_FACTOR_WRONG, person=person, methods=step.methods
            )
            return self._step_form("code.html", 401, step, refusal=gettext(_WRONG_CODE), **_code_page())
        self.attempts.succeed(_machine(), name)
        return self._go_on(person, (*step.methods, method), own_path(flask.request.form.get("next"), HOME))

    def show_password(self) -> Any:
        """GET /signin/password"""
        step = self._stepping("password")
        return _to_start() if step is None else self._step_form("new_password.html", 200, step[1])

    def password(self) -> Any:
        """POST /signin/password"""
        found = self._stepping("password")
        if found is None:
            return _to_start()
        person, step = found
        form = flask.request.form
        name = f"password {person.object_id}"
        refused = self._braked(name, "new_password.html", person=person, **_carried(step))
        if refused is not None:
            return refused
        try:
            change_password(self._reception, person, form.get("current", ""), form.get("password", ""))
        except Refused as refusal:
            self._fail(name)
            return self._step_form("new_password.html", 400, step, refusal=refusal.sentence)
        return self._go_on(person, step.methods, own_path(form.get("next"), HOME))

    # ------------------------------------------------------------ links

    def show_link(self, token: str) -> Any:
        """GET /signin/link/<token>"""
        person = find_link(self._reception, token) if self._takes_passwords() else None
        return _link_is_over() if person is None else self._form("link.html", 200, person=person, **_RULE)

    def use_link(self, token: str) -> Any:
        """POST /signin/link/<token>"""
        person = find_link(self._reception, token) if self._takes_passwords() else None
        if person is None:
            return _link_is_over()
        try:
            done = set_password_by_link(self._reception, token, flask.request.form.get("password", ""))
        except Refused as refused:
            return self._form("link.html", 400, person=person, refusal=refused.sentence, **_RULE)
        return _link_is_over() if done is None else self._go_on(done, (SignInMethod.LINK,), HOME)

    # ------------------------------------------------------------ what they share

    def _stepping(self, due: str = "code") -> tuple[DirectoryObject, Session] | None:
        """Who is on the way in, if that page is due for them."""
        step = self._steps.find(flask.request, flask.g.now, is_seen=True)
        if step is None or flask.g.now - step.began_at > _STEP_LASTS:
            return None
        # Whoever has shown the second factor is not asked for it again, and nobody passes it by.
        person = find_person(self._reception, step.name)
        if person is None or not is_same(session_stamp(self._reception, step.name), step.stamp):
            return None
        has_shown_code = len(step.methods) > 1
        needs_code = second_factors.is_required(self._reception.stores, person.object_id) and not has_shown_code
        return (person, step) if needs_code == (due == "code") else None

    def _step(self, page: str, person: DirectoryObject, methods: tuple[str, ...], to: str) -> Response:
        response: Response = flask.redirect(flask.url_for(f"show_{page}", next=to), 303)
        stamp = session_stamp(self._reception, person.object_id)
        return self._steps.admit(response, person.object_id, stamp, flask.g.now, methods)

    def _step_form(self, template: str, status: int, step: Session, **values: Any) -> Response:
        page = flask.render_template(template, **{"refusal": None, **_carried(step), **values})
        return flask.Response(page, status=status)

    def _braked(self, key: str, template: str, **values: Any) -> Response | None:
        """The page that asks to wait, None if an attempt may be made."""
        seconds = self.attempts.wait(_machine(), key, flask.g.now)
        if seconds is None:
            return None
        person = values.pop("person", None)
        self._persons.record(flask.request.environ, SignInCode.LOCKED, person=person, name=key)
        refusal = ngettext(
            "Too many attempts that failed. Wait %(num)s second and try again.",
            "Too many attempts that failed. Wait %(num)s seconds and try again.",
            seconds,
        )
        page = self._form(template, 429, refusal=refusal, **values)
        page.headers["Retry-After"] = str(seconds)
        return page

    def _fail(self, name: str) -> None:
        self.attempts.fail(_machine(), name, flask.g.now)
        logger.warning("a person's sign-in failed", extra={"machine": _machine()})

    def _form(self, template: str, status: int, **values: Any) -> Response:
        """A form for somebody without a session, sealed by a cookie of its own."""
        cookie, seal = self._persons.guard.form_seal()
        page = flask.render_template(template, **{"seal": seal, "refusal": None, **values})
        return self._persons.guard.keep_form(flask.Response(page, status=status), cookie)


_RULE = {"password_length": SHORTEST_CHARACTERS}


def _carried(step: Session) -> dict[str, Any]:
    """What the forms between carry on."""
    given = flask.request.form.get("next") or flask.request.args.get("next")
    return {"seal": step.csrf_token, "next": own_path(given, HOME), **_RULE}


def _code_page() -> dict[str, str]:
    lost = gettext("App and recovery codes lost? Your administrator can remove the second factor.")
    return {"action": "/signin/code", "lost": lost}


def _machine() -> str:
    return flask.request.remote_addr or "?"


def _to_start() -> Any:
    return flask.redirect("/signin", 303)


def _link_is_over() -> Any:
    return message(
        404,
        gettext("This link is not valid"),
        gettext("It works once, and for a day. Ask your administrator for a new one."),
    )
