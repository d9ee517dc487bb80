"""The tutorial in a real browser, through both parties' pages; live progress, Dutch, dark, phone width, axe."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from faces.browser import Browser
from faces.dutch import english_texts, english_words, walk
from muster.cli.api import HttpApi
from played_configuration_manager import PlayedManager, configuration_manager
from played_installation import PlayedService, command, service
from waiting import eventually

NAME, READER, PASSWORD = "ada", "rita", "correct horse battery"
PEOPLE = 60


@dataclass(kw_only=True)
class Company:
    """Both parties, running, with an administrator each, and what the story has found out."""

    service: PlayedService
    manager: PlayedManager
    portal: Browser
    console: Browser
    facts: dict[str, str]

    @property
    def api(self) -> HttpApi:
        return self.service.api

    @property
    def app(self) -> str:
        assert "sp" in self.facts, "the tutorial before this has failed"
        return f"/applications/{self.facts['sp']}"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("browser")
    with configuration_manager(folder / "manager") as manager, service(folder / "service") as served:
        for name, role in ((NAME, "administrator"), (READER, "reader")):
            made = manager.run("admin", "create", name, "--role", role, "--password-stdin", given=f"{PASSWORD}\n")
            assert made.returncode == 0, made.stderr
        created = manager.run("customer", "create", "Lantaarn", "--site", "London", "--json")
        assert created.returncode == 0, created.stderr
        _admin(served.folder)
        people = folder / "people.csv"
        rows = [f"p{n:03}@example.com,Person {n},Person,Number {n},p{n:03}@example.com,London" for n in range(PEOPLE)]
        people.write_text(
            "userPrincipalName,displayName,givenName,surname,mail,officeLocation\n" + "\n".join(rows), encoding="utf-8"
        )
        portal, console = Browser(served.url), Browser(manager.url)
        try:
            yield Company(
                service=served, manager=manager, portal=portal, console=console, facts={"people": str(people)}
            )
        finally:
            portal.close()
            console.close()


def _admin(folder: Path) -> None:
    before, sys.stdin = sys.stdin, io.StringIO(f"{PASSWORD}\n")
    try:
        made = command("admin", "create", NAME, "--password-stdin", "--data", folder)
    finally:
        sys.stdin = before
    assert made.status == 0, made.err


def checked(browser: Browser) -> None:
    """Nothing is wrong with the page that is shown: axe-core, the console, its width."""
    assert browser.violations() == [], browser.driver.current_url
    assert browser.complaints() == [], browser.driver.current_url


def has_focus(browser: Browser, text: str) -> None:
    """What was pressed has the focus again once its answer is there: whoever goes by keys goes on from there."""
    assert eventually(lambda: browser.driver.switch_to.active_element.text == text)


# The steps of the story, in their order.


def the_console_gives_url_and_token(company: Company) -> None:
    console = company.console
    console.sign_in(NAME, PASSWORD)
    console.go("/customers/Lantaarn/identity")
    console.press("Show user provisioning information")
    # The command that made the customer has kept a token already: this is the administrator's own.
    console.press("Generate new token")
    url = console.see("#url").get_attribute("value")
    token = console.see("#token").get_attribute("value")
    assert url and token
    console.picture("console-identity")
    assert console.violations() == []
    console.press("Save")
    console.see(".notice", "Saved")
    company.facts.update(url=url, token=token)
    assert console.violations() == []


def people_come_from_a_file_that_is_looked_at_first(company: Company) -> None:
    portal = company.portal
    portal.sign_in(NAME, PASSWORD)
    portal.go("/import")
    portal.all("#file")[0].send_keys(company.facts["people"])
    portal.press("Look at it first")
    portal.see("#preview .figure-value", str(PEOPLE))
    portal.see("#preview .summed-up", f"{PEOPLE} hires")
    checked(portal)
    portal.press("Import", within="#import")
    portal.see(".figure-value", str(PEOPLE))
    portal.go("/users")
    portal.see("h1", str(PEOPLE))


def the_application_is_added_from_the_gallery(company: Company) -> None:
    portal = company.portal
    portal.go("/applications")
    portal.press("New application")
    portal.fill(search="8x8")
    assert eventually(lambda: len(portal.all(".tile")) == 1)
    portal.click(".tile a", "8x8")
    portal.press("Create")
    portal.see(".toast-line", "Created")
    company.facts["sp"] = portal.driver.current_url.partition("/applications/")[2].partition("?")[0]
    portal.see(".steps-cards", "Assign users and groups")
    portal.picture("application-new")
    checked(portal)


def people_are_assigned_and_default_access_is_warned_of(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/users-and-groups")
    # The first one is added by the same key as those that follow.
    portal.all("body")[0].send_keys("n")
    for number in range(4):
        portal.fill(search=f"Person {number}")
        portal.click(".offers label", f"Person {number}")
        assert eventually(lambda wanted=number: len(portal.all(".picked .chip")) == wanted + 1)
    portal.fill(role="Default Access")
    portal.see(".when-default")
    portal.fill(role="User")
    portal.press("Assign", within="form")
    portal.see(".toast-line", "Assigned")
    assert len(portal.all("td.who")) == 4
    checked(portal)


def credentials_are_tested_and_saved_and_the_status_is_switched_on(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/provisioning")
    portal.press("Get started")
    portal.fill(url=company.facts["url"], secret="wrong")
    portal.press("Test Connection")
    portal.see("#tested .refusal", "InvalidCredentials")
    has_focus(portal, "Test Connection")
    portal.fill(secret=company.facts["token"], email="it@example.com")
    portal.press("Test Connection")
    portal.see("#tested .good-line")
    portal.tick("#sends_mail")
    checked(portal)
    portal.press("Save")
    portal.see(".toast-line", "Saved")
    portal.go(f"{company.app}/mappings")
    portal.see("table", "userName")
    checked(portal)


def a_mapping_is_tried_on_a_person_and_saved(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/mappings/0/attributes/title")
    portal.fill(type="Expression")
    portal.fill(expression='Append([givenName], " of Lantaarn")')
    portal.fill(person="Person 1")
    portal.see("#tried", "Person of Lantaarn")
    checked(portal)
    portal.press("Save", within="#mapping")
    portal.see("#review-body", "4 objects were looked at")
    portal.picture("consequences")
    checked(portal)
    portal.press("title", within="#review .effects")
    portal.see("#affected", "Everybody")
    portal.picture("consequences-line")
    checked(portal)
    portal.press("Save", within="#review")
    portal.see(".toast-line", "Saved")


def a_scoping_filter_counts_people_before_it_is_saved(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/mappings/0/scope")
    portal.press("Add scoping filter")
    portal.see("[name='attribute-0-0']")
    has_focus(portal, "Add scoping filter")
    portal.fill(**{"attribute-0-0": "surname"})
    portal.fill(**{"operator-0-0": "STARTS_WITH"})
    portal.fill(**{"value-0-0": "Number"})
    portal.click("#count-title")
    portal.see(".in-out .in", str(PEOPLE))
    checked(portal)
    # Two changes faster than an answer: both stay.
    portal.driver.execute_script(
        "for (const [name, value] of [['attribute-0-0', 'displayName'], ['value-0-0', 'Person 1']]) {"
        "const field = document.querySelector(`[name='${name}']`); field.value = value;"
        "field.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
    portal.see(".in-out .in", "11")
    # Enter does what Save does; it pressed the first button, which removes the filter.
    portal.all("[name='value-0-0']")[0].send_keys(Keys.ENTER)
    portal.see("#review-body", "objects were looked at")
    portal.press("Back", within="#review")
    portal.press("Add clause")
    portal.see("[name='attribute-0-1']")
    assert portal.see("[name='value-0-0']").get_property("value") == "Person 1"
    portal.press("Discard")


def somebody_is_provisioned_on_demand(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/on-demand")
    portal.fill(search="Person 0")
    portal.click("#offers a", "Person 0")
    portal.see(".verdict", "In scope")
    checked(portal)
    portal.press("Provision", within=".card-header")
    portal.see(".step-cards", "Perform action")
    portal.see(".tag", "Success")
    portal.picture("on-demand")
    checked(portal)


def a_plan_is_read_before_anything_is_sent(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/plans")
    portal.press("Make a plan")
    portal.see("h2", "Create")
    portal.see(".figure", "3")
    portal.picture("plan")
    checked(portal)


def provisioning_starts_and_the_overview_follows_it_live(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/provisioning")
    portal.click("label[for=status-on]")
    portal.press("Save")
    portal.see(".toast-line", "started")
    # The page was loaded before the cycle: what it shows now came by itself.
    portal.see(".card", "Initial cycle")
    portal.see(".legend", "Created")
    portal.see(".figure", "4")
    portal.picture("overview")
    checked(portal)


def the_accounts_are_there_on_the_other_side(company: Company) -> None:
    console = company.console
    console.go("/customers/Lantaarn/users")
    for number in range(4):
        console.see("td", f"p{number:03}@example.com")
    console.picture("console-users")
    assert console.violations() == []


def a_leaver_is_switched_off_within_a_minute(company: Company) -> None:
    portal, console = company.portal, company.console
    portal.go("/users?search=Person%202")
    portal.click("td.who a", "Person 2")
    portal.press("Disable")
    portal.accept()
    portal.see(".toast-line", "disabled")

    def is_off() -> bool:
        console.go("/customers/Lantaarn/users?search=p002")
        return "Inactive" in console.all("main")[0].text

    assert eventually(is_off)


def a_cycle_is_taken_back_by_a_plan_that_is_read_first(company: Company) -> None:
    portal, console = company.portal, company.console
    portal.go(company.app)
    portal.see("td.who a", "Initial cycle")
    portal.click("td.who a", "Initial cycle")
    portal.press("Show what would be taken back")
    portal.see("h1", "8x8")
    portal.see("dt", "Takes back")
    checked(portal)
    portal.press("Apply this plan", within=".head-actions")
    portal.accept()
    # Whom the cycle created is switched off again; provisioning is paused, so that it is not done once more.
    portal.see(".cycle-facts", "Rollback")
    portal.see(".figure", "Paused")
    checked(portal)

    def are_off() -> bool:
        console.go("/customers/Lantaarn/users")
        return console.all("main")[0].text.count("Inactive") >= 3

    assert eventually(are_off)


def test_the_whole_tutorial_through_both_parties_pages(company: Company) -> None:
    the_console_gives_url_and_token(company)
    people_come_from_a_file_that_is_looked_at_first(company)
    the_application_is_added_from_the_gallery(company)
    people_are_assigned_and_default_access_is_warned_of(company)
    credentials_are_tested_and_saved_and_the_status_is_switched_on(company)
    a_mapping_is_tried_on_a_person_and_saved(company)
    a_scoping_filter_counts_people_before_it_is_saved(company)
    somebody_is_provisioned_on_demand(company)
    a_plan_is_read_before_anything_is_sent(company)
    provisioning_starts_and_the_overview_follows_it_live(company)
    the_accounts_are_there_on_the_other_side(company)
    a_leaver_is_switched_off_within_a_minute(company)
    a_cycle_is_taken_back_by_a_plan_that_is_read_first(company)


PAGES = (
    "/",
    "/applications",
    "/applications/new",
    "{app}",
    "{app}/users-and-groups",
    "{app}/users-and-groups/add",
    "{app}/provisioning",
    "{app}/provisioning/safeguards",
    "{app}/provisioning/accounts",
    "{app}/provisioning/accounts/waiting",
    "{app}/provisioning/accounts/unmanaged",
    "{app}/provisioning/requests",
    "{app}/mappings",
    "{app}/mappings/expression",
    "{app}/mappings/schema",
    "{app}/mappings/versions",
    "{app}/mappings/0/attributes/new",
    "{app}/mappings/0/scope",
    "{app}/mappings/0/list",
    "{app}/on-demand",
    "{app}/plans",
    "{app}/held",
    "{app}/logs",
    "{app}/insights",
    "{app}/roles",
    "{app}/roles/new",
    "{app}/manifest",
    "{app}/properties",
    "{app}/restart",
    "/logs",
    "/audit",
    "/insights",
    "/notifications",
    "/sign-ins",
    "/identity-provider",
    "{app}/single-sign-on",
    "{app}/single-sign-on/openid-connect",
    "/users",
    "{person}",
    "{person}/edit",
    "{person}/sign-in",
    "{person}/why/{sp}",
    "{app}/on-demand?object={id}",
    "{cycle}",
    "{entry}",
    "{app}/mappings/0/attributes/title",
    "{app}/mappings/versions/1",
    "/account",
    "/sources",
    "/sources/new",
    "/sources/new/ldap",
    "/sources/new/folder",
    "/sources/new/active-directory",
    "/sources/new/microsoft-graph",
    "/applications/new/{template}",
    "/users/new",
    "/users?state=deleted",
    "/groups",
    "/groups/new",
    "/import",
    "/nowhere",
)


def _places(company: Company) -> dict[str, str]:
    """Pages of single things: somebody who is provisioned, a cycle, an entry of the log, a template of the gallery."""
    api, sp = company.api, company.facts["sp"]
    job = api.get(f"/servicePrincipals/{sp}/synchronization/jobs")["value"][0]["id"]
    cycle = api.get(f"/servicePrincipals/{sp}/synchronization/jobs/{job}/cycles?$top=1")["value"][0]["id"]
    person = api.get("/users/p001@example.com")["id"]
    entry = api.get("/auditLogs/provisioning?$top=1")["value"][0]["id"]
    template = api.get(f"/servicePrincipals/{sp}")["applicationTemplateId"]
    return {
        "sp": sp,
        "id": person,
        "person": f"/users/{person}",
        "cycle": f"{company.app}/cycles/{cycle}",
        "entry": f"/logs/{entry}",
        "template": template,
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_accessible_and_fits_in_both_themes(company: Company, theme: str, width: int) -> None:
    portal = company.portal
    portal.theme(theme)
    portal.size(width, 800)
    wrong: dict[str, Any] = {}
    places = _places(company)
    for page in PAGES:
        portal.go(page.format(app=company.app, **places))
        found = portal.violations()
        if page != "/nowhere":
            found += portal.complaints()
        if portal.width_needed() > width:
            found.append(f"needs {portal.width_needed()} pixels")
        if found:
            wrong[page] = found
    portal.driver.get_log("browser")
    portal.picture(f"page-{theme}-{width}")
    portal.size(1280, 900)
    portal.theme("light")
    assert wrong == {}


CONSOLE_PAGES = (
    "/",
    "/administrators",
    "/customers/Lantaarn/users",
    "/customers/Lantaarn/sites",
    "/customers/Lantaarn/identity",
    "/customers/Lantaarn/identity?show",
    "/customers/Lantaarn/identity?off",
    "/customers/Lantaarn/identity?remove={token}",
    "/customers/Lantaarn/sign-on",
    "/customers/Lantaarn/calls",
    "/customers/Lantaarn/settings",
    "/nowhere",
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_of_the_console_is_accessible_and_fits_in_both_themes(
    company: Company, theme: str, width: int
) -> None:
    console = company.console
    console.go("/customers/Lantaarn/identity?show")
    token = console.driver.execute_script(
        "return document.querySelector('a[href*=\"remove=\"]')?.href.split('remove=')[1]"
    )
    assert token
    console.scheme(theme)
    console.size(width, 800)
    wrong: dict[tuple[str, str], list[str]] = {}
    # A reader is shown other parts of the same pages.
    for who, name in (("administrator", NAME), ("reader", READER)):
        console.driver.delete_all_cookies()
        console.sign_in(name, PASSWORD)
        for page in CONSOLE_PAGES:
            console.go(page.format(token=token))
            found = console.violations()
            if console.width_needed() > width:
                found.append(f"needs {console.width_needed()} pixels")
            if found:
                wrong[who, page] = found
        console.picture(f"console-{who}-{theme}-{width}")
    console.driver.delete_all_cookies()
    console.size(1280, 900)
    console.scheme("light")
    console.sign_in(NAME, PASSWORD)
    assert wrong == {}


# Keeps what moves by itself once the page is there, as the browser sees it; what follows a key or a click does not
# count, nor that a long table which arrives in two pieces is drawn in two.
_WATCH_SHIFTS = """
    window.moved = [];
    new PerformanceObserver(list => {
        const loaded = performance.getEntriesByType("navigation")[0].loadEventEnd;
        for (const each of list.getEntries())
            if (!each.hadRecentInput && each.startTime > loaded) window.moved.push([each.value,
                each.sources.map(({node}) => node && (node.outerHTML || node.textContent).slice(0, 120))]);
    }).observe({type: "layout-shift", buffered: true});
"""


_SAY_OTHER_DISTANCES = """
    const done = arguments[0], painted = then => requestAnimationFrame(() => requestAnimationFrame(then));
    const say = words => document.querySelectorAll("main time[data-ago]").forEach(time => time.textContent = words);
    say("59 seconds ago");
    painted(() => { say("1 hour ago"); painted(() => { say("in 59 minutes"); painted(() => painted(done)); }); });
"""


@pytest.mark.parametrize("page", ["/", "{app}", "{app}/plans", "{app}/logs"])
def test_nothing_moves_while_a_page_asks_for_news(company: Company, page: str) -> None:
    portal = company.portal
    portal.go(page.format(app=company.app))
    portal.driver.execute_script(_WATCH_SHIFTS)
    asked = (
        "return performance.getEntriesByType('resource').filter(each => each.initiatorType === 'xmlhttprequest').length"
    )
    if portal.all("[data-live]"):
        before = portal.driver.execute_script(asked)
        assert eventually(lambda: portal.driver.execute_script(asked) >= before + 3)
    assert portal.driver.execute_script("return window.moved") == []
    # A distance that becomes longer or shorter as time goes on moves no column either.
    portal.driver.execute_async_script(_SAY_OTHER_DISTANCES)
    assert portal.driver.execute_script("return window.moved") == []


def test_the_tabulator_goes_through_a_form_from_top_to_bottom(company: Company) -> None:
    portal = company.portal
    portal.go(f"{company.app}/provisioning")
    portal.driver.execute_script("document.getElementById('main').focus()")
    places: list[tuple[str, int]] = []
    for _ in range(60):
        portal.driver.switch_to.active_element.send_keys(Keys.TAB)
        here = portal.driver.switch_to.active_element
        name = str(here.get_attribute("name") or here.text)
        if name == "Save":
            break
        if here.get_attribute("name"):
            places.append((name, here.location["y"]))
    names = [name for name, _ in places]
    assert names.index("url") < names.index("email") < names.index("threshold") < names.index("scope")
    assert names.index("scope") < names.index("transitive") < names.index("status")
    heights = [height for _, height in places]
    assert heights == sorted(heights)


# What the tabulator is to stop at, in this order, and how each looks before it has the focus; what moves is stilled.
_WATCH_STOPS = """
    const still = new CSSStyleSheet();
    still.replaceSync("* { transition: none !important; scroll-behavior: auto !important }");
    document.adoptedStyleSheets = [still];
    document.activeElement.blur();
    const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
    const isShown = each => each.checkVisibility({visibilityProperty: true});
    window.stops = [...document.querySelectorAll(controls)].filter(
        each => !each.matches(":disabled") && each.type !== "radio" && isShown(each));
    const told = each => { const {outline, boxShadow, borderColor} = getComputedStyle(each);
        return outline + boxShadow + borderColor; };
    window.looks = each => [each, ...(each.labels ?? [])].map(told).join();
    window.before = stops.map(looks);
    return stops.length;
"""
_STOP = """
    const here = document.activeElement, at = stops.indexOf(here), box = here.getBoundingClientRect();
    const isSeen = at < 0 || looks(here) !== before[at];
    return [at, isSeen && box.bottom > 0 && box.top < innerHeight, here.outerHTML.slice(0, 120)];
"""


@pytest.mark.parametrize("page", ["{app}/manifest", "{app}/mappings/schema", "{app}/mappings/expression", "/users/new"])
def test_the_tabulator_stops_at_every_control_in_its_order_where_it_is_seen(company: Company, page: str) -> None:
    portal = company.portal
    portal.go(page.format(app=company.app))
    count = portal.driver.execute_script(_WATCH_STOPS)
    visited: list[int] = []
    for _ in range(count):
        # Keys sent to a field that takes files would be taken for a file's name.
        ActionChains(portal.driver, duration=0).send_keys(Keys.TAB).perform()
        at, is_seen, what = portal.driver.execute_script(_STOP)
        assert is_seen, what
        visited.append(at)
    assert visited == list(range(count))


def test_the_menu_of_a_narrow_window_gives_the_focus_back(company: Company) -> None:
    portal = company.portal
    portal.size(360, 800)
    try:
        portal.go("/")
        portal.see(".menu summary").send_keys(Keys.ENTER)
        portal.see(".side-body nav a", "Home").send_keys(Keys.ESCAPE)
        assert portal.driver.switch_to.active_element.get_attribute("aria-label") == "Menu"
        assert not [each for each in portal.all(".side-body nav a") if each.is_displayed()]
    finally:
        portal.size(1280, 900)


def test_a_key_lists_the_keys_and_two_lead_to_a_place(company: Company) -> None:
    portal = company.portal
    portal.go("/")
    portal.all("body")[0].send_keys("?")
    portal.see("#keys", "Next and previous line")
    assert portal.violations() == []
    portal.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    portal.all("body")[0].send_keys("gu")
    assert eventually(lambda: portal.driver.current_url.endswith("/users"))


def test_the_palette_leads_to_a_person_by_keys_alone(company: Company) -> None:
    portal = company.portal
    portal.go("/")
    portal.all("body")[0].send_keys(Keys.CONTROL, "k")
    text = portal.see("#palette-text")
    text.send_keys("Person 3")
    portal.see("#palette-found a", "Person 3")
    portal.see("#palette-text").send_keys(Keys.ARROW_DOWN)
    portal.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert eventually(lambda: "/users/" in portal.driver.current_url)


# Names of people, roles, attributes and applications, as this company and the gallery have them.
_NAMED = """
    person number user access title department enterprise work site street state manager value type for new by
    identity management services web networks security organization infrastructure business managed help full
    support credential directory description profile email city country division
"""
DATA = frozenset(_NAMED.split())


def _reader(browser: Browser) -> Callable[[str], str | None]:
    """Reads pages in Dutch as whoever is signed in; None for what is no page."""
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in browser.driver.get_cookies())
    kept = {"Cookie": cookies, "Accept-Language": "nl"}

    def read(path: str) -> str | None:
        address = browser.base + quote(path, safe="/?&=%:;,@+~!$'()*")
        try:
            with urlopen(Request(address, headers=kept), timeout=60) as answer:
                is_page = answer.headers.get_content_type() == "text/html"
                return answer.read().decode() if is_page else None
        except HTTPError as refused:
            assert refused.code < 500, path
            return refused.read().decode()

    return read


def test_no_page_that_links_lead_to_has_english_among_its_dutch(company: Company) -> None:
    only_english = english_words()
    wrong: list[str] = []
    visited = 0
    for browser in (company.portal, company.console):
        browser.go("/")
        for path, html in walk(_reader(browser), "/"):
            visited += 1
            wrong += [f"{path}: {text}" for text in english_texts(html, only_english, DATA)]
    assert not wrong, "\n".join(wrong)
    assert visited > 90


def test_the_portal_speaks_dutch_to_a_dutch_browser(company: Company) -> None:
    browser = Browser(company.service.url, "nl")
    try:
        browser.sign_in(NAME, PASSWORD)
        browser.see("nav", "Bedrijfstoepassingen")
        browser.go(company.app)
        browser.see(".card", "Laatste cyclus")
        # Its words are longer than the English ones: tabs that do not fit wait in a menu, which keys open too.
        assert browser.driver.execute_script(
            "const line = document.querySelector('.tabs-line'); return line.scrollWidth <= line.clientWidth"
        )
        browser.see(".tabs-more summary", "Meer").send_keys(Keys.ENTER)
        browser.see(".tabs-menu a", "Eigenschappen")
        browser.see(".tabs-more summary").send_keys(Keys.ARROW_DOWN)
        assert browser.driver.switch_to.active_element.text == browser.all(".tabs-menu a")[0].text
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert browser.driver.switch_to.active_element.text == "Meer"
        browser.picture("overview-dutch")
        assert browser.violations() == []
        browser.go("/users")
        browser.click(".side-foot a[hreflang=en]")
        browser.see("nav", "Enterprise applications")
    finally:
        browser.close()
