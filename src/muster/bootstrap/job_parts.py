"""The parts of a job as its settings and secrets govern them: one reading of both for every kind of job."""

from collections.abc import Mapping

from muster.engine.parts import JobParts
from muster.model.application import SecretKey
from muster.model.job import SynchronizationJob
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms
from muster.planning.notices import read_notification_settings
from muster.planning.rules import JobRules
from muster.planning.safeguards import read_safeguards
from muster.planning.terms import drift_policy, quarantine_terms, retry_terms
from muster.ports.source import Source
from muster.ports.target import Target


def governed_parts(
    job: SynchronizationJob,
    rules: JobRules,
    secrets: Mapping[str, str],
    entitlement: EntitlementRules,
    source: Source,
    target: Target,
) -> JobParts:
    """Returns a job's parts with the safeguards and terms that its settings and its application's secrets say."""
    notifications = read_notification_settings(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS))
    safeguards = read_safeguards(job.settings, notifications)
    skips = secrets.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS, "").strip().lower() == "true"
    return JobParts(
        job=job,
        rules=rules,
        terms=JobTerms(entitlement=entitlement, skip_out_of_scope_deletions=skips),
        threshold=safeguards.threshold,
        approval=safeguards.approval,
        protections=safeguards.protections,
        delete_grace=safeguards.delete_grace,
        quarantine_terms=quarantine_terms(job.settings),
        retry_terms=retry_terms(job.settings),
        drift=drift_policy(job.settings),
        source=source,
        target=target,
    )
