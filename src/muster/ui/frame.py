"""A face as a Flask application: frame, headers, assets, filters, and answers that need not be sent twice."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask
import jinja2
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from muster.ui.assets import TEMPLATES, find_asset
from muster.ui.language import gettext, marked, speak, told, unturned
from muster.ui.wording import ago, breakable, initials, instant, number, plain, shade, span, without

ASSETS = "/assets"
FORM_BYTES = 65_536
FORM_PARTS = 200
_YEAR_SECONDS = 31_536_000
_TIME_TEXT = re.compile(r"(?<=data-ago>)[^<]*")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

_SENTENCES = {
    400: (
        marked("That request cannot be read"),
        marked("Go back, load the page anew and try again."),
    ),
    404: (
        marked("There is no such page"),
        marked("It may have been removed. Follow the links from the start page."),
    ),
    405: (marked("That cannot be done here"), marked("Go back and use the buttons of the page.")),
    413: (marked("That is too much at once"), marked("Send less.")),
    500: (
        marked("Something went wrong on our side"),
        marked("Nothing was lost. Try again; if it stays, look at the service's log."),
    ),
}


def make_face(name: str, templates: Path) -> flask.Flask:
    """Returns an application without pages: its own templates before the kit's, everything escaped, nothing inline."""
    app = flask.Flask(name, static_folder=None, template_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES,
        MAX_FORM_PARTS=FORM_PARTS,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.jinja_loader = jinja2.FileSystemLoader([templates, TEMPLATES])
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.undefined = jinja2.StrictUndefined
    environment.filters.update(
        number=number,
        instant=instant,
        ago=ago,
        span=span,
        initials=initials,
        shade=shade,
        breakable=breakable,
        without=without,
        plain=plain,
        told=told,
        unturned=unturned,
    )
    # What a face of people says otherwise than one of administrators.
    environment.globals.update(asset=asset_address, is_of_people=False)
    speak(app)
    app.add_url_rule(f"{ASSETS}/<path:name>", "asset", _serve_asset)
    app.after_request(_protect)
    app.register_error_handler(HTTPException, show_http_error)
    return app


def asset_address(name: str) -> str:
    """Returns an asset's address. Raises: LookupError, a slip of ours."""
    asset = find_asset(name)
    if asset is None:
        raise LookupError(f"the kit has no asset {name}")
    return f"{ASSETS}/{name}?v={asset.version}"


def live(html: str) -> Response:
    """Returns a fragment that the page asks for again and again: 304 while it stays the same."""
    # "3 minutes ago" is kept true by the script: it is no news.
    tag = hashlib.sha256(_TIME_TEXT.sub("", html).encode()).hexdigest()[:32]
    if flask.request.if_none_match.contains(tag):
        response = flask.Response(status=304)
    else:
        response = flask.Response(html, mimetype="text/html")
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Cookie"
    return response


def is_fragment_wanted() -> bool:
    """Whether the page asks for a part of itself."""
    return "HX-Request" in flask.request.headers


def message(status: int, title: str, text: str, **values: Any) -> tuple[str, int]:
    """Returns a page that says one thing."""
    return flask.render_template("message.html", title=title, text=text, **values), status


def came_from() -> str | None:
    """Returns the page of this site whose form was sent, to go back to and correct it; None if that is not known."""
    sent = urlsplit(flask.request.referrer or "")
    if flask.request.method != "POST" or sent.netloc != flask.request.host or not sent.path.startswith("/"):
        return None
    # Two slashes would lead to another site.
    return "/" + sent.path.lstrip("/") + (f"?{sent.query}" if sent.query else "")


def show_http_error(error: HTTPException) -> Any:
    """Returns the page of an error of HTTP."""
    if error.code is None or error.code < 400:
        return error
    return message(error.code, *http_error_texts(error.code))


def http_error_texts(code: int) -> tuple[str, str]:
    """Returns what is wrong and what to do, in the reader's language, by the code of HTTP."""
    title, text = _SENTENCES.get(code, (marked("That did not work"), marked("Go back and try again.")))
    return gettext(title), gettext(text)


def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _serve_asset(name: str) -> Response:
    asset = find_asset(name)
    if asset is None:
        flask.abort(404)
    if flask.request.if_none_match.contains(asset.version):
        response = flask.Response(status=304)
    elif flask.request.accept_encodings["gzip"] > 0:
        response = flask.Response(asset.compressed, content_type=asset.media_type)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = flask.Response(asset.content, content_type=asset.media_type)
    response.set_etag(asset.version)
    response.headers["Vary"] = "Accept-Encoding"
    is_current = flask.request.args.get("v") == asset.version
    response.headers["Cache-Control"] = f"public, max-age={_YEAR_SECONDS}, immutable" if is_current else "no-cache"
    return response
