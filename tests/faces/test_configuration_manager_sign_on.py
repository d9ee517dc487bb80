"""Single sign-on to the Configuration Manager over real HTTP: set up, signed in, refused; every attack of the list."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from lxml import etree

from fakes.saml_attacks import ATTACKS
from fakes.saml_foreign_provider import answer
from fakes.saml_responses import Claim, Signer, good, make_response, make_signer, sign_assertion
from fakes.scim_site import open_site
from muster.configuration_manager import sign_on_flow
from muster.configuration_manager.customers import Profile
from muster.configuration_manager.sign_on import SignOns, addresses_of
from muster.configuration_manager.writer import Writer
from muster.saml.bindings import REQUEST, RESPONSE, read_redirect, redirect_url
from muster.saml.certificates import make_signing_key
from muster.saml.logout import (
    LogoutRequest,
    LogoutResponse,
    read_logout_request,
    read_logout_response,
    write_logout_request,
    write_logout_response,
)
from muster.saml.metadata import IdentityProvider, read_service_provider, write_identity_provider
from muster.saml.requests import read_authn_request
from played_configuration_manager import Answer, PlayedCustomer, PlayedManager, ask, configuration_manager

ISSUER = "https://idp.contoso.example/saml2"
LOGIN = f"{ISSUER}/in"
LOGOUT = f"{ISSUER}/out"
SIGNER = make_signer()
PASSWORD = "a long password of one's own"
NAME = "ada@contoso.example"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# Of some attacks also the reason that the log gives.
REASONS = {
    "unsigned": "unsigned",
    "signed by another key": "signature",
    "signed with SHA-1": "algorithm",
    "a digest of SHA-1": "algorithm",
    "algorithm none": "algorithm",
    "a keyed hash with the public certificate": "algorithm",
    "wrapping 1: the signed response within the signature": "signature",
    "wrapping 7: another assertion in the extensions": "assertions",
    "another audience": "audience",
    "another recipient": "recipient",
    "another destination": "destination",
    "another issuer": "issuer",
    "an answer to another request": "in-response-to",
    "expired": "expired",
    "not yet valid": "not-yet-valid",
    "status not success": "status",
    "a comment in the name": "comment",
    "an entity of a file": "document-type",
    "an entity bomb": "document-type",
    "too large": "too-large",
}


@dataclass
class Browser:
    """A person's browser without scripts: cookies, forms, and no redirect that is not asked for."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self._take(ask(self.url + path, headers=self._headers()))

    def post(self, path: str, origin: str | None = None, **fields: str) -> Answer:
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        if origin is not None:
            headers["Origin"] = origin
        return self._take(ask(self.url + path, "POST", urlencode(fields).encode(), headers))

    def upload(self, path: str, fields: Mapping[str, str | bytes]) -> Answer:
        edge = "an-edge"
        body = b"".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"'.encode()
            + (b'; filename="x.xml"' if isinstance(value, bytes) else b"")
            + b"\r\n\r\n"
            + (value if isinstance(value, bytes) else value.encode())
            + b"\r\n"
            for name, value in fields.items()
        )
        headers = {**self._headers(), "Content-Type": f"multipart/form-data; boundary={edge}"}
        return self._take(ask(self.url + path, "POST", body + f"--{edge}--\r\n".encode(), headers))

    def begin(self, name: str = NAME) -> str:
        """The address of the identity provider that the sign-in page leads to."""
        page = self.post("/saml2/sign-in", name=name)
        assert page.status == 200, page.body
        found = re.search(r'content="0; url=([^"]+)"', page.body.decode())
        assert found is not None
        return unescape(found[1])

    def respond(self, content: bytes, origin: str = "https://idp.contoso.example") -> Answer:
        return self.post("/saml2", origin, SAMLResponse=base64.b64encode(content).decode())

    def is_signed_in(self) -> bool:
        return self.get("/saml2/home").status == 200

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _take(self, answered: Answer) -> Answer:
        for cookie in answered.headers.get("set-cookie", "").split("\n"):
            name, _, value = cookie.partition(";")[0].partition("=")
            if name:
                self.cookies[name] = value
        return answered


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("sign-on") / "data") as running:
        made = running.run("admin", "create", "root", "--password-stdin", given=f"{PASSWORD}\n")
        assert made.returncode == 0, made.stderr
        yield running


@pytest.fixture(scope="module")
def customer(manager: PlayedManager, tmp_path_factory: pytest.TempPathFactory) -> PlayedCustomer:
    made = manager.customer("Lantaarn", profile="8x8")
    certificate = tmp_path_factory.mktemp("certificate") / "idp.cer"
    certificate.write_text(SIGNER.certificate)
    done = manager.run(
        *("sign-on", "set", made.name, "--issuer", ISSUER, "--login-url", LOGIN, "--logout-url", LOGOUT),
        *("--certificate", str(certificate), "--domain", "mail.contoso.example"),
    )
    assert done.returncode == 0, done.stderr
    _person(made, NAME)
    _person(made, "ada@contoso.example.evil.example")
    return made


def _person(customer: PlayedCustomer, name: str) -> str:
    made = customer.ask(
        "POST", "/Users", {"userName": name, "name": {"givenName": "Ada", "familyName": "Lovelace"}, "active": True}
    )
    assert made.status == 201, made.body
    return str(made.json["id"])


@pytest.fixture
def browser(manager: PlayedManager, customer: PlayedCustomer) -> Browser:
    assert customer
    return Browser(manager.url)


def _claim(manager: PlayedManager, **changes: object) -> Claim:
    acs = f"{manager.url}/saml2"
    return Claim(acs=acs, audience=acs, issuer=ISSUER, name_id=NAME, now=datetime.now(UTC)).but(**changes)


def _request_id(address: str) -> str:
    return read_authn_request(read_redirect(parse_qs(urlsplit(address).query)[REQUEST][0]))[0].id


def _good(manager: PlayedManager, signer: Signer = SIGNER, **changes: object) -> bytes:
    return etree.tostring(good(_claim(manager, **changes), signer))


def _log(manager: PlayedManager, customer: PlayedCustomer) -> dict[str, dict[str, str]]:
    shown = manager.run("sign-on", "log", customer.name, "--count", "1000", "--json")
    assert shown.returncode == 0, shown.stderr
    return {each["reference"]: each for each in json.loads(shown.stdout)}


def _reference(refused: Answer) -> str:
    assert refused.status == 403, (refused.status, refused.body[:400])
    found = re.search(r"<code>([0-9a-f]{10})</code>", refused.body.decode())
    assert found is not None
    return found[1]


def _reason(manager: PlayedManager, customer: PlayedCustomer, refused: Answer) -> str:
    return _log(manager, customer)[_reference(refused)]["result"]


# ---------------------------------------------------------------- signing in


def test_a_person_signs_in_from_our_page(manager: PlayedManager, browser: Browser) -> None:
    assert b"8x8 username or company email" in browser.get("/saml2/sign-in").body
    assert browser.get("/saml2").headers["location"] == "/saml2/sign-in"
    assert browser.get("/saml2/home").headers["location"] == "/saml2/sign-in"
    address = browser.begin()
    assert address.startswith(f"{LOGIN}?SAMLRequest=")
    request, _ = read_authn_request(read_redirect(parse_qs(urlsplit(address).query)[REQUEST][0]))
    own = f"{manager.url}/saml2"
    assert (request.issuer, request.reply_url, request.destination) == (own, own, LOGIN)
    taken = browser.respond(_good(manager, request_id=request.id))
    assert (taken.status, taken.headers["location"]) == (303, "/saml2/home")
    assert NAME in browser.get("/saml2/home").body.decode()
    assert browser.get("/saml2/sign-in").headers["location"] == "/saml2/home"


def test_a_person_signs_in_from_the_tile(manager: PlayedManager, browser: Browser) -> None:
    assert browser.respond(_good(manager)).status == 303
    assert browser.is_signed_in()


def test_a_name_in_another_letter_case_is_the_same_federation_id(manager: PlayedManager, browser: Browser) -> None:
    assert browser.respond(_good(manager, name_id=NAME.upper())).status == 303


def test_a_company_address_leads_to_its_identity_provider(browser: Browser) -> None:
    assert browser.begin("somebody.else@MAIL.contoso.example").startswith(LOGIN)


@pytest.mark.parametrize("name", ["nobody@x.example", "", "a\x00b", "x" * 5_000])
def test_a_name_without_single_sign_on_goes_nowhere(browser: Browser, name: str) -> None:
    page = browser.post("/saml2/sign-in", name=name)
    assert (page.status, b"not set up for this name" in page.body) == (404, True)


def test_a_foreign_identity_provider_signs_people_in(manager: PlayedManager, browser: Browser, tmp_path: Path) -> None:
    other = manager.customer("Foreign", profile="8x8")
    _person(other, "grace@fabrikam.example")
    signer = make_signer("foreign")
    (tmp_path / "c.pem").write_text(signer.certificate)
    entity = "https://foreign.example/idp"
    done = manager.run(
        *("sign-on", "set", "Foreign", "--issuer", entity, "--login-url", f"{entity}/sso", "--provider", "pysaml2"),
        *("--certificate", str(tmp_path / "c.pem")),
    )
    assert done.returncode == 0, done.stderr
    address = browser.begin("grace@fabrikam.example")
    own = f"{manager.url}/saml2"
    name = "grace@fabrikam.example"
    response, asker = answer(address, entity_id=entity, acs=own, signer=signer, folder=str(tmp_path), name=name)
    assert asker == own
    assert browser.post("/saml2", entity, SAMLResponse=response).status == 303
    assert name in browser.get("/saml2/home").body.decode()
    # Another company's provider speaks for its own people alone.
    stranger = Browser(manager.url)
    stolen = _good(manager, signer, issuer=entity, name_id=NAME)
    reference = _reference(stranger.respond(stolen))
    assert _log(manager, other)[reference]["result"] == "unknown-account"


# ---------------------------------------------------------------- accounts


def test_a_deactivated_account_is_out_at_once_and_refused(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser
) -> None:
    where = f"/Users/{_person(customer, 'leaver@contoso.example')}"
    mine = {"name_id": "leaver@contoso.example"}
    assert browser.respond(_good(manager, **mine)).status == 303
    assert browser.is_signed_in()
    off = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    assert customer.ask("PATCH", where, off).status == 200
    assert not browser.is_signed_in()
    reference = _reference(browser.respond(_good(manager, **mine)))
    assert _log(manager, customer)[reference]["result"] == "inactive-account"


def test_a_renamed_account_is_found_by_its_new_name(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser
) -> None:
    where = f"/Users/{_person(customer, 'before@contoso.example')}"
    rename = {
        "schemas": [PATCH],
        "Operations": [{"op": "replace", "path": "userName", "value": "after@contoso.example"}],
    }
    assert customer.ask("PATCH", where, rename).status == 200
    assert browser.respond(_good(manager, name_id="after@contoso.example")).status == 303
    reference = _reference(browser.respond(_good(manager, name_id="before@contoso.example")))
    assert _log(manager, customer)[reference]["result"] == "unknown-account"


@pytest.mark.parametrize(
    "name", ["\u212aelvin@contoso.example", "kelvin@contoso.example\u00a0", "kelvin@conto\u017fo.example"]
)
def test_letters_that_a_search_takes_for_others_are_somebody_elses(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser, name: str
) -> None:
    found = customer.ask("GET", "/Users?filter=userName+eq+%22kelvin@contoso.example%22").json["totalResults"]
    if not found:
        _person(customer, "kelvin@contoso.example")
    reference = _reference(browser.respond(_good(manager, name_id=name)))
    assert _log(manager, customer)[reference]["result"] == "unknown-account"
    assert browser.respond(_good(manager, name_id="KELVIN@contoso.example")).status == 303


# ---------------------------------------------------------------- attacks


@pytest.fixture(scope="module")
def attacked(manager: PlayedManager, customer: PlayedCustomer) -> Mapping[str, tuple[Answer, bool]]:
    """The answer to each attack, made on a sign-in that the same browser began, and whether it got in."""
    answers = {}
    for name, attack in ATTACKS.items():
        browser = Browser(manager.url)
        claim = _claim(manager, request_id=_request_id(browser.begin()))
        answered = browser.respond(attack(claim, SIGNER))
        answers[name] = (answered, browser.is_signed_in())
    assert customer
    return answers


@pytest.fixture(scope="module")
def log_of_attacks(
    manager: PlayedManager, customer: PlayedCustomer, attacked: Mapping[str, tuple[Answer, bool]]
) -> dict[str, dict[str, str]]:
    assert attacked
    return _log(manager, customer)


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name not in ("too many elements", "too large")])
def test_an_attack_is_refused_with_its_reason_in_the_log_alone(
    attack: str, attacked: Mapping[str, tuple[Answer, bool]], log_of_attacks: dict[str, dict[str, str]]
) -> None:
    answered, is_in = attacked[attack]
    assert not is_in
    line = log_of_attacks[_reference(answered)]
    assert line["result"] == REASONS.get(attack, line["result"]) != "signedIn"
    assert line["sentence"] not in unescape(answered.body.decode())
    assert "set-cookie" not in answered.headers


@pytest.mark.parametrize("attack", ["too many elements", "too large"])
def test_what_is_larger_than_any_message_is_not_even_read(
    attack: str, attacked: Mapping[str, tuple[Answer, bool]]
) -> None:
    answered, is_in = attacked[attack]
    assert (answered.status in (403, 413), is_in) == (True, False)


def test_a_response_comes_once(manager: PlayedManager, customer: PlayedCustomer, browser: Browser) -> None:
    unasked = _good(manager)
    assert browser.respond(unasked).status == 303
    again = Browser(manager.url)
    assert _reason(manager, customer, again.respond(unasked)) == "replay"
    assert not again.is_signed_in()
    asked = _good(manager, request_id=_request_id(browser.begin()))
    assert browser.respond(asked).status == 303
    assert _reason(manager, customer, browser.respond(asked)) == "in-response-to"


def test_a_response_counts_in_the_browser_that_began(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser
) -> None:
    response = _good(manager, request_id=_request_id(browser.begin()))
    other = Browser(manager.url)
    other.begin()
    assert _reason(manager, customer, other.respond(response)) == "in-response-to"


def test_forms_of_other_sites_begin_and_end_nothing(browser: Browser) -> None:
    assert browser.post("/saml2/sign-in", "https://evil.example", name=NAME).status == 400
    assert browser.post("/saml2/sign-out", "https://evil.example").status == 400


@pytest.mark.parametrize("fields", [{}, {"SAMLResponse": ""}, {"SAMLResponse": "%%%"}, {"other": "x"}])
def test_a_form_without_a_message_is_refused(browser: Browser, fields: dict[str, str]) -> None:
    _reference(browser.post("/saml2", **fields))


def test_single_sign_on_that_is_off_lets_nobody_in(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser
) -> None:
    assert browser.respond(_good(manager)).status == 303
    assert manager.run("sign-on", "set", customer.name, "--off").returncode == 0
    try:
        assert not browser.is_signed_in()
        _reference(browser.respond(_good(manager)))
        assert browser.post("/saml2/sign-in", name=NAME).status == 404
    finally:
        assert manager.run("sign-on", "set", customer.name, "--on").returncode == 0


def test_a_sign_in_that_nobody_began_here_can_be_switched_off(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser
) -> None:
    assert manager.run("sign-on", "set", customer.name, "--no-unasked").returncode == 0
    try:
        assert _reason(manager, customer, browser.respond(_good(manager))) == "unasked"
        assert browser.respond(_good(manager, request_id=_request_id(browser.begin()))).status == 303
    finally:
        assert manager.run("sign-on", "set", customer.name, "--unasked").returncode == 0


def test_a_sign_in_without_an_end_lasts_as_long_as_any(manager: PlayedManager, browser: Browser) -> None:
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    response = make_response(_claim(manager))
    for element in response.iter():
        for name in ("NotOnOrAfter", "SessionNotOnOrAfter"):
            if name in element.attrib:
                element.set(name, end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert browser.respond(etree.tostring(sign_assertion(response, SIGNER))).status == 303
    assert browser.is_signed_in()


def test_an_instant_before_all_others_is_refused(manager: PlayedManager, browser: Browser) -> None:
    response = make_response(_claim(manager))
    response.set("IssueInstant", "0001-01-01T00:00:00+14:00")
    _reference(browser.respond(etree.tostring(response)))


def test_messages_of_strangers_push_nobodys_lines_out_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_on_flow, "KEPT_LOG_ROWS", 6)
    monkeypatch.setattr(sign_on_flow, "KEPT_STRANGERS_ROWS", 4)
    with open_site(tmp_path) as site:
        writer = Writer(site.database)
        sign_ons = SignOns(site.database, writer)
        flow = sign_on_flow.SignOnFlow(site.database, writer, sign_ons, addresses_of("https://cm.example"))
        one, two = (
            site.customers.create_customer(name, Profile.GENERIC, now=datetime.now(UTC)) for name in ("One", "Two")
        )
        for each in (one, two):
            certificate = SIGNER.certificate.encode()
            sign_ons.change(each, certificate=certificate, issuer=f"https://{each.name}.example", login_url=LOGIN)

        def send(issuer: str, times: int) -> None:
            claim = Claim(
                acs="https://cm.example/saml2", audience="x", issuer=issuer, name_id=NAME, now=datetime.now(UTC)
            )
            for _ in range(times):
                with pytest.raises(sign_on_flow.SignInRefused):
                    flow.accept(etree.tostring(make_response(claim)), browser="", machine="m", now=datetime.now(UTC))

        send(f"https://{one.name}.example", 3)
        send("https://stranger.example", 20)
        send(f"https://{two.name}.example", 20)
        codes = [each.code for each in flow.read_log(one, count=50)]
        assert codes == ["issuer"] * 4 + ["unsigned"] * 3
        assert len(flow.read_log(two, count=50)) == 4 + 6
        # Of what is shown, strangers have half.
        assert [each.code for each in flow.read_log(one, count=4)].count("issuer") == 2


# ---------------------------------------------------------------- logout


def _logout(manager: PlayedManager, key: object, **changes: object) -> str:
    values: dict[str, object] = {
        "id": "_l",
        "issuer": ISSUER,
        "issued_at": datetime.now(UTC),
        "destination": f"{manager.url}/saml2/logout",
        "name_id": NAME,
    }
    message = write_logout_request(LogoutRequest(**{**values, **changes}))
    address = redirect_url("", REQUEST, message, relay_state="back", key=key)
    return f"/saml2/logout{address}"


def test_signing_out_here_leads_to_the_identity_provider(manager: PlayedManager, browser: Browser) -> None:
    assert browser.respond(_good(manager)).status == 303
    home = browser.get("/saml2/home").body.decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', home)
    assert token is not None
    assert browser.post("/saml2/sign-out", csrf_token="wrong").status == 303
    assert browser.is_signed_in()
    page = browser.post("/saml2/sign-out", csrf_token=token[1]).body.decode()
    address = re.search(r'content="0; url=([^"]+)"', page)
    assert address is not None
    query = parse_qs(urlsplit(unescape(address[1])).query)
    request, _ = read_logout_request(read_redirect(query[REQUEST][0]), now=datetime.now(UTC))
    assert (request.name_id, request.destination) == (NAME, LOGOUT)
    assert not browser.is_signed_in()


def test_the_identity_provider_ends_a_session_by_a_signed_request_alone(
    manager: PlayedManager, customer: PlayedCustomer, browser: Browser, tmp_path: Path
) -> None:
    key = make_signing_key("idp", now=datetime.now(UTC))
    (tmp_path / "c.pem").write_text(key.certificate.pem)
    assert (
        manager.run("sign-on", "set", customer.name, "--certificate", str(tmp_path / "c.pem"), "--keep").returncode == 0
    )
    assert browser.respond(_good(manager)).status == 303
    other = make_signing_key("evil", now=datetime.now(UTC))
    helper = Browser(manager.url)
    past = datetime.now(UTC) - timedelta(days=1)
    for path in (
        _logout(manager, None),
        _logout(manager, other),
        _logout(manager, key, issuer="https://evil.example"),
        _logout(manager, key, destination="https://other.example"),
        _logout(manager, key, issued_at=past),
        "/saml2/logout",
        "/saml2/logout?SAMLRequest=x",
        f"/saml2/logout?SAMLRequest=x{'&a=1' * 20}",
    ):
        _reference(helper.get(path))
    assert browser.is_signed_in()
    # An answer is not signed: it ends nobody's session.
    unasked = LogoutResponse(id="_r", issuer=ISSUER, issued_at=past, destination=None, request_id=None, is_success=True)
    answered = browser.get(f"/saml2/logout{redirect_url('', RESPONSE, write_logout_response(unasked))}")
    assert (answered.status, answered.headers["location"]) == (303, "/saml2/home")
    assert browser.is_signed_in()
    done = helper.get(_logout(manager, key))
    assert done.status == 303
    query = parse_qs(urlsplit(done.headers["location"]).query)
    assert done.headers["location"].startswith(LOGOUT)
    assert query["RelayState"] == ["back"]
    assert read_logout_response(read_redirect(query[RESPONSE][0])).is_success
    assert not browser.is_signed_in()
    answered = helper.get(f"/saml2/logout?{urlsplit(done.headers['location']).query}")
    assert (answered.status, b"signed out of 8x8" in answered.body) == (200, True)


# ---------------------------------------------------------------- the administrator's page


@pytest.fixture
def administrator(manager: PlayedManager, customer: PlayedCustomer) -> Browser:
    assert customer
    browser = Browser(manager.url)
    assert browser.post("/sign-in", name="root", password=PASSWORD).status == 303
    return browser


def _token(browser: Browser, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).body.decode())
    assert found is not None
    return found[1]


def test_an_administrator_uploads_metadata(manager: PlayedManager, administrator: Browser) -> None:
    manager.customer("Uploaded", profile="8x8")
    path = "/customers/Uploaded/sign-on"
    key = make_signing_key("uploaded", now=datetime.now(UTC))
    metadata = write_identity_provider(
        IdentityProvider(
            entity_id="https://up.example/<idp>",
            sign_on_url="https://up.example/in",
            logout_url=None,
            certificates=(key.certificate,),
        )
    )
    token = _token(administrator, path)
    fields = {"csrf_token": token, "provider": "Okta", "enabled": "on", "unasked": "on", "domains": "up.example"}
    assert administrator.upload(path, {**fields, "metadata": metadata}).status == 303
    page = administrator.get(path).body.decode()
    for text in ("https://up.example/&lt;idp&gt;", "https://up.example/in", key.certificate.thumbprint, "up.example"):
        assert text in page
    assert f"{manager.url}/saml2" in page
    assert Browser(manager.url).begin("x@up.example").startswith("https://up.example/in?")
    token = _token(administrator, path)
    assert administrator.post(f"{path}/remove", csrf_token=token).status == 303
    assert key.certificate.thumbprint not in administrator.get(path).body.decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"login_url": "javascript:alert(1)"}, "IDP Login URL must be an address"),
        ({"login_url": "https://a b"}, "IDP Login URL must be an address"),
        ({"logout_url": "ftp://x"}, "IDP Logout URL must be an address"),
        ({"issuer": ""}, "IDP Issuer"),
        ({"issuer": ISSUER}, "Another customer has this issuer"),
        ({"domains": "mail.contoso.example"}, "Another customer has this issuer"),
        ({"domains": "nodot"}, "no domain"),
        ({"provider": ""}, "Name the SSO provider"),
        ({"certificate": b"x"}, "no certificate"),
        ({"certificate": SIGNER.key.encode()}, "private key"),
        ({"metadata": b"<!DOCTYPE a><a/>"}, "document type"),
        ({"metadata": b"<a/>"}, "no metadata"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    manager: PlayedManager, administrator: Browser, changes: dict[str, str | bytes], sentence: str
) -> None:
    name = "Mistaken"
    if manager.run("customer", "show", name).returncode:
        manager.customer(name, profile="8x8")
    path = f"/customers/{name}/sign-on"
    fields: dict[str, str | bytes] = {
        "csrf_token": _token(administrator, path),
        "provider": "Okta",
        "enabled": "on",
        "issuer": "https://mistaken.example",
        "login_url": "https://mistaken.example/in",
        "certificate": SIGNER.certificate.encode(),
        **changes,
    }
    answered = administrator.upload(path, fields)
    assert answered.status == 400
    assert sentence in unescape(answered.body.decode())
    assert json.loads(manager.run("sign-on", "show", name, "--json").stdout)["enabled"] is False


def test_our_metadata_can_be_read(manager: PlayedManager) -> None:
    found = read_service_provider(ask(f"{manager.url}/saml2/metadata").body)
    own = f"{manager.url}/saml2"
    assert (found.entity_id, found.reply_urls, found.logout_url) == (own, (own,), f"{own}/logout")
