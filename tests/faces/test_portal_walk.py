"""Every page, part of a page and action of the portal, walked by every role: who is let in, what each answer tells the
browser, and that neither a secret nor markup of somebody's name stands in any of them.

The table says what each address needs; one that is new has to be put into it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from faces.house import GOOD_TOKEN, House, Started
from faces.portal_visit import PASSWORD, Visit
from faces.test_graph_logs import REFUSED, log
from muster.administration.access import create_administrator
from muster.model.log import LogStatus
from muster.model.roles import PERMISSIONS, Permission, Role
from muster.web.portal.app import ACTIONS, PAGES

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
MARKUP = ("<script>alert", "<img src=x", "onerror=alert(1)>")
SMTP_PASSWORD, HOOK = "smtp-word-of-ours", "https://hooks.example.com/path-of-ours"
_INLINE = re.compile(r"<style|<script(?![^>]*src=)|\son[a-z]+=|\sstyle=|javascript:", re.IGNORECASE)

READ, WRITE, RUN = Permission.READ_CONFIGURATION, Permission.WRITE_CONFIGURATION, Permission.RUN_JOBS
PEOPLE, EDIT, LOGS = Permission.READ_DIRECTORY, Permission.WRITE_DIRECTORY, Permission.READ_LOGS
OWN, INSTALLATION = Permission.SIGNED_IN, Permission.MANAGE_INSTALLATION

# One of each kind: several roles are the same permissions by other names.
ROLES = list({permissions: role for role, permissions in PERMISSIONS.items()}.values())
# The first that fits says what a page needs.
PAGE_NEEDS: tuple[tuple[str, Permission], ...] = (
    (r"/|/find|/account|/oauth2/callback", OWN),
    (r"/logs.*|/audit|/insights|/sign-ins", LOGS),
    (r"/applications/<sp>/provisioning/authorize", WRITE),
    (r"/import.*|/users/new|/groups/new|.*/edit", EDIT),
    (r"/users/[^/]+/sign-in", PEOPLE),
    (r"/users/[^/]+/why/.*", READ),
    (r"/users.*|/groups.*", PEOPLE),
    (r"/applications.*|/sources.*|/notifications|/identity-provider", READ),
)
ACTION_NEEDS: tuple[tuple[str, Permission], ...] = (
    (r"/account/.*", OWN),
    (r"/notifications.*|/identity-provider.*", INSTALLATION),
    (r"/import|/users.*|/groups.*", EDIT),
    (r".*/(scope|try|weigh)", READ),
    (
        r".*/(start|pause|restart|rollback|reconcile|held|apply|plans|on-demand|read|accept)|.*/provisioning/accounts",
        RUN,
    ),
    (r"/applications.*|/sources.*", WRITE),
)


def needed(rule: str, table: tuple[tuple[str, Permission], ...]) -> Permission:
    found = next((permission for pattern, permission in table if re.fullmatch(pattern, rule)), None)
    assert found is not None, f"{rule} is new: say in the table what it needs"
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """A house in which every name is hostile and every secret is kept, and its ids by their places in addresses."""

    house: House
    ids: dict[str, str]

    def path(self, rule: str) -> str:
        return re.sub(r"<(?:int:)?(\w+)>", lambda part: self.ids[part.group(1)], rule)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    house = House(tmp_path_factory.mktemp("walk"))
    job = Started(house)
    named = {"displayName": HOSTILE, "description": HOSTILE}
    user = house.user("ada", displayName=HOSTILE, jobTitle=HOSTILE, department=HOSTILE, officeLocation=HOSTILE)["id"]
    group = house.group("Sales", **named)["id"]
    house.call("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"https://x/v1.0/directoryObjects/{user}"})
    house.call("PATCH", f"/servicePrincipals/{job.sp}", {"displayName": HOSTILE})
    role = next(iter(house.call("GET", f"/servicePrincipals/{job.sp}").body["appRoles"]))["id"]
    for principal in (user, group):
        given = {"principalId": principal, "resourceId": job.sp, "appRoleId": role}
        house.made(f"/servicePrincipals/{job.sp}/appRoleAssignedTo", given)
    failure = REFUSED.__class__(code=HOSTILE, sentence=HOSTILE, remedy=HOSTILE)
    log(house, job, 1, source_name=HOSTILE, target_name=HOSTILE, source_id=user)
    log(house, job, 2, source_name=HOSTILE, target_name=HOSTILE, status=LogStatus.FAILURE, failure=failure)
    mail = {"host": "mail.example.com", "port": 587, "security": "starttls", "sender": "m@example.com"}
    settings = {"mail": {**mail, "user": "muster", "password": SMTP_PASSWORD}, "webhook": {"url": HOOK}}
    assert house.call("PATCH", "/notifications/settings", settings).status == 200
    assert house.call("PATCH", f"/users/{user}", {"passwordProfile": {"password": PASSWORD}}).status == 204
    ids = {
        "sp": job.sp,
        "user_id": user,
        "group_id": group,
        "template_id": house.call("GET", "/applicationTemplates?$top=1").body["value"][0]["id"],
        "cycle_id": "cycle-1",
        "entry_id": "entry-1",
        "role_id": role,
        "kind": "ldap",
        "name": "metadata.xml",
        "target": "userName",
        "version": "1",
        "number": "0",
        "work_id": "none",
        "plan_id": "none",
    }
    return Place(house, ids)


@pytest.fixture(scope="module")
def visitors(place: Place) -> Callable[[Role], Visit]:
    """Whoever signs in stays signed in: one visit a role for the whole walk."""
    known: dict[Role, Visit] = {}

    def visitor(role: Role) -> Visit:
        if role not in known:
            visit = Visit(place.house)
            create_administrator(place.house.desk, f"As {role}", PASSWORD, frozenset({role}))
            assert visit.sign_in(f"As {role}").status_code == 303
            known[role] = visit
        return known[role]

    return visitor


QUERIES = {"/logs/<entry_id>": "?change=change-1", "/find": "?q=s"}


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_shown_to_whom_it_is_for_and_to_nobody_else(
    place: Place, visitors: Callable[[Role], Visit], role: Role
) -> None:
    wrong = []
    for rule, _, _ in PAGES:
        may = needed(rule, PAGE_NEEDS) in PERMISSIONS[role]
        for headers in ({}, {"HX_Request": "true"}):
            answer = visitors(role).get(place.path(rule) + QUERIES.get(rule, ""), **headers)
            status, text = answer.status_code, answer.text
            # Of work that somebody may not look at they do not learn that it exists.
            is_closed = status == 403 or (status == 404 and rule == "/import/<work_id>" and not may)
            if status >= 500 or is_closed == may:
                wrong.append((rule, headers, status))
            if status == 403 and "alert(" in text:
                wrong.append((rule, headers, "the refusal tells a name"))
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_no_action_is_done_for_a_role_that_it_is_not_for(
    place: Place, visitors: Callable[[Role], Visit], role: Role
) -> None:
    visit = visitors(role)
    token = visit.token("/")
    noted = len(place.house.stores.audit.search(after=None, limit=999)[0])
    rules = [(rule, needed(rule, ACTION_NEEDS)) for rule, _, _ in ACTIONS]
    closed = [rule for rule, permission in rules if permission not in PERMISSIONS[role]]
    answers = {rule: visit.post(place.path(rule), token=token).status_code for rule in closed}
    assert {rule: status for rule, status in answers.items() if status != 403} == {}
    assert len(place.house.stores.audit.search(after=None, limit=999)[0]) == noted


def test_no_action_that_somebody_may_do_fails_on_an_empty_form(tmp_path_factory: pytest.TempPathFactory) -> None:
    house = House(tmp_path_factory.mktemp("empty"))
    job = Started(house)
    house.examine = lambda _: {"probes": [], "grade": "A", "counts": {"passed": 0, "failed": 0}, "dialect": {}}
    ids = {"sp": job.sp, "user_id": "none", "group_id": "none", "cycle_id": "none", "plan_id": "none", "kind": "ldap"}
    ids |= {"template_id": "none", "role_id": "none", "version": "1", "number": "0", "target": "userName"}
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    here = Place(house, ids)
    token = visit.token("/")
    answers = {rule: visit.post(here.path(rule), token=token).status_code for rule, _, _ in ACTIONS}
    assert {rule: status for rule, status in answers.items() if status >= 500 or status == 403} == {}


# Parts of pages, files, and ways to and from an application: no page to go to.
NO_PLACES = {
    "/find",
    "/oauth2/callback",
    "/logs/download",
    "/applications/<sp>/live",
    "/applications/<sp>/manifest.json",
    "/applications/<sp>/mappings/schema.json",
    "/applications/<sp>/provisioning/authorize",
    # Of a source alone: tests/faces/test_portal_sources.py.
    "/applications/<sp>/source",
}


def test_the_palette_leads_to_every_page(place: Place, visitors: Callable[[Role], Visit]) -> None:
    visit = visitors(Role.GLOBAL_ADMINISTRATOR)
    there = f"http://localhost/applications/{place.ids['sp']}"
    # Each letter of the alphabet finds the pages that have it in their names.
    found = {
        to
        for letter in "aeiou"
        for to in re.findall(r'href="([^"]+)"', visit.get(f"/find?q={letter}", HX_Current_URL=there).text)
    }
    pages = {rule for rule, _, _ in PAGES if "<" not in rule.replace("<sp>", "")} - NO_PLACES
    assert {rule for rule in pages if place.path(rule) not in found} == set()


def test_no_answer_shows_a_secret_or_takes_a_name_for_markup_and_all_forbid_scripts_and_frames(
    place: Place, visitors: Callable[[Role], Visit]
) -> None:
    visit = visitors(Role.GLOBAL_ADMINISTRATOR)
    webhook = place.house.services.notifications.settings().webhook
    assert webhook is not None
    secrets = (GOOD_TOKEN, SMTP_PASSWORD, webhook.secret, PASSWORD, place.house.token)
    paths = [place.path(rule) + QUERIES.get(rule, "") for rule, _, _ in PAGES]
    paths += [
        f"/users?search={HOSTILE[:20]}",
        f"/logs?search={HOSTILE[:20]}",
        "/nowhere",
        "/users/none",
        "/logs?span=x",
    ]
    wrong = []
    for path in paths:
        for headers in ({}, {"HX_Request": "true", "Accept_Language": "nl"}):
            answer = visit.get(path, **headers)
            text = answer.text
            is_page = answer.content_type.startswith("text/html")
            wrong += [(path, headers, "shows a secret") for secret in secrets if secret in text]
            if is_page:
                wrong += [(path, headers, mark) for mark in MARKUP if mark in text]
                plain = re.sub(r"&lt;.*?&gt;", "", text)
                wrong += [(path, headers, found.group()) for found in _INLINE.finditer(plain)]
            policy = answer.headers.get("Content-Security-Policy", "")
            if "default-src 'none'" not in policy or "frame-ancestors 'none'" not in policy or "unsafe" in policy:
                wrong.append((path, headers, f"policy: {policy}"))
            if (
                answer.headers.get("X-Frame-Options") != "DENY"
                or answer.headers.get("X-Content-Type-Options") != "nosniff"
            ):
                wrong.append((path, headers, "may be framed or sniffed"))
            if is_page and answer.headers.get("Cache-Control") not in ("no-store", "private, no-cache"):
                wrong.append((path, headers, f"kept by caches: {answer.headers.get('Cache-Control')}"))
    assert wrong == []
