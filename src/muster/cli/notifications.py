"""`muster notifications`: how the installation tells what happens to its jobs."""

import sys
from typing import Annotated, Any

import typer

from muster.cli.console import Failed, out, print_json, table
from muster.cli.reach import DataOption, JsonOption, TokenOption, UrlOption, open_api
from muster.model.language import Language
from muster.model.notice import MailSecurity

app = typer.Typer(
    no_args_is_help=True,
    help="How the installation tells: mail server, webhook, recipients; a test, and what was delivered.",
)
_SETTINGS = "/notifications/settings"


@app.command("show")
def show(
    data: DataOption = None, url: UrlOption = None, token: TokenOption = None, as_json: JsonOption = False
) -> None:
    """Show mail server, webhook and recipients."""
    with open_api(data, url, token) as api:
        _show(api.get(_SETTINGS), as_json=as_json)


@app.command("set")
def set_(
    smtp: Annotated[str | None, typer.Option(help="Mail server, HOST or HOST:PORT; none removes it.")] = None,
    security: Annotated[MailSecurity, typer.Option(help="How the way there is protected.")] = MailSecurity.STARTTLS,
    sender: Annotated[str | None, typer.Option("--from", help="Address that mails come from.")] = None,
    user: Annotated[str | None, typer.Option(help="User to sign in with.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    recipients: Annotated[
        list[str] | None, typer.Option("--to", help="Hears of every job; may be repeated; none removes all.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="Address of the webhook; none removes it.")] = None,
    language: Annotated[Language | None, typer.Option(help="Language that mails are written in.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the mail server, the recipients, the webhook or the language of mails; what is not given stays."""
    change: dict[str, Any] = {}
    if smtp is not None:
        change["mail"] = None if smtp == "none" else _mail(smtp, security, sender, user, password_stdin)
    elif sender or user or password_stdin:
        raise Failed("--from, --user and --password-stdin go with --smtp.")
    if recipients:
        change["recipients"] = [] if recipients == ["none"] else recipients
    if webhook is not None:
        change["webhook"] = None if webhook == "none" else {"url": webhook}
    if language is not None:
        change["language"] = language.value
    if not change:
        raise Failed("Nothing to set: give --smtp, --to, --webhook or --language.")
    with open_api(data, url, token) as api:
        _show(api.patch(_SETTINGS, change), as_json=as_json)


@app.command("test")
def test(
    recipients: Annotated[
        list[str] | None, typer.Argument(metavar="ADDRESS...", help="Instead of those of the settings.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test by every way that is set, and say what came of it."""
    with open_api(data, url, token) as api:
        told = api.post("/notifications/test", {"recipients": recipients or []})["value"]
    if as_json:
        print_json(told)
    else:
        rows = [[each["channel"], each["recipient"], each["trouble"] or "arrived"] for each in told]
        out.print(table("Test of notifications", ["Way", "To", "Outcome"], rows))
    troubles = [each for each in told if each["trouble"]]
    if troubles:
        raise Failed(f"{len(troubles)} of {len(told)} did not arrive: {troubles[0]['trouble']}")


@app.command("deliveries")
def deliveries(
    top: Annotated[int, typer.Option(min=1, max=999, help="How many.")] = 20,
    data: DataOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was told to whom, newest first, and what became of it."""
    with open_api(data, url, token) as api:
        found = api.get(f"/notifications/deliveries?$top={top}")["value"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("Nothing was told yet.")
        return
    rows = [
        [
            each["notice"]["activityDateTime"][:16].replace("T", " "),
            each["notice"]["kind"],
            each["recipient"],
            each["state"],
            each["trouble"] or "",
        ]
        for each in found
    ]
    out.print(table("Deliveries", ["When", "What", "To", "State", "Trouble"], rows))


def _mail(
    smtp: str, security: MailSecurity, sender: str | None, user: str | None, password_stdin: bool
) -> dict[str, Any]:
    host, _, port = smtp.rpartition(":") if smtp.count(":") == 1 else (smtp, "", "")
    if port and not port.isdecimal():
        raise Failed("--smtp takes HOST or HOST:PORT.")
    if sender is None:
        raise Failed("--smtp needs --from, the address that mails come from.")
    mail: dict[str, Any] = {"host": host, "security": security.value, "sender": sender}
    if port:
        mail["port"] = int(port)
    if user is not None:
        mail["user"] = user
    if password_stdin:
        mail["password"] = sys.stdin.readline().rstrip("\n")
    return mail


def _show(settings: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(settings)
        return
    mail, webhook = settings["mail"], settings["webhook"]
    server = "none" if mail is None else f"{mail['host']}:{mail['port']} ({mail['security']}), from {mail['sender']}"
    rows = [
        ["Mail server", server],
        ["Notification e-mail", ", ".join(settings["recipients"]) or "none"],
        ["Language of mails", Language(settings["language"] or "en").own_name],
        ["Webhook", "none" if webhook is None else webhook["url"]],
    ]
    if settings["heldByEnvironment"]:
        rows.append(["Set by the environment", ", ".join(settings["heldByEnvironment"])])
    out.print(table("Notifications", ["What", "Is"], rows))
    if webhook is not None and webhook["secret"].startswith("whsec_"):
        out.print(f"[bold]{webhook['secret']}[/bold]\nThe webhook's secret. Keep it now: it is not shown again.")
