"""`muster plan | apply | provision | explain | watch`: an application's job from the command line."""

import json
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from muster.cli.api import Api, ApiError, query, segment
from muster.cli.applications import Named, await_work, find_application, find_group, find_planned, newest_cycle
from muster.cli.console import Failed, err, out, print_json, table
from muster.cli.progress import watch_cycle
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.counting import number_of

AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Display name or id of the application.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Principal name or id of the user.")]
_SHOWN_OPERATIONS = 40
# A plan is found by no less of its hash.
_HASH_DIGITS = 8


def plan(
    app: AppArgument,
    rules: Annotated[
        Path | None,
        typer.Option(help="Try the rules of this file (JSON): what would change; nothing is saved."),
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Try another scope instead: all, or assigned.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the next cycle would do, without doing it. The plan is kept; apply it by its hash."""
    asked = _asked(rules, scope)
    with open_api(data, url, token) as api:
        application = find_planned(api, app)
        if asked:
            with err.status(f"Trying other rules for {application.display_name} …"):
                tried = api.post(f"{application.job_path}/whatIf", asked)
            _show_what_if(tried, application.display_name, as_json=as_json)
            return
        with err.status(f"Planning {application.display_name} …"):
            answer = await_work(api, api.post(f"{application.job_path}/plans"))
        made = api.get(f"{application.job_path}/plans/{segment(answer['hash'])}")
        if as_json:
            print_plan(api, made)
            return
    show_plan(made, application.display_name)
    if made["operations"] or made["kind"] == "approval":
        print(f"Apply exactly this with: muster apply {made['hash'][:12]}{reach(data, url)}")


def print_plan(api: Api, made: dict[str, Any], **more: Any) -> None:
    """Prints a plan as one JSON document in one line, its operations page by page: there may be a million."""
    lists = ("operations", "held")
    head = {name: value for name, value in made.items() if "@odata" not in name and name not in lists}
    print(json.dumps({**head, **more}, ensure_ascii=False, default=str).removesuffix("}"), end="")
    for name in lists:
        print(f', "{name}": [', end="")
        for number, item in enumerate(api.items(made, name)):
            print(", " * (number > 0) + json.dumps(item, ensure_ascii=False), end="")
        print("]", end="")
    print("}", flush=True)


def show_plan(made: dict[str, Any], name: str) -> None:
    """Prints a plan: who, what and why, what is held, and what it costs."""
    operations = [item for item in made["operations"] if item["kind"] not in ("skip",)]
    rows = [
        [item["kind"], item["sourceName"], _changes(item), item["reason"]] for item in operations[:_SHOWN_OPERATIONS]
    ]
    if rows:
        out.print(table(f"Plan for {name}", ["Action", "Who", "What", "Why"], rows))
    if made["operationCount"] > len(rows) > 0:
        out.print(f"… and {made['operationCount'] - len(rows)} more (--json shows all).")
    for item in made["held"][:_SHOWN_OPERATIONS]:
        why = f" (because: {item['cause']['sentence']})" if item["cause"] else ""
        held = f"{item['kind']} {item['sourceName']}: {item['holdReason']}{why}"
        out.print(f"[yellow]held[/yellow] {escape(held)}")
    for item in made["irreversible"][:_SHOWN_OPERATIONS]:
        short = (item["attribute"] or "").rsplit(":", 1)[-1]
        what = f"{short} of {item['sourceName']}" if short else item["sourceName"]
        out.print(f"[red]cannot be undone[/red] {escape(what)}: {escape(item['reason'])}")
    failed = _failed_that_wait(made["failedWaiting"])
    if operations or made["held"]:
        if failed:
            out.print(f"[yellow]{failed}[/yellow].")
    elif made["kind"] == "rollback":
        out.print("Nothing is left to take back.")
    elif failed:
        out.print(f"Nothing is due now; {failed}.")
    elif not made["counters"]["failed"]:
        out.print(f"Nothing to do: {name} is as the directory and the rules want it.")
    counters = made["counters"]
    names = ("created", "updated", "disabled", "deleted", "held", "unchanged", "skipped", "failed")
    out.print(" · ".join(f"{counters[name]} {name}" for name in names))
    needed = f"{_counted(made['requests'], 'request')}, about {_in_words(made['duration'])}"
    out.print(f"{needed}. Hash [bold]{made['hash']}[/bold]")


def _failed_that_wait(waiting: dict[str, Any]) -> str:
    """Returns how many failed and wait, and until when; nothing when none does."""
    if not waiting["count"]:
        return ""
    verb = "waits" if waiting["count"] == 1 else "wait"
    due = waiting["nextAttemptDateTime"]
    return f"{waiting['count']} failed and {verb}, next try at {due[:16].replace('T', ' ')} UTC"


def _asked(rules: Path | None, scope: str | None) -> dict[str, Any]:
    """Returns the body of a what-if, nothing for a plan. Raises: Failed."""
    asked: dict[str, Any] = {"top": _SHOWN_OPERATIONS}
    if rules is not None:
        try:
            asked["schema"] = json.loads(rules.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Failed(f"{rules} cannot be read as a synchronization schema (JSON): {error}") from error
    if scope is not None:
        if scope not in ("all", "assigned"):
            raise Failed("--scope takes all or assigned.")
        asked["syncAll"] = scope == "all"
    return asked if len(asked) > 1 else {}


def _show_what_if(tried: dict[str, Any], name: str, *, as_json: bool) -> None:
    """Prints what other rules would change: in one sentence, then person by person."""
    if as_json:
        print_json(tried)
        return
    rows = [
        [item["after"] or "–", item["sourceName"], _changes({**item, "kind": item["after"]}), item["reason"]]
        for item in tried["objects"]
    ]
    if rows:
        out.print(table(f"With these rules, {name}", ["Action", "Who", "What", "Why"], rows))
    if tried["affected"] > len(rows):
        out.print(f"… and {tried['affected'] - len(rows)} more.")
    for reason in tried["heldReasons"]:
        out.print(f"[yellow]would be held[/yellow] {escape(reason)}")
    out.print(f"[bold]{escape(tried['sentence'])}[/bold], of {tried['considered']}. Nothing was saved or sent.")


def apply(
    plan_hash: Annotated[str, typer.Argument(metavar="HASH", help="Hash of a plan, or its first 8 digits or more.")],
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply exactly a plan, or refuse because the world has moved. The difference is told."""
    if len(plan_hash) < _HASH_DIGITS:
        raise typer.BadParameter(
            f"{plan_hash} is too short for a plan: give at least {_HASH_DIGITS} digits.", param_hint="HASH"
        )
    with open_api(data, url, token) as api:
        application = _owner_of(api, plan_hash)
        try:
            work = api.post(f"{application.job_path}/plans/{segment(plan_hash)}/apply")
        except ApiError as refused:
            if refused.code != "NothingToApply":
                raise
            # Whoever plans and applies by a script is where they want to be.
            if as_json:
                print_json({"counters": {}})
            else:
                out.print("Nothing to do: the plan changes nothing.")
            return
        with err.status(f"Applying the plan to {application.display_name} …"):
            answer = await_work(api, work)
    if as_json:
        print_json(answer)
    else:
        out.print(_summary(answer.get("counters") or {}))
    _fail_if_any_failed(answer.get("counters") or {})


def provision(
    app: AppArgument,
    user: UserArgument,
    group: Annotated[bool, typer.Option("--group", help="USER names a group.")] = False,
    members: Annotated[bool, typer.Option("--members", help="With the group, all its members first.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be done, and write nothing.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Provision one user now (provision on demand) and show each step."""
    if members and not group:
        raise typer.BadParameter("only a group has members: give --group too.", param_hint="--members")
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        kind = "Group" if group else "User"
        object_id = find_group(api, user) if group else api.get(f"/users/{segment(user)}")["id"]
        rule = api.get(f"{application.job_path}/schema")["synchronizationRules"][0]["id"]
        subject: dict[str, Any] = {"objectId": object_id, "objectTypeName": kind}
        if members:
            named = api.pages(f"/groups/{segment(object_id)}/members")
            subject["links"] = {"members": [{"objectId": each["id"], "objectTypeName": "User"} for each in named]}
        body = {"parameters": [{"ruleId": rule, "subjects": [subject]}], "preview": preview}
        with err.status(f"{'Looking at' if preview else 'Provisioning'} {user} …"):
            answer = api.post(f"{application.job_path}/provisionOnDemand", body)
        status = json.loads(answer["key"])
        done = json.loads(answer["value"] or "{}")
        if preview and status["result"] == "Preview":
            _print_preview(done, as_json=as_json)
            return
        change_id = done.get("changeId") if isinstance(done, dict) else None
        options = query(filter=f"jobId eq '{application.job_id}' and changeId eq '{change_id}'", top=1)
        entries = api.get(f"/auditLogs/provisioning{options}")["value"] if change_id else []
    if not entries:
        details = status.get("details") or {}
        why = details.get("errorMessage") or details.get("errorCode")
        remedy = (done.get("statusInfo") or {}).get("recommendedAction") if isinstance(done, dict) else None
        raise Failed(f"{user} was not provisioned: {why}{f' {remedy}' if remedy else ''}")
    entry = entries[0]
    if as_json:
        print_json(entry)
    else:
        _print_entry(entry)
    if entry["provisioningStatusInfo"]["status"] == "failure":
        raise Failed(f"{user} could not be provisioned: see the steps above.")


def _print_preview(shown: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    out.print(f"{shown['reportableIdentifier']}: would be {shown['action']}. {shown['statusInfo']['reason']}")
    rows = [
        [item["displayName"], item["oldValue"] or "–", item["newValue"] or "–"] for item in shown["modifiedProperties"]
    ]
    if rows:
        out.print(table("Values", ["Attribute", "Now", "Then"], rows))
    if shown["members"]:
        rows = [[item["sourceName"], item["action"], item["reason"]] for item in shown["members"]]
        out.print(table("Members", ["Who", "Action", "Why"], rows))


def explain(
    app: AppArgument,
    user: UserArgument,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a user is in or out, and why each attribute has its value."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        found = api.get(f"{application.job_path}/explain?user={segment(user)}")
    if as_json:
        print_json(found)
    else:
        show_explanation(found)


def show_explanation(found: dict[str, Any]) -> None:
    """Prints why somebody is in or out, and why each value."""
    verdict = found["verdict"]
    mark = "[green]in[/green]" if verdict["presence"] == "present" else "[red]out[/red]"
    tree = Tree(f"[bold]{escape(found['source']['displayName'])}[/bold] is {mark}: {escape(verdict['reason'])}")
    for name, value in verdict["details"].items():
        tree.add(escape(f"{name}: {value}"))
    if found["link"]:
        tree.add(escape(f"account at the target: {found['link']['targetId']} ({found['link']['state']})"))
    for grant in found["grants"]:
        way = " › ".join(grant.get("path") or [grant["via"]])
        tree.add(escape(f"role {grant['role']}, {'directly' if grant['viaId'] is None else f'by {way}'}"))
    for step in found.get("chain", ()):
        tree.add(escape(" ".join(part for part in (step["dateTime"], step["sentence"], step["by"]) if part)))
    tree.add(escape(_outlook(found["outlook"])))
    if found["failure"]:
        tree.add(escape(f"{found['failure']['code']}: {found['failure']['reason']}"))
    # Of somebody who is out only the switch flows: the others are not computed.
    flowing = [item for item in found["mappings"] if verdict["inScope"] or item["value"] is not None]
    if flowing:
        values = tree.add("attributes")
        for item in flowing:
            value = item["value"] if item["value"] is not None else "–"
            leaf = values.add(
                f"{escape(item['targetAttribute'])} = [bold]{escape(value)}[/bold]  {escape(_made_by(item))}"
            )
            for origin in item.get("origins", ()):
                leaf.add(escape(_told_by(origin)))
    out.print(tree)


def _made_by(item: dict[str, Any]) -> str:
    """Returns what made a value, and when it, or else what, was sent."""
    made = f"⟵ {item['expression']} ({item['flowType']})"
    at = item.get("lastSentDateTime")
    if at is None:
        return made
    if item["lastSent"] in (None, item["value"]):
        return f"{made}, sent {at}"
    if item["flowsOnce"]:
        return f"{made}, not sent: it flows at creation only, {item['lastSent']} was sent {at}"
    return f"{made}, last sent: {item['lastSent']}, {at}"


def _told_by(origin: dict[str, Any]) -> str:
    """Returns which source gave a value, and since when."""
    since = origin["sinceDateTime"]
    return f"{origin['attribute']} from {origin['source']}" + (f" since {since}" if since else "")


def _outlook(outlook: dict[str, Any]) -> str:
    """Returns when somebody will be done, in a sentence."""
    at, attempt = outlook["expectedDateTime"], outlook["nextAttempt"]
    match outlook["state"]:
        case "done":
            return "nothing is waiting to be done"
        case "stopped":
            return "provisioning is stopped"
        case "held":
            return f"waits for a decision since {outlook['hold']['heldDateTime']}: {outlook['hold']['reason']}"
        case "waitsForRetry" if attempt is not None:
            return f"tried {number_of(attempt['attempts'], 'time')}, next at {at}: {attempt['reason']}"
        case "inCycle":
            return f"in the cycle that runs, {outlook['objectsBefore']} before at most, done by {at or 'nobody knows'}"
    return f"{outlook['state']}: next at {at}"


def watch(
    app: AppArgument,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow the running cycle until it ends, or show the last one."""
    with open_api(data, url, token) as api:
        application = find_application(api, app)
        cycle = newest_cycle(api, application)
        if cycle is None:
            raise Failed(f"{application.display_name} has had no cycle yet: start provisioning first.")
        if cycle["state"] == "Running":
            cycle = watch_cycle(api, application, cycle["id"], quiet=as_json)
    if as_json:
        print_json(cycle)
    else:
        out.print(f"{cycle['kind']} cycle, {cycle['state']}: {_summary(cycle['counters'])}")
    if cycle["failure"]:
        raise Failed(f"{cycle['failure']['reason']} {cycle['failure']['recommendedAction']}")


def _owner_of(api: Api, plan_hash: str) -> Named:
    """Returns the application that a plan is for; the API keeps plans under their job."""
    for principal in api.pages("/servicePrincipals"):
        for job in api.get(f"/servicePrincipals/{segment(principal['id'])}/synchronization/jobs")["value"]:
            named = Named(service_principal_id=principal["id"], display_name=principal["displayName"], job_id=job["id"])
            status, _ = api.exchange("GET", f"/v1.0{named.job_path}/plans/{segment(plan_hash)}", None, {})
            if status == 200:
                return named
    raise Failed(f"There is no plan {plan_hash}: make one with muster plan APP.")


def reach(data: Path | None, url: str | None) -> str:
    """Returns the options that reach the same installation again; a token is never repeated."""
    if url is not None:
        return f" --url {shlex.quote(url)}"
    return "" if data is None else f" --data {shlex.quote(str(data))}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _in_words(duration: str) -> str:
    """Returns an ISO 8601 duration such as PT1H2M3S as `1 h 2 min 3 s`."""
    units = {"D": "d", "H": "h", "M": "min", "S": "s"}
    parts = [f"{number} {units[unit]}" for number, unit in re.findall(r"([0-9.]+)([DHMS])", duration)]
    return "a second" if parts in ([], ["0 s"], ["1 s"]) else " ".join(parts)


def _changes(operation: dict[str, Any]) -> str:
    if operation["kind"] == "create":
        return number_of(len(operation["changes"]), "attribute")
    shown = [
        f"{change['displayName'].rsplit(':', 1)[-1]}: {change['oldValue'] or '–'} → {change['newValue'] or '–'}"
        for change in operation["changes"]
    ]
    return "; ".join(shown)


def _print_entry(entry: dict[str, Any]) -> None:
    status = entry["provisioningStatusInfo"]["status"]
    tree = Tree(
        f"[bold]{escape(str(entry['sourceIdentity']['displayName']))}[/bold]: {entry['provisioningAction']}, {status}"
    )
    for number, step in enumerate(entry["provisioningSteps"], 1):
        branch = tree.add(escape(f"{number}. {step['provisioningStepType']}: {step['description']}"))
        for name, value in _details(step.get("details")):
            branch.add(escape(f"{name}: {value}"))
    if entry["modifiedProperties"]:
        branch = tree.add("modified properties")
        for item in entry["modifiedProperties"]:
            branch.add(escape(f"{item['displayName']}: {item['oldValue'] or '–'} → {item['newValue'] or '–'}"))
    out.print(tree)


def _details(details: Any) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in details.items()] if isinstance(details, dict) else []


def _summary(counters: dict[str, int]) -> str:
    names = ("created", "updated", "disabled", "deleted", "unchanged", "skipped", "failed", "held")
    return " · ".join(f"{counters.get(name, 0)} {name}" for name in names)


def _fail_if_any_failed(counters: dict[str, int]) -> None:
    if counters.get("failed"):
        raise Failed(f"{number_of(counters['failed'], 'object')} failed: see muster logs APP --status failure.")
