"""A page of a read as rows of the mirror: what is new, what changed, who was renamed, whom that concerns."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.directory import ObjectKind
from muster.model.mirror import MirrorState
from muster.model.operation import Acknowledged
from muster.model.values import canonical_json
from muster.ports.reader import Entry, ReadPage
from muster.store.encoding import decode_acknowledged, encode
from muster.store.mirror_naming import CLAIM, NameWriter, touch_owners
from muster.store.mirror_tables import mirror_entries, mirror_names, mirror_references, mirrors
from muster.store.rows import pieces
from muster.store.tables import links

_Reference = tuple[str, str]


class MirrorStatements:
    """What a page is written with, compiled once."""

    def __init__(self, database: Database) -> None:
        given: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in mirror_entries.columns}
        at_key = mirror_entries.c.key == sa.bindparam("at_key")
        self.insert = database.prepare(sa.insert(mirror_entries).values(given))
        changed = ("kind", "seq", "number", "is_removed", "content", "content_hash", "references_hash")
        self.update = database.prepare(
            sa.update(mirror_entries).where(at_key).values({name: given[name] for name in changed})
        )
        self.touch = database.prepare(sa.update(mirror_entries).where(at_key).values(number=sa.bindparam("number")))
        self.names = NameWriter(database)
        self.refer = database.prepare_upsert(mirror_references, keys=("owner_key", "attribute", "name"), update=())
        self.unrefer = database.prepare(
            sa.delete(mirror_references).where(
                *(
                    mirror_references.c[name] == sa.bindparam(f"at_{name}")
                    for name in ("owner_key", "attribute", "name")
                )
            )
        )


@dataclass(slots=True)
class _Written:
    """Rows of a page, gathered before they are written."""

    new: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    touched: list[dict[str, Any]]
    names: dict[str, int]
    group_names: dict[str, int]
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]


def keep_page(
    connection: Connection,
    statements: MirrorStatements,
    job_key: int,
    page: ReadPage,
    state: MirrorState,
    *,
    began_seq: int,
) -> bool:
    """Writes a page; returns whether anything changed, which then bears the number `state.seq + 1`."""
    # What stands twice in a page is as it was said last, but a part never takes the whole's place.
    if len({entry.source_id for entry in page.entries}) < len(page.entries):
        return _keep_one_by_one(connection, statements, job_key, page, state, began_seq=began_seq)
    seq = state.seq + 1
    known = _known(connection, job_key, [entry.source_id for entry in page.entries])
    written = _Written(new=[], changed=[], touched=[], names={}, group_names={}, added=[], removed=[])
    next_key = int(connection.execute(sa.select(sa.func.max(mirror_entries.c.key))).scalar() or 0) + 1
    held = _held_references(connection, page.entries, known)
    for entry in page.entries:
        row = known.get(entry.source_id)
        if row is None:
            _add(written, entry, job_key, next_key, seq, state.number)
            next_key += 1
        else:
            _change(written, entry, row, seq, state.number, job_key, held.get(row.key, frozenset()))
    statements.insert.execute_many(written.new, on=connection)
    statements.update.execute_many(written.changed, on=connection)
    statements.touch.execute_many(written.touched, on=connection)
    statements.unrefer.execute_many(written.removed, on=connection)
    statements.refer.execute_many(written.added, on=connection)
    changed = bool(written.new or written.changed)
    names = _people_first(connection, job_key, written)
    named = statements.names.keep(connection, job_key, names, number=state.number, is_first=not began_seq)
    if named and began_seq:
        changed |= touch_owners(connection, job_key, named, began_seq, seq)
    if _remove(connection, job_key, page.removed, seq):
        changed = True
        hand_over(connection, job_key, seq)
    _touch_unchanged(connection, job_key, page.unchanged, state.number)
    return changed


def _keep_one_by_one(
    connection: Connection,
    statements: MirrorStatements,
    job_key: int,
    page: ReadPage,
    state: MirrorState,
    *,
    began_seq: int,
) -> bool:
    changed = False
    parts = [ReadPage(entries=(entry,)) for entry in page.entries]
    for part in (*parts, ReadPage(removed=page.removed, unchanged=page.unchanged)):
        changed |= keep_page(connection, statements, job_key, part, state, began_seq=began_seq)
    return changed


def _known(connection: Connection, job_key: int, source_ids: Iterable[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for piece in pieces(source_ids):
        rows = connection.execute(_KNOWN, {"job": job_key, "source_ids": as_list(piece)})
        found.update((row.source_id, row) for row in rows)
    return found


_KNOWN = sa.select(mirror_entries).where(
    mirror_entries.c.job_key == sa.bindparam("job"), one_of(mirror_entries.c.source_id, "source_ids")
)


def _held_references(
    connection: Connection, entries: Sequence[Entry], known: Mapping[str, Row[Any]]
) -> dict[int, frozenset[_Reference]]:
    """Returns the references of entries that speak of them otherwise than before, by owner."""
    owners = [
        known[entry.source_id].key
        for entry in entries
        if entry.source_id in known
        and entry.references
        and known[entry.source_id].references_hash != _references_hash(entry.references)
    ]
    found: dict[int, set[_Reference]] = {}
    for piece in pieces(owners):
        rows = connection.execute(
            sa.select(mirror_references.c.owner_key, mirror_references.c.attribute, mirror_references.c.name).where(
                mirror_references.c.owner_key.in_(piece), mirror_references.c.attribute != CLAIM
            )
        )
        for owner, attribute, name in rows:
            found.setdefault(owner, set()).add((attribute, name))
    return {owner: frozenset(references) for owner, references in found.items()}


# What is written of a kind: members of an enum say it slowly.
_KINDS = {kind: kind.value for kind in ObjectKind}


def _add(written: _Written, entry: Entry, job_key: int, key: int, seq: int, number: int) -> None:
    content, digest = _content(_without_empty(entry.attributes), _spoken_of(entry))
    written.new.append(
        {
            "key": key,
            "job_key": job_key,
            "kind": _KINDS[entry.kind],
            "source_id": entry.source_id,
            "seq": seq,
            "number": number,
            "is_removed": False,
            "content": content,
            "content_hash": digest,
            "references_hash": _references_hash(entry.references) if not entry.added else None,
        }
    )
    _call(written, entry, key)
    _refer(written, job_key, key, _pairs(entry.references) | _pairs(entry.added))


def _change(
    written: _Written, entry: Entry, row: Row[Any], seq: int, number: int, job_key: int, held: frozenset[_Reference]
) -> None:
    attributes, spoken = entry.attributes, _spoken_of(entry)
    if entry.is_partial or entry.added or entry.removed:
        before, before_spoken = orjson.loads(row.content)
        attributes = {**before, **entry.attributes} if entry.is_partial else attributes
        spoken = tuple(sorted({*before_spoken, *spoken}))
    content, digest = _content(_without_empty(attributes), spoken)
    references_hash = row.references_hash
    differs = row.is_removed or digest != row.content_hash or row.kind != entry.kind.value
    if entry.references and _references_hash(entry.references) != row.references_hash:
        wanted = _pairs(entry.references)
        # A part that names one attribute says nothing of another.
        mine = frozenset(pair for pair in held if not entry.is_partial or pair[0] in entry.references)
        gone, come = mine - wanted, wanted - held
        differs = differs or bool(gone or come)
        _unrefer(written, row.key, gone)
        _refer(written, job_key, row.key, come)
        references_hash = None if entry.is_partial else _references_hash(entry.references)
    if entry.added or entry.removed:
        _unrefer(written, row.key, _pairs(entry.removed))
        _refer(written, job_key, row.key, _pairs(entry.added))
        differs, references_hash = True, None
    _call(written, entry, row.key)
    if not differs:
        written.touched.append({"at_key": row.key, "number": number})
        return
    written.changed.append(
        {
            "at_key": row.key,
            "kind": entry.kind.value,
            "seq": seq,
            "number": number,
            "is_removed": False,
            "content": content,
            "content_hash": digest,
            "references_hash": references_hash,
        }
    )


def _people_first(connection: Connection, job_key: int, written: _Written) -> Mapping[str, int]:
    """Returns the names of a page; those of groups that mean a person stay that person's, as within a file."""
    if not written.group_names:
        return written.names
    of_people: set[str] = set()
    for piece in pieces(written.group_names):
        of_people.update(
            connection.scalars(
                sa.select(mirror_names.c.name)
                .join(mirror_entries, mirror_entries.c.key == mirror_names.c.entry_key)
                .where(
                    mirror_names.c.job_key == job_key,
                    mirror_names.c.name.in_(piece),
                    mirror_entries.c.kind == ObjectKind.USER.value,
                    mirror_entries.c.is_removed.is_(False),
                )
            )
        )
    free = {name: key for name, key in written.group_names.items() if name not in of_people}
    return {**free, **written.names}


def hand_over(connection: Connection, job_key: int, seq: int) -> None:
    """Has other sources of whoever was removed under a number say anew what they supply: it may count now.

    Which values the directory has acknowledged of them is forgotten on all sides: it was another's word that stood
    there. That a source has spoken of them is not: its word counts also while the source is silent.
    """
    mine, other = links.alias("mine"), links.alias("other")
    shared = connection.execute(
        sa.select(
            mine.c.key,
            mine.c.acknowledged,
            other.c.key.label("other_key"),
            other.c.acknowledged.label("other_acknowledged"),
            other.c.job_key,
            other.c.source_id,
        )
        .join(
            mirror_entries,
            sa.and_(mirror_entries.c.job_key == mine.c.job_key, mirror_entries.c.source_id == mine.c.source_id),
        )
        .join(other, sa.and_(other.c.target_id == mine.c.target_id, other.c.kind == mine.c.kind))
        .join(mirrors, mirrors.c.job_key == other.c.job_key)
        .where(
            mine.c.job_key == job_key,
            other.c.job_key != job_key,
            mirror_entries.c.seq == seq,
            mirror_entries.c.is_removed.is_(True),
        )
    ).all()
    if not shared:
        return
    told = {row.key: row.acknowledged for row in shared} | {row.other_key: row.other_acknowledged for row in shared}
    by_rest: dict[bytes, list[int]] = {}
    for key, acknowledged in told.items():
        by_rest.setdefault(encode(_without_values(decode_acknowledged(acknowledged))), []).append(key)
    for rest, keys in by_rest.items():
        for piece in pieces(keys):
            connection.execute(sa.update(links).where(links.c.key.in_(piece)).values(acknowledged=rest))
    for other_job in {row.job_key for row in shared}:
        advanced = sa.update(mirrors).where(mirrors.c.job_key == other_job).values(seq=mirrors.c.seq + 1)
        number = connection.execute(advanced.returning(mirrors.c.seq)).scalar_one()
        for piece in pieces(row.source_id for row in shared if row.job_key == other_job):
            theirs = mirror_entries.c.job_key == other_job, mirror_entries.c.source_id.in_(piece)
            connection.execute(sa.update(mirror_entries).where(*theirs).values(seq=number))


def _without_values(acknowledged: Acknowledged) -> Acknowledged:
    """Returns what is left of a word of which nobody knows any more whether it stands: that it was given."""
    return Acknowledged(sent={name: "" for name, value in acknowledged.sent.items() if value is not None})


def _remove(connection: Connection, job_key: int, source_ids: Sequence[str], seq: int) -> bool:
    removed = 0
    for piece in pieces(source_ids):
        mine = (
            mirror_entries.c.job_key == job_key,
            mirror_entries.c.source_id.in_(piece),
            mirror_entries.c.is_removed.is_(False),
        )
        removed += connection.execute(sa.update(mirror_entries).where(*mine).values(is_removed=True, seq=seq)).rowcount
    return removed > 0


def _touch_unchanged(connection: Connection, job_key: int, source_ids: Sequence[str], number: int) -> None:
    for piece in pieces(source_ids):
        mine = mirror_entries.c.job_key == job_key, mirror_entries.c.source_id.in_(piece)
        connection.execute(sa.update(mirror_entries).where(*mine).values(number=number))


def _call(written: _Written, entry: Entry, key: int) -> None:
    names = written.names if entry.kind is ObjectKind.USER else written.group_names
    for name in entry.names:
        names[name.casefold()] = key


def _refer(written: _Written, job_key: int, owner_key: int, references: Iterable[_Reference]) -> None:
    written.added += [
        {"owner_key": owner_key, "attribute": attribute, "name": name, "job_key": job_key}
        for attribute, name in references
    ]


def _unrefer(written: _Written, owner_key: int, references: Iterable[_Reference]) -> None:
    written.removed += [
        {"at_owner_key": owner_key, "at_attribute": attribute, "at_name": name} for attribute, name in references
    ]


def _pairs(references: Mapping[str, Sequence[str]]) -> frozenset[_Reference]:
    return frozenset((attribute, name.casefold()) for attribute, names in references.items() for name in names)


def _spoken_of(entry: Entry) -> tuple[str, ...]:
    return tuple(sorted({*entry.references, *entry.added, *entry.removed}))


def _without_empty(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value or (value is not None and value not in _EMPTY)}


# False is a value.
_EMPTY = ("", ())


def _content(attributes: Mapping[str, Any], spoken: Sequence[str]) -> tuple[bytes, str]:
    content = canonical_json([attributes, spoken])
    return content, hashlib.blake2b(content, digest_size=16).hexdigest()


def _references_hash(references: Mapping[str, Sequence[str]]) -> str:
    told = {attribute: sorted({name.casefold() for name in names}) for attribute, names in references.items()}
    return hashlib.blake2b(canonical_json(told), digest_size=16).hexdigest()
