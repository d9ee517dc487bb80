"""Every failure has a code, a sentence and a remedy; and what the log shows of values."""

from datetime import UTC, datetime

import pytest

from muster.model import failures
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import (
    AmbiguousMatch,
    FailureRecord,
    JobFailure,
    ObjectFailure,
    ProvisioningFailure,
    Resting,
    TargetBusy,
    TargetThrottled,
    ValueRefused,
)
from muster.model.log import shown
from muster.model.operation import (
    Acknowledged,
    Change,
    Link,
    LinkState,
    OperationKind,
    TargetObject,
    TargetResource,
)
from muster.model.rules import ObjectMapping, ScopingFilter
from muster.model.values import Attributes, Value

CLASSES = [
    item
    for item in vars(failures).values()
    if isinstance(item, type) and issubclass(item, ProvisioningFailure) and item not in (AmbiguousMatch, Resting)
]


@pytest.mark.parametrize("failure", CLASSES)
def test_a_failure_keeps_what_it_is_told_and_has_a_code_and_a_remedy(failure: type[ProvisioningFailure]) -> None:
    record = failure("What happened.", status=418).record()
    assert (record.sentence, record.status, record.retry) == ("What happened.", 418, failure.retry)
    assert (record.code, record.remedy) == (failure.code, failure.remedy)
    assert record.code
    assert record.remedy.endswith(".")
    assert str(failure("What happened.")) == "What happened."
    named = failure("x", code="Other", remedy="Do this.").record()
    assert (named.code, named.remedy, named.status) == ("Other", "Do this.", None)


def test_a_failure_is_of_one_object_or_of_the_whole_job() -> None:
    told = [item for item in CLASSES if item not in (ProvisioningFailure, ObjectFailure, JobFailure)]
    assert all(issubclass(item, ObjectFailure) is not issubclass(item, JobFailure) for item in told)
    # One that says more of another has its code.
    codes = [item.code for item in told if "code" in vars(item)]
    assert len(codes) == len(set(codes))


def test_trying_again_helps_only_where_nobody_needs_to_act() -> None:
    assert TargetBusy("503").record().retry
    assert not ValueRefused("400").record().retry
    assert FailureRecord(code="c", sentence="s", remedy="r").retry


def test_a_target_that_wants_rest_is_a_busy_one_with_an_end() -> None:
    until = datetime(2026, 5, 4, 9, tzinfo=UTC)
    record = Resting(until).record()
    assert "until 2026-05-04 09:00:00 UTC" in record.sentence
    assert (record.status, record.code, record.retry) == (429, TargetThrottled.code, True)


def test_an_ambiguous_match_names_at_most_five_of_them() -> None:
    few = AmbiguousMatch(attribute="userName", value="ada", target_ids=["1", "2", "3", "4", "5"])
    assert few.sentence == "5 target objects have userName = “ada”: 1, 2, 3, 4, 5."
    many = AmbiguousMatch(attribute="userName", value="ada", target_ids=["1", "2", "3", "4", "5", "6"])
    assert many.sentence == "6 target objects have userName = “ada”: 1, 2, 3, 4, 5, …."
    assert (many.attribute, many.target_ids) == ("userName", ("1", "2", "3", "4", "5", "6"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("text", "text"),
        (True, "True"),
        (False, "False"),
        (12, "12"),
        (("a", True, None), "a; True; "),
        (["a"], "a"),
        ({"value": "x", "primary": True}, '{"primary":true,"value":"x"}'),
        (({"value": "x"}, "y"), '{"value":"x"}; y'),
    ],
)
def test_what_the_log_shows_of_a_value(value: Value, text: str | None) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"displayName": "Ada", "mail": "a@x"}, "Ada"),
        ({"userPrincipalName": "ada@x", "mail": "a@x"}, "ada@x"),
        ({"displayName": "", "mail": "a@x"}, "a@x"),
        ({}, "s-1"),
    ],
)
def test_a_change_is_called_by_the_best_name_it_has(attributes: Attributes, name: str) -> None:
    change = Change(source_id="s-1", kind=ObjectKind.USER, lifecycle=Lifecycle.PRESENT, seq=1, attributes=attributes)
    assert change.display_name == name


LINK = Link(
    source_id="s",
    kind=ObjectKind.USER,
    target_id="t-1",
    state=LinkState.MANAGED,
    owned=LinkState.MANAGED,
    acknowledged=Acknowledged(),
)


@pytest.mark.parametrize(
    ("target", "target_id"),
    [
        (TargetObject(), None),
        (TargetObject(link=LINK, exists=True), "t-1"),
        (TargetObject(link=LINK, exists=False), None),
        (TargetObject(link=LINK, resource=TargetResource(target_id="t-2", attributes={}), exists=True), "t-2"),
    ],
)
def test_the_target_id_is_known_when_the_object_is_there(target: TargetObject, target_id: str | None) -> None:
    assert target.target_id == target_id


def test_what_writes_is_what_sends_a_request() -> None:
    assert {kind for kind in OperationKind if not kind.writes} == {
        OperationKind.LINK,
        OperationKind.SKIP,
        OperationKind.FAIL,
    }


@pytest.mark.parametrize(
    ("source", "kind"), [("User", ObjectKind.USER), ("Group", ObjectKind.GROUP), ("Worker", ObjectKind.USER)]
)
def test_every_source_object_but_a_group_is_a_person(source: str, kind: ObjectKind) -> None:
    mapping = ObjectMapping(
        name="n",
        enabled=True,
        actions=frozenset(),
        source_object=source,
        target_object="t",
        scope=ScopingFilter(),
        attribute_mappings=(),
    )
    assert mapping.kind is kind
