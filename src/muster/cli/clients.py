"""`muster client`: programs that sign in to the API with a client id and a secret."""

from datetime import timedelta
from typing import Annotated

import typer

from muster.administration import clients
from muster.cli.console import instant, out, print_json, table
from muster.cli.reach import DataOption, JsonOption, open_desk
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role

app = typer.Typer(no_args_is_help=True, help="App registrations: programs that sign in with client id and secret.")

ClientArgument = Annotated[str, typer.Argument(metavar="CLIENT", help="The client id (see muster client list).")]
DaysOption = Annotated[int, typer.Option(min=1, max=3_660, help="Days until the secret expires.")]
_SHORT_KEY = 8


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the program is called.")],
    role: Annotated[list[Role] | None, typer.Option(help="Directory role, also several times.")] = None,
    days: DaysOption = 180,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a program that signs in, with its first secret. The secret is shown this once."""
    with open_desk(data) as desk:
        made = clients.create_client(desk, name, role or (Role.APPLICATION_ADMINISTRATOR,))
        secret, text = clients.add_secret(desk, made.app_id, expires_at=desk.now() + timedelta(days=days))
        tenant = desk.tenant_id
    _show(tenant, made, secret, text, as_json=as_json)


@app.command("list")
def list_clients(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List app registrations and their secrets: roles, ends, last use."""
    with open_desk(data) as desk:
        found = clients.clients(desk)
    if as_json:
        print_json([_document(client) for client in found])
        return
    rows = [
        [client.app_id, client.display_name, clients.shown_roles(client.roles) or "–", *cells]
        for client in found
        for cells in ([_cells(secret) for secret in client.secrets] or [["–"] * 4])
    ]
    out.print(
        table("App registrations", ["client id", "name", "roles", "key id", "secret", "expires", "last used"], rows)
    )


@app.command("add-secret")
def add_secret(
    client: ClientArgument, days: DaysOption = 180, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Add a secret beside those there are, so that they can be exchanged without a gap. It is shown this once."""
    with open_desk(data) as desk:
        found = clients.find_client(desk, client)
        secret, text = clients.add_secret(desk, found.app_id, expires_at=desk.now() + timedelta(days=days))
        tenant = desk.tenant_id
    _show(tenant, found, secret, text, as_json=as_json)


@app.command("remove-secret")
def remove_secret(
    client: ClientArgument,
    key_id: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="The secret's key id, or its first 8 digits or more (see muster client list)."
        ),
    ],
    data: DataOption = None,
) -> None:
    """Remove a secret with the access tokens it was exchanged for, at once."""
    with open_desk(data) as desk:
        known = [secret.key_id for secret in clients.find_client(desk, client).secrets]
        meant = [each for each in known if len(key_id) >= _SHORT_KEY and each.startswith(key_id.lower())]
        clients.remove_secret(desk, client, meant[0] if len(meant) == 1 else key_id)
    out.print("Removed.")


@app.command("remove")
def remove(client: ClientArgument, data: DataOption = None) -> None:
    """Remove an app registration with its secrets and access tokens, at once."""
    with open_desk(data) as desk:
        clients.remove_client(desk, client)
    out.print("Removed.")


def _show(tenant: str, client: ClientApplication, secret: ClientSecret, text: str, *, as_json: bool) -> None:
    if as_json:
        shown = {"tenantId": tenant, "clientId": client.app_id, "secret": text, "keyId": secret.key_id}
        print_json({**shown, "endDateTime": instant(secret.expires_at)})
        return
    out.print(f"tenant  {tenant}\nclient  {client.app_id}")
    out.print(f"secret  [bold]{text}[/bold]  (until {secret.expires_at:%Y-%m-%d})")
    out.print(f"key id  {secret.key_id}  (names the secret: muster client remove-secret)", soft_wrap=True)
    out.print("Keep the secret now: it is not shown again.")


def _document(client: ClientApplication) -> dict[str, object]:
    return {
        "clientId": client.app_id,
        "displayName": client.display_name,
        "roles": sorted(role.value for role in client.roles),
        "secrets": [
            {
                "keyId": secret.key_id,
                "displayName": secret.display_name,
                "hint": secret.hint,
                "endDateTime": instant(secret.expires_at),
                "lastUsedDateTime": instant(secret.last_used_at),
            }
            for secret in client.secrets
        ],
    }


def _cells(secret: ClientSecret) -> list[str]:
    # Two whole ids leave no room in a terminal of 80 characters.
    return [
        secret.key_id[:_SHORT_KEY],
        f"{secret.hint}…",
        f"{secret.expires_at:%Y-%m-%d}",
        instant(secret.last_used_at) or "never",
    ]
