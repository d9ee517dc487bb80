"""What a configuration means for people: rules and scopes that differ, tried on everybody before they are saved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.administration.applications import find_page
from muster.administration.configuration.export import configured, is_true
from muster.administration.configuration.rules import form_document
from muster.administration.desk import Desk
from muster.administration.group_clauses import with_group_ids
from muster.administration.jobs import jobs
from muster.administration.rules import what_if
from muster.model.application import EnterpriseApplication, SecretKey
from muster.model.configuration import Application, Configuration, Job
from muster.model.job import TRANSITIVE_GROUPS_SETTING
from muster.model.schema_difference import find_differences
from muster.model.whatif import OtherScope, WhatIf

SHOWN_OBJECTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What one job would do otherwise under the rules and the scope of the configuration."""

    application: str
    what_if: WhatIf


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What an application asks of people, at one time: its scope and its rules, those of its jobs by their ids."""

    service_principal_id: str
    sync_all: str | None
    accepts_default_access: bool
    # Of each job, as it is written: whether groups within groups count.
    transitive: Mapping[str, str]
    documents: Mapping[str, Mapping[str, Any]]


def rules_in_force(desk: Desk, names: Sequence[str]) -> Sequence[InForce]:
    """Returns the rules and the scope of the named applications that there are. Raises: Refused."""
    return [_in_force(desk, each) for each in configured(desk) if each.display_name in names]


def _in_force(desk: Desk, application: EnterpriseApplication) -> InForce:
    sp = application.service_principal_id
    known = jobs(desk, sp)
    return InForce(
        service_principal_id=sp,
        sync_all=desk.stores.secrets.get(sp).get(SecretKey.SYNC_ALL),
        accepts_default_access=application.accepts_default_access,
        transitive={job.id: job.settings.get(TRANSITIVE_GROUPS_SETTING, "") for job in known},
        documents={job.id: desk.stores.jobs.schema(job.id).document for job in known},
    )


def put_back(desk: Desk, kept: Sequence[InForce]) -> None:
    """Puts rules and scopes back, and nothing else: within a transaction that is not kept, to try others from there."""
    for each in kept:
        secrets = desk.stores.secrets.get(each.service_principal_id)
        if secrets.get(SecretKey.SYNC_ALL) != each.sync_all:
            desk.stores.secrets.put(each.service_principal_id, {**secrets, SecretKey.SYNC_ALL: each.sync_all or ""})
        desk.stores.applications.change(each.service_principal_id, accepts_default_access=each.accepts_default_access)
        for job_id, transitive in each.transitive.items():
            desk.stores.jobs.set_settings(job_id, {TRANSITIVE_GROUPS_SETTING: transitive})
        for job_id, document in each.documents.items():
            if find_differences(document, desk.stores.jobs.schema(job_id).document):
                desk.stores.jobs.save_schema(job_id, document, desk.caller.display_name, desk.now())


def find_consequences(desk: Desk, configuration: Configuration) -> Sequence[Consequence]:
    """Returns what the configuration changes for people, job by job; nothing for a job that is as it says.

    Everybody has the roles that they have where it is asked: within the transaction of an apply those of the
    configuration, else those of today. Raises: Refused.
    """
    known = {each.display_name: each for each in configured(desk)}
    return [
        consequence
        for wanted in configuration.applications
        if wanted.name in known
        for consequence in _of_application(desk, known[wanted.name], wanted)
    ]


def _of_application(desk: Desk, application: EnterpriseApplication, wanted: Application) -> Iterator[Consequence]:
    secrets = desk.stores.secrets.get(application.service_principal_id)
    sync_all = _other(None if wanted.scope is None else wanted.scope == "all", is_true(secrets.get(SecretKey.SYNC_ALL)))
    accepts = _other(wanted.default_access_entitles, application.accepts_default_access)
    skips = _other(wanted.skip_out_of_scope_deletions, is_true(secrets.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS)))
    known = jobs(desk, application.service_principal_id)
    # The file may name fewer jobs; the scope is that of all.
    declarations: Sequence[Job | None] = [*(wanted.jobs or ()), *([None] * len(known))]
    for job, declared in zip(known, declarations, strict=False):
        current = desk.stores.jobs.schema(job.id).document
        document = None
        if declared is not None:
            document = form_document(declared, find_page(desk, job.template_id).schema_document(), current)
            if not find_differences(current, with_group_ids(desk, document, current)[0]):
                document = None
        settings = {} if declared is None else declared.settings or {}
        transitive = settings.get(TRANSITIVE_GROUPS_SETTING)
        scope = OtherScope(
            sync_all=sync_all,
            transitive=_other(
                None if transitive is None else is_true(transitive),
                is_true(job.settings.get(TRANSITIVE_GROUPS_SETTING)),
            ),
            accepts_default_access=accepts,
            skip_out_of_scope_deletions=skips,
        )
        if document is not None or not scope.is_saved:
            found = what_if(desk, application.service_principal_id, job.id, document, scope=scope, limit=SHOWN_OBJECTS)
            yield Consequence(application=wanted.name, what_if=found)


def _other(wanted: bool | None, now: bool) -> bool | None:
    """What is wanted where it is otherwise now, else None: as saved."""
    return None if wanted is now else wanted
