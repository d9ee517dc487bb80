"""`muster configuration-manager sign-on`: a customer's single sign-on, and the log of its people's sign-ins."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.configuration_manager_reach import (
    AsJson,
    CustomerName,
    Data,
    DatabaseUrl,
    open_installation,
    show,
    show_rows,
    written_instant,
)

sign_on_app = typer.Typer(no_args_is_help=True, help="Single sign-on of a customer's people by SAML 2.0.")

LIMIT_LOG_ROWS = 1_000


@sign_on_app.command("set")
def set_sign_on(
    customer: CustomerName,
    *,
    metadata: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The identity provider's metadata (XML).")
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="IDP Issuer URL/URN.")] = None,
    login_url: Annotated[str | None, typer.Option(help="IDP Login URL.")] = None,
    logout_url: Annotated[str | None, typer.Option(help="IDP Logout URL; empty: none.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The signing certificate: PEM, Base64 or DER.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the older certificates beside the new one.")] = False,
    provider: Annotated[str | None, typer.Option(help="What the SSO provider is called.")] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A domain of company email addresses; may be given often; empty: none.")
    ] = None,
    unasked: Annotated[
        bool | None, typer.Option("--unasked/--no-unasked", help="A sign-in may begin at the identity provider.")
    ] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Switch single sign-on on or off.")] = None,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set up a customer's single sign-on, or change it; a running server follows at once."""
    with open_installation(data, database) as installation:
        found = installation.customers.require_customer(customer)
        settings = installation.sign_ons.change(
            found,
            metadata=None if metadata is None else metadata.read_bytes(),
            certificate=None if certificate is None else certificate.read_bytes(),
            keeps_certificates=keep,
            provider=provider,
            issuer=issuer,
            login_url=login_url,
            logout_url=logout_url,
            domains=None if domain is None else " ".join(domain),
            is_enabled=on,
            takes_unasked=unasked,
        )
        show(_row(installation, customer, settings), as_json=as_json)


@sign_on_app.command("show")
def show_sign_on(
    customer: CustomerName, *, data: Data = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Show a customer's single sign-on, and the addresses that its identity provider needs."""
    with open_installation(data, database) as installation:
        found = installation.customers.require_customer(customer)
        show(_row(installation, customer, installation.sign_ons.get(found)), as_json=as_json)


@sign_on_app.command("log")
def show_log(
    customer: CustomerName,
    *,
    count: Annotated[int, typer.Option(min=1, max=LIMIT_LOG_ROWS, help="How many lines, the newest first.")] = 50,
    data: Data = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show who signed in, who was refused and why; refusals of issuers that nobody has are shown for every customer."""
    with open_installation(data, database) as installation:
        found = installation.customers.require_customer(customer)
        rows = [
            {
                "at": written_instant(each.at),
                "result": each.code or "signedIn",
                "name": each.name_id,
                "machine": each.machine,
                "reference": each.reference,
                "sentence": each.sentence,
            }
            for each in installation.flow.read_log(found, count=count)
        ]
        show_rows(rows, as_json=as_json)


def _row(installation: Any, customer: str, settings: Any) -> dict[str, Any]:
    addresses = installation.flow.addresses
    own = {
        "customer": customer,
        "entityId": addresses.entity_id,
        "replyUrl": addresses.reply_url,
        "signOnUrl": addresses.sign_on_url,
        "spLogoutUrl": addresses.logout_url,
        "metadataUrl": addresses.metadata_url,
        "enabled": settings is not None and settings.is_enabled,
    }
    if settings is None:
        return own
    now = datetime.now(UTC)
    return {
        **own,
        "provider": settings.provider,
        "issuer": settings.issuer,
        "loginUrl": settings.login_url,
        "logoutUrl": settings.logout_url,
        "certificates": [
            f"{each.thumbprint} until {written_instant(each.not_after)}{'' if each.not_after > now else ' (expired)'}"
            for each in settings.certificates
        ],
        "domains": list(settings.domains),
        "unasked": settings.takes_unasked,
    }
