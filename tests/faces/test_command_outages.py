"""What a command says when the database is away or its disk full while it works."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from muster.cli import main


def test_a_command_that_finds_the_disk_full_says_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raised: list[Exception] = [
        OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full")),
        ZeroDivisionError(),
    ]

    def command(**_: object) -> None:
        raise raised.pop(0)

    monkeypatch.setattr(main, "make_group", lambda: command)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the disk of the database is full: make room" in line
    with pytest.raises(ZeroDivisionError):
        main.main()
