"""How much memory and time each process of `muster demo` takes: sampled five times a second, to the demo's end."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

_PAUSE_SECONDS = 0.2


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000, help="people in the directory (default: %(default)s)")
    users = parser.parse_args().users
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        data = Path(name) / "demo"
        asked = ["demo", "--users", str(users), "--exit", "--json", "--data", str(data)]
        demo = subprocess.Popen([sys.executable, "-m", "muster", *asked], stdout=subprocess.PIPE)
        peaks: dict[tuple[int, str], tuple[float, float]] = {}
        while demo.poll() is None:
            _sample(psutil.Process(demo.pid), peaks)
            time.sleep(_PAUSE_SECONDS)
        output = demo.stdout.read() if demo.stdout is not None else b""
    if demo.returncode:
        sys.exit(demo.returncode)
    summary = json.loads(output.strip().splitlines()[-1])
    shown = ("created", "updated", "disabled", "deleted", "skipped", "failed", "requests", "seconds")
    print(f"{users:,} people, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(", ".join(f"{name} {summary[name]:,}" for name in shown))
    print(f"\n{'process':<44}{'MB':>8}{'CPU s':>9}")
    for (_, role), (megabytes, seconds) in sorted(peaks.items(), key=lambda item: -item[1][0]):
        print(f"{role:<44}{megabytes:>8.0f}{seconds:>9.1f}")


def _sample(demo: psutil.Process, peaks: dict[tuple[int, str], tuple[float, float]]) -> None:
    with suppress(psutil.Error):
        for process in (demo, *demo.children(recursive=True)):
            with suppress(psutil.Error):
                role = _role(process)
                megabytes, _ = peaks.get((process.pid, role), (0.0, 0.0))
                times = process.cpu_times()
                grown = max(megabytes, process.memory_info().rss / 1e6)
                peaks[process.pid, role] = (grown, times.user + times.system)


def _role(process: psutil.Process) -> str:
    # Without a command line it has just begun, or ended.
    words = process.cmdline() or [""]
    party = "configuration-manager" if "configuration-manager" in words else "service"
    if words[-1].startswith("muster:"):
        above = (process.parent() or process).cmdline()
        worker = above[-1].startswith("muster:")
        above = (psutil.Process(process.ppid()).parent() or process).cmdline() if worker else above
        party = "configuration-manager" if "configuration-manager" in above else "service"
        return f"{party}: {words[-1].removeprefix('muster:')}{' worker' if worker else ''}"
    if "serve" in words:
        return f"{party}: supervisor"
    return "demo" if "demo" in words else f"command: {' '.join(words[3:6])}"


if __name__ == "__main__":
    main()
