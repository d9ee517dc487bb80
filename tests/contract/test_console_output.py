"""What commands print: values are data, to the terminal too."""

import io

import pytest
from rich.console import Console

from muster.cli.console import fail, table

HOSTILE = "Ada\x1b]0;owned\x07\x9b2J [red]x[/red]"
SHOWN = "Ada\ufffd]0;owned\ufffd\ufffd2J [red]x[/red]"


def test_a_cell_commands_neither_the_terminal_nor_the_table() -> None:
    written = io.StringIO()
    Console(file=written, width=80).print(table("people", ["name"], [[HOSTILE]]))
    assert SHOWN in written.getvalue()


def test_a_failure_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fail(f"The application says:\n{HOSTILE}")
    assert capsys.readouterr().err == f"muster: The application says: {SHOWN}\n"
