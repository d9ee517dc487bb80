"""Texts and numbers in a language that is given: the catalogues, read as they are. Loads nothing of the web."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from muster.model.language import Language

LOCALE = Path(__file__).with_name("locale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Translations by English text; a plural's are found by its singular."""

    texts: Mapping[str, str]
    plurals: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Speech:
    """How somebody is spoken to who is not at a page: a reader of mails."""

    language: Language

    def gettext(self, text: str, **values: Any) -> str:
        """Returns a text, `%(name)s` filled in."""
        shown = find_catalogue(self.language).texts.get(text) or text
        return shown % values if values else shown

    def ngettext(self, singular: str, plural: str, num: int, **values: Any) -> str:
        """Returns the form of a text that fits a number; `%(num)s` is the number as it is written there."""
        forms = find_catalogue(self.language).plurals.get(singular) or (singular, plural)
        return forms[0 if num == 1 else 1] % {"num": self.number(num), **values}

    def number(self, value: float) -> str:
        """Returns a number with the language's marks for thousands and decimals."""
        return str(format_decimal(value, locale=self.language.value))

    def day(self, day: date) -> str:
        """Returns a day, its month in letters."""
        return str(format_date(day, locale=self.language.value))

    def instant(self, at: datetime) -> str:
        """Returns an instant, to the minute and in UTC: nobody knows where a mail is read."""
        if self.language is Language.ENGLISH:
            return f"{at:%Y-%m-%d %H:%M} UTC"
        return f"{format_datetime(at, 'd MMMM yyyy HH:mm', locale=self.language.value)} UTC"


@cache
def find_catalogue(of: Language) -> Catalogue:
    """Returns a language's translations; English has none."""
    return read_catalogue(LOCALE / f"{of.value}.po")


def read_catalogue(path: Path) -> Catalogue:
    """Returns the translations of a file; none when there is no such file."""
    texts: dict[str, str] = {}
    plurals: dict[str, tuple[str, ...]] = {}
    if path.is_file():
        with path.open("rb") as file:
            for message in read_po(file):
                if isinstance(message.id, str):
                    texts[message.id] = str(message.string or "")
                else:
                    plurals[message.id[0]] = tuple(message.string or ())
    return Catalogue(texts=texts, plurals=plurals)
