"""Changing the sealing key of an installation that is not running: whatever is sealed is sealed anew.

Until all of it is, the key file holds both keys: after a crash everything still opens, and the next call goes on.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from muster.administration.access import OPERATOR
from muster.bootstrap.assembly import make_services, service_folder
from muster.bootstrap.folder import StartRefused, take_folder
from muster.bootstrap.house import DATABASE_NAME, executors_on, open_house
from muster.bootstrap.keys import keys_to_replace
from muster.bootstrap.stillness import refuse_running
from muster.database.connection import Database, open_database
from muster.sealing import key_path, load_keys, make_key, write_keys
from muster.settings import Settings
from muster.store.open import prepare_tables, write_key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What came of it: the key in force, how many values were sealed anew, whether a begun change was ended."""

    key_file: Path
    key_id: str
    resealed: int
    was_begun: bool


def rotate_key(settings: Settings) -> Rotation:
    """Returns what came of sealing everything with a new key; the older one is forgotten at the end.

    Raises: StartRefused while the service runs; DatabaseError; SealingError, and then every value still opens.
    """
    with _standing_still(settings) as (folder, database):
        path = key_path(folder, key_file=settings.key_file)
        keys = keys_to_replace(database, settings, folder)
        was_begun = len(keys) > 1
        if not was_begun:
            keys = (make_key(), *keys)
            write_keys(path, keys)
        # Before anything is sealed anew: a web process that goes on elsewhere seals with the older key no more.
        write_key_id(database, keys[0].key_id.hex())
        house = open_house(settings, folder)
        with closing(house.database):
            sealed = (
                house.store.secrets,
                house.store.notification_settings,
                house.store.second_factors,
                house.store.single_sign_on,
                house.store.openid,
                house.store.identity_providers,
            )
            resealed = sum(each.reseal() for each in sealed)
            write_keys(path, keys[:1])
            make_services(house).desk(OPERATOR).note(
                "Rotate sealing key",
                "ProvisioningManagement",
                target=("Installation", house.tenant_id, path.name),
                changes=(("keyId", keys[-1].key_id.hex(), keys[0].key_id.hex()),),
            )
    return Rotation(key_file=path, key_id=keys[0].key_id.hex(), resealed=resealed, was_begun=was_begun)


def begin_anew(settings: Settings) -> Rotation:
    """Returns what came of letting the key in the file count, one made now if there is none: the one before is lost.

    Raises: StartRefused while the service runs; DatabaseError; SealingError.
    """
    with _standing_still(settings) as (folder, database):
        path = key_path(folder, key_file=settings.key_file)
        key_id = load_keys(folder, key_file=settings.key_file)[0].key_id.hex()
        write_key_id(database, key_id)
        house = open_house(settings, folder)
        with closing(house.database):
            make_services(house).desk(OPERATOR).note(
                "Replace lost sealing key",
                "ProvisioningManagement",
                target=("Installation", house.tenant_id, path.name),
                changes=(("keyId", None, key_id),),
            )
    return Rotation(key_file=path, key_id=key_id, resealed=0, was_begun=False)


@contextmanager
def _standing_still(settings: Settings) -> Iterator[tuple[Path, Database]]:
    """The folder and the database of an installation that no process works on. Raises: StartRefused, DatabaseError."""
    folder = service_folder(settings)
    if settings.database is None and not (folder / DATABASE_NAME).is_file():
        raise StartRefused(f"There is no installation in {folder}: name another with --data.")
    # A running process would go on sealing with the key that it has read.
    with (
        take_folder(folder, purpose="muster secrets rotate"),
        closing(open_database(settings.database or folder / DATABASE_NAME)) as database,
    ):
        prepare_tables(database)
        refuse_running(executors_on(database) if settings.database is not None else None)
        yield folder, database
