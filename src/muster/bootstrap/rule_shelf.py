"""The rules of jobs, read and compiled once a version: a source is asked for news every few seconds."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from muster.model.job import SynchronizationJob
from muster.model.rules import SynchronizationSchema
from muster.model.schema_document import read_schema
from muster.planning.rules import JobRules, compile_rules
from muster.ports.applications import JobStore
from muster.ports.directory import DirectoryStore

_KEPT = 100


class RuleShelf:
    """Keeps compiled rules; safe for several threads, as each entry is whole before it is put there."""

    def __init__(self, jobs: JobStore, directory: DirectoryStore) -> None:
        self._jobs = jobs
        self._directory = directory
        self._kept: dict[tuple[str, datetime, str], tuple[SynchronizationSchema, JobRules, Mapping[str, str]]] = {}

    def of(self, job: SynchronizationJob) -> tuple[SynchronizationSchema, JobRules]:
        """Returns a job's schema and its compiled rules. Raises: SchemaRefused."""
        # A job that was deleted and made anew has the id and the version of the one before.
        key = (job.id, job.created_at, job.schema_version)
        found = self._kept.get(key)
        # Rules that name groups are compiled anew when one is renamed: clauses are shown by their names.
        if found is None or (found[1].named_groups and self._group_names(found[1].named_groups) != found[2]):
            kept = self._jobs.schema(job.id)
            found = self.compile(read_schema(kept.document))
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            # Only under the version that was read: it may have been another by then.
            if kept.version == job.schema_version:
                self._kept[key] = found
        return found[0], found[1]

    def compile(self, schema: SynchronizationSchema) -> tuple[SynchronizationSchema, JobRules, Mapping[str, str]]:
        """Returns a schema, its rules and what the groups are called that they name. Raises: SchemaRefused."""
        rules = compile_rules(schema)
        if not rules.named_groups:
            return schema, rules, {}
        names = self._group_names(rules.named_groups)
        return schema, compile_rules(schema, names), names

    def _group_names(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Returns by id what groups are called now, deleted ones too."""
        return {found.object_id: found.display_name for found in self._directory.by_ids(ids)}
