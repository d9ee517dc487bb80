"""The terms of a job's health, read from its settings."""

from datetime import timedelta

import pytest

from muster.planning.completeness import DEFAULT_LOST_SHARE
from muster.planning.terms import (
    ENTRA_TERMS,
    QuarantineTerms,
    RetryTerms,
    find_setting_problems,
    lost_share,
    no_progress_after,
    quarantine_terms,
    read_every,
    retry_terms,
    setting_names,
)


def test_without_settings_the_defaults_are_in_force() -> None:
    assert retry_terms({}) == RetryTerms()
    assert quarantine_terms({}) == QuarantineTerms()
    assert no_progress_after({}) == timedelta(minutes=15)


def test_a_source_is_read_as_often_as_its_job_says_and_may_miss_as_many() -> None:
    minute = timedelta(minutes=1)
    assert read_every({}, minute) == read_every({"ReadEvery": "soon"}, minute) == minute
    assert read_every({"ReadEvery": "PT5S"}, minute) == timedelta(seconds=5)
    assert (lost_share({}), lost_share({"MissingShareThreshold": "0.5"})) == (DEFAULT_LOST_SHARE, 0.5)
    assert find_setting_problems({"ReadEvery": "PT0S"}) == ("ReadEvery: takes from PT1S to P1D.",)


def test_settings_are_read() -> None:
    settings = {"EscrowQuickAttempts": "1", "EscrowLadder": "PT1H, PT2H,P1D", "EscrowGiveUpAfter": "P7D"}
    assert retry_terms(settings) == RetryTerms(
        quick_attempts=1,
        ladder=(timedelta(hours=1), timedelta(hours=2), timedelta(days=1)),
        give_up_after=timedelta(days=7),
    )
    assert no_progress_after({"NoProgressAfter": "PT5M"}) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        ({"QuarantinePreset": "entra"}, ENTRA_TERMS),
        ({"QuarantinePreset": "Small"}, QuarantineTerms()),
        ({"QuarantinePreset": "other"}, QuarantineTerms()),
        (
            {
                "QuarantinePreset": "Entra",
                "QuarantineMinimumFailures": "3",
                "QuarantineProportion": "0.25",
                "QuarantineFailures": "100",
                "QuarantineTotalFailures": "200",
            },
            QuarantineTerms(minimum_failures=3, proportion=0.25, base=100, total=200),
        ),
    ],
)
def test_a_preset_is_taken_and_then_what_is_set_besides(settings: dict[str, str], terms: QuarantineTerms) -> None:
    assert quarantine_terms(settings) == terms


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EscrowQuickAttempts", "-1", "a whole number from 0"),
        ("EscrowQuickAttempts", "٣", "a whole number from 0"),
        ("EscrowQuickAttempts", "1" * 5000, "a whole number from 0"),
        ("QuarantineFailures", "2000000000", "a whole number from 0"),
        ("EscrowLadder", "6 hours", "PT40M"),
        ("EscrowLadder", "PT1H,,PT2H", "PT40M"),
        ("EscrowLadder", ",".join(["PT1H"] * 21), "up to 20 steps"),
        ("EscrowGiveUpAfter", "PT30S", "from PT1M to P366D"),
        ("EscrowGiveUpAfter", "P367D", "from PT1M to P366D"),
        ("QuarantinePreset", "large", "takes Small or Entra"),
        ("QuarantineProportion", "1.5", "from 0 to 1"),
        ("QuarantineProportion", "40%", "from 0 to 1"),
        ("QuarantineProportion", "0.00000000001", "from 0 to 1"),
        ("NoProgressAfter", "P", "PT40M"),
        ("TransitiveGroups", "yes", "takes true or false"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_and_has_no_effect(name: str, value: str, said: str) -> None:
    (problem,) = find_setting_problems({name: value})
    assert problem.startswith(f"{name}: ") and said in problem
    assert retry_terms({name: value}) == RetryTerms()
    assert quarantine_terms({name: value}) == QuarantineTerms()
    assert no_progress_after({name: value}) == timedelta(minutes=15)


def test_an_empty_value_takes_a_setting_back_and_others_are_not_looked_at() -> None:
    assert find_setting_problems({"EscrowLadder": "", "DefaultDomain": "x", "QuarantinePreset": "Entra"}) == ()
    assert find_setting_problems({"TransitiveGroups": "True"}) == ()


def test_each_setting_that_is_read_is_named() -> None:
    assert {"TransitiveGroups", "EscrowLadder", "ReadEvery", "DriftPolicy"} <= set(setting_names())


def test_nobody_waits_longer_than_the_highest_step() -> None:
    assert RetryTerms(ladder=(timedelta(hours=2), timedelta(hours=1))).longest == timedelta(hours=2)
