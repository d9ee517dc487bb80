"""`muster admin` and `muster token`: who may use the installation."""

import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from muster.administration.access import create_administrator, create_token, revoke_token, tokens
from muster.administration.second_factors import remove_of_administrator
from muster.cli.console import instant, out, print_json, table
from muster.cli.reach import DataOption, JsonOption, open_desk
from muster.model.roles import Role

admin_app = typer.Typer(no_args_is_help=True, help="Administrators of the provisioning service.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens of the provisioning service.")

RoleOption = Annotated[Role, typer.Option(help="Directory role.")]


@admin_app.command("create")
def create_admin(
    name: Annotated[str, typer.Argument(help="Sign-in name.")],
    role: RoleOption = Role.GLOBAL_ADMINISTRATOR,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an administrator."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask_password()
    with open_desk(data) as desk:
        made = create_administrator(desk, name, password, frozenset({role}))
    if as_json:
        print_json(
            {"id": made.id, "displayName": made.display_name, "roles": sorted(item.value for item in made.roles)}
        )
    else:
        out.print(f"Administrator {made.display_name} created with the role {role.value}.")


@admin_app.command("reset-second-factor")
def reset_second_factor(name: Annotated[str, typer.Argument(help="Sign-in name.")], data: DataOption = None) -> None:
    """Remove the authenticator app of an administrator who lost it."""
    with open_desk(data) as desk:
        remove_of_administrator(desk, name)
    out.print(f"{name} signs in with the password alone now, and can set up another app.")


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    role: RoleOption = Role.APPLICATION_ADMINISTRATOR,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days until it expires.", show_default="never")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API token. It is shown this once."""
    with open_desk(data) as desk:
        lifetime = None if days is None else timedelta(days=days)
        _, secret = create_token(desk, name, frozenset({role}), lifetime=lifetime)
    if as_json:
        print_json({"token": secret})
    else:
        out.print(f"[bold]{secret}[/bold]\nKeep it now: it is not shown again.")


@token_app.command("list")
def list_tokens(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List API tokens: names, roles, last use."""
    with open_desk(data) as desk:
        found = tokens(desk)
    rows: list[dict[str, Any]] = [
        {
            "id": token.id,
            "name": token.name,
            "roles": sorted(role.value for role in token.roles),
            "expirationDateTime": instant(token.expires_at),
            "lastUsedDateTime": instant(token.last_used_at),
        }
        for token in found
    ]
    if as_json:
        print_json(rows)
    else:
        shown = _texts([{**row, "roles": ", ".join(row["roles"])} for row in rows])
        out.print(table("API tokens", ["id", "name", "roles", "expires", "last used"], shown))


@token_app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id (see muster token list).")], data: DataOption = None
) -> None:
    """Revoke an API token at once."""
    with open_desk(data) as desk:
        revoke_token(desk, token_id)
    out.print("Revoked.")


def _ask_password() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _texts(rows: list[dict[str, str | None]]) -> list[list[str]]:
    return [[value or "–" for value in row.values()] for row in rows]
