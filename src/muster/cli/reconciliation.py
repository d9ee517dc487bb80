"""`muster reconcile`: compares everything with what the application has, and names accounts that nobody manages."""

from itertools import islice
from typing import Annotated, Any

import typer

from muster.cli.api import segment
from muster.cli.applications import await_work, find_application
from muster.cli.console import err, out, print_json, table
from muster.cli.provisioning import AppArgument
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.counting import number_of

_SHOWN = 100
_COUNTED = ("evaluated", "drifted", "created", "updated", "disabled", "deleted", "references", "failed")


def reconcile(
    app: AppArgument,
    show: Annotated[bool, typer.Option("--show", help="Show what the last one found, without a new one.")] = False,
    standing: Annotated[str | None, typer.Option(help="local, unassigned or assigned.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare everything with what the application has, and name accounts there that nobody manages."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        if not show:
            with err.status(f"Reconciling {application.display_name} …"):
                await_work(api, api.post(f"{application.job_path}/cycles", {"kind": "reconciliation"}))
        summary = api.get(f"{application.job_path}/reconciliation")
        chosen = "" if standing is None else f"?standing={segment(standing)}"
        pages = api.pages(f"{application.job_path}/discoveredAccounts{chosen}")
        accounts = list(pages if as_json else islice(pages, _SHOWN + 1))
    if as_json:
        print_json({**summary, "accounts": accounts})
        return
    _print(application.display_name, summary, accounts)


def _print(name: str, summary: dict[str, Any], accounts: list[dict[str, Any]]) -> None:
    cycle = summary["lastCycle"]
    if cycle is None:
        out.print(f"{name} has not been reconciled yet.")
        return
    counters = cycle["counters"]
    out.print(table(f"Reconciliation of {name}", list(_COUNTED), [[str(counters[each]) for each in _COUNTED]]))
    counts = ", ".join(f"{count} {standing}" for standing, count in summary["unmanagedAccounts"].items())
    out.print(f"{number_of(summary['linkedAccounts'], 'account is', 'accounts are')} linked; unmanaged: {counts}.")
    if accounts:
        rows = [
            [item["displayName"] or item["targetId"], item["targetType"], item["standing"], item["sourceName"] or "–"]
            for item in accounts[:_SHOWN]
        ]
        out.print(table("Accounts that nobody manages", ["Account", "Type", "Standing", "In the directory"], rows))
    if len(accounts) > _SHOWN:
        out.print("… and more (--json shows all).")
