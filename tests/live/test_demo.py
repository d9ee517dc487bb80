"""`muster demo` as it is typed, then every command on what it leaves: on the folder, over HTTP, with bad input."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from played_commands import Done
from played_configuration_manager import PlayedCustomer, configuration_manager
from played_installation import (
    ENVIRONMENT,
    MUSTER,
    PlayedApplication,
    PlayedService,
    between,
    command,
    service,
    users_at,
)

PEOPLE = 60
KEYS = {
    *("created", "updated", "disabled", "deleted", "skipped", "failed", "requests", "seconds"),
    *("target_users", "target_active", "portal_url", "portal_user", "portal_password", "scim_url", "scim_token"),
}
JSON = {"content-type": "application/json"}
CREDENTIALS = "muster_" + "0" * 32


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the demo has left: a folder, and what it said."""

    folder: Path
    summary: dict[str, Any]
    progress: str

    @property
    def service(self) -> Path:
        return self.folder / "service"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo") / "data"
    asked = ["demo", "--users", str(PEOPLE), "--exit", "--json", "--data", str(folder)]
    done = subprocess.run([*MUSTER, *asked], env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, "stdout is the JSON alone"
    return Played(folder=folder, summary=json.loads(done.stdout), progress=done.stderr)


@dataclass(frozen=True, kw_only=True)
class Served:
    """Both servers started again on the demo's folder."""

    service: PlayedService
    customer: PlayedCustomer

    def reached(self, way: str) -> tuple[object, ...]:
        """The options that reach the installation."""
        return (
            ("--data", self.service.folder)
            if way == "data"
            else ("--url", self.service.url, "--token", self.service.token)
        )

    @property
    def application(self) -> PlayedApplication:
        found = self.service.api.get("/servicePrincipals?$filter=displayName%20eq%20'8x8'")["value"][0]
        jobs = self.service.api.get(f"/servicePrincipals/{found['id']}/synchronization/jobs")["value"]
        return PlayedApplication(api=self.service.api, service_principal_id=found["id"], job_id=jobs[0]["id"])

    def entries(self) -> list[tuple[str, str]]:
        """What the target has: principal name and whether it is active."""
        return sorted((user["userName"], str(user["active"])) for user in users_at(self.customer))


@pytest.fixture(scope="module")
def served(demo: Played) -> Iterator[Served]:
    with configuration_manager(demo.folder / "configuration-manager") as manager, service(demo.service) as running:
        path = demo.summary["scim_url"].split("/", 3)[3]
        customer = PlayedCustomer(name="Lantaarn", url=f"{manager.url}/{path}", token=demo.summary["scim_token"])
        played = Served(service=running, customer=customer)
        played.application.pause()
        played.application.save(BaseAddress=customer.url, SecretToken=customer.token, SyncAll="false")
        yield played


def test_the_summary_has_the_keys_that_others_build_on(demo: Played) -> None:
    assert set(demo.summary) >= KEYS
    assert demo.summary["created"] >= PEOPLE // 2
    assert min(demo.summary[name] for name in ("updated", "disabled", "deleted", "requests")) > 0


def test_the_progress_is_shown_beside_the_json(demo: Played) -> None:
    said = ("Starting the provisioning service", "Importing the directory: 60 people", "Initial cycle done")
    assert [sentence for sentence in said if sentence not in demo.progress] == []


def test_the_counts_are_what_the_target_says_when_it_is_started_again(demo: Played, served: Served) -> None:
    users = users_at(served.customer)
    assert len(users) == demo.summary["target_users"] == demo.summary["created"]
    assert len({user["userName"].casefold() for user in users}) == len(users)
    active = [user for user in users if user["active"]]
    assert len(active) == demo.summary["target_active"]
    # 8x8 answers a deletion by deactivating.
    assert len(users) - len(active) == demo.summary["disabled"] + demo.summary["deleted"]


def test_the_demo_refuses_a_folder_that_holds_an_installation(demo: Played) -> None:
    assert_fails(command("demo", "--exit", "--data", demo.folder), f"{demo.folder} already holds an installation")


# ------------------------------------------------------------ commands


@pytest.mark.parametrize("way", ["data", "url"])
def test_each_command_works_with_json_and_without(served: Served, tmp_path: Path, way: str) -> None:
    reach = served.reached(way)
    name = f"joined-{way}@lantaarn.example"
    people = tmp_path / "people.csv"
    people.write_text(f"userPrincipalName,displayName,givenName,surname,mail\n{name},Joi Ner,Joi,Ner,{name}\n")

    imported = well("import", people, *reach, "--json").json
    assert (imported["counters"]["created"], imported["problems"]) == (1, [])
    assert "unchanged" in well("import", people, *reach).out

    explained = well("explain", "8x8", name, *reach, "--json").json
    assert explained["verdict"]["presence"] != "present"
    assert "Joi Ner" in well("explain", "8x8", name, *reach).out

    assign(served, name)
    plan = well("plan", "8x8", *reach, "--json").json
    assert [(item["kind"], item["sourceName"]) for item in plan["operations"] if item["kind"] != "skip"] == [
        ("create", "Joi Ner")
    ]
    shown = well("plan", "8x8", *reach).out
    assert "Joi Ner" in shown
    assert "muster apply" in shown
    assert name not in dict(served.entries())
    applied = well("apply", plan["hash"][:12], *reach, "--json").json
    assert applied["counters"]["created"] == 1
    assert dict(served.entries())[name] == "True"

    entry = well("provision", "8x8", name, *reach, "--json").json
    assert entry["sourceIdentity"]["displayName"] == "Joi Ner"
    assert "Joi Ner" in well("provision", "8x8", name, *reach).out

    links = well("links", "8x8", "--state", "managed", *reach, "--json").json
    assert "Joi Ner" in {item["displayName"] for item in links}
    assert well("links", "8x8", *reach).out
    assert "There is no such link" in well("links", "8x8", "--state", "seen", *reach).out
    assert well("promote", "8x8", name, *reach, "--json").json == {"promoted": 0, "sourceIds": []}
    assert "0 promoted" in well("promote", "8x8", name, *reach).out

    newest = well("logs", "8x8", "--user", name, *reach, "--json").json
    assert {item["sourceIdentity"]["displayName"] for item in newest} == {"Joi Ner"}
    assert "create" in well("logs", "8x8", "--top", 200, *reach).out
    assert well("watch", "8x8", *reach, "--json").json["state"] != "Running"
    assert "cycle" in well("watch", "8x8", *reach).out


def test_a_token_that_a_command_made_opens_the_service(served: Served) -> None:
    made = well("token", "create", "script", "--data", served.service.folder, "--json").json["token"]
    assert well("logs", "8x8", "--url", served.service.url, "--token", made, "--json").json
    assert "script" in well("token", "list", "--data", served.service.folder).out
    assert "muster_" in well("token", "create", "other", "--data", served.service.folder).out


# ------------------------------------------------------------ bad input


@pytest.mark.parametrize("way", ["data", "url"])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("plan", "9x9"), "There is no application “9x9”. There are: "),
        (("provision", "9x9", "x"), "There is no application “9x9”"),
        (("explain", "9x9", "x"), "There is no application “9x9”"),
        (("logs", "9x9"), "There is no application “9x9”"),
        (("watch", "9x9"), "There is no application “9x9”"),
        (("links", "9x9"), "There is no application “9x9”"),
        (("links", "8x8", "--state", "mine"), "There is no link state “mine”"),
        (("promote", "8x8"), "Name users, or give --all"),
        (("promote", "8x8", "nobody@example.com"), "nobody@example.com"),
        (("apply", "0123456789ab"), "There is no plan 0123456789ab"),
        (("provision", "8x8", "nobody@example.com"), "nobody@example.com"),
        (("explain", "8x8", "nobody@example.com"), "nobody@example.com"),
        (("logs", "8x8", "--user", "nobody@example.com"), "nobody@example.com"),
        (("import", "no-such-file.csv"), "There is no file no-such-file.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_named(served: Served, way: str, arguments: tuple[str, ...], sentence: str) -> None:
    assert_fails(command(*arguments, *served.reached(way)), sentence)
    assert_fails(command(*arguments, *served.reached(way), "--json"), sentence)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("apply",),
        ("provision", "8x8"),
        ("logs", "8x8", "--top", "none"),
        ("logs", "8x8", "--status", "good"),
        ("apply", "97d6"),
        ("demo", "--users", "-1"),
        ("nonsense",),
        ("serve", "--port", "99999"),
        ("serve", "--allow-target", "nonsense"),
        ("serve", "--public-url", "muster.example"),
        ("configuration-manager", "serve", "--port", "99999"),
        ("token", "create", "x", "--days", "-4"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    assert command(*arguments).status == 2


@pytest.mark.parametrize("name", ["plan", "logs", "watch", "explain", "provision", "apply", "import", "token"])
def test_a_folder_without_an_installation_is_named(tmp_path: Path, name: str) -> None:
    given = {"explain": ("8x8", "x"), "provision": ("8x8", "x"), "import": (__file__,), "token": ("create", "x")}
    given["apply"] = ("0123456789ab",)
    folder = tmp_path / "nothing"
    assert_fails(command(name, *given.get(name, ("8x8",)), "--data", folder), f"no installation in {folder}")
    assert not folder.exists()
    # An empty folder is none either, and stays empty.
    folder.mkdir()
    assert_fails(command(name, *given.get(name, ("8x8",)), "--data", folder), f"no installation in {folder}")
    assert not list(folder.iterdir())


def test_a_wrong_token_and_a_wrong_address_are_named(served: Served) -> None:
    url = served.service.url
    assert_fails(command("logs", "8x8", "--url", url, "--token", CREDENTIALS), "401")
    assert_fails(command("logs", "8x8", "--url", f"{url}/elsewhere", "--token", CREDENTIALS), "")
    assert_fails(command("logs", "8x8", "--url", "http://127.0.0.1:9", "--token", CREDENTIALS), "does not answer")
    assert_fails(command("logs", "8x8", "--url", url), "--token")
    assert_fails(command("logs", "8x8", "--url", "not an address", "--token", CREDENTIALS), "not an address")
    assert_fails(command("logs", "8x8", "--url", served.customer.url, "--token", CREDENTIALS), "")


@pytest.mark.parametrize("way", ["data", "url"])
def test_a_bad_row_is_named_and_the_others_are_imported(served: Served, tmp_path: Path, way: str) -> None:
    reach = served.reached(way)
    people = tmp_path / "people.csv"
    people.write_text(
        "userPrincipalName,displayName,accountEnabled,favouriteColour\n"
        f"good-{way}@lantaarn.example,Good,true,blue\n"
        f"bad-{way}@lantaarn.example,Bad,perhaps,blue\n"
        f"short-{way}@lantaarn.example\n"
        f"Good-{way}@lantaarn.example,Twice,true,blue\n"
        f"last-{way}@lantaarn.example,Last,true,blue\n"
    )
    done = command("import", people, *reach, "--json")
    assert_fails(done, "4 entries were not imported from people.csv; the others were")
    found = json.loads(done.out)
    problems = "\n".join(found["problems"])
    assert "Line 1, column 4" in problems
    assert "favouriteColour" in problems
    assert "Line 3, column 3 (accountEnabled)" in problems
    assert "Line 4" in problems
    assert "Lines 2 and 5 have the same userPrincipalName" in problems
    assert found["counters"]["created"] == 1, found
    for name, is_there in (("last", True), ("bad", False), ("short", False), ("good", False)):
        done = command("explain", "8x8", f"{name}-{way}@lantaarn.example", *reach)
        assert (done.status == 0) is is_there, done


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("people.csv", b"", "people.csv is empty"),
        ("people.csv", b"name,colour\nx,y\n", "has no column"),
        ("people.csv", b"userPrincipalName,mail,mail\nx,y,z\n", "both mail"),
        ("people.json", b'{"users": [', "JSON"),
        ("people.json", b"<html></html>", "JSON"),
        ("people.xls", b"\xd0\xcf\x11\xe0", "Files named *.csv, *.json, *.ldif can be imported"),
    ],
    ids=["empty", "no name", "column twice", "half", "HTML", "spreadsheet"],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    served: Served, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert_fails(command("import", tmp_path / name, *served.reached("url"), "--json"), sentence)


# ------------------------------------------------------------ the target's bad days

HTML = b"<!doctype html><title>Sign in</title>"
BAD_DAYS = [
    ("down", None, "SystemUnreachable"),
    ("wrong token", (401, "application/scim+json", b'{"status":"401","detail":"no"}'), "InvalidCredentials"),
    ("wrong URL", (404, "text/plain", b"nothing here"), "SystemUnreachable"),
    ("HTML", (200, "text/html", HTML), "SystemUnreachable"),
    ("empty", (200, "application/scim+json", b""), "SystemUnreachable"),
    ("broken", (500, "application/scim+json", b"{}"), "SystemUnreachable"),
]


@pytest.mark.parametrize(("says", "code"), [item[1:] for item in BAD_DAYS], ids=[item[0] for item in BAD_DAYS])
def test_a_target_on_a_bad_day_is_named_and_nobody_is_disabled(
    served: Served, says: tuple[int, str, bytes] | None, code: str
) -> None:
    application = served.application
    before = served.entries()
    with between(served.customer.url) as gate:
        gate.says = says
        application.save(BaseAddress="http://127.0.0.1:9/scim" if says is None else gate.url, SyncAll="false")
        tested = refusal_of(application)
        assert tested["code"] == code, tested
        assert tested["message"].strip().endswith("."), tested
        known = {cycle["id"] for cycle in application.cycles()}
        application.restart()
        cycle = application.ended(known)
        failure = cycle["failure"]
        assert cycle["state"] == "Failed", cycle
        assert failure["code"] == code, failure
        assert failure["reason"], failure
        assert failure["recommendedAction"], failure
        assert gate.writes == 0
        application.pause()
    assert served.entries() == before


def refusal_of(application: PlayedApplication) -> dict[str, Any]:
    """Graph's error of Test Connection."""
    body = json.dumps({"useSavedCredentials": True}).encode()
    status, answer = application.api.exchange("POST", f"/v1.0{application.job}/validateCredentials", body, JSON)
    assert 400 <= status < 500, answer
    error: dict[str, Any] = json.loads(answer)["error"]
    return error


def assign(served: Served, name: str) -> None:
    """Gives a person the role User."""
    api, application = served.service.api, served.application
    roles = api.get(application.path)["appRoles"]
    body = {
        "principalId": api.get(f"/users/{name}")["id"],
        "resourceId": application.service_principal_id,
        "appRoleId": next(role["id"] for role in roles if role["displayName"] == "User"),
    }
    api.post(f"{application.path}/appRoleAssignedTo", body)


def well(*arguments: object) -> Done:
    """A command that does its work."""
    done = command(*arguments)
    assert done.status == 0, done
    return done


def assert_fails(done: Done, sentence: str) -> None:
    """Status 1 and one line on stderr that says it."""
    assert done.status == 1, done
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert done.err.startswith("muster: ")
    assert sentence in done.err
    assert "Traceback" not in done.err
