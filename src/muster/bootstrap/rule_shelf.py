"""The rules of jobs, read and compiled once a version: a source is asked for news every few seconds."""

from datetime import datetime

from muster.model.job import SynchronizationJob
from muster.model.rules import SynchronizationSchema
from muster.model.schema_document import read_schema
from muster.planning.rules import JobRules, compile_rules
from muster.ports.applications import JobStore

_KEPT = 100


class RuleShelf:
    """Keeps compiled rules; safe for several threads, as each entry is whole before it is put there."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._kept: dict[tuple[str, datetime, str], tuple[SynchronizationSchema, JobRules]] = {}

    def of(self, job: SynchronizationJob) -> tuple[SynchronizationSchema, JobRules]:
        """Returns a job's schema and its compiled rules. Raises: SchemaRefused."""
        # A job that was deleted and made anew has the id and the version of the one before.
        key = (job.id, job.created_at, job.schema_version)
        found = self._kept.get(key)
        if found is None:
            kept = self._jobs.schema(job.id)
            schema = read_schema(kept.document)
            found = (schema, compile_rules(schema))
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            # Only under the version that was read: it may have been another by then.
            if kept.version == job.schema_version:
                self._kept[key] = found
        return found
