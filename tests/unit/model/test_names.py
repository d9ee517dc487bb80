"""Names that others vouch for."""

import pytest

from muster.model.names import is_same_name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada@Example.com", "ada@example.com", True),
        ("\u00fcnal@example.com", "u\u0308nal@example.com", False),
        ("\u00dcnal@example.com", "\u00fcnal@example.com", False),
        ("gro\u00df@example.com", "gross@example.com", False),
        ("\u212aelvin@example.com", "kelvin@example.com", False),
        ("ada@example.com\u00a0", "ada@example.com", False),
    ],
    ids=["letter case", "composed otherwise", "letter case beyond ASCII", "sharp s", "the Kelvin sign", "a blank"],
)
def test_only_letters_of_ascii_have_no_case(one: str, other: str, same: bool) -> None:
    assert is_same_name(one, other) is same
