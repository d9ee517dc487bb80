"""Protected accounts, and deletions that wait."""

from datetime import timedelta

import pytest

from muster.model.application import RoleGrant
from muster.model.directory import Lifecycle
from muster.model.log import SkipReason
from muster.model.operation import LinkState, OperationKind
from muster.planning.protection import Protections, delay_deletion, matches, protect
from unit.planning.making import AT, group, link, linked, person, plan

ADMIN = RoleGrant(role_id="r", role_value="adm", role_display_name="Administrator")


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("ada@x.example", "Ada@X.example", True),
        ("ada@x.example", "bada@x.example", False),
        ("admin*", "admin.bob@x", True),
        ("admin*", "sadmin", False),
        ("*@x.example", "ada@x.example", True),
        ("*@x.example", "ada@x.example.org", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("a*x*c", "abc", False),
        ("ab*bc", "abc", False),
        ("*", "anything", True),
        ("*", "", False),
        ("a[b", "a[b", True),
    ],
)
def test_patterns_know_one_sign(pattern: str, text: str, is_match: bool) -> None:
    assert matches(pattern, text) is is_match


@pytest.mark.parametrize(
    ("protections", "groups", "why"),
    [
        (Protections(users=("boss*", "ada@*")), (), "the pattern “ada@*”"),
        (Protections(users=("boss*",)), (), None),
        (Protections(groups=("break*glass",)), (("g1", "Break-Glass"),), "the group “Break-Glass”"),
        (Protections(groups=("g1",)), (("g1", "Break-Glass"),), "the group “Break-Glass”"),
        (Protections(groups=("other",)), (("g1", "Break-Glass"),), None),
        (Protections(roles=("ADM",)), (), "the role “Administrator”"),
        (Protections(roles=("administrator",)), (), "the role “Administrator”"),
        (Protections(roles=("user",)), (), None),
        (Protections(), (("g1", "Break-Glass"),), None),
    ],
)
def test_who_is_protected_by_what(
    protections: Protections, groups: tuple[tuple[str, str], ...], why: str | None
) -> None:
    reason = protections.reason(person(userPrincipalName="ada@x.example", grants=(ADMIN,)), groups)
    assert reason is None if why is None else reason is not None and reason.endswith(why)


def test_a_protected_group_is_protected_itself() -> None:
    staff = group()
    assert Protections(groups=("staff",)).reason(staff, ()) is not None
    assert not Protections()
    assert Protections(roles=("a",))


def test_a_protected_account_is_left_as_it_is() -> None:
    disable = plan(person(grants=()), linked(link()))
    kept = protect(disable, link(), "Ada is protected by the pattern “a*”")
    assert (kept.kind, kept.skip_reason, kept.changes) == (OperationKind.SKIP, SkipReason.PROTECTED, ())
    assert (kept.link_state, kept.owned) == (link().state, link().owned)
    assert kept.reason.startswith("Ada is protected by the pattern “a*”, so nothing is taken from it.")
    nobody = protect(disable, None, "x")
    assert (nobody.link_state, nobody.owned) == (None, None)


def test_a_deletion_that_waits_disables_meanwhile() -> None:
    deletion = plan(person(Lifecycle.HARD_DELETED), linked(link()))
    disable = plan(person(Lifecycle.SOFT_DELETED), linked(link()))
    assert (deletion.kind, disable.kind) == (OperationKind.DELETE, OperationKind.DISABLE)
    kept = delay_deletion(deletion, disable, link(), since=AT, grace=timedelta(days=30))
    assert (kept.kind, kept.changes, kept.link_state) == (OperationKind.DISABLE, disable.changes, link().state)
    assert (kept.waits_since, kept.waits_until) == (AT, AT + timedelta(days=30))
    assert "2026-02-04 08:00 UTC at the earliest" in kept.reason
    unlinked = delay_deletion(deletion, disable, None, since=AT, grace=timedelta(days=30))
    assert unlinked.link_state is unlinked.owned is disable.owned is LinkState.MANAGED


@pytest.mark.parametrize("instead", [None, OperationKind.SKIP, OperationKind.DELETE])
def test_a_deletion_that_waits_sends_nothing_where_nothing_can_be_switched_off(instead: OperationKind | None) -> None:
    deletion = plan(person(Lifecycle.HARD_DELETED), linked(link()))
    other = {None: None, OperationKind.SKIP: plan(person(), linked(link())), OperationKind.DELETE: deletion}[instead]
    kept = delay_deletion(deletion, other, link(), since=AT, grace=timedelta(hours=1))
    assert (kept.kind, kept.skip_reason) == (OperationKind.SKIP, SkipReason.GRACE_PERIOD)
    assert kept.waits_until == AT + timedelta(hours=1)
