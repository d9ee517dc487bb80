"""The OpenID Connect provider as a WSGI application: discovery, keys, authorize, token, userinfo.

Source: OpenID Connect Core 1.0, Discovery 1.0; RFC 9700 (what is not offered any more).
"""

import logging
from typing import Any
from urllib.parse import urlencode

import flask
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from authlib.oidc.core.errors import LoginRequiredError
from joserfc.jwk import RSAKey
from werkzeug.wrappers import Response

from muster.administration.my_apps import is_assigned
from muster.administration.openid import signing_key
from muster.administration.openid_claims import ClaimRefused, claims_of
from muster.model.openid import DEFAULT_CLAIMS, SCOPES
from muster.model.sign_in import SignInCode
from muster.sealing import hash_token
from muster.ui.assets import TEMPLATES
from muster.ui.frame import make_face, message
from muster.ui.language import gettext
from muster.web.openid.client import Client
from muster.web.openid.server import ALGORITHM, Provider, make_server
from muster.web.persons import Persons, SignedIn
from muster.web.services import Services

logger = logging.getLogger(__name__)

PREFIX = "/oidc"
# Somebody who comes back from signing in has done so just now: held to less, `max_age=0` would ask them for ever.
FRESH_SECONDS = 60
_OPEN_TO_SCRIPTS = ("configuration", "keys", "token", "userinfo")


def make_openid_face(services: Services, persons: Persons) -> flask.Flask:
    """Returns the provider; `persons` are the sessions that My Apps and SAML ask, too."""
    app = make_face(__name__, TEMPLATES)
    pages = _Pages(app, Provider(services, persons))
    for rule, endpoint, view, methods in (
        ("/.well-known/openid-configuration", "configuration", pages.configuration, ["GET"]),
        ("/keys", "keys", pages.keys, ["GET"]),
        ("/authorize", "authorize", pages.authorize, ["GET", "POST"]),
        ("/token", "token", pages.token, ["POST"]),
        ("/userinfo", "userinfo", pages.userinfo, ["GET", "POST"]),
    ):
        app.add_url_rule(f"{PREFIX}{rule}", endpoint, view, methods=methods)
    app.after_request(_open)
    app.context_processor(lambda: {"here": flask.request.path, "is_of_people": True})
    return app


class _Pages:
    """The endpoints."""

    def __init__(self, app: flask.Flask, provider: Provider) -> None:
        self._provider = provider
        self._server = make_server(app, provider)

    def configuration(self) -> Any:
        """GET /oidc/.well-known/openid-configuration"""
        issuer = self._provider.issuer()
        return flask.jsonify(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "jwks_uri": f"{issuer}/keys",
                "scopes_supported": list(SCOPES),
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "code_challenge_methods_supported": ["S256"],
                "claims_supported": ["sub", "oid", "tid", "roles", *(claim.name for claim in DEFAULT_CLAIMS)],
                "claims_parameter_supported": False,
                "request_parameter_supported": False,
                "request_uri_parameter_supported": False,
                "authorization_response_iss_parameter_supported": True,
            }
        )

    def keys(self) -> Any:
        """GET /oidc/keys"""
        reception = self._provider.reception
        signing_key(reception.stores, reception.ids, reception.now())
        published = []
        for key in self._provider.store.signing_keys():
            private = RSAKey.import_key(key.private_pem, {"kid": key.key_id, "use": "sig", "alg": ALGORITHM})
            published.append(private.as_dict(private=False))
        return flask.jsonify({"keys": published})

    # ------------------------------------------------------------ authorize

    def authorize(self) -> Any:
        """GET and POST /oidc/authorize"""
        request = flask.request
        if request.method == "POST":
            # A form of the application's: browsers keep our cookie back from it, so it comes again as a link.
            return flask.redirect(f"{PREFIX}/authorize?{urlencode(list(request.form.items(multi=True)))}", 303)
        provider = self._provider
        me = provider.persons.who(request.environ)
        try:
            grant = self._server.get_consent_grant(end_user=me)
        except LoginRequiredError as error:
            return self._to_application(error, grant_uri=request.args.get("redirect_uri", ""))
        except OAuth2Error as error:
            return self._refuse(error)
        except ValueError:
            # The library's errors quote the request, and take no text that a header cannot hold.
            return self._refuse(InvalidRequestError())
        client: Client = grant.client
        redirect_uri = request.args["redirect_uri"]
        if me is None or self._must_show_anew(me):
            if "none" in request.args.get("prompt", "").split():
                return self._to_application(LoginRequiredError(), grant_uri=redirect_uri)
            return self._sign_in(me)
        if not client.application.is_enabled:
            provider.record(SignInCode.APPLICATION_DISABLED, client, me.person)
            return _page(403, gettext("This application is switched off"), gettext("Ask your administrator."))
        if not is_assigned(provider.reception, me.person, client.application.service_principal_id):
            provider.record(SignInCode.NOT_ASSIGNED, client, me.person, methods=me.methods)
            return _page(
                403,
                gettext("You are not assigned to this application"),
                gettext("Ask your administrator to assign you to %(name)s.", name=client.application.display_name),
            )
        response = self._server.create_authorization_response(grant_user=me, grant=grant)
        provider.record(SignInCode.SUCCESS, client, me.person, methods=me.methods)
        return self._with_issuer(response, redirect_uri)

    def _must_show_anew(self, me: SignedIn) -> bool:
        """Whether the application asks for a sign-in that is fresher than the session."""
        age = (self._provider.reception.now() - me.since).total_seconds()
        longest = flask.request.args.get("max_age", "")
        if longest.isascii() and longest.isdecimal() and len(longest) < 10 and age > max(int(longest), FRESH_SECONDS):
            return True
        return "login" in flask.request.args.get("prompt", "").split() and age > FRESH_SECONDS

    def _sign_in(self, me: SignedIn | None) -> Any:
        path = flask.request.full_path.removesuffix("?")
        response = flask.redirect(self._provider.persons.sign_in_address(path, is_fresh=me is not None), 303)
        return response if me is None else self._provider.persons.guard.dismiss(response)

    def _refuse(self, error: OAuth2Error) -> Any:
        """An error of the request: told to the application if the address is surely its own, else on a page."""
        args = flask.request.args
        client = self._provider.find_client(args.get("client_id", ""))
        redirect_uri = args.get("redirect_uri", "")
        if client is not None:
            is_uri = client.check_redirect_uri(redirect_uri)
            code = SignInCode.REQUEST_WRONG if is_uri else SignInCode.REDIRECT_WRONG
            details = f"{error.error}: {error.description or ''}" + ("" if is_uri else f" {redirect_uri[:200]}")
            self._provider.record(code, client, None, details=details)
            if is_uri and not isinstance(error, InvalidClientError):
                return self._to_application(error, grant_uri=redirect_uri)
        logger.info("an authorization request was refused: %s", error.error)
        return _page(
            400,
            gettext("This application's request cannot be answered"),
            gettext("It is not set up for signing in here, or asks to be answered elsewhere. Ask your administrator."),
        )

    def _to_application(self, error: OAuth2Error, *, grant_uri: str) -> Any:
        client = self._provider.find_client(flask.request.args.get("client_id", ""))
        if client is None or not client.check_redirect_uri(grant_uri):
            return self._refuse(InvalidClientError())
        answer = {"error": error.error, "error_description": error.description or "", "iss": self._provider.issuer()}
        state = flask.request.args.get("state")
        joint = "&" if "?" in grant_uri else "?"
        fields = {**answer, **({} if state is None else {"state": state})}
        return flask.redirect(f"{grant_uri}{joint}{urlencode(fields)}", 302)

    def _with_issuer(self, response: Response, redirect_uri: str) -> Response:
        """RFC 9207: the application sees whose answer it is."""
        location = response.headers.get("Location", "")
        if location.startswith(redirect_uri):
            joint = "&" if "?" in location else "?"
            response.headers["Location"] = f"{location}{joint}{urlencode({'iss': self._provider.issuer()})}"
        return response

    # ------------------------------------------------------------ token, userinfo

    def token(self) -> Any:
        """POST /oidc/token"""
        try:
            response: Response = self._server.create_token_response()
        except ClaimRefused as refused:
            return _claim_refused(refused)
        return response

    def userinfo(self) -> Any:
        """GET and POST /oidc/userinfo"""
        scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
        provider = self._provider
        grant = None
        if scheme.lower() == "bearer" and token:
            grant = provider.store.find_token(hash_token(token.strip()), provider.reception.now())
        granted = None if grant is None else provider.find_granted(grant)
        if grant is None or granted is None:
            error = 'Bearer error="invalid_token"' if token else "Bearer"
            return flask.Response(status=401, headers={"WWW-Authenticate": error})
        client, person = granted
        try:
            claims = claims_of(
                provider.reception,
                client.application,
                client.settings,
                person,
                grant.scope,
                provider.services.tenant_id,
            )
        except ClaimRefused as refused:
            return _claim_refused(refused)
        return flask.jsonify(claims)


def _claim_refused(refused: ClaimRefused) -> Any:
    """The application hears which claim it is; why, which may quote the person's values, stands in our log alone."""
    logger.warning("the claims of a person cannot be made: %s", refused)
    told = f"The claim {refused.claim} cannot be made for this person: ask the administrator."
    return flask.jsonify({"error": "server_error", "error_description": told}), 400


def _page(status: int, title: str, text: str) -> Any:
    return message(status, title, text)


def _open(response: Response) -> Response:
    """Single-page applications call these from their own origin; no cookie counts there."""
    if flask.request.endpoint in _OPEN_TO_SCRIPTS:
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response
