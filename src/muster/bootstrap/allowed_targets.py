"""Which networks the running service may call: kept in its data folder, for the commands that work beside it.

    with tell_allowed(folder, settings.allow_targets):
        ...  # `allowed_beside(folder)` is these networks for every other process

The file is good only as long as the folder is taken; whoever takes a folder removes what one that was killed left.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from muster.bootstrap.folder import ALLOWED_NAME, is_folder_taken
from muster.settings import Network, parse_network


@contextmanager
def tell_allowed(folder: Path, networks: Sequence[Network]) -> Iterator[None]:
    """Keeps the networks in the folder, readable by its owner alone, until the block ends. The folder is taken."""
    path = folder / ALLOWED_NAME
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{network}\n" for network in networks)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def allowed_beside(folder: Path) -> tuple[Network, ...]:
    """The networks that the service which runs on the folder may call; none if none runs, or if they are illegible."""
    if not is_folder_taken(folder):
        return ()
    try:
        return tuple(parse_network(line) for line in (folder / ALLOWED_NAME).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return ()
