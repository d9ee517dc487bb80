"""The installation's sealing keys, and that they are the ones which its database was begun with."""

from pathlib import Path

from muster.database.connection import Database
from muster.sealing import SealingError, SealingKey, key_path, load_keys
from muster.settings import Settings
from muster.store.open import read_key_id, write_key_id


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
    elif settings.database is not None and wanted not in (key.key_id.hex() for key in keys):
        raise SealingError(
            f"this installation's values are sealed with the key {wanted}, and {path} holds {keys[0].key_id.hex()}: "
            "copy the key file from the machine that the installation was begun on, or name it with MUSTER_KEY_FILE"
        )
    return keys
