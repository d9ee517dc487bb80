"""Laws of the SCIM client: what is written is read back, and a change brings a resource where it should be."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.scim_service import BASE_URL, TOKEN, ScimService, generic_profile
from fakes.scripted_transport import JoinedTransport
from fakes.world import CountingIds, StillClock
from laws.cases import cases
from muster.gallery.catalogue import find
from muster.model.directory import AttributeType, ObjectKind
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Verb
from muster.model.schema_document import read_schema
from muster.scim.client import form_create, form_lookup, form_url, project, read_address
from muster.scim.dialect import ENTRA, ENTRA_LEGACY, Dialect, UpdateMethod
from muster.scim.filters import Comparison, parse_filter
from muster.targets.authorization import bearer
from muster.targets.scim import ScimTarget
from muster.targets.scim_names import mapped_attributes

USER = ObjectKind.USER
PAGE = find("scim")
assert PAGE is not None
ATTRIBUTES = mapped_attributes(read_schema(PAGE.schema_document()))
PATHS = [item.name for item in ATTRIBUTES[USER] if item.type is AttributeType.STRING and item.name != "userName"]

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)
people = st.dictionaries(st.sampled_from(PATHS), texts, max_size=8)


@cases(100)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_lookup_asks_for_the_very_value_whatever_it_holds(value: str) -> None:
    url = form_url(read_address("https://x/scim/v2"), form_lookup("User", "userName", value, Dialect()))
    assert url.isascii() and " " not in url
    tree = parse_filter(dict(parse_qsl(urlsplit(url).query))["filter"])
    assert isinstance(tree, Comparison) and tree.value == value


@cases(100)
@given(people)
def test_a_created_resource_projects_to_the_values_it_was_made_of(values: dict[str, str]) -> None:
    body = form_create("User", values, Dialect()).body_bytes()
    assert body is not None
    assert project(orjson.loads(body), PATHS) == values


@pytest.mark.parametrize(
    "dialect",
    [Dialect(), ENTRA, ENTRA_LEGACY, Dialect(update=UpdateMethod.PUT)],
    ids=["standard", "entra", "legacy", "put"],
)
@cases(60)
@given(before=people, after=people)
def test_the_changes_between_two_states_bring_a_resource_from_one_to_the_other(
    dialect: Dialect, before: dict[str, str], after: dict[str, str]
) -> None:
    target = ScimTarget(
        transport=JoinedTransport(ScimService(generic_profile())),
        address=BASE_URL,
        authorization=bearer(TOKEN),
        dialect=dialect,
        attributes=ATTRIBUTES,
        clock=StillClock(),
        ids=CountingIds(),
    )
    made: dict[str, Any] = {"userName": "ada", **before}
    person = target.create(USER, [MappedValue(attribute=name, value=value) for name, value in made.items()]).target_id
    target.update(USER, person, list(changes(before, after)))
    seen = target.read(USER, person)
    assert seen is not None
    assert {name: value for name, value in seen.attributes.items() if name != "userName"} == after
    assert target.find(USER, MatchingValue(attribute="userName", value="ADA"))


def changes(before: dict[str, str], after: dict[str, str]) -> list[AttributeChange]:
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            verb = Verb.ADD if old is None else Verb.REMOVE if new is None else Verb.REPLACE
            found.append(AttributeChange(attribute=name, verb=verb, old=old, new=new))
    return found
