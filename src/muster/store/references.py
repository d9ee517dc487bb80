"""References between linked objects: what the source wants, what the target has confirmed, what is open.

A row is open when the two differ, or when a change of it was sent and nobody knows what came of that. It is closed
again by the settlement that confirms it; a reference that is neither wanted nor held at the target has no row.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database, upsert
from muster.model.directory import ObjectKind
from muster.model.operation import LinkState, ShownReferences
from muster.ports.cycles import Settlement
from muster.store.anchors import Anchors, Place
from muster.store.rows import pieces
from muster.store.tables import links, reference_attributes, references

# Who has left the scope is no less ours as the end of a reference.
_EVER_OURS = (LinkState.ADOPTED.value, LinkState.MANAGED.value, LinkState.RELEASED.value)
_NOT_HELD: dict[str, Any] = {"acknowledged": None, "unsure": None}


@dataclass(slots=True)
class _Reference:
    """A row as it stands and as it will be."""

    other_source_id: str
    other_target_id: str | None
    wanted: bool
    acknowledged: str | None
    is_changed: bool = False
    unsure: bool = False

    @property
    def is_open(self) -> bool:
        if not self.wanted or self.acknowledged is None or self.unsure:
            return True
        return self.other_target_id is not None and self.acknowledged != self.other_target_id

    def confirm(self, target_id: str | None) -> None:
        """Notes what the target holds for certain."""
        self.acknowledged, self.unsure, self.is_changed = target_id, False, True

    def doubt(self, target_id: str | None) -> None:
        """Notes that the target may hold it: by the id that it held before, else by the one that was sent."""
        known = self.acknowledged or target_id
        if known is not None:
            self.acknowledged, self.unsure, self.is_changed = known, True, True


@dataclass(frozen=True, slots=True)
class _Attribute:
    key: int
    name: str
    kind: ObjectKind
    multivalued: bool


# By owner, then by attribute and other end; a row that is to go is None.
_Place = tuple[int, int]
_Rows = dict[int, dict[_Place, _Reference | None]]


class ReferenceWriter:
    """Writes what settlements say of references, in the caller's transaction."""

    def __init__(self, database: Database) -> None:
        keys = ("owner_key", "attribute_key", "other_key")
        self._change = database.prepare_upsert(references, keys=keys)
        self._remove = database.prepare(
            sa.delete(references).where(*(references.c[name] == sa.bindparam(f"at_{name}") for name in keys))
        )

    def write(
        self,
        connection: Connection,
        job_key: int,
        settlements: Sequence[Settlement],
        anchors: Anchors,
        new: Set[Place] = frozenset(),
    ) -> None:
        """Replaces what is wanted, then notes what the target has confirmed.

        `new`: objects that the job has met just now, of which there is nothing to read. Those without an anchor neither
        want nor hold anything.
        """
        settlements = [one for one in settlements if (one.kind, one.source_id) in anchors]
        wanting = {anchors[one.kind, one.source_id].key for one in settlements if one.wanted or one.shown}
        settling = {anchors[one.kind, one.source_id].key for one in settlements if one.references} - wanting
        if not wanting and not settling:
            return
        known = wanting - {anchors[place].key for place in new if place in anchors}
        named = {(each.attribute, each.kind, each.multivalued) for one in settlements for each in one.wanted}
        named |= {(each.attribute, each.kind, each.multivalued) for one in settlements for each in one.shown}
        attributes = _fetch_attributes(connection, named)
        rows: _Rows = {owner: {} for owner in wanting | settling}
        _fetch_rows(connection, rows, known)
        if settling:
            single = [each.key for each in attributes.values() if not each.multivalued]
            others = {each.source_id for one in settlements for each in one.references}
            _fetch_rows(connection, rows, settling, attributes=single, source_ids=others)
        targets = {anchor.key: (source_id, anchor.target_id) for (_, source_id), anchor in anchors.items()}
        targets.update(_current_targets(settlements, anchors))
        by_key = {each.key: each for each in attributes.values()}
        for one in settlements:
            if not one.wanted and not one.references and not one.shown:
                continue
            own = rows[anchors[one.kind, one.source_id].key]
            for wanted in one.wanted:
                attribute = attributes[wanted.attribute, wanted.kind, wanted.multivalued]
                keys = {anchors[wanted.kind, source_id].key for source_id in wanted.source_ids}
                _replace_wanted(own, attribute.key, {key: targets[key] for key in keys})
            if one.references:
                _settle(own, by_key, one)
            for shown in one.shown:
                key = attributes[shown.attribute, shown.kind, shown.multivalued].key
                _see(own, key, shown, _find_linked(connection, job_key, shown))
        self._flush(connection, job_key, rows)

    def _flush(self, connection: Connection, job_key: int, rows: _Rows) -> None:
        changed: list[dict[str, Any]] = []
        gone: list[dict[str, int]] = []
        for owner, own in rows.items():
            for (attribute, other), row in own.items():
                if row is None:
                    gone.append({"at_owner_key": owner, "at_attribute_key": attribute, "at_other_key": other})
                elif row.is_changed:
                    changed.append(
                        {
                            "owner_key": owner,
                            "attribute_key": attribute,
                            "other_key": other,
                            "wanted": row.wanted,
                            "acknowledged": row.acknowledged,
                            "unsure": row.unsure or None,
                            "open_job_key": job_key if row.is_open else None,
                        }
                    )
        self._change.execute_many(changed, on=connection)
        self._remove.execute_many(gone, on=connection)


def forget_references(connection: Connection, job_key: int, replaced: Sequence[tuple[int, str | None]]) -> None:
    """Forgets what unlinked or re-created objects held: nothing if they are gone, else all is to be set anew."""
    owners = [{"at_key": key} for key, _ in replaced]
    unlinked = [{"at_key": key} for key, target_id in replaced if target_id is None]
    at_owner = references.c.owner_key == sa.bindparam("at_key")
    if unlinked:
        connection.execute(sa.delete(references).where(at_owner), unlinked)
    connection.execute(sa.delete(references).where(at_owner, sa.not_(references.c.wanted)), owners)
    connection.execute(sa.update(references).where(at_owner).values(**_NOT_HELD, open_job_key=job_key), owners)


def reopen_references(
    connection: Connection,
    job_key: int,
    replaced: Sequence[tuple[int, str | None]],
    staying: Set[int] = frozenset(),
) -> None:
    """Opens references to objects whose target was replaced; those to unlinked ones wait for the next link.

    `staying`: keys of those unlinked whose target object is still there, or another's now. What points to it is not
    forgotten: it is to be taken away.
    """
    at_other = sa.and_(references.c.other_key == sa.bindparam("at_key"), references.c.wanted)
    unlinked = [{"at_key": key} for key, target_id in replaced if target_id is None and key not in staying]
    if unlinked:
        connection.execute(sa.update(references).where(at_other).values(**_NOT_HELD, open_job_key=job_key), unlinked)
    moved = [{"at_key": key} for key, target_id in replaced if target_id is not None or key in staying]
    if moved:
        connection.execute(sa.update(references).where(at_other).values(open_job_key=job_key), moved)


def _replace_wanted(
    own: dict[_Place, _Reference | None], attribute: int, wanted: dict[int, tuple[str, str | None]]
) -> None:
    for place, row in own.items():
        if row is None or place[0] != attribute or place[1] in wanted or not row.wanted:
            continue
        if row.acknowledged is None:
            own[place] = None
        else:
            row.wanted, row.is_changed = False, True
    for other, (source_id, target_id) in wanted.items():
        found = own.get((attribute, other))
        if found is None:
            own[attribute, other] = _Reference(source_id, target_id, True, None, True)
        elif not found.wanted:
            found.wanted, found.is_changed = True, True


def _settle(own: dict[_Place, _Reference | None], attributes: dict[int, _Attribute], settlement: Settlement) -> None:
    by_name: dict[tuple[str, str], list[_Reference]] = {}
    single: dict[str, list[_Reference]] = {}
    for place, row in own.items():
        if row is not None:
            attribute = attributes[place[0]]
            by_name.setdefault((attribute.name, row.other_source_id), []).append(row)
            if not attribute.multivalued:
                single.setdefault(attribute.name, []).append(row)
    # A value that is replaced by another id of the same object comes as both: the removal counts first.
    for settled in sorted(settlement.references, key=lambda each: each.target_id is not None):
        if settled.target_id is not None and not settled.unsure:
            for row in single.get(settled.attribute, ()):
                # There is room for one value only: the one that was there is gone.
                row.confirm(None)
        for row in by_name.get((settled.attribute, settled.source_id), ()):
            if settled.unsure:
                row.doubt(settled.target_id)
            else:
                row.confirm(settled.target_id)
    for place, each in own.items():
        if each is not None and not each.wanted and each.acknowledged is None:
            own[place] = None


def _see(
    own: dict[_Place, _Reference | None], attribute: int, shown: ShownReferences, linked: dict[int, tuple[str, str]]
) -> None:
    """Puts what the target shows in the place of what it confirmed. Others than ours are not ours to take away."""
    held = set(shown.target_ids)
    for place, row in own.items():
        if row is None or place[0] != attribute or row.acknowledged is None or row.acknowledged in held:
            continue
        row.confirm(None)
        if not row.wanted:
            own[place] = None
    for other, (source_id, target_id) in linked.items():
        found = own.get((attribute, other))
        if found is None:
            own[attribute, other] = _Reference(source_id, target_id, False, target_id, True)
        elif found.acknowledged != target_id or found.unsure:
            found.confirm(target_id)


def _find_linked(connection: Connection, job_key: int, shown: ShownReferences) -> dict[int, tuple[str, str]]:
    """Returns by key those of the job's links that a reference attribute shows."""
    found: dict[int, tuple[str, str]] = {}
    for piece in pieces(shown.target_ids):
        rows = connection.execute(
            sa.select(links.c.key, links.c.source_id, links.c.target_id).where(
                links.c.job_key == job_key,
                links.c.kind == shown.kind.value,
                links.c.target_id.in_(piece),
                links.c.state.in_(_EVER_OURS),
            )
        )
        found.update((row.key, (row.source_id, row.target_id)) for row in rows)
    return found


def _current_targets(settlements: Sequence[Settlement], anchors: Anchors) -> dict[int, tuple[str, str | None]]:
    """Returns the target ids that this very batch gives."""
    current: dict[int, tuple[str, str | None]] = {}
    for one in settlements:
        if one.unlink or one.link is not None:
            target_id = None if one.unlink or one.link is None else one.link.target_id
            current[anchors[one.kind, one.source_id].key] = (one.source_id, target_id)
    return current


def _fetch_rows(
    connection: Connection,
    rows: _Rows,
    owners: Iterable[int],
    *,
    attributes: Sequence[int] | None = None,
    source_ids: Iterable[str] = (),
) -> None:
    """Fetches the rows of owners: all, or those of some attributes and those to some source objects."""
    statement = sa.select(references, links.c.source_id, links.c.target_id).join(
        links, links.c.key == references.c.other_key
    )
    for piece in pieces(owners):
        of_owners = statement.where(references.c.owner_key.in_(piece))
        if attributes is None:
            statements = [of_owners]
        else:
            statements = [of_owners.where(references.c.attribute_key.in_(attributes))]
            statements += [of_owners.where(links.c.source_id.in_(ids)) for ids in pieces(source_ids)]
        for each in statements:
            for row in connection.execute(each):
                rows[row.owner_key][row.attribute_key, row.other_key] = _Reference(
                    row.source_id, row.target_id, row.wanted, row.acknowledged, unsure=bool(row.unsure)
                )


def _fetch_attributes(
    connection: Connection, wanted: set[tuple[str, ObjectKind, bool]]
) -> dict[tuple[str, ObjectKind, bool], _Attribute]:
    """Returns all reference attributes that are known, with those wanted among them."""
    found = _all_attributes(connection)
    missing = wanted - found.keys()
    if missing:
        rows = [{"name": name, "kind": kind.value, "multivalued": multivalued} for name, kind, multivalued in missing]
        upsert(connection, reference_attributes, rows, keys=("name", "kind", "multivalued"), update=())
        found = _all_attributes(connection)
    return found


def _all_attributes(connection: Connection) -> dict[tuple[str, ObjectKind, bool], _Attribute]:
    rows: Any = connection.execute(sa.select(reference_attributes))
    return {
        (row.name, ObjectKind(row.kind), row.multivalued): _Attribute(
            row.key, row.name, ObjectKind(row.kind), row.multivalued
        )
        for row in rows
    }
