"""What a password must be: long enough, not one of those that everybody tries, and not made of one's own name.

Source: NIST SP 800-63B §3.1.1.2 (length, a list of bad ones, no rules of composition); Microsoft Entra Password
Protection (folded letters, five points).
"""

import itertools
import re
from collections.abc import Iterable

SHORTEST_CHARACTERS = 12
LONGEST_CHARACTERS = 1024
# A banned word counts one point, any other character one: so many make a password.
POINTS = 5
DIFFERENT_CHARACTERS = 5
_NAME_CHARACTERS = 4
_FOLDED = str.maketrans({"0": "o", "1": "l", "!": "l", "3": "e", "4": "a", "@": "a", "$": "s", "5": "s", "7": "t"})
_WORDS = """
password passwort wachtwoord geheim secret welcome welkom willkommen letmein changeme whatever trustno qwerty
qwertz azerty asdfgh zxcvbn abcdef abc123 iloveyou dragon monkey sunshine princess football baseball superman
batman master shadow admin administrator login signin default temporary temp company office summer winter
spring autumn zomer winter herfst lente monday tuesday wednesday thursday friday saturday sunday january
february march april june july august september october november december 12345678 123456 654321 111111 000000
987654 4321 1234 muster provisioning 8x8 correcthorsebatterystaple
"""
_YEARS = tuple(str(year) for year in range(1960, 2040))
_BANNED = sorted({word.translate(_FOLDED) for word in (*_WORDS.split(), *_YEARS)}, key=len, reverse=True)
_SEPARATORS = re.compile(r"[\s._@+\-]+")


def find_weakness(password: str, names: Iterable[str | None] = ()) -> str | None:
    """Returns what is wrong with a password, None if nothing is. `names`: what the person is called (a mail too).

    Only how characters are compared is folded; the sentence never holds a part of the password.
    """
    if len(password) < SHORTEST_CHARACTERS:
        return f"A password has at least {SHORTEST_CHARACTERS} characters."
    if len(password) > LONGEST_CHARACTERS:
        return f"A password has at most {LONGEST_CHARACTERS} characters."
    if "\x00" in password:
        return "A password holds no control character U+0000."
    if len(set(password)) < DIFFERENT_CHARACTERS:
        return f"A password has at least {DIFFERENT_CHARACTERS} different characters."
    if _is_sequence(password):
        return "A password is no row of neighbouring characters."
    folded = password.lower().translate(_FOLDED)
    if any(part in folded for part in _parts(names)):
        return "A password does not hold the name of the person it is for."
    if _points(folded) < POINTS:
        return (
            "This password is among those that are tried first: take several words, or let a password manager make one."
        )
    return None


def _parts(names: Iterable[str | None]) -> set[str]:
    """The names, and the words they are made of, folded as passwords are."""
    found = {part for name in names if name for part in (name.partition("@")[0], *_SEPARATORS.split(name))}
    return {part.lower().translate(_FOLDED) for part in found if len(part) >= _NAME_CHARACTERS}


def _points(folded: str) -> int:
    points, rest = 0, folded
    for word in _BANNED:
        points += rest.count(word)
        rest = rest.replace(word, "")
    return points + len(rest)


def _is_sequence(password: str) -> bool:
    """Whether each character follows the one before it in the alphabet, up or down; 0 comes after 9, too."""
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(password)}
    return steps <= {1, -9} or steps <= {-1, 9}
