"""A PostgreSQL server of our own for one test run, where its programs are installed; as root it runs as `nobody`."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPTIONS = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c max_connections=50"


@contextmanager
def postgres_url() -> Iterator[str | None]:
    """The URL of an empty server: MUSTER_TEST_POSTGRES if set, else one started for this; None where there is none."""
    given = os.environ.get("MUSTER_TEST_POSTGRES")
    programs = [shutil.which(name) for name in ("initdb", "pg_ctl")]
    if given is not None or None in programs:
        yield given
        return
    initdb, pg_ctl = (str(program) for program in programs)
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="muster-pg-", dir="/tmp") as folder:  # a socket has a short path
        if user is not None:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        _run([initdb, "-D", str(data), "-A", "trust", "-U", "muster", "-E", "UTF8", "--locale=C", "--no-sync"], user)
        server = [pg_ctl, "-D", str(data), "-w", "-l", str(Path(folder) / "log")]
        _run([*server, "-o", f"{_OPTIONS} -k {folder}", "start"], user)
        try:
            yield f"postgresql://muster@/postgres?host={folder}"
        finally:
            _run([*server, "-m", "immediate", "stop"], user)


def _run(command: list[str], user: str | None) -> None:
    subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
