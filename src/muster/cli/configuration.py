"""`muster config export | plan | apply | schema`: applications and their rules as a file under version control."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from muster.cli.api import Api, ApiError, query
from muster.cli.configuration_file import (
    ConfigurationFile,
    follow_references,
    merged,
    read_file,
    references_in,
    written,
)
from muster.cli.console import Failed, err, out, plain, print_json, table
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.counting import number_of

config_app = typer.Typer(
    no_args_is_help=True, help="Applications, roles, assignments, credentials and rules as a file: plan it, apply it."
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A configuration in YAML.")]
_SHOWN = 200


@config_app.command("export")
def export(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write; a file that is there keeps its comments.")
    ] = None,
    app: Annotated[str | None, typer.Option("--app", help="Only this application.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the installation's configuration as YAML. Secrets are references, never values."""
    with open_api(data, url, token) as api:
        document = api.get("/configuration" + (query(name=app).replace("$name", "name") if app else ""))
        if as_json:
            print_json(document)
            return
        if file is None or not file.exists():
            text = written(document)
        else:
            kept = read_file(file)
            text = merged(kept, document, _changed_parts(api, kept))
    if file is None:
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror}.") from None
    count = len(document.get("applications", ()))
    out.print(f"{count} application{'' if count == 1 else 's'} written to {escape(str(file))}.", soft_wrap=True)
    names = sorted({name for name in references_in(read_file(file)) if name.startswith("env:")})
    if names:
        wanted = ", ".join(name.removeprefix("env:") for name in names)
        out.print(
            f"To apply it, set {escape(wanted)} where the command runs: no secret is in the file.", soft_wrap=True
        )


@config_app.command("plan")
def plan(
    file: FileArgument,
    check: Annotated[bool, typer.Option("--check", help="End with status 1 if anything differs.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what applying a file would change. Nothing is changed."""
    kept = read_file(file)
    with open_api(data, url, token) as api:
        made = _planned(api, kept, demand_secrets=False)
    if as_json:
        print_json(made)
    else:
        _show(made)
    if check and made["differences"]:
        raise Failed(f"The installation differs from {file} in {number_of(len(made['differences']), 'place')}.")


@config_app.command("apply")
def apply(
    file: FileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply without asking.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the installation what a file says: all of it, or nothing if something in it cannot be."""
    kept = read_file(file)
    with open_api(data, url, token) as api:
        made = _planned(api, kept, demand_secrets=True)
        if not as_json:
            _show(made)
        if made["differences"]:
            if not yes and not typer.confirm(f"Apply {_changes(made)}?", err=True):
                raise Failed("Nothing was changed.")
            secrets, _ = follow_references(kept)
            body = {"configuration": kept.document, "secrets": secrets, "expectedHash": made["hash"]}
            made = _asked(api, kept, "/configuration/apply", body)
    if as_json:
        print_json(made)
    elif made["differences"]:
        out.print(f"Applied: {_changes(made)}.")


@config_app.command("schema")
def schema(data: DataOption = None, url: UrlOption = None, token: TokenOption = None) -> None:
    """Print the JSON Schema of the file, for editors."""
    with open_api(data, url, token) as api:
        print(json.dumps(api.get("/configuration/schema"), indent=2))


def _planned(api: Api, kept: ConfigurationFile, *, demand_secrets: bool) -> dict[str, Any]:
    secrets, unknown = follow_references(kept)
    for sentence in unknown:
        if demand_secrets:
            raise Failed(sentence)
        err.print(f"[yellow]not compared:[/yellow] {escape(plain(sentence))}", soft_wrap=True)
    return _asked(api, kept, "/configuration/plan", {"configuration": kept.document, "secrets": secrets})


def _asked(api: Api, kept: ConfigurationFile, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = api.post(path, body)
    except ApiError as error:
        if error.code != "InvalidConfiguration":
            raise
        for item in sorted(error.details, key=lambda each: kept.line_and_column(each.get("target", ""))):
            err.print(escape(plain(f"{kept.where(item.get('target', ''))}: {item['message']}")), soft_wrap=True)
        raise Failed(f"{kept.path} cannot be applied, and nothing was changed: see above.") from None
    return answer


def _show(made: dict[str, Any]) -> None:
    rows = [
        [_short(item["path"]), item["oldValue"] or "", item["newValue"] or ""] for item in made["differences"][:_SHOWN]
    ]
    if rows:
        out.print(table("Changes", ["Where", "Now", "Then"], rows))
    else:
        out.print("Nothing to change: the installation is as the file says.")
    more = len(made["differences"]) - _SHOWN
    if more > 0:
        out.print(f"… and {more} more (--json shows all).")
    for each in made["assigned"]:
        out.print(f"[bold]{escape(each['application'])}: {escape(each['sentence'])}[/bold].")
    for each in made["consequences"]:
        out.print(f"[bold]{escape(each['application'])}: {escape(each['sentence'])}[/bold], of {each['considered']}.")
        for reason in each["heldReasons"]:
            out.print(f"[yellow]would be held[/yellow] {escape(reason)}")
    if made["unnamed"]:
        out.print(f"Not in the file, and left as they are: {escape(', '.join(made['unnamed']))}.")


def _changes(made: dict[str, Any]) -> str:
    count = len(made["differences"])
    return f"{count} change{'' if count == 1 else 's'}"


def _short(path: str) -> str:
    return path.removeprefix("applications")


def _changed_parts(api: Api, kept: ConfigurationFile) -> frozenset[tuple[str, str]]:
    """The application and key of each part in which the installation differs from the file."""
    made = _planned(api, kept, demand_secrets=False)
    return frozenset(part for item in made["differences"] for part in kept.parts_of(item["path"]))
