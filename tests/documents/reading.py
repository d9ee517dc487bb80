"""Reads the documents and the code for the tests that hold them together."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from muster.cli.main import COMMANDS, load

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "muster"
DOCUMENTS = tuple(sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]))

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def read(name: str) -> str:
    """Returns a document of docs."""
    return (DOCS / name).read_text(encoding="utf-8")


def commands() -> dict[str, Any]:
    """Returns every command by its words, `token create`."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: str) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, f"{words} {name}")
        else:
            found[words] = command

    for name, (target, _) in COMMANDS.items():
        walk(load(target), name)
    return found


def options(command: Any) -> set[str]:
    """Returns the long options of a command but --help."""
    return {
        option
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }


def section(text: str, heading: str) -> str:
    """Returns what stands under a heading of the second level, or nothing."""
    _, found, rest = f"\n{text}".partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0] if found else ""


def anchors(document: Path) -> set[str]:
    """Returns the anchors of a document's headings, as GitHub makes them."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


def links(document: Path) -> list[str]:
    """Returns the targets of a document's links to files and headings of this repository."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return [target for target in _LINK.findall(text) if not re.match(r"[a-z]+:", target)]


def modules() -> list[Path]:
    """Returns every module of the package."""
    return sorted(SOURCE.rglob("*.py"))


def codes() -> set[str]:
    """Returns every code of a failure, refusal, hold, skip or quarantine that the source can give."""
    found: set[str] = set()
    for module in modules():
        tree = ast.parse(module.read_text(encoding="utf-8"))
        named = dict(_texts_of_module(tree))
        for node in ast.walk(tree):
            found.update(named.get(code, code) for code in _codes_of(node))
    # An enum's or table's own spelling is read where it is made.
    return {code for code in found if re.fullmatch(r"[A-Z][A-Za-z]+(_[A-Z][A-Za-z]+)?", code)}


def _texts_of_module(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            for text in _texts(node.value):
                yield node.targets[0].id, text


def _codes_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.keyword(arg="code" | "error_code" | "hold_code", value=value):
            yield from _texts(value)
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield from _texts(value)
        case ast.arg():
            return
        case ast.Call(func=ast.Name(id="Refused" | "_refused" | "write_error"), args=arguments):
            yield from (text for argument in arguments[:5] for text in _texts(argument) if " " not in text)
        case ast.FunctionDef(args=arguments):
            for name, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
                if name.arg == "code" and default is not None:
                    yield from _texts(default)


def _texts(value: ast.AST) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name):
            yield name
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body)
            yield from _texts(other)
