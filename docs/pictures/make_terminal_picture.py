"""Draws terminal.svg: runs `muster demo` in a terminal of 120 columns and keeps what it shows, without its secrets."""

import os
import pty
import re
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 120, 200
PICTURE = Path(__file__).with_name("terminal.svg")
# Cursor moves and line clearing of the progress bar; colours stay.
_MOVES = re.compile(r"\x1b\[(?:\?25[lh]|\d*[A-HJK])")
_SECRETS = (
    (re.compile(r"(sign in as admin with )\S+"), r"\1••••••••••••"),
    (re.compile(r"(muster_|8x8_)[\w-]{8,}"), r"\1••••••••••••"),
    (re.compile(r"\S*/muster-demo-\w+"), "/tmp/muster-demo"),  # noqa: S108  a text in the picture
)
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
# Said only because the demo is run with --exit here.
_FAREWELL = re.compile(r"^.*Both servers are stopped(?:.|\n)*", re.MULTILINE)
_PORTS = re.compile(r"http://127\.0\.0\.1:\d+")


def record(command: list[str]) -> str:
    """Returns everything that a command writes to its terminal. Raises: SystemExit when it fails."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execv(command[0], command)  # noqa: S606  our own command
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    written = bytearray()
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        written += part
    _, status = os.waitpid(child, 0)
    text = written.decode(errors="replace")
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{text}")
    return text


def tidy(text: str) -> str:
    """Returns each line as it stood at last, without secrets, with the ports that the demo takes if they are free."""
    lines = [_MOVES.sub("", line) for line in text.replace("\r\n", "\n").split("\n")]
    shown = "\n".join(next((part for part in reversed(line.split("\r")) if part), "") for line in lines)
    shown = _FAREWELL.sub("", shown)
    for pattern, instead in _SECRETS:
        shown = pattern.sub(instead, shown)
    ports = dict(zip(dict.fromkeys(_PORTS.findall(shown)), ("8080", "8088"), strict=False))
    return _PORTS.sub(lambda match: f"http://127.0.0.1:{ports.get(match[0], '8088')}", shown)


def main() -> None:
    """Runs the demo and writes the picture beside this file."""
    text = tidy(record([sys.executable, "-m", "muster", "demo", "--exit"]))
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(text.rstrip()), soft_wrap=True)
        # The picture asks nobody for a font.
        PICTURE.write_text(_FONTS.sub("", console.export_svg(title="make demo")), encoding="utf-8")
    print(f"{PICTURE.name}: {text.count(chr(10))} lines")  # noqa: T201


if __name__ == "__main__":
    main()
