"""The languages of the pages: which one a reader gets, and texts, sentences and numbers in it.

English is the language of the source; the others are catalogues (`locale/nl.po`), read as they are: no build step.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import flask
from jinja2 import pass_context
from jinja2.runtime import Context

from muster.model.language import Language as Language
from muster.ui.marks import marked as marked
from muster.ui.sentences import told_in
from muster.ui.translation import Speech, find_catalogue

COOKIE = "language"
_YEAR_SECONDS = 31_536_000
# Marks that turn the direction of what follows them, beyond the end of the name they stand in (UAX #9, 2.1 to 2.5).
_TURNS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def choose(kept: str | None, accepted: Sequence[str]) -> Language:
    """Returns the language that was chosen here, else the first that the browser asks for, else English."""
    for wanted in (kept or "", *accepted):
        code = wanted[:2].lower()
        if code in {each.value for each in Language}:
            return Language(code)
    return Language.ENGLISH


def language() -> Language:
    """Returns the language of this request; English outside of one."""
    if not flask.has_request_context():
        return Language.ENGLISH
    chosen: Language | None = flask.g.get("language")
    if chosen is None:
        accepted = [name for name, _ in flask.request.accept_languages]
        chosen = flask.g.language = choose(flask.request.cookies.get(COOKIE), accepted)
    return chosen


def gettext(text: str, **values: Any) -> str:
    """Returns a text in the reader's language, `%(name)s` filled in."""
    return Speech(language()).gettext(text, **values)


def ngettext(singular: str, plural: str, num: int, **values: Any) -> str:
    """Returns the form of a text that fits a number; `%(num)s` is the number as it is written here."""
    return Speech(language()).ngettext(singular, plural, num, **values)


def told(sentence: str) -> str:
    """Returns a sentence that was made below the faces in the reader's language."""
    return unturned(told_in(language(), sentence))


def unturned(text: str) -> str:
    """Returns a text without the marks that would let what stands behind a name in it run backwards."""
    return text.translate(_TURNS)


def told_clause(clause: str) -> str:
    """Returns a clause, as commands end a line with it, in the reader's language: known as such or as a sentence."""
    shown = told(clause)
    return told(f"{clause}.").removesuffix(".") if shown == clause else shown


def number_text(value: float) -> str:
    """Returns a number with the reader's marks for thousands and decimals."""
    return Speech(language()).number(value)


def day_text(value: date) -> str:
    """Returns a day as the reader's language writes it."""
    return Speech(language()).day(value)


def speak(app: flask.Flask) -> None:
    """Lets an application's templates use `_()`, and its readers choose: GET /language/nl."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    # New style: `_("… %(name)s", name=…)`, the values escaped.
    install: Any = app.jinja_env
    install.install_gettext_callables(_template_text, _template_plural, newstyle=True)
    app.jinja_env.globals["ngettext"] = _with_marks(app.jinja_env.globals["ngettext"])
    app.jinja_env.globals.update(language=language, languages=tuple(Language))
    app.add_url_rule("/language/<code>", "choose_language", _keep_choice, methods=["GET"])


def _template_text(text: str) -> str:
    return find_catalogue(language()).texts.get(text) or text


def _template_plural(singular: str, plural: str, num: int) -> str:
    forms = find_catalogue(language()).plurals.get(singular) or (singular, plural)
    return forms[0 if num == 1 else 1]


def _with_marks(plural: Any) -> Any:
    """The templates' `ngettext`, which writes its number with the reader's marks for thousands."""

    @pass_context
    def marked_plural(context: Context, singular: str, many: str, num: float, **values: object) -> Any:
        return plural(context, singular, many, num, **{"num": number_text(num), **values})

    return marked_plural


def _keep_choice(code: str) -> Any:
    if code not in {each.value for each in Language}:
        flask.abort(404)
    # Back to the page it was chosen on: a path of this site, whatever somebody put into the link.
    to = flask.request.args.get("next", "/")
    if not to.startswith("/") or to[1:2] in ("/", "\\") or not to.isprintable():
        to = "/"
    response = flask.redirect(to, 303)
    response.set_cookie(COOKIE, code, max_age=_YEAR_SECONDS, httponly=True, samesite="Lax", path="/")
    return response
