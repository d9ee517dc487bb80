"""Migrations: the tables of a database brought to what the program expects."""

import importlib.util
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from muster.database.connection import Database, DatabaseError, serialize
from muster.database.outage import outage_of

VERSION_TABLE = "muster_schema_version"


def migrate(database: Database, package: str) -> str:
    """The schema's revision after running every migration of the package that is still to run, in one transaction.

    Raises: DatabaseError if it cannot be opened, or was written by a newer program.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(f"no package of migrations named {package}")
    folder = Path(spec.origin).parent
    newest = max(path.stem for path in folder.glob("r[0-9]*.py"))
    try:
        revision = _revision(database)
    except DBAPIError as error:
        raise DatabaseError(f"the database cannot be opened: {_said(error)}") from None
    if revision == newest[1:5]:
        return revision
    # Alembic is a second of loading that a command on an up-to-date database need not spend.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    scripts = ScriptDirectory(str(folder), version_locations=[str(folder)])

    def steps(revision: Any, _: Any) -> list[Any]:
        return scripts._upgrade_revs("head", revision)

    with database.write() as connection:
        serialize(connection, f"migrate {package}")
        with EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head") as environment:
            environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
            try:
                environment.run_migrations()
            except CommandError as error:
                sentence = "the database was written by a newer version of Muster: install that one or restore a backup"
                raise DatabaseError(f"{sentence} ({error})") from error
        return str(scripts.get_current_head())


def _revision(database: Database) -> str | None:
    """The revision that the database says it is at; None for an empty one."""
    with database.read() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  our constant
        return None if found is None else str(found)


def is_empty(database: Database) -> bool:
    """Whether the database has no table yet. Raises: DatabaseError if it cannot be opened."""
    try:
        with database.read() as connection:
            return not inspect(connection).get_table_names()
    except DBAPIError as error:
        raise DatabaseError(f"the database cannot be opened: {_said(error)}") from None


def _said(error: DBAPIError) -> str:
    # Of a server its own words: whoever begins ends here, and it may be the name or the password that is wrong.
    outage = outage_of(error) if isinstance(error.orig, sqlite3.Error) else None
    if outage is not None:
        return outage
    said = str(error.orig).strip().splitlines()
    return said[0] if said else "it said nothing"
