"""What Muster is made of, by licence: packages of the lock as they are installed, and assets that lie in the source.

`python -m documents.licences build/sbom.json` completes what cyclonedx-py makes of the lock, which knows neither.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from documents.reading import ROOT, SOURCE

LOCK = ROOT / "requirements.lock"
ASSETS = SOURCE / "ui" / "static" / "vendor" / "README.md"
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE | re.IGNORECASE)
_ASSET = re.compile(r"^\| `[^|]*\| (@?[\w./-]+)[^|]*\| ([\d.]+) \| ([^|(]+?) \(`", re.MULTILINE)
# An older field, which mostly holds a name or a whole text.
_SPDX_ID = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9.]+)+")
_BY_CLASSIFIER = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Those whose metadata name none; what their licence files are.
_BY_FILE = {"pyreqwest": "Apache-2.0"}
_BY_NAME = {"Zero-Clause BSD": "0BSD"}
# What the list of SPDX does not know.
_NO_ID = {"BSD"}


def pinned() -> list[tuple[str, str]]:
    """Returns names and versions of the lock that one runs by."""
    return _PINNED.findall(LOCK.read_text(encoding="utf-8"))


def assets() -> list[tuple[str, str, str]]:
    """Returns packages, versions and licences of the assets that browsers get."""
    found = _ASSET.findall(ASSETS.read_text(encoding="utf-8"))
    return [(name, version, _BY_NAME.get(licence, licence)) for name, version, licence in found]


def licence_of(name: str) -> str | None:
    """Returns the licence of a package, an expression of SPDX, or "BSD" where nobody says which; None if it is not
    installed on this machine. Raises: ValueError if it names no licence."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License")
    ]
    expression = said.get("License-Expression")
    if expression is None and _SPDX_ID.fullmatch(str(said.get("License"))):
        expression = said.get("License")
    found = expression or " AND ".join(_BY_CLASSIFIER[each] for each in classifiers) or _BY_FILE.get(name)
    if not found:
        raise ValueError(f"{name} names no licence")
    return str(found)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Returns a CycloneDX document with licences and assets."""
    parts = [{**each, **_licences(licence_of(each["name"]))} for each in document["components"]]
    return {**document, "components": [*parts, *_asset_parts()]}


def _asset_parts() -> Iterator[dict[str, Any]]:
    for name, version, licence in assets():
        purl = f"pkg:npm/{name.replace('@', '%40')}@{version}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **_licences(licence)}


def _licences(licence: str | None) -> dict[str, Any]:
    if licence is None:
        return {}
    if " " in licence:
        return {"licenses": [{"expression": licence}]}
    return {"licenses": [{"license": {"name" if licence in _NO_ID else "id": licence}}]}


if __name__ == "__main__":
    path = Path(sys.argv[1])
    whole = complete(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n", encoding="utf-8")
