"""What came of a sign-in."""

from datetime import UTC, datetime

import pytest

from muster.model.sign_in import REASONS, SignIn, SignInCode, SignInResult


def _entry(code: SignInCode) -> SignIn:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    return SignIn(id="1", at=at, person_id=None, principal_name="ada", display_name="", code=code)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (SignInCode.SUCCESS, SignInResult.SUCCESS),
        (SignInCode.SECOND_FACTOR_DUE, SignInResult.INTERRUPTED),
        (SignInCode.PASSWORD_CHANGE_DUE, SignInResult.INTERRUPTED),
        (SignInCode.WRONG_PASSWORD, SignInResult.FAILURE),
    ],
)
def test_a_code_says_whether_somebody_is_in_out_or_on_the_way(code: SignInCode, result: SignInResult) -> None:
    assert _entry(code).result is result


@pytest.mark.parametrize("code", list(SignInCode))
def test_every_code_has_its_reason(code: SignInCode) -> None:
    assert bool(REASONS[code]) is (code is not SignInCode.SUCCESS)
    assert _entry(code).reason == REASONS[code]
