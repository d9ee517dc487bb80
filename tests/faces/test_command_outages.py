"""What a command says when the database is away or its disk full while it works."""

import errno
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from muster.cli import main


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full")),
            "the disk of the database",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full: make room on it"),
        (ZeroDivisionError(), None),
        (OSError(errno.EIO, "Input/output error"), None),
    ],
)
def test_a_command_that_finds_the_disk_full_says_it_in_one_line(
    error: Exception, said: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(**_: object) -> None:
        raise error

    monkeypatch.setattr(main, "make_group", lambda: command)
    with pytest.raises(type(error) if said is None else SystemExit) as ended:
        main.main()
    if said is not None:
        assert ended.value.code == 1  # type: ignore[attr-defined]  # it is a SystemExit
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
