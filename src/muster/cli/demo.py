"""`muster demo`: both parties on this machine, a directory of 1,000 people, the tutorial from end to end."""

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.bootstrap.folder import StartRefused, probe_port
from muster.bootstrap.processes import start_follower
from muster.cli.api import HttpApi, query
from muster.cli.console import Failed, err, out, print_json, table
from muster.cli.demo_story import Story
from muster.cli.progress import watch_cycle
from muster.model.counting import number_of
from muster.model.exchange import ExchangeFailed, HttpRequest
from muster.sample.documents import render_json, shipped_document
from muster.sample.people import DEFAULT_USERS, make_directory
from muster.settings import CONFIGURATION_MANAGER_PORT, SERVICE_PORT, parse_network
from muster.transport.client import open_transport

_HOST = "127.0.0.1"
_START_SECONDS = 30.0
_COUNTED = ("created", "updated", "disabled", "deleted", "skipped", "failed", "requests")


def demo(
    users: Annotated[
        int, typer.Option(help="How many people the directory has.", min=20, max=1_000_000)
    ] = DEFAULT_USERS,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the summary instead of serving on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON summary as the last line.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder to keep it in.", show_default="a temporary folder")] = None,
) -> None:
    """Provision a whole company to 8x8 on this machine, with both servers and a day of changes."""
    folder = _folder(data)
    stage = _Stage(folder=folder, tells=not as_json)
    try:
        with stage:
            summary = _play(stage, users)
            if as_json:
                print_json(summary)
            if not exit_:
                stage.serve_on()
    except ExchangeFailed as failure:
        raise Failed(f"{failure.sentence}. The servers' output is in {folder}.") from None
    except KeyboardInterrupt:
        if data is None:
            stage.forget()
        raise
    # What ends by itself can be served again afterwards; a failure leaves the servers' output to be read.
    is_kept = data is not None or exit_
    if not is_kept:
        stage.forget()
    stage.say(_farewell(folder, is_kept=is_kept))


@dataclass(frozen=True, slots=True)
class _Party:
    """One of the two servers."""

    name: str
    url: str
    process: subprocess.Popen[bytes]


class _Stage:
    """The two servers of the demo, in two folders of one."""

    def __init__(self, *, folder: Path, tells: bool) -> None:
        self.folder = folder
        self.tells = tells  # tables on stdout; progress goes to stderr in either case
        self.parties: list[_Party] = []
        self.sign_in = ("admin", secrets.token_urlsafe(12))
        self.person_password = secrets.token_urlsafe(12)
        self._began = time.monotonic()

    def __enter__(self) -> "_Stage":
        return self

    def __exit__(self, *_: object) -> None:
        for party in reversed(self.parties):
            party.process.terminate()
        for party in self.parties:
            try:
                party.process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                party.process.kill()

    def seconds(self) -> float:
        """Returns how long the demo has been running."""
        return round(time.monotonic() - self._began, 1)

    def say(self, sentence: str) -> None:
        """Shows a step to a person."""
        err.print(f"[bold cyan]{self.seconds():6.1f}s[/bold cyan]  {sentence}")

    def start(self) -> tuple[_Party, _Party]:
        """Starts both servers side by side and waits until they answer."""
        service_port, manager_port = _free_port(SERVICE_PORT), _free_port(CONFIGURATION_MANAGER_PORT)
        manager = self._launch(
            "configuration-manager",
            manager_port,
            ["configuration-manager", "serve"],
            self.folder / "configuration-manager",
        )
        service = self._launch(
            "service", service_port, ["serve", "--allow-target", "127.0.0.0/8"], self.folder / "service"
        )
        for party in (service, manager):
            self._await(party)
        return service, manager

    def command(self, *arguments: str, typed: str = "") -> dict[str, Any]:
        """Runs a command of muster as an operator would and returns its JSON."""
        done = subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "muster", *arguments, "--json"],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"muster {' '.join(arguments[:3])} failed: {_last_line(done.stderr)}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def serve_on(self) -> None:
        """Serves until Ctrl-C."""
        try:
            while all(party.process.poll() is None for party in self.parties):
                time.sleep(0.5)
            raise Failed(f"One of the servers has ended; its output is in {self.folder}.")
        except KeyboardInterrupt:
            err.print("Stopping.")

    def forget(self) -> None:
        """Removes a temporary folder."""
        subprocess.run(["rm", "-rf", "--", str(self.folder)], check=False)  # noqa: S603, S607  our own folder

    def _launch(self, name: str, port: int, command: list[str], folder: Path) -> _Party:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as output:
            process = start_follower(
                [sys.executable, "-m", "muster", *command, "--port", str(port), "--data", str(folder)], output=output
            )
        party = _Party(name=name, url=f"http://{_HOST}:{port}", process=process)
        self.parties.append(party)
        return party

    def _await(self, party: _Party) -> None:
        transport = open_transport(allowed=(parse_network("127.0.0.0/8"),))
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if party.process.poll() is not None:
                break
            try:
                request = HttpRequest(method="GET", url=f"{party.url}/healthz")
                if transport.send(request, deadline=timedelta(seconds=2)).status == 200:
                    return
            except ExchangeFailed:
                pass
            time.sleep(0.05)
        log = (self.folder / f"{party.name}.log").read_text(errors="replace").strip().splitlines()
        raise Failed(f"The {party.name} did not start: {log[-1] if log else 'it said nothing'}")


def _play(stage: _Stage, users: int) -> dict[str, Any]:
    stage.say("Starting the provisioning service and the 8x8 Configuration Manager")
    service, manager = stage.start()
    sites = [site["name"] for site in json.loads(shipped_document())["sites"]]
    options = [part for site in sites for part in ("--site", site)]
    name, password = stage.sign_in
    manager_data = ["--data", str(stage.folder / "configuration-manager")]
    service_data = ["--data", str(stage.folder / "service")]
    # Four commands of two operators, side by side.
    with ThreadPoolExecutor() as operators:
        customer_made = operators.submit(
            stage.command, "configuration-manager", "customer", "create", "Lantaarn", "--profile", "8x8", *options,
            *manager_data,
        )  # fmt: skip
        token_made = operators.submit(
            stage.command, "token", "create", "demo", "--role", "Global Administrator", *service_data
        )
        admins = (["admin", "create", name], ["configuration-manager", "admin", "create", name])
        made = [
            operators.submit(stage.command, *command, "--password-stdin", *where, typed=f"{password}\n")
            for command, where in zip(admins, (service_data, manager_data), strict=True)
        ]
        customer, token = customer_made.result(), token_made.result()["token"]
        for each in made:
            each.result()
    scim_url = f"{manager.url}/{customer['url'].split('/', 3)[3]}"
    stage.say(f"8x8: customer Lantaarn with {len(sites)} sites, 8x8 URL and 8x8 API Token issued")
    story = Story(HttpApi(service.url, token), scim_url, customer["token"])

    stage.say(f"Importing the directory: {users:,} people")
    imported = story.import_directory(
        shipped_document() if users == DEFAULT_USERS else render_json(make_directory(users))
    )
    stage.say(f"Directory: {number_of(imported['created'], 'object')} created, {imported['failed']} refused")
    story.add_application()
    story.add_role()
    stage.say("8x8 added from the gallery; app role Supervisor added to its manifest")
    stage.say(f"{story.assign()} assignments made: groups and people, one group with Default Access only")
    story.connect()
    stage.say("Tenant URL and Secret Token saved; Test Connection succeeded; notifications go to the identity team")
    _set_up_sign_on(stage, story)
    stage.say("Single sign-on set up on both sides: SAML, by each other's addresses and our certificate")
    cycle_id = story.start()
    stage.say("Provisioning started: initial cycle")
    initial = watch_cycle(story.api, story.named, cycle_id, quiet=False)
    _check(initial)
    stage.say(f"Initial cycle done. {_sentence(initial['counters'])}")
    if stage.tells:
        out.print(table("Not provisioned, and why", ["How many", "Code", "For example"], _causes(story)))
    story.change()
    stage.say("Changes made: hire, rename, change department, unassign, block, soft-delete, hard-delete, restore")
    outcomes = story.outcomes(cycle_id, lambda: None)
    later = story.later_cycles(cycle_id)
    for cycle in later:
        _check(cycle)
    if stage.tells:
        rows = [
            [deed.what, deed.who, entry["provisioningAction"], entry["provisioningStatusInfo"]["status"], _why(entry)]
            for deed, entry in outcomes
        ]
        out.print(table("Incremental cycle: what was done to whom, and why", _OUTCOME_COLUMNS, rows))
    target = _target_users(scim_url, customer["token"])
    person = (story.let_in(stage.person_password), stage.person_password)
    summary = _summary(stage, [initial, *later], target, service, scim_url, customer["token"]) | {
        "sign_on_url": f"{manager.url}/saml2/sign-in",
        "my_apps_url": f"{service.url}/myapps",
        "person_user": person[0],
        "person_password": person[1],
    }
    if stage.tells:
        _show(stage, summary, manager, token)
    return summary


def _set_up_sign_on(stage: _Stage, story: Story) -> None:
    """Each side is told the other's addresses; 8x8 the certificate, too."""
    manager_data = ("--data", str(stage.folder / "configuration-manager"))
    command = ("configuration-manager", "sign-on")
    shown = story.set_up_sign_on(stage.command(*command, "show", "Lantaarn", *manager_data))
    provider = shown["identityProvider"]
    certificate = stage.folder / "saml-certificate.cer"
    certificate.write_text(shown["certificates"][0]["key"])
    stage.command(
        *command, "set", "Lantaarn", "--issuer", provider["identifier"], "--login-url", provider["loginUrl"],
        "--logout-url", provider["logoutUrl"], "--certificate", str(certificate), *manager_data,
    )  # fmt: skip


def _farewell(folder: Path, *, is_kept: bool) -> str:
    if not is_kept:
        return "Both servers are stopped and their folder is removed (--data DIR keeps it)"
    return f"Both servers are stopped; start Muster again with: muster serve --data {folder / 'service'}"


_OUTCOME_COLUMNS = ["Admin did", "Who", "At 8x8", "Status", "Why"]


def _summary(
    stage: _Stage,
    cycles: list[dict[str, Any]],
    target: tuple[int, int],
    service: _Party,
    scim_url: str,
    scim_token: str,
) -> dict[str, Any]:
    totals = {name: sum(cycle["counters"][name] for cycle in cycles) for name in _COUNTED}
    return {
        **totals,
        "seconds": stage.seconds(),
        "target_users": target[0],
        "target_active": target[1],
        "portal_url": service.url,
        "portal_user": stage.sign_in[0],
        "portal_password": stage.sign_in[1],
        "scim_url": scim_url,
        "scim_token": scim_token,
        "data": str(stage.folder),
    }


def _target_users(scim_url: str, token: str) -> tuple[int, int]:
    """Returns how many users the target has, and how many of them are active, as the target itself says."""
    transport = open_transport(allowed=(parse_network("127.0.0.0/8"),))

    def total(filter_: str) -> int:
        request = HttpRequest(
            method="GET", url=f"{scim_url}/Users?count=0{filter_}", headers={"authorization": f"Bearer {token}"}
        )
        answer = transport.send(request, deadline=timedelta(seconds=30))
        return int(json.loads(answer.body)["totalResults"])

    return total(""), total("&filter=active%20eq%20true")


def _show(stage: _Stage, summary: Mapping[str, Any], manager: _Party, token: str) -> None:
    names = ("created", "updated", "disabled", "deleted", "skipped", "failed", "requests", "seconds")
    out.print(table("Both cycles together", list(names), [[str(summary[name]) for name in names]]))
    out.print(f"At 8x8: {number_of(summary['target_users'], 'user')}, {summary['target_active']} of them active.\n")
    # Lines, not a table: addresses and tokens are copied, so they may not be folded into cells.
    lines = (
        ("Portal", f"{summary['portal_url']}/", f"sign in as {stage.sign_in[0]} with {stage.sign_in[1]}"),
        ("API", f"{summary['portal_url']}/v1.0", f"token {token}"),
        ("My Apps", summary["my_apps_url"], f"sign in as {summary['person_user']} with {summary['person_password']}"),
        ("8x8 for people", summary["sign_on_url"], "the same person: use single sign-on"),
        ("8x8 console", f"{manager.url}/", "the same name and password"),
        ("8x8 SCIM", summary["scim_url"], f"token {summary['scim_token']}"),
        ("Log", f"muster logs 8x8 --data {stage.folder / 'service'}", "each operation and why"),
        ("Why", f"muster explain 8x8 USER --data {stage.folder / 'service'}", "why somebody is in or out"),
    )
    out.print("[bold]Where to look[/bold]")
    for name, address, hint in lines:
        print(f"  {name:<12} {address}\n  {'':<12} {hint}")


def _sentence(counters: Mapping[str, int]) -> str:
    parts = [f"{counters[name]} {name}" for name in ("created", "updated", "disabled", "skipped", "failed")]
    return ", ".join(parts) + f"; {number_of(counters['requests'], 'request')}"


def _causes(story: Story) -> list[list[str]]:
    """Returns, by code, how many people were skipped or failed, with one sentence of each."""
    counted: dict[str, int] = {}
    examples: dict[str, str] = {}
    for status in ("failure", "skipped"):
        filter_ = f"jobId eq '{story.job_id}' and provisioningStatusInfo/status eq '{status}'"
        for entry in story.api.pages("/auditLogs/provisioning" + query(filter=filter_, top=500)):
            information = entry["provisioningStatusInfo"].get("errorInformation") or {}
            code = str(information.get("errorCode") or status)
            counted[code] = counted.get(code, 0) + 1
            examples.setdefault(code, str(information.get("reason") or _why(entry)))
    return [[str(count), code, examples[code]] for code, count in sorted(counted.items(), key=lambda item: -item[1])]


def _why(entry: Mapping[str, Any]) -> str:
    information = entry["provisioningStatusInfo"].get("errorInformation") or {}
    scoping = [step for step in entry["provisioningSteps"] if step["provisioningStepType"] == "scoping"]
    changed = ", ".join(item["displayName"].rsplit(":", 1)[-1] for item in entry["modifiedProperties"])
    reason = information.get("reason") or (scoping[0]["description"] if scoping else "")
    return f"{reason} ({changed})" if changed and entry["provisioningAction"] == "update" else str(reason)


def _check(cycle: Mapping[str, Any]) -> None:
    if cycle["state"] == "Failed":
        failure = cycle.get("failure") or {}
        raise Failed(f"The cycle failed: {failure.get('reason')} {failure.get('recommendedAction')}")


def _folder(data: Path | None) -> Path:
    if data is None:
        return Path(tempfile.mkdtemp(prefix="muster-demo-"))
    folder = data.expanduser()
    if (folder / "service" / "muster.db").exists():
        raise Failed(f"{folder} already holds an installation: name another folder, or serve it with muster serve.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _free_port(wanted: int) -> int:
    try:
        return probe_port(_HOST, wanted)
    except StartRefused:
        return probe_port(_HOST, 0)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
