"""The networks that a running service tells the commands beside it."""

from ipaddress import ip_network
from pathlib import Path

from muster.bootstrap.allowed_targets import allowed_beside, tell_allowed
from muster.bootstrap.folder import ALLOWED_NAME, take_folder

NETWORKS = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))


def test_they_are_told_while_the_service_runs_to_the_owner_alone(tmp_path: Path) -> None:
    assert allowed_beside(tmp_path) == ()
    with take_folder(tmp_path, purpose="a test"):
        with tell_allowed(tmp_path, NETWORKS):
            assert allowed_beside(tmp_path) == NETWORKS
            assert (tmp_path / ALLOWED_NAME).stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / ALLOWED_NAME).exists()
        assert allowed_beside(tmp_path) == ()


def test_what_a_killed_service_left_counts_for_nobody(tmp_path: Path) -> None:
    (tmp_path / ALLOWED_NAME).write_text("127.0.0.0/8\n")
    assert allowed_beside(tmp_path) == (), "nobody holds the folder"
    with take_folder(tmp_path, purpose="another command"):
        assert allowed_beside(tmp_path) == ()


def test_what_cannot_be_read_allows_nothing(tmp_path: Path) -> None:
    with take_folder(tmp_path, purpose="a test"):
        (tmp_path / ALLOWED_NAME).write_bytes(b"127.0.0.0/8\n\xff\n")
        assert allowed_beside(tmp_path) == ()
        (tmp_path / ALLOWED_NAME).write_text("127.0.0.0/8\nnonsense\n")
        assert allowed_beside(tmp_path) == ()
