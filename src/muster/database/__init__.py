"""One way to the database, in two dialects: SQLite in a file and PostgreSQL. No other room asks which.

    database = open_database(folder / "muster.db")     # or open_database("postgresql://user@host/name")
    migrate(database, "muster.store.migrations")
    with database.read() as connection: ...     # a snapshot; writing in it is refused
    with database.write() as connection: ...    # one write transaction: commits, or rolls back on an exception

Tables are SQLAlchemy Core `Table`s; instants use the column type `Instant`, documents the type `Json`. Each party keeps
a package of migrations: a folder with an `__init__.py` and one file a revision, run in the order of `down_revision`:

    # src/muster/store/migrations/r0001_tables.py
    from alembic import op
    from muster.store.tables import METADATA
    revision, down_revision = "0001", None
    def upgrade() -> None:
        METADATA.create_all(op.get_bind())

No `env.py` and no `alembic.ini` are needed. Until the first release 0001 is the only revision; from then on 0001 is
frozen and each change of a table is a file of its own with `op.add_column` and its like.
"""
