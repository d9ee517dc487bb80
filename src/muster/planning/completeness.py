"""Whether a read of everybody proves that those whom it did not name are gone."""

# So large a share of all may be missing at once.
DEFAULT_LOST_SHARE = 0.2


def why_absence_is_not_proven(*, before: int, absent: int, problems: int, lost_share: float) -> str | None:
    """Returns the sentence that says why nobody is removed; None: whoever was not named is gone.

    One single person may always be missing, or a company of three could never let anybody go.

    Args:
        before: how many objects were known, `absent` those of them that this read did not name.
        problems: how many rows or entries could not be read.
    """
    if absent == 0:
        return None
    if problems:
        return (
            f"{problems} {'row' if problems == 1 else 'rows'} could not be read, so nobody can tell whether the "
            f"{absent} who are missing are gone: nobody is removed. Correct what is named, then read again."
        )
    if absent == 1 or absent <= before * lost_share:
        return None
    return (
        f"{absent} of {before} are missing ({absent / before:.0%}; up to {lost_share:.0%} may be at once): that looks "
        "like a read that was cut off, so nobody is removed. If they have left, accept the smaller number."
    )
