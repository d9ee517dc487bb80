"""The languages that people are spoken to in."""

from enum import StrEnum


class Language(StrEnum):
    """What pages and mails can be read in."""

    ENGLISH = "en"
    DUTCH = "nl"

    @property
    def own_name(self) -> str:
        """What its speakers call it."""
        return {Language.ENGLISH: "English", Language.DUTCH: "Nederlands"}[self]
