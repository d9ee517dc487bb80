"""A job's safeguards from its settings: what is taken, what is refused, what is in force without a word."""

from datetime import timedelta

import pytest

from muster.planning.policy import DEFAULT_LIMITS, Approval, Limit, RemovalKind, RemovalThreshold
from muster.planning.protection import Protections
from muster.planning.safeguards import (
    SETTINGS,
    SafeguardRefused,
    Safeguards,
    check_safeguard,
    find_safeguard_problems,
    read_grace,
    read_limit,
    read_patterns,
    read_safeguards,
    show_limit,
)


def test_without_a_word_the_products_own_are_in_force() -> None:
    assert read_safeguards({}, {}) == Safeguards()
    assert read_safeguards({"Approval": " ", "Other": "x"}, {}) == Safeguards()


def test_settings_of_the_job_come_before_its_notification_settings() -> None:
    notifications = {"DeleteThresholdValue": 7, "DeleteThresholdEnabled": False}
    assert read_safeguards({}, notifications).threshold == RemovalThreshold(count=7, share=1.0, enabled=False)
    given = {"QuarantineTooManyDeletesThreshold": "9", "DeleteThresholdEnabled": "true"}
    assert read_safeguards(given, notifications).threshold == RemovalThreshold(count=9, share=1.0)


def test_every_setting_says_something() -> None:
    given = {
        "QuarantineTooManyDeletesThreshold": "100",
        "DeleteThresholdEnabled": "True",
        "RemovalShareThreshold": "10%",
        "RemovalShareMinimum": "5",
        "RemovalSharePopulation": "50",
        "RollingRemovalThreshold": "300, 30%",
        "DisableThreshold": "90",
        "DeleteThreshold": "10",
        "GroupDeleteThreshold": "off",
        "MemberRemovalThreshold": "50%",
        "Approval": "Removals",
        "DeleteGracePeriod": "P30D",
        "ProtectedUsers": "admin*, boss@x",
        "ProtectedGroups": "Break-Glass",
        "ProtectedRoles": "Admin",
    }
    assert set(given) == set(SETTINGS)
    assert read_safeguards(given, {}) == Safeguards(
        threshold=RemovalThreshold(
            count=100,
            share=0.1,
            minimum=5,
            population=50,
            rolling=Limit(count=300, share=0.3),
            by_kind={
                RemovalKind.DISABLE: Limit(count=90),
                RemovalKind.DELETE: Limit(count=10),
                RemovalKind.GROUP_DELETE: Limit(),
                RemovalKind.MEMBER_REMOVAL: Limit(share=0.5),
            },
        ),
        approval=Approval.REMOVALS,
        protections=Protections(users=("admin*", "boss@x"), groups=("Break-Glass",), roles=("Admin",)),
        delete_grace=timedelta(days=30),
    )
    assert read_safeguards({"RemovalShareThreshold": "off"}, {}).threshold.share == 1.0
    assert read_safeguards({"RollingRemovalThreshold": "off"}, {}).threshold.rolling == Limit()
    assert read_safeguards({}, {}).threshold.rolling is None


WRONG = [
    ("QuarantineTooManyDeletesThreshold", "many", "no count"),
    ("QuarantineTooManyDeletesThreshold", "-1", "no count"),
    ("QuarantineTooManyDeletesThreshold", "²", "no count"),
    ("QuarantineTooManyDeletesThreshold", "9" * 5000, "no count"),
    ("DeleteThresholdEnabled", "yes", "no switch"),
    ("RemovalShareThreshold", "10", "no share"),
    ("RemovalShareThreshold", "101%", "no share"),
    ("RemovalShareThreshold", "nan%", "no share"),
    ("RemovalShareThreshold", "x%", "no share"),
    ("RollingRemovalThreshold", "10 20", "no limit"),
    ("RollingRemovalThreshold", "10, 20", "no limit"),
    ("RollingRemovalThreshold", "10%, 20%", "no limit"),
    ("Approval", "sometimes", "none, removals, all"),
    ("DeleteGracePeriod", "30 days", "no duration"),
    ("DeleteGracePeriod", "P", "no duration"),
    ("DeleteGracePeriod", "P367D", "at most 366 days"),
    ("ProtectedUsers", ",".join(str(number) for number in range(201)), "At most 200"),
    ("ProtectedUsers", "a" * 201, "At most 200"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG)
def test_what_cannot_be_used_is_refused_and_weakens_nothing(name: str, value: str, says: str) -> None:
    with pytest.raises(SafeguardRefused, match=says):
        check_safeguard(name, value)
    assert read_safeguards({name: value}, {}) == Safeguards()


@pytest.mark.parametrize(("name", "value"), [("Approval", ""), ("Approval", "all"), ("Interval", "what ever")])
def test_what_can_be_used_or_is_no_safeguard_is_taken(name: str, value: str) -> None:
    check_safeguard(name, value)


@pytest.mark.parametrize("text", ["100", "10%", "100, 10%", "off", "12.5%"])
def test_limits_are_shown_as_they_are_written(text: str) -> None:
    assert show_limit(read_limit(text)) == text


def test_patterns_stand_in_lines_or_between_commas_each_once() -> None:
    assert read_patterns("a*, b\n\n c ,a*") == ("a*", "b", "c")


@pytest.mark.parametrize(
    ("text", "duration"),
    [("P0D", timedelta(0)), ("pt12h", timedelta(hours=12)), ("P1DT2H3M", timedelta(days=1, hours=2, minutes=3))],
)
def test_durations_are_in_days_hours_and_minutes(text: str, duration: timedelta) -> None:
    assert read_grace(text) == duration


def test_the_default_limits_are_for_groups_and_members() -> None:
    assert set(DEFAULT_LIMITS) == {RemovalKind.GROUP_DELETE, RemovalKind.MEMBER_REMOVAL}


def test_all_that_cannot_be_used_is_named_at_once() -> None:
    given = {"Approval": "maybe", "DeleteThreshold": "many", "ProtectedUsers": "a*", "Other": "x"}
    first, second = find_safeguard_problems(given)
    assert first.startswith("Approval: “maybe” is no kind of approval")
    assert second.startswith("DeleteThreshold: “many” is no limit")
