"""What a configuration means for people: rules and scopes that differ, tried on everybody before they are saved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from muster.administration.applications import find_page
from muster.administration.configuration.export import configured, is_true
from muster.administration.configuration.rules import form_document
from muster.administration.desk import Desk
from muster.administration.group_clauses import with_group_ids
from muster.administration.jobs import jobs
from muster.administration.rules import what_if
from muster.model.application import EnterpriseApplication, SecretKey
from muster.model.configuration import Application, Configuration, Job
from muster.model.schema_difference import find_differences
from muster.model.whatif import WhatIf

SHOWN_OBJECTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What one job would do otherwise under the rules and the scope of the configuration."""

    application: str
    what_if: WhatIf


def find_consequences(desk: Desk, configuration: Configuration) -> Sequence[Consequence]:
    """Returns what the configuration changes for people, job by job; nothing for a job that is as it says.

    Whom the configuration assigns or not is among its differences: here everybody has the roles they have now.
    Raises: Refused.
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
    scope = None if wanted.scope is None else wanted.scope == "all"
    if scope is is_true(secrets.get(SecretKey.SYNC_ALL)):
        scope = None
    known = jobs(desk, application.service_principal_id)
    declarations: Sequence[Job | None] = wanted.jobs or [None] * len(known)
    for job, declared in zip(known, declarations, strict=False):
        current = desk.stores.jobs.schema(job.id).document
        document = None
        if declared is not None:
            document = form_document(declared, find_page(desk, job.template_id).schema_document(), current)
            if not find_differences(current, with_group_ids(desk, document, current)[0]):
                document = None
        if document is not None or scope is not None:
            found = what_if(
                desk, application.service_principal_id, job.id, document, sync_all=scope, limit=SHOWN_OBJECTS
            )
            yield Consequence(application=wanted.name, what_if=found)
