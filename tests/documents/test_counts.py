"""Every number that counts things leads to them: a link around it, or a row that is one. Read in the templates, so that
each state of a page counts, those too that no walk comes to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from documents.reading import SOURCE

TEMPLATES = sorted(
    path for folder in ("ui", "web", "configuration_manager") for path in (SOURCE / folder).rglob("*.html")
)
# Numbers that count what stands on the same page, right below them: nothing is left to lead to.
LISTED_HERE = {
    "configuration_manager/templates/identity.html": ("tokens",),
    "configuration_manager/templates/sites.html": ("sites",),
    "configuration_manager/templates/users.html": ("total",),
    "web/portal/templates/applications/assignments.html": ("total", "awaited"),
    "web/portal/templates/directory/group.html": ("page.total",),
    "web/portal/templates/directory/groups.html": ("page.total",),
    "web/portal/templates/directory/import_progress.html": ("missing.count",),
    "web/portal/templates/directory/user.html": ("groups",),
    "web/portal/templates/directory/users.html": ("page.total",),
    "web/portal/templates/directory/why.html": ("flowing", "groups"),
    "web/portal/templates/logs/detail.html": ("entry.modified",),
    "web/portal/templates/mappings/affected_rows.html": ("total",),
    "web/portal/templates/mappings/attributes.html": ("listed",),
    "web/portal/templates/mappings/schema.html": ("differences",),
    "web/portal/templates/plans/operations.html": ("each.changes",),
    "web/portal/templates/plans/plan.html": ("plan.irreversible", "plan.held_count"),
    # What is held without a cause of its own is among the rows below.
    "web/portal/templates/plans/held.html": ("each.count",),
    "web/portal/templates/provisioning/requests.html": ("exchanges",),
    "web/portal/templates/sources/source.html": ("mirror.problem_count",),
}
# Numbers that count nothing which has a page: rates, settings, what is only kept as a number, and rules not saved yet.
COUNT_NOTHING_SHOWN = {
    # How far back a search looks, whatever it finds.
    "web/portal/templates/logs/list.html": ("newest",),
    # How long a call took.
    "configuration_manager/templates/calls.html": ("call.duration_us",),
    # Within the label of a field.
    "configuration_manager/templates/settings.html": ("active=active",),
    "ui/templates/factor.html": ("factor.codes_left",),
    # Requests are only there to be read while the wire log keeps them.
    "web/portal/templates/applications/cycle.html": ("view.rate", "each.count | number"),
    "web/portal/templates/applications/live.html": ("cycle.rate",),
    # Nothing, and the rows that changed nobody; the others lead to theirs.
    "web/portal/templates/directory/import_progress.html": ("rows | number",),
    # No list has just the cycles of a stretch of time.
    "web/portal/templates/insights/page.html": ("found.cycles", "bucket.cycles"),
    "web/portal/templates/mappings/consequences.html": ("made.considered", "made.requests"),
    "web/portal/templates/mappings/scope_count.html": ("count.inside + count.outside",),
    # What is held without a cause of its own has no list of its own.
    "web/portal/templates/plans/list.html": ("each.count",),
    "web/portal/templates/provisioning/certificate.html": ("presented.chain",),
    "web/portal/templates/provisioning/safeguards.html": ("rolling_count",),
    "web/portal/templates/looking.html": ("look.count",),
    "web/portal/templates/provisioning/weighed.html": (
        "made.removals",
        "made.held",
        "made.members_removed",
        "made.members_held",
        "made.writes_held",
        "made.protected",
        "made.spared",
        "made.waiting",
        "made.considered",
    ),
    "web/portal/templates/sources/source.html": ("mirror.missing",),
}
# Text that is written as a number; `ngettext` without one only chooses a word.
_COUNTS = re.compile(r"\| number\b|ngettext\(\"[^\"]*%\(num\)s|\| length\b(?! [<>=!]| [a-z])")
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_EMPTY = frozenset({"br", "hr", "img", "input", "link", "meta", "use", "wbr", "rect", "path"})
_ROWS = frozenset({"li", "tr"})


@dataclass
class _Element:
    tag: str
    parent: "_Element | None" = None
    leads: bool = False
    texts: list[str] = field(default_factory=list)


class _Template(HTMLParser):
    """The texts of a template, each with the elements around it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.root = self.here = _Element("")
        self.elements = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _EMPTY:
            return
        given = dict(attrs)
        self.here = _Element(tag, self.here, leads=tag == "a")
        self.elements.append(self.here)
        if "stretched-link" in (given.get("class") or ""):
            self._row().leads = True

    def _row(self) -> _Element:
        above = self.here
        while above.parent is not None and above.tag not in _ROWS:
            above = above.parent
        return above

    def handle_endtag(self, tag: str) -> None:
        above = self.here
        while above.parent is not None and above.tag != tag:
            above = above.parent
        if above.parent is not None:
            self.here = above.parent

    def handle_data(self, data: str) -> None:
        self.here.texts.append(data)


def counts_without_link(path: Path) -> Iterator[str]:
    """Yields what a template prints as a number outside of a link."""
    source = path.read_text(encoding="utf-8")
    pieces: list[str] = []

    def keep(found: re.Match[str]) -> str:
        pieces.append(found.group())
        return f"\u00ab{len(pieces) - 1}\u00bb"

    # Jinja's own marks, in quotes and out of them, would be read as HTML.
    template = _Template()
    template.feed(_JINJA.sub(keep, source))
    template.close()
    for element in template.elements:
        above: _Element | None = element
        while above is not None and not above.leads:
            above = above.parent
        if above is not None:
            continue
        for number in re.findall("\u00ab(\\d+)\u00bb", " ".join(element.texts)):
            piece = pieces[int(number)]
            if piece.startswith("{{") and _COUNTS.search(piece):
                yield " ".join(piece.strip("{} ").split())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_number_leads_to_what_it_counts(path: Path) -> None:
    place = path.relative_to(SOURCE).as_posix()
    excused = (*LISTED_HERE.get(place, ()), *COUNT_NOTHING_SHOWN.get(place, ()))
    found = list(counts_without_link(path))
    assert [count for count in found if not any(each in count for each in excused)] == []
    assert [each for each in excused if not any(each in count for count in found)] == [], "excused, and not there"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>{{ total | number }}</p>", ["total | number"]),
        ("<p><a href=\"{{ address('x') }}\"><b>{{ total | number }}</b></a></p>", []),
        ('<tr><td><a class="stretched-link" href="/x">x</a></td><td>{{ total | number }}</td></tr>', []),
        ("<tr><td>{{ total | number }}</td></tr>", ["total | number"]),
        ("{% if total %}<p>{{ rows | length }}</p>{% endif %}", ["rows | length"]),
        ("{% if rows | length > 1 %}<p>x</p>{% endif %}", []),
    ],
)
def test_a_number_outside_of_a_link_is_found(tmp_path: Path, template: str, found: list[str]) -> None:
    path = tmp_path / "one.html"
    path.write_text(template, encoding="utf-8")
    assert list(counts_without_link(path)) == found
