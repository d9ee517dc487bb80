"""`muster client`: app registrations from the command line."""

import re
from pathlib import Path

import pytest

from muster.bootstrap.house import open_house
from muster.settings import load_settings
from played_installation import command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    open_house(load_settings(data=tmp_path), tmp_path).database.close()
    return tmp_path


def test_the_key_id_that_is_shown_removes_the_secret(folder: Path) -> None:
    made = command("client", "create", "deploy", "--data", folder)
    assert made.status == 0, made.err
    client, key = (re.findall(rf"^{name} +(\S+)", made.out, re.M)[0] for name in ("client", "key id"))
    added = command("client", "add-secret", client, "--data", folder, "--json").json["keyId"]
    listed = command("client", "list", "--data", folder)
    assert {key[:8], added[:8]} <= set(re.findall(r"[0-9a-f]{8}", listed.out))
    assert command("client", "remove-secret", client, key[:8].upper(), "--data", folder).status == 0
    left = command("client", "list", "--data", folder, "--json").json
    assert [secret["keyId"] for secret in left[0]["secrets"]] == [added]


@pytest.mark.parametrize("length", [0, 7])
def test_too_few_digits_remove_nothing(folder: Path, length: int) -> None:
    made = command("client", "create", "deploy", "--data", folder, "--json").json
    refused = command("client", "remove-secret", made["clientId"], made["keyId"][:length], "--data", folder)
    assert (refused.status, refused.err.startswith("muster: ")) == (1, True)
    assert command("client", "list", "--data", folder, "--json").json[0]["secrets"]
