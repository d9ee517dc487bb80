"""The SAML identity provider over HTTP: requests in, signed responses out, metadata, the way from a tile, logout.

Source: SAML bindings §3.4, §3.5; profiles §4.1, §4.4.
"""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
from werkzeug.wrappers import Response

from muster.administration.my_apps import is_assigned
from muster.administration.saml_sign_in import (
    Addresses,
    Relying,
    find_asking,
    find_relying,
    make_refusal,
    make_statement,
    metadata_of,
    reply_url_for,
    sign_statement,
    signing_key,
)
from muster.model.sign_in import SignInCode
from muster.saml.bindings import (
    RELAY_STATE,
    REQUEST,
    RESPONSE,
    check_relay_state,
    read_post,
    read_redirect,
    redirect_url,
    write_post,
)
from muster.saml.certificates import read_certificate
from muster.saml.documents import Element, is_element, parse
from muster.saml.names import SAMLP, SamlRefused, Status
from muster.saml.requests import AuthnRequest, read_authn_request
from muster.saml.signatures import is_signed, verify, verify_query
from muster.ui.frame import HEADERS, make_face, message
from muster.ui.language import gettext
from muster.web.access import Budget
from muster.web.persons import SIGN_IN, Persons, SignedIn
from muster.web.saml.logout import Logouts
from muster.web.services import Services

TEMPLATES = Path(__file__).with_name("templates")
PATH = "/saml2"
FORM_BYTES = 262_144
# A clock of the application that is ahead of ours must not ask for a password again and again.
_FRESH = timedelta(minutes=2)
# Of strangers' wrong requests so many are logged.
_STRANGERS_LOGGED = Budget(30, timedelta(minutes=1))
# The form goes to the application, which may lead on to wherever it likes.
_POST_POLICY = HEADERS["Content-Security-Policy"].replace("form-action 'self'; ", "")


class SamlFace:
    """The endpoints."""

    def __init__(self, services: Services, persons: Persons) -> None:
        self._services = services
        self._persons = persons
        self._logouts = Logouts(services, persons)
        persons.on_leaving(lambda me: self._logouts.depart(me, self._addresses(), SIGN_IN))

    def receive(self) -> Any:
        """GET or POST /saml2: a request for a sign-in, or a message about a logout."""
        request = flask.request
        try:
            if request.method == "POST":
                return self._bounce()
            if RESPONSE in request.args:
                return self._logouts.go_on(read_redirect(request.args[RESPONSE]), self._addresses())
            content = read_redirect(request.args.get(REQUEST, ""))
            relay_state = check_relay_state(request.args.get(RELAY_STATE))
            if is_element(parse(content), SAMLP, "LogoutRequest"):
                return self._logouts.begin(content, relay_state, self._addresses())
            return self._answer(*self._read(content), relay_state)
        except SamlRefused as refused:
            return self._refuse(refused)

    def launch(self, app_id: str) -> Any:
        """GET /saml2/launch/{app}: where a tile leads; a sign-in begins here, or at the application if it asks so."""
        try:
            relying = find_relying(self._services.stores, app_id)
            if relying.settings.sign_on_url is not None:
                return flask.redirect(relying.settings.sign_on_url, 303)
            return self._answer(relying, None, relying.settings.relay_state)
        except SamlRefused as refused:
            return self._refuse(refused)

    def show_metadata(self, app_id: str) -> Any:
        """GET /saml2/metadata/{app}."""
        application = self._services.stores.applications.get(app_id)
        if application is None or application.app_id != app_id:
            flask.abort(404)
        if not self._services.stores.single_sign_on.certificates(application.service_principal_id):
            flask.abort(404)
        content = metadata_of(self._services.stores, application, self._addresses())
        return flask.Response(content, mimetype="application/samlmetadata+xml")

    # ------------------------------------------------------------ a request

    def _bounce(self) -> Response:
        """A form of another site comes without our cookie: the message goes on as the same request by redirect."""
        form = flask.request.form
        field = REQUEST if REQUEST in form else RESPONSE
        element = parse(read_post(form.get(field, "")))
        relay_state = check_relay_state(form.get(RELAY_STATE))
        return flask.redirect(redirect_url(PATH, field, element, relay_state=relay_state), 303)

    def _read(self, content: bytes) -> tuple[Relying, AuthnRequest]:
        request, element = read_authn_request(content)
        relying = find_asking(self._services.stores, request.issuer)
        addresses = self._addresses()
        if request.destination not in (None, addresses.login_url):
            raise SamlRefused("destination", f"The request is meant for {request.destination!r}.")
        self._check_signature(relying, element)
        reply_url_for(relying, request)
        return relying, request

    def _check_signature(self, relying: Relying, element: Element) -> None:
        if relying.settings.request_certificate is None:
            return
        certificates = (read_certificate(relying.settings.request_certificate.encode()),)
        now = self._services.clock.now()
        if is_signed(element):
            verify(element, certificates, now=now)
        else:
            verify_query(flask.request.query_string.decode("ascii", "replace"), REQUEST, certificates, now=now)

    def _answer(self, relying: Relying, request: AuthnRequest | None, relay_state: str | None) -> Any:
        me = self._persons.who(flask.request.environ)
        here = flask.request.full_path.removesuffix("?")
        if me is None:
            if request is not None and request.is_passive:
                return self._say_no(relying, request, relay_state, Status.NO_PASSIVE)
            return flask.redirect(self._persons.sign_in_address(here), 303)
        if request is not None and request.is_forced and me.since < request.issued_at - _FRESH:
            return self._persons.guard.dismiss(flask.redirect(self._persons.sign_in_address(here, is_fresh=True), 303))
        application = relying.application
        if not application.is_enabled:
            return self._keep_out(me, relying, SignInCode.APPLICATION_DISABLED)
        if not is_assigned(self._persons.reception, me.person, application.service_principal_id):
            return self._keep_out(me, relying, SignInCode.NOT_ASSIGNED)
        now = self._services.clock.now()
        index = session_index(me, relying)
        try:
            statement = make_statement(
                self._services.ids,
                relying,
                me.person,
                addresses=self._addresses(),
                request=request,
                signed_in_at=me.since,
                session_index=index,
                now=now,
            )
            response = sign_statement(relying, statement, signing_key(self._services.stores, relying))
        except SamlRefused as refused:
            return self._keep_out(me, relying, SignInCode.REQUEST_WRONG, refused.sentence)
        how = "SAML, asked for by the application" if request is not None else "SAML, begun here"
        self._record(SignInCode.SUCCESS, me, relying, how)
        self._logouts.note(me, relying, statement.name_id, index)
        return self._post(reply_url_for(relying, request), response, relay_state)

    def _say_no(self, relying: Relying, request: AuthnRequest, relay_state: str | None, second: Status) -> Response:
        refusal = make_refusal(
            self._services.stores,
            relying,
            request,
            addresses=self._addresses(),
            second=second,
            now=self._services.clock.now(),
        )
        return self._post(reply_url_for(relying, request), refusal, relay_state)

    def _post(self, address: str, response: Element, relay_state: str | None) -> Response:
        page = flask.render_template(
            "post.html", address=address, response=write_post(response), relay_state=relay_state
        )
        answer = flask.Response(page)
        answer.headers["Content-Security-Policy"] = _POST_POLICY
        return answer

    # ------------------------------------------------------------ refusals

    def _keep_out(self, me: SignedIn, relying: Relying, code: SignInCode, details: str = "") -> Any:
        name = relying.application.display_name
        self._record(code, me, relying, details)
        text = {
            SignInCode.NOT_ASSIGNED: gettext(
                "Your administrator has not assigned %(name)s to you. Ask for it, then try again.", name=name
            ),
            SignInCode.APPLICATION_DISABLED: gettext(
                "Your administrator has switched sign-in to %(name)s off.", name=name
            ),
        }.get(
            code,
            gettext(
                "Something that %(name)s asks for is missing. Your administrator finds in the log what.", name=name
            ),
        )
        return message(403, gettext("You cannot sign in to this application"), text)

    def _refuse(self, refused: SamlRefused) -> Any:
        me = self._persons.who(flask.request.environ)
        if me is not None or _STRANGERS_LOGGED.take("", self._services.clock.now()) is None:
            self._record(SignInCode.REQUEST_WRONG, me, None, f"{refused.code}: {refused.sentence}")
        return message(
            400,
            gettext("This sign-in cannot be carried out"),
            gettext("The application's request is not as it was agreed. Your administrator finds why in the log."),
        )

    def _record(self, code: SignInCode, me: SignedIn | None, relying: Relying | None, details: str) -> None:
        application = None if relying is None else relying.application
        self._persons.record(
            flask.request.environ,
            code,
            person=None if me is None else me.person,
            application=None if application is None else (application.service_principal_id, application.display_name),
            methods=() if me is None else me.methods,
            details=details,
        )

    def _addresses(self) -> Addresses:
        root = self._services.root(flask.request.environ)
        return Addresses(root=root, tenant_id=self._services.tenant_id)


def session_index(me: SignedIn, relying: Relying) -> str:
    """Returns what a session is called towards an application: by it a logout finds it, and nobody else's."""
    text = f"{me.session.csrf_token} {relying.application.service_principal_id}"
    return f"_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def make_saml_face(services: Services, persons: Persons) -> flask.Flask:
    """Returns the face as a WSGI application, for all below /saml2."""
    app = make_face(__name__, TEMPLATES)
    app.config.update(MAX_CONTENT_LENGTH=FORM_BYTES, MAX_FORM_MEMORY_SIZE=FORM_BYTES)
    app.context_processor(lambda: {"is_of_people": True})
    face = SamlFace(services, persons)
    app.add_url_rule(PATH, "receive", face.receive, methods=["GET", "POST"])
    app.add_url_rule(f"{PATH}/launch/<app_id>", "launch", face.launch, methods=["GET"])
    app.add_url_rule(f"{PATH}/metadata/<app_id>", "show_metadata", face.show_metadata, methods=["GET"])
    return app
