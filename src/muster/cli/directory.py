"""`muster import`: people and groups from a file into the directory."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from muster.cli.api import Api, segment
from muster.cli.applications import await_work
from muster.cli.console import Failed, err, out, print_json, table
from muster.cli.provisioning import print_plan, show_plan
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.counting import number_of

_SHOWN_PROBLEMS = 20


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or LDIF file with people (and groups).")],
    plan: Annotated[bool, typer.Option("--plan", help="Only show what it would do; write nothing.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a file into the directory; nobody is ever removed."""
    if not file.is_file():
        raise Failed(f"There is no file {file}.")
    with open_api(data, url, token) as api:
        headers = {"content-type": "application/octet-stream"}
        path = f"/imports?fileName={segment(file.name)}&preview={str(plan).lower()}"
        work = api.call("POST", path, raw=file.read_bytes(), headers=headers)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True, disable=as_json) as progress:
            progress.add_task(f"{'Planning' if plan else 'Importing'} {file.name} …", total=None)
            answer = await_work(api, work)
        notices = work["notices"]
        if plan:
            made = {**_plan(api, answer), "notices": notices}
            if missing := answer.get("managersNotFound"):
                made["managersNotFound"] = missing
            _show_preview(api, made, file.name, as_json=as_json)
            return
        counters = answer.get("counters") or {}
        problems = _problems(api, str(answer.get("cycleId"))) if counters.get("failed") else []
    if as_json:
        print_json({**answer, "problems": problems, "notices": notices})
    else:
        _print_notices(notices)
        names = ("created", "updated", "unchanged", "skipped", "failed")
        out.print(table(f"Imported {file.name}", list(names), [[str(counters.get(name, 0)) for name in names]]))
        _print_problems(problems)
        _print_missing(answer)
    if problems:
        said = number_of(len(problems), "entry was", "entries were")
        raise Failed(f"{said} not imported from {file.name}; the others were.")


def _show_preview(api: Api, made: dict[str, Any], name: str, *, as_json: bool) -> None:
    """Prints what an import would do, and the rows it would leave out. Raises: Failed if there are any."""
    failed = made["counters"]["failed"]
    wrong = [item for item in api.items(made, "operations") if item["kind"] == "fail"] if failed else []
    problems = [_problem(item["sourceId"], item["sourceName"], item["failure"] or item) for item in wrong]
    if as_json:
        print_plan(api, made, problems=problems)
    else:
        _print_notices(made["notices"])
        _print_problems(problems)
        right = [item for item in made["operations"] if item["kind"] != "fail"]
        # Rows of an earlier file that failed are not tried again by themselves.
        count = made["operationCount"] - len(wrong)
        show_plan({**made, "operations": right, "operationCount": count, "failedWaiting": {"count": 0}}, name)
        out.print(f"[bold]{escape(made['summary'])}[/bold]")
        _print_missing(made)
    if problems:
        said = number_of(len(problems), "entry", "entries")
        raise Failed(f"{said} of {name} would not be imported; the others would.")


def _print_notices(notices: list[str]) -> None:
    """Prints what was guessed about the file."""
    for notice in notices:
        out.print(f"[yellow]{escape(notice)}[/yellow]")


def _print_missing(answer: dict[str, Any]) -> None:
    """Prints the managers who are not there."""
    missing = answer.get("managersNotFound")
    if not missing:
        return
    count, names = missing["count"], missing["names"]
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    said = f"{number_of(count, 'manager')} not found yet: {', '.join(names)}{more}."
    out.print(escape(f"{said} Whoever they lead gets them once they are imported."))


def _print_problems(problems: list[str]) -> None:
    for problem in problems[:_SHOWN_PROBLEMS]:
        out.print(f"  [red]✗[/red] {escape(problem)}")
    if len(problems) > _SHOWN_PROBLEMS:
        out.print(f"  … and {len(problems) - _SHOWN_PROBLEMS} more (--json shows all).")


def _problem(source_id: str, name: str, failure: dict[str, Any]) -> str:
    """Returns a sentence that names whom it is about; one about a row, which is nobody yet, names the line itself."""
    said = f"{failure.get('reason', '')} {failure.get('recommendedAction', '')}".strip()
    if not source_id:
        return said
    return f"{name} ({source_id}): {said}" if name and name != source_id else f"{source_id}: {said}"


def _plan(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    job = f"/servicePrincipals/{segment(answer['servicePrincipalId'])}/synchronization/jobs/{segment(answer['jobId'])}"
    return dict(api.get(f"{job}/plans/{segment(answer['hash'])}"))


def _problems(api: Api, cycle_id: str) -> list[str]:
    rows = api.pages(f"/auditLogs/provisioning?$filter=cycleId%20eq%20'{cycle_id}'")
    found = []
    for row in rows:
        information = row["provisioningStatusInfo"].get("errorInformation") or {}
        if row["provisioningStatusInfo"]["status"] == "failure":
            source = row["sourceIdentity"]
            found.append(_problem(source["id"], source["displayName"], information))
    return found
