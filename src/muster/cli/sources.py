"""`muster source`: where the directory's people come from: added, tested, previewed, read, removed."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from muster.cli.api import Api, segment
from muster.cli.applications import await_work
from muster.cli.console import Failed, Misused, err, out, print_json, table
from muster.cli.provisioning import print_plan, reach, show_plan
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.counting import number_of

app = typer.Typer(no_args_is_help=True, help="Sources: where the directory's people come from.")

SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help="Display name or id of a source.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A field of the connection, or a setting of the job; repeatable."),
]
StdinOption = Annotated[
    str | None, typer.Option("--stdin", metavar="NAME", help="Take this field (a password) from standard input.")
]
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    api: Api
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.document["displayName"])

    @property
    def path(self) -> str:
        return f"/servicePrincipals/{segment(self.document['id'])}/synchronization"

    @property
    def job_path(self) -> str:
        return f"{self.path}/jobs/{segment(self.document['jobId'])}"


@app.command("kinds")
def kinds(
    data: DataOption = None, url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List the kinds of sources, and what each asks for."""
    with open_api(data, url, token) as api:
        found = list(api.pages("/sources/kinds"))
    if as_json:
        print_json(found)
        return
    for item in found:
        out.print(f"[bold]{escape(item['kind'])}[/bold]: {escape(item['displayName'])}. {escape(item['description'])}")
        rows = [[field["name"], _asked(field), field["hint"] or field["label"]] for field in item["connection"]]
        out.print(table("", ["Field", "Default", "What it is"], rows))


@app.command("add")
def add(
    kind: Annotated[str, typer.Argument(help="Kind of source (see muster source kinds).")],
    name: Annotated[str, typer.Argument(help="What it is called.")],
    values: SetOption = None,
    stdin: StdinOption = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a source with its connection. It is read once it is started."""
    with open_api(data, url, token) as api:
        body = {"kind": kind, "displayName": name, "connection": _given(values, stdin)}
        made = api.post("/sources", body)
    if as_json:
        print_json(made)
        return
    where = reach(data, url)
    out.print(f"{escape(name)} was added. Next: muster source test, preview, start {escape(repr(name))}{where}")


@app.command("list")
def list_sources(
    data: DataOption = None, url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False
) -> None:
    """List the sources in the order in which their word counts."""
    with open_api(data, url, token) as api:
        found = list(api.pages("/sources"))
    if as_json:
        print_json(found)
        return
    rows = [
        [
            item["displayName"],
            item["kind"],
            item["state"],
            str(item["precedence"]),
            f"{item['mirror']['users']:,}",
            f"{item['mirror']['groups']:,}",
            _read(item["mirror"]),
        ]
        for item in found
    ]
    out.print(table("Sources", ["Name", "Kind", "State", "Precedence", "Users", "Groups", "Last read"], rows))


@app.command("show")
def show(
    source: SourceArgument,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a source: its connection, how far it was read, what could not be read, and why it is in quarantine."""
    with _open(source, data, url, token) as found:
        secrets = found.api.get(f"{found.path}/secrets")["value"]
        shown = {
            **found.document,
            "connection": {item["key"]: item["value"] for item in secrets},
            "quarantine": found.api.get(found.job_path)["status"]["quarantine"],
        }
    if as_json:
        print_json(shown)
        return
    mirror = shown["mirror"]
    rows = [["Kind", shown["kind"]], ["State", shown["state"]], ["Precedence", str(shown["precedence"])]]
    rows += [[f"Connection: {name}", value] for name, value in shown["connection"].items()]
    rows += [["Users", f"{mirror['users']:,}"], ["Groups", f"{mirror['groups']:,}"], ["Last read", _read(mirror)]]
    out.print(table(shown["displayName"], ["What", "Value"], rows))
    if quarantine := shown["quarantine"]:
        out.print(f"[red]{escape(quarantine['error']['message'])}[/red]")
    _print_problems(mirror)


@app.command("set")
def set_values(
    source: SourceArgument,
    values: SetOption = None,
    stdin: StdinOption = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Change the connection of a source, or settings of its job such as Precedence and ReadEvery."""
    given = _given(values, stdin)
    if not given:
        raise Misused("Give at least one --set NAME=VALUE, or --stdin NAME.")
    with _open(source, data, url, token) as found:
        kind = next(item for item in found.api.pages("/sources/kinds") if item["kind"] == found.document["kind"])
        fields = {field["name"] for field in kind["connection"]}
        connection = {name: value for name, value in given.items() if name in fields}
        settings = [{"name": name, "value": value} for name, value in given.items() if name not in fields]
        if connection:
            kept = {item["key"]: item["value"] for item in found.api.get(f"{found.path}/secrets")["value"]}
            body = [{"key": name, "value": value} for name, value in {**kept, **connection}.items()]
            found.api.call("PUT", f"{found.path}/secrets", {"value": body})
        if settings:
            found.api.patch(found.job_path, {"synchronizationJobSettings": settings})
    out.print(f"{escape(found.name)}: {escape(', '.join(sorted(given)))} set.")


@app.command("test")
def test(source: SourceArgument, data: DataOption = None, url: UrlOption = None, token: TokenOption = None) -> None:
    """Test the connection of a source."""
    with _open(source, data, url, token) as found:
        tested = found.api.post(f"{found.job_path}/validateCredentials", {"useSavedCredentials": True})
    out.print(f"{escape(found.name)} can be read. {escape(tested['found'])}")


@app.command("preview")
def preview(
    source: SourceArgument,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a source and say what that would change in the directory: hires, changes, leavers, conflicts."""
    with _open(source, data, url, token) as found:
        with err.status(f"Reading {found.name} …"):
            answer = await_work(found.api, found.api.post(f"{found.job_path}/plans"))
        made = found.api.get(f"{found.job_path}/plans/{segment(answer['hash'])}")
        mirror = found.api.get(f"{found.job_path}/mirror")
        if as_json:
            print_plan(found.api, made, mirror=mirror)
            return
    show_plan(made, found.name)
    for sentence in (*mirror["problems"][:_SHOWN_PROBLEMS], mirror["incompleteBecause"]):
        if sentence:
            out.print(f"[yellow]{escape(sentence)}[/yellow]")
    out.print(f"[bold]{escape(made['summary'])}[/bold]")


@app.command("start")
def start(source: SourceArgument, data: DataOption = None, url: UrlOption = None, token: TokenOption = None) -> None:
    """Start a source: it is read at once, and then as often as its setting ReadEvery says."""
    with _open(source, data, url, token) as found:
        found.api.post(f"{found.job_path}/start")
    out.print(f"{escape(found.name)} is started.")


@app.command("pause")
def pause(source: SourceArgument, data: DataOption = None, url: UrlOption = None, token: TokenOption = None) -> None:
    """Pause a source: its people stay as they are."""
    with _open(source, data, url, token) as found:
        found.api.post(f"{found.job_path}/pause")
    out.print(f"{escape(found.name)} is paused; its people stay as they are.")


@app.command("read")
def read(
    source: SourceArgument,
    anew: Annotated[bool, typer.Option("--anew", help="Read everything, not only what is new.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a started source now, and carry what is new into the directory."""
    with _open(source, data, url, token) as found:
        if anew:
            found.api.post(f"{found.job_path}/mirror/readAnew")
        with err.status(f"Reading {found.name} …"):
            answer = await_work(found.api, found.api.post(f"{found.job_path}/cycles"))
        mirror = found.api.get(f"{found.job_path}/mirror")
    counters = answer.get("counters") or {}
    if as_json:
        print_json({"counters": counters, "mirror": mirror})
    elif not counters:
        out.print(f"Nothing is new: {number_of(mirror['users'], 'user')} and {number_of(mirror['groups'], 'group')}.")
    else:
        names = ("created", "updated", "disabled", "deleted", "held", "unchanged", "skipped", "failed")
        out.print(table(f"Read {found.name}", list(names), [[str(counters[name]) for name in names]]))
    if not as_json:
        _print_problems(mirror)
    if failed := counters.get("failed"):
        said = number_of(failed, "entry", "entries")
        raise Failed(f"{said} of {found.name} failed: see muster source show, or muster logs.")


@app.command("accept")
def accept(source: SourceArgument, data: DataOption = None, url: UrlOption = None, token: TokenOption = None) -> None:
    """Accept that whoever was missing from the last read of everybody has left."""
    with _open(source, data, url, token) as found:
        gone = found.api.post(f"{found.job_path}/mirror/acceptMissing")["accepted"]
    out.print(f"{gone} leave with the next cycle of {escape(found.name)}.")


@app.command("remove")
def remove(
    source: SourceArgument,
    people: Annotated[
        Literal["keep", "delete"],
        typer.Option(help="keep: they stay, edited here from now on. delete: whom no other source has leaves."),
    ],
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Remove a source, saying what becomes of its people."""
    with _open(source, data, url, token) as found:
        done = found.api.call("DELETE", f"/sources/{segment(found.document['id'])}?people={people}")
    out.print(
        f"{escape(found.name)} is in the recycle bin; "
        f"{number_of(done['removedPeople'], 'person', 'people')} went with it."
    )


@contextmanager
def _open(source: str, data: Path | None, url: str | None, token: str | None) -> Iterator[_Found]:
    with open_api(data, url, token) as api:
        there = list(api.pages("/sources"))
        found = [item for item in there if source in (item["id"], item["displayName"])]
        if not found:
            names = ", ".join(item["displayName"] for item in there)
            raise Failed(
                f"There is no source “{source}”. "
                + (f"There are: {names}." if names else "Add one with muster source add.")
            )
        if len(found) > 1:
            ids = ", ".join(item["id"] for item in found)
            raise Failed(f"{len(found)} sources are called “{source}”: name one by id ({ids}).")
        yield _Found(api=api, document=found[0])


def _given(values: Sequence[str] | None, stdin: str | None) -> dict[str, str]:
    given: dict[str, str] = {}
    for item in values or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Misused(f"--set takes NAME=VALUE, and {item} is not.")
        given[name] = value
    if stdin is not None:
        given[stdin] = sys.stdin.readline().rstrip("\r\n")
    return given


def _asked(field: dict[str, Any]) -> str:
    if field["required"]:
        return "required"
    return field["default"] or "–"


def _print_problems(mirror: dict[str, Any]) -> None:
    """Prints what could not be read, or (none of it is a problem) what was left out of those who could."""
    mark = "[red]✗[/red]" if mirror["problemCount"] else "[yellow]![/yellow]"
    for problem in mirror["problems"][:_SHOWN_PROBLEMS]:
        out.print(f"  {mark} {escape(problem)}")
    if mirror["incompleteBecause"]:
        out.print(f"[yellow]{escape(mirror['incompleteBecause'])}[/yellow]")


def _read(mirror: dict[str, Any]) -> str:
    at = mirror["readDateTime"]
    if at is None:
        return "not yet"
    return f"{at[:16].replace('T', ' ')} UTC{' (not complete)' if mirror['incompleteBecause'] else ''}"
