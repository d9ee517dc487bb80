"""The way to the other OpenID Connect provider and back, for one face: what a browser carries along, sealed."""

import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta

import flask
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from muster.model.identity_provider import FederationRefused, IdentityProvider, SignInRequest, Vouched
from muster.ui.language import gettext
from muster.web.services import Services

LASTS = timedelta(minutes=10)
# Browsers take cookies of 4,096 bytes; where somebody was going may be a request for single sign-on, which is longer.
_PART_CHARACTERS = 3_500
_PARTS = 7
_PREFIX = "muster_oidc"
_ANSWER_CHARACTERS = 8_192


class Federation:
    """Sign-ins with the provider that began at one face.

    What a sign-in began with is kept by the browser itself, in cookies of the callback's path alone: nothing here fills
    up by sign-ins that nobody ends, and nobody can end what another browser has begun.
    """

    def __init__(self, services: Services, callback: str, serves: Callable[[IdentityProvider], bool]) -> None:
        self._services = services
        self._callback = callback
        self._serves = serves

    def _sealer(self) -> URLSafeSerializer:
        # Of several keys the last one seals.
        return URLSafeSerializer(list(reversed(self._services.faces.keys())), salt=self._callback)

    def provider(self) -> IdentityProvider | None:
        """Returns the provider that people of this face may sign in with, None if there is none for them."""
        found = self._services.stores.identity_providers.get()
        return found if found is not None and self._serves(found) else None

    def begin(self, provider: IdentityProvider, to: str, *, is_fresh: bool) -> Response:
        """Returns the way to the provider; `to` is where somebody goes once they are in. Raises: FederationRefused."""
        now = self._services.clock.now()
        request = SignInRequest(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=f"{self._services.root(flask.request.environ)}{self._callback}",
            is_fresh=is_fresh,
        )
        address = self._services.relying_party.address(provider, request, now)
        # Not a redirect of a form: browsers hold those to `form-action`.
        response: Response = flask.redirect(address, 303)
        ends = int((now + LASTS).timestamp())
        told = [
            request.state,
            request.nonce,
            request.verifier,
            request.redirect_uri,
            is_fresh,
            ends,
            _mark(provider),
            to,
        ]
        sealed = self._sealer().dumps(told)
        text = sealed if isinstance(sealed, str) else sealed.decode()
        for number, start in enumerate(range(0, len(text), _PART_CHARACTERS)):
            part = text[start : start + _PART_CHARACTERS]
            self._set_cookie(response, self._cookie(request.state, number), part, max_age=int(LASTS.total_seconds()))
        return response

    def finish(self, provider: IdentityProvider) -> tuple[Vouched, str]:
        """Returns whom the provider vouches for and where they were going. Raises: FederationRefused."""
        args = flask.request.args
        if any(len(args.getlist(name)) > 1 for name in ("state", "code", "iss", "error")):
            raise _unasked("The answer names something twice.")
        request, to = self._begun(provider, args.get("state", ""))
        answer = {name: args[name][:_ANSWER_CHARACTERS] for name in args}
        vouched = self._services.relying_party.redeem(provider, request, answer, self._services.clock.now())
        return vouched, to

    def forget(self, response: Response) -> Response:
        """Takes from the browser what it carried for the sign-in that has come back."""
        state = flask.request.args.get("state", "")
        for number in range(_PARTS):
            name = self._cookie(state, number)
            if name in flask.request.cookies:
                response.delete_cookie(name, path=self._callback, httponly=True, samesite="Lax")
        return response

    def _begun(self, provider: IdentityProvider, state: str) -> tuple[SignInRequest, str]:
        """What a sign-in began with, in this browser, not long ago, and with this very provider."""
        parts = (flask.request.cookies.get(self._cookie(state, number), "") for number in range(_PARTS))
        try:
            told = self._sealer().loads("".join(parts))
        except BadSignature:
            raise _unasked("The answer belongs to no sign-in that this browser has begun.") from None
        begun, nonce, verifier, redirect_uri, is_fresh, ends, mark, to = told
        if not hmac.compare_digest(str(begun).encode(), state.encode()):
            raise _unasked("The answer belongs to another sign-in.")
        if self._services.clock.now().timestamp() >= ends:
            raise _unasked("The sign-in began too long ago.")
        if mark != _mark(provider):
            raise _unasked("The provider was changed while somebody signed in.")
        request = SignInRequest(
            state=state, nonce=nonce, verifier=verifier, redirect_uri=redirect_uri, is_fresh=is_fresh
        )
        return request, to

    def _cookie(self, state: str, number: int) -> str:
        # Several windows may sign in at once.
        name = "".join(each for each in state[:12] if each.isascii() and (each.isalnum() or each in "-_"))
        return f"{_PREFIX}_{name}_{number}"

    def _set_cookie(self, response: Response, name: str, value: str, *, max_age: int) -> None:
        public = self._services.public_url or ""
        is_secure = flask.request.is_secure or public.startswith("https://")
        # Lax: the provider sends the browser back by a redirect.
        response.set_cookie(
            name, value, max_age=max_age, httponly=True, secure=is_secure, samesite="Lax", path=self._callback
        )


def _unasked(sentence: str) -> FederationRefused:
    return FederationRefused(sentence, is_unasked=True)


def sign_in_key() -> str:
    """Returns what the failures of the answer at hand are counted by: its sign-in, never an address that many share."""
    return f"provider {flask.request.args.get('state', '')[:12]}"


def _mark(provider: IdentityProvider) -> list[str]:
    """What must be the same at the end of a sign-in as at its beginning."""
    return [provider.discovery_url, provider.client_id]


def turned_back(provider: IdentityProvider, refused: FederationRefused, to: str) -> Response:
    """Returns the page for a sign-in that the provider did not bring about: what to do, and no reason."""
    if refused.is_away:
        text = gettext("%(name)s cannot be reached. Try again in a moment.", name=provider.display_name)
    else:
        text = gettext("Begin again. If that does not help, ask your administrator: the sign-in log says why.")
    title = gettext("The sign-in was not completed")
    return flask.Response(
        flask.render_template("turned_back.html", refusal=None, title=title, text=text, to=to, here=to),
        status=502 if refused.is_away else 403,
    )


def not_for_them(provider: IdentityProvider, to: str, reason: str | None = None) -> Response:
    """Returns the page for somebody whom the provider has signed in, and who may not come in here."""
    text = reason or gettext(
        "%(name)s has signed you in, but nobody here is known by that account. Ask your administrator.",
        name=provider.display_name,
    )
    title = gettext("You cannot sign in here")
    return flask.Response(
        flask.render_template("turned_back.html", refusal=None, title=title, text=text, to=to, here=to), status=403
    )
