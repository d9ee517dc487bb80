"""The door: signing in and out, the set-up link of a new installation, and the check before every page."""

import logging
from datetime import timedelta
from threading import Lock
from typing import Any

import flask
from werkzeug.wrappers import Response

from muster.administration import second_factors
from muster.administration.access import NAME_LIMIT, OPERATOR, create_administrator
from muster.administration.refusals import Refused
from muster.administration.work import IMPORT_BYTES
from muster.model.identity_provider import FederationRefused, IdentityProvider
from muster.model.names import is_same_name
from muster.model.password_policy import SHORTEST_CHARACTERS
from muster.model.roles import Caller, Role
from muster.model.sign_in import SignInCode, SignInMethod
from muster.sealing import SealingError, is_password, is_token
from muster.ui.brake import Attempts
from muster.ui.frame import FORM_PARTS, is_fragment_wanted, message
from muster.ui.guarding import Guard, own_path
from muster.ui.language import gettext, marked, ngettext
from muster.ui.sessions import Session, is_same, stamp_of
from muster.web.access import with_ownership
from muster.web.federation import Federation, not_for_them, sign_in_key, turned_back
from muster.web.persons import Persons
from muster.web.services import Services

logger = logging.getLogger(__name__)

COOKIE = "muster_session"
CALLBACK = "/sign-in/provider/callback"
_STEP_LASTS = timedelta(minutes=10)
# Endpoints that need no session.
OPEN = frozenset(
    {"asset", "choose_language", "show_sign_in", "sign_in", "show_code", "code", "show_set_up", "set_up", "come_back"}
    | {"go_to_provider", "come_from_provider"}
)
# Forms that hold a document or a file: so many bytes, and only from somebody who is signed in.
ROOMY = {
    "change_schema": 4_194_304,
    "save_manifest": 4_194_304,
    "change_scope": 1_048_576,
    # Certificates are pasted into it.
    "save_provisioning": 1_048_576,
    "test_connection": 1_048_576,
    "examine": 1_048_576,
    "look_at_certificate": 1_048_576,
    "upload": IMPORT_BYTES + 65_536,
}

# How the sign-in log tells administrators from people.
_PORTAL = "An administrator, at the portal."
_REFUSED = marked("Name and password do not fit. Check both and try again.")


class Door:
    """Sessions and brakes of one portal."""

    def __init__(self, services: Services, set_up_hash: str | None) -> None:
        self._services = services
        self._set_up_hash = set_up_hash
        self._guard = Guard(COOKIE, services.faces, same_site="Strict", public_url=services.public_url)
        # Whoever has given the password, but not yet the code: it opens nothing but the page that asks for one.
        self._steps = Guard(f"{COOKIE}_step", services.faces, same_site="Strict", public_url=services.public_url)
        self._attempts = Attempts()
        self._federation = Federation(services, CALLBACK, lambda provider: provider.serves_administrators)
        self._visitors = Persons(services)
        self._making_first = Lock()

    # ------------------------------------------------------------ before and after every page

    def check(self) -> Any:
        """Names the caller, refuses forms that are not ours, and sends strangers to the sign-in page."""
        request, context = flask.request, flask.g
        context.now = self._services.clock.now()
        context.public_url = self._services.public_url
        context.me = context.session = None
        session = self._guard.find(request, context.now, is_seen=not is_fragment_wanted())
        context.me = self._caller(session)
        context.session = session if context.me is not None else None
        if context.me is not None and request.endpoint in ROOMY:
            request.max_content_length = request.max_form_memory_size = ROOMY[request.endpoint]
            request.max_form_parts = FORM_PARTS * 10
        if request.method not in ("GET", "HEAD") and not self._is_own_form(context.session):
            return message(
                400, gettext("The form is out of date"), gettext("Go back, load the page anew and send it again.")
            )
        if context.me is not None:
            desk = self._services.desk(context.me)
            # On the pages of one application its owner may what others need a role for.
            context.desk = desk.of_owner(str((request.view_args or {}).get("sp") or ""))
            return None
        if request.endpoint in OPEN or request.endpoint is None:
            return None
        return _to_sign_in()

    def rotate(self, response: Response) -> Response:
        """Exchanges the session's secret now and then, on whole pages."""
        return self._guard.rotate(response, flask.g.get("session"), flask.g.now)

    def _caller(self, session: Session | None) -> Caller | None:
        """Who it is today: an administrator who was removed, or has another password, is signed out."""
        if session is None:
            return None
        found = self._services.stores.access.administrator(session.name)
        if found is None or not is_same(stamp_of(found[1]), session.stamp):
            return None
        return with_ownership(self._services.stores, found[0])

    # ------------------------------------------------------------ signing in and out

    def show_sign_in(self) -> Any:
        """GET /sign-in"""
        if flask.g.me is not None:
            return flask.redirect(own_path(flask.request.args.get("next")), 303)
        if self._set_up_hash is not None and self._services.stores.access.count_administrators() == 0:
            return self._form("set_up_needed.html", 200)
        return self._sign_in_form(200, name="", next=own_path(flask.request.args.get("next")))

    def sign_in(self) -> Any:
        """POST /sign-in"""
        form, now = flask.request.form, flask.g.now
        name, password = form.get("name", "").strip(), form.get("password", "")
        shown = {"name": name[:NAME_LIMIT], "next": own_path(form.get("next"))}
        machine = flask.request.remote_addr or "?"
        seconds = self._attempts.wait(machine, name, now)
        if seconds is not None:
            page = self._sign_in_form(429, refusal=_waiting(seconds), **shown)
            page.headers["Retry-After"] = str(seconds)
            return page
        found = self._services.stores.access.administrator(name) if 0 < len(name) <= NAME_LIMIT else None
        if not is_password(password, None if found is None else found[1]) or found is None:
            self._attempts.fail(machine, name, now)
            logger.warning("a sign-in failed", extra={"machine": machine})
            return self._sign_in_form(401, refusal=gettext(_REFUSED), **shown)
        self._attempts.succeed(machine, name)
        if second_factors.is_required(self._services.stores, found[0].id):
            return self._ask_for_code(found, shown["next"])
        logger.info("an administrator signed in", extra={"administrator_id": found[0].id, "machine": machine})
        return self._admit(found, shown["next"])

    def _ask_for_code(self, found: tuple[Caller, str], to: str) -> Response:
        step: Response = flask.redirect(flask.url_for("show_code", next=to), 303)
        return self._steps.admit(step, found[0].display_name, stamp_of(found[1]), flask.g.now)

    # ------------------------------------------------------------ another provider

    def go_to_provider(self) -> Any:
        """GET /sign-in/provider"""
        provider = self._provider()
        if provider is None:
            return flask.redirect("/sign-in", 303)
        try:
            return self._federation.begin(provider, own_path(flask.request.args.get("next")), is_fresh=False)
        except FederationRefused as refused:
            return self._turn_back(provider, refused)

    def come_from_provider(self) -> Any:
        """GET /sign-in/provider/callback: the provider's answer. The roles are those that are kept here."""
        provider, now = self._provider(), flask.g.now
        if provider is None:
            return flask.redirect("/sign-in", 303)
        machine = flask.request.remote_addr or "?"
        name = sign_in_key()
        seconds = self._attempts.wait(machine, name, now)
        if seconds is not None:
            return self._sign_in_form(429, refusal=_waiting(seconds), name="", next="/")
        try:
            vouched, to = self._federation.finish(provider)
        except FederationRefused as refused:
            # Else any page of another site could use up the attempts of an address, by answers that it makes up.
            if not refused.is_unasked:
                self._attempts.fail(machine, name, now)
            return self._federation.forget(self._turn_back(provider, refused))
        is_name = len(vouched.value) <= NAME_LIMIT
        found = self._services.stores.access.administrator(vouched.value) if is_name else None
        if found is None or not is_same_name(found[0].display_name, vouched.value):
            details = f"No administrator of this name; {provider.claim} of {provider.issuer}"
            self._record(SignInCode.NOT_IN_DIRECTORY, vouched.value, details)
            return self._federation.forget(not_for_them(provider, "/sign-in"))
        if second_factors.is_required(self._services.stores, found[0].id):
            self._record(SignInCode.SECOND_FACTOR_DUE, found[0].display_name, _PORTAL)
            return self._federation.forget(self._ask_for_code(found, to))
        logger.info("an administrator signed in", extra={"administrator_id": found[0].id, "machine": machine})
        self._record(SignInCode.SUCCESS, found[0].display_name, _PORTAL)
        # No redirect: browsers keep a strict cookie back from one that another site began.
        return self._federation.forget(
            self._admit(found, to, flask.Response(flask.render_template("again.html", to=to)))
        )

    def _provider(self) -> IdentityProvider | None:
        try:
            return self._federation.provider()
        except SealingError:
            # It is entered anew by whoever signs in with a password: those of administrators are always kept.
            return None

    def _turn_back(self, provider: IdentityProvider, refused: FederationRefused) -> Response:
        logger.warning("a sign-in with the identity provider failed: %s", refused.sentence)
        self._record(SignInCode.UPSTREAM_REFUSED, "", f"{_PORTAL} {refused.sentence}")
        return turned_back(provider, refused, "/sign-in")

    def _record(self, code: SignInCode, name: str, details: str) -> None:
        self._visitors.record(
            flask.request.environ, code, person=None, name=name, methods=(SignInMethod.FEDERATED,), details=details
        )

    def show_code(self) -> Any:
        """GET /sign-in/code"""
        step = self._step()
        if step is None:
            return flask.redirect("/sign-in", 303)
        return flask.render_template("code.html", refusal=None, **_code_page(step[1], flask.request.args.get("next")))

    def code(self) -> Any:
        """POST /sign-in/code"""
        step = self._step()
        if step is None:
            return flask.redirect("/sign-in", 303)
        found, session = step
        form, now = flask.request.form, flask.g.now
        machine, name = flask.request.remote_addr or "?", f"code {found[0].id}"
        seconds = self._attempts.wait(machine, name, now)
        if seconds is not None:
            return self._code_refused(session, 429, _waiting(seconds), {"Retry-After": str(seconds)})
        if second_factors.check(self._services.stores, found[0].id, form.get("code", ""), now) is None:
            self._attempts.fail(machine, name, now)
            logger.warning("a code of an administrator failed", extra={"machine": machine})
            refusal = gettext("This code does not fit. Wait for the next one and try again.")
            return self._code_refused(session, 401, refusal)
        self._attempts.succeed(machine, name)
        logger.info("an administrator signed in", extra={"administrator_id": found[0].id, "machine": machine})
        return self._steps.dismiss(self._admit(found, own_path(form.get("next"))))

    def _code_refused(self, session: Session, status: int, refusal: str, headers: Any = None) -> Response:
        page = flask.render_template(
            "code.html", refusal=refusal, **_code_page(session, flask.request.form.get("next"))
        )
        return flask.Response(page, status=status, headers=headers)

    def _step(self) -> tuple[tuple[Caller, str], Session] | None:
        """Who has given the password and not yet the code."""
        session = self._steps.find(flask.request, flask.g.now, is_seen=True)
        if session is None or flask.g.now - session.began_at > _STEP_LASTS:
            return None
        found = self._services.stores.access.administrator(session.name)
        if found is None or not is_same(stamp_of(found[1]), session.stamp):
            return None
        return found, session

    def _is_own_form(self, session: Session | None) -> bool:
        if flask.request.endpoint == "code":
            step = self._steps.find(flask.request, flask.g.now, is_seen=True)
            return step is not None and self._steps.is_own_form(step)
        return self._guard.is_own_form(session)

    def sign_out(self) -> Any:
        """POST /sign-out"""
        return self._guard.dismiss(flask.redirect("/sign-in", 303))

    # ------------------------------------------------------------ the first administrator

    def show_set_up(self, token: str) -> Any:
        """GET /set-up/<token>"""
        if not self._may_set_up(token):
            return _link_is_over()
        return self._form("set_up.html", 200, name="", password_length=SHORTEST_CHARACTERS)

    def set_up(self, token: str) -> Any:
        """POST /set-up/<token>"""
        form = flask.request.form
        name, password = form.get("name", "").strip(), form.get("password", "")
        with self._making_first:
            if not self._may_set_up(token):
                return _link_is_over()
            try:
                create_administrator(
                    self._services.desk(OPERATOR), name, password, frozenset({Role.GLOBAL_ADMINISTRATOR})
                )
            except Refused as refused:
                return self._form(
                    "set_up.html",
                    400,
                    refusal=refused.sentence,
                    name=name[:NAME_LIMIT],
                    password_length=SHORTEST_CHARACTERS,
                )
        found = self._services.stores.access.administrator(name)
        return flask.redirect("/sign-in", 303) if found is None else self._admit(found, "/")

    def _may_set_up(self, token: str) -> bool:
        """The link works until there is an administrator, however that one was made."""
        return (
            self._set_up_hash is not None
            and is_token(token, self._set_up_hash)
            and self._services.stores.access.count_administrators() == 0
        )

    # ------------------------------------------------------------ cookies

    def _admit(self, found: tuple[Caller, str], to: str, response: Response | None = None) -> Response:
        caller, password_hash = found
        if response is None:
            response = flask.redirect(to, 303)
        return self._guard.admit(response, caller.display_name, stamp_of(password_hash), flask.g.now)

    def _sign_in_form(self, status: int, **values: Any) -> Response:
        return self._form("sign_in.html", status, provider=self._provider(), **values)

    def _form(self, template: str, status: int, **values: Any) -> Response:
        """A form for somebody without a session, sealed by a cookie of its own."""
        cookie, seal = self._guard.form_seal()
        page = flask.render_template(template, seal=seal, **{"refusal": None, **values})
        return self._guard.keep_form(flask.Response(page, status=status), cookie)


def hang(app: flask.Flask, services: Services, set_up_hash: str | None) -> None:
    """Puts the door before every page of the application."""
    door = Door(services, set_up_hash)
    app.before_request(door.check)
    app.after_request(door.rotate)
    app.add_url_rule("/sign-in", "show_sign_in", door.show_sign_in, methods=["GET"])
    app.add_url_rule("/sign-in", "sign_in", door.sign_in, methods=["POST"])
    app.add_url_rule("/sign-in/code", "show_code", door.show_code, methods=["GET"])
    app.add_url_rule("/sign-in/code", "code", door.code, methods=["POST"])
    app.add_url_rule("/sign-in/provider", "go_to_provider", door.go_to_provider, methods=["GET"])
    app.add_url_rule(CALLBACK, "come_from_provider", door.come_from_provider, methods=["GET"])
    app.add_url_rule("/sign-out", "sign_out", door.sign_out, methods=["POST"])
    app.add_url_rule("/set-up/<token>", "show_set_up", door.show_set_up, methods=["GET"])
    app.add_url_rule("/set-up/<token>", "set_up", door.set_up, methods=["POST"])


def _to_sign_in() -> Any:
    request = flask.request
    if is_fragment_wanted():
        # The page that refreshes itself goes there as a whole.
        response = flask.Response(status=401)
        response.headers["HX-Redirect"] = "/sign-in"
        return response
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET":
        # A link from an e-mail: browsers keep the strict cookie back this once, but send it when we ask again.
        return flask.render_template("again.html", to=request.full_path.removesuffix("?"))
    to = request.full_path.removesuffix("?") if request.method == "GET" else "/"
    return flask.redirect("/sign-in" if to == "/" else flask.url_for("show_sign_in", next=to), 303)


def _waiting(seconds: int) -> str:
    return ngettext(
        "Too many attempts that failed. Wait %(num)s second and try again.",
        "Too many attempts that failed. Wait %(num)s seconds and try again.",
        seconds,
    )


def _code_page(session: Session, to: str | None) -> dict[str, str]:
    lost = gettext("App and recovery codes lost? Run: muster admin reset-second-factor NAME")
    return {"action": "/sign-in/code", "seal": session.csrf_token, "next": own_path(to), "lost": lost}


def _link_is_over() -> Any:
    return message(
        404,
        gettext("This set-up link is not valid"),
        gettext(
            "It works once, for an installation without administrators. Start the service again for a new link, "
            "or run: muster admin create NAME"
        ),
    )
