"""Mirrors on SQL: a page of a read is kept in one transaction, and numbered only where something really changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database, serialize, upsert
from muster.model.directory import ObjectKind
from muster.model.failures import Fenced
from muster.model.mirror import MirrorState
from muster.model.operation import Change
from muster.planning.completeness import why_absence_is_not_proven
from muster.ports.mirror import BeingRead
from muster.ports.reader import Ending, ReadPage
from muster.ports.source import SourcePage, Window
from muster.store.encoding import decode, encode
from muster.store.mirror_pages import MirrorStatements, hand_over, keep_page
from muster.store.mirror_reading import changes_of, count_entries, find_entry, read_entries
from muster.store.mirror_tables import mirror_entries, mirrors
from muster.store.tables import jobs

# A read that has kept nothing for so long has died with its process.
_ABANDONED_AFTER = timedelta(minutes=2)
_PROBLEMS_KEPT = 100


class SqlMirrors:
    """The MirrorStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = MirrorStatements(database)

    def state(self, job_id: str) -> MirrorState:
        """Returns how a mirror stands; an empty one for a job without."""
        with self._database.read() as connection:
            row = connection.execute(_select(job_id)).one_or_none()
        return MirrorState(job_id=job_id) if row is None else _state(job_id, row)

    def begin(self, job_id: str, at: datetime, *, anew: bool) -> MirrorState:
        """Begins a read. Raises: BeingRead, LookupError for an unknown job."""
        with self._database.write() as connection:
            key = _hold(connection, job_id)
            row = connection.execute(_select(job_id)).one_or_none()
            known = MirrorState(job_id=job_id) if row is None else _state(job_id, row)
            if known.reading_at is not None and at - known.reading_at < _ABANDONED_AFTER:
                raise BeingRead("The source is being read just now.")
            goes_on = known.is_resumable and not anew
            begun = replace(
                known,
                number=known.number if goes_on else known.number + 1,
                cursor=None if anew else known.cursor,
                reading_at=at,
            )
            self._write(connection, key, begun, began_seq=row.began_seq if goes_on and row else begun.seq)
        return begun

    def keep(self, reading: MirrorState, page: ReadPage, at: datetime, *, lost_share: float) -> MirrorState:
        """Keeps a page with its cursor; the last one ends the read. Raises: Fenced."""
        with self._database.write() as connection:
            key = _hold(connection, reading.job_id)
            row = connection.execute(_select(reading.job_id)).one_or_none()
            if row is None or row.number != reading.number or row.reading_at is None:
                raise Fenced
            known = _with_problems(_state(reading.job_id, row), page)
            changed = keep_page(connection, self._statements, key, page, known, began_seq=row.began_seq)
            state = replace(
                known,
                seq=known.seq + (1 if changed else 0),
                cursor=page.cursor if page.cursor is not None or page.ending is not None else known.cursor,
                is_resumable=known.is_resumable or page.cursor is not None,
                reading_at=at,
            )
            if page.ending is not None:
                state = self._ended(connection, key, state, page, at, lost_share, began_seq=row.began_seq)
            self._write(connection, key, state, began_seq=row.began_seq)
        return state

    def break_off(self, reading: MirrorState) -> None:
        """Ends a read that failed; nothing if another has begun meanwhile."""
        with self._database.write() as connection:
            key = _hold(connection, reading.job_id)
            mine = mirrors.c.job_key == key, mirrors.c.number == reading.number
            connection.execute(sa.update(mirrors).where(*mine).values(reading_at=None))

    def accept_missing(self, job_id: str) -> int:
        """Removes whomever the last read of everybody did not name; returns how many these are."""
        with self._database.write() as connection:
            key = _hold(connection, job_id)
            row = connection.execute(_select(job_id)).one_or_none()
            if row is None or not row.missing:
                return 0
            known = _state(job_id, row)
            seq = known.seq + 1
            gone = _mark_missing(connection, key, known.full_number, seq)
            state = replace(_counted(connection, key, known), seq=seq, missing=0, is_whole=True, because=None)
            state = self._settle_names(connection, key, state, began_seq=known.seq, ending=Ending.WHOLE)
            self._write(connection, key, state, began_seq=row.began_seq)
        return gone

    def forget_cursor(self, job_id: str) -> None:
        """Has the next read be of everything."""
        with self._database.write() as connection:
            key = _hold(connection, job_id)
            values = {"cursor": None, "is_resumable": False}
            connection.execute(sa.update(mirrors).where(mirrors.c.job_key == key).values(values))

    def count(self, job_id: str, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects a read will give."""
        with self._database.read() as connection:
            key = _key(connection, job_id)
            return count_entries(connection, key, kind, window)

    def read(self, job_id: str, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns a page of objects as changes."""
        with self._database.read() as connection:
            key = _key(connection, job_id)
            rows, next_after = read_entries(connection, key, kind, window, after, limit)
            return SourcePage(changes=tuple(changes_of(connection, key, rows)), next_after=next_after)

    def read_one(self, job_id: str, kind: ObjectKind, name: str) -> Change | None:
        """Returns one object by source id or by another of its names."""
        with self._database.read() as connection:
            key = _key(connection, job_id)
            row = find_entry(connection, key, kind, name)
            return None if row is None else next(iter(changes_of(connection, key, [row])))

    def _ended(
        self,
        connection: Connection,
        key: int,
        state: MirrorState,
        page: ReadPage,
        at: datetime,
        lost_share: float,
        *,
        began_seq: int,
    ) -> MirrorState:
        if page.ending is Ending.PARTIAL:
            state = replace(state, is_whole=False, because=page.because or "The source did not give everything.")
        elif page.ending is Ending.WHOLE:
            _touch_others(connection, key, state.number, page.kinds)
            by_kind = _missing_by_kind(connection, key, state.number)
            absent = sum(by_kind.values())
            known = {ObjectKind.USER: state.users, ObjectKind.GROUP: state.groups}
            because = why_absence_is_not_proven(
                before={kind: max(count, by_kind.get(kind, 0)) for kind, count in known.items()},
                absent=by_kind,
                problems=state.problem_count if state.problem_number == state.number else 0,
                lost_share=lost_share,
            )
            state = replace(
                state,
                is_whole=because is None,
                because=because,
                missing=0 if because is None else absent,
                full_number=state.number,
                whole_at=at if because is None else state.whole_at,
            )
            if absent and because is None:
                state = replace(state, seq=state.seq + 1)
                _mark_missing(connection, key, state.number, state.seq)
        state = self._settle_names(connection, key, state, began_seq=began_seq, ending=page.ending)
        if state.seq != began_seq:
            state = _counted(connection, key, state)
        return replace(state, is_resumable=False, read_at=at, reading_at=None)

    def _settle_names(
        self, connection: Connection, key: int, state: MirrorState, *, began_seq: int, ending: Ending | None
    ) -> MirrorState:
        """Settles whom names mean. What a read of changes does not speak of, it leaves to be found at the next of all;
        but as long as somebody is missing unproven, nobody's name goes to another."""
        moved = self._statements.names.settle(
            connection,
            key,
            # Whoever the last read of everybody named is there, and bears an old name at the most.
            number=state.full_number if ending is Ending.CHANGES else state.number,
            began_seq=began_seq,
            seq=state.seq + 1,
            passes_on=ending is Ending.CHANGES and state.because is None,
        )
        return replace(state, seq=state.seq + 1) if moved else state

    def _write(self, connection: Connection, key: int, state: MirrorState, *, began_seq: int) -> None:
        row: Mapping[str, Any] = {
            "job_key": key,
            "seq": state.seq,
            "number": state.number,
            "began_seq": began_seq,
            "cursor": state.cursor,
            "is_resumable": state.is_resumable,
            "users": state.users,
            "groups": state.groups,
            "is_whole": state.is_whole,
            "because": state.because,
            "problems": encode(state.problems),
            "problem_count": state.problem_count,
            "problem_number": state.problem_number,
            "missing": state.missing,
            "full_number": state.full_number,
            "read_at": state.read_at,
            "whole_at": state.whole_at,
            "reading_at": state.reading_at,
        }
        upsert(connection, mirrors, row, keys=("job_key",))


def _select(job_id: str) -> sa.Select[Any]:
    return sa.select(mirrors).join(jobs, jobs.c.key == mirrors.c.job_key).where(jobs.c.job_id == job_id)


def _key(connection: Connection, job_id: str) -> int:
    key = connection.execute(sa.select(jobs.c.key).where(jobs.c.job_id == job_id)).scalar()
    if key is None:
        raise LookupError(f"there is no job {job_id}")
    return int(key)


def _hold(connection: Connection, job_id: str) -> int:
    """Returns the job's key; writers of mirrors follow each other, as keys and numbers are given here."""
    serialize(connection, "mirrors")
    return _key(connection, job_id)


def _missing(key: int, number: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        mirror_entries.c.job_key == key,
        mirror_entries.c.number < number,
        mirror_entries.c.is_removed.is_(False),
    )


def _missing_by_kind(connection: Connection, key: int, number: int) -> Mapping[ObjectKind, int]:
    counted = sa.select(mirror_entries.c.kind, sa.func.count()).where(*_missing(key, number))
    rows = connection.execute(counted.group_by(mirror_entries.c.kind))
    return {ObjectKind(kind): int(count) for kind, count in rows}


def _touch_others(connection: Connection, key: int, number: int, kinds: Collection[ObjectKind]) -> None:
    """Has whoever is of another kind than the read was count as named by it."""
    others = [kind.value for kind in ObjectKind if kind not in kinds]
    if others:
        theirs = *_missing(key, number), mirror_entries.c.kind.in_(others)
        connection.execute(sa.update(mirror_entries).where(*theirs).values(number=number))


def _mark_missing(connection: Connection, key: int, number: int, seq: int) -> int:
    missing = sa.update(mirror_entries).where(*_missing(key, number))
    gone = connection.execute(missing.values(is_removed=True, seq=seq)).rowcount
    hand_over(connection, key, seq)
    return gone


def _counted(connection: Connection, key: int, state: MirrorState) -> MirrorState:
    users, groups = (
        _count(
            connection,
            mirror_entries.c.job_key == key,
            mirror_entries.c.kind == kind.value,
            mirror_entries.c.is_removed.is_(False),
        )
        for kind in (ObjectKind.USER, ObjectKind.GROUP)
    )
    return replace(state, users=users, groups=groups)


def _with_problems(state: MirrorState, page: ReadPage) -> MirrorState:
    """Returns the state with a page's problems; those of an earlier read go once this one gives anything."""
    told = (*page.problems, *page.remarks)
    gives = page.entries or page.removed or page.unchanged or told or page.ending is Ending.WHOLE
    if gives and state.problem_number != state.number:
        state = replace(state, problems=(), problem_count=0, problem_number=state.number)
    return replace(
        state,
        problems=(*state.problems, *told)[:_PROBLEMS_KEPT],
        problem_count=state.problem_count + len(page.problems),
    )


def _count(connection: Connection, *conditions: sa.ColumnElement[bool]) -> int:
    statement = sa.select(sa.func.count()).select_from(mirror_entries).where(*conditions)
    return int(connection.execute(statement).scalar_one())


def _state(job_id: str, row: Row[Any]) -> MirrorState:
    problems: Sequence[str] = decode(row.problems, tuple[str, ...])
    return MirrorState(
        job_id=job_id,
        seq=row.seq,
        number=row.number,
        cursor=row.cursor,
        is_resumable=row.is_resumable,
        users=row.users,
        groups=row.groups,
        is_whole=row.is_whole,
        because=row.because,
        problems=tuple(problems),
        problem_count=row.problem_count,
        problem_number=row.problem_number,
        missing=row.missing,
        full_number=row.full_number,
        read_at=row.read_at,
        whole_at=row.whole_at,
        reading_at=row.reading_at,
    )
