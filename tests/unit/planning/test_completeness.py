"""Whether a read of everybody proves who is gone."""

import pytest

from muster.model.directory import ObjectKind
from muster.planning.completeness import why_absence_is_not_proven

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


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
    why = why_absence_is_not_proven(
        before={USER: before, GROUP: 0}, absent={USER: absent}, problems=problems, lost_share=0.2
    )
    assert (why is None) if said is None else (why is not None and said in why)


@pytest.mark.parametrize(
    ("users", "groups", "said"),
    [
        (0, 3, "3 of 3 groups are missing (100%; up to 20% may be at once)"),
        (20, 3, "3 of 3 groups"),
        (21, 3, "21 of 100 are missing"),
        (20, 1, None),
    ],
)
def test_groups_count_apart_from_people(users: int, groups: int, said: str | None) -> None:
    why = why_absence_is_not_proven(
        before={USER: 100, GROUP: 3}, absent={GROUP: groups, USER: users}, problems=0, lost_share=0.2
    )
    assert (why is None) if said is None else (why is not None and said in why)
