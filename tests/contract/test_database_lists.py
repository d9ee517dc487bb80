"""Many values as one parameter, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.directory import ObjectKind
from muster.ports.directory import ObjectWrite
from muster.store.open import Store
from muster.store.tables import objects

NAMES = ["plain", "o'brien", 'a "quoted" name', "back\\slash", "Zoë 名前", "50%", "[1,2]"]


@pytest.fixture
def filled(store: Store) -> Store:
    writes = [
        ObjectWrite(
            kind=ObjectKind.USER,
            object_id=None,
            attributes={"userPrincipalName": f"u{number}@x.example", "displayName": name},
            is_new=True,
        )
        for number, name in enumerate(NAMES)
    ]
    store.directory.write(writes, datetime(2026, 1, 1, tzinfo=UTC))
    return store


def found(database: Database, column: sa.ColumnElement[Any], values: list[Any]) -> list[Any]:
    statement = sa.select(column).where(one_of(column, "given")).order_by(objects.c.key)
    with database.read() as connection:
        by_core = list(connection.execute(statement, {"given": as_list(values)}).scalars())
        prepared = database.prepare(statement).fetch_all({"given": as_list(values)}, on=connection)
    assert [row[0] for row in prepared] == by_core
    return by_core


def test_texts_are_found_whatever_stands_in_them(filled: Store, store_database: Database) -> None:
    kept = found(store_database, objects.c.name, [])
    assert kept == []
    every = _all(store_database, objects.c.name)
    assert len(every) == len(NAMES)
    assert found(store_database, objects.c.name, every[1:4]) == every[1:4]
    assert found(store_database, objects.c.name, [*every, every[0], "nobody"]) == every
    assert found(store_database, objects.c.object_id, _all(store_database, objects.c.object_id)[2:5])


def test_numbers_are_found_as_numbers(filled: Store, store_database: Database) -> None:
    keys = _all(store_database, objects.c.key)
    assert found(store_database, objects.c.key, [*reversed(keys[1:]), 2**62]) == keys[1:]


def _all(database: Database, column: sa.ColumnElement[Any]) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(column).order_by(objects.c.key)).scalars())


def test_a_text_with_a_nul_is_nobody_rather_than_what_stands_before_it(filled: Store, store_database: Database) -> None:
    assert found(store_database, objects.c.name, ["plain\0", "\0", "back\\slash", "\\u0000"]) == ["back\\slash"]
