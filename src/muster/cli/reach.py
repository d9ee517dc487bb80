"""How a command reaches an installation: `--data DIR` on this machine, or `--url URL --token T`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from muster.administration.desk import Desk
from muster.administration.refusals import Refused
from muster.bootstrap.folder import StartRefused
from muster.cli.api import Api, HttpApi, LocalApi
from muster.cli.console import Failed
from muster.cli.options import DataOption, JsonOption, settings_for
from muster.database.connection import DatabaseError
from muster.sealing import SealingError

__all__ = ["DataOption", "JsonOption", "TokenOption", "UrlOption", "open_api", "open_desk"]

UrlOption = Annotated[str | None, typer.Option("--url", help="Address of a running installation.", show_default=False)]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="MUSTER_TOKEN", help="API token for --url.", show_default=False),
]


@contextmanager
def open_api(data: Path | None, url: str | None, token: str | None) -> Iterator[Api]:
    """Returns the API of the installation that the options name. Raises: Failed, BadParameter."""
    if url is not None:
        if data is not None:
            raise typer.BadParameter(
                "it names one installation and --data another: give one of the two.", param_hint="--url"
            )
        if not url.lower().startswith(("http://", "https://")):
            raise Failed(f"The address must begin with http:// or https://, and {url} does not.")
        if token is None:
            raise Failed("--url needs an API token: give --token or MUSTER_TOKEN (see muster token create).")
        yield HttpApi(url, token)
        return
    # The house with its durable runner and database is loaded only by commands that enter it.
    from muster.bootstrap.local import open_site

    try:
        with open_site(settings_for(data=data)) as (site, secret):
            yield LocalApi(site, secret)
    except (StartRefused, DatabaseError, SealingError) as error:
        raise Failed(str(error)) from None


@contextmanager
def open_desk(data: Path | None) -> Iterator[Desk]:
    """Returns the operator's desk on a data folder of this machine. Raises: Failed."""
    from muster.bootstrap.local import open_operator_desk

    try:
        with open_operator_desk(settings_for(data=data)) as desk:
            yield desk
    except (StartRefused, DatabaseError, SealingError, Refused) as error:
        raise Failed(str(error)) from None
