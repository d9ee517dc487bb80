"""Outcomes of many objects written together: links, references, escrows, staged states, log entries."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import Database, upsert
from muster.model.operation import Link
from muster.ports.cycles import Settlement
from muster.store.anchors import Anchor, Anchors, fetch_anchors
from muster.store.encoding import encode
from muster.store.log import log_row
from muster.store.references import ReferenceWriter, forget_references, reopen_references
from muster.store.tables import escrows, links, log, staged

_LINKED_COLUMNS = ("target_id", "state", "owned", "display_name", "acknowledged")
_UNLINKED: dict[str, Any] = dict.fromkeys(_LINKED_COLUMNS)


class SettlementWriter:
    """Writes settlements in the caller's transaction, a few statements for all of them."""

    def __init__(self, database: Database) -> None:
        self._references = ReferenceWriter()
        self._link = database.prepare(
            sa.update(links)
            .where(links.c.key == sa.bindparam("at_key"))
            .values({name: sa.bindparam(name) for name in _LINKED_COLUMNS})
        )
        self._end = database.prepare(
            sa.update(staged)
            .where(staged.c.cycle_key == sa.bindparam("at_cycle"), staged.c.number == sa.bindparam("at_number"))
            .values(state=sa.bindparam("state"))
        )
        self._log = database.prepare(
            sa.insert(log).values(
                {column.name: sa.bindparam(column.name) for column in log.columns if column.name != "key"}
            )
        )

    def write(self, connection: Connection, cycle_key: int, job_key: int, settlements: Sequence[Settlement]) -> None:
        """Writes settlements in order."""
        if not settlements:
            return
        anchors = fetch_anchors(connection, job_key, _anchored(settlements))
        self._write_links(connection, job_key, settlements, anchors)
        _write_escrows(connection, job_key, settlements)
        ended = [
            {"at_cycle": cycle_key, "at_number": settlement.number, "state": settlement.state.value}
            for settlement in settlements
            if settlement.number is not None
        ]
        if ended:
            self._end.execute_many(ended, on=connection)
        entries = [log_row(settlement.entry) for settlement in settlements if settlement.entry is not None]
        if entries:
            self._log.execute_many(entries, on=connection)
        self._references.write(connection, job_key, settlements, anchors)

    def _write_links(
        self, connection: Connection, job_key: int, settlements: Sequence[Settlement], anchors: Anchors
    ) -> None:
        rows: dict[int, dict[str, Any]] = {}
        # The target id as stored before: None for what was not linked.
        before: dict[int, Anchor] = {}
        for settlement in settlements:
            if settlement.link is None and not settlement.unlink:
                continue
            anchor = anchors[settlement.kind, settlement.source_id]
            before[anchor.key] = anchor
            values = _UNLINKED if settlement.unlink or settlement.link is None else _link_row(settlement.link)
            rows[anchor.key] = {"at_key": anchor.key, **values}
        if not rows:
            return
        self._link.execute_many(list(rows.values()), on=connection)
        replaced = [
            (key, rows[key]["target_id"])
            for key, anchor in before.items()
            if anchor.target_id is not None and anchor.target_id != rows[key]["target_id"]
        ]
        if replaced:
            # What another target object held is not what this one holds, and what pointed there points elsewhere.
            forget_references(connection, job_key, replaced)
            reopen_references(connection, job_key, replaced)


def _anchored(settlements: Sequence[Settlement]) -> set[tuple[Any, str]]:
    wanted = {
        (settlement.kind, settlement.source_id)
        for settlement in settlements
        if settlement.link is not None or settlement.unlink or settlement.wanted or settlement.references
    }
    for settlement in settlements:
        for reference in settlement.wanted:
            wanted.update((reference.kind, source_id) for source_id in reference.source_ids)
    return wanted


def _link_row(link: Link) -> dict[str, Any]:
    return {
        "target_id": link.target_id,
        "state": link.state.value,
        "owned": link.owned.value,
        "display_name": link.display_name,
        "acknowledged": encode(link.acknowledged),
    }


def _write_escrows(connection: Connection, job_key: int, settlements: Sequence[Settlement]) -> None:
    kept: dict[tuple[str, str], dict[str, Any] | None] = {}
    for settlement in settlements:
        if settlement.escrow is not None:
            escrow = settlement.escrow
            kept[escrow.source_id, escrow.kind] = {
                "job_key": job_key,
                "source_id": escrow.source_id,
                "kind": escrow.kind,
                "failure": encode(escrow.failure),
                "attempts": escrow.attempts,
                "first_failed_at": escrow.first_failed_at,
                "next_attempt_at": escrow.next_attempt_at,
                "tried": encode(escrow.tried) if escrow.tried else None,
            }
        elif settlement.clear_escrow:
            kept[settlement.source_id, settlement.kind.value] = None
    upsert(connection, escrows, [row for row in kept.values() if row], keys=("job_key", "source_id", "kind"))
    cleared = [
        {"at_job": job_key, "at_source": source_id, "at_kind": kind}
        for (source_id, kind), row in kept.items()
        if row is None
    ]
    if cleared:
        connection.execute(
            sa.delete(escrows).where(
                escrows.c.job_key == sa.bindparam("at_job"),
                escrows.c.source_id == sa.bindparam("at_source"),
                escrows.c.kind == sa.bindparam("at_kind"),
            ),
            cleared,
        )
