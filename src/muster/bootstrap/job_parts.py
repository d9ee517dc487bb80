"""The parts of a job as its settings and secrets govern them: one reading of both for every kind of job."""

from collections.abc import Mapping
from dataclasses import replace

from muster.engine.parts import JobParts
from muster.gallery.catalogue import GalleryPage
from muster.model.application import EnterpriseApplication, SecretKey
from muster.model.job import SynchronizationJob
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms
from muster.planning.notices import read_notification_settings
from muster.planning.rules import JobRules
from muster.planning.safeguards import read_safeguards
from muster.planning.terms import drift_policy, quarantine_terms, retry_terms
from muster.ports.source import Source
from muster.ports.target import Capabilities, Target
from muster.scim.dialect import overlay
from muster.targets.untouched import UntouchedTarget


def untouched_target(page: GalleryPage, application: EnterpriseApplication) -> Target:
    """Returns a target that can what the application can, and is not asked."""
    dialect = overlay(page.dialect, application.dialect)
    return UntouchedTarget(Capabilities(members_per_request=dialect.members_per_request, can_delete=dialect.can_delete))


def safeguarded(
    parts: JobParts, settings: Mapping[str, str], secrets: Mapping[str, str], notification: Mapping[str, object]
) -> JobParts:
    """Returns parts with the safeguards that other settings say; `notification` goes over what secrets hold of it."""
    kept = read_notification_settings(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS))
    found = read_safeguards(settings, {**kept, **notification})
    return replace(
        parts,
        threshold=found.threshold,
        approval=found.approval,
        protections=found.protections,
        delete_grace=found.delete_grace,
    )


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
