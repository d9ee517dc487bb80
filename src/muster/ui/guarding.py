"""What stands between a browser and a face with sessions: cookies, forms that are ours, secrets that are exchanged."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import flask
from werkzeug.wrappers import Request, Response

from muster.ui.frame import is_fragment_wanted
from muster.ui.sessions import FaceMemory, FormSeal, Session, Sessions, is_same

SameSite = Literal["Strict", "Lax"]
# A request for single sign-on is carried along in it.
PATH_CHARACTERS = 16_000


class Guard:
    """Sessions and form seals of one face. `cookie` names its cookie; `public_url` is how others reach it.

    `same_site` Lax lets links and redirects of other sites find the session, which single sign-on needs; forms of
    other sites never do. `memory`: where sessions stand; several processes may share it.
    """

    def __init__(self, cookie: str, memory: FaceMemory, *, same_site: SameSite, public_url: str | None) -> None:
        self.sessions = Sessions(memory.shelf_of(cookie))
        self._seal = FormSeal(memory.keys, cookie)
        self._cookie = cookie
        self._form_cookie = f"{cookie}_form"
        self._same_site: SameSite = same_site
        self._public_url = public_url

    def find(self, request: Request, now: datetime, *, is_seen: bool) -> Session | None:
        """Returns the session of a request; `is_seen`: somebody acted."""
        secret = request.cookies.get(self._cookie, "")
        return self.sessions.find(secret, now, is_seen=is_seen) if secret else None

    def is_own_form(self, session: Session | None) -> bool:
        """Whether the form of this request was made by us, for this browser."""
        request = flask.request
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc not in self._hosts():
            return False
        given = request.form.get("csrf_token", "")
        if session is not None:
            return is_same(given, session.csrf_token)
        return self._seal.fits(request.cookies.get(self._form_cookie, ""), given)

    def admit(
        self,
        response: Response,
        name: str,
        stamp: str,
        now: datetime,
        methods: Sequence[str] = (),
        shown_at: datetime | None = None,
    ) -> Response:
        """Begins a session. One that was there before ends: nobody slips into another's."""
        self.sessions.end(flask.request.cookies.get(self._cookie, ""))
        self._set_cookie(response, self._cookie, self.sessions.begin(name, stamp, now, methods, shown_at))
        response.delete_cookie(self._form_cookie, httponly=True, samesite=self._same_site)
        return response

    def rotate(self, response: Response, session: Session | None, now: datetime) -> Response:
        """Exchanges the session's secret now and then, on whole pages."""
        if session is not None and flask.request.method == "GET" and not is_fragment_wanted():
            fresh = self.sessions.rotate(flask.request.cookies.get(self._cookie, ""), now)
            if fresh is not None:
                self._set_cookie(response, self._cookie, fresh)
        return response

    def dismiss(self, response: Response) -> Response:
        """Ends the session of this request."""
        self.sessions.end(flask.request.cookies.get(self._cookie, ""))
        response.delete_cookie(self._cookie, httponly=True, samesite=self._same_site)
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    def form_seal(self) -> tuple[str, str]:
        """Returns the cookie and the seal of a form for somebody without a session."""
        cookie = flask.request.cookies.get(self._form_cookie) or self._seal.new_cookie()
        return cookie, self._seal.seal(cookie)

    def keep_form(self, response: Response, cookie: str) -> Response:
        """Sets the cookie that goes with a form's seal."""
        self._set_cookie(response, self._form_cookie, cookie)
        return response

    def _hosts(self) -> tuple[str, ...]:
        public = self._public_url
        return (flask.request.host,) if public is None else (flask.request.host, urlsplit(public).netloc)

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        is_secure = flask.request.is_secure or (self._public_url or "").startswith("https://")
        response.set_cookie(name, value, httponly=True, secure=is_secure, samesite=self._same_site, path="/")


def own_path(value: str | None, fallback: str = "/") -> str:
    """Returns where to go after signing in: a path of this site, whatever somebody put into the link."""
    if value is None or not value.startswith("/") or value[1:2] in ("/", "\\"):
        return fallback
    return value if value.isprintable() and len(value) <= PATH_CHARACTERS else fallback
