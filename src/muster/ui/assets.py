"""Stylesheets, scripts and pictures: served under a name that changes with their content, compressed once."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

STATIC = Path(__file__).with_name("static")
TEMPLATES = Path(__file__).with_name("templates")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file as it is served. `version` is part of its address."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


def find_asset(name: str) -> Asset | None:
    """Returns the asset with a name (`portal.css`, `vendor/htmx.min.js`), None if there is none."""
    return _assets().get(name)


@cache
def _assets() -> dict[str, Asset]:
    return {
        path.relative_to(STATIC).as_posix(): _read(path)
        for path in sorted(STATIC.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(
        content=content,
        compressed=gzip.compress(content, mtime=0),
        media_type=_TYPES[path.suffix],
        version=hashlib.sha256(content).hexdigest()[:_VERSION_DIGITS],
    )
