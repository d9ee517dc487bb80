"""What commands of the documentation find when they are typed: files, ids, people that their page takes as given."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from muster.administration import second_factors
from muster.bootstrap.house import open_house
from muster.cli.api import query
from muster.settings import load_settings
from played_installation import add_application
from played_reader import PASSWORD, Reader

Before = Mapping[str, Callable[[Reader], None]]


def find_hash(reader: Reader) -> None:
    """The hash that the last command told, else that of a new plan, stands for the one of the page."""
    found = re.search(r"(?:muster apply|Hash) (\w+)", reader.said)
    found = found or re.search(r"(?:muster apply|Hash) (\w+)", reader.type("muster plan 8x8"))
    assert found is not None, reader.said
    reader.exchanged |= {"63ae1efd6d11": found[1], "HASH": found[1]}


def prepare_commands(reader: Reader, mail_port: int) -> None:
    reader.variables["MUSTER_TOKEN"] = json.loads(
        reader.type('muster token create reader --role "Global Administrator" --json')
    )["token"]
    reader.variables["MUSTER_TARGET_TOKEN"] = (reader.home / "8x8.token").read_text().strip()
    (reader.home / "backups").mkdir()
    reader.exchanged |= {
        "/backups": str(reader.home / "backups"),
        "/srv/muster": str(reader.data / "service"),
        "https://muster.example": f"http://127.0.0.1:{reader.service}",
        "https://app.example.com/scim/v2": f"http://127.0.0.1:{reader.manager}/udi/customers/Lantaarn/scim/v2",
        "mail.example.com": f"127.0.0.1:{mail_port} --security none",
    }


def _token_of_a_customer(reader: Reader) -> None:
    tokens = json.loads(reader.type("muster configuration-manager token list Lantaarn --json"))
    reader.exchanged["8x8_f9ai8r"] = tokens[-1]["prefix"]


def _metadata(reader: Reader) -> None:
    application = reader.api.get("/servicePrincipals" + query(filter="displayName eq '8x8'"))["value"][0]
    path = f"/servicePrincipals/{application['id']}/singleSignOn"
    reader.api.patch(path, {"preferredSingleSignOnMode": "saml"})
    reader.type(f"curl -sf http://127.0.0.1:8080/saml2/metadata/{application['appId']} > idp.xml")


def _second_administrator(reader: Reader) -> None:
    reader.type(f"echo '{PASSWORD}' | muster configuration-manager admin create bea --password-stdin")


def _directory(reader: Reader) -> None:
    people = [{"userPrincipalName": "eva@lantaarn.example", "displayName": "Eva Maas", "mail": "eva@lantaarn.example"}]
    groups = [{"displayName": "Sales", "mailNickname": "sales", "members": ["eva@lantaarn.example"]}]
    (reader.home / "directory.json").write_text(json.dumps({"users": people, "groups": groups}))


def _folder(reader: Reader) -> None:
    (reader.data / "service/imports/hr").mkdir(parents=True)


def _started(reader: Reader) -> None:
    reader.type("muster source start HR")


def _rules(reader: Reader) -> None:
    """The rules of the job, with another way to make a name."""
    application = reader.api.get("/servicePrincipals" + query(filter="displayName eq '8x8'"))["value"][0]
    path = f"/servicePrincipals/{application['id']}/synchronization/jobs"
    job = reader.api.get(path)["value"][0]
    schema = json.dumps(reader.api.get(f"{path}/{quote(job['id'], safe='')}/schema"))
    assert "[givenName]" in schema
    (reader.home / "changed.json").write_text(schema.replace("[givenName]", "ToUpper([givenName])"))


def _acme(reader: Reader) -> None:
    """An application with groups, to which the group Sales is assigned."""
    token = json.loads(reader.type("muster configuration-manager token create Acme --json"))["token"]
    url = f"http://127.0.0.1:{reader.manager}/udi/customers/Acme/scim/v2"
    acme = add_application(reader.api, "Custom", BaseAddress=url, SecretToken=token)
    found = reader.api.get(acme.path)
    reader.api.patch(f"/applications(appId='{found['appId']}')", {"displayName": "Acme"})
    reader.variables["MUSTER_ACME_SECRETTOKEN"] = token
    sales = reader.api.get("/groups" + query(filter="displayName eq 'Sales'"))["value"][0]["id"]
    role = {"resourceId": acme.service_principal_id, "appRoleId": found["appRoles"][0]["id"]}
    reader.api.post(f"{acme.path}/appRoleAssignedTo", {"principalId": sales, **role})


def _administrator_with_an_app(reader: Reader) -> None:
    """Ada, who has set up an authenticator app."""
    reader.type(f"echo '{PASSWORD}' | muster admin create ada --password-stdin")
    folder = reader.data / "service"
    house = open_house(load_settings(data=folder), folder)
    ada = next(each for each in house.stores().access.administrators() if each.display_name == "ada")
    second_factors.begin(house.stores(), ada.id)
    house.stores().second_factors.confirm(ada.id, 0, ["hash"], datetime.now(UTC))
    house.database.close()


def _keeper_of_passwords(reader: Reader) -> None:
    """`pass`, with a password in it."""
    tool = reader.home / "bin/pass"
    tool.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    tool.chmod(0o755)
    reader.exchanged["admin create anna"] = "admin create carl"


def _client(reader: Reader) -> None:
    client = json.loads(reader.type("muster client list --json"))[-1]
    reader.exchanged["0b5f6f0e-9f0b-4c1b-8a52-3f1f3a0c9d11"] = client["clientId"]
    reader.exchanged["5d1c8a3e-2f6b-4a8d-9b0c-7e4f1a2b3c4d"] = client["secrets"][-1]["keyId"]


def _token(reader: Reader) -> None:
    tokens = json.loads(reader.type("muster token list --json"))
    reader.exchanged["8448fcfb-0762-4f24-9993-46f705e0a4f9"] = next(
        token["id"] for token in tokens if token["name"] == "nightly"
    )


COMMANDS: Before = {
    "muster configuration-manager token remove": _token_of_a_customer,
    "muster configuration-manager sign-on set": _metadata,
    "muster configuration-manager admin set-role": _second_administrator,
    "muster import directory.json": _directory,
    "muster source add folder HR": _folder,
    "muster source read HR": _started,
    "muster plan 8x8 --rules": _rules,
    "muster apply": find_hash,
    "muster provision Acme": _acme,
    "pass show": _keeper_of_passwords,
    "muster admin reset-second-factor": _administrator_with_an_app,
    "muster client add-secret": _client,
    "muster client remove-secret": _client,
    "muster token revoke": _token,
}
