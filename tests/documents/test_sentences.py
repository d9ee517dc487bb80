"""Sentences of the engine and of administration are shown in the reader's language, by patterns that it makes."""

import ast
import re
from collections.abc import Iterator

import flask
import pytest

from documents.reading import modules
from muster.ui.language import COOKIE
from muster.ui.sentences import PATTERNS, told

_PLACE = re.compile(r"%\(\w+\)s")
# Put together from parts: their words stand in a table.
_COMPOSED = ("The application refuses ", "The job asks for approval of ", "Failed to ", "%(kind)s '%(name)s' was ")


def _texts() -> Iterator[str]:
    for path in modules():
        if path.name != "sentences.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def written() -> str:
    return "\n".join(_texts())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_of_a_sentence_that_the_code_makes(pattern: str, written: str) -> None:
    if not pattern.startswith(_COMPOSED):
        for piece in _PLACE.split(pattern):
            assert piece.strip() in written, piece


def in_dutch(sentence: str) -> str:
    app = flask.Flask(__name__)
    with app.test_request_context("/", headers={"Cookie": f"{COOKIE}=nl"}):
        return told(sentence)


@pytest.mark.parametrize(
    ("sentence", "dutch"),
    [
        (
            "Sign-in of Ada % Long is blocked in the directory.",
            "Aanmelden van Ada % Long is in de adreslijst geblokkeerd.",
        ),
        (
            "Received User 'Ada' change of type (Update) from Muster.",
            "User 'Ada' ontvangen uit Muster, soort wijziging: Update.",
        ),
        (
            "Ada is deleted in the directory and can be restored for 30 days. No account is linked.",
            "Ada is in de adreslijst verwijderd en kan 30 dagen lang worden hersteld. Er is geen account gekoppeld.",
        ),
        ("Nobody has translated this yet.", "Nobody has translated this yet."),
        ("", ""),
    ],
)
def test_a_sentence_is_told_in_dutch_with_what_stands_in_its_places(sentence: str, dutch: str) -> None:
    assert in_dutch(sentence) == dutch
    assert told(sentence) == sentence


def test_a_hostile_name_takes_no_time_and_changes_nothing() -> None:
    name = "' change of type (" * 100
    shown = in_dutch(f"Received User '{name}' change of type (Update) from Muster.")
    assert (shown.count("change of type ("), "soort wijziging" in shown) == (100, True)
