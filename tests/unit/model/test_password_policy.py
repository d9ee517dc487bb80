"""What a password must be."""

import pytest

from muster.model.password_policy import find_weakness

NAMES = ("ada.lovelace@example.com", "Ada Lovelace", None, "Ada")


@pytest.mark.parametrize(
    ("password", "part"),
    [
        ("short", "at least 12"),
        ("kf83-vnq2-x", "at least 12"),
        ("x1" * 520, "at most 1024"),
        ("a\x00bcdefghijklmn", "control character"),
        ("ababababababab", "different characters"),
        ("abcdefghijklmnop", "neighbouring"),
        ("987654321098", "neighbouring"),
        ("zyxwvutsrqponm", "neighbouring"),
        ("P@ssw0rd1234", "tried first"),
        ("Welcome2024!", "tried first"),
        ("123456789012", "neighbouring"),
        ("WelcomeWelcome1", "tried first"),
        ("my-Lovelace-8193", "name"),
        ("L0velace and more", "name"),
        ("ada.lovelace.8193", "name"),
        ("correct horse battery", None),
        ("kf83-vnq2-x7wd", None),
        ("Ada is short, so this passes", None),
    ],
)
def test_a_weak_password_is_refused_with_what_is_wrong(password: str, part: str | None) -> None:
    weakness = find_weakness(password, NAMES)
    if part is None:
        assert weakness is None
    else:
        assert weakness is not None and part in weakness
        assert password not in weakness
