"""The whole provisioning log on stdout, as CSV or JSON, written as it comes: a million entries need no memory."""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from muster.web.graph.log_table import Part, table_lines


class LogFormat(StrEnum):
    """What the log is written as."""

    CSV = "csv"
    JSON = "json"


def write_log(entries: Iterator[dict[str, Any]], form: LogFormat, part: Part) -> None:
    """Writes entries one after the other."""
    if form is LogFormat.CSV:
        for line in table_lines(entries, part):
            sys.stdout.write(line)
        return
    sys.stdout.write("[")
    for number, entry in enumerate(entries):
        sys.stdout.write((",\n" if number else "") + json.dumps(entry, ensure_ascii=False))
    sys.stdout.write("]\n")


def literal(text: str) -> str:
    """Returns a text as it stands within the quotes of a `$filter`."""
    return text.replace("'", "''")
