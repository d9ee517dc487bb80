"""The reference page is the table's."""

from pathlib import Path

from muster.expression.reference import reference_page
from muster.expression.table import FUNCTIONS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "expressions.md"


def test_the_page_is_what_the_table_makes() -> None:
    assert PAGE.read_text("utf-8") == reference_page(), (
        "run: python -m muster.expression.reference > docs/expressions.md"
    )


def test_every_function_has_its_heading_and_an_example() -> None:
    page = reference_page()
    for name in FUNCTIONS:
        chapter = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert f"`{name}(" in chapter
        assert "→" in chapter
