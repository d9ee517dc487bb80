"""The sealing kit: what is sealed opens only where it was sealed for, and no secret shows."""

import logging
import stat
from pathlib import Path

import pytest

from muster.sealing import (
    KEY_FILE_NAME,
    Sealer,
    SealingError,
    SealingKey,
    hash_password,
    hash_token,
    is_password,
    is_password_hash_outdated,
    is_token,
    load_keys,
    make_key,
    make_token,
    write_keys,
)

KEY = SealingKey(bytes(range(32)))
OTHER_KEY = SealingKey(bytes(32))
FIELD = "servicePrincipals/1/secrets/SecretToken"
SEALER = Sealer(KEY, tenant="t1")


def test_what_was_sealed_is_opened() -> None:
    assert SEALER.unseal(SEALER.seal("hunter2 ä", field=FIELD), field=FIELD) == "hunter2 ä"


def test_the_same_value_sealed_twice_looks_different_and_shows_nothing() -> None:
    first, second = SEALER.seal("hunter2", field=FIELD), SEALER.seal("hunter2", field=FIELD)
    assert first != second
    assert b"hunter2" not in first


@pytest.mark.parametrize(
    ("sealer", "field", "sentence"),
    [
        (SEALER, "servicePrincipals/2/secrets/SecretToken", "was changed since it was sealed"),
        (Sealer(KEY, tenant="t2"), FIELD, "was changed since it was sealed"),
        (Sealer(OTHER_KEY, tenant="t1"), FIELD, "was sealed with another key"),
    ],
)
def test_a_value_moved_elsewhere_does_not_open(sealer: Sealer, field: str, sentence: str) -> None:
    with pytest.raises(SealingError, match=sentence):
        sealer.unseal(SEALER.seal("hunter2", field=FIELD), field=field)


@pytest.mark.parametrize("position", range(0, 42, 3))
def test_a_changed_byte_does_not_open(position: int) -> None:
    sealed = bytearray(SEALER.seal("hunter2", field=FIELD))
    sealed[position] ^= 1
    with pytest.raises(SealingError):
        SEALER.unseal(bytes(sealed), field=FIELD)


@pytest.mark.parametrize("stored", [b"", b"hunter2", b"\x01" * 21])
def test_what_was_never_sealed_is_named_so(stored: bytes) -> None:
    with pytest.raises(SealingError, match="is not a sealed one"):
        SEALER.unseal(stored, field=FIELD)


def test_after_a_change_of_key_the_older_values_still_open() -> None:
    sealed = SEALER.seal("hunter2", field=FIELD)
    rotated = Sealer(OTHER_KEY, tenant="t1", older=(KEY,))
    assert rotated.unseal(sealed, field=FIELD) == "hunter2"
    with pytest.raises(SealingError):
        SEALER.unseal(rotated.seal("new", field=FIELD), field=FIELD)


def test_a_key_shows_in_no_representation() -> None:
    assert repr(KEY.material) not in repr(KEY)
    assert KEY.material.hex() not in repr(KEY)


def test_a_key_beside_the_data_is_made_once_for_its_owner_alone_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "service"
    with caplog.at_level(logging.WARNING):
        (first,) = load_keys(folder, key_file=None)
    assert load_keys(folder, key_file=None) == (first,)
    assert stat.S_IMODE((folder / KEY_FILE_NAME).stat().st_mode) == 0o600
    assert "MUSTER_KEY_FILE" in caplog.text
    assert first.material.hex() not in caplog.text
    assert [path.name for path in folder.iterdir()] == [KEY_FILE_NAME]


@pytest.mark.parametrize("content", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n"])
def test_a_key_file_may_hold_digits_or_bytes(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert load_keys(tmp_path / "data", key_file=path) == (KEY,)
    assert not (tmp_path / "data").exists()
    assert caplog.text == ""


@pytest.mark.parametrize(("mode", "is_warned_of"), [(0o644, True), (0o440, False)])
def test_a_key_file_everybody_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, is_warned_of: bool
) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    load_keys(tmp_path, key_file=path)
    assert ("chmod 600" in caplog.text) == is_warned_of


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "does not exist"), (b"too short", "neither 64 hexadecimal"), (b"abcd", "has 32 bytes, this one has 2")],
)
def test_a_bad_key_file_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SealingError, match=sentence):
        load_keys(tmp_path, key_file=path)


def test_a_key_file_holds_a_line_for_each_key_while_they_are_changed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    new = make_key()
    write_keys(path, [new, OTHER_KEY])
    assert load_keys(tmp_path, key_file=path) == (new, OTHER_KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["key"]
    assert make_key() != new


def test_a_key_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(SealingError, match="cannot be written"):
        write_keys(tmp_path / "nowhere" / "key", [KEY])


def test_it_is_told_which_values_an_older_key_has_sealed() -> None:
    rotated = Sealer(OTHER_KEY, tenant="t1", older=(KEY,))
    assert not rotated.is_current(SEALER.seal("hunter2", field=FIELD))
    assert rotated.is_current(rotated.seal("hunter2", field=FIELD))


def test_a_token_is_recognised_by_its_prefix_and_kept_as_its_hash() -> None:
    token = make_token("muster_")
    assert token.startswith("muster_")
    assert len(token) > 40
    assert is_token(token, hash_token(token))
    assert not is_token(make_token("muster_"), hash_token(token))


def test_only_the_right_password_is_taken() -> None:
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert is_password("correct horse", stored)
    assert not is_password_hash_outdated(stored)


@pytest.mark.parametrize(
    "stored", [None, "not a hash", hash_password("correct horse")], ids=["none", "no hash", "another's"]
)
def test_any_other_password_is_not(stored: str | None) -> None:
    assert not is_password("battery staple", stored)
    assert not is_password("x" * 1_000_000, stored)


def test_a_password_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1024"):
        hash_password("x" * 1025)
