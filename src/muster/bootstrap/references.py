"""Secrets by reference: `env:NAME` and `file:NAME`, read where the service runs each time a connection is opened.

Whoever may enter credentials could otherwise have any file of the machine sent to an address of their choice: only
variables with the prefix, and only files below the folder that the operator has set, are ever read.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from muster.model.credentials import ENVIRONMENT_PREFIX, is_reference
from muster.model.failures import CredentialsRefused

REFERENCE_BYTES = 64 * 1024


def resolve_references(
    secrets: Mapping[str, str], folder: Path | None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Returns secrets with each reference replaced by what it names. Raises: CredentialsRefused naming the key."""
    return {key: _resolved(key, value, folder, environment) for key, value in secrets.items()}


def _resolved(key: str, value: str, folder: Path | None, environment: Mapping[str, str]) -> str:
    if not is_reference(value):
        return value
    kind, _, name = value.partition(":")
    if kind == "env":
        return _of_environment(key, name, environment)
    return _of_file(key, name, folder)


def _of_environment(key: str, name: str, environment: Mapping[str, str]) -> str:
    if not name.startswith(ENVIRONMENT_PREFIX):
        raise CredentialsRefused(
            f"{key} names the variable {name[:100]}; only variables that begin with {ENVIRONMENT_PREFIX} are read.",
            remedy=f"Call it {ENVIRONMENT_PREFIX}… where the service is started, and in the reference.",
        )
    found = environment.get(name)
    if not found:
        raise CredentialsRefused(
            f"{key} names the variable {name[:100]}, which is not set where the service runs.",
            remedy="Set it and start the service again.",
        )
    return found


def _of_file(key: str, name: str, folder: Path | None) -> str:
    if folder is None:
        raise CredentialsRefused(
            f"{key} names the file {name[:100]}, and no folder is set that credentials may come from.",
            remedy="Set MUSTER_CREDENTIALS_FOLDER to the folder of the file and start the service again.",
        )
    try:
        path = (folder / name).resolve(strict=True)
        # Of a mounted secret the file is a link to another one within the same folder.
        if not path.is_relative_to(folder.resolve(strict=True)) or not path.is_file():
            raise CredentialsRefused(
                f"{key} names {name[:100]}, which is no file within the folder of credentials.",
                remedy="Put the file into the folder that MUSTER_CREDENTIALS_FOLDER names.",
            )
        with path.open("rb") as file:
            content = file.read(REFERENCE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name cannot be used"
        raise CredentialsRefused(
            f"{key} names the file {name[:100]}, which cannot be read: {reason}.",
            remedy="Put the file into the folder that MUSTER_CREDENTIALS_FOLDER names, readable for the service.",
        ) from None
    if len(content) > REFERENCE_BYTES:
        raise CredentialsRefused(f"{key} names the file {name[:100]}, which has more than {REFERENCE_BYTES} bytes.")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise CredentialsRefused(f"{key} names the file {name[:100]}, which holds no text.")
    return text
