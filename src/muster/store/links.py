"""Links, open references and escrows of a job on SQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Result, Row

from muster.database.connection import Database
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.job import CycleState, Escrow, StagedState
from muster.model.notice import Cause
from muster.model.operation import Link, LinkState, MatchingValue, OperationKind
from muster.ports.cycles import OpenReference
from muster.store.encoding import decode, decode_acknowledged, decode_operation, decode_optional
from muster.store.jobs import job_key
from muster.store.references import forget_references, reopen_references
from muster.store.rows import pieces
from muster.store.tables import applications, cycles, escrows, jobs, links, reference_attributes, references, staged

_OURS = (LinkState.ADOPTED.value, LinkState.MANAGED.value)
_OWNERS = links.alias("owners")
_OTHERS = links.alias("others")


class SqlLinks:
    """The LinkStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def links(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[str, Link]:
        """Returns links by source id."""
        found: dict[str, Link] = {}
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            for piece in pieces(source_ids):
                rows = connection.execute(
                    sa.select(links).where(
                        links.c.job_key == job,
                        links.c.kind == kind.value,
                        links.c.source_id.in_(piece),
                        links.c.target_id.is_not(None),
                    )
                )
                found.update((row.source_id, _link(row)) for row in rows)
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
                        # Without an address: the jobs that write to our directory.
                        applications.c.address_digest.is_not_distinct_from(address),
                        links.c.kind == kind.value,
                        links.c.target_id.in_(piece),
                        sa.or_(
                            links.c.state.in_(_OURS),
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
            statement = (
                sa.select(sa.func.count())
                .select_from(links)
                .where(links.c.job_key == job_key(connection, job_id), links.c.target_id.is_not(None))
            )
            if kind is not None:
                statement = statement.where(links.c.kind == kind.value)
            return int(connection.execute(statement).scalar_one())

    def list_links(
        self, job_id: str, state: LinkState | None, limit: int, after: str | None
    ) -> tuple[Sequence[Link], str | None]:
        """Returns links, of one state if named, and the key to go on after."""
        with self._database.read() as connection:
            statement = sa.select(links).where(
                links.c.job_key == job_key(connection, job_id),
                links.c.target_id.is_not(None),
                links.c.key > int(after or 0),
            )
            if state is not None:
                statement = statement.where(links.c.state == state.value)
            rows = connection.execute(statement.order_by(links.c.key).limit(limit + 1)).all()
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
        owner, attribute = (int(part) for part in after.split(":")) if after else (0, 0)
        place = sa.tuple_(references.c.owner_key, references.c.attribute_key)
        with self._database.read() as connection:
            able = _able(job_key(connection, job_id))
            places = connection.execute(
                sa.select(references.c.owner_key, references.c.attribute_key)
                .select_from(_joined())
                .where(able, place > sa.tuple_(owner, attribute))
                .distinct()
                .order_by(references.c.owner_key, references.c.attribute_key)
                .limit(limit + 1)
            ).all()
            page = places[:limit]
            found = _open_references(connection, able, [(row.owner_key, row.attribute_key) for row in page])
        more = len(places) > limit and page
        return found, f"{page[-1].owner_key}:{page[-1].attribute_key}" if more else None

    def due_escrows(self, job_id: str, at: datetime, limit: int, after: str | None) -> Sequence[Escrow]:
        """Returns failed objects whose next attempt is due, by source id."""
        with self._database.read() as connection:
            statement = sa.select(escrows).where(
                escrows.c.job_key == job_key(connection, job_id), escrows.c.next_attempt_at <= at
            )
            if after is not None:
                statement = statement.where(escrows.c.source_id > after)
            rows = connection.execute(statement.order_by(escrows.c.source_id, escrows.c.kind).limit(limit)).all()
        return [_escrow(row) for row in rows]

    def tried(
        self, job_id: str, kind: ObjectKind, source_ids: Sequence[str], cycle_id: str
    ) -> Mapping[str, tuple[MatchingValue, ...]]:
        """Returns by source id under which values a creation was sent whose outcome nobody knows.

        Either it was noted with its failure, or nobody was left to note it: then it is still marked as being sent, in
        another cycle than the asking one.
        """
        found: dict[str, tuple[MatchingValue, ...]] = {}
        wanted = set(source_ids)
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            sending = connection.execute(
                sa.select(staged.c.operation)
                .join(cycles, cycles.c.key == staged.c.cycle_key)
                .where(
                    cycles.c.job_key == job,
                    cycles.c.state == CycleState.RUNNING.value,
                    cycles.c.cycle_id != cycle_id,
                    staged.c.state == StagedState.SENDING.value,
                    staged.c.kind == OperationKind.CREATE.value,
                )
            )
            for operation in (decode_operation(row.operation) for row in sending):
                if operation.object_kind is kind and operation.source_id in wanted:
                    found[operation.source_id] = (*operation.tried, *operation.matching)
            for piece in pieces(source_ids):
                rows = connection.execute(
                    sa.select(escrows.c.source_id, escrows.c.tried).where(
                        escrows.c.job_key == job,
                        escrows.c.kind == kind.value,
                        escrows.c.source_id.in_(piece),
                        escrows.c.tried.is_not(None),
                    )
                )
                for row in rows:
                    noted = decode(row.tried, tuple[MatchingValue, ...])
                    found[row.source_id] = tuple(dict.fromkeys((*noted, *found.get(row.source_id, ()))))
        return found

    def count_escrows(self, job_id: str) -> int:
        """Returns how many failed objects wait."""
        with self._database.read() as connection:
            statement = sa.select(sa.func.count()).where(escrows.c.job_key == job_key(connection, job_id))
            return int(connection.execute(statement).scalar_one())

    def causes(self, job_id: str, limit: int) -> Sequence[Cause]:
        """Returns why failed objects wait, the most frequent first, each with one of them as its example."""
        counted = (
            sa.select(
                escrows.c.code, sa.func.count().label("objects"), sa.func.min(escrows.c.source_id).label("example")
            )
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
        """Drops links (with references) and/or escrows, as a restart asks."""
        dropped = [table for table, is_asked in ((_LINKS, links), (_ESCROWS, escrows)) if is_asked]
        with self._database.write() as connection:
            job = job_key(connection, job_id)
            for table in dropped:
                connection.execute(sa.delete(table).where(table.c.job_key == job))


# Under other names than the switches of `reset`.
_LINKS, _ESCROWS = links, escrows


def _joined() -> Any:
    return (
        references.join(_OWNERS, _OWNERS.c.key == references.c.owner_key)
        .join(_OTHERS, _OTHERS.c.key == references.c.other_key)
        .join(reference_attributes, reference_attributes.c.key == references.c.attribute_key)
    )


def _able(job: int) -> ColumnElement[bool]:
    """Open references of our objects to objects that are ours, or that are to be taken away."""
    return sa.and_(
        references.c.open_job_key == job,
        _OWNERS.c.state.in_(_OURS),
        sa.or_(references.c.acknowledged.is_not(None), sa.and_(references.c.wanted, _OTHERS.c.state.in_(_OURS))),
    )


def _open_references(
    connection: Connection, able: ColumnElement[bool], places: Iterable[tuple[int, int]]
) -> list[OpenReference]:
    by_place: dict[tuple[int, int], list[Row[Any]]] = {place: [] for place in places}
    for piece in pieces({owner for owner, _ in by_place}):
        rows: Result[Any] = connection.execute(
            sa.select(
                references.c.owner_key,
                references.c.attribute_key,
                references.c.wanted,
                references.c.acknowledged,
                _OWNERS.c.kind,
                _OWNERS.c.source_id,
                _OWNERS.c.target_id,
                sa.func.coalesce(_OWNERS.c.display_name, _OWNERS.c.source_id).label("source_name"),
                _OTHERS.c.source_id.label("other_source_id"),
                _OTHERS.c.target_id.label("other_target_id"),
                _OTHERS.c.state.label("other_state"),
                reference_attributes.c.name,
                reference_attributes.c.kind.label("reference_kind"),
                reference_attributes.c.multivalued,
            )
            .select_from(_joined())
            .where(able, references.c.owner_key.in_(piece))
            .order_by(references.c.other_key)
        )
        for row in rows:
            if (row.owner_key, row.attribute_key) in by_place:
                by_place[row.owner_key, row.attribute_key].append(row)
    return [_open_reference(rows) for rows in by_place.values() if rows]


def _open_reference(rows: Sequence[Row[Any]]) -> OpenReference:
    first = rows[0]
    return OpenReference(
        kind=ObjectKind(first.kind),
        source_id=first.source_id,
        source_name=first.source_name,
        target_id=first.target_id,
        attribute=first.name,
        reference_kind=ObjectKind(first.reference_kind),
        multivalued=first.multivalued,
        add=tuple(
            (row.other_source_id, row.other_target_id) for row in rows if row.wanted and row.other_state in _OURS
        ),
        remove=tuple((row.other_source_id, row.acknowledged) for row in rows if row.acknowledged is not None),
    )


def _link(row: Row[Any]) -> Link:
    return Link(
        source_id=row.source_id,
        kind=ObjectKind(row.kind),
        target_id=row.target_id,
        state=LinkState(row.state),
        owned=LinkState(row.owned),
        acknowledged=decode_acknowledged(row.acknowledged),
        display_name=row.display_name,
    )


def _cause(failure: FailureRecord, count: int) -> Cause:
    return Cause(code=failure.code, sentence=failure.sentence, remedy=failure.remedy, count=count)


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
