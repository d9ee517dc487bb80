"""The console blocks of the documentation: each command that a reader is told to type, and each file to write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from documents.reading import ROOT

#: What a command begins with, after variables that are set for it alone.
_PROGRAMS = (
    *("muster", "make", "curl", "api", "api()", "export", "mkdir", "cp", "cat", "grep", "sed", "sleep", "pass"),
    *("python", "python3", "openssl", "printf", "docker", "kubectl", "systemctl", "sudo", "apt", "useradd", "install"),
    *(".venv/bin/python", ".venv/bin/pip", ".venv/bin/muster"),
)
_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[^\n]*)$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a page. `kind`: `sh`, `file` (to be written) or `other`."""

    page: str
    line: int
    kind: str
    text: str
    file: str | None = None

    @property
    def commands(self) -> list[str]:
        """The commands of a block that is typed; one that goes on in the next line is one."""
        found: list[str] = []
        for line in self.text.splitlines():
            if found and (found[-1].endswith("\\") or _is_open(found[-1])):
                found[-1] = f"{found[-1]}\n{line}"
            elif line.strip():
                found.append(line)
        # A usage in commands.md says what may be given; the examples below it are commands.
        return [line for line in found if "[OPTIONS]" not in line]


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of a page in their order, fenced and indented ones."""
    page = str(document.relative_to(ROOT))
    lines = document.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        begin = number
        if fence := _FENCE.match(lines[number]):
            number = lines.index(f"{fence['indent']}```", number + 1) + 1
            text = "\n".join(line.removeprefix(fence["indent"]) for line in lines[begin + 1 : number - 1])
            title = re.fullmatch(r'\w+ title="([^"]+)"', fence["kind"])
            kind = fence["kind"] if fence["kind"].startswith("sh") else "file" if title else "other"
            yield Block(page=page, line=begin + 1, kind=kind, text=f"{text}\n", file=title and title[1])
        elif lines[number].startswith("    ") and not lines[number - 1].strip():
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            text = "\n".join(line[4:] for line in lines[begin:number])
            yield Block(page=page, line=begin + 1, kind="sh" if _is_typed(text) else "other", text=f"{text}\n")
        else:
            number += 1


def _is_typed(text: str) -> bool:
    words = [word for word in text.split() if not re.match(r"[A-Z_]+=", word)]
    return bool(words) and words[0] in _PROGRAMS


def _is_open(text: str) -> bool:
    """Whether a quotation goes on in the next line. What stands behind ` #` is a comment, with apostrophes or not."""
    quote = ""
    for before, sign in pairwise(f"\n{text}"):
        if quote:
            quote = "" if sign == quote and before != "\\" else quote
        elif sign == "#" and before.isspace():
            return False
        elif sign in "'\"" and before != "\\":
            quote = sign
    return bool(quote)
