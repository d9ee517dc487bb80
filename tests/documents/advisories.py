"""`make audit`: whether a package of the locks has a known flaw. What could not be asked about is named.

A package that the advisory database does not know is no flaw; where it knew none at all, nothing was found out.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from documents.reading import ROOT

_ASK = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


def judge(report: dict[str, Any]) -> tuple[bool, list[str]]:
    """Returns whether all is well, and what to say, of pip-audit's report."""
    unknown = sorted({each["name"] for each in report["dependencies"] if "skip_reason" in each})
    known = {each["name"]: each for each in report["dependencies"] if "skip_reason" not in each}
    flaws = sorted(
        f"{name} {each['version']} has {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for name, each in known.items()
        for flaw in each["vulns"]
    )
    told = [*flaws]
    if unknown:
        told.append(f"Unknown to the advisory database are {len(unknown)}: {', '.join(unknown)}.")
    told.append(f"Packages asked about: {len(known)}. Known flaws: {len(flaws) if known else 'nobody could say'}.")
    return bool(known) and not flaws, told


def ask() -> dict[str, Any]:
    """Returns pip-audit's report on all locks; ends with what it said if there is none."""
    locks = [f"--requirement={path}" for path in sorted(ROOT.glob("requirements*.lock"))]
    program = str(Path(sys.executable).with_name("pip-audit"))
    done = subprocess.run([program, *_ASK, *locks], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise SystemExit(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    is_well, told = judge(ask())
    sys.stdout.write("".join(f"{line}\n" for line in told))
    sys.exit(not is_well)
