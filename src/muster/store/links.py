"""Links, open references and escrows of a job on SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.database.lists import as_list, one_of
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HoldCode
from muster.model.job import CycleState, Escrow, StagedState
from muster.model.notice import Cause
from muster.model.operation import Link, LinkState, MatchingValue
from muster.ports.cycles import KnownReferences, OpenReference
from muster.ports.sharing import EndKind
from muster.store.cycles import TRYING
from muster.store.encoding import decode, decode_acknowledged, decode_operation, decode_optional
from muster.store.jobs import job_key
from muster.store.known_references import (
    OURS,
    count_leaving_members,
    count_members,
    find_awaited_ends,
    find_known_references,
    find_missing_ends,
    find_open_references,
)
from muster.store.references import forget_references, reopen_references
from muster.store.rows import pieces
from muster.store.settlements import has_escrows, may_exchange
from muster.store.tables import applications, cycles, escrows, holds, jobs, links, staged

# What waits for a time, or was approved, has not failed.
_FAILED = escrows.c.code.not_in(["Approved", *HoldCode])
# What `_link` is made from.
_LINKED = sa.select(
    links.c.key,
    links.c.source_id,
    links.c.kind,
    links.c.target_id,
    links.c.state,
    links.c.owned,
    links.c.acknowledged,
    links.c.display_name,
).where(links.c.target_id.is_not(None))
_LINKS_OF = _LINKED.where(
    links.c.job_key == sa.bindparam("job"),
    links.c.kind == sa.bindparam("of_kind"),
    one_of(links.c.source_id, "source_ids"),
)

_SENDING_OF = (
    sa.select(staged.c.operation)
    .join(cycles, cycles.c.key == staged.c.cycle_key)
    .where(
        cycles.c.job_key == sa.bindparam("job"),
        cycles.c.state == CycleState.RUNNING.value,
        cycles.c.cycle_id != sa.bindparam("asking"),
        staged.c.state.in_((StagedState.SENDING.value, StagedState.OPEN.value)),
        staged.c.kind.in_(TRYING),
        # What was refused for somebody else's account made none.
        staged.c.hold_code.is_distinct_from(EndKind.CONFLICT.value),
    )
)
_TRIED_OF = sa.select(escrows.c.source_id, escrows.c.tried).where(
    escrows.c.job_key == sa.bindparam("job"),
    escrows.c.kind == sa.bindparam("of_kind"),
    one_of(escrows.c.source_id, "source_ids"),
    escrows.c.tried.is_not(None),
)


class SqlLinks:
    """The LinkStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._links_of = database.prepare(_LINKS_OF)

    def links(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[str, Link]:
        """Returns links by source id."""
        found: dict[str, Link] = {}
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            for piece in pieces(source_ids):
                given = {"job": job, "of_kind": kind.value, "source_ids": as_list(piece)}
                rows = self._links_of.fetch_all(given, on=connection)
                found.update({row[1]: _link(row) for row in rows})
        return found

    def owners(self, job_id: str, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Returns (job id, source id) by target id, over all jobs with the same target address.

        Adopted and managed objects have an owner, and in its own job one who was released, for he may come back; of
        two the first that was linked.
        """
        found: dict[str, tuple[str, str]] = {}
        with self._database.read() as connection:
            address = connection.execute(
                sa.select(applications.c.address_digest)
                .join(jobs, jobs.c.application_key == applications.c.key)
                .where(jobs.c.job_id == job_id)
            ).scalar()
            for piece in pieces(target_ids):
                rows = connection.execute(
                    sa.select(links.c.target_id, jobs.c.job_id, links.c.source_id)
                    .join(jobs, jobs.c.key == links.c.job_key)
                    .join(applications, applications.c.key == jobs.c.application_key)
                    .where(
                        # Without an address it writes to our directory, which sources share: the order says whose.
                        jobs.c.job_id == job_id if address is None else applications.c.address_digest == address,
                        # What is in the recycle bin claims nothing.
                        applications.c.deleted_at.is_(None),
                        links.c.kind == kind.value,
                        links.c.target_id.in_(piece),
                        sa.or_(
                            links.c.state.in_(OURS),
                            sa.and_(links.c.state == LinkState.RELEASED.value, jobs.c.job_id == job_id),
                        ),
                    )
                    .order_by(links.c.key)
                )
                for row in rows:
                    found.setdefault(row.target_id, (row.job_id, row.source_id))
        return found

    def count_links(self, job_id: str, kind: ObjectKind | None = None) -> int:
        """Returns how many objects are linked."""
        with self._database.read() as connection:
            # By kinds, all of them, too: without one SQLite takes an index that has not what is to be counted.
            kinds = [each.value for each in (tuple(ObjectKind) if kind is None else (kind,))]
            statement = (
                sa.select(sa.func.count())
                .select_from(links)
                .where(
                    links.c.job_key == job_key(connection, job_id),
                    links.c.kind.in_(kinds),
                    links.c.target_id.is_not(None),
                )
            )
            return int(connection.execute(statement).scalar_one())

    def list_links(
        self, job_id: str, state: LinkState | None, limit: int, after: str | None, kind: ObjectKind | None = None
    ) -> tuple[Sequence[Link], str | None]:
        """Returns links, of one state and kind if named, and the key to go on after."""
        with self._database.read() as connection:
            statement = _LINKED.where(links.c.job_key == job_key(connection, job_id), links.c.key > int(after or 0))
            # Of one kind and state an index has them in their order; all together would be sorted whole for a page.
            asked = statement.order_by(links.c.key).limit(limit + 1)
            pages = [
                connection.execute(asked.where(links.c.kind == of_kind.value, links.c.state == of_state.value)).all()
                for of_kind in (tuple(ObjectKind) if kind is None else (kind,))
                for of_state in (tuple(LinkState) if state is None else (state,))
            ]
        rows = sorted((row for each in pages for row in each), key=lambda row: row.key)
        page = rows[:limit]
        return [_link(row) for row in page], str(page[-1].key) if len(rows) > limit else None

    def promote(self, job_id: str, source_ids: Sequence[str] | None) -> Sequence[str]:
        """Makes accounts that were there before us ours, those of the source ids or all; returns the ids of those that
        it changed. One that is released is ours when it comes back."""
        promoted: list[str] = []
        adopted, managed = LinkState.ADOPTED.value, LinkState.MANAGED.value
        with self._database.write() as connection:
            statement = (
                sa.update(links)
                .where(
                    links.c.job_key == job_key(connection, job_id),
                    links.c.target_id.is_not(None),
                    links.c.owned == adopted,
                )
                .values(owned=managed, state=sa.case((links.c.state == adopted, managed), else_=links.c.state))
                .returning(links.c.source_id)
            )
            if source_ids is None:
                return sorted(connection.execute(statement).scalars())
            for piece in pieces(source_ids):
                promoted += connection.execute(statement.where(links.c.source_id.in_(piece))).scalars()
        return sorted(promoted)

    def unlink(self, job_id: str, kind: ObjectKind, source_id: str) -> None:
        """Forgets a link (object connection) and what it held of references."""
        with self._database.write() as connection:
            job = job_key(connection, job_id)
            key = connection.execute(
                sa.update(links)
                .where(
                    links.c.job_key == job,
                    links.c.kind == kind.value,
                    links.c.source_id == source_id,
                )
                .values(target_id=None, state=None, owned=None, display_name=None, acknowledged=None)
                .returning(links.c.key)
            ).scalar()
            if key is not None:
                forget_references(connection, job, [(key, None)])
                reopen_references(connection, job, [(key, None)])

    def open_references(self, job_id: str, limit: int, after: str | None) -> tuple[Sequence[OpenReference], str | None]:
        """Returns references that can be set or removed now, one an object and attribute; and the key to go on.

        Of an object that is ours (adopted, managed); an other end that is not ours yet, or no more, is left out.
        """
        with self._database.read() as connection:
            return find_open_references(connection, job_key(connection, job_id), limit, after)

    def count_members(self, job_id: str) -> int:
        """Returns how many members of groups the target has confirmed."""
        with self._database.read() as connection:
            return count_members(connection, job_key(connection, job_id))

    def count_leaving_members(self, job_id: str) -> int:
        """Returns how many members that the target has confirmed are to be taken away."""
        with self._database.read() as connection:
            return count_leaving_members(connection, job_key(connection, job_id))

    def missing_ends(self, job_id: str, attribute: str) -> Sequence[str]:
        """Returns the source ids that a reference attribute names and of which the job has seen nobody, in order."""
        with self._database.read() as connection:
            return find_missing_ends(connection, job_key(connection, job_id), attribute)

    def awaited_ends(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], attribute: str
    ) -> Mapping[str, str]:
        """Returns whom open references of an attribute name of whom the job has seen nobody, by their owners."""
        with self._database.read() as connection:
            return find_awaited_ends(connection, job_key(connection, job_id), kind, source_ids, attribute)

    def references(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Sequence[KnownReferences]:
        """Returns what the target has confirmed of the references of objects, one an object and attribute."""
        with self._database.read() as connection:
            return find_known_references(connection, job_key(connection, job_id), kind, source_ids)

    def due_escrows(
        self, job_id: str, at: datetime, limit: int, after: str | None, longest: timedelta | None = None
    ) -> Sequence[Escrow]:
        """Returns failed objects whose next attempt is due, by source id; `longest`: what none waits longer than."""
        due: sa.ColumnElement[bool] = escrows.c.next_attempt_at <= at
        if longest is not None:
            was_set_back = sa.or_(escrows.c.next_attempt_at > at + longest, escrows.c.first_failed_at > at)
            due = sa.or_(due, sa.and_(was_set_back, _FAILED))
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            return _read_escrows(connection, job, sa.or_(due, may_exchange(job, at)), limit, after)

    def escrows_of(self, job_id: str, code: str, limit: int, after: str | None) -> Sequence[Escrow]:
        """Returns objects that failed with a code, due or not, by source id."""
        with self._database.read() as connection:
            return _read_escrows(connection, job_key(connection, job_id), escrows.c.code == code, limit, after)

    def escrow(self, job_id: str, kind: ObjectKind, source_id: str) -> Escrow | None:
        """Returns one failed object's place in the ladder."""
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            mine = escrows.c.job_key == job, escrows.c.source_id == source_id, escrows.c.kind == kind.value
            row = connection.execute(sa.select(escrows).where(*mine)).first()
        return None if row is None else _escrow(row)

    def tried(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], cycle_id: str
    ) -> Mapping[str, tuple[MatchingValue, ...]]:
        """Returns by source id under which values a creation, or a first request, was sent whose outcome nobody knows.

        Either it was noted with its failure, or nobody was left to note it: then it is still marked as being sent, in
        another cycle than the asking one.
        """
        found: dict[str, tuple[MatchingValue, ...]] = {}
        wanted = set(source_ids)
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            sending = connection.execute(_SENDING_OF, {"job": job, "asking": cycle_id}).scalars()
            for operation in map(decode_operation, sending):
                if operation.object_kind is kind and operation.source_id in wanted and operation.tries:
                    found[operation.source_id] = (*operation.tried, *operation.tries)
            for piece in pieces(source_ids):
                given = {"job": job, "of_kind": kind.value, "source_ids": as_list(piece)}
                rows = connection.execute(_TRIED_OF, given)
                for row in rows:
                    noted = decode(row.tried, tuple[MatchingValue, ...])
                    found[row.source_id] = tuple(dict.fromkeys((*noted, *found.get(row.source_id, ()))))
        return found

    def failed_with(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], codes: Sequence[str]
    ) -> frozenset[str]:
        """Returns which of these objects wait because they failed with one of the codes."""
        found: set[str] = set()
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            # Mostly nobody waits: then a page costs one look at the key.
            if has_escrows(connection, job):
                for piece in pieces(source_ids):
                    statement = sa.select(escrows.c.source_id).where(
                        escrows.c.job_key == job,
                        escrows.c.source_id.in_(piece),
                        escrows.c.kind == kind.value,
                        escrows.c.code.in_(codes),
                    )
                    found.update(connection.execute(statement).scalars())
        return frozenset(found)

    def count_escrows(self, job_id: str) -> int:
        """Returns how many failed objects wait."""
        with self._database.read() as connection:
            statement = sa.select(sa.func.count()).where(escrows.c.job_key == job_key(connection, job_id), _FAILED)
            return int(connection.execute(statement).scalar_one())

    def not_due(self, job_id: str, at: datetime) -> tuple[int, datetime | None]:
        """Returns how many failed objects are not due yet, and when the first of them is."""
        due = escrows.c.next_attempt_at
        with self._database.read() as connection:
            waiting = sa.select(sa.func.count(), sa.func.min(due)).where(
                escrows.c.job_key == job_key(connection, job_id), due > at, _FAILED
            )
            count, first = connection.execute(waiting).one()
        return int(count), first

    def causes(self, job_id: str, limit: int) -> Sequence[Cause]:
        """Returns why failed objects wait, the most frequent first, each with one of them as its example."""
        counted = (
            sa.select(
                escrows.c.code, sa.func.count().label("objects"), sa.func.min(escrows.c.source_id).label("example")
            )
            .where(_FAILED)
            .group_by(escrows.c.code)
            .order_by(sa.desc("objects"), escrows.c.code)
            .limit(limit)
        )
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            found = counted.where(escrows.c.job_key == job).subquery()
            rows = connection.execute(
                sa.select(found.c.objects, escrows.c.failure)
                .join(
                    escrows,
                    sa.and_(
                        escrows.c.job_key == job,
                        escrows.c.source_id == found.c.example,
                        escrows.c.code == found.c.code,
                    ),
                )
                .order_by(found.c.objects.desc(), found.c.code)
            ).all()
        return [_cause(decode(row.failure, FailureRecord), row.objects) for row in rows]

    def reset(self, job_id: str, *, links: bool, escrows: bool) -> None:
        """Drops links (with references) and/or escrows, as a restart asks.

        Of escrows stays what no full pass would find: all where none is to come, else accounts that we may have made,
        by the names of then. These are tried again at once.
        """
        with self._database.write() as connection:
            job = job_key(connection, job_id)
            if links:
                # What was held is decided anew by the initial cycle that follows a lost link.
                for table in (_LINKS, holds):
                    connection.execute(sa.delete(table).where(table.c.job_key == job))
            if escrows:
                _begin_escrows_anew(connection, job)


# Under another name than the switch of `reset`.
_LINKS = links
# A dict finds a member of an enum four times as fast as the enum itself.
_KINDS = {item.value: item for item in ObjectKind}
_STATES = {item.value: item for item in LinkState}


def _link(row: Any) -> Link:
    _, source_id, kind, target_id, state, owned, acknowledged, display_name = row
    return Link(
        source_id=source_id,
        kind=_KINDS[kind],
        target_id=target_id,
        state=_STATES[state],
        owned=_STATES[owned],
        acknowledged=decode_acknowledged(acknowledged),
        display_name=display_name,
    )


def _begin_escrows_anew(connection: Connection, job: int) -> None:
    # A first pass that runs, and is not to be begun anew, does not come back to those whom it has passed.
    is_passing = sa.exists().where(cycles.c.running_job_key == job, cycles.c.generation == jobs.c.generation)
    is_to_come = sa.select(jobs.c.key).where(jobs.c.key == job, jobs.c.watermark.is_(None), sa.not_(is_passing))
    if connection.execute(is_to_come).first() is not None:
        connection.execute(sa.delete(escrows).where(escrows.c.job_key == job, escrows.c.tried.is_(None)))
    anew = {"attempts": 0, "next_attempt_at": escrows.c.first_failed_at}
    connection.execute(sa.update(escrows).where(escrows.c.job_key == job, _FAILED).values(anew))


def _cause(failure: FailureRecord, count: int) -> Cause:
    return Cause(code=failure.code, sentence=failure.sentence, remedy=failure.remedy, count=count)


def _read_escrows(
    connection: Connection, job: int, asked: sa.ColumnElement[bool], limit: int, after: str | None
) -> Sequence[Escrow]:
    statement = sa.select(escrows).where(escrows.c.job_key == job, asked)
    if after is not None:
        statement = statement.where(escrows.c.source_id > after)
    rows = connection.execute(statement.order_by(escrows.c.source_id, escrows.c.kind).limit(limit)).all()
    return [_escrow(row) for row in rows]


def _escrow(row: Row[Any]) -> Escrow:
    return Escrow(
        source_id=row.source_id,
        kind=row.kind,
        failure=decode(row.failure, FailureRecord),
        attempts=row.attempts,
        first_failed_at=row.first_failed_at,
        next_attempt_at=row.next_attempt_at,
        tried=decode_optional(row.tried, tuple[MatchingValue, ...]) or (),
    )
