"""`muster import`: people and groups from a file into the directory."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from muster.cli.api import Api, segment
from muster.cli.applications import await_work
from muster.cli.console import Failed, err, out, print_json, table
from muster.cli.provisioning import show_plan
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api

_SHOWN_PROBLEMS = 20


def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON file with people (and groups).")],
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
        if plan:
            _show_preview(_plan(api, answer), file.name, as_json=as_json)
            return
        counters = answer.get("counters") or {}
        problems = _problems(api, str(answer.get("cycleId"))) if counters.get("failed") else []
    if as_json:
        print_json({**answer, "problems": problems})
    else:
        names = ("created", "updated", "unchanged", "skipped", "failed")
        out.print(table(f"Imported {file.name}", list(names), [[str(counters.get(name, 0)) for name in names]]))
        _print_problems(problems)
        if missing := answer.get("managersNotFound"):
            out.print(escape(_managers_not_found(missing["count"], missing["names"])))
    if problems:
        said = "1 entry was" if len(problems) == 1 else f"{len(problems)} entries were"
        raise Failed(f"{said} not imported from {file.name}; the others were.")


def _show_preview(made: dict[str, Any], name: str, *, as_json: bool) -> None:
    """Prints what an import would do, and the rows it would leave out. Raises: Failed if there are any."""
    wrong = [item for item in made["operations"] if item["kind"] == "fail"]
    problems = [_sentence(item["failure"] or item) for item in wrong]
    if as_json:
        print_json({**made, "problems": problems})
    else:
        _print_problems(problems)
        right = [item for item in made["operations"] if item["kind"] != "fail"]
        # Rows of an earlier file that failed are not tried again by themselves.
        show_plan({**made, "operations": right, "failedWaiting": {"count": 0}}, name, as_json=False)
    if problems:
        said = "1 entry" if len(problems) == 1 else f"{len(problems)} entries"
        raise Failed(f"{said} of {name} would not be imported; the others would.")


def _managers_not_found(count: int, names: list[str]) -> str:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    said = "1 manager" if count == 1 else f"{count} managers"
    return f"{said} not found yet: {', '.join(names)}{more}. Whoever they lead gets them once they are imported."


def _print_problems(problems: list[str]) -> None:
    for problem in problems[:_SHOWN_PROBLEMS]:
        out.print(f"  [red]✗[/red] {escape(problem)}")
    if len(problems) > _SHOWN_PROBLEMS:
        out.print(f"  … and {len(problems) - _SHOWN_PROBLEMS} more (--json shows all).")


def _sentence(failure: dict[str, Any]) -> str:
    return f"{failure.get('reason', '')} {failure.get('recommendedAction', '')}".strip()


def _plan(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    job = f"/servicePrincipals/{segment(answer['servicePrincipalId'])}/synchronization/jobs/{segment(answer['jobId'])}"
    return dict(api.get(f"{job}/plans/{segment(answer['hash'])}"))


def _problems(api: Api, cycle_id: str) -> list[str]:
    rows = api.pages(f"/auditLogs/provisioning?$filter=cycleId%20eq%20'{cycle_id}'")
    found = []
    for row in rows:
        information = row["provisioningStatusInfo"].get("errorInformation") or {}
        if row["provisioningStatusInfo"]["status"] == "failure":
            found.append(_sentence(information))
    return found
