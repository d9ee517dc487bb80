"""`muster configuration-manager`: serves the receiving side; keeps its customers, tokens, sites, administrators."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.bootstrap.folder import StartRefused
from muster.configuration_manager.customers import ApiToken, ConsoleRefusal, Customer, Customers, Profile
from muster.database import DatabaseError
from muster.settings import SettingsError, load_settings

app = typer.Typer(no_args_is_help=True, help="The 8x8 Configuration Manager: the system that receives the accounts.")
customer_app = typer.Typer(no_args_is_help=True, help="Customers: companies with accounts here.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens of a customer.")
site_app = typer.Typer(no_args_is_help=True, help="Sites of a customer.")
admin_app = typer.Typer(no_args_is_help=True, help="Administrators of the console.")
app.add_typer(customer_app, name="customer")
app.add_typer(token_app, name="token")
app.add_typer(site_app, name="site")
app.add_typer(admin_app, name="admin")

Data = Annotated[Path | None, typer.Option(help="Data folder.")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="postgresql://… instead of the data folder's file.")
]
PublicUrl = Annotated[str | None, typer.Option(help="How others reach it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CustomerName = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's name.")]


@app.command("serve")
def serve_command(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. Default 8088.")] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM) to serve HTTPS with.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM) of that certificate.")] = None,
    behind_proxy: Annotated[bool | None, typer.Option(help="A TLS-terminating proxy stands before it.")] = None,
) -> None:
    """Serve the console, SCIM and sign-in until stopped."""
    from muster.bootstrap.configuration_manager import serve

    # The link with which the first administrator is made is a warning.
    logging.getLogger().setLevel(logging.WARNING)
    with _refusals():
        settings = load_settings(
            host=host,
            port=port,
            data=data,
            database=database,
            public_url=public_url,
            tls_cert=tls_cert,
            tls_key=tls_key,
            behind_proxy=behind_proxy,
        )
        status = serve(settings, ready=lambda url: print(f"Configuration Manager at {url}", flush=True))
    raise typer.Exit(status)


@customer_app.command("create")
def create_customer(
    name: Annotated[str, typer.Argument(help="Letters, digits, '.', '_' and '-'; part of the URL.")],
    *,
    profile: Annotated[Profile, typer.Option(help="8x8: as 8x8 documents it; generic: a full SCIM 2.0 provider.")] = (
        Profile.EIGHT_BY_EIGHT
    ),
    site: Annotated[list[str] | None, typer.Option(help="A site of the customer; may be given often.")] = None,
    strict: Annotated[bool, typer.Option(help="Refuse what SCIM does not know instead of tolerating it.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create a customer and show its URL and first token, this once."""
    with _installation(data, database, public_url) as installation:
        now = datetime.now(UTC)
        customer = installation.customers.create_customer(name, profile, now=now, is_strict=strict)
        for each in site or []:
            installation.customers.add_site(customer, each, now=now)
        token = installation.customers.issue_token(customer, now=now)
        _show({"customer": name, "url": installation.url_of(customer), "token": token}, as_json=as_json)


@customer_app.command("list")
def list_customers(*, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the customers."""
    with _installation(data, database) as installation:
        rows = [
            {"customer": each.name, "profile": each.profile.value, "url": installation.url_of(each)}
            for each in installation.customers.list_customers()
        ]
        _show_rows(rows, as_json=as_json)


@token_app.command("create")
def create_token(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Issue one more token, shown this once."""
    with _customer(customer, data, database) as (customers, found):
        token = customers.issue_token(found, now=datetime.now(UTC))
        _show({"customer": customer, "token": token}, as_json=as_json)


@token_app.command("rotate")
def rotate_token(
    customer: CustomerName,
    *,
    overlap_hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="How long older tokens stay valid.")] = 24.0,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Issue a new token, shown this once; the older ones end after the overlap."""
    with _customer(customer, data, database) as (customers, found):
        overlap = timedelta(hours=overlap_hours)
        token = customers.rotate_token(found, now=datetime.now(UTC), overlap=overlap)
        _show({"customer": customer, "token": token}, as_json=as_json)


@token_app.command("list")
def list_tokens(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the tokens by how they begin."""
    with _customer(customer, data, database) as (customers, found):
        _show_rows([_token_row(each) for each in customers.list_tokens(found)], as_json=as_json)


@token_app.command("remove")
def remove_token(
    customer: CustomerName,
    prefix: Annotated[str, typer.Argument(help="How the token begins, as 'token list' shows it.")],
    *,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove a token; it stops working at once."""
    with _customer(customer, data, database) as (customers, found):
        customers.remove_token(found, prefix)
        _show({"removed": prefix}, as_json=as_json)


@site_app.command("add")
def add_site(
    customer: CustomerName, name: str, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Add a site."""
    with _customer(customer, data, database) as (customers, found):
        customers.add_site(found, name, now=datetime.now(UTC))
        _show({"site": name}, as_json=as_json)


@site_app.command("list")
def list_sites(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the sites."""
    with _customer(customer, data, database) as (customers, found):
        _show_rows([{"site": name} for name in customers.list_sites(found)], as_json=as_json)


@admin_app.command("create")
def create_administrator(
    name: str,
    *,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create an administrator of the console."""
    with _installation(data, database) as installation:
        if password_stdin:
            password = sys.stdin.readline().rstrip("\n")
        else:
            password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        installation.administrators.create_administrator(name, password, now=datetime.now(UTC))
        _show({"name": name}, as_json=as_json)


@contextmanager
def _installation(data: Path | None, database: str | None, public_url: str | None = None) -> Iterator[Any]:
    """The open `Installation`; its bootstrap loads the console, which no other command needs."""
    from muster.bootstrap.configuration_manager import open_installation

    with (
        _refusals(),
        open_installation(load_settings(data=data, database=database, public_url=public_url)) as installation,
    ):
        yield installation


@contextmanager
def _customer(name: str, data: Path | None, database: str | None) -> Iterator[tuple[Customers, Customer]]:
    with _installation(data, database) as installation:
        customers: Customers = installation.customers
        yield customers, customers.require_customer(name)


@contextmanager
def _refusals() -> Iterator[None]:
    """Says in one line on stderr why it cannot be done, and exits with 1."""
    try:
        yield
    except (ConsoleRefusal, DatabaseError, SettingsError, StartRefused) as error:
        print(f"muster: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _token_row(token: ApiToken) -> dict[str, Any]:
    return {
        "prefix": token.prefix,
        "createdDateTime": _instant(token.created_at),
        "endDateTime": _instant(token.expires_at),
        "lastUsedDateTime": _instant(token.last_used_at),
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds").replace("+00:00", "Z")


def _show(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row, ensure_ascii=False))
        return
    for name, value in row.items():
        print(f"{name}: {value}")


def _show_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        print("  ".join("-" if value is None else str(value) for value in row.values()))
