"""The installation's sealing keys, and whether they open what its database holds."""

import logging
from collections.abc import Mapping
from pathlib import Path

from muster.database.connection import Database
from muster.model.application import SecretKey
from muster.model.failures import CredentialsRefused
from muster.ports.applications import SecretStore
from muster.sealing import SealingError, SealingKey, key_path, load_keys
from muster.settings import Settings
from muster.store.open import read_key_id, sealing_key_ids, write_key_id

logger = logging.getLogger(__name__)

_ELSEWHERE = (
    "copy the key file from the machine that the installation was begun on, or name it with MUSTER_KEY_FILE; if no "
    "copy is left, begin with a new key by muster secrets rotate --lost"
)


def keys_of(database: Database, settings: Settings, folder: Path) -> tuple[SealingKey, ...]:
    """Returns the installation's keys. Of a database that others share, only the key that it was begun with will do.

    Raises: SealingError.
    """
    wanted = read_key_id(database)
    path = key_path(folder, key_file=settings.key_file)
    if wanted is not None and settings.database is not None and not path.exists():
        raise SealingError(
            f"this installation's values are sealed with the key {wanted}, and there is no {path}: {_ELSEWHERE}"
        )
    keys = load_keys(folder, key_file=settings.key_file)
    if wanted is None:
        write_key_id(database, keys[-1].key_id.hex())
    elif wanted not in (key.key_id.hex() for key in keys):
        if settings.database is not None:
            raise SealingError(
                f"this installation's values are sealed with the key {wanted}, and {path} holds "
                f"{keys[0].key_id.hex()}: {_ELSEWHERE}"
            )
        trouble = KeyWatch(database, keys, path, is_shared=False).trouble()
        if trouble is not None:
            logger.error("%s", trouble)
    return keys


class KeyWatch:
    """Whether stored values cannot be opened, as another key has sealed them."""

    def __init__(self, database: Database, keys: tuple[SealingKey, ...], path: Path, *, is_shared: bool) -> None:
        self._database = database
        self._own = {key.key_id.hex() for key in keys}
        self._held = keys[0].key_id.hex()
        self._path = path
        self._is_shared = is_shared
        # Whether some are left; looked at once, also where our key counts: the one before it may have been lost.
        self._is_some_lost = True

    def trouble(self) -> str | None:
        """Returns why values cannot be opened, None once nothing is left that another key has sealed."""
        counting = read_key_id(self._database)
        if not self._is_some_lost and counting in self._own:
            return None
        others = sorted(sealing_key_ids(self._database) - self._own)
        self._is_some_lost = bool(others)
        if others:
            return (
                f"stored credentials were sealed with the key {', '.join(others)}, and {self._path} holds "
                f"{self._held}: put the lost key file back and start again, or enter every credential anew; what needs "
                "none goes on"
            )
        # Others on a shared database seal with the key that counts: not every process may say which one that is.
        if counting is not None and counting not in self._own and not self._is_shared:
            write_key_id(self._database, self._held)
        return None


def told_by(secrets: SecretStore, service_principal_id: str) -> str | None:
    """Returns the notification settings among an application's secrets; none while the key that opens them is lost."""
    try:
        return secrets.get(service_principal_id).get(SecretKey.SYNC_NOTIFICATION_SETTINGS)
    except SealingError:
        return None


def unsealed(secrets: SecretStore, service_principal_id: str) -> Mapping[str, str]:
    """Returns an application's secrets for its job. Raises: CredentialsRefused while the key for them is lost."""
    try:
        return secrets.get(service_principal_id)
    except SealingError as error:
        raise CredentialsRefused(
            f"The stored credentials cannot be opened: {error}.",
            remedy="Put the lost key file back and start the service again, or enter the credentials anew.",
        ) from None
