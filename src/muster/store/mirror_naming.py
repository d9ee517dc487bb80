"""Whom names mean that references call entries by: whoever was read by one last, unless somebody else still bears it.

A server that was restored gives everybody a new anchor and the old DN. As long as nobody knows that those of before are
gone, they are kept, and so are their names: else every group would lose its members, and everybody their manager, to
entries that stand for the same people and are linked to nobody. Who claims a name that is borne waits, as a reference
of the attribute `CLAIM`, until a read ends that says whose it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.store.mirror_tables import mirror_entries, mirror_names, mirror_references
from muster.store.rows import pieces

# No source names an attribute so.
CLAIM = ""
_IS_CLAIM = mirror_references.c.attribute == CLAIM


class NameWriter:
    """Writes names; statements are compiled once."""

    def __init__(self, database: Database) -> None:
        self._name = database.prepare_upsert(mirror_names, keys=("job_key", "name"))
        self._claim = database.prepare_upsert(mirror_references, keys=("owner_key", "attribute", "name"), update=())

    def keep(
        self, connection: Connection, job_key: int, names: Mapping[str, int], *, number: int, is_first: bool
    ) -> list[str]:
        """Keeps the names of a page of the read `number`; returns those that are new or mean another entry now.

        `is_first`: before anything has been read nobody bears a name.
        """
        borne = {} if is_first else _borne(connection, job_key, names)
        # In the order of their index, so that neighbours are written together.
        others = sorted(name for name, key in names.items() if name not in borne or borne[name].entry_key != key)
        waiting = {name for name in others if name in borne and _is_held(borne[name], number)}
        new = [name for name in others if name not in waiting]
        self._write(connection, job_key, {name: names[name] for name in new})
        claims = [
            {"owner_key": names[name], "attribute": CLAIM, "name": name, "job_key": job_key} for name in sorted(waiting)
        ]
        if not is_first and _has_claims(connection, job_key):
            # They were read by these names: nobody else has them, and what they claimed by others they claim no more.
            _drop_claims(connection, job_key, [name for name in names if name not in waiting])
            _drop_claims_of(connection, job_key, set(names.values()))
        self._claim.execute_many(claims, on=connection)
        return new

    def settle(
        self, connection: Connection, job_key: int, *, number: int, began_seq: int, seq: int, passes_on: bool
    ) -> bool:
        """Gives claimed names to whoever claims them if those who bore them are gone or called otherwise now.

        `passes_on`: also if nothing was said of them. Returns whether anybody refers to somebody else now; these bear
        the number `seq`.
        """
        bearer, owner = mirror_entries.alias("bearer"), mirror_entries.alias("owner")
        rows = connection.execute(
            sa.select(
                mirror_references.c.name,
                mirror_references.c.owner_key,
                bearer.c.number,
                bearer.c.is_removed,
                owner.c.is_removed.label("is_owner_removed"),
            )
            .join(owner, owner.c.key == mirror_references.c.owner_key)
            .join(
                mirror_names,
                sa.and_(mirror_names.c.job_key == job_key, mirror_names.c.name == mirror_references.c.name),
            )
            .join(bearer, bearer.c.key == mirror_names.c.entry_key)
            .where(mirror_references.c.job_key == job_key, _IS_CLAIM)
            .order_by(mirror_references.c.owner_key)
        ).all()
        if not rows:
            return False
        void = {row.owner_key for row in rows if row.is_owner_removed}
        given = {
            row.name: row.owner_key
            for row in rows
            if not row.is_owner_removed and (passes_on or not _is_held(row, number))
        }
        self._write(connection, job_key, given)
        _drop_claims(connection, job_key, list(given))
        _drop_claims_of(connection, job_key, void)
        return touch_owners(connection, job_key, list(given), began_seq, seq)

    def _write(self, connection: Connection, job_key: int, names: Mapping[str, int]) -> None:
        rows = [{"job_key": job_key, "name": name, "entry_key": key} for name, key in names.items()]
        self._name.execute_many(rows, on=connection)


def touch_owners(connection: Connection, job_key: int, names: Sequence[str], began_seq: int, seq: int) -> bool:
    """Numbers anew whoever refers to a name that means somebody now, and may have been read without."""
    touched = 0
    for piece in pieces(names):
        owners = sa.select(mirror_references.c.owner_key).where(
            mirror_references.c.job_key == job_key, mirror_references.c.name.in_(piece), ~_IS_CLAIM
        )
        touched += connection.execute(
            sa.update(mirror_entries)
            .where(mirror_entries.c.key.in_(owners), mirror_entries.c.seq <= began_seq)
            .values(seq=seq)
        ).rowcount
    return touched > 0


def _is_held(bearer: Any, number: int) -> bool:
    """Whether whoever bears a name is there, and was not read by others in the read `number`."""
    return not bearer.is_removed and bearer.number < number


def _borne(connection: Connection, job_key: int, names: Iterable[str]) -> dict[str, Any]:
    """Returns which entries names mean, of those that mean one, and how these stand."""
    borne: dict[str, Any] = {}
    for piece in pieces(names):
        rows = connection.execute(
            sa.select(
                mirror_names.c.name, mirror_names.c.entry_key, mirror_entries.c.number, mirror_entries.c.is_removed
            )
            .join(mirror_entries, mirror_entries.c.key == mirror_names.c.entry_key)
            .where(mirror_names.c.job_key == job_key, mirror_names.c.name.in_(piece))
        )
        borne.update((row.name, row) for row in rows)
    return borne


def _has_claims(connection: Connection, job_key: int) -> bool:
    claims = sa.select(mirror_references.c.owner_key).where(mirror_references.c.job_key == job_key, _IS_CLAIM)
    return connection.execute(claims.limit(1)).first() is not None


def _drop_claims(connection: Connection, job_key: int, names: Sequence[str]) -> None:
    for piece in pieces(names):
        claimed = mirror_references.c.job_key == job_key, _IS_CLAIM, mirror_references.c.name.in_(piece)
        connection.execute(sa.delete(mirror_references).where(*claimed))


def _drop_claims_of(connection: Connection, job_key: int, owner_keys: Iterable[int]) -> None:
    for piece in pieces(owner_keys):
        claimed = mirror_references.c.job_key == job_key, _IS_CLAIM, mirror_references.c.owner_key.in_(piece)
        connection.execute(sa.delete(mirror_references).where(*claimed))
