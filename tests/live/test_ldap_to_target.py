"""From a real LDAP server through both running parties: whoever changes or leaves there, does so at the target."""

from pathlib import Path
from typing import Any

import pytest

from played_configuration_manager import PlayedCustomer, configuration_manager
from played_installation import PlayedService, service
from played_ldap import GROUPS, PASSWORD, PEOPLE, READER, SKIP, find_slapd, group, person, played_slapd
from waiting import eventually

pytestmark = pytest.mark.skipif(find_slapd() is None, reason=SKIP)


def add(running: PlayedService, template: str, **secrets: str) -> None:
    """An application or source of a kind, connected and started."""
    made = running.api.call("POST", f"/applicationTemplates/{template}/instantiate", {"displayName": template})
    sync = f"/servicePrincipals/{made['servicePrincipal']['id']}/synchronization"
    value = [{"key": key, "value": text} for key, text in secrets.items()]
    running.api.call("PUT", f"{sync}/secrets", {"value": value})
    job = running.api.call("POST", f"{sync}/jobs", {"templateId": template})["id"]
    running.api.call("POST", f"{sync}/jobs/{job}/start")


def at_target(customer: PlayedCustomer, name: str) -> dict[str, Any]:
    found = customer.ask("GET", f"/Users?filter=userName%20eq%20%22{name}@example.com%22").json["Resources"]
    return dict(found[0]) if found else {}


def test_whoever_is_hired_changes_or_leaves_does_so_at_the_target(tmp_path: Path) -> None:
    staff = [person(name, name.title()) for name in ("ada", "bob", "eve", "zoe")]
    with (
        played_slapd(tmp_path / "slapd", staff) as server,
        configuration_manager(tmp_path / "cm") as manager,
        service(tmp_path / "data") as running,
    ):
        customer = manager.customer("acme")
        bind = {"UserName": READER, "Password": PASSWORD, "UserBase": PEOPLE}
        add(running, "ldap", Server=server.url, Encryption="none", **bind)
        add(running, "scim", BaseAddress=customer.url, SecretToken=customer.token, SyncAll="true")
        assert eventually(lambda: all(at_target(customer, name).get("active") for name in ("ada", "bob", "eve", "zoe")))
        server.set(f"uid=ada,{PEOPLE}", "title", "Chief")
        server.add(person("new", "New Comer"))
        assert eventually(lambda: at_target(customer, "ada").get("title") == "Chief")
        assert eventually(lambda: at_target(customer, "new").get("active") is True)
        server.delete(f"uid=bob,{PEOPLE}")
        assert eventually(lambda: at_target(customer, "bob").get("active") is False)
        assert all(at_target(customer, name)["active"] for name in ("ada", "eve", "zoe", "new"))


def members(running: PlayedService, name: str, *, through: str = "members") -> set[str]:
    """Names of a group's members, or of everybody within it (`transitiveMembers`)."""
    groups = running.api.get(f"/groups?$filter=displayName%20eq%20'{name}'")["value"]
    listed = running.api.get(f"/groups/{groups[0]['id']}/{through}")["value"] if groups else ()
    return {each["displayName"] for each in listed}


def test_groups_within_groups_are_so_in_the_directory_in_a_circle_too(tmp_path: Path) -> None:
    people = [person("ada", "Ada"), person("bob", "Bob")]
    nested = [
        group("everyone", f"cn=sales,{GROUPS}", f"uid=ada,{PEOPLE}"),
        # It holds the group that holds it, and itself.
        group("sales", f"uid=bob,{PEOPLE}", f"cn=everyone,{GROUPS}", f"cn=sales,{GROUPS}"),
    ]
    with played_slapd(tmp_path / "slapd", [*people, *nested]) as server, service(tmp_path / "data") as running:
        bind = {"UserName": READER, "Password": PASSWORD, "UserBase": PEOPLE, "GroupBase": GROUPS}
        add(running, "ldap", Server=server.url, Encryption="none", **bind)
        assert eventually(lambda: members(running, "everyone") == {"Ada", "sales"})
        assert eventually(lambda: members(running, "sales") == {"Bob", "everyone"})
        assert members(running, "everyone", through="transitiveMembers") == {"Ada", "Bob", "sales"}
        server.set(f"cn=everyone,{GROUPS}", "member", f"uid=ada,{PEOPLE}")
        assert eventually(lambda: members(running, "everyone") == {"Ada"})
        assert members(running, "sales") == {"Bob", "everyone"}
