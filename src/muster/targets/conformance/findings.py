"""What probes find: verdicts with their evidence, and the grade they add up to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from muster.targets.conformance.session import Session


class Verdict(StrEnum):
    """What came of a probe."""

    PASSED = "passed"
    FAILED = "failed"
    # The server says that it does not do this, or there was nothing to try it on.
    SKIPPED = "skipped"


class Weight(StrEnum):
    """What a failure means for provisioning."""

    # Provisioning cannot work, or does wrong things.
    ESSENTIAL = "essential"
    # It works by a detour, with more requests, or on luck.
    IMPORTANT = "important"
    # The letter of the RFC; nothing here needs it.
    FORMAL = "formal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict, and what it rests on: what was asked and answered, in one line."""

    verdict: Verdict
    evidence: str


def passed(evidence: str) -> Finding:
    """Returns that it is as it should be."""
    return Finding(verdict=Verdict.PASSED, evidence=evidence)


def failed(evidence: str) -> Finding:
    """Returns that it is not."""
    return Finding(verdict=Verdict.FAILED, evidence=evidence)


def skipped(evidence: str) -> Finding:
    """Returns that it could not be tried, or is not offered."""
    return Finding(verdict=Verdict.SKIPPED, evidence=evidence)


def judged(holds: bool, evidence: str) -> Finding:
    """Returns passed or failed with the same evidence."""
    return passed(evidence) if holds else failed(evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question to a server. `name` stays the same from version to version."""

    name: str
    area: str
    title: str
    weight: Weight
    # Section of RFC 7643 or 7644 that asks for it.
    source: str
    run: Callable[[Session], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A probe with its finding."""

    probe: Probe
    finding: Finding


_POINTS = {Weight.ESSENTIAL: 10, Weight.IMPORTANT: 4, Weight.FORMAL: 1}
# From which share of the points on; an essential failure caps the grade at D.
_GRADES = (("A", 0.97), ("B", 0.9), ("C", 0.8), ("D", 0.6))


def grade_of(examined: Sequence[Examined]) -> tuple[str, float]:
    """Returns the grade A to F and the share of the points that were reached; what was skipped does not count."""
    counted = [each for each in examined if each.finding.verdict is not Verdict.SKIPPED]
    points = sum(_POINTS[each.probe.weight] for each in counted)
    reached = sum(_POINTS[each.probe.weight] for each in counted if each.finding.verdict is Verdict.PASSED)
    share = reached / points if points else 0.0
    grade = next((name for name, least in _GRADES if share >= least), "F")
    broken = [
        each for each in counted if each.probe.weight is Weight.ESSENTIAL and each.finding.verdict is Verdict.FAILED
    ]
    if broken:
        grade = max(grade, "D") if len(broken) < 3 else "F"
    return grade, share
