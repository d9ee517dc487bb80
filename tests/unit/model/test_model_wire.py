"""What is shown of requests: without secrets."""

import pytest

from muster.model.wire import without_secrets


@pytest.mark.parametrize(
    ("secrets", "shown"),
    [
        (["s3cret"], "a token ••• of a user"),
        (["user", "s3cret"], "a token ••• of a •••"),
        # It would be in every sentence.
        (["a", "", "of"], "a token s3cret of a user"),
    ],
)
def test_secrets_are_masked_wherever_they_stand_unless_any_word_holds_them(secrets: list[str], shown: str) -> None:
    assert without_secrets("a token s3cret of a user", secrets) == shown
