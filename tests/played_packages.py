"""Programs that tests want and the machine lacks: installed where that is allowed, by one process at a time."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_LOCK = Path(tempfile.gettempdir()) / f"muster-tests-install-{os.geteuid()}.lock"


def install(*packages: str) -> bool:
    """Whether packages of Debian could be asked for, as root there; a process that waited for another's looks again."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *packages)):
            subprocess.run(["apt-get", *command], check=False, capture_output=True, env=quiet)
    return True
