"""A configuration file: YAML read with the places of its entries, and written so that its comments stay.

YAML is read by ruamel.yaml in its round-trip form, which constructs no objects but lists, maps and scalars.
"""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from muster.cli.console import Failed

FILE_BYTES = 16 * 1024 * 1024
SECRET_BYTES = 64 * 1024
_HEAD = "# yaml-language-server: $schema=./muster.schema.json  (muster config schema > muster.schema.json)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationFile:
    """A file as it was read."""

    path: Path
    tree: CommentedMap = field(repr=False)
    # The same as plain JSON values.
    document: Mapping[str, Any] = field(repr=False)

    def where(self, pointer: str) -> str:
        """Returns file, line, column and path of the entry at a JSON pointer, or of the nearest one around it."""
        line, column = self.line_and_column(pointer)
        shown = "/".join(_steps(pointer))
        return f"{self.path}:{line}:{column}" + (f" ({shown})" if shown else "")

    def line_and_column(self, pointer: str) -> tuple[int, int]:
        """Returns where, counted from one, the entry at a JSON pointer stands, or the nearest one around it."""
        node: Any = self.tree
        line, column = node.lc.line, node.lc.col
        for step in _steps(pointer):
            if isinstance(node, CommentedMap) and step in node:
                place, node = node.lc.key(step), node[step]
            elif isinstance(node, CommentedSeq) and step.isdecimal() and int(step) < len(node):
                place, node = node.lc.item(int(step)), node[int(step)]
            else:
                break
            line, column = place or (line, column)
        return line + 1, column + 1

    def parts_of(self, path: str) -> Iterator[tuple[str, str]]:
        """Yields application and key of the file's part that a difference's path names."""
        for application in self.document.get("applications") or ():
            prefix = f"applications[{application['name']}]."
            if path == prefix[:-1]:
                yield from ((application["name"], key) for key in application)
            elif path.startswith(prefix):
                key = path.removeprefix(prefix).partition(".")[0].partition("[")[0]
                yield application["name"], key.removesuffix(" (order)")


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def read_file(path: Path) -> ConfigurationFile:
    """Returns the file. Raises: Failed with line and column of what is no YAML."""
    try:
        if path.stat().st_size > FILE_BYTES:
            raise Failed(f"{path} has more than {FILE_BYTES // 1024 // 1024} MiB.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Failed(f"{path} is not UTF-8: look at byte {error.start + 1}.") from None
    try:
        tree = _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        # What the value of a key is that stands there twice is not repeated: it may be a secret in the wrong place.
        problem = (error.problem or "this is no YAML").partition(" with value ")[0]
        raise Failed(f"{path}{place}: {problem}.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise Failed(f"{path} is no YAML that can be used: {error}") from None
    if not isinstance(tree, CommentedMap):
        raise Failed(f"{path} holds no configuration: it begins with version: 1 and applications:")
    return ConfigurationFile(path=path, tree=tree, document=_plain(tree, path))


def follow_references(kept: ConfigurationFile) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Returns the values of env: and file: references by application and key, and a sentence for each unknown one."""
    values: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for application, key, reference in _references(kept):
        kind, _, name = reference.partition(":")
        value = os.environ.get(name) if kind == "env" else _secret_in(kept.path.parent / name)
        if value:
            values.setdefault(application, {})[key] = value
        else:
            what = f"The environment variable {name} is not set" if kind == "env" else f"{name} cannot be read"
            unknown.append(f"{what}: {key} of {application} is taken from there.")
    return values, unknown


def references_in(kept: ConfigurationFile) -> list[str]:
    """Returns the references to secrets, as they are written."""
    return [reference for _, _, reference in _references(kept)]


def _references(kept: ConfigurationFile) -> Iterator[tuple[str, str, str]]:
    """Yields application, key and reference."""
    for application in kept.document.get("applications") or ():
        credentials = application.get("credentials") if isinstance(application, Mapping) else None
        for key, reference in credentials.items() if isinstance(credentials, Mapping) else ():
            if _is_reference(reference):
                yield str(application.get("name")), str(key), str(reference)


def written(document: Mapping[str, Any]) -> str:
    """Returns a configuration as YAML."""
    return _HEAD + _text(document)


def merged(kept: ConfigurationFile, document: Mapping[str, Any], changed: frozenset[tuple[str, str]]) -> str:
    """Returns the file with what has changed in the installation; everything else, comments too, as it stands."""
    known = {item["name"]: item for item in document.get("applications") or ()}
    listed: Any = kept.tree.setdefault("applications", CommentedSeq())
    for item in listed:
        now = known.pop(item["name"], None)
        for key in now or ():
            if key not in item or (item["name"], key) in changed:
                _put(item, key, (now or {})[key])
    listed.extend(known.values())
    return _text(kept.tree)


def _put(holder: Any, key: Any, value: Any) -> None:
    """Sets a value; where both are maps only what differs, so that comments and references beside it stay."""
    before = holder.get(key)
    if not isinstance(before, CommentedMap) or not isinstance(value, Mapping):
        if before != value:
            holder[key] = value
        return
    for name in [name for name in before if name not in value]:
        del before[name]
    for name, part in value.items():
        if not _is_reference(before.get(name)):
            _put(before, name, part)


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.partition(":")[0] in ("env", "file") and ":" in value


def _secret_in(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(SECRET_BYTES).strip()
    except (OSError, UnicodeDecodeError):
        return None


def _text(document: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    yaml.width = 4_096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _plain(node: Any, path: Path) -> Any:
    """The tree as JSON values. An alias may not make a small file large."""
    budget = [200_000]

    def plain(item: Any) -> Any:
        budget[0] -= 1
        if budget[0] < 0:
            raise Failed(f"{path} unfolds to more than 200,000 entries.")
        tag = getattr(getattr(item, "tag", None), "value", None)
        if tag:
            raise Failed(f"{path} uses the tag {tag}: a configuration holds texts, numbers, lists and maps alone.")
        if isinstance(item, Mapping):
            return {str(key): plain(value) for key, value in item.items()}
        if isinstance(item, list):
            return [plain(value) for value in item]
        if item is None or isinstance(item, bool):
            return item
        if isinstance(item, int):
            return int(item)
        return float(item) if isinstance(item, float) else str(item)

    return plain(node)
