"""What is held of SCIM clients, once something else has happened: it goes only as it was shown, and nothing is lost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scim_clients import GROUP, USER
from test_inbound_removals import OFF, ON, Played, playing

from muster.cli.console import Failed
from muster.model.directory import ObjectKind
from muster.store.holds import SqlHolds
from muster.store.inbound import SqlInbound
from waiting import eventually


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    with playing(tmp_path, people=8) as found:
        found.set(QuarantineTooManyDeletesThreshold="1", MemberRemovalThreshold="0")
        yield found


def _group(played: Played, *members: str) -> str:
    members_ = [{"value": each} for each in members]
    _, made = played.client.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "Sales", "members": members_})
    return str(made["id"])


def _leave(played: Played, group: str, *people: str) -> tuple[int, Any]:
    return played.client.patch(
        f"/Groups/{group}", {"op": "remove", "path": "members", "value": [{"value": each} for each in people]}
    )


def _members(played: Played, group: str) -> set[str]:
    return {each["value"] for each in played.client.ask("GET", f"/Groups/{group}")[1].get("members", ())}


@pytest.mark.parametrize("active", ["no", "0", 0, "nee", "onwaar", " false", 0.0])
def test_an_upload_takes_true_and_false_for_active_and_nothing_else(played: Played, active: Any) -> None:
    with pytest.raises(Failed, match="active must be true or false"):
        played.upload({"userName": "p1@lantaarn.example", "active": active})


def test_an_upload_that_renames_whom_it_blocks_is_counted_by_the_external_id(played: Played) -> None:
    known = [{"userName": f"p{number}@lantaarn.example", "externalId": f"E{number}"} for number in range(3)]
    played.upload(*({**each, "title": "A"} for each in known))
    assert eventually(lambda: [played.title(each) for each in played.people[:3]] == ["A"] * 3)
    assert played.delete(played.people[7]) == 204
    renamed = [{**each, "userName": f"new-{each['userName']}"} for each in known]
    played.upload(*({**each, "title": "B", "active": False} for each in renamed))
    assert eventually(lambda: [played.title(each) for each in played.people[:3]] == ["B"] * 3)
    assert all(map(played.is_on, played.people[:3])) and len(played.held()) == 3


@pytest.mark.parametrize(
    ("first", "blocked"),
    [
        (
            {"externalId": "E{0}", "userName": "p{0}@lantaarn.example"},
            {"externalId": " E{0}", "userName": "new{0}@x.example"},
        ),
        ({"userName": "p{0}@lantaarn.example"}, {"userName": " p{0}@lantaarn.example "}),
        ({"userName": "p{0}@lantaarn.example"}, {"userName": "P{0}@Lantaarn.Example"}),
    ],
    ids=["blanks around the external id", "blanks around the name", "by the name of before"],
)
def test_an_upload_blocks_nobody_past_the_threshold_by_another_spelling(
    played: Played, first: Mapping[str, str], blocked: Mapping[str, str]
) -> None:
    played.set(QuarantineTooManyDeletesThreshold="1")
    played.upload(*(_numbered(first, number) | {"title": "Clerk"} for number in range(4)))
    assert eventually(lambda: [played.title(each) for each in played.people[:4]] == ["Clerk"] * 4)
    if "externalId" not in blocked and blocked["userName"].startswith("P"):
        for number, each in enumerate(played.people[:4]):
            name = {"op": "replace", "path": "userName", "value": f"q{number}@lantaarn.example"}
            assert played.client.patch(f"/Users/{each}", name)[0] == 200
    assert played.delete(played.people[7]) == 204
    played.upload(*(_numbered(blocked, number) | {"title": "Chief", "active": False} for number in range(4)))
    assert eventually(lambda: [played.title(each) for each in played.people[:4]] == ["Chief"] * 4)
    assert all(played.is_on(each) for each in played.people[:4]) and len(played.held()) == 4


def _numbered(texts: Mapping[str, str], number: int) -> dict[str, Any]:
    return {name: text.format(number) for name, text in texts.items()}


def test_a_hold_ends_with_whoever_is_deleted_and_does_not_come_back_with_them(played: Played) -> None:
    assert [played.delete(each) for each in played.people[:3]] == [204, 403, 403]
    played.decide("reject", ids=[played.held()[1]["id"]])
    for person in played.people[1:3]:
        played.api.call("DELETE", f"/users/{person}")
    assert played.held() == [] and played.held("rejected") == [] and played.status()["code"] != "Quarantine"
    status, back = played.client.ask("POST", "/Users", {"schemas": [USER], "userName": "p1@lantaarn.example"})
    assert status == 201 and back["id"] == played.people[1]
    played.api.call("POST", f"/directory/deletedItems/{played.people[2]}/restore", {})
    assert played.decide("approve", all=True) == {"approved": 0, "undecided": 0}
    assert played.is_there(played.people[1]) and played.is_there(played.people[2])


def test_whoever_is_protected_by_now_stays_and_the_answer_says_so(played: Played) -> None:
    assert [played.delete(each) for each in played.people[:3]] == [204, 403, 403]
    played.set(ProtectedUsers="p1@*")
    answer = played.decide("approve", all=True)
    assert answer["approved"] == 1 and [each["displayName"] for each in answer["stayed"]] == ["P 1"]
    assert "protected by the pattern" in answer["stayed"][0]["reason"]
    assert played.is_there(played.people[1]) and not played.is_there(played.people[2])


def test_whoever_has_changed_since_they_were_held_is_held_again_as_they_are(played: Played) -> None:
    assert [played.delete(played.people[0]), played.delete(played.people[1])] == [204, 403]
    assert played.switch_off(played.people[2]) == 403
    for number in (1, 2):
        named = {"displayName": "Other", "userPrincipalName": f"other{number}@lantaarn.example"}
        played.api.call("PATCH", f"/users/{played.people[number]}", named)
    answer = played.decide("approve", all=True)
    assert answer["approved"] == 0 and answer["undecided"] == 2
    assert "changed since it was held" in answer["stayed"][0]["reason"]
    assert played.is_there(played.people[1]) and played.is_on(played.people[2])
    assert {each["operation"]["sourceName"] for each in played.held()} == {"Other"}
    assert played.decide("approve", all=True) == {"approved": 2, "undecided": 0}
    assert not played.is_there(played.people[1]) and not played.is_on(played.people[2])


def test_what_was_rejected_is_decided_anew_once_the_person_has_changed(played: Played) -> None:
    assert [played.delete(played.people[0]), played.delete(played.people[1])] == [204, 403]
    played.decide("reject", all=True)
    assert played.delete(played.people[1]) == 403 and played.held() == []
    played.api.call("PATCH", f"/users/{played.people[1]}", {"jobTitle": "Head"})
    assert played.delete(played.people[1]) == 403
    assert len(played.held()) == 1 and played.held("rejected") == []
    assert played.decide("approve", all=True)["approved"] == 1 and not played.is_there(played.people[1])


def test_what_a_client_writes_does_not_lift_a_rejection(played: Played) -> None:
    assert [played.switch_off(played.people[0]), played.switch_off(played.people[1])] == [200, 403]
    played.decide("reject", all=True)
    assert played.client.patch(f"/Users/{played.people[1]}", ON)[0] == 200
    status, refusal = played.client.patch(f"/Users/{played.people[1]}", OFF)
    assert status == 403 and "rejected it" in refusal["detail"] and len(played.held("rejected")) == 1


def test_members_whose_removal_was_rejected_stay_rejected_when_others_are_held(played: Played) -> None:
    first, second, third, fourth = played.people[:4]
    group = _group(played, first, second, third, fourth)
    assert _leave(played, group, second)[0] == 403
    played.decide("reject", all=True)
    assert _leave(played, group, third)[0] == 403
    assert "rejected it" in _leave(played, group, second)[1]["detail"]
    # One of the two can be decided: the request as a whole is refused.
    assert "rejected it" in _leave(played, group, second, fourth)[1]["detail"]
    assert len(played.held()) == 1 and len(played.held("rejected")) == 1
    assert played.decide("approve", all=True)["approved"] == 1
    assert _members(played, group) == {first, second}
    assert _leave(played, group, second)[0] == 403 and played.held() == []


def test_a_held_deletion_of_a_group_waits_whatever_becomes_of_its_name_or_members(played: Played) -> None:
    played.set(GroupDeleteThreshold="0", MemberRemovalThreshold="5", QuarantineTooManyDeletesThreshold="50")
    group = _group(played, *played.people[:2])
    assert played.client.ask("DELETE", f"/Groups/{group}")[0] == 403
    assert _leave(played, group, played.people[0])[0] == 204
    assert played.client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": "Trade"})[0] in (
        200,
        204,
    )
    assert len(played.held()) == 1
    # A whole document says that it stays, and the log says why it is held no longer.
    whole = {"schemas": [GROUP], "displayName": "Trade", "members": []}
    assert played.client.ask("PUT", f"/Groups/{group}", whole)[0] == 200
    assert played.held() == [] and "keeps it after all" in str(played.log("StagedDelete"))


@pytest.mark.parametrize(
    "settings",
    [{"QuarantineTooManyDeletesThreshold": "1"}, {"RemovalShareThreshold": "10%", "RemovalShareMinimum": "1"}],
)
def test_whoever_is_held_is_held_without_counting_everybody_again(
    played: Played, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    given = SqlInbound.given

    def counting(store: SqlInbound) -> Any:
        counted.append(1)
        return given(store)

    monkeypatch.setattr(SqlInbound, "given", counting)
    played.set(**{"QuarantineTooManyDeletesThreshold": "50", "GroupDeleteThreshold": "50", **settings})
    answers = [played.delete(person) for person in played.people[:6]]
    assert answers.count(403) >= 4
    # Once an hour, or a minute where a share decides; the test may run over the end of either.
    assert len(counted) <= 3


def test_whoever_is_switched_on_and_off_again_counts_once(played: Played) -> None:
    first, second = played.people[:2]
    for _ in range(3):
        assert played.switch_off(first) == 200
        assert played.client.patch(f"/Users/{first}", ON)[0] == 200
    for title in "ABC":
        played.upload({"userName": "p0@lantaarn.example", "title": title, "active": False})
    assert eventually(lambda: played.title(first) == "C") and not played.is_on(first)
    assert played.held() == []
    assert played.switch_off(second) == 403


def test_the_job_of_clients_is_not_renamed_run_or_given_rules(played: Played) -> None:
    sp = f"/servicePrincipals/{played.sp}"
    schema = played.api.get(f"{played.job}/schema")
    schema["synchronizationRules"][0]["name"] = "another"
    secrets = {"value": [{"key": "BaseAddress", "value": "https://x.example"}]}
    for method, path, body in (
        ("PATCH", sp, {"displayName": "zz"}),
        ("PUT", f"{played.job}/schema", schema),
        ("PUT", f"{sp}/synchronization/secrets", secrets),
        ("POST", f"{played.job}/plans", {}),
        ("POST", f"{played.job}/cycles", {"kind": "reconciliation"}),
    ):
        with pytest.raises(Failed, match="belongs to the installation"):
            played.api.call(method, path, body)


def test_a_hold_ends_with_what_is_done_by_hand_and_does_not_come_back_with_it(played: Played) -> None:
    first, second, third, fourth, fifth = played.people[:5]
    group = _group(played, first, second, third)
    assert _leave(played, group, first, second, third)[0] == 403
    assert [played.delete(played.people[7]), played.switch_off(fourth), played.delete(fifth)] == [204, 403, 403]
    for member in (first, second):
        played.api.call("DELETE", f"/groups/{group}/members/{member}/$ref")
        reference = {"@odata.id": f"https://muster.example/v1.0/directoryObjects/{member}"}
        played.api.call("POST", f"/groups/{group}/members/$ref", reference)
    for is_on in (False, True):
        for person in (fourth, fifth):
            played.api.call("PATCH", f"/users/{person}", {"accountEnabled": is_on})
    assert "done by hand" in str(played.log("StagedDelete"))
    # The third member and the deletion wait still; whoever was switched off and on by hand has changed.
    assert len(played.held()) == 2
    played.decide("approve", all=True)
    assert _members(played, group) == {first, second}
    assert played.is_on(fourth) and played.is_there(fourth) and played.is_there(fifth)


def test_what_is_held_of_one_object_is_read_once_a_removal(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    group = _group(played, *played.people[:4])
    read: list[str] = []
    find = SqlHolds.find

    def counting(store: SqlHolds, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Any:
        read.append(job_id)
        return find(store, job_id, kind, source_ids)

    monkeypatch.setattr(SqlHolds, "find", counting)
    first, second = played.people[:2]
    asked: list[tuple[Callable[[], int], int]] = [
        (lambda: _leave(played, group, first)[0], 403),
        (lambda: played.delete(played.people[7]), 204),
        (lambda: played.switch_off(played.people[6]), 403),
        (lambda: int(played.decide("reject", all=True)["undecided"] == 0), 1),
        (lambda: _leave(played, group, first)[0], 403),
        (lambda: _leave(played, group, second)[0], 403),
    ]
    for ask, answer in asked:
        read.clear()
        assert ask() == answer and len(read) <= 1
