"""The installation's sealing keys, and whether they open what its database holds."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from muster.database.connection import Database
from muster.model.application import SecretKey
from muster.model.failures import CredentialsRefused
from muster.ports.applications import SecretStore
from muster.sealing import SealingError, SealingKey, key_path, load_keys, read_keys
from muster.settings import Settings
from muster.store.open import read_key_id, sealing_key_ids, write_key_id

logger = logging.getLogger(__name__)

_ELSEWHERE = (
    "copy the key file from a machine that has it (a process that runs takes it by itself), or name it with "
    "MUSTER_KEY_FILE, and start again; if no copy is left, begin with a new key by muster secrets rotate --lost"
)


def keys_of(database: Database, settings: Settings, folder: Path) -> tuple[SealingKey, ...]:
    """Returns the installation's keys. Of a database that others share, only the key that it was begun with will do.

    Raises: SealingError.
    """
    wanted = read_key_id(database)
    path = key_path(folder, key_file=settings.key_file)
    if settings.database is not None:
        _require_file(path, wanted)
    keys = load_keys(folder, key_file=settings.key_file)
    if wanted is None:
        write_key_id(database, keys[-1].key_id.hex())
        return keys
    # The key that counts seals, whatever is first in the file: of a change that was cut off no other machine knows.
    keys = tuple(sorted(keys, key=lambda key: key.key_id.hex() != wanted))
    watch = KeyWatch(database, keys, path, is_shared=settings.database is not None)
    watch.renewed()
    if wanted not in (key.key_id.hex() for key in keys) and (trouble := watch.trouble()) is not None:
        logger.error("%s", trouble)
    return keys


def keys_to_replace(database: Database, settings: Settings, folder: Path) -> tuple[SealingKey, ...]:
    """Returns the keys in the file, which open all that is stored. Raises: SealingError, and then none was made."""
    path = key_path(folder, key_file=settings.key_file)
    _require_file(path, read_key_id(database))
    keys = load_keys(folder, key_file=settings.key_file)
    trouble = KeyWatch(database, keys, path, is_shared=settings.database is not None).trouble()
    if trouble is not None:
        raise SealingError(trouble)
    return keys


def _require_file(path: Path, wanted: str | None) -> None:
    if wanted is not None and not path.exists():
        raise SealingError(
            f"this installation's values are sealed with the key {wanted}, and there is no {path}: {_ELSEWHERE}"
        )


class KeyWatch:
    """Whether stored values cannot be opened, as another key has sealed them, or should be sealed with another one."""

    def __init__(self, database: Database, keys: tuple[SealingKey, ...], path: Path, *, is_shared: bool) -> None:
        self._database = database
        self._keys = keys
        self._path = path
        self._is_shared = is_shared
        # Whether some are left; looked at once, also where our key counts: the one before it may have been lost.
        self._is_some_lost = True

    @property
    def _own(self) -> set[str]:
        return {key.key_id.hex() for key in self._keys}

    @property
    def _held(self) -> str:
        return self._keys[0].key_id.hex()

    def renewed(self) -> tuple[SealingKey, ...]:
        """Returns the keys, the one that counts first. Where another machine has changed it, the file is read again.

        Raises: SealingError when the file does not hold it.
        """
        if not self._is_shared or (counting := read_key_id(self._database)) == self._held:
            return self._keys
        if counting not in self._own and self._path.is_file():
            self._keys = read_keys(self._path)
        if counting not in self._own:
            raise SealingError(
                f"this installation's values are sealed with the key {counting}, and {self._path} holds {self._held}: "
                f"{_ELSEWHERE}"
            )
        self._keys = tuple(sorted(self._keys, key=lambda key: key.key_id.hex() != counting))
        return self._keys

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Returns the keys for a purpose that come of those at hand, the one that counts first if it is among them."""
        with suppress(SealingError):
            self.renewed()
        return tuple(key.derived(purpose) for key in self._keys)

    def trouble(self) -> str | None:
        """Returns why values cannot be opened, None once nothing is left that another key has sealed."""
        try:
            self.renewed()
        except SealingError as error:
            return str(error)
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
        if counting is not None and counting not in self._own:
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
