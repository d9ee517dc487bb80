"""The texts of the pages and the sentences below them, gathered from code, templates and gallery.

`make catalogue` brings the translations up to them: `nl.po` for the pages, `nl.sentences.po` for the sentences.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from documents.reading import SOURCE
from documents.sentences import sentences

LOCALE = SOURCE / "ui" / "locale"
FACES = (
    "web/saml",
    "ui",
    "web/portal",
    "web/person",
    "web/openid",
    "web/factors.py",
    "web/federation.py",
    "web/remedies.py",
    "configuration_manager",
    "notifications/letter.py",
)
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2)}


def gathered() -> Catalog:
    """Returns every text that is translated, in the order of the files."""
    catalogue = Catalog(project="muster", charset="utf-8")
    for path in _files():
        is_template = path.suffix == ".html"
        with path.open("rb") as file:
            method = "jinja2.ext:babel_extract" if is_template else "python"
            options = {"newstyle_gettext": "true", "trimmed": "true"} if is_template else {}
            for _line, message, _comments, _context in extract(method, file, keywords=KEYWORDS, options=options):
                catalogue.add(message)
    return catalogue


def gathered_sentences() -> Catalog:
    """Returns every sentence that is translated, in the order of the files."""
    catalogue = Catalog(project="muster", charset="utf-8")
    for sentence in sentences():
        catalogue.add(sentence)
    return catalogue


PARTS = {"": gathered, ".sentences": gathered_sentences}


def translated(language: str, part: str = "") -> Catalog:
    """Returns the translations that there are."""
    with (LOCALE / f"{language}{part}.po").open("rb") as file:
        return read_po(file, locale=language)


def _files() -> Iterator[Path]:
    for face in FACES:
        folder = SOURCE / face
        yield from sorted(path for path in (folder, *folder.rglob("*")) if path.suffix in (".py", ".html"))


def bring_up(language: str, part: str) -> list[str]:
    """Writes a catalogue anew: what is gone goes, what is new stands there untranslated; returns the new texts."""
    known = translated(language, part)
    fresh = Catalog(locale=language, charset="utf-8", fuzzy=False)
    missing = []
    for message in PARTS[part]():
        if not message.id:
            continue
        found = known.get(message.id)
        fresh.add(message.id, found.string if found is not None else None)
        strings = () if found is None else (found.string,) if isinstance(found.string, str) else tuple(found.string)
        if not strings or not all(strings):
            missing.append(message.id if isinstance(message.id, str) else message.id[0])
    content = BytesIO()
    write_po(content, fresh, width=120, omit_header=True, no_location=True, sort_output=True)
    what = "sentences made below the pages" if part else "the texts of the pages"
    header = f'# {language}: {what}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += f'"Plural-Forms: {fresh.plural_forms}\\n"\n"Language: {language}\\n"\n\n'
    (LOCALE / f"{language}{part}.po").write_bytes(header.encode() + content.getvalue())
    return missing


if __name__ == "__main__":
    for each in PARTS:
        for text in bring_up("nl", each):
            print(text)
