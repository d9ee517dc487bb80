"""Reads pages in Dutch, and finds on them what is English: words that only the English texts of the catalogues know."""

import re
from collections.abc import Callable, Collection, Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from documents.catalogue import PARTS, translated

_WORD = re.compile(r"[^\W\d_]{2,}")
# Of ids and hashes, some letters by chance are a word.
_PLACE = re.compile(r"%\(\w+\)s|https?://\S+|\b(?=[0-9a-f-]*\d)[0-9a-f-]{4,}\b")
# What is said around texts in English and seldom stands in a catalogue's label; no Dutch word is among them.
_ALWAYS = """
    the and not with has are this that for from be by an it its been which who will does cannot
"""
_READ_TO_PEOPLE = ("title", "aria-label", "placeholder", "alt", "data-confirm", "data-copied", "data-trusted")
# Code, and what is marked as data or as another language.
_LEFT_ALONE = frozenset({"code", "pre", "bdi", "script", "style", "textarea", "time", "kbd", "svg"})
_EMPTY = frozenset({"br", "hr", "img", "input", "link", "meta", "use", "wbr"})
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_VISITS_A_KIND = 3


def english_words() -> frozenset[str]:
    """The words of the English texts that no Dutch text has."""
    english: set[str] = set(_ALWAYS.split())
    dutch: set[str] = set()
    for part in PARTS:
        for message in translated("nl", part):
            if message.id:
                english |= set(_words(message.id))
                dutch |= set(_words(message.string))
    return frozenset(english - dutch)


def _words(texts: str | list[str] | tuple[str, ...]) -> Iterator[str]:
    for text in (texts,) if isinstance(texts, str) else texts:
        yield from (word.lower() for word in _WORD.findall(_PLACE.sub(" ", text)))


class _Page(HTMLParser):
    """The texts of a page that are read to people, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._within: list[tuple[str, bool]] = []
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "wbr":
            self._end_text()
        self.links += [value for name in ("href", "hx-get") if (value := given.get(name))]
        is_silent = (
            bool(self._within and self._within[-1][1])
            or tag in _LEFT_ALONE
            or given.get("translate") == "no"
            or given.get("aria-hidden") == "true"
            or given.get("lang") not in (None, "nl")
        )
        if not is_silent:
            self.texts += [value for name in _READ_TO_PEOPLE if (value := given.get(name))]
        if tag not in _EMPTY:
            self._within.append((tag, is_silent))

    def handle_endtag(self, tag: str) -> None:
        if tag in _EMPTY:
            return
        self._end_text()
        while self._within and self._within.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not (self._within and self._within[-1][1]):
            self._text += data

    def _end_text(self) -> None:
        if text := " ".join(self._text.split()):
            self.texts.append(text)
        self._text = ""


def english_texts(html: str, only_english: Collection[str], data: Collection[str]) -> list[str]:
    """Returns the texts of a page that hold an English word beside the words of data."""
    page = _read(html)
    return [text for text in page.texts if any(word in only_english and word not in data for word in _words(text))]


def walk(get: Callable[[str], str | None], start: str) -> Iterator[tuple[str, str]]:
    """Yields each page that links lead to, with its text; of pages of a kind (ids and values apart) the first few.

    `get` answers None for what is no page.
    """
    waiting, seen, kinds = [start], {start}, dict[str, int]()
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"=[^&]*", "", _ID.sub("ID", path))
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > _VISITS_A_KIND or (html := get(path)) is None:
            continue
        yield path, html
        for link in _read(html).links:
            target = urlsplit(urljoin(path, link))
            address = target.path + (f"?{target.query}" if target.query else "")
            is_ours = not target.netloc and not target.scheme and address.startswith("/")
            if is_ours and address not in seen and not address.startswith(("/language", "/assets", "/static")):
                seen.add(address)
                waiting.append(address)


def _read(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    page.close()
    return page
