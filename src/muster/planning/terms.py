"""The terms of a job's health, from its settings: how failed objects are tried again, when it is quarantined, when it
stands still."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from muster.model.durations import read_duration
from muster.model.job import (
    DRIFT_POLICY_SETTING,
    RECONCILE_EVERY_SETTING,
    TRANSITIVE_GROUPS_SETTING,
    WAKE_UP_SETTING,
)
from muster.planning.completeness import DEFAULT_LOST_SHARE
from muster.planning.drift import DriftPolicy, read_drift_policy, read_reconcile_every
from muster.planning.precedence import (
    ATTRIBUTE_PRECEDENCE,
    PRECEDENCE,
    check_attribute_precedence,
    check_precedence,
)

ESCROW_QUICK_ATTEMPTS = "EscrowQuickAttempts"
ESCROW_LADDER = "EscrowLadder"
ESCROW_GIVE_UP_AFTER = "EscrowGiveUpAfter"
QUARANTINE_PRESET = "QuarantinePreset"
QUARANTINE_MINIMUM_FAILURES = "QuarantineMinimumFailures"
QUARANTINE_PROPORTION = "QuarantineProportion"
QUARANTINE_FAILURES = "QuarantineFailures"
QUARANTINE_TOTAL_FAILURES = "QuarantineTotalFailures"
NO_PROGRESS_AFTER = "NoProgressAfter"
# Of a source: how often it is asked for news, and how many of all may be missing from one read.
READ_EVERY = "ReadEvery"
LOST_SHARE = "MissingShareThreshold"

_Terms = TypeVar("_Terms", "RetryTerms", "QuarantineTerms")
_LONGEST = timedelta(days=366)
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTerms:
    """When a failed object is tried again: a few times in the next cycle, then up the ladder, whose last step repeats.

    Source: documented ladder 6 h, 12 h, 24 h, then daily; given up after 28 days. Ours: three cycles come first.
    """

    quick_attempts: int = 3
    ladder: tuple[timedelta, ...] = (timedelta(hours=6), timedelta(hours=12), timedelta(hours=24))
    give_up_after: timedelta = timedelta(days=28)

    @property
    def longest(self) -> timedelta:
        """The longest that an object ever waits."""
        return max(self.ladder)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineTerms:
    """From how many failures of a cycle on a job is quarantined. References count in `total` alone.

    The default is for directories of any size: Entra looks from 5,000 failures on, which a small company never has.
    """

    # From so many failures on, a share of more than `proportion` of what was tried …
    minimum_failures: int = 10
    proportion: float = 0.4
    # … or more than so many, whatever their share …
    base: int = 40_000
    # … or more than so many with references.
    total: int = 60_000


ENTRA_TERMS = QuarantineTerms(minimum_failures=5_000)
_PRESETS = {"small": QuarantineTerms(), "entra": ENTRA_TERMS}
DEFAULT_RETRY_TERMS = RetryTerms()
DEFAULT_NO_PROGRESS_AFTER = timedelta(minutes=15)


def retry_terms(settings: Mapping[str, str]) -> RetryTerms:
    """Returns a job's terms of retrying; what is not set, or cannot be read, is as by default."""
    return _filled(
        DEFAULT_RETRY_TERMS,
        settings,
        {
            ESCROW_QUICK_ATTEMPTS: ("quick_attempts", _whole),
            ESCROW_LADDER: ("ladder", _ladder),
            ESCROW_GIVE_UP_AFTER: ("give_up_after", _span),
        },
    )


def quarantine_terms(settings: Mapping[str, str]) -> QuarantineTerms:
    """Returns a job's terms of quarantine: its preset, and what is set besides."""
    return _filled(
        _PRESETS.get(settings.get(QUARANTINE_PRESET, "").lower(), QuarantineTerms()),
        settings,
        {
            QUARANTINE_MINIMUM_FAILURES: ("minimum_failures", _whole),
            QUARANTINE_PROPORTION: ("proportion", _share),
            QUARANTINE_FAILURES: ("base", _whole),
            QUARANTINE_TOTAL_FAILURES: ("total", _whole),
        },
    )


def no_progress_after(settings: Mapping[str, str]) -> timedelta:
    """Returns after how long without a commit a cycle is said to stand still."""
    try:
        return _span(settings.get(NO_PROGRESS_AFTER, ""))
    except ValueError:
        return DEFAULT_NO_PROGRESS_AFTER


def drift_policy(settings: Mapping[str, str]) -> DriftPolicy:
    """Returns what a reconciliation does with values that were changed at the target."""
    try:
        return read_drift_policy(settings.get(DRIFT_POLICY_SETTING, ""))
    except ValueError:
        return DriftPolicy()


def reconcile_every(settings: Mapping[str, str]) -> timedelta | None:
    """Returns how often a job is reconciled by itself; None: only when it is asked for."""
    try:
        return read_reconcile_every(settings.get(RECONCILE_EVERY_SETTING, ""))
    except ValueError:
        return None


def read_every(settings: Mapping[str, str], default: timedelta) -> timedelta:
    """Returns how often a source is asked for news."""
    try:
        return _short_span(settings.get(READ_EVERY, ""))
    except ValueError:
        return default


def lost_share(settings: Mapping[str, str]) -> float:
    """Returns how large a share of all may be missing from one read of a source."""
    try:
        return _share(settings.get(LOST_SHARE, ""))
    except ValueError:
        return DEFAULT_LOST_SHARE


def setting_names() -> tuple[str, ...]:
    """Returns the names of all settings of health, reconciliation and sources."""
    return tuple(_READERS)


def find_setting_problems(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what is wrong with settings of health and reconciliation; an empty value takes a setting back."""
    problems = []
    for name, value in settings.items():
        read = _READERS.get(name)
        if read is None or not value:
            continue
        try:
            read(value)
        except ValueError as error:
            problems.append(f"{name}: {error}.")
    return tuple(problems)


def _filled(
    terms: _Terms, settings: Mapping[str, str], fields: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> _Terms:
    given: dict[str, Any] = {}
    for name, (field, read) in fields.items():
        try:
            given[field] = read(settings[name])
        except (KeyError, ValueError):
            continue
    return replace(terms, **given)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(_MOST)) or int(text) > _MOST:
        raise ValueError("takes a whole number from 0")
    return int(text)


def _share(text: str) -> float:
    plain = text.replace(".", "", 1)
    if not (plain.isascii() and plain.isdecimal()) or len(text) > 10 or not 0 <= float(text) <= 1:
        raise ValueError("takes a share from 0 to 1, such as 0.4")
    return float(text)


def _span(text: str) -> timedelta:
    span = read_duration(text)
    if not timedelta(minutes=1) <= span <= _LONGEST:
        raise ValueError("takes from PT1M to P366D")
    return span


def _short_span(text: str) -> timedelta:
    span = read_duration(text)
    if not timedelta(seconds=1) <= span <= timedelta(days=1):
        raise ValueError("takes from PT1S to P1D")
    return span


def _ladder(text: str) -> tuple[timedelta, ...]:
    steps = [part.strip() for part in text.split(",")]
    if len(steps) > 20:
        raise ValueError("takes up to 20 steps")
    return tuple(_span(step) for step in steps)


def _preset(text: str) -> QuarantineTerms:
    if text.lower() not in _PRESETS:
        raise ValueError("takes Small or Entra")
    return _PRESETS[text.lower()]


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("takes true or false")
    return text.lower() == "true"


_READERS: dict[str, Callable[[str], Any]] = {
    TRANSITIVE_GROUPS_SETTING: _flag,
    WAKE_UP_SETTING: _flag,
    ESCROW_QUICK_ATTEMPTS: _whole,
    ESCROW_LADDER: _ladder,
    ESCROW_GIVE_UP_AFTER: _span,
    QUARANTINE_PRESET: _preset,
    QUARANTINE_MINIMUM_FAILURES: _whole,
    QUARANTINE_PROPORTION: _share,
    QUARANTINE_FAILURES: _whole,
    QUARANTINE_TOTAL_FAILURES: _whole,
    NO_PROGRESS_AFTER: _span,
    READ_EVERY: _short_span,
    LOST_SHARE: _share,
    PRECEDENCE: check_precedence,
    ATTRIBUTE_PRECEDENCE: check_attribute_precedence,
    DRIFT_POLICY_SETTING: read_drift_policy,
    RECONCILE_EVERY_SETTING: read_reconcile_every,
}
