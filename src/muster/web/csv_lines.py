"""Lines of CSV that a spreadsheet may open: names in them come from outside, and must not run there as formulas."""

import csv
import io
from collections.abc import Sequence

# Source: OWASP, CSV injection. The wide forms count in East Asian spreadsheets.
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_line(cells: Sequence[object]) -> str:
    """Returns one line (RFC 4180); a cell that would be taken for a formula begins with an apostrophe."""
    line = io.StringIO()
    csv.writer(line).writerow([_safe(cell) for cell in cells])
    return line.getvalue()


def _safe(cell: object) -> object:
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(_BEGINS_FORMULA):
        return f"'{cell}"
    return cell
