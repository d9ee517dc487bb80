"""`muster logs`: the provisioning log of an application, shown or written as a file."""

from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from muster.cli.api import Api, ApiError, query, segment
from muster.cli.applications import find_application
from muster.cli.console import out, print_json, table
from muster.cli.log_export import LogFormat, literal, write_log
from muster.cli.provisioning import AppArgument
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.log import LogStatus
from muster.web.graph.filters import read_instant
from muster.web.graph.log_table import Part

_FORBIDDEN = 403


def read_since(text: str) -> datetime:
    """Returns the instant that an option names. Raises: BadParameter."""
    found = read_instant(text)
    if found is None:
        raise typer.BadParameter(f"“{text}” is no instant: it takes one such as 2026-01-31T00:00:00Z.")
    return found


def logs(
    app: AppArgument,
    top: Annotated[int, typer.Option(help="How many entries.", min=1, max=1000)] = 25,
    status: Annotated[LogStatus | None, typer.Option(help="Only entries with this status.")] = None,
    who: Annotated[str | None, typer.Option("--user", help="Id of a user.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Error code or skip reason.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Only from this instant on, 2026-01-31T00:00:00Z.", parser=read_since, metavar="INSTANT"),
    ] = None,
    form: Annotated[
        LogFormat | None, typer.Option("--format", help="Write all that is found, csv or json, to stdout.")
    ] = None,
    part: Annotated[
        Part | None,
        typer.Option(help="Which table of the CSV: logs (default), steps or modifiedProperties.", show_default=False),
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the provisioning log, newest first."""
    if part is not None and form is not LogFormat.CSV:
        raise typer.BadParameter("it is a table of the CSV: give --format csv too.", param_hint="--part")
    with open_api(data, url, token) as api:
        name, clause = _log_of(api, app)
        clauses = [clause]
        if status is not None:
            clauses.append(f"provisioningStatusInfo/status eq '{status.value}'")
        if who is not None:
            clauses.append(_whose(api, who))
        if code is not None:
            clauses.append(f"provisioningStatusInfo/errorInformation/errorCode eq '{literal(code)}'")
        if since is not None:
            clauses.append(f"activityDateTime ge {since.isoformat().replace('+00:00', 'Z')}")
        if form is not None:
            whole = query(filter=" and ".join(clauses), top=500)
            write_log(api.pages(f"/auditLogs/provisioning{whole}"), form, part or Part.LOGS)
            return
        options = query(filter=" and ".join(clauses), orderby="activityDateTime desc", top=top)
        entries = list(islice(api.pages(f"/auditLogs/provisioning{options}"), top))
    if as_json:
        print_json(entries)
        return
    if not entries:
        out.print("The log has no such entry.")
        return
    rows = [
        [
            entry["activityDateTime"][:19].replace("T", " "),
            entry["provisioningAction"],
            entry["sourceIdentity"]["displayName"] or "–",
            entry["provisioningStatusInfo"]["status"],
            _why(entry),
        ]
        for entry in entries
    ]
    out.print(table(f"Provisioning log of {name}", ["When", "Action", "Who", "Status", "Why"], rows))


def _log_of(api: Api, app: str) -> tuple[str, str]:
    """Returns the name of an application and what its log is found by. Raises: Failed."""
    try:
        application = find_application(api, app)
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        # Who may read logs alone may not look applications up: each entry of the log says whose it is.
        return app, _either("servicePrincipal/displayName", "servicePrincipal/id", app)
    return application.display_name, f"jobId eq '{application.job_id}'"


def _whose(api: Api, who: str) -> str:
    """Returns what the log of a user is found by. Raises: Failed."""
    try:
        return f"sourceIdentity/id eq '{api.get(f'/users/{segment(who)}')['id']}'"
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return _either("sourceIdentity/displayName", "sourceIdentity/id", who)


def _either(first: str, second: str, value: str) -> str:
    return f"({first} eq '{literal(value)}' or {second} eq '{literal(value)}')"


def _why(entry: dict[str, Any]) -> str:
    information = entry["provisioningStatusInfo"].get("errorInformation") or {}
    if information.get("reason"):
        return f"{information.get('errorCode')}: {information['reason']}"
    steps = entry["provisioningSteps"]
    return steps[-1]["description"] if steps else ""
