"""The command `muster`."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from muster.cli import access, configuration_manager, demo, directory, provisioning, serve
from muster.cli.console import Failed, fail

app = typer.Typer(
    name="muster",
    help="Keeps the accounts of SCIM 2.0 applications true to a directory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serve.register(app)
demo.register(app)
directory.register(app)
provisioning.register(app)
app.add_typer(access.admin_app, name="admin")
app.add_typer(access.token_app, name="token")
app.add_typer(configuration_manager.app, name="configuration-manager")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"muster {version('muster')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Self-hosted automatic user provisioning."""


def main() -> None:
    """Runs the command. Exit status: 0 done, 1 something failed (said on stderr in one line), 2 wrong usage."""
    try:
        app()
    except Failed as failure:
        fail(str(failure))
        sys.exit(1)
