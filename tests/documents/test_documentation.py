"""The documentation says what the code does: every command, option, setting, code and route, and no broken link."""

import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from documents.reading import DOCS, DOCUMENTS, ROOT, anchors, codes, commands, links, options, read, section
from muster.model.hold import HoldCode
from muster.model.job import QuarantineReason
from muster.model.log import SkipReason
from muster.scim.errors import ScimError
from muster.settings import Settings
from muster.store.open import METADATA
from muster.targets import scim_failures
from muster.web.graph import faults
from muster.web.graph.routes import ROUTES

_COMMANDS = commands()
# A command in a document: indented, or after a prompt. `HASH` and the like stand for values.
_SHOWN = re.compile(r"^ {4}(?:pass show muster \| )?muster ([^\n#|]+)", re.MULTILINE)


def _rows(text: str) -> dict[str, str]:
    """Returns the table rows of a document by the names in their first cell."""
    rows: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("| "):
            first = line.split(" | ", 1)[0]
            rows.update(dict.fromkeys(re.findall(r"`([^`]+)`", first), line))
    return rows


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize("words", sorted(_COMMANDS))
def test_every_command_has_its_heading_an_example_and_its_exit_status(words: str) -> None:
    text = section(read("commands.md"), f"muster {words}")
    assert f"\n    muster {words}" in text
    assert "Example:" in text
    assert "Exit status: 0 " in text


@pytest.mark.parametrize("words", sorted(_COMMANDS))
def test_every_option_of_a_command_has_its_row_and_no_row_is_left_over(words: str) -> None:
    described = {name.split()[0] for name in _rows(section(read("commands.md"), f"muster {words}"))}
    assert {name for name in described if name.startswith("--")} == options(_COMMANDS[words])


def test_no_heading_is_left_of_a_command_that_is_gone() -> None:
    headings = re.findall(r"^## muster (.+)$", read("commands.md"), re.MULTILINE)
    assert set(headings) == set(_COMMANDS)


def test_the_table_at_the_top_leads_to_every_command_in_the_order_of_the_page() -> None:
    top, _, rest = read("commands.md").partition("\n## ")
    rows = re.findall(r"^\| \[`muster ([^`]+)`\]\(#muster-([^)]+)\) \| \S.* \|$", top, re.MULTILINE)
    assert [words for words, _ in rows] == re.findall(r"^## muster (.+)$", f"## {rest}", re.MULTILINE)
    assert [anchor for _, anchor in rows] == [words.replace(" ", "-") for words, _ in rows]


def _shown_commands() -> list[tuple[str, str]]:
    shown = []
    for document in DOCUMENTS:
        for line in _SHOWN.findall(document.read_text(encoding="utf-8")):
            shown.append((document.name, line.replace("[OPTIONS]", "").strip()))
    return shown


@pytest.mark.parametrize(("document", "line"), _shown_commands())
def test_a_command_that_a_document_shows_exists_with_its_options(document: str, line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])
    names = [name for name in _COMMANDS if words[: len(name.split())] == name.split()]
    if not names:
        # An option of muster itself, or a family that is named as a whole.
        assert words[0] in ("--help", "--version", "COMMAND") or any(
            name.startswith(" ".join(words) + " ") for name in _COMMANDS
        )
        return
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= options(_COMMANDS[max(names, key=len)]) | {"--help"}


def test_the_readme_names_targets_that_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = re.findall(r"(?:^ {4}|`)make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
        assert named
        assert set(named) <= targets


# ---------------------------------------------------------------- settings


def test_every_setting_has_its_row_with_its_default() -> None:
    rows = _rows(section(read("settings.md"), "All settings"))
    described = {name for name in rows if name.startswith("MUSTER_")}
    assert described == {f"MUSTER_{name.upper()}" for name in Settings.model_fields} | {"MUSTER_TOKEN"}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, str | int) and not isinstance(field.default, bool):
            assert f"{field.default}" in rows[f"MUSTER_{name.upper()}"]


def test_the_option_beside_a_setting_is_one_of_serve() -> None:
    named = set(
        re.findall(r"^\| `MUSTER_\w+` \| `(--[\w-]+)`", section(read("settings.md"), "All settings"), re.MULTILINE)
    )
    assert named <= options(_COMMANDS["serve"]) | {"--token"}
    assert options(_COMMANDS["serve"]) <= named


# ---------------------------------------------------------------- codes


def _tables() -> set[str]:
    """Codes that stand in tables and enums instead of a call."""
    enums: tuple[type[StrEnum], ...] = (SkipReason, QuarantineReason, HoldCode)
    # By HTTP status: private tables, but their values are what users see.
    by_status = {*scim_failures._REFUSALS.values(), *faults._CODES.values()}
    return {item.value for kind in enums for item in kind} | by_status


@pytest.mark.parametrize("code", sorted(codes() | _tables()))
def test_every_code_has_its_row_with_what_it_means(code: str) -> None:
    row = _rows(read("errors.md")).get(code)
    assert row is not None, f"docs/errors.md has no row for {code}"
    assert len(row) > len(code) + 20


def _scim_types() -> set[str]:
    found: set[str] = set()
    waiting: list[Any] = [ScimError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.scim_type is not None:
            found.add(kind.scim_type)
    return found


def test_every_scim_type_has_its_row() -> None:
    described = set(_rows(section(read("errors.md"), "SCIM errors of the Configuration Manager")))
    assert described == _scim_types()


# ---------------------------------------------------------------- routes


def test_every_route_has_its_row_with_its_permission_and_no_row_is_left_over() -> None:
    described = {
        (name, row.split(" | ")[1])
        for name, row in _rows(section(read("api.md"), "Routes")).items()
        if re.match(r"[A-Z]+ /", name)
    }
    assert described == {(f"{route.method} {route.path}", route.permission.value) for route in ROUTES}


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_of_a_document_is_broken(document: Path) -> None:
    broken = []
    for target in links(document):
        path, _, anchor = target.partition("#")
        file = document if not path else (document.parent / path).resolve()
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_site_takes_every_fence_for_one(document: Path) -> None:
    # What else stands behind a fence makes a paragraph of it and of the text up to the next: the strict build passes.
    opened = re.findall(r"^ *```(.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert [words for words in opened if not re.fullmatch(r'[\w+-]+( title="[^"]+")?', words)] == []


def test_files_that_the_architecture_names_exist() -> None:
    text = read("architecture.md")
    named = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|json))`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / "src" / "muster" / name).is_file()] == []


def test_the_architecture_names_every_room() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "muster").glob("*/__init__.py")}
    text = read("architecture.md")
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []


def test_the_architecture_names_every_table() -> None:
    rows = read("architecture.md").partition("\n## The store\n")[2].partition("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == {table.name for table in METADATA.sorted_tables}


def test_every_page_has_its_place_on_the_site() -> None:
    """mkdocs.yml, under `nav`; the decisions are listed by their folder."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}
    assert named == pages
