"""`muster held | approve | reject | plans | rollback`: what waits for an administrator, and plans that were made."""

from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape

from muster.cli.api import Api, query, segment
from muster.cli.applications import Named, await_work, find_application
from muster.cli.console import Failed, out, print_json, table
from muster.cli.provisioning import AppArgument, print_plan, reach, show_plan
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api

_SHOWN = 40

StateOption = Annotated[str, typer.Option(help="held, approved, rejected or waiting.")]
UsersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="WHO...", help="Names or ids of the people or groups, or parts of them.")
]
CauseOption = Annotated[str | None, typer.Option(help="All of one cause: its key, as muster held shows it.")]
KindOption = Annotated[str | None, typer.Option(help="All of one kind: disable, delete, create, update, refer.")]
AllOption = Annotated[bool, typer.Option("--all", help="Everything that is held.")]


def held(
    app: AppArgument,
    state: StateOption = "held",
    cause: CauseOption = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what waits for an administrator, grouped by what brought it about."""
    given = {"state": state, **({} if cause is None else {"cause": cause})}
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        path = f"{application.job_path}/heldOperations"
        causes = api.get(f"{path}/causes{_options(given)}")["value"]
        pages = api.pages(f"{path}{_options(given)}")
        found = list(pages if as_json else islice(pages, _SHOWN + 1))
    if as_json:
        print_json(found)
        return
    if not found:
        out.print(f"Nothing is {state} for {application.display_name}.")
        return
    title = f"{state.capitalize()} for {application.display_name}, by cause"
    rows = [[str(item["count"]), item["kind"], _sentence(item), _key(item)] for item in causes]
    out.print(table(title, ["How many", "What", "Because", "Cause"], rows))
    details = [
        [item["operation"]["kind"], item["operation"]["sourceName"], item["reason"], item["decidedBy"] or "–"]
        for item in found[:_SHOWN]
    ]
    out.print(table("One by one", ["What", "Who", "Why it is held", "Decided by"], details))
    if len(found) > _SHOWN:
        out.print("… and more (--json shows all).")


def approve(
    app: AppArgument,
    users: UsersArgument = None,
    cause: CauseOption = None,
    kind: KindOption = None,
    everything: AllOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let held operations go: named ones, those of a cause, or all."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        answer = _decide(api, application, "approve", users, cause, kind, everything=everything)
    _report(answer, "approved", as_json=as_json)


def reject(
    app: AppArgument,
    users: UsersArgument = None,
    cause: CauseOption = None,
    kind: KindOption = None,
    everything: AllOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep held operations from going until their person changes."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        answer = _decide(api, application, "reject", users, cause, kind, everything=everything)
    _report(answer, "rejected", as_json=as_json)


def plans(
    app: AppArgument,
    top: Annotated[int, typer.Option(help="How many plans.", min=1, max=200)] = 20,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the plans of an application, newest first."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        found = api.get(f"{application.job_path}/plans" + query(top=top))["value"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print(f"{application.display_name} has no plan yet: make one with muster plan.")
        return
    rows = [
        [
            item["hash"][:12],
            item["kind"],
            item["madeDateTime"][:19].replace("T", " "),
            (item["appliedDateTime"] or "–")[:19].replace("T", " "),
            str(item["operationCount"]),
            str(item["heldCount"]),
        ]
        for item in found
    ]
    out.print(
        table(f"Plans of {application.display_name}", ["Hash", "Kind", "Made", "Applied", "Operations", "Held"], rows)
    )


def rollback(
    app: AppArgument,
    cycle: Annotated[
        str | None, typer.Argument(metavar="CYCLE", help="Id of a cycle; without it the last one that wrote.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan how to take back what a cycle has done, and say what cannot be undone. Apply the plan by its hash."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        cycle_id = cycle or _last_that_wrote(api, application)
        work = api.post(f"{application.job_path}/cycles/{segment(cycle_id)}/rollback")
        answer = await_work(api, work)
        made = api.get(f"{application.job_path}/plans/{segment(answer['hash'])}")
        if as_json:
            print_plan(api, made)
            return
    show_plan(made, application.display_name)
    if made["operations"]:
        print(f"Take it back with: muster apply {made['hash'][:12]}{reach(data, url)}")
        print("The job is paused then: else its next cycle would do again what is taken back.")


def _last_that_wrote(api: Api, application: Named) -> str:
    """Returns the id of the newest cycle that has written. Raises: Failed."""
    if application.is_of_clients:
        raise Failed(
            f"{application.display_name} has no cycles to take back: whoever was deleted is in the recycle bin, "
            "from which they can be restored."
        )
    for found in api.get(f"{application.job_path}/cycles" + query(top=100))["value"]:
        if found["counters"]["writes"] and found["state"] != "Running":
            return str(found["id"])
    raise Failed(f"No recent cycle of {application.display_name} has written anything.")


def _decide(
    api: Api,
    application: Named,
    action: str,
    users: list[str] | None,
    cause: str | None,
    kind: str | None,
    *,
    everything: bool,
) -> dict[str, Any]:
    chosen = {name: value for name, value in (("cause", cause), ("kind", kind)) if value is not None}
    if sum((bool(users), everything, bool(chosen))) != 1:
        raise Failed("Say which: names, --cause or --kind, or --all.")
    path = f"{application.job_path}/heldOperations"
    if users:
        body: dict[str, Any] = {"ids": [hold for user in users for hold in _held_of(api, path, user, action)]}
    else:
        body = {"all": True} if everything else {"filter": chosen}
    answer = dict(api.post(f"{path}/{action}", body))
    if chosen and not any(answer[word] for word in ("approved", "rejected") if word in answer):
        raise Failed("Nothing is held for that: muster held shows the causes and kinds.")
    return answer


def _held_of(api: Api, path: str, name: str, action: str) -> list[str]:
    """Returns the ids of what is held of those who bear a name, a principal name or an object id.

    Raises: Failed when it is nobody, or several people.
    """
    known = name
    found = _search_held(api, path, known, action)
    if not found and "@" in name:
        # What is held knows display names and ids.
        known = _id_of(api, name)
        found = _search_held(api, path, known, action)
    exact = [item for item in found if known in (item["operation"]["sourceName"], item["operation"]["sourceId"])]
    people = exact or found
    if not people:
        raise Failed(f"Nothing is held of “{name}”: see muster held.")
    if len({item["operation"]["sourceId"] for item in people}) > 1:
        names = ", ".join(sorted({item["operation"]["sourceName"] for item in people})[:5])
        raise Failed(f"“{name}” is several: {names}. Name one in full.")
    return [item["id"] for item in people]


def _search_held(api: Api, path: str, name: str, action: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for state in ("held", "rejected" if action == "approve" else "approved"):
        found += api.pages(f"{path}{_options({'state': state, 'search': name})}")
    return found


def _id_of(api: Api, principal_name: str) -> str:
    """Returns the object id of somebody, in the recycle bin too. Raises: Failed."""
    asked = query(filter=f"userPrincipalName eq '{principal_name.replace(chr(39), 2 * chr(39))}'", top=1)
    for place in ("/users", "/directory/deletedItems/microsoft.graph.user"):
        for found in api.get(f"{place}{asked}")["value"]:
            return str(found["id"])
    raise Failed(f"Nobody is called “{principal_name}”: see muster held for who is held.")


def _report(answer: dict[str, Any], word: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        left = f"; {answer['undecided']} still wait" if answer["undecided"] else ""
        out.print(f"{answer[word]} {word}{left}.")
        for each in answer.get("stayed", ()):
            out.print(f"{escape(each['displayName'])} stays: {escape(each['reason'])}")


def _sentence(item: dict[str, Any]) -> str:
    return escape(str((item["cause"] or {}).get("sentence") or item["code"]))


def _key(item: dict[str, Any]) -> str:
    return str((item["cause"] or {}).get("key", "–"))


def _options(given: dict[str, str]) -> str:
    return "?" + "&".join(f"{name}={segment(value)}" for name, value in given.items())
