"""Schemas that an operator lays into the data folder: taken at the start, or the start refused with the place."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from played_configuration_manager import PlayedCustomer, configuration_manager, run
from waiting import eventually

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
URN = "urn:example:schemas:badges:1.0:User"
DEVICE = "urn:example:schemas:1.0:Device"
VAULT = "urn:example:schemas:1.0:Vault"
_SECRET = {"mutability": "writeOnly", "returned": "never"}
BADGES: dict[str, Any] = {
    "id": URN,
    "attributes": [
        {"name": "number", "type": "integer", "required": True},
        {"name": "pink", **_SECRET},
        {"name": "keys", "type": "complex", "multiValued": True, "subAttributes": [{"name": "code"}], **_SECRET},
        {"name": "answer", "returned": "never"},
        # The others of these names are no secrets.
        {"name": "creds", "type": "complex", "subAttributes": [{"name": "value", "returned": "never"}]},
    ],
}
DEVICES: list[dict[str, Any]] = [
    {"id": DEVICE, "attributes": [{"name": "serial", "required": True, "uniqueness": "server"}]},
    {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "Device",
        "endpoint": "/Devices",
        "schema": DEVICE,
    },
]
VAULTS: list[dict[str, Any]] = [
    {"id": VAULT, "attributes": [{"name": "number", "uniqueness": "server", "returned": "never"}]},
    {**DEVICES[1], "name": "Vault", "endpoint": "/Vaults", "schema": VAULT},
]


def _lay(folder: Path, name: str, document: Any) -> None:
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "schemas" / name).write_text(text, encoding="utf-8")


def _assert_no_secret_is_logged(customer: PlayedCustomer, where: str, folder: Path) -> None:
    """Sends a secret in every way, and looks whether it is anywhere in the data folder."""
    told = {"schemas": [USER, URN], "userName": "ada", URN: {"number": 7, "pink": "s3cret"}}
    assert customer.ask("POST", "/Users", {**told, "userName": "eve"}).status == 201
    assert customer.ask("PUT", where, told).status == 200
    kelvin = json.dumps(told, ensure_ascii=False).replace("pink", "pin\N{KELVIN SIGN}").encode()
    assert customer.ask("PUT", where, kelvin).status == 200
    assert customer.ask("PUT", where, json.dumps(told).replace("pink", "\\u0070ink").encode()).status == 200
    added: list[dict[str, Any]] = [
        {"path": f"{URN}:pink", "value": "s3cret"},
        {"path": URN, "value": {"PINK": "s3cret"}},
        {"path": f"{URN}:keys", "value": [{"code": "s3cret"}]},
        {"path": f"{URN}:keys.code", "value": "s3cret"},
        {"value": {f"{URN}:pink": "s3cret"}},
        {"path": f'{URN}:keys[code eq "s3cret"].code', "value": "s3cret"},
    ]
    refused: list[dict[str, Any]] = [
        {"path": f'{URN}:pink[value eq "s3cret"]', "value": "s3cret"},
        {"path": f'{URN}:keys[code eq "s3cret', "value": "s3cret"},
        {"path": f"{URN}:pink", "value": {"s3cret": "s3cret"}},
    ]
    patch: dict[str, Any] = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    for operation in (*added, *refused):
        sent = {**patch, "Operations": [{"op": "add", **operation}]}
        assert customer.ask("PATCH", where, sent).status == (200 if operation in added else 400), operation
    operations = [
        {"method": "PUT", "path": where, "data": told},
        {"method": "PATCH", "path": where, "data": {**patch, "Operations": [{"op": "add", **refused[1]}]}},
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    assert [each["status"] for each in customer.ask("POST", "/Bulk", bulk).json["Operations"]] == ["200", "400"]
    for text in ("pink", "p%69nk"):
        assert customer.ask("GET", f"/Users?filter={URN}:{text}%20eq%20%22s3cret%22").status == 400
    # What is never shown may be kept with the user, and not by the log.
    assert customer.ask("PUT", where, {**told, URN: {"number": 7, "answer": "Rover"}}).status == 200
    titled = {**patch, "Operations": [{"op": "add", "path": "title", "value": "Boss"}]}
    assert customer.ask("PATCH", where, titled).status == 200
    vault = {"schemas": [VAULT], "number": "Rover"}
    assert [customer.ask("POST", "/Vaults", vault).status for _ in range(2)] == [201, 409]
    assert customer.ask("GET", "/Vaults?sortBy=number").status == 400
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": f'{URN}:pink eq "s3cret"'}
    assert customer.ask("POST", "/Users/.search", search).status == 400

    def logged() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "configuration-manager.db")) as connection:
            return connection.execute("SELECT * FROM calls ORDER BY key").fetchall()

    assert eventually(lambda: any("/.search" in repr(row) for row in logged()))
    assert [row for row in logged() if "s3cret" in repr(row) or "Rover" in repr(row)] == []
    assert any("Boss" in repr(row) for row in logged())
    assert not any(b"s3cret" in file.read_bytes() for file in folder.iterdir() if file.is_file())


def test_an_added_extension_and_an_added_type_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "cm"
    _lay(folder, "badges.json", BADGES)
    _lay(folder, "devices.json", DEVICES)
    _lay(folder, "vaults.json", VAULTS)
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
        _assert_no_secret_is_logged(customer, f"/Users/{made.json['id']}", folder)
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
