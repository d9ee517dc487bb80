"""What commands print, and how they end."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO
from unicodedata import category

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Failed(Exception):
    """A command could not do its work; the sentence says why and what to do."""

    exit_status = 1


class Misused(Failed):
    """A command was given an option that it does not take so."""

    exit_status = 2


def fail(sentence: str) -> None:
    """Prints a failure in one line on stderr; that of a server is one of its log."""
    from muster.telemetry.logs import write_object

    one_line = plain(" ".join(sentence.split()))
    if not write_object(logging.ERROR, one_line):
        print(f"muster: {one_line}", file=sys.stderr)


def announce(sentence: str, to: TextIO) -> None:
    """Prints in one line, be it to a terminal or not, that a server works; where it logs objects, that is one of them.

    No line is broken: whoever reads a server's output takes a line for the whole.
    """
    from muster.telemetry.logs import write_object

    if not write_object(logging.INFO, sentence):
        print(sentence, file=to, flush=True)


def plain(text: str) -> str:
    """Returns a text without control characters, which would command the terminal; line breaks and tabs stay."""
    return "".join("\ufffd" if category(mark) == "Cc" and mark not in "\n\t" else mark for mark in text)


def instant(at: datetime | None) -> str | None:
    """Returns an instant as the API writes it."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def print_json(document: Any) -> None:
    """Prints one JSON document in one line, in the API's names; without what says where the API has it."""
    if isinstance(document, dict):
        document = {name: value for name, value in document.items() if name != "@odata.context"}
    print(json.dumps(document, ensure_ascii=False, default=str), flush=True)


def table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """Returns a table that folds its long cells to the terminal's width."""
    # No lines between columns: at 80 characters every one of them is needed for words.
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold dim",
        box=SIMPLE_HEAD,
        collapse_padding=True,
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        # Values are data: brackets in them are no markup.
        made.add_row(*(escape(plain(cell)) for cell in row))
    return made
