"""The provisioning log on SQL: written by settlements, read newest first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from muster.database.connection import Database
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.notice import Cause
from muster.ports.cycles import LogQuery
from muster.store.encoding import decode, encode, id_number
from muster.store.tables import LOGGED_FAILURES, LOGGED_REMOVALS, applications, cycles, jobs, log

_EXACT = (
    "job_id",
    "cycle_id",
    "change_id",
    "service_principal_id",
    "source_id",
    "action",
    "status",
    "error_code",
)


_APPLICATION = "service_principal_id"
_WRITTEN_AT_ONCE = 1_000


class SqlLog:
    """The LogStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, query: LogQuery) -> tuple[Sequence[LogEntry], str | None]:
        """Returns entries in the query's order, and the key to go on after."""
        key = log.c.key
        with self._database.read() as connection:
            rows: list[Row[Any, Any]] = []
            for part in _parts(connection, query):
                statement = sa.select(key, log.c.entry).where(*part)
                if query.after is not None:
                    statement = statement.where(key > int(query.after) if query.ascending else key < int(query.after))
                ordered = statement.order_by(key if query.ascending else key.desc())
                rows += connection.execute(ordered.limit(query.limit + 1 - len(rows))).all()
                if len(rows) > query.limit:
                    break
        page = rows[: query.limit]
        more = len(rows) > query.limit and page
        return [decode(row.entry, LogEntry) for row in page], str(page[-1].key) if more else None

    def count(self, query: LogQuery) -> int:
        """Returns how many entries there are in all."""
        with self._database.read() as connection:
            counted = sa.select(sa.func.count()).select_from(log)
            return sum(int(connection.execute(counted.where(*part)).scalar_one()) for part in _parts(connection, query))

    def leaves_out(self, query: LogQuery) -> bool:
        """Whether there are entries within the query's dates that are older than its newest ones."""
        if query.newest is None:
            return False
        oldest = sa.select(log.c.key).order_by(log.c.at, log.c.key).limit(1)
        if query.since is not None:
            oldest = oldest.where(log.c.at >= query.since)
        with self._database.read() as connection:
            first = connection.execute(oldest).scalar()
            return first is not None and first <= _bound(connection, query, query.newest)

    def causes(self, job_id: str, since: datetime, until: datetime, limit: int) -> Sequence[Cause]:
        """Returns why objects failed within a span of time (until exclusive), the most frequent first."""
        within = (
            log.c.job_id == job_id,
            sa.text(LOGGED_FAILURES),
            log.c.at >= since,
            log.c.at < until,
            log.c.error_code.is_not(None),
        )
        counted = (
            sa.select(log.c.error_code, sa.func.count().label("objects"), sa.func.max(log.c.key).label("example"))
            .where(*within)
            .group_by(log.c.error_code)
            .order_by(sa.desc("objects"), log.c.error_code)
            .limit(limit)
        ).subquery()
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(counted.c.objects, log.c.entry)
                .join(log, log.c.key == counted.c.example)
                .order_by(counted.c.objects.desc(), counted.c.error_code)
            ).all()
        found = [(decode(row.entry, LogEntry).failure, row.objects) for row in rows]
        return [
            Cause(code=failure.code, sentence=failure.sentence, remedy=failure.remedy, count=count)
            for failure, count in found
            if failure is not None
        ]


def error_code(entry: LogEntry) -> str | None:
    """Returns why an entry failed or was skipped, as Graph's errorInformation names it."""
    if entry.failure is not None:
        return entry.failure.code
    return None if entry.skip_reason is None else entry.skip_reason.value


def log_row(entry: LogEntry) -> dict[str, Any]:
    """Returns the row of a log entry."""
    identity = (entry.source_name, entry.target_name, entry.source_id, entry.target_id)
    return {
        "id_number": id_number(entry.id),
        "at": entry.at,
        "service_principal_id": entry.service_principal_id,
        "job_id": entry.job_id,
        "cycle_id": entry.cycle_id,
        "change_id": entry.change_id,
        "source_id": entry.source_id,
        "action": entry.action.value,
        "status": entry.status.value,
        "error_code": error_code(entry),
        "source_name": entry.source_name.casefold(),
        "identity": "\n".join(filter(None, identity)).casefold(),
        "entry": encode(entry),
    }


def _parts(connection: Connection, query: LogQuery) -> list[list[ColumnElement[bool]]]:
    """Returns the conditions of the searches that one is made of, in its order: their entries do not overlap."""
    if query.newest is None or not query.identity:
        return [_conditions(connection, query)]
    # A part of a name has no index: of the entries before the newest those of that whole name are found by theirs.
    bound = _bound(connection, query, query.newest)
    among_newest = [*_conditions(connection, query), log.c.key > bound]
    if query.until is not None:
        # Keys follow the instants but for what several write at once.
        among_newest.append(log.c.key <= bound + query.newest + query.newest // 10 + _WRITTEN_AT_ONCE)
    by_name = replace(query, identity=None, newest=None, source_name=query.source_name or query.identity)
    before = [*_conditions(connection, by_name), log.c.source_name == query.identity.casefold(), log.c.key <= bound]
    return [before, among_newest] if query.ascending else [among_newest, before]


def _bound(connection: Connection, query: LogQuery, newest: int) -> int:
    """Returns the key after which the newest entries up to the end of a query's dates come."""
    last = sa.select(log.c.key).order_by(log.c.at.desc(), log.c.key.desc()).limit(1)
    if query.until is not None:
        last = last.where(log.c.at <= query.until)
    return int(connection.execute(last).scalar() or 0) - newest


def _conditions(connection: Connection, query: LogQuery) -> list[ColumnElement[bool]]:
    # Beside a name the application is hidden from the planner, which would go through all lines of it.
    columns = (
        dict(log.c) if query.source_name is None else {**log.c, _APPLICATION: sa.func.coalesce(log.c[_APPLICATION], "")}
    )
    conditions: list[ColumnElement[bool]] = [
        columns[name] == getattr(query, name) for name in _EXACT if getattr(query, name) is not None
    ]
    if query.entry_id is not None:
        conditions.append(log.c.id_number == id_number(query.entry_id))
    elif query.service_principal_id is None and query.source_id is None and query.source_name is None:
        # The index is by application: a job or a cycle that is still there says which one.
        application = _application_of(connection, query)
        if application is not None:
            conditions.append(log.c.service_principal_id == application)
    if query.status == LogStatus.FAILURE.value:
        conditions.append(sa.text(LOGGED_FAILURES))  # type: ignore[arg-type]  # a condition, in the index's words
    if query.action in (ProvisioningAction.DELETE.value, ProvisioningAction.DISABLE.value):
        conditions.append(sa.text(LOGGED_REMOVALS))  # type: ignore[arg-type]  # the same
    if query.held is not None:
        # What is held was not skipped by a rule: its entry has no reason of one.
        conditions.append(log.c.status == LogStatus.SKIPPED.value)
        conditions.append(log.c.error_code.is_(None) if query.held else log.c.error_code.is_not(None))
    if query.among is not None:
        conditions.append(log.c.service_principal_id.in_(sorted(query.among)))
    if query.source_name is not None:
        conditions.append(log.c.source_name == query.source_name.casefold())
    if query.identity:
        folded = query.identity.casefold()
        named = log.c.identity.contains(folded, autoescape=True)
        conditions.append(sa.or_(named, log.c.change_id == folded))
    # Among the newest, which are gone through by their keys, the instant is hidden from the planner, too.
    at = log.c.at if query.newest is None else sa.func.coalesce(log.c.at, log.c.at)
    if query.since is not None:
        conditions.append(at >= query.since)
    if query.until is not None:
        conditions.append(at <= query.until)
    return conditions


def _application_of(connection: Connection, query: LogQuery) -> str | None:
    statement = sa.select(applications.c.service_principal_id).join(jobs, jobs.c.application_key == applications.c.key)
    if query.job_id is not None:
        statement = statement.where(jobs.c.job_id == query.job_id)
    elif query.cycle_id is not None:
        statement = statement.join(cycles, cycles.c.job_key == jobs.c.key).where(cycles.c.cycle_id == query.cycle_id)
    else:
        return None
    return connection.execute(statement).scalar()
