"""Synchronization jobs and the versions of their rules on SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.model.job import Quarantine, ScheduleState, SynchronizationJob
from muster.model.notice import Notice
from muster.ports.administration import AuditEntry
from muster.ports.applications import KeptVersion, SchemaVersion
from muster.store.applications import application_key
from muster.store.audit import write_entry
from muster.store.encoding import decode, decode_optional, encode, encode_optional
from muster.store.notices import keep_notice
from muster.store.tables import applications, jobs, schemas


class SqlJobs:
    """The JobStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: SynchronizationJob, document: Mapping[str, Any], by: str) -> None:
        """Keeps a new job with its rules, which become version 1. Raises LookupError for an unknown application."""
        with self._database.write() as connection:
            inserted = connection.execute(
                sa.insert(jobs).values(
                    job_id=job.id,
                    application_key=application_key(connection, job.service_principal_id),
                    template_id=job.template_id,
                    schedule_state=job.schedule_state.value,
                    interval_seconds=int(job.interval.total_seconds()),
                    watermark=job.watermark,
                    generation=0,
                    schema_version=1,
                    created_at=job.created_at,
                    quarantine=encode_optional(job.quarantine),
                    last_cycle_began_at=job.last_cycle_began_at,
                    last_cycle_ended_at=job.last_cycle_ended_at,
                    settings=encode(dict(job.settings)),
                )
            ).inserted_primary_key
            key = int(inserted[0]) if inserted else 0
            _save_schema(connection, key, 1, document, by, job.created_at)

    def get(self, job_id: str) -> SynchronizationJob | None:
        """Returns a job."""
        with self._database.read() as connection:
            row = connection.execute(_JOB_BY_ID, {"id": job_id}).first()
        return None if row is None else _job(row)

    def list(self, service_principal_id: str | None = None) -> Sequence[SynchronizationJob]:
        """Returns jobs, of one application or all, in the order in which they were made."""
        statement = _IN_ORDER
        if service_principal_id is not None:
            statement = statement.where(applications.c.service_principal_id == service_principal_id)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(statement)]

    def remove(self, job_id: str) -> None:
        """Removes a job with its links and cycles; the log stays. Raises LookupError."""
        with self._database.write() as connection:
            connection.execute(sa.delete(jobs).where(jobs.c.key == job_key(connection, job_id)))

    def set_schedule(self, job_id: str, state: ScheduleState) -> None:
        """Starts, pauses or disables. Raises LookupError."""
        self._change(job_id, schedule_state=state.value)

    def set_quarantine(
        self,
        job_id: str,
        quarantine: Quarantine | None,
        *,
        notice: Notice | None = None,
        entry: AuditEntry | None = None,
        state: ScheduleState | None = None,
    ) -> None:
        """Puts a job into quarantine or lifts it, and keeps what is told of it. Raises LookupError."""
        values: dict[str, Any] = {"quarantine": encode_optional(quarantine)}
        if state is not None:
            values["schedule_state"] = state.value
        with self._database.write() as connection:
            key = job_key(connection, job_id)
            connection.execute(sa.update(jobs).where(jobs.c.key == key).values(**values))
            if notice is not None:
                keep_notice(connection, notice)
            if entry is not None:
                write_entry(connection, replace(entry, target_name=_application_name(connection, key) or job_id))

    def set_settings(self, job_id: str, settings: Mapping[str, str]) -> None:
        """Merges settings. Raises LookupError."""
        with self._database.write() as connection:
            key = job_key(connection, job_id)
            stored = connection.execute(sa.select(jobs.c.settings).where(jobs.c.key == key).with_for_update())
            merged = {**decode(stored.scalar_one(), dict[str, str]), **settings}
            connection.execute(sa.update(jobs).where(jobs.c.key == key).values(settings=encode(merged)))

    def set_interval(self, job_id: str, interval: timedelta) -> None:
        """Changes the wake-up interval. Raises LookupError."""
        self._change(job_id, interval_seconds=int(interval.total_seconds()))

    def set_watermark(self, job_id: str, watermark: int | None) -> None:
        """Moves the watermark; a cycle that runs now will not move it any more. Raises LookupError."""
        self._change(job_id, watermark=watermark, generation=jobs.c.generation + 1)

    def save_schema(self, job_id: str, document: Mapping[str, Any], by: str, at: datetime) -> str:
        """Keeps a new version of the rules and returns its number; asks for an initial cycle. Raises LookupError."""
        with self._database.write() as connection:
            version = connection.execute(
                sa.update(jobs)
                .where(jobs.c.key == job_key(connection, job_id))
                .values(schema_version=jobs.c.schema_version + 1, watermark=None, generation=jobs.c.generation + 1)
                .returning(jobs.c.key, jobs.c.schema_version)
            ).one()
            _save_schema(connection, version.key, version.schema_version, document, by, at)
        return str(version.schema_version)

    def schema(self, job_id: str) -> SchemaVersion:
        """Returns the rules in force. Raises LookupError."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(schemas)
                .join(jobs, sa.and_(jobs.c.key == schemas.c.job_key, jobs.c.schema_version == schemas.c.version))
                .where(jobs.c.job_id == job_id)
            ).first()
        if row is None:
            raise LookupError(f"there is no job {job_id}")
        return _schema(row)

    def schema_versions(self, job_id: str) -> Sequence[KeptVersion]:
        """Returns all kept versions of the rules, newest first. Raises LookupError."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(schemas.c.version, schemas.c.at, schemas.c.by)
                .where(schemas.c.job_key == job_key(connection, job_id))
                .order_by(schemas.c.version.desc())
            ).all()
        return [KeptVersion(version=str(row.version), at=row.at, by=row.by) for row in rows]

    def schema_version(self, job_id: str, version: str) -> SchemaVersion | None:
        """Returns a kept version of the rules, or None. Raises LookupError for an unknown job."""
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(schemas).where(schemas.c.job_key == job_key(connection, job_id), schemas.c.version == number)
            ).first()
        return None if row is None else _schema(row)

    def _change(self, job_id: str, **values: Any) -> None:
        with self._database.write() as connection:
            key = job_key(connection, job_id)
            connection.execute(sa.update(jobs).where(jobs.c.key == key).values(**values))


def _application_name(connection: Connection, job_key: int) -> str | None:
    name: str | None = connection.execute(
        sa.select(applications.c.display_name)
        .join(jobs, jobs.c.application_key == applications.c.key)
        .where(jobs.c.key == job_key)
    ).scalar()
    return name


def job_key(connection: Connection, job_id: str) -> int:
    """Returns a job's key. Raises LookupError."""
    key = connection.execute(_KEY_BY_ID, {"id": job_id}).scalar()
    if key is None:
        raise LookupError(f"there is no job {job_id}")
    return int(key)


# Asked with nearly everything that is asked of a job: made once.
_KEY_BY_ID = sa.select(jobs.c.key).where(jobs.c.job_id == sa.bindparam("id"))


def _save_schema(
    connection: Connection, key: int, version: int, document: Mapping[str, Any], by: str, at: datetime
) -> None:
    connection.execute(sa.insert(schemas).values(job_key=key, version=version, at=at, by=by, document=encode(document)))


def _schema(row: Row[Any]) -> SchemaVersion:
    return SchemaVersion(version=str(row.version), at=row.at, by=row.by, document=decode(row.document, dict[str, Any]))


def _select_jobs() -> sa.Select[Any]:
    """Jobs of applications that are not in the recycle bin."""
    return (
        sa.select(jobs, applications.c.service_principal_id)
        .join(applications, applications.c.key == jobs.c.application_key)
        .where(applications.c.deleted_at.is_(None))
    )


# Asked before every piece of a cycle, and at every look for what is due: made once.
_JOB_BY_ID = _select_jobs().where(jobs.c.job_id == sa.bindparam("id"))
_IN_ORDER = _select_jobs().order_by(jobs.c.key)


def _job(row: Row[Any]) -> SynchronizationJob:
    return SynchronizationJob(
        id=row.job_id,
        service_principal_id=row.service_principal_id,
        template_id=row.template_id,
        schedule_state=ScheduleState(row.schedule_state),
        interval=timedelta(seconds=row.interval_seconds),
        watermark=row.watermark,
        schema_version=str(row.schema_version),
        created_at=row.created_at,
        quarantine=decode_optional(row.quarantine, Quarantine),
        last_cycle_began_at=row.last_cycle_began_at,
        last_cycle_ended_at=row.last_cycle_ended_at,
        settings=decode(row.settings, dict[str, str]),
    )
