"""Whether a read of everybody proves who is gone."""

import pytest

from muster.planning.completeness import why_absence_is_not_proven


@pytest.mark.parametrize(
    ("before", "absent", "problems", "said"),
    [
        (100, 0, 3, None),
        (100, 20, 0, None),
        (3, 1, 0, None),
        (4, 2, 0, "2 of 4 are missing (50%; up to 20% may be at once)"),
        (100, 21, 0, "21 of 100 are missing (21%"),
        (100, 2, 1, "1 row could not be read, so nobody can tell whether the 2"),
        (100, 1, 2, "2 rows could not be read"),
    ],
)
def test_absence_is_proven_by_a_whole_read_that_names_nearly_everybody(
    before: int, absent: int, problems: int, said: str | None
) -> None:
    why = why_absence_is_not_proven(before=before, absent=absent, problems=problems, lost_share=0.2)
    assert (why is None) if said is None else (why is not None and said in why)
