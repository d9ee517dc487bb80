"""`muster check`: what a SCIM server really does, and how to talk to it."""

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from muster.cli.api import segment
from muster.cli.console import Failed, err, out, plain, print_json, table
from muster.cli.reach import DataOption, JsonOption, UrlOption, open_api
from muster.model.counting import number_of
from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.scim.client import AddressInvalid, read_address
from muster.settings import parse_network
from muster.targets.conformance.report import ExaminationRefused, examine
from muster.targets.conformance.session import DEADLINE, Presented, Send, Session
from muster.transport.client import open_transport

_MARKS = {"passed": "[green]✓[/green]", "failed": "[red]✗[/red]", "skipped": "[dim]–[/dim]"}
_GRADES = {"A": "green", "B": "green", "C": "yellow", "D": "yellow", "F": "red"}


def check(
    address: Annotated[
        str, typer.Argument(metavar="URL|APP", help="Tenant URL, or an application of the installation.")
    ],
    token: Annotated[
        str | None,
        typer.Option(
            "--token", help="Secret token of URL (else MUSTER_TARGET_TOKEN); for APP the API's (else MUSTER_TOKEN)."
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also create, change and delete a trial user and group.")
    ] = False,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=JSON", help="An attribute the trial user needs, such as a site."),
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate authority of the server, PEM.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep what was found as the dialect of APP.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Show what passed, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine a SCIM application: grade, evidence, and the dialect to talk to it. Without --write it only reads."""
    if "://" not in address:
        if write:
            raise typer.BadParameter("--write takes a Tenant URL: an application of the installation is only read.")
        document = _of_installation(address, data, url, token or os.environ.get("MUSTER_TOKEN"), save=save)
    else:
        if save:
            raise typer.BadParameter("--save takes an application of the installation: name it instead of its URL.")
        given = token or os.environ.get("MUSTER_TARGET_TOKEN", "")
        document = _examined(address, given, ca, writes=write, extra=_attributes(with_ or []))
    if as_json:
        print_json(document)
    else:
        _show(document, everything=all_)
    if document["grade"] == "F":
        raise Failed("Provisioning to this server will not work as it is.")


def _of_installation(name: str, data: Path | None, url: str | None, token: str | None, *, save: bool) -> dict[str, Any]:
    """The report on an application, examined with its saved credentials."""
    with open_api(data, url, token) as api:
        everything = list(api.pages("/servicePrincipals"))
        found = [item for item in everything if name in (item["displayName"], item["id"], item["appId"])]
        if len(found) != 1:
            how_many = "no" if not found else "more than one"
            raise Failed(f"There is {how_many} application “{name}”. A Tenant URL begins with https://.")
        path = f"/servicePrincipals/{segment(found[0]['id'])}/synchronization"
        with err.status(f"Examining {name} …"):
            report: dict[str, Any] = api.post(f"{path}/examine")
        if save and report["dialect"]:
            api.patch(f"{path}/dialect", report["dialect"])
    return {"address": name, **report, "saved": save}


def _examined(address: str, token: str, ca: Path | None, *, writes: bool, extra: dict[str, Any]) -> dict[str, Any]:
    try:
        tenant = read_address(address)
    except AddressInvalid as error:
        raise Failed(str(error)) from None
    session = Session(tenant, _sender(token, ca), mark=secrets.token_hex(8))
    try:
        with err.status(f"Examining {tenant.base} …"):
            report = examine(session, writes=writes, extra=extra)
    except ExchangeFailed as failure:
        raise Failed(f"{tenant.base} cannot be examined: {failure.sentence}") from None
    except ExaminationRefused as refused:
        sentence = str(refused) if token else "it asks for a token: give --token or MUSTER_TARGET_TOKEN"
        raise Failed(f"{tenant.base} cannot be examined: {sentence}.") from None
    return {"address": tenant.base, **report.to_document()}


def _sender(token: str, ca: Path | None) -> Send:
    # The operator names the server, so its address needs no guard.
    everywhere = (parse_network("0.0.0.0/0"), parse_network("::/0"))
    try:
        transport = open_transport(allowed=everywhere, ca_pem=ca.read_bytes() if ca is not None else None)
    except OSError as error:
        raise Failed(f"{ca} cannot be read: {error.strerror}.") from None
    presented = {Presented.OURS: token, Presented.WRONG: f"wrong-{secrets.token_hex(16)}"}

    def send(request: HttpRequest, credentials: Presented) -> HttpResponse:
        headers = {"accept": "application/scim+json, application/json", **request.headers}
        if presented.get(credentials):
            headers["authorization"] = f"Bearer {presented[credentials]}"
        return transport.send(replace(request, headers=headers), deadline=DEADLINE)

    return send


def _attributes(given: list[str]) -> dict[str, Any]:
    found = {}
    for item in given:
        name, equals, value = item.rpartition("=") if item.count("=") == 1 else item.partition("=")
        if not equals or not name:
            raise Failed(f"--with takes NAME=JSON, not {item}.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _show(document: dict[str, Any], *, everything: bool) -> None:
    counts, grade = document["counts"], document["grade"]
    colour = _GRADES[grade]
    out.print(
        f"[bold {colour}]{grade}[/bold {colour}]  {escape(document['address'])}: {counts['passed']} passed, "
        f"{counts['failed']} failed, {counts['skipped']} not tried; {number_of(document['requests'], 'request')}",
        soft_wrap=True,
    )
    rows = [
        [_MARKS[item["verdict"]], item["area"], item["title"], item["weight"], item["evidence"]]
        for item in document["probes"]
        if everything or item["verdict"] == "failed"
    ]
    if rows:
        shown = table("What failed" if not everything else "Probes", ["", "Area", "Probe", "Weight", "Evidence"], [])
        for mark, *cells in rows:
            shown.add_row(mark, *(escape(plain(cell)) for cell in cells))
        out.print(shown)
    for name in document.get("left", ()):
        out.print(f"Left at the application, switched off, as it keeps what is deleted: {escape(name)}", soft_wrap=True)
    if document["dialect"]:
        derived = [[name, json.dumps(value), document["origins"][name]] for name, value in document["dialect"].items()]
        out.print(table("Dialect: where it is not the standard's", ["Field", "Value", "Why"], derived))
        if document.get("saved"):
            out.print(f"Kept as the dialect of {escape(document['address'])}.")
    else:
        out.print("Dialect: the standard's.")
