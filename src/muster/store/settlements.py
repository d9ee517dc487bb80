"""Outcomes of many objects written together: links, references, escrows, staged states, log entries."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database
from muster.model.copies import replace
from muster.model.failures import Conflict
from muster.model.job import Escrow, StagedState
from muster.model.operation import Link
from muster.ports.cycles import Settlement
from muster.store.anchors import LINKED_COLUMNS, UNLINKED, Anchors, AnchorWriter, Place, find_anchors
from muster.store.encoding import decode_acknowledged, encode
from muster.store.holds import write_holds
from muster.store.log import log_row
from muster.store.mirror_tables import mirrors
from muster.store.references import ReferenceWriter, forget_references, reopen_references
from muster.store.tables import escrows, links, log, staged


class SettlementWriter:
    """Writes settlements in the caller's transaction, a few statements for all of them."""

    def __init__(self, database: Database) -> None:
        self._anchors = AnchorWriter(database)
        self._references = ReferenceWriter(database)
        self._link = database.prepare(
            sa.update(links)
            .where(links.c.key == sa.bindparam("at_key"))
            .values({name: sa.bindparam(name) for name in LINKED_COLUMNS})
        )
        of_cycle = staged.c.cycle_key == sa.bindparam("at_cycle"), staged.c.number == sa.bindparam("at_number")
        self._done = database.prepare(sa.delete(staged).where(*of_cycle))
        self._end = database.prepare(sa.update(staged).where(*of_cycle).values(state=sa.bindparam("state")))
        self._log = database.prepare(
            sa.insert(log).values(
                {column.name: sa.bindparam(column.name) for column in log.columns if column.name != "key"}
            )
        )
        self._escrow = database.prepare_upsert(escrows, keys=("job_key", "source_id", "kind"))
        self._clear_escrow = database.prepare(
            sa.delete(escrows).where(
                escrows.c.job_key == sa.bindparam("at_job"),
                escrows.c.source_id == sa.bindparam("at_source"),
                escrows.c.kind == sa.bindparam("at_kind"),
            )
        )

    def write(self, connection: Connection, cycle_key: int, job_key: int, settlements: Sequence[Settlement]) -> None:
        """Writes settlements in order."""
        if not settlements:
            return
        # Most of a full pass is as it was: nothing is written of their links.
        linking = [
            one
            for one in settlements
            if one.link is not None or one.unlink or one.wanted or one.references or one.shown
        ]
        if linking:
            self._write_links(connection, job_key, linking)
        _forget_values(connection, job_key, [one for one in settlements if one.unsure])
        self._write_escrows(connection, job_key, settlements)
        write_holds(connection, job_key, settlements)
        self._end_staged(connection, cycle_key, settlements)
        entries = [log_row(settlement.entry) for settlement in settlements if settlement.entry is not None]
        self._log.execute_many(entries, on=connection)

    def _end_staged(self, connection: Connection, cycle_key: int, settlements: Sequence[Settlement]) -> None:
        ended = [settlement for settlement in settlements if settlement.number is not None]
        # What is done has its log entry; what is held must not be read again as released.
        done = [
            {"at_cycle": cycle_key, "at_number": settlement.number}
            for settlement in ended
            if settlement.state is StagedState.DONE
        ]
        kept = [
            {"at_cycle": cycle_key, "at_number": settlement.number, "state": settlement.state.value}
            for settlement in ended
            if settlement.state is not StagedState.DONE
        ]
        self._done.execute_many(done, on=connection)
        self._end.execute_many(kept, on=connection)

    def _write_links(self, connection: Connection, job_key: int, settlements: Sequence[Settlement]) -> None:
        """Writes links and references. Objects that the job has not met go in with their links, in one statement."""
        linked = _linked(settlements)
        others = {
            (reference.kind, source_id)
            for settlement in settlements
            for reference in settlement.wanted
            for source_id in reference.source_ids
        }
        owners = {(one.kind, one.source_id) for one in settlements if one.wanted or one.references or one.shown}
        anchors = find_anchors(connection, job_key, linked.keys() | others | owners)
        # Whoever takes an account over is new, and may hold what they do not want.
        wanting = {
            (one.kind, one.source_id)
            for one in settlements
            if one.shown or any(reference.source_ids for reference in one.wanted)
        }
        new = {
            place: linked.get(place, UNLINKED)
            for place in linked.keys() | others | wanting
            if place not in anchors and (place in others or place in wanting or linked[place] is not UNLINKED)
        }
        if new and not self._anchors.add(connection, job_key, new):
            # Another process has just met some of them: written as those that were there before.
            anchors.update(find_anchors(connection, job_key, new.keys()))
            new = {}
        staying = {
            anchors[one.kind, one.source_id].key
            for one in settlements
            if one.account_stays and (one.kind, one.source_id) in anchors
        }
        known = {place: row for place, row in linked.items() if place not in new}
        self._update_links(connection, job_key, known, anchors, staying)
        meeting = new.keys() & (others | wanting)
        if meeting:
            anchors.update(find_anchors(connection, job_key, meeting))
        self._references.write(connection, job_key, settlements, anchors, frozenset(new))

    def _update_links(
        self,
        connection: Connection,
        job_key: int,
        linked: Mapping[Place, Mapping[str, Any]],
        anchors: Anchors,
        staying: Set[int],
    ) -> None:
        # Whoever the job has not met has nothing to forget.
        rows = [{"at_key": anchors[place].key, **columns} for place, columns in linked.items() if place in anchors]
        self._link.execute_many(rows, on=connection)
        # The target id as stored before: None for what was not linked.
        replaced = [
            (anchors[place].key, columns["target_id"])
            for place, columns in linked.items()
            if place in anchors and anchors[place].target_id not in (None, columns["target_id"])
        ]
        if replaced:
            # What another target object held is not what this one holds, and what pointed there points elsewhere.
            forget_references(connection, job_key, replaced)
            reopen_references(connection, job_key, replaced, staying)

    def _write_escrows(self, connection: Connection, job_key: int, settlements: Sequence[Settlement]) -> None:
        # Most of a full pass succeeds, where nobody waits: then there is nothing to write or to clear.
        if all(one.escrow is None for one in settlements) and not has_escrows(connection, job_key):
            return
        kept: dict[tuple[str, str], dict[str, Any] | None] = {}
        for settlement in settlements:
            if settlement.escrow is not None:
                escrow = settlement.escrow
                kept[escrow.source_id, escrow.kind] = _escrow_row(job_key, escrow)
            elif settlement.clear_escrow:
                kept[settlement.source_id, settlement.kind.value] = None
        self._escrow.execute_many([row for row in kept.values() if row], on=connection)
        cleared = [place for place, row in kept.items() if row is None]
        if cleared:
            self._clear_escrow.execute_many(
                [{"at_job": job_key, "at_source": source_id, "at_kind": kind} for source_id, kind in cleared],
                on=connection,
            )


def _forget_values(connection: Connection, job_key: int, settlements: Sequence[Settlement]) -> None:
    """Takes out of projections what may have changed at the target without an answer: it is sent, or asked for, anew
    whatever comes then, as what stands there would else count as what stood there before."""
    for one in settlements:
        mine = links.c.job_key == job_key, links.c.kind == one.kind.value, links.c.source_id == one.source_id
        row = connection.execute(
            sa.select(links.c.key, links.c.acknowledged).where(*mine, links.c.target_id.is_not(None))
        ).first()
        if row is None:
            continue
        known = decode_acknowledged(row.acknowledged)
        left = replace(
            known,
            sent={name: value for name, value in known.sent.items() if name not in one.unsure},
            seen={name: value for name, value in known.seen.items() if name not in one.unsure},
        )
        connection.execute(sa.update(links).where(links.c.key == row.key).values(acknowledged=encode(left)))


def _linked(settlements: Sequence[Settlement]) -> dict[Place, Mapping[str, Any]]:
    """Returns what becomes of links: the columns by source object, the last settlement's if there are several."""
    rows: dict[Place, Mapping[str, Any]] = {}
    for settlement in settlements:
        if settlement.unlink:
            rows[settlement.kind, settlement.source_id] = UNLINKED
        elif settlement.link is not None:
            rows[settlement.kind, settlement.source_id] = _link_row(settlement.link)
    return rows


def has_escrows(connection: Connection, job_key: int) -> bool:
    """Whether anybody waits: among many that succeed seldom one did before."""
    return connection.execute(_ANY_ESCROW, {"job": job_key}).first() is not None


_ANY_ESCROW = sa.select(escrows.c.job_key).where(escrows.c.job_key == sa.bindparam("job")).limit(1)


def may_exchange(job: int, at: datetime) -> sa.ColumnElement[bool]:
    """Returns whether somebody of a source who was refused for another's name is due with the first who was.

    People who took one another's names over several reads get them only together. Asked once of the job, not of each
    who waits: of ten thousand each would look through all.
    """
    first = escrows.alias()
    is_conflict = first.c.job_key == job, first.c.code == Conflict.code
    return sa.and_(
        escrows.c.code == Conflict.code,
        sa.exists().where(mirrors.c.job_key == job),
        sa.exists().where(*is_conflict, first.c.next_attempt_at <= at),
    )


def _link_row(link: Link) -> dict[str, Any]:
    return {
        "target_id": link.target_id,
        "state": link.state.value,
        "owned": link.owned.value,
        "display_name": link.display_name,
        "acknowledged": encode(link.acknowledged),
    }


def _escrow_row(job_key: int, escrow: Escrow) -> dict[str, Any]:
    return {
        "job_key": job_key,
        "source_id": escrow.source_id,
        "kind": escrow.kind,
        "code": escrow.failure.code,
        "failure": encode(escrow.failure),
        "attempts": escrow.attempts,
        "first_failed_at": escrow.first_failed_at,
        "next_attempt_at": escrow.next_attempt_at,
        "tried": encode(escrow.tried) if escrow.tried else None,
    }
