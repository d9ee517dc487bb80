"""The stores of signing in, on every database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.company import NOW
from muster.model.sign_in import SignIn, SignInCode, SignInResult
from muster.ports.retention import Kept
from muster.ports.sign_ins import SignInQuery
from muster.store.open import Store

LATER = NOW + timedelta(hours=1)
ENTRY = SignIn(
    id="1",
    at=NOW,
    person_id="ada",
    principal_name="ada@example.com",
    display_name="Ada",
    code=SignInCode.SUCCESS,
    application_id="sp",
    application_name="8x8",
    methods=("pwd", "otp"),
)


def test_credentials_are_kept_and_exchanged(store: Store) -> None:
    kept = store.credentials
    assert kept.get("ada") is None
    kept.set_stamp("ada", "first")
    kept.set_password("ada", "hash", must_change=True, at=NOW, stamp="second")
    kept.renew_hash("ada", "stronger hash")
    found = kept.get("ada")
    assert found is not None
    assert (found.password_hash, found.must_change, found.changed_at, found.stamp) == (
        "stronger hash",
        True,
        NOW,
        "second",
    )
    assert "stronger" not in repr(found) and "second" not in repr(found)


def test_a_link_is_taken_once_and_in_time_and_a_password_ends_it(store: Store) -> None:
    kept = store.credentials
    kept.set_link("ada", "first", LATER)
    kept.set_link("ada", "second", LATER)
    assert kept.find_link("first", NOW) is None
    assert kept.find_link("second", LATER) is None
    assert kept.find_link("second", NOW) == "ada"
    assert [kept.take_link("second", NOW), kept.take_link("second", NOW)] == ["ada", None]
    kept.set_link("ada", "third", LATER)
    kept.set_password("ada", "hash", must_change=False, at=NOW, stamp="x")
    assert kept.find_link("third", NOW) is None


def test_a_second_factor_asks_nothing_until_it_is_confirmed_and_takes_each_step_once(store: Store) -> None:
    kept = store.second_factors
    kept.begin("ada", "FIRST")
    kept.begin("ada", "SECOND")
    assert not kept.use_step("ada", 5)
    assert kept.confirm("ada", 5, ["a", "b"], NOW)
    assert not kept.confirm("ada", 6, ["c"], NOW)
    with pytest.raises(ValueError, match="remove it first"):
        kept.begin("ada", "THIRD")
    found = kept.get("ada")
    assert found is not None
    assert (found.secret, found.confirmed_at, found.codes_left) == ("SECOND", NOW, 2)
    assert [kept.use_step("ada", step) for step in (5, 7, 7, 6, 8)] == [False, True, False, False, True]


def test_a_recovery_code_is_used_once_and_all_are_renewed_together(store: Store) -> None:
    kept = store.second_factors
    kept.begin("ada", "SECRET")
    kept.confirm("ada", 1, ["a", "b"], NOW)
    assert [kept.use_recovery_code("ada", code) for code in ("a", "a", "x")] == [True, False, False]
    kept.renew_recovery_codes("ada", ["c"])
    assert [kept.use_recovery_code("ada", code) for code in ("b", "c")] == [False, True]
    assert [kept.remove("ada"), kept.remove("ada"), kept.get("ada")] == [True, False, None]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (SignInQuery(), ["3", "2", "1"]),
        (SignInQuery(ascending=True), ["1", "2", "3"]),
        (SignInQuery(person_id="ada"), ["2", "1"]),
        (SignInQuery(application_id="sp"), ["3", "1"]),
        (SignInQuery(result=SignInResult.FAILURE), ["2"]),
        (SignInQuery(search="EVE@"), ["3"]),
        (SignInQuery(search="%"), []),
        (SignInQuery(since=LATER), ["3", "2"]),
        (SignInQuery(until=NOW), ["1"]),
    ],
)
def test_the_log_is_searched(store: Store, query: SignInQuery, ids: list[str]) -> None:
    store.sign_ins.add(ENTRY)
    store.sign_ins.add(replace(ENTRY, id="2", at=LATER, code=SignInCode.BLOCKED, application_id=None))
    store.sign_ins.add(replace(ENTRY, id="3", at=LATER, person_id="eve", principal_name="eve@example.com"))
    found, after = store.sign_ins.search(query)
    assert ([each.id for each in found], after) == (ids, None)
    first, after = store.sign_ins.search(replace(query, limit=1))
    rest, _ = store.sign_ins.search(replace(query, after=after)) if after else ((), None)
    assert [each.id for each in (*first, *rest)] == ids


def test_an_entry_comes_back_whole_and_goes_in_time(store: Store) -> None:
    store.sign_ins.add(ENTRY)
    assert store.sign_ins.search(SignInQuery())[0] == [ENTRY]
    assert store.records.drop_older(Kept.SIGN_INS, NOW, 10) == 0
    assert store.records.drop_older(Kept.SIGN_INS, LATER, 10) == 1
