"""Schemas that an operator lays into the data folder: taken at the start, or the start refused with the place."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from played_configuration_manager import configuration_manager, run

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
URN = "urn:example:schemas:badges:1.0:User"
DEVICE = "urn:example:schemas:1.0:Device"
BADGES: dict[str, Any] = {"id": URN, "attributes": [{"name": "number", "type": "integer", "required": True}]}
DEVICES: list[dict[str, Any]] = [
    {"id": DEVICE, "attributes": [{"name": "serial", "required": True, "uniqueness": "server"}]},
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "Device",
        "endpoint": "/Devices",
        "schema": DEVICE,
    },
]


def _lay(folder: Path, name: str, document: Any) -> None:
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "schemas" / name).write_text(text, encoding="utf-8")


def test_an_added_extension_and_an_added_type_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "cm"
    _lay(folder, "badges.json", BADGES)
    _lay(folder, "devices.json", DEVICES)
    with configuration_manager(folder) as manager:
        customer = manager.customer("custom")
        made = customer.ask("POST", "/Users", {"schemas": [USER, URN], "userName": "ada", URN: {"number": 7}})
        assert (made.status, made.json[URN]) == (201, {"number": 7})
        assert customer.ask("GET", f"/Users?filter={URN}:number%20gt%206").json["totalResults"] == 1
        assert customer.ask("GET", f"/Schemas/{URN}").json["attributes"][0]["type"] == "integer"
        wrong = customer.ask("POST", "/Users", {"schemas": [USER, URN], "userName": "b", URN: {"number": "7"}})
        assert (wrong.status, wrong.json["scimType"]) == (400, "invalidValue")
        device = {"schemas": [DEVICE], "serial": "S1"}
        assert customer.ask("POST", "/Devices", device).status == 201
        assert customer.ask("POST", "/Devices", {**device, "serial": "s1"}).json["scimType"] == "uniqueness"
        assert customer.ask("GET", "/Devices").json["totalResults"] == 1
        assert customer.ask("GET", "/").json["totalResults"] == 2
        eight = manager.customer("eight", profile="8x8", sites=("London",))
        assert URN not in [each["id"] for each in eight.ask("GET", "/Schemas").json["Resources"]]


def test_letter_case_counts_in_a_unique_attribute_that_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "cm"
    unique = {"name": "userName", "required": True, "uniqueness": "server", "caseExact": True}
    _lay(folder, "devices.json", [{"id": DEVICE, "attributes": [unique]}, DEVICES[1]])
    with configuration_manager(folder) as manager:
        customer = manager.customer("exact")
        statuses = [
            customer.ask("POST", "/Devices", {"schemas": [DEVICE], "userName": name}).status
            for name in ("Ab1", "ab1", "Ab1")
        ]
        assert statuses == [201, 201, 409]
        found = customer.ask("GET", "/Devices?filter=userName%20eq%20%22Ab1%22").json
        assert [each["userName"] for each in found["Resources"]] == ["Ab1"]


def test_a_type_of_ones_own_may_use_the_names_of_users_for_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "cm"
    attributes = [
        *DEVICES[0]["attributes"],
        {"name": "userName", "required": True},
        {"name": "displayName", "caseExact": True},
    ]
    _lay(folder, "devices.json", [{**DEVICES[0], "attributes": attributes}, DEVICES[1]])
    with configuration_manager(folder) as manager:
        customer = manager.customer("custom")
        for number, name in enumerate(("ada", "ada", "ben")):
            device = {"serial": f"S{number}", "userName": name, "displayName": name.title()}
            assert customer.ask("POST", "/Devices", {"schemas": [DEVICE], **device}).status == 201
        for text, wanted in (
            ('userName eq "ada"', 2),
            ('userName sw "b"', 1),
            ('displayName eq "Ada"', 2),
            ('displayName eq "ada"', 0),
            ('displayName co "da"', 2),
            ('serial eq "s1"', 1),
        ):
            assert customer.ask("GET", f"/Devices?filter={quote(text)}").json["totalResults"] == wanted, text
        listed = customer.ask("GET", "/Devices?sortBy=userName&sortOrder=descending").json["Resources"]
        assert [each["userName"] for each in listed] == ["ben", "ada", "ada"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "not valid JSON"),
        ({**BADGES, "id": "badges"}, "no URN of a schema"),
        ({**BADGES, "id": USER}, "schema of this service"),
        ({**BADGES, "attributes": [{"name": "a", "type": "text"}]}, "attribute a: type must be one of"),
    ],
)
def test_a_schema_that_cannot_be_used_stops_the_start_with_a_sentence(
    tmp_path: Path, document: Any, sentence: str
) -> None:
    _lay(tmp_path / "cm", "mine.json", document)
    done = run("serve", "--port", "0", "--data", str(tmp_path / "cm"))
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
