"""Options that most commands have, and the settings they make."""

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.console import Failed, Misused
from muster.settings import Settings, SettingsError, load_settings

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder of an installation on this machine.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def settings_for(**options: object) -> Settings:
    """Returns settings from options and environment. Raises: Misused for an option, Failed for the environment."""
    try:
        return load_settings(**options)
    except SettingsError as error:
        raise (Misused if error.is_usage else Failed)(str(error)) from None
