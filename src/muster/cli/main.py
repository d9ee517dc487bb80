"""The command `muster`: what there is, and where it is loaded from once it is asked for."""

import errno
import gc
import logging
import re
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from muster.cli.console import Failed, fail

# By what they are for: name -> (module:attribute, the line that `muster --help` shows). A test holds the lines to the
# commands' own.
FAMILIES: dict[str, dict[str, tuple[str, str]]] = {
    "Servers": {
        "demo": (
            "muster.cli.demo:demo",
            "Provision a whole company to 8x8 on this machine, with both servers and a day of changes.",
        ),
        "serve": ("muster.cli.serve:serve", "Run the provisioning service: API, engine, portal."),
        "worker": (
            "muster.cli.serve:worker",
            "Run one more engine of an installation on PostgreSQL, on this or any other machine.",
        ),
        "configuration-manager": (
            "muster.cli.configuration_manager:app",
            "The 8x8 Configuration Manager: the system that receives the accounts.",
        ),
    },
    "Directory and provisioning": {
        "import": ("muster.cli.directory:import_", "Import a file into the directory; nobody is ever removed."),
        "source": ("muster.cli.sources:app", "Sources: where the directory's people come from."),
        "plan": ("muster.cli.provisioning:plan", "Show what the next cycle would do, without doing it."),
        "apply": ("muster.cli.provisioning:apply", "Apply exactly a plan, or refuse because the world has moved."),
        "provision": (
            "muster.cli.provisioning:provision",
            "Provision one user now (provision on demand) and show each step.",
        ),
        "explain": (
            "muster.cli.provisioning:explain",
            "Say why a user is in or out, and why each attribute has its value.",
        ),
        "logs": ("muster.cli.logs:logs", "Show the provisioning log, newest first."),
        "links": ("muster.cli.links:links", "List whose account is which at the application, and how far it is ours."),
        "promote": (
            "muster.cli.links:promote",
            "Make accounts that were there before us ours: they may be deleted, too.",
        ),
        "held": ("muster.cli.holds:held", "Show what waits for an administrator, grouped by what brought it about."),
        "approve": (
            "muster.cli.holds:approve",
            "Let held operations go: named ones, those of a cause, or all.",
        ),
        "reject": ("muster.cli.holds:reject", "Keep held operations from going until their person changes."),
        "rollback": (
            "muster.cli.holds:rollback",
            "Plan how to take back what a cycle has done, and say what cannot be undone.",
        ),
        "plans": ("muster.cli.holds:plans", "List the plans of an application, newest first."),
        "reconcile": (
            "muster.cli.reconciliation:reconcile",
            "Compare everything with what the application has, and name accounts there that nobody manages.",
        ),
        "watch": ("muster.cli.provisioning:watch", "Follow the running cycle until it ends, or show the last one."),
    },
    "Applications": {
        "check": (
            "muster.cli.check:check",
            "Examine a SCIM application: grade, evidence, and the dialect to talk to it.",
        ),
        "config": (
            "muster.cli.configuration:config_app",
            "Applications, roles, assignments, credentials and rules as a file: plan it, apply it.",
        ),
    },
    "Installation": {
        "notifications": (
            "muster.cli.notifications:app",
            "How the installation tells: mail server, webhook, recipients; a test, and what was delivered.",
        ),
        "admin": ("muster.cli.access:admin_app", "Administrators of the provisioning service."),
        "client": (
            "muster.cli.clients:app",
            "App registrations: programs that sign in with client id and secret.",
        ),
        "token": ("muster.cli.access:token_app", "API tokens of the provisioning service."),
        "backup": (
            "muster.cli.upkeep:backup",
            "Copy the installation's database into a file; the service may be running.",
        ),
        "restore": (
            "muster.cli.upkeep:restore",
            "Make a backup the installation's database; the service must be stopped.",
        ),
        "migrate": (
            "muster.cli.upkeep:migrate",
            "Bring the tables up to this version, or move the installation to PostgreSQL; the service must be stopped.",
        ),
        "secrets": ("muster.cli.secrets:app", "The key that stored credentials are sealed with."),
    },
}
COMMANDS = {name: command for family in FAMILIES.values() for name, command in family.items()}


# How the parser of options begins a sentence.
_SUBJECT = re.compile(r"^Input should ")


class LazyCommand(TyperCommand):
    """A command whose module is loaded when it is run: `muster --help` loads no server and no database."""

    def __init__(self, name: str, target: str, line: str, family: str) -> None:
        super().__init__(name, help=line, rich_help_panel=family)
        self._target = target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Returns the context of the real command."""
        return load(self._target).make_context(info_name, args, parent, **extra)


class RootGroup(TyperGroup):
    """All commands. A wrong value is told in our words: the parser's begin as if a program were to read them."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _SUBJECT.sub("it must ", error.message.removeprefix("Value error, "))
            raise


def load(target: str) -> Any:
    """Returns the command that `module:attribute` names: a typer application, or a function."""
    module, _, attribute = target.partition(":")
    # What is loaded stays: a tenth of the time would go into looking for what does not.
    gc.disable()
    found = getattr(import_module(module), attribute)
    gc.enable()
    if isinstance(found, typer.Typer):
        return get_group(found)
    single = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    single.command()(found)
    return get_command(single)


def make_group() -> TyperGroup:
    """Returns the whole command line."""
    app = typer.Typer(
        name="muster",
        cls=RootGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    group = cast(TyperGroup, get_command(app))  # with the options that install completion
    for family, commands in FAMILIES.items():
        for name, (target, line) in commands.items():
            group.commands[name] = LazyCommand(name, target, line, family)
    return group


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"muster {version('muster')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Self-hosted automatic user provisioning: keeps the accounts of SCIM 2.0 applications true to a directory."""


def main() -> None:
    """Runs the command. Exit status: 0 done, 1 something failed (said on stderr in one line), 2 wrong usage."""
    # A command says what matters in its own words; `serve` turns its log on itself.
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        make_group()(prog_name="muster")
    except Failed as failure:
        fail(str(failure))
        sys.exit(failure.exit_status)
    except Exception as error:
        # A command may find the database away or its disk full at any statement.
        from muster.database.outage import outage_of

        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        outage = "the disk is full: make room on it" if is_full else outage_of(error)
        if outage is None:
            raise
        fail(outage)
        sys.exit(1)
