"""How a command reaches an installation: `--data DIR` on this machine, or `--url URL --token T`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from muster.administration.access import OPERATOR, TOKEN_PREFIX
from muster.bootstrap.folder import StartRefused
from muster.bootstrap.house import House, open_house
from muster.bootstrap.service import local_engine, make_services, service_folder
from muster.cli.api import Api, HttpApi, LocalApi
from muster.cli.console import Failed
from muster.database import DatabaseError
from muster.ports.administration import ApiToken
from muster.sealing import SealingError, hash_token, make_token
from muster.settings import Settings, SettingsError, load_settings
from muster.web.site import make_site

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder of an installation on this machine.", show_default=False)
]
UrlOption = Annotated[str | None, typer.Option("--url", help="Address of a running installation.", show_default=False)]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="MUSTER_TOKEN", help="API token for --url.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@contextmanager
def open_api(data: Path | None, url: str | None, token: str | None) -> Iterator[Api]:
    """Returns the API of the installation that the options name. Raises: Failed."""
    if url is not None:
        if token is None:
            raise Failed("--url needs an API token: give --token or MUSTER_TOKEN (see muster token create).")
        yield HttpApi(url, token)
        return
    house = open_local(data)
    # Whoever may read the data folder owns the installation; the pass ends with the command, or by itself.
    secret = make_token(TOKEN_PREFIX)
    now = house.clock.now()
    pass_ = ApiToken(
        id=house.ids.new_id(),
        name=OPERATOR.display_name,
        roles=OPERATOR.roles,
        created_at=now,
        expires_at=now + timedelta(hours=12),
        last_used_at=None,
    )
    house.store.access.add_token(pass_, hash_token(secret))
    try:
        with local_engine(house):
            yield LocalApi(make_site(make_services(house)), secret)
    except StartRefused as refusal:
        raise Failed(str(refusal)) from None
    finally:
        house.store.access.remove_token(pass_.id)
        house.database.close()


def open_local(data: Path | None) -> House:
    """Returns the service's house on a data folder of this machine. Raises: Failed."""
    settings = settings_for(data=data)
    folder = service_folder(settings)
    if settings.database is None and not folder.is_dir():
        raise Failed(f"There is no installation in {folder}: run muster serve, or name another folder with --data.")
    try:
        return open_house(settings, folder)
    except (DatabaseError, SealingError) as error:
        raise Failed(str(error)) from None


def settings_for(**options: object) -> Settings:
    """Returns settings from options and environment. Raises: Failed."""
    try:
        return load_settings(**options)
    except SettingsError as error:
        raise Failed(str(error)) from None
