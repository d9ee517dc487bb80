"""The console: sign-in, customers, their users, sites, provisioning information and the log of SCIM calls, as pages."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import flask
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response

from muster.configuration_manager.administrators import LIMIT_NAME_CHARACTERS, Administrators, Role, Session
from muster.configuration_manager.calls import CallLog
from muster.configuration_manager.console_drafts import PROVIDERS, Drafts
from muster.configuration_manager.console_rows import search_filter, shown_instant, shown_json, user_row
from muster.configuration_manager.console_settings import add_settings_pages, read_user
from muster.configuration_manager.customer import customer_url
from muster.configuration_manager.customers import ConsoleRefusal, Customer, Customers, Profile
from muster.configuration_manager.resources import SqlRepository
from muster.configuration_manager.sign_on import SAML_PATH, SignOns
from muster.configuration_manager.sign_on_flow import SignOnFlow
from muster.configuration_manager.sign_on_pages import LIMIT_FORM_BYTES as LIMIT_SIGN_ON_BYTES
from muster.configuration_manager.sign_on_pages import add_sign_on_pages
from muster.database.outage import outage_of
from muster.http_server.wsgi import WsgiApplication
from muster.model.password_policy import SHORTEST_CHARACTERS
from muster.scim.filters import AttributePath
from muster.scim.repository import Document, ResourceQuery
from muster.sealing import hash_token, is_token
from muster.ui.brake import Attempts
from muster.ui.frame import came_from, http_error_texts
from muster.ui.language import gettext, ngettext, number_text, speak, told_clause
from muster.ui.wording import as_sentence

COOKIE = "console_session"
PAGE_ROWS = 50
LIMIT_FORM_BYTES = 65_536
# Times the rows of a page it is still a number that a database can hold.
LIMIT_NUMBER = 2**53
LIMIT_SEARCH_CHARACTERS = 200
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

View = Callable[..., Any]


def make_console(
    customers: Customers,
    administrators: Administrators,
    calls: CallLog,
    sign_ons: SignOns,
    flow: SignOnFlow,
    *,
    repository_of: Callable[[Customer], SqlRepository],
    add_by_hand: Callable[[Customer, Document], None],
    public_url: str,
) -> WsgiApplication:
    """The console as a WSGI application."""
    app = flask.Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=LIMIT_FORM_BYTES, PROPAGATE_EXCEPTIONS=False)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(instant=shown_instant, number=number_text, json=shown_json)
    speak(app)
    is_secure = public_url.startswith("https://")
    attempts = Attempts()
    drafts = Drafts()

    @app.before_request
    def check() -> Any:
        request = flask.request
        if request.path.startswith(SAML_PATH) or request.path.endswith("/sign-on"):
            request.max_content_length = request.max_form_memory_size = LIMIT_SIGN_ON_BYTES
        if request.path == SAML_PATH or request.path.startswith(f"{SAML_PATH}/"):
            return _check_person(request, public_url)
        flask.g.session = administrators.find_session(request.cookies.get(COOKIE, ""), now=_now())
        if request.method == "POST" and not _is_own_form(request, flask.g.session, public_url):
            return _outdated()
        session = flask.g.session
        if (
            request.method == "POST"
            and session is not None
            and not _may_change(session)
            and request.path != "/sign-out"
        ):
            return _message(403, gettext("You may only look"), gettext("An administrator can change this."))
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if flask.request.path.startswith("/static/"):
            response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Any:
        if error.code is None or error.code < 400:
            return error
        original = error.original_exception if isinstance(error, InternalServerError) else None
        if original is not None and outage_of(original) is not None:
            text = gettext("Nothing of this was kept. Try again in a moment; if it stays, look at the service's log.")
            answer = flask.make_response(_message(503, gettext("The database cannot be reached now"), text))
            answer.headers["Retry-After"] = "5"
            return answer
        return _message(error.code, *http_error_texts(error.code))

    @app.errorhandler(ConsoleRefusal)
    def refused(error: ConsoleRefusal) -> Any:
        text = as_sentence(told_clause(str(error)))
        return _message(400, gettext("That cannot be done"), text)

    def signed_in(view: View) -> View:
        @wraps(view)
        def guarded(**arguments: Any) -> Any:
            if flask.g.session is None:
                return flask.redirect("/sign-in", 303)
            if "customer" in arguments:
                found = customers.find_customer(arguments["customer"])
                if found is None:
                    flask.abort(404)
                arguments["customer"] = found
            return view(**arguments)

        return guarded

    @app.get("/sign-in")
    def show_sign_in() -> Any:
        return _page("sign_in.html")

    @app.post("/sign-in")
    def sign_in() -> Any:
        name, password = flask.request.form.get("name", ""), flask.request.form.get("password", "")
        now, machine, cut = _now(), flask.request.remote_addr or "?", name[:LIMIT_NAME_CHARACTERS]
        seconds = attempts.wait(machine, cut, now)
        if seconds is not None:
            refusal = ngettext(
                "Too many attempts that failed. Wait %(num)s second and try again.",
                "Too many attempts that failed. Wait %(num)s seconds and try again.",
                seconds,
            )
            return _page("sign_in.html", 429, refusal=refusal, name=name)
        secret = administrators.sign_in(name, password, now=now)
        if secret is None:
            attempts.fail(machine, cut, now)
            return _page(
                "sign_in.html",
                401,
                refusal=gettext("Name and password do not fit. Check both and try again."),
                name=name,
            )
        attempts.succeed(machine, cut)
        if (kept := flask.request.cookies.get(COOKIE)) is not None:
            # A session that was there before ends: nobody slips into another's.
            administrators.sign_out(kept)
        return _with_session(flask.redirect("/", 303), secret, is_secure=is_secure)

    @app.post("/sign-out")
    @signed_in
    def sign_out() -> Any:
        administrators.sign_out(flask.request.cookies.get(COOKIE, ""))
        response = flask.redirect("/sign-in", 303)
        response.delete_cookie(COOKIE)
        return response

    @app.get("/setup/<token>")
    def show_set_up(token: str) -> Any:
        if not administrators.is_set_up_token(token):
            flask.abort(404)
        return _page("set_up.html", password_length=SHORTEST_CHARACTERS)

    @app.post("/setup/<token>")
    def set_up(token: str) -> Any:
        if not administrators.is_set_up_token(token):
            flask.abort(404)
        name, password = flask.request.form.get("name", ""), flask.request.form.get("password", "")
        try:
            administrators.create_administrator(name, password, now=_now())
        except ConsoleRefusal as error:
            refusal = as_sentence(told_clause(str(error)))
            return _page("set_up.html", 400, refusal=refusal, name=name, password_length=SHORTEST_CHARACTERS)
        secret = administrators.sign_in(name, password, now=_now()) or ""
        return _with_session(flask.redirect("/", 303), secret, is_secure=is_secure)

    def customers_page(status: int = 200, **values: Any) -> Any:
        rows = [
            (each, repository_of(each).query("User", ResourceQuery(limit=0)).total)
            for each in customers.list_customers()
        ]
        return _page("customers.html", status, rows=rows, **values)

    @app.get("/")
    @signed_in
    def show_customers() -> Any:
        return customers_page()

    @app.post("/customers")
    @signed_in
    def create_customer() -> Any:
        form = flask.request.form
        profile = Profile.GENERIC if form.get("profile") == Profile.GENERIC.value else Profile.EIGHT_BY_EIGHT
        try:
            made = customers.create_customer(form.get("name", "").strip(), profile, now=_now())
        except ConsoleRefusal as error:
            return customers_page(400, **_entered(error))
        return flask.redirect(f"/customers/{made.name}/identity", 303)

    def users_page(customer: Customer, status: int = 200, **values: Any) -> Any:
        wanted = flask.request.args.get("search", "").strip()[:LIMIT_SEARCH_CHARACTERS]
        number = _number("page") or 1
        query = ResourceQuery(
            filter=search_filter(wanted) if wanted else None,
            sort_by=AttributePath(attribute="userName"),
            start_index=(number - 1) * PAGE_ROWS + 1,
            limit=PAGE_ROWS,
        )
        found = repository_of(customer).query("User", query)
        return _page(
            "users.html",
            status,
            customer=customer,
            users=[user_row(each.document) for each in found.resources],
            total=found.total,
            active=customers.count_active(customer),
            search=wanted,
            number=number,
            pages=max(1, -(-found.total // PAGE_ROWS)),
            **values,
        )

    @app.get("/customers/<customer>/users")
    @signed_in
    def show_users(customer: Customer) -> Any:
        return users_page(customer)

    @app.post("/customers/<customer>/users")
    @signed_in
    def add_user(customer: Customer) -> Any:
        try:
            add_by_hand(customer, read_user(flask.request.form))
        except ConsoleRefusal as error:
            return users_page(customer, 400, **_entered(error))
        return flask.redirect(f"/customers/{customer.name}/users", 303)

    @app.get("/customers/<customer>/sites")
    @signed_in
    def show_sites(customer: Customer) -> Any:
        return _page("sites.html", customer=customer, sites=customers.list_sites(customer))

    @app.post("/customers/<customer>/sites")
    @signed_in
    def add_site(customer: Customer) -> Any:
        try:
            customers.add_site(customer, flask.request.form.get("name", ""), now=_now())
        except ConsoleRefusal as error:
            return _page("sites.html", 400, customer=customer, sites=customers.list_sites(customer), **_entered(error))
        return flask.redirect(f"/customers/{customer.name}/sites", 303)

    def identity_page(customer: Customer, *, is_shown: bool, token: str | None = None, draft: str | None = None) -> Any:
        kept = customers.list_tokens(customer)
        return _page(
            "identity.html",
            customer=customer,
            is_shown=is_shown,
            is_leaving="off" in flask.request.args and bool(kept),
            leaving=next((each for each in kept if each.prefix == flask.request.args.get("remove")), None),
            url=customer_url(public_url, customer.name),
            token=token,
            draft=draft,
            tokens=kept,
            providers=(*(each for each in (kept[-1].client,) if each not in PROVIDERS), *PROVIDERS)
            if kept
            else PROVIDERS,
            chosen=kept[-1].client if kept else PROVIDERS[0],
        )

    @app.get("/customers/<customer>/identity")
    @signed_in
    def show_identity(customer: Customer) -> Any:
        is_shown = "show" in flask.request.args
        draft = None
        if is_shown and _may_change(flask.g.session) and not customers.list_tokens(customer):
            draft = drafts.make(flask.g.session, customer)
        return identity_page(customer, is_shown=is_shown, draft=draft)

    @app.post("/customers/<customer>/tokens")
    @signed_in
    def rotate_token(customer: Customer) -> Any:
        client = flask.request.form.get("client", "").strip() or None
        issuer = flask.g.session.administrator
        if flask.request.form.get("do") == "draft":
            return identity_page(customer, is_shown=True, draft=drafts.make(flask.g.session, customer))
        if flask.request.form.get("do") == "save":
            drafted = drafts.take(flask.g.session, customer)
            made = customers.rotate_token(customer, now=_now(), client=client, administrator=issuer, token=drafted)
            return identity_page(customer, is_shown=True, token=made)
        if client is not None and flask.request.form.get("as") == "other":
            made = customers.issue_token(customer, now=_now(), client=client, administrator=issuer)
        else:
            made = customers.rotate_token(customer, now=_now(), client=client, administrator=issuer)
        # Shown in the answer itself: a redirect would have to keep the token somewhere.
        return identity_page(customer, is_shown=True, token=made)

    @app.post("/customers/<customer>/tokens/off")
    @signed_in
    def switch_off(customer: Customer) -> Any:
        if flask.request.form.get("confirm") != "yes":
            return flask.redirect(f"/customers/{customer.name}/identity?off", 303)
        customers.clear_tokens(customer)
        return flask.redirect(f"/customers/{customer.name}/identity", 303)

    @app.post("/customers/<customer>/tokens/remove")
    @signed_in
    def remove_token(customer: Customer) -> Any:
        customers.remove_token(customer, flask.request.form.get("prefix", ""))
        return flask.redirect(f"/customers/{customer.name}/identity?show", 303)

    @app.get("/customers/<customer>/calls")
    @signed_in
    def show_calls(customer: Customer) -> Any:
        before = _number("before")
        rows = calls.read_calls(customer, before=before, count=PAGE_ROWS + 1)
        return _page(
            "calls.html", customer=customer, calls=rows[:PAGE_ROWS], has_more=len(rows) > PAGE_ROWS, before=before
        )

    add_sign_on_pages(app, sign_ons, flow, signed_in=signed_in, page=_page, is_secure=is_secure)
    add_settings_pages(app, customers, administrators, signed_in=signed_in, page=_page)
    application: WsgiApplication = app
    return application


def _check_person(request: flask.Request, public_url: str) -> Any:
    """Pages of people know no administrator. A response comes as a form of another site; no other form does."""
    flask.g.session = None
    if request.method == "POST" and request.path != SAML_PATH and not _is_own_form(request, None, public_url):
        return _outdated()
    return None


def _number(name: str) -> int | None:
    """A number of the query, None for one that is no place in a list."""
    number = flask.request.args.get(name, type=int)
    return number if number is not None and 0 < number <= LIMIT_NUMBER else None


def _page(template: str, status: int = 200, **values: Any) -> tuple[str, int]:
    session = flask.g.get("session")
    may_change = session is not None and _may_change(session)
    known = {
        "session": session,
        "may_change": may_change,
        "status": status,
        "path": flask.request.path,
        "sent": MultiDict[str, str](),
    }
    return flask.render_template(template, **{**known, **values}), status


def _entered(refusal: ConsoleRefusal) -> dict[str, Any]:
    """What the page of a refused form shows: why, and what was entered, to be corrected."""
    return {"refusal": as_sentence(told_clause(str(refusal))), "sent": flask.request.form}


def _message(status: int, title: str, text: str) -> tuple[str, int]:
    """The page that says what is wrong; with the way back to the form that was sent."""
    return _page("message.html", status, title=title, text=text, back=came_from())


def _outdated() -> tuple[str, int]:
    text = gettext("Go back, load the page anew and send it again.")
    return _message(400, gettext("The form is out of date"), text)


def _may_change(session: Session) -> bool:
    return session.role is Role.ADMINISTRATOR


def _now() -> datetime:
    return datetime.now(UTC)


def _with_session(response: Response, secret: str, *, is_secure: bool) -> Response:
    response.set_cookie(COOKIE, secret, httponly=True, secure=is_secure, samesite="Lax")
    return response


def _is_own_form(request: flask.Request, session: Session | None, public_url: str) -> bool:
    """Whether a form was sent from a page of ours: by its origin and, once signed in, by the session's token."""
    origin = request.headers.get("Origin")
    # A proxy in front may name another host to us than browsers see.
    if origin is not None and urlsplit(origin).netloc not in (request.host, urlsplit(public_url).netloc):
        return False
    if session is None:
        return True
    return _is_same_text(request.form.get("csrf_token", ""), session.csrf_token)


def _is_same_text(given: str, wanted: str) -> bool:
    """Whether the texts are the same, in a time that does not tell how much of it is right."""
    return is_token(given, hash_token(wanted))
