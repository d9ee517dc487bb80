"""`muster links | promote`: which accounts are whose, and making accounts that were there before us ours."""

from itertools import islice
from typing import Annotated

import typer

from muster.cli.api import segment
from muster.cli.applications import find_application
from muster.cli.console import Failed, out, print_json, table
from muster.cli.provisioning import AppArgument
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api

_SHOWN = 100


def links(
    app: AppArgument,
    state: Annotated[str | None, typer.Option(help="seen, adopted, managed or released.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List whose account is which at the application, and how far it is ours."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        pages = api.pages(f"{application.job_path}/links" + ("" if state is None else f"?state={segment(state)}"))
        found = list(pages if as_json else islice(pages, _SHOWN + 1))
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("There is no such link.")
        return
    rows = [[item["displayName"] or item["sourceId"], item["targetId"], item["state"]] for item in found[:_SHOWN]]
    out.print(table(f"Links of {application.display_name}", ["Who", "Account", "State"], rows))
    if len(found) > _SHOWN:
        out.print("… and more (--json shows all).")


def promote(
    app: AppArgument,
    users: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="Principal names or ids.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All adopted accounts, groups too.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make accounts that were there before us ours: they may be deleted, too."""
    if everyone == bool(users):
        raise Failed("Name users, or give --all.")
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        ids = [api.get(f"/users/{segment(user)}")["id"] for user in users or ()]
        body = {"all": True} if everyone else {"sourceIds": ids}
        answer = api.post(f"{application.job_path}/links/promote", body)
    if as_json:
        print_json(answer)
    else:
        out.print(f"{answer['promoted']} promoted; who was managed already stays so.")
