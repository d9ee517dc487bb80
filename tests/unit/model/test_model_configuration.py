"""The document of a configuration: what it takes, what it refuses and where, how it is written."""

from typing import Any

import pytest

from muster.model.configuration import Place, configuration_schema, read_configuration, write_configuration


def _document(**application: Any) -> dict[str, Any]:
    return {"version": 1, "applications": [{"name": "8x8", "template": "8x8", **application}]}


def _mapping(**attributes: Any) -> dict[str, Any]:
    return {"name": "Users", "source": "User", "target": "urn:x", "attributes": attributes}


FULL = _document(
    enabled=True,
    defaultAccessEntitles=False,
    roles=[{"name": "User", "value": "User"}, {"name": "Robot", "for": ["Application"], "enabled": False}],
    assignments=[
        {"group": "Staff", "role": "User"},
        {"user": "ada@x.example"},
        {"users": [{"attribute": "department", "operator": "EQUALS", "values": ["Sales"]}], "role": "User"},
    ],
    scope="assigned",
    deletionThreshold="off",
    notifications={"recipients": ["it@x.example"]},
    credentials={"BaseAddress": "https://x.example", "SecretToken": "env:TOKEN"},
    jobs=[
        {
            "status": "running",
            "interval": "PT40M",
            "settings": {"TransitiveGroups": "true"},
            "mappings": [
                {
                    **_mapping(userName={"expression": "[mail]", "matching": 1}, title="[jobTitle]", locale={}),
                    "actions": ["Add", "Update"],
                    "scope": [{"name": "All", "clauses": [{"attribute": "mail", "operator": "IS NOT NULL"}]}],
                }
            ],
            "attributes": {"urn:x": [{"name": "badge", "caseExact": True}]},
        },
        {"schema": {"synchronizationRules": [{"name": "x", "ours": 1}]}},
    ],
)


def test_what_was_read_is_written_again() -> None:
    configuration, problems = read_configuration(FULL)
    assert problems == ()
    assert configuration is not None
    assert write_configuration(configuration) == FULL


@pytest.mark.parametrize(("given", "kept"), [("off", "off"), (False, "off"), (0, 0), (7, 7), (None, None)])
def test_a_threshold_is_off_as_yaml_writes_it(given: object, kept: object) -> None:
    configuration, problems = read_configuration(_document(deletionThreshold=given))
    assert problems == ()
    assert configuration is not None
    read = configuration.applications[0].deletion_threshold
    assert (read, type(read)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("application", "place", "sentence"),
    [
        (
            {"deletionThreshold": True},
            "deletionThreshold",
            "A threshold is a whole number from 0, or off.",
        ),
        (
            {"credentials": {"BaseAddress": "https://x.example", "SyncAll": "true"}},
            "credentials",
            "SyncAll is no credential here: write scope beside credentials.",
        ),
        (
            {"credentials": {"SkipOutOfScopeDeletions": "true"}},
            "credentials",
            "SkipOutOfScopeDeletions is no credential here: write skipOutOfScopeDeletions beside credentials.",
        ),
    ],
)
def test_what_would_count_otherwise_or_not_at_all_is_refused(
    application: dict[str, Any], place: str, sentence: str
) -> None:
    configuration, problems = read_configuration(_document(**application))
    assert configuration is None
    assert [(where[:3], said) for where, said in problems] == [(("applications", 0, place), sentence)]


@pytest.mark.parametrize(
    ("document", "place", "sentence"),
    [
        ({}, ("version",), "This key is required."),
        ({"version": 2}, ("version",), "It must be 1."),
        (
            _document(jobs=[{"interval": "soon"}]),
            ("applications", 0, "jobs", 0, "interval"),
            "It must be a duration as ISO 8601 writes it: PT40M for 40 minutes, PT1H for an hour.",
        ),
        (_document(rolls=[]), ("applications", 0, "rolls"), "There is no such key here."),
        (_document(scope="some"), ("applications", 0, "scope"), "It must be 'assigned' or 'all'."),
        (_document(name=" "), ("applications", 0, "name"), "A name takes printable characters."),
        (
            _document(assignments=[{"user": "a", "group": "b"}]),
            ("applications", 0, "assignments", 0),
            "An assignment names one of group, user and users.",
        ),
        (
            _document(jobs=[{"schema": {}, "mappings": []}]),
            ("applications", 0, "jobs", 0),
            "A job has either a schema or mappings and attributes.",
        ),
        (
            _document(jobs=[{"mappings": [_mapping(title={"matchin": 1})]}]),
            ("applications", 0, "jobs", 0, "mappings", 0, "attributes", "title", "matchin"),
            "There is no such key here.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(document: Any, place: Place, sentence: str) -> None:
    _, problems = read_configuration(document)
    assert problems == ((place, sentence),)


def test_what_is_wrong_beside_an_unknown_key_is_named_as_well() -> None:
    given = _document(rolls=[], assignments=[{"user": "a", "group": "b"}])
    configuration, problems = read_configuration(given)
    assert configuration is None
    assert {place for place, _ in problems} == {("applications", 0, "rolls"), ("applications", 0, "assignments", 0)}


def test_a_document_is_read_without_its_unknown_keys() -> None:
    configuration, problems = read_configuration(_document(rolls=[], scope="all"))
    assert configuration is not None and len(problems) == 1
    assert configuration.applications[0].scope == "all"


def test_two_applications_of_one_name_are_refused() -> None:
    document = _document()
    document["applications"] *= 2
    _, ((place, sentence),) = read_configuration(document)
    assert (place, sentence.partition(":")[0]) == ((), "Two applications are called 8x8")


def test_a_value_in_the_wrong_place_is_not_repeated() -> None:
    _, problems = read_configuration(_document(jobs="s3cret"))
    assert "s3cret" not in str(problems)


def test_the_schema_for_editors_takes_an_expression_or_a_mapping() -> None:
    schema = configuration_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert [each["type"] for each in schema["$defs"]["Mapping"]["anyOf"]] == ["string", "object"]
