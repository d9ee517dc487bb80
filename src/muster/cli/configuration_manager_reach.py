"""How commands of the Configuration Manager reach an installation, and how they print."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.bootstrap.folder import StartRefused
from muster.cli.console import fail
from muster.configuration_manager.customers import ConsoleRefusal, Customer, Customers
from muster.database.connection import DatabaseError
from muster.settings import SettingsError, load_settings

Data = Annotated[Path | None, typer.Option(help="Data folder.")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="postgresql://… instead of the data folder's file.")
]
PublicUrl = Annotated[str | None, typer.Option(help="How others reach it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CustomerName = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's name.")]


@contextmanager
def open_installation(data: Path | None, database: str | None, public_url: str | None = None) -> Iterator[Any]:
    """The open `Installation`; its bootstrap loads the console, which no other command needs."""
    from muster.bootstrap.configuration_manager import open_installation as opened

    with (
        refusals(),
        opened(load_settings(data=data, database=database, public_url=public_url)) as installation,
    ):
        yield installation


@contextmanager
def open_customer(name: str, data: Path | None, database: str | None) -> Iterator[tuple[Customers, Customer]]:
    with open_installation(data, database) as installation:
        customers: Customers = installation.customers
        yield customers, customers.require_customer(name)


@contextmanager
def refusals() -> Iterator[None]:
    """Says in one line on stderr why it cannot be done, and exits with 1, or with 2 for a wrong option."""
    try:
        yield
    except (ConsoleRefusal, DatabaseError, SettingsError, StartRefused) as error:
        fail(str(error))
        raise typer.Exit(2 if isinstance(error, SettingsError) and error.is_usage else 1) from None


def written_instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds").replace("+00:00", "Z")


def show(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row, ensure_ascii=False))
        return
    for name, value in row.items():
        print(f"{name}: {value}")


def show_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        print("  ".join("-" if value is None else str(value) for value in row.values()))
