"""`muster backup`, `restore` and `migrate`, and the same of the Configuration Manager."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.console import Failed, Misused, out, print_json
from muster.cli.options import DataOption, JsonOption, settings_for

DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="postgresql://… of the installation.", show_default="MUSTER_DATABASE")
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Empty PostgreSQL database to move the installation to.", show_default=False)
]
CopyArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Put it in the place of what is there, which is kept beside it.")
]
_KEY_AWAY = (
    "The sealing key is not in a backup, and not at {path}: put your copy of it there before muster serve, which "
    "makes a new one otherwise; with that, stored credentials have to be entered again."
)
_KEY = "It does not hold the sealing key: keep a copy of {path} elsewhere; without it stored credentials are lost."


def backup(file: CopyArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Copy the installation's database into a file; the service may be running."""
    from muster.sealing import key_path

    settings = settings_for(data=data)
    with _refusals():
        party = _service(settings)
        size = _back_up(party, settings.database, file)
    path = key_path(party.folder, key_file=settings.key_file)
    if as_json:
        print_json({"file": str(file), "bytes": size, "keyFile": str(path)})
        return
    out.print(f"{file} holds the database ({size:,} bytes).")
    out.print(_KEY.format(path=path))


def restore(file: CopyArgument, replace: ReplaceOption = False, data: DataOption = None) -> None:
    """Make a backup the installation's database; the service must be stopped."""
    from muster.bootstrap.upkeep import restore as restore_party
    from muster.sealing import key_path

    settings = settings_for(data=data)
    with _refusals():
        _refuse_shared(settings.database)
        party = _service(settings)
        kept = restore_party(party, file, replaces=replace)
    key = key_path(party.folder, key_file=settings.key_file)
    if not key.exists():
        out.print(_KEY_AWAY.format(path=key))
    out.print("Restored. The next cycle of each job is an initial one: it compares with what the application has now.")
    _tell_kept(kept)


def migrate(
    to: ToOption = None, data: DataOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Bring the tables up to this version, or move the installation to PostgreSQL; the service must be stopped."""
    settings = settings_for(data=data, database=database)
    with _refusals():
        _migrate(_service(settings), settings.database, to, as_json=as_json, command="muster serve")


def backup_manager(file: CopyArgument, data: DataOption = None) -> None:
    """Copy the installation's database into a file; the server may be running."""
    settings = settings_for(data=data)
    with _refusals():
        size = _back_up(_manager(settings), settings.database, file)
    out.print(f"{file} holds the database ({size:,} bytes).")


def restore_manager(file: CopyArgument, replace: ReplaceOption = False, data: DataOption = None) -> None:
    """Make a backup the installation's database; the server must be stopped."""
    from muster.bootstrap.upkeep import restore as restore_party

    settings = settings_for(data=data)
    with _refusals():
        _refuse_shared(settings.database)
        kept = restore_party(_manager(settings), file, replaces=replace)
    out.print("Restored. Providers that provision here do not know it: have them compare (muster reconcile APP).")
    _tell_kept(kept)


def migrate_manager(
    to: ToOption = None, data: DataOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Bring the tables up to this version, or move the installation to PostgreSQL; the server must be stopped."""
    settings = settings_for(data=data, database=database)
    with _refusals():
        command = "muster configuration-manager serve"
        _migrate(_manager(settings), settings.database, to, as_json=as_json, command=command)


def _service(settings: Any) -> Any:
    # The house is loaded only by commands that enter it.
    from muster.bootstrap.parties import service_party

    return service_party(settings)


def _manager(settings: Any) -> Any:
    from muster.bootstrap.configuration_manager import as_party

    return as_party(settings)


@contextmanager
def _refusals() -> Iterator[None]:
    from muster.bootstrap.folder import StartRefused
    from muster.database.connection import DatabaseError

    try:
        yield
    except (StartRefused, DatabaseError) as error:
        raise Failed(str(error)) from None


def _back_up(party: Any, database: str | None, file: Path) -> int:
    from muster.bootstrap.upkeep import back_up

    _refuse_shared(database)
    return back_up(party, file)


def _refuse_shared(database: str | None) -> None:
    if database is not None:
        raise Failed(
            "An installation on PostgreSQL is backed up and restored by PostgreSQL's own pg_dump and pg_restore."
        )


def _tell_kept(kept: Path | None) -> None:
    if kept is not None:
        out.print(f"What was there before is kept as {kept}.")


def _migrate(party: Any, database: str | None, to: str | None, *, as_json: bool, command: str) -> None:
    from muster.bootstrap.upkeep import bring_up_to_date, move

    if to is None:
        revision = bring_up_to_date(party, database)
        if as_json:
            print_json({"revision": revision})
        else:
            out.print(f"The tables are at revision {revision}.")
        return
    if database is not None:
        raise Misused("--to moves an installation from its data folder: give no --database.")
    copied = move(party, to)
    if as_json:
        print_json({"tables": [{"name": each.name, "rows": each.rows, "digest": each.digest} for each in copied]})
        return
    out.print(f"{sum(each.rows for each in copied):,} rows of {len(copied)} tables are there, with the same digests.")
    out.print(f"Go on with {command} --data {party.folder} --database URL: the folder keeps the key.")
