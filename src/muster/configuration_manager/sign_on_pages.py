"""Pages of single sign-on: where people sign in, where responses arrive, and where an administrator sets it up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
from werkzeug.datastructures import FileStorage

from muster.configuration_manager.customer import ConsoleRefusal, Customer
from muster.configuration_manager.sign_on import PROVIDERS, SAML_PATH, SignOns
from muster.configuration_manager.sign_on_flow import PersonSession, SignInRefused, SignOnFlow
from muster.configuration_manager.sign_on_logout import answer_logout, ask_logout
from muster.saml.bindings import RESPONSE, read_post
from muster.saml.metadata import ServiceProvider, write_service_provider
from muster.saml.names import SamlRefused
from muster.ui.brake import Brake, Pressure, network_of
from muster.ui.language import gettext, told_clause
from muster.ui.sessions import is_same
from muster.ui.wording import as_sentence

View = Callable[..., Any]

BROWSER_COOKIE = "sign_on"
PERSON_COOKIE = "person_session"
LIMIT_FORM_BYTES = 1_048_576
SHOWN_LOG_ROWS = 50
_MACHINE = Pressure(free=60, longest=timedelta(minutes=1))


def add_sign_on_pages(
    app: flask.Flask,
    sign_ons: SignOns,
    flow: SignOnFlow,
    *,
    signed_in: Callable[[View], View],
    page: Callable[..., Any],
    is_secure: bool,
) -> None:
    """Adds the pages to the console."""
    brake = Brake()

    def person() -> PersonSession | None:
        return flow.find_session(flask.request.cookies.get(PERSON_COOKIE, ""), now=_now())

    def refused(reference: str) -> Any:
        return page("person_refused.html", 403, reference=reference)

    # ------------------------------------------------------------ people

    @app.get(f"{SAML_PATH}/sign-in")
    def show_person_sign_in() -> Any:
        if person() is not None:
            return flask.redirect(f"{SAML_PATH}/home", 303)
        return page("person_sign_in.html")

    @app.post(f"{SAML_PATH}/sign-in")
    def begin_sign_in() -> Any:
        now, machine = _now(), f"machine {network_of(flask.request.remote_addr or '?')}"
        name = flask.request.form.get("name", "")
        if brake.wait(machine, _MACHINE, now) is not None:
            refusal = gettext("Too many attempts. Wait a minute and try again.")
            return page("person_sign_in.html", 429, refusal=refusal, name=name[:256])
        begun = flow.begin(name, now=now)
        if begun is None:
            brake.fail(machine, now)
            refusal = gettext("Single sign-on is not set up for this name. Check it, or ask your administrator.")
            return page("person_sign_in.html", 404, refusal=refusal, name=name[:256])
        response = flask.make_response(page("person_continue.html", address=begun.address, provider=begun.provider))
        # The answer comes as a form of another site: browsers send the cookie along with it only so.
        response.set_cookie(
            BROWSER_COOKIE,
            begun.secret,
            httponly=True,
            secure=is_secure,
            samesite="None" if is_secure else "Lax",
            path=SAML_PATH,
            max_age=600,
        )
        return response

    @app.post(SAML_PATH)
    def take_response() -> Any:
        now, machine = _now(), flask.request.remote_addr or "?"
        try:
            content = read_post(flask.request.form.get(RESPONSE, ""))
        except SamlRefused as error:
            return refused(flow.refuse(error.code, error.sentence, machine=machine, now=now).reference)
        try:
            secret = flow.accept(
                content, browser=flask.request.cookies.get(BROWSER_COOKIE, ""), machine=machine, now=now
            )
        except SignInRefused as error:
            return refused(error.reference)
        response = flask.redirect(f"{SAML_PATH}/home", 303)
        response.delete_cookie(BROWSER_COOKIE, path=SAML_PATH)
        response.set_cookie(PERSON_COOKIE, secret, httponly=True, secure=is_secure, samesite="Lax", path=SAML_PATH)
        return response

    @app.get(SAML_PATH)
    def show_start() -> Any:
        return flask.redirect(f"{SAML_PATH}/sign-in", 303)

    @app.get(f"{SAML_PATH}/home")
    def show_home() -> Any:
        who = person()
        if who is None:
            return flask.redirect(f"{SAML_PATH}/sign-in", 303)
        return page("person_home.html", person=who)

    @app.post(f"{SAML_PATH}/sign-out")
    def sign_person_out() -> Any:
        who = person()
        response = flask.make_response(page("person_signed_out.html"))
        if who is not None:
            if not is_same(flask.request.form.get("csrf_token", ""), who.csrf_token):
                return flask.redirect(f"{SAML_PATH}/home", 303)
            flow.sign_out(flask.request.cookies.get(PERSON_COOKIE, ""))
            address = ask_logout(sign_ons, flow, who, now=_now())
            if address is not None:
                response = flask.make_response(page("person_signed_out.html", address=address))
        response.delete_cookie(PERSON_COOKIE, path=SAML_PATH)
        return response

    @app.get(f"{SAML_PATH}/logout")
    def take_logout() -> Any:
        try:
            address = answer_logout(sign_ons, flow, flask.request.query_string.decode("ascii", "replace"), now=_now())
        except SamlRefused as error:
            machine = flask.request.remote_addr or "?"
            return refused(flow.refuse(error.code, error.sentence, machine=machine, now=_now()).reference)
        # An answer proves nothing, so that it ends nothing; nor does a request that ends another session than this.
        is_in = person() is not None
        if address:
            response = flask.redirect(address, 303)
        elif is_in:
            response = flask.redirect(f"{SAML_PATH}/home", 303)
        else:
            response = flask.make_response(page("person_signed_out.html"))
        if not is_in and PERSON_COOKIE in flask.request.cookies:
            response.delete_cookie(PERSON_COOKIE, path=SAML_PATH)
        return response

    @app.get(f"{SAML_PATH}/metadata")
    def show_metadata() -> Any:
        content = write_service_provider(
            ServiceProvider(
                entity_id=flow.addresses.entity_id,
                reply_urls=(flow.addresses.reply_url,),
                logout_url=flow.addresses.logout_url,
            )
        )
        return flask.Response(content, mimetype="application/samlmetadata+xml")

    # ------------------------------------------------------------ administrators

    def settings_page(customer: Customer, status: int = 200, **values: Any) -> Any:
        return page(
            "sign_on.html",
            status,
            customer=customer,
            settings=sign_ons.get(customer),
            addresses=flow.addresses,
            providers=PROVIDERS,
            log=flow.read_log(customer, count=SHOWN_LOG_ROWS),
            now=_now(),
            is_saved="saved" in flask.request.args,
            is_leaving="remove" in flask.request.args,
            **values,
        )

    @app.get("/customers/<customer>/sign-on")
    @signed_in
    def show_sign_on(customer: Customer) -> Any:
        return settings_page(customer)

    @app.post("/customers/<customer>/sign-on")
    @signed_in
    def change_sign_on(customer: Customer) -> Any:
        try:
            form, files = flask.request.form, flask.request.files
            sign_ons.change(
                customer,
                metadata=_uploaded(files.get("metadata")),
                certificate=_uploaded(files.get("certificate")),
                keeps_certificates="keep" in form,
                provider=form.get("provider"),
                issuer=form.get("issuer"),
                login_url=form.get("login_url"),
                logout_url=form.get("logout_url"),
                domains=form.get("domains"),
                is_enabled="enabled" in form,
                takes_unasked="unasked" in form,
            )
        except ConsoleRefusal as error:
            return settings_page(customer, 400, refusal=as_sentence(told_clause(str(error))), form=flask.request.form)
        return flask.redirect(f"/customers/{customer.name}/sign-on?saved", 303)

    @app.post("/customers/<customer>/sign-on/remove")
    @signed_in
    def remove_sign_on(customer: Customer) -> Any:
        sign_ons.remove(customer)
        return flask.redirect(f"/customers/{customer.name}/sign-on", 303)


def _uploaded(file: FileStorage | None) -> bytes | None:
    return None if file is None or not file.filename else file.read()


def _now() -> datetime:
    return datetime.now(UTC)
