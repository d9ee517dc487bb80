"""Whether a read of everybody proves that those whom it did not name are gone."""

from collections.abc import Mapping

from muster.model.directory import ObjectKind

# So large a share of all may be missing at once.
DEFAULT_LOST_SHARE = 0.2


def why_absence_is_not_proven(
    *, before: Mapping[ObjectKind, int], absent: Mapping[ObjectKind, int], problems: int, lost_share: float
) -> str | None:
    """Returns the sentence that says why nobody is removed; None: whoever was not named is gone.

    People and groups count apart: a read that lacks every group would be small among thousands of people. One single
    person may always be missing, or a company of three could never let anybody go.

    Args:
        before: how many objects of a kind were known, `absent` those of them that this read did not name.
        problems: how many rows or entries could not be read.
    """
    missing = sum(absent.values())
    if missing == 0:
        return None
    if problems:
        return (
            f"{problems} {'row' if problems == 1 else 'rows'} could not be read, so nobody can tell whether the "
            f"{missing} who are missing are gone: nobody is removed. Correct what is named, then read again."
        )
    too_many = (kind for kind, count in absent.items() if count > 1 and count > before[kind] * lost_share)
    kind = min(too_many, key=tuple(ObjectKind).index, default=None)
    if kind is None:
        return None
    say = _people_are_missing if kind is ObjectKind.USER else _groups_are_missing
    return say(absent[kind], before[kind], lost_share)


def _people_are_missing(absent: int, before: int, lost_share: float) -> str:
    return (
        f"{absent} of {before} are missing ({absent / before:.0%}; up to {lost_share:.0%} may be at once): that looks "
        "like a read that was cut off, so nobody is removed. If they have left, accept the smaller number."
    )


def _groups_are_missing(absent: int, before: int, lost_share: float) -> str:
    return (
        f"{absent} of {before} groups are missing ({absent / before:.0%}; up to {lost_share:.0%} may be at once): that "
        "looks like a read that was cut off, so nothing is removed. If they are gone, accept the smaller number."
    )
