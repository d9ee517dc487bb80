"""`muster configuration-manager`: serves the receiving side; keeps its customers, tokens, sites, administrators."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.configuration_manager_reach import (
    AsJson,
    CustomerName,
    Data,
    DatabaseUrl,
    PublicUrl,
    open_customer,
    open_installation,
    refusals,
    show,
    show_rows,
    written_instant,
)
from muster.cli.configuration_manager_sign_on import sign_on_app
from muster.cli.console import announce
from muster.cli.options import start_log_of_server
from muster.cli.upkeep import backup_manager, migrate_manager, restore_manager
from muster.configuration_manager.administrators import Role
from muster.configuration_manager.customer import AccountLimits, CustomerSettings, Retrieval, default_settings
from muster.configuration_manager.customers import ApiToken, ConsoleRefusal, Customer, Profile
from muster.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The 8x8 Configuration Manager: the system that receives the accounts.")
customer_app = typer.Typer(no_args_is_help=True, help="Customers: companies with accounts here.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens of a customer.")
site_app = typer.Typer(no_args_is_help=True, help="Sites of a customer.")
admin_app = typer.Typer(no_args_is_help=True, help="Administrators of the console.")
app.add_typer(customer_app, name="customer")
app.add_typer(token_app, name="token")
app.add_typer(site_app, name="site")
app.add_typer(admin_app, name="admin")
app.add_typer(sign_on_app, name="sign-on")
app.command("backup")(backup_manager)
app.command("restore")(restore_manager)
app.command("migrate")(migrate_manager)

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


@app.command("serve")
def serve_command(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="8088")
    ] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    public_url: PublicUrl = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM) to serve HTTPS with.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key (PEM) of that certificate.")] = None,
    behind_proxy: Annotated[bool | None, typer.Option(help="A TLS-terminating proxy stands before it.")] = None,
) -> None:
    """Serve the console, SCIM and sign-in until stopped."""
    from muster.bootstrap.configuration_manager import serve

    start_log_of_server()
    with refusals():
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
        status = serve(settings, ready=lambda url: announce(f"Configuration Manager at {url}", sys.stdout))
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
    with open_installation(data, database, public_url) as installation:
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
        show({"customer": name, "url": installation.url_of(customer), "token": token}, as_json=as_json)


@customer_app.command("list")
def list_customers(*, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the customers."""
    with open_installation(data, database) as installation:
        rows = [
            {"customer": each.name, "profile": each.profile.value, "url": installation.url_of(each)}
            for each in installation.customers.list_customers()
        ]
        show_rows(rows, as_json=as_json)


@customer_app.command("show")
def show_customer(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Show a customer's settings, and how many of its licences are in use."""
    with open_customer(customer, data, database) as (customers, found):
        show(_settings_row(found, customers.count_active(found)), as_json=as_json)


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
    with open_customer(customer, data, database) as (customers, found):
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
        show(_settings_row(found, customers.count_active(found)), as_json=as_json)


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
    with open_customer(customer, data, database) as (customers, found):
        token = customers.issue_token(found, now=datetime.now(UTC), client=client, administrator=administrator)
        show({"customer": customer, "token": token}, as_json=as_json)


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
    with open_customer(customer, data, database) as (customers, found):
        overlap = timedelta(hours=overlap_hours)
        token = customers.rotate_token(
            found, now=datetime.now(UTC), overlap=overlap, client=client, administrator=administrator
        )
        show({"customer": customer, "token": token}, as_json=as_json)


@token_app.command("list")
def list_tokens(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the tokens by how they begin."""
    with open_customer(customer, data, database) as (customers, found):
        show_rows([_token_row(each) for each in customers.list_tokens(found)], as_json=as_json)


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
    with open_customer(customer, data, database) as (customers, found):
        customers.remove_token(found, prefix)
        show({"removed": prefix}, as_json=as_json)


@site_app.command("add")
def add_site(
    customer: CustomerName, name: str, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Add a site."""
    with open_customer(customer, data, database) as (customers, found):
        customers.add_site(found, name, now=datetime.now(UTC))
        show({"site": name}, as_json=as_json)


@site_app.command("list")
def list_sites(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the sites."""
    with open_customer(customer, data, database) as (customers, found):
        show_rows([{"site": name} for name in customers.list_sites(found)], as_json=as_json)


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
    with open_installation(data, database) as installation:
        if password_stdin:
            password = sys.stdin.readline().rstrip("\n")
        else:
            password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        installation.administrators.create_administrator(name, password, now=datetime.now(UTC), role=role)
        show({"name": name}, as_json=as_json)


@admin_app.command("list")
def list_administrators(*, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the accounts of the console with their roles."""
    with open_installation(data, database) as installation:
        rows = [
            {"name": each.name, "role": each.role.value, "createdDateTime": written_instant(each.created_at)}
            for each in installation.administrators.list_administrators()
        ]
        show_rows(rows, as_json=as_json)


@admin_app.command("set-role")
def set_role(
    name: str, role: Role, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Give an account another role; tokens that it issued work only while it is an administrator."""
    with open_installation(data, database) as installation:
        installation.administrators.change_role(name, role)
        show({"name": name, "role": role.value}, as_json=as_json)


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
        "createdDateTime": written_instant(token.created_at),
        "endDateTime": written_instant(token.expires_at),
        "lastUsedDateTime": written_instant(token.last_used_at),
    }
