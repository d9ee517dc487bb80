"""Sentences that are made below the faces, gathered from the code and the gallery: what `ui/sentences.py` translates.

A sentence is a text of the code that ends in a full stop and has three words or more; what an f-string fills in becomes
a place, named by what fills it. Beside them stand the activities of the audit log, and the gallery's fields and
descriptions. What is put together from parts is listed in `ui/sentences.py` itself.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from documents.reading import SOURCE
from muster.targets.conformance import reading, searching, writing
from muster.ui.sentences import COMPOSED

ROOMS = ("administration", "engine", "planning", "model", "expression", "sources", "targets", "transport", "gallery")
ROOMS += ("notifications", "bootstrap")
# What no page shows: faces of programs, files of commands, letters, measures.
ELSEWHERE = (
    "administration/bulk_upload.py",
    "administration/clients.py",
    "administration/configuration/",
    "administration/delta.py",
    "administration/inbound/documents.py",
    "administration/inbound/refusing.py",
    "administration/inbound/repository.py",
    "administration/inbound/writing.py",
    "administration/openid",
    "bootstrap/installation.py",
    "bootstrap/local.py",
    "bootstrap/rotation.py",
    "bootstrap/upkeep.py",
    "gallery/page.py",
    "model/configuration.py",
    "model/configuration_sign_on.py",
    "notifications/letter.py",
    "targets/conformance/",
    "targets/measured.py",
    "targets/recorded.py",
    "targets/untouched.py",
)
_PLACE = re.compile(r"%\(\w+\)s")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ACTIVITY = re.compile(
    r"(Accept|Activate|Add|Apply|Approve|Change|Create|Delete|Disable|Disable/pause|Enable/\w+|Hard delete|Import"
    r"|Promote|Read|Reject|Remove|Reset|Restore|Revoke|Roll|Switch|Test|Update) [A-Za-z][\w ]+"
)
# Facts of these pages are read most; the others' are shown as they were found, in English.
_TOLD_PAGES = ("8x8", "scim")


def sentences() -> dict[str, str]:
    """Returns each sentence with the file it is made in, in the order of the files."""
    found = dict.fromkeys(COMPOSED, "ui/sentences.py")
    for path in _files():
        place = path.relative_to(SOURCE).as_posix()
        for text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            is_activity = place.startswith("administration/") and _ACTIVITY.fullmatch(text)
            if is_activity or (_is_sentence(text) and not place.startswith(ELSEWHERE)):
                found.setdefault(text, place)
    for path in sorted((SOURCE / "configuration_manager").glob("*.py")):
        for text in _refusals(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(text, path.relative_to(SOURCE).as_posix())
    for probes in (reading, searching, writing):
        # A filter's operators alone are no words of a language.
        titles = [title for _name, _area, title, *_ in probes.ROWS if len(title.split()) > 1]
        found.update(dict.fromkeys(titles, "targets/conformance/"))
    for name in ("reading", "searching", "session", "report"):
        path = SOURCE / "targets" / "conformance" / f"{name}.py"
        for text in _evidence(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(text, path.relative_to(SOURCE).as_posix())
    for text in _saml_forms():
        found.setdefault(text, "saml/")
    for page in sorted((SOURCE / "gallery" / "pages").glob("*.json")):
        for text in _page_texts(json.loads(page.read_text(encoding="utf-8"))):
            found.setdefault(text, page.relative_to(SOURCE).as_posix())
    return found


def _files() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((SOURCE / room).rglob("*.py"))


def _texts(tree: ast.AST) -> Iterator[str]:
    documentation: set[int] = set()
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr):
            documentation.add(id(node.body[0].value))
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if id(node) in documentation or id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            yield _pattern(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _refusals(tree: ast.AST) -> Iterator[str]:
    """What the console refuses: the words of each ConsoleRefusal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ConsoleRefusal":
            words = node.args[0]
            if isinstance(words, ast.JoinedStr):
                yield _pattern(words)
            elif isinstance(words, ast.Constant):
                yield str(words.value)


# What could not be tried is not shown.
_FINDINGS = ("passed", "failed", "judged")
# What is seen of a form that takes a certificate or metadata; a response that is refused is told to the log alone.
_SAML_FORMS = ("certificate", "metadata", "no-xml", "document-type", "too-large", "no-text")


def _evidence(tree: ast.AST) -> Iterator[str]:
    """What a finding rests on: the texts of its last argument, and how an answer is shown."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FINDINGS:
            yield from _told_texts(node.args[-1])
        elif isinstance(node, ast.FunctionDef) and node.name == "shown":
            yield from (text for each in node.body[1:] for text in _told_texts(each))


def _told_texts(within: ast.AST) -> Iterator[str]:
    """The texts of an expression that are words: no arguments of calls, no parts of a pattern."""
    if isinstance(within, ast.JoinedStr):
        yield _pattern(within)
    elif isinstance(within, ast.Constant) and isinstance(within.value, str) and " " in within.value.strip(", "):
        yield within.value
    elif isinstance(within, ast.Compare | ast.Call | ast.comprehension):
        return
    for each in () if isinstance(within, ast.JoinedStr) else ast.iter_child_nodes(within):
        yield from _told_texts(each)


def _saml_forms() -> Iterator[str]:
    """Why a certificate or metadata that somebody enters is refused."""
    for path in sorted((SOURCE / "saml").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SamlRefused"):
                continue
            code, sentence = node.args[:2]
            if isinstance(code, ast.Constant) and code.value in _SAML_FORMS:
                yield _pattern(sentence) if isinstance(sentence, ast.JoinedStr) else str(ast.literal_eval(sentence))


def _pattern(text: ast.JoinedStr) -> str:
    pattern, used = "", set[str]()
    for part in text.values:
        if isinstance(part, ast.Constant):
            pattern += str(part.value).replace("%", "%%")
            continue
        assert isinstance(part, ast.FormattedValue)
        name = base = _name(part.value)
        number = 1
        while name in used:
            number += 1
            name = f"{base}{number}"
        used.add(name)
        pattern += f"%({name})s"
    return pattern


def _name(value: ast.expr) -> str:
    """What a place is called: the last name of what fills it, or the first name in a longer expression."""
    if isinstance(value, ast.Attribute):
        return value.attr.lower().strip("_")
    names = [each.attr if isinstance(each, ast.Attribute) else each.id for each in ast.walk(value) if _is_named(each)]
    return next((name.lower().strip("_") for name in names if name not in ("join", "len")), "value")


def _is_named(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Name)


def _is_sentence(text: str) -> bool:
    is_one_line = "\n" not in text and text.endswith(".")
    return is_one_line and len(_WORD.findall(_PLACE.sub(" ", text))) >= 3


def _page_texts(page: Mapping[str, Any]) -> Iterator[str]:
    """What the portal shows of a page of the gallery: of sources everything, of applications the description."""
    if page["description"].replace(page["displayName"], "%(name)s") not in COMPOSED:
        yield page["description"]
    if not page.get("isApplication", True):
        yield page["displayName"]
        for field in page.get("connection", ()):
            yield from (text for key in ("label", "hint") if (text := field.get(key)))
    if page["jobTemplateId"] in _TOLD_PAGES:
        yield from (fact["value"] for fact in page["facts"] if _is_sentence(fact["value"]))
    yield from (each["name"] for each in page.get("rules", {}).get("objects", ()))
