"""`muster configuration-manager`: serves the receiving side; keeps its customers, tokens, sites, administrators."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.bootstrap.folder import StartRefused
from muster.configuration_manager.administrators import Role
from muster.configuration_manager.customer import AccountLimits, CustomerSettings, Retrieval, default_settings
from muster.configuration_manager.customers import ApiToken, ConsoleRefusal, Customer, Customers, Profile
from muster.database.connection import DatabaseError
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
Client = Annotated[str | None, typer.Option(help="The client's name.")]
Issuer = Annotated[
    str | None, typer.Option("--administrator", help="To whom it belongs: it ends with that account's role.")
]
Strict = Annotated[
    bool | None, typer.Option("--strict/--no-strict", help="Refuse what SCIM does not know instead of tolerating it.")
]
RetrievalOption = Annotated[
    Retrieval | None, typer.Option("--retrieval", help="Show all users, or only those the identity provider created.")
]
LimitsOption = Annotated[
    AccountLimits | None,
    typer.Option("--limits", help="8x8 profile: any script and language, or no more than 8x8 documents."),
]
OneWriter = Annotated[
    bool | None, typer.Option("--one-writer/--no-one-writer", help="One client writes, others read. Default of 8x8.")
]
RateLimit = Annotated[
    int | None, typer.Option("--rate-limit", min=0, help="Requests a minute of one token; 0: no limit.")
]
Licences = Annotated[int | None, typer.Option("--licences", min=0, help="How many licences the customer has.")]
LicenceLimit = Annotated[
    bool | None, typer.Option("--licence-limit/--no-licence-limit", help="Refuse new users over the licences.")
]
NOBODY = "none"
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
    strict: Strict = None,
    retrieval: RetrievalOption = None,
    limits: LimitsOption = None,
    one_writer: OneWriter = None,
    rate_limit: RateLimit = None,
    licences: Licences = None,
    licence_limit: LicenceLimit = None,
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create a customer and show its URL and first token, this once."""
    with _installation(data, database, public_url) as installation:
        now = datetime.now(UTC)
        settings = _changed(
            default_settings(profile),
            strict=strict,
            retrieval=retrieval,
            limits=limits,
            one_writer=one_writer,
            rate_limit=rate_limit,
            licences=licences,
            licence_limit=licence_limit,
        )
        customer = installation.customers.create_customer(name, profile, now=now, settings=settings)
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


@customer_app.command("show")
def show_customer(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Show a customer's settings, and how many of its licences are in use."""
    with _customer(customer, data, database) as (customers, found):
        _show(_settings_row(found, customers.count_active(found)), as_json=as_json)


@customer_app.command("set")
def set_customer(
    customer: CustomerName,
    *,
    strict: Strict = None,
    retrieval: RetrievalOption = None,
    limits: LimitsOption = None,
    one_writer: OneWriter = None,
    writing_client: Annotated[
        str | None, typer.Option(help="The client that writes, as 'token list' shows it; 'none': the next that writes.")
    ] = None,
    rate_limit: RateLimit = None,
    licences: Licences = None,
    licence_limit: LicenceLimit = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a customer's settings; a running server follows at its next request."""
    with _customer(customer, data, database) as (customers, found):
        settings = _changed(
            found.settings,
            strict=strict,
            retrieval=retrieval,
            limits=limits,
            one_writer=one_writer,
            rate_limit=rate_limit,
            licences=licences,
            licence_limit=licence_limit,
        )
        if writing_client is not None:
            if writing_client != NOBODY and writing_client not in {
                each.client for each in customers.list_tokens(found)
            }:
                raise ConsoleRefusal(f"there is no client named {writing_client!r}: 'token list' shows all")
            settings = replace(settings, writing_client=None if writing_client == NOBODY else writing_client)
        found = customers.change_settings(found, settings)
        _show(_settings_row(found, customers.count_active(found)), as_json=as_json)


@token_app.command("create")
def create_token(
    customer: CustomerName,
    *,
    client: Client = None,
    administrator: Issuer = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Issue one more token, shown this once; without --client it is another client's."""
    with _customer(customer, data, database) as (customers, found):
        token = customers.issue_token(found, now=datetime.now(UTC), client=client, administrator=administrator)
        _show({"customer": customer, "token": token}, as_json=as_json)


@token_app.command("rotate")
def rotate_token(
    customer: CustomerName,
    *,
    overlap_hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="How long older tokens stay valid.")] = 24.0,
    client: Client = None,
    administrator: Issuer = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Issue a client's new token, shown this once; its older ones end after the overlap."""
    with _customer(customer, data, database) as (customers, found):
        overlap = timedelta(hours=overlap_hours)
        token = customers.rotate_token(
            found, now=datetime.now(UTC), overlap=overlap, client=client, administrator=administrator
        )
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
    role: Annotated[Role, typer.Option(help="administrator: everything; reader: look only.")] = Role.ADMINISTRATOR,
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
        installation.administrators.create_administrator(name, password, now=datetime.now(UTC), role=role)
        _show({"name": name}, as_json=as_json)


@admin_app.command("list")
def list_administrators(*, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the accounts of the console with their roles."""
    with _installation(data, database) as installation:
        rows = [
            {"name": each.name, "role": each.role.value, "createdDateTime": _instant(each.created_at)}
            for each in installation.administrators.list_administrators()
        ]
        _show_rows(rows, as_json=as_json)


@admin_app.command("set-role")
def set_role(
    name: str, role: Role, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Give an account another role; tokens that it issued work only while it is an administrator."""
    with _installation(data, database) as installation:
        installation.administrators.change_role(name, role)
        _show({"name": name, "role": role.value}, as_json=as_json)


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
    """Says in one line on stderr why it cannot be done, and exits with 1, or with 2 for a wrong option."""
    try:
        yield
    except (ConsoleRefusal, DatabaseError, SettingsError, StartRefused) as error:
        print(f"muster: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, SettingsError) and error.is_usage else 1) from None


def _changed(settings: CustomerSettings, *, rate_limit: int | None, **given: Any) -> CustomerSettings:
    """The settings with the options that were given."""
    names = {"strict": "is_strict", "one_writer": "has_one_writer", "licence_limit": "has_licence_limit"}
    values = {names.get(name, name): value for name, value in given.items() if value is not None}
    if rate_limit is not None:
        values["rate_limit"] = rate_limit or None
    return replace(settings, **values)


def _settings_row(customer: Customer, active: int) -> dict[str, Any]:
    settings = customer.settings
    return {
        "customer": customer.name,
        "profile": customer.profile.value,
        "strict": settings.is_strict,
        "retrieval": settings.retrieval.value,
        "limits": settings.limits.value,
        "oneWriter": settings.has_one_writer,
        "writingClient": settings.writing_client,
        "rateLimit": settings.rate_limit,
        "licences": settings.licences,
        "licencesInUse": active,
        "licenceLimit": settings.has_licence_limit,
    }


def _token_row(token: ApiToken) -> dict[str, Any]:
    return {
        "prefix": token.prefix,
        "client": token.client,
        "administrator": token.administrator,
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
