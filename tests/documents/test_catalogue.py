"""The pages can be read in every language: no text without a translation, none that lost a value on the way."""

import re

import pytest

from documents.catalogue import gathered, gathered_sentences, translated
from muster.ui.language import Language

OTHERS = [each for each in Language if each is not Language.ENGLISH]
_PLACE = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_has_its_translation_with_the_same_values_in_it(language: Language) -> None:
    known = translated(language.value)
    for message in gathered():
        if not message.id:
            continue
        found = known.get(message.id)
        assert found is not None, f"make catalogue, then translate: {message.id}"
        ids = (message.id,) if isinstance(message.id, str) else message.id
        strings = (found.string,) if isinstance(found.string, str) else tuple(found.string)
        assert all(strings), f"not translated: {message.id}"
        for string in strings:
            assert set(_PLACE.findall(string)) == set(_PLACE.findall(ids[-1])), message.id


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_left_of_a_text_that_is_gone(language: Language) -> None:
    wanted, known = gathered(), translated(language.value)
    assert [message.id for message in known if message.id and wanted.get(message.id) is None] == []


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_made_below_the_pages_has_its_translation(language: Language) -> None:
    known = {message.id: str(message.string) for message in translated(language.value, ".sentences") if message.id}
    for text, said in known.items():
        assert set(_PLACE.findall(said)) <= set(_PLACE.findall(text)), text
    waiting = [message.id for message in gathered_sentences() if message.id and not known.get(message.id)]
    assert waiting == [], "make catalogue, then translate:\n" + "\n".join(waiting)
