"""Entries of a mirror as the engine reads them: pages in order, references resolved to source ids."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.lists import as_list, one_of
from muster.model.directory import MEMBER_GROUPS, MEMBERS, Lifecycle, ObjectKind
from muster.model.operation import Change
from muster.ports.source import Window
from muster.store.encoding import frozen_attributes
from muster.store.mirror_naming import CLAIM
from muster.store.mirror_tables import mirror_entries, mirror_names, mirror_references
from muster.store.rows import pieces

_KINDS = {kind.value: kind for kind in ObjectKind}
_GONE, _THERE = Lifecycle.SOFT_DELETED, Lifecycle.PRESENT
_NOBODY: Mapping[str, Sequence[str]] = {}
_GROUP = ObjectKind.GROUP.value
_COLUMNS = [mirror_entries.c[name] for name in ("key", "kind", "source_id", "seq", "is_removed", "content")]


def count_entries(connection: Connection, job_key: int, kind: ObjectKind, window: Window | None) -> int:
    """Returns how many entries a read will give."""
    statement = sa.select(sa.func.count()).select_from(mirror_entries).where(*_bearing(job_key, kind, window))
    return int(connection.execute(statement).scalar_one())


def read_entries(
    connection: Connection, job_key: int, kind: ObjectKind, window: Window | None, after: str | None, limit: int
) -> tuple[list[Row[Any]], str | None]:
    """Returns a page of rows and the key to go on after: all in order of their keys, changes in order of numbers."""
    statement = sa.select(*_COLUMNS).where(*_bearing(job_key, kind, window)).limit(limit + 1)
    if window is None:
        statement = statement.order_by(mirror_entries.c.key)
        if after is not None:
            statement = statement.where(mirror_entries.c.key > int(after))
    else:
        statement = statement.order_by(mirror_entries.c.seq, mirror_entries.c.key)
        if after is not None:
            seq, _, key = after.partition(":")
            place = sa.tuple_(mirror_entries.c.seq, mirror_entries.c.key)
            statement = statement.where(place > sa.tuple_(sa.literal(int(seq)), sa.literal(int(key))))
    rows = list(connection.execute(statement).all())
    shown = rows[:limit]
    if len(rows) <= limit:
        return shown, None
    last = shown[-1]
    return shown, str(last.key) if window is None else f"{last.seq}:{last.key}"


def find_entry(connection: Connection, job_key: int, kind: ObjectKind, name: str) -> Row[Any] | None:
    """Returns an entry by source id or by any of its names."""
    by_id = mirror_entries.c.source_id.in_((name, name.lower()))
    named = sa.select(mirror_names.c.entry_key).where(
        mirror_names.c.job_key == job_key, mirror_names.c.name == name.casefold()
    )
    for condition in (by_id, mirror_entries.c.key.in_(named)):
        row = connection.execute(sa.select(*_COLUMNS).where(*_bearing(job_key, kind, None), condition)).first()
        if row is not None:
            return row
    return None


def changes_of(connection: Connection, job_key: int, rows: Sequence[Sequence[Any]]) -> Iterator[Change]:
    """Yields rows as changes. Somebody who is gone is as if in the recycle bin: whoever comes back is the same."""
    references = _references(connection, job_key, [row[0] for row in rows])
    # Columns of a row are slow to reach by name, and members of an enum to make.
    for key, kind, source_id, seq, is_removed, content in rows:
        attributes, spoken = orjson.loads(content)
        yield Change(
            source_id=source_id,
            kind=_KINDS[kind],
            lifecycle=_GONE if is_removed else _THERE,
            seq=seq,
            attributes=frozen_attributes(attributes),
            references=_as_given(source_id, spoken, references.get(key, _NOBODY)),
        )


def _as_given(
    source_id: str, spoken: Sequence[str], held: Mapping[str, Sequence[str]]
) -> Mapping[str, tuple[str, ...]]:
    """Returns what an entry speaks of; groups among members stand apart, and no group is within itself."""
    given = {name: tuple(dict.fromkeys(held.get(name, ()))) for name in spoken}
    if MEMBERS in spoken or MEMBER_GROUPS in held:
        groups = dict.fromkeys(held.get(MEMBER_GROUPS, ()))
        given[MEMBER_GROUPS] = tuple(each for each in groups if each != source_id)
    return given


def _bearing(job_key: int, kind: ObjectKind, window: Window | None) -> tuple[sa.ColumnElement[bool], ...]:
    mine = mirror_entries.c.job_key == job_key, mirror_entries.c.kind == kind.value
    if window is None:
        return mine
    return (*mine, mirror_entries.c.seq > window.after, mirror_entries.c.seq <= window.until)


def _references(connection: Connection, job_key: int, owner_keys: Sequence[int]) -> dict[int, dict[str, list[str]]]:
    """Source ids by owner and attribute; a name that means nobody yet stands for itself.

    Members that are groups have an attribute of their own, and nobody's manager is a group.
    """
    found: dict[int, dict[str, list[str]]] = {}
    for piece in pieces(owner_keys):
        rows = connection.execute(_REFERENCES_OF, {"job": job_key, "owners": as_list(piece)}).all()
        for owner, attribute, name, source_id, kind in rows:
            if kind == _GROUP and attribute != MEMBERS:
                continue
            place = MEMBER_GROUPS if kind == _GROUP else attribute
            found.setdefault(owner, {}).setdefault(place, []).append(source_id or name)
    return found


_REFERENCES_OF = (
    sa.select(
        mirror_references.c.owner_key,
        mirror_references.c.attribute,
        mirror_references.c.name,
        mirror_entries.c.source_id,
        mirror_entries.c.kind,
    )
    .outerjoin(
        mirror_names,
        sa.and_(mirror_names.c.job_key == sa.bindparam("job"), mirror_names.c.name == mirror_references.c.name),
    )
    .outerjoin(mirror_entries, mirror_entries.c.key == mirror_names.c.entry_key)
    .where(one_of(mirror_references.c.owner_key, "owners"), mirror_references.c.attribute != CLAIM)
    .order_by(mirror_references.c.owner_key, mirror_references.c.attribute, mirror_references.c.name)
)
