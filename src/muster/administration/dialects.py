"""How an application is talked to: its dialect, field by field with where each comes from, and its examination."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muster.administration.applications import find_application, require_managed, template_of
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, refusal_of
from muster.model.failures import ProvisioningFailure
from muster.model.job import LEARNED
from muster.model.roles import Permission
from muster.model.values import canonical_json
from muster.scim.dialect import Dialect, DialectInvalid, overlay

# So many cycles back a field that the application has shown otherwise is told.
_LOOKED_BACK = 20
CATEGORY = "ProvisioningManagement"
STANDARD, GALLERY, ADMINISTRATOR = "standard", "gallery", "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectField:
    """One field of a dialect; `origin`: the standard, the gallery page, or an administrator.

    `discovered`: what the application turned out to do otherwise in the last cycles, and what they went by; else None.
    """

    name: str
    value: Any
    origin: str
    discovered: Any = None


def dialect_of(desk: Desk, service_principal_id: str) -> tuple[DialectField, ...]:
    """Returns the dialect in force, with what the application showed otherwise; each cycle learns that anew.

    Raises: Refused.
    """
    desk.require(Permission.READ_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    page = template_of(desk, application).dialect
    standard, ours = Dialect().to_document(), page.to_document()
    discovered = _discovered(desk, application.service_principal_id)
    return tuple(
        DialectField(
            name=name,
            value=value,
            origin=ADMINISTRATOR
            if name in application.dialect
            else GALLERY
            if ours[name] != standard[name]
            else STANDARD,
            discovered=discovered.get(name) if discovered.get(name) != value else None,
        )
        for name, value in overlay(page, application.dialect).to_document().items()
    )


def _discovered(desk: Desk, service_principal_id: str) -> Mapping[str, Any]:
    """Returns what the newest cycle that learned anything learned of the application."""
    for job in desk.stores.jobs.list():
        if job.service_principal_id != service_principal_id:
            continue
        for cycle in desk.stores.cycles.history(job.id, _LOOKED_BACK):
            if LEARNED in cycle.options:
                return dict(json.loads(cycle.options[LEARNED]))
    return {}


def set_dialect(desk: Desk, service_principal_id: str, changes: Mapping[str, Any]) -> tuple[DialectField, ...]:
    """Returns the dialect with some fields set; None gives a field back to the gallery page. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    wanted = {name: value for name, value in {**application.dialect, **changes}.items() if value is not None}
    unknown = sorted(set(changes) - set(Dialect().to_document()))
    if unknown:
        raise bad_request(f"The dialect has no field {unknown[0][:60]}.", code="InvalidDialect")
    try:
        overlay(template_of(desk, application).dialect, wanted)
    except DialectInvalid as error:
        raise bad_request(str(error), code="InvalidDialect") from error
    if wanted != application.dialect:
        desk.stores.applications.change(application.service_principal_id, dialect=wanted)
        names = sorted({*application.dialect, *wanted})
        desk.note(
            "Update provisioning setting or credentials",
            CATEGORY,
            target=("ServicePrincipal", application.service_principal_id, application.display_name),
            changes=tuple(
                (f"dialect.{name}", _shown(application.dialect, name), _shown(wanted, name))
                for name in names
                if application.dialect.get(name) != wanted.get(name)
            ),
        )
    return dialect_of(desk, application.service_principal_id)


def examine(desk: Desk, service_principal_id: str) -> Mapping[str, Any]:
    """Returns what the application really does, by requests that only read, with the saved credentials.

    The report's `dialect` can be given to `set_dialect` as it is. Raises: Refused when it cannot be reached.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    try:
        return desk.engine_room.examine(application.service_principal_id)
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure


def _shown(fields: Mapping[str, Any], name: str) -> str | None:
    return canonical_json(fields[name]).decode() if name in fields else None
