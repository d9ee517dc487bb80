"""Schemas in the shape that Microsoft Graph gives them out, as other installations export them (of our own making)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from muster.expression.values import Environment
from muster.model.directory import ObjectKind
from muster.model.rules import FlowType
from muster.model.schema_document import find_problems, read_schema
from muster.planning.checks import find_mapping_problems, find_role_problems
from muster.planning.mapping import map_values
from muster.planning.rules import compile_rules
from unit.planning.making import ENVIRONMENT

FOLDER = Path(__file__).parents[2] / "samples"
SAMPLES = sorted(path.name for path in FOLDER.glob("schema_*.json"))


def sample(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text())  # type: ignore[no-any-return]  # JSON


def test_there_are_samples() -> None:
    assert SAMPLES == ["schema_8x8.json", "schema_salesforce_like.json", "schema_scim.json"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_published_schema_is_read_whole_and_nothing_of_it_is_lost(name: str) -> None:
    document = sample(name)
    before = copy.deepcopy(document)
    assert find_problems(document) == ()
    schema = read_schema(document)
    assert find_mapping_problems(schema) == ()
    assert schema.document is document and document == before
    assert ObjectKind.USER in compile_rules(schema).kinds


def test_the_salesforce_like_sample_gives_the_values_that_its_mappings_say() -> None:
    users = compile_rules(read_schema(sample("schema_salesforce_like.json"))).kinds[ObjectKind.USER]
    surroundings: Environment = ENVIRONMENT
    person = {
        "userPrincipalName": "ada.lovelace@example.com",
        "mail": "ada@example.com",
        "preferredLanguage": "nl-NL",
        "IsSoftDeleted": False,
        "appRoleAssignments": ({"id": "1", "value": "Standard User", "displayName": "Standard User"},),
    }
    values = {value.attribute: value for value in map_values(users.values, person, surroundings)}
    assert values["Alias"].value == "ada.love"
    assert values["LocaleSidKey"].value == "nl_NL"
    assert values["IsActive"].value is True
    assert values["ProfileName"].value == "Standard User"
    assert (values["LastName"].value, values["LastName"].create_only) == (".", True)
    # A constant in the portal is stored without a source: the default fills what is empty.
    assert (values["LanguageLocaleKey"].value, values["LanguageLocaleKey"].fills_empty) == ("en_US", True)
    assert [item.attribute for item in users.references] == ["ManagerId"]
    once = [item.attribute for item in users.values if item.mapping.flow_type is FlowType.OBJECT_ADD_ONLY]
    assert once == ["UserPermissionsMarketingUser"]
    assert len(find_role_problems(read_schema(sample("schema_salesforce_like.json")))) == 1
