"""Names of people as others vouch for them."""

import re

_CAPITALS = re.compile("[A-Z]+")


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are one, for letting somebody in by it: only ASCII letters have no case.

    Where names are searched for, `ß` is `ss` and the Kelvin sign is `k`; whoever vouches for one may know another
    person by the other, of another mail domain even.
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return _CAPITALS.sub(lambda found: found[0].lower(), name)
