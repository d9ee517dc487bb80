"""Options that most commands have, and the settings they make."""

import os
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.console import Failed, Misused
from muster.settings import Settings, SettingsError, load_settings

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder of an installation on this machine.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def start_log_of_server() -> None:
    """Lets the command log as a server's processes do, before its settings are read: a refusal of them is logged, too.

    What it does itself is logged from warnings on: the link with which the first administrator is made is one.
    """
    from muster.telemetry.logs import start_logging

    start_logging("warning", os.environ.get("MUSTER_LOG_FORMAT", "text"))


def settings_for(**options: object) -> Settings:
    """Returns settings from options and environment. Raises: Misused for an option, Failed for the environment."""
    try:
        return load_settings(**options)
    except SettingsError as error:
        raise (Misused if error.is_usage else Failed)(str(error)) from None
