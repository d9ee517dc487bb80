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


def keys_of(database: Database, settings: Settings, folder: Path) -> tuple[SealingKey, ...]:
    """Returns the installation's keys. Of a database that others share, only the key that it was begun with will do.

    Raises: SealingError.
    """
    wanted = read_key_id(database)
    path = key_path(folder, key_file=settings.key_file)
    if wanted is not None and settings.database is not None and not path.exists():
        raise SealingError(
            f"this installation's values are sealed with the key {wanted}, and there is no {path}: copy the key file "
            "from the machine that the installation was begun on, or name it with MUSTER_KEY_FILE"
        )
    keys = load_keys(folder, key_file=settings.key_file)
    if wanted is None:
        write_key_id(database, keys[-1].key_id.hex())
    elif wanted not in (key.key_id.hex() for key in keys):
        if settings.database is not None:
            raise SealingError(
                f"this installation's values are sealed with the key {wanted}, and {path} holds "
                f"{keys[0].key_id.hex()}: copy the key file from the machine that the installation was begun on, or "
                "name it with MUSTER_KEY_FILE"
            )
        trouble = key_trouble(database, keys, path)
        if trouble is not None:
            logger.error("%s", trouble)
    return keys


def key_trouble(database: Database, keys: tuple[SealingKey, ...], path: Path) -> str | None:
    """Returns why values cannot be opened, None once nothing is left that another key has sealed: ours counts then."""
    own = {key.key_id.hex() for key in keys}
    wanted = read_key_id(database)
    if wanted is None or wanted in own:
        return None
    others = sorted(sealing_key_ids(database) - own)
    if not others:
        write_key_id(database, keys[0].key_id.hex())
        return None
    return (
        f"stored credentials were sealed with the key {', '.join(others)}, and {path} holds {keys[0].key_id.hex()}: "
        "put the lost key file back and start again, or enter every credential anew; what needs none goes on"
    )


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
