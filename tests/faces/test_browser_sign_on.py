"""The chain in a real browser: hired, provisioned, signed in to 8x8 from both sides, renamed, blocked, kept out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faces.browser import Browser
from faces.test_browser import NAME, PASSWORD, _admin, checked
from muster.cli.api import HttpApi
from played_configuration_manager import PlayedCustomer, PlayedManager, configuration_manager
from played_installation import PlayedService, service
from waiting import eventually

SECRET = "correct horse battery 18"
AMINA = "amina@lantaarn.example"


@dataclass(kw_only=True)
class Chain:
    """Both parties, joined by provisioning and single sign-on, and a person's browser."""

    service: PlayedService
    manager: PlayedManager
    customer: PlayedCustomer
    person: Browser
    admin: Browser
    console: Browser
    sp: str
    amina: str

    @property
    def api(self) -> HttpApi:
        return self.service.api

    def account(self, name: str) -> dict[str, Any] | None:
        found = self.customer.ask("GET", f"/Users?filter=userName%20eq%20%22{name}%22").json["Resources"]
        return found[0] if found else None

    def at_8x8(self) -> None:
        self.person.driver.get(f"{self.manager.url}/saml2/sign-in")

    def forget(self) -> None:
        self.person.driver.get(f"{self.manager.url}/saml2/sign-in")
        self.person.driver.delete_all_cookies()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("sign-on")
    with configuration_manager(folder / "manager") as manager, service(folder / "service") as served:
        made = manager.run("admin", "create", NAME, "--password-stdin", given=f"{PASSWORD}\n")
        assert made.returncode == 0, made.stderr
        _admin(served.folder)
        customer = manager.customer("Lantaarn", profile="8x8", sites=("London",))
        api = served.api
        template = api.get("/applicationTemplates?$filter=displayName eq '8x8'".replace(" ", "%20"))["value"][0]["id"]
        both = api.post(f"/applicationTemplates/{template}/instantiate", {"displayName": "8x8"})
        sp = both["servicePrincipal"]["id"]
        user = {
            "userPrincipalName": AMINA,
            "mailNickname": "amina",
            "mail": AMINA,
            "displayName": "Amina El Idrissi",
            "givenName": "Amina",
            "surname": "El Idrissi",
            "officeLocation": "London",
            "accountEnabled": True,
            "passwordProfile": {"password": SECRET, "forceChangePasswordNextSignIn": False},
        }
        amina = api.post("/users", user)["id"]
        role = next(each["id"] for each in both["application"]["appRoles"] if each["displayName"] == "User")
        path = f"/servicePrincipals/{sp}"
        given = {"principalId": amina, "resourceId": sp, "appRoleId": role}
        api.post(f"{path}/appRoleAssignedTo", given)
        pairs = {"BaseAddress": customer.url, "SecretToken": customer.token}
        listed = [{"key": key, "value": value} for key, value in pairs.items()]
        api.put(f"{path}/synchronization/secrets", {"value": listed})
        job = api.post(f"{path}/synchronization/jobs", {"templateId": "8x8"})["id"]
        _join(api, path, manager, folder)
        api.post(f"{path}/synchronization/jobs/{job}/start")
        browsers = [Browser(served.url), Browser(served.url), Browser(manager.url)]
        try:
            yield Chain(
                service=served,
                manager=manager,
                customer=customer,
                person=browsers[0],
                admin=browsers[1],
                console=browsers[2],
                sp=sp,
                amina=amina,
            )
        finally:
            for each in browsers:
                each.close()


def _join(api: HttpApi, path: str, manager: PlayedManager, folder: Path) -> None:
    """Each side is told the other's addresses."""
    own = json.loads(manager.run("sign-on", "show", "Lantaarn", "--json").stdout)
    body = {
        "preferredSingleSignOnMode": "saml",
        "identifier": own["entityId"],
        "replyUrls": [own["replyUrl"]],
        "signOnUrl": None,
        "logoutUrl": own["spLogoutUrl"],
    }
    shown = api.patch(f"{path}/singleSignOn", body)
    certificate = folder / "c.cer"
    certificate.write_text(shown["certificates"][0]["key"])
    provider = shown["identityProvider"]
    done = manager.run(
        *("sign-on", "set", "Lantaarn", "--issuer", provider["identifier"], "--login-url", provider["loginUrl"]),
        *("--logout-url", provider["logoutUrl"], "--certificate", str(certificate)),
    )
    assert done.returncode == 0, done.stderr


def test_the_chain_from_hire_to_refusal(chain: Chain) -> None:
    person = chain.person
    assert eventually(lambda: chain.account(AMINA) is not None), "provisioned"

    # From the tile of My Apps.
    person.driver.get(f"{chain.service.url}/signin")
    person.fill(name=AMINA, password=SECRET)
    person.press("Sign in")
    person.see(".tile", "8x8")
    checked(person)
    person.click(".tile a", "8x8")
    person.see("h1", "You are signed in to 8x8")
    person.see("main", AMINA)
    assert person.driver.current_url == f"{chain.manager.url}/saml2/home"
    checked(person)

    # Signing out there signs out here, too.
    person.press("Sign out")
    person.see("h1", "You are signed out of 8x8")
    person.driver.get(f"{chain.service.url}/myapps")
    person.see("h1", "Sign in")

    # From 8x8's page.
    chain.at_8x8()
    person.fill(name=AMINA)
    checked(person)
    person.press("Use single sign-on")
    person.see("h1", "Sign in")
    person.fill(name=AMINA, password=SECRET)
    person.press("Sign in")
    person.see("h1", "You are signed in to 8x8")

    # A rename: the Federation ID follows.
    renamed = "amina.verhoeven@lantaarn.example"
    chain.api.patch(f"/users/{chain.amina}", {"userPrincipalName": renamed})
    assert eventually(lambda: chain.account(renamed) is not None), "renamed at 8x8"
    chain.forget()
    chain.at_8x8()
    person.fill(name=renamed)
    person.press("Use single sign-on")
    person.see("h1", "Sign in")
    person.fill(name=renamed, password=SECRET)
    person.press("Sign in")
    person.see("h1", "You are signed in to 8x8")
    person.see("main", renamed)

    # Sign-in is blocked: out at once here, disabled there by the next cycle, refused on both sides.
    chain.api.patch(f"/users/{chain.amina}", {"accountEnabled": False})
    person.driver.get(f"{chain.service.url}/myapps")
    person.see("h1", "Sign in")
    assert eventually(lambda: (chain.account(renamed) or {}).get("active") is False), "disabled at 8x8"
    person.driver.get(f"{chain.manager.url}/saml2/home")
    person.see("h1", "Sign in to 8x8")
    person.fill(name=renamed)
    person.press("Use single sign-on")
    person.see("h1", "Sign in")
    person.fill(name=renamed, password=SECRET)
    person.press("Sign in")
    person.see(".refusal", "blocked")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_pages_of_single_sign_on_are_accessible_and_fit(chain: Chain, width: int) -> None:
    admin, console = chain.admin, chain.console
    for browser in (admin, console):
        browser.size(width, 900)
    admin.go("/")
    if admin.all("#password"):
        admin.sign_in(NAME, PASSWORD)
        console.sign_in(NAME, PASSWORD)
    admin.go(f"/applications/{chain.sp}/single-sign-on")
    admin.see("h2", "Basic SAML configuration")
    checked(admin)
    assert admin.width_needed() <= width
    admin.picture(f"single-sign-on-{width}")
    for path in ("/customers/Lantaarn/sign-on", "/saml2/sign-in"):
        console.go(path)
        assert console.violations() == []
        assert console.width_needed() <= width


def test_an_administrator_sets_single_sign_on_up_and_tries_it(chain: Chain) -> None:
    admin = chain.admin
    admin.size(1280, 900)
    admin.go(f"/applications/{chain.sp}/single-sign-on")
    admin.fill(relay_state="/home")
    admin.press("Save")
    admin.see(".toast-line", "Saved")
    assert chain.api.get(f"/servicePrincipals/{chain.sp}/singleSignOn")["relayState"] == "/home"
    admin.fill(principal=chain.amina)
    admin.press("Test")
    admin.see("pre", "Assertion")
    checked(admin)
