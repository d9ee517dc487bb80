"""A job's safeguards as its settings say them: thresholds, approval, protected accounts, grace before a deletion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from muster.model.durations import read_duration
from muster.planning.policy import DEFAULT_LIMITS, Approval, Limit, RemovalKind, RemovalThreshold, threshold_of
from muster.planning.protection import Protections

LONGEST_GRACE = timedelta(days=366)
PATTERNS_LIMIT = 200
PATTERN_LENGTH = 200
COUNT_LIMIT = 100_000_000

# Job settings (synchronizationJobSettings). The first is Graph's own, the others are ours.
THRESHOLD = "QuarantineTooManyDeletesThreshold"
THRESHOLD_ENABLED = "DeleteThresholdEnabled"
SHARE = "RemovalShareThreshold"
MINIMUM = "RemovalShareMinimum"
POPULATION = "RemovalSharePopulation"
ROLLING = "RollingRemovalThreshold"
BY_KIND = {
    RemovalKind.DISABLE: "DisableThreshold",
    RemovalKind.DELETE: "DeleteThreshold",
    RemovalKind.GROUP_DELETE: "GroupDeleteThreshold",
    RemovalKind.MEMBER_REMOVAL: "MemberRemovalThreshold",
}
APPROVAL = "Approval"
GRACE = "DeleteGracePeriod"
PROTECTED_USERS = "ProtectedUsers"
PROTECTED_GROUPS = "ProtectedGroups"
PROTECTED_ROLES = "ProtectedRoles"
SETTINGS = (
    THRESHOLD,
    THRESHOLD_ENABLED,
    SHARE,
    MINIMUM,
    POPULATION,
    ROLLING,
    *BY_KIND.values(),
    APPROVAL,
    GRACE,
    PROTECTED_USERS,
    PROTECTED_GROUPS,
    PROTECTED_ROLES,
)
# Who is protected, how long a deletion waits, what needs approval: with another answer everybody is looked at again.
PROTECTION_SETTINGS = (APPROVAL, GRACE, PROTECTED_USERS, PROTECTED_GROUPS, PROTECTED_ROLES)

_T = TypeVar("_T")


class SafeguardRefused(ValueError):
    """A setting that says nothing usable; the sentence names it and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """What keeps a job from taking away too much."""

    threshold: RemovalThreshold = field(default_factory=RemovalThreshold)
    approval: Approval = Approval.NONE
    protections: Protections = field(default_factory=Protections)
    # How long a hard delete waits; the account is disabled meanwhile.
    delete_grace: timedelta = timedelta(0)


def read_safeguards(settings: Mapping[str, str], notifications: Mapping[str, object]) -> Safeguards:
    """Returns a job's safeguards: its settings, else its notification settings, else the product's own.

    A value that cannot be used counts as not given: it weakens nothing. `check_safeguard` keeps it from being saved.
    """
    given = {name: parsed for name in SETTINGS if (parsed := _parsed_or_none(name, settings.get(name))) is not None}
    base = threshold_of(notifications)
    share: Limit | None = given.get(SHARE)
    changes: dict[str, Any] = {
        name: given[setting]
        for name, setting in (("count", THRESHOLD), ("minimum", MINIMUM), ("population", POPULATION))
        if setting in given
    }
    if share is not None:
        changes["share"] = 1.0 if share.share is None else share.share
    threshold = replace(
        base,
        **changes,
        enabled=given.get(THRESHOLD_ENABLED, base.enabled),
        by_kind={**DEFAULT_LIMITS, **{kind: given[name] for kind, name in BY_KIND.items() if name in given}},
        rolling=given.get(ROLLING, base.rolling),
    )
    return Safeguards(
        threshold=threshold,
        approval=given.get(APPROVAL, Approval.NONE),
        protections=Protections(
            users=given.get(PROTECTED_USERS, ()),
            groups=given.get(PROTECTED_GROUPS, ()),
            roles=given.get(PROTECTED_ROLES, ()),
        ),
        delete_grace=given.get(GRACE, timedelta(0)),
    )


def check_safeguard(name: str, value: str) -> None:
    """Checks a setting; "" takes it back. Raises: SafeguardRefused."""
    if name in _PARSERS and value.strip():
        _PARSERS[name](value.strip())


def find_safeguard_problems(settings: Mapping[str, str]) -> list[str]:
    """Returns a sentence for each setting that cannot be used."""
    problems = []
    for name, value in settings.items():
        try:
            check_safeguard(name, value)
        except SafeguardRefused as refused:
            problems.append(f"{name}: {refused}")
    return problems


def read_limit(text: str) -> Limit:
    """Returns a limit from `100`, `10%`, `100, 10%` or `off`. Raises: SafeguardRefused."""
    if text.strip().lower() == "off":
        return Limit()
    count: int | None = None
    share: float | None = None
    for part in (piece.strip() for piece in text.split(",")):
        if part.endswith("%") and share is None:
            share = _percent(part)
        elif count is None and _is_count(part):
            count = int(part)
        else:
            raise SafeguardRefused(f"“{text[:50]}” is no limit: write 100, 10%, “100, 10%” or off.")
    return Limit(count=count, share=share)


def show_limit(limit: Limit) -> str:
    """Returns a limit as `read_limit` reads it."""
    parts = [] if limit.count is None else [str(limit.count)]
    if limit.share is not None:
        parts.append(f"{limit.share * 100:g}%")
    return ", ".join(parts) or "off"


def read_patterns(text: str) -> tuple[str, ...]:
    """Returns patterns, one a line or separated by commas. Raises: SafeguardRefused."""
    patterns = tuple(
        dict.fromkeys(part.strip() for line in text.splitlines() for part in line.split(",") if part.strip())
    )
    if len(patterns) > PATTERNS_LIMIT or any(len(pattern) > PATTERN_LENGTH for pattern in patterns):
        raise SafeguardRefused(f"At most {PATTERNS_LIMIT} patterns of up to {PATTERN_LENGTH} characters are taken.")
    return patterns


def read_grace(text: str) -> timedelta:
    """Returns how long a deletion waits, from an ISO 8601 duration. Raises: SafeguardRefused."""
    try:
        duration = read_duration(text.upper())
    except ValueError:
        sentence = f"“{text[:50]}” is no duration: write P30D (30 days), PT12H (12 hours) or P0D (none)."
        raise SafeguardRefused(sentence) from None
    if duration > LONGEST_GRACE:
        raise SafeguardRefused(f"A grace period of at most {LONGEST_GRACE.days} days is taken.")
    return duration


def _percent(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SafeguardRefused(f"“{text[:50]}” is no share: write a number from 0% to 100%.")
    return share


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text[:12]) <= COUNT_LIMIT and len(text) <= 12


def _read_count(text: str) -> int:
    if not _is_count(text):
        raise SafeguardRefused(f"“{text[:50]}” is no count: write a whole number from 0.")
    return int(text)


def _read_share(text: str) -> Limit:
    limit = read_limit(text)
    if limit.count is not None:
        raise SafeguardRefused(f"“{text[:50]}” is no share: write a number from 0% to 100%, or off.")
    return limit


def _read_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise SafeguardRefused(f"“{text[:50]}” is no switch: write true or false.")
    return text.lower() == "true"


def _read_approval(text: str) -> Approval:
    try:
        return Approval(text.lower())
    except ValueError:
        names = ", ".join(each.value for each in Approval)
        raise SafeguardRefused(f"“{text[:50]}” is no kind of approval: write one of {names}.") from None


def _parsed_or_none(name: str, value: str | None) -> Any:
    if value is None or not value.strip():
        return None
    try:
        return _PARSERS[name](value.strip())
    except SafeguardRefused:
        return None


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    THRESHOLD: _read_count,
    THRESHOLD_ENABLED: _read_switch,
    SHARE: _read_share,
    MINIMUM: _read_count,
    POPULATION: _read_count,
    ROLLING: read_limit,
    **dict.fromkeys(BY_KIND.values(), read_limit),
    APPROVAL: _read_approval,
    GRACE: read_grace,
    PROTECTED_USERS: read_patterns,
    PROTECTED_GROUPS: read_patterns,
    PROTECTED_ROLES: read_patterns,
}
