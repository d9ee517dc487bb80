"""How an application lets us in, as its form shows it: each kind with its fields, certificates, an authorization."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import flask

from muster.administration import credentials
from muster.administration.refusals import Refused, bad_request
from muster.administration.secrets import MASK, MASKED_KEYS, PEM_LIMIT, VALUE_LIMIT, check_url
from muster.model.application import SecretKey
from muster.model.certificates import PresentedCertificate
from muster.model.credentials import AuthenticationType, ClientAuthentication, authentication_of, token_endpoint_of
from muster.model.roles import Permission
from muster.ui.frame import message
from muster.ui.language import gettext, marked
from muster.web.portal.forms import done, field
from muster.web.portal.paths import desk, text
from muster.web.portal.shelves import Shelf, find_shelf

# Where an application sends people back to after they have let us in.
RETURN_PATH = "/oauth2/callback"
_STATE_COOKIE = "muster_authorization"
_STATE_SECONDS = 900
_AUTHORIZATION_URI = "Oauth2AuthorizationUri"

KINDS = {
    AuthenticationType.BEARER: marked("Bearer token"),
    AuthenticationType.BASIC: marked("User name and password (basic)"),
    AuthenticationType.HEADER: marked("A header of its own"),
    AuthenticationType.CLIENT_CREDENTIALS: marked("OAuth 2: client credentials"),
    AuthenticationType.AUTHORIZATION_CODE: marked("OAuth 2: authorization by an administrator"),
    AuthenticationType.NONE: marked("None, or a client certificate alone"),
}
CLIENT_WAYS = {
    ClientAuthentication.HEADER: marked("In a header"),
    ClientAuthentication.BODY: marked("In the body"),
    ClientAuthentication.BOTH: marked("In both"),
}
_CLIENT = (
    SecretKey.OAUTH2_TOKEN_EXCHANGE_URI,
    SecretKey.CLIENT_IDENTIFIER,
    SecretKey.CLIENT_SECRET,
    SecretKey.OAUTH2_SCOPE,
    SecretKey.OAUTH2_CLIENT_AUTHENTICATION,
)
# The keys that a kind of credentials has in the form. What else is kept stays as it is.
_KEYS: Mapping[AuthenticationType, tuple[str, ...]] = {
    AuthenticationType.BEARER: (SecretKey.SECRET_TOKEN,),
    AuthenticationType.BASIC: (SecretKey.USER_NAME, SecretKey.PASSWORD),
    AuthenticationType.HEADER: (SecretKey.HEADER_NAME, SecretKey.HEADER_VALUE),
    AuthenticationType.CLIENT_CREDENTIALS: _CLIENT,
    AuthenticationType.AUTHORIZATION_CODE: (
        *_CLIENT,
        _AUTHORIZATION_URI,
        SecretKey.OAUTH2_REDIRECT_URI,
        SecretKey.OAUTH2_REFRESH_TOKEN,
    ),
    AuthenticationType.NONE: (),
}
_CERTIFICATES = (SecretKey.CLIENT_CERTIFICATE, SecretKey.CLIENT_CERTIFICATE_KEY, SecretKey.TRUSTED_CERTIFICATES)
# Basic authentication takes the token for the password where there is none.
_KEPT_BESIDE = {AuthenticationType.BASIC: frozenset({SecretKey.SECRET_TOKEN.value})}
_GIVEN_BY_AUTHORIZATION = (SecretKey.OAUTH2_REFRESH_TOKEN, SecretKey.OAUTH2_ACCESS_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsForm:
    """What the form shows of the credentials: the kind, and texts by key; of what is secret only whether it is kept."""

    kind: AuthenticationType
    texts: Mapping[str, str]
    kept: frozenset[str]

    @property
    def is_authorized(self) -> bool:
        """Whether the application has let us in already."""
        return any(key in self.kept for key in _GIVEN_BY_AUTHORIZATION)

    @property
    def can_authorize(self) -> bool:
        """Whether all is kept that is needed to go and ask the application."""
        return all(self.texts.get(key) for key in (_AUTHORIZATION_URI, SecretKey.CLIENT_IDENTIFIER))


def saved_form(found: Shelf, shown: Mapping[str, str]) -> CredentialsForm:
    """Returns the credentials as they are kept."""
    usual = AuthenticationType.BEARER if found.page is None else found.page.authentication_type
    # A kept kind was checked; without one the kept keys say it.
    kind = authentication_of(shown, usual) if shown.get(SecretKey.BASE_ADDRESS) else usual
    texts = {key: value for key, value in shown.items() if key not in MASKED_KEYS}
    texts.setdefault(SecretKey.OAUTH2_TOKEN_EXCHANGE_URI, token_endpoint_of(shown) or "")
    return CredentialsForm(kind=kind, texts=texts, kept=frozenset(shown) & MASKED_KEYS)


def given_form(saved: CredentialsForm) -> CredentialsForm:
    """Returns the credentials as they were filled in."""
    kind = _kind()
    texts = {key: _text(key) for key in (*_KEYS[kind], *_CERTIFICATES) if key not in MASKED_KEYS}
    return CredentialsForm(kind=kind, texts={**saved.texts, **texts}, kept=saved.kept)


def given_secrets(found: Shelf, shown: Mapping[str, str]) -> dict[str, str]:
    """Returns the secrets that the form gives: those of its kind, "" for what other kinds had. Raises: Refused."""
    kind, before = _kind(), saved_form(found, shown).kind
    pairs: dict[str, str] = {SecretKey.BASE_ADDRESS.value: field("url")}
    if "authentication" in flask.request.form:
        if kind is not before or SecretKey.AUTHENTICATION_TYPE in shown:
            pairs[SecretKey.AUTHENTICATION_TYPE.value] = kind.value
        others = {str(key) for keys in _KEYS.values() for key in keys} - set(_KEYS[kind])
        pairs |= {key: "" for key in others - _KEPT_BESIDE.get(kind, frozenset()) if key in shown}
        pairs |= {str(key): _given(key, shown) for key in _CERTIFICATES}
        if not pairs[SecretKey.CLIENT_CERTIFICATE]:
            pairs[SecretKey.CLIENT_CERTIFICATE_KEY.value] = ""
    return pairs | {str(key): _given(key, shown) for key in _KEYS[kind]}


def are_changed(given: Mapping[str, str], shown: Mapping[str, str]) -> bool:
    """Whether the form gives anything but what is kept."""

    def is_kept(key: str, value: str) -> bool:
        return value == MASK if key in MASKED_KEYS and value else value == shown.get(key, "")

    return not all(is_kept(key, value) for key, value in given.items())


def await_authorization(given: Mapping[str, str], shown: Mapping[str, str]) -> bool:
    """Whether the credentials are those of somebody who has yet to let us in: there is nothing to test before."""
    return given.get(SecretKey.AUTHENTICATION_TYPE) == AuthenticationType.AUTHORIZATION_CODE and not any(
        given.get(key) not in (None, "", MASK) or key in shown for key in _GIVEN_BY_AUTHORIZATION
    )


def return_address() -> str:
    """Returns the redirect URI that an application is told of: the public address of this portal."""
    return (flask.g.public_url or flask.request.host_url).rstrip("/") + RETURN_PATH


# ---------------------------------------------------------------- certificates


def look_at_certificate(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/certificate: what the server presents, to be trusted or not."""
    found = find_shelf(sp)
    presented: PresentedCertificate | None = None
    refusal: Refused | None = None
    try:
        given = given_secrets(found, credentials.kept_secrets(desk(), found.sp))
        presented = credentials.presented_certificate(desk(), found.sp, given)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    return flask.render_template("provisioning/certificate.html", presented=presented, refusal=refusal)


# ---------------------------------------------------------------- authorization (RFC 6749 §4.1)


def authorize(sp: str) -> Any:
    """GET /applications/<sp>/provisioning/authorize: on to the application, where its administrator lets us in."""
    found = find_shelf(sp)
    desk().require(Permission.WRITE_CONFIGURATION)
    shown = credentials.shown_secrets(desk(), found.sp)
    address, client = shown.get(_AUTHORIZATION_URI), shown.get(SecretKey.CLIENT_IDENTIFIER)
    if not address or not client:
        raise bad_request(gettext("Enter the authorization address and the client id, and save them first."))
    check_url(_AUTHORIZATION_URI, address, code="InvalidAuthorizationAddress")
    state = secrets.token_urlsafe(32)
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": shown.get(SecretKey.OAUTH2_REDIRECT_URI) or return_address(),
        "state": state,
        **({"scope": shown[SecretKey.OAUTH2_SCOPE]} if shown.get(SecretKey.OAUTH2_SCOPE) else {}),
    }
    joint = "&" if urlsplit(address).query else "?"
    response = flask.redirect(f"{address}{joint}{urlencode(query)}", 303)
    response.set_cookie(
        _STATE_COOKIE,
        f"{state}.{found.sp}",
        max_age=_STATE_SECONDS,
        httponly=True,
        secure=flask.request.is_secure,
        samesite="Strict",
        path=RETURN_PATH,
    )
    return response


def come_back() -> Any:
    """GET /oauth2/callback: back from the application. Our cookies come with a request of our own page only, so the
    first answer is one that goes on to here by itself."""
    if not flask.request.args.get("here"):
        on = f"{RETURN_PATH}?{urlencode([('here', '1'), *flask.request.args.items()])}"
        return flask.render_template("provisioning/come_back.html", on=on)
    if flask.g.me is None:
        return message(401, gettext("You are signed out"), gettext("Sign in, and authorize the application again."))
    kept, _, sp = flask.request.cookies.get(_STATE_COOKIE, "").partition(".")
    if not kept or not secrets.compare_digest(kept.encode(), (text("state") or "").encode()):
        raise bad_request(gettext("This authorization was not asked for here, or too long ago: ask again."))
    own = flask.g.desk = desk().of_owner(sp)
    found = find_shelf(sp)
    code = flask.request.args.get("code", "")
    if not code:
        why = (flask.request.args.get("error_description") or flask.request.args.get("error") or "")[:500]
        raise bad_request(gettext("The application has not let us in: %(why)s", why=why or "–"))
    shown = credentials.shown_secrets(own, found.sp)
    given = {
        SecretKey.OAUTH2_AUTHORIZATION_CODE.value: code,
        SecretKey.OAUTH2_REDIRECT_URI.value: shown.get(SecretKey.OAUTH2_REDIRECT_URI) or return_address(),
    }
    credentials.acquire_token(own, found.sp, given)
    response = done(found.to("provisioning"), "authorised")
    response.delete_cookie(_STATE_COOKIE, path=RETURN_PATH)
    return response


def _kind() -> AuthenticationType:
    value = flask.request.form.get("authentication", AuthenticationType.BEARER.value)
    known = {each.value: each for each in KINDS}
    if value not in known:
        raise bad_request(gettext("Choose how the application lets us in."))
    return known[value]


def _given(key: str, shown: Mapping[str, str]) -> str:
    value = flask.request.form.get("secret" if key == SecretKey.SECRET_TOKEN else key, "").strip()
    if key in MASKED_KEYS:
        # Empty keeps what is kept, if anything is.
        return value[: (PEM_LIMIT if key in _CERTIFICATES else VALUE_LIMIT) + 1] or (MASK if key in shown else "")
    return _text(key)


def _text(key: str) -> str:
    return field(key, PEM_LIMIT if key in _CERTIFICATES else VALUE_LIMIT)
