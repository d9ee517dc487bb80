"""What a configuration asks for, done application by application with the functions that admins use."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from muster.administration.applications import (
    applications,
    find_page,
    instantiate,
    template_of,
    update_application,
)
from muster.administration.assignments import ASSIGNMENTS_A_CALL, Grant, assign_many, assignments, unassign
from muster.administration.awaited import Wish, set_awaited
from muster.administration.configuration.export import DEFAULT_ACCESS_NAME, PASSING_SETTINGS, is_true, read_notices
from muster.administration.configuration.principals import Absent, Principals
from muster.administration.configuration.rules import form_document
from muster.administration.configuration.sign_on import set_open_id, set_saml
from muster.administration.credentials import put_secrets
from muster.administration.desk import Desk
from muster.administration.dialects import set_dialect
from muster.administration.jobs import create_job, jobs, pause, set_settings, start
from muster.administration.refusals import Refused, bad_request
from muster.administration.rules import replace_schema
from muster.administration.safeguards import set_safeguards
from muster.administration.secrets import MASKED_KEYS
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.gallery.catalogue import CLIENTS_TEMPLATE_ID, find
from muster.model.application import DEFAULT_ACCESS, AppRole, EnterpriseApplication, SecretKey
from muster.model.configuration import REFERENCE_KINDS, Application, Job, Part, Place, Role
from muster.model.job import ScheduleState, SynchronizationJob

# What a file says of SCIM clients.
_GUARDED = frozenset({"name", "template", "notifications", "deletionThreshold", "jobs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something a configuration asks for that cannot be done: where it stands in the document, and why."""

    place: Place
    sentence: str


@dataclass(slots=True, kw_only=True)
class Steps:
    """One apply under way: goes on after a refusal, so that everything that is wrong is found at once."""

    desk: Desk
    principals: Principals
    problems: list[Problem] = field(default_factory=list)

    def carry_out(self, place: Place, wanted: Application, secrets: Mapping[str, str]) -> None:
        """Makes one application what it should be."""
        found = next((each for each in applications(self.desk) if each.display_name == wanted.name), None)
        if found is None:
            found = self._tried((*place, "template"), lambda: self._made(wanted))
        elif template_of(self.desk, found).id == CLIENTS_TEMPLATE_ID:
            self._guard(place, found, wanted)
            return
        elif (page := self._tried((*place, "template"), lambda: find_page(self.desk, wanted.template))) is None:
            return
        elif page.id != found.template_id:
            self.problems.append(
                Problem(
                    place=(*place, "template"),
                    sentence=f"{wanted.name} was made from another template, which cannot be changed: "
                    "give this application another name.",
                )
            )
            return
        if found is None:
            return
        application = found
        self._tried(place, lambda: self._properties(application, wanted))
        if wanted.roles is not None:
            roles = wanted.roles
            self._tried((*place, "roles"), lambda: self._add_roles(application, roles))
        if wanted.dialect is not None:
            fields = dict.fromkeys(application.dialect) | wanted.dialect
            self._tried((*place, "dialect"), lambda: set_dialect(self.desk, application.service_principal_id, fields))
        self._tried((*place, "credentials"), lambda: self._credentials(place, application, wanted, secrets))
        if (saml := wanted.single_sign_on) is not None:
            where = (*place, "singleSignOn")
            self._tried(where, lambda: set_saml(self.desk, application.service_principal_id, saml))
        if (openid := wanted.open_id_connect) is not None:
            where = (*place, "openIdConnect")
            self._tried(where, lambda: set_open_id(self.desk, application.service_principal_id, openid))
        for index, job in enumerate(wanted.jobs or ()):
            self._job((*place, "jobs", index), application, index, job)
        if wanted.assignments is not None:
            self._assign((*place, "assignments"), application, wanted)
        if wanted.roles is not None:
            roles = wanted.roles
            self._tried((*place, "roles"), lambda: self._remove_roles(application, roles))
        for index, job in enumerate(wanted.jobs or ()):
            self._status((*place, "jobs", index, "status"), application, index, job)

    def _made(self, wanted: Application) -> EnterpriseApplication:
        made = instantiate(self.desk, wanted.template, wanted.name)
        if template_of(self.desk, made).is_source:
            # A source without its job is none: it would not be listed among them.
            create_job(self.desk, made.service_principal_id, None)
        return made

    def _guard(self, place: Place, application: EnterpriseApplication, wanted: Application) -> None:
        """Sets what SCIM clients may take away, and whom to tell; all else belongs to the installation."""
        page = find(wanted.template)
        named = {*_aliases(wanted)} - _GUARDED
        others: list[Place] = [(name,) for name in sorted(named)]
        if page is None or page.id != application.template_id:
            others.append(("template",))
        for index, job in enumerate(wanted.jobs or ()):
            others += [("jobs", index)] if index else [("jobs", index, name) for name in _aliases(job) - {"settings"}]
        self.problems += [
            Problem(
                place=(*place, *other),
                sentence=f"{application.display_name} belongs to the installation: a file says no more of it than "
                "notifications, deletionThreshold and the settings of its job.",
            )
            for other in others
        ]
        self._tried((*place, "notifications"), lambda: self._credentials(place, application, wanted, {}))
        known = self._found(application, 0)
        asked = {} if known is None or not wanted.jobs else wanted.jobs[0].settings or {}
        if known is not None and any(known.settings.get(name, "") != value for name, value in asked.items()):
            job_id = known.id
            self._tried(
                (*place, "jobs", 0, "settings"),
                lambda: set_safeguards(self.desk, application.service_principal_id, job_id, asked),
            )

    def _tried(self, place: Place, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Refused as refused:
            sentences = [sentence for _, sentence in refused.details] or [refused.sentence]
            self.problems += [Problem(place=place, sentence=sentence) for sentence in dict.fromkeys(sentences)]
            return None

    def _properties(self, application: EnterpriseApplication, wanted: Application) -> None:
        update_application(
            self.desk,
            application.service_principal_id,
            is_enabled=wanted.enabled,
            accepts_default_access=wanted.default_access_entitles,
        )

    # ------------------------------------------------------------ roles

    def _add_roles(self, application: EnterpriseApplication, wanted: Sequence[Role]) -> None:
        """Adds and changes roles; those that are not wanted stay until nobody has them."""
        known = {role.display_name: role for role in application.app_roles}
        names = {role.name for role in wanted}
        roles = [
            AppRole(
                id=known[role.name].id if role.name in known else self.desk.ids.new_id(),
                display_name=role.name,
                value=role.value,
                description=role.description,
                # A new one is switched off once it is given: nobody can be given one that is off.
                is_enabled=role.enabled or role.name not in known,
                allowed_member_types=tuple(role.for_),
            )
            for role in wanted
        ]
        left = [role for role in application.app_roles if role.display_name not in names]
        update_application(self.desk, application.service_principal_id, app_roles=[*roles, *left])

    def _remove_roles(self, application: EnterpriseApplication, wanted: Sequence[Role]) -> None:
        names = {role.name: role.enabled for role in wanted}
        now = self._now(application)
        if any(role.is_enabled and not names.get(role.display_name, True) for role in now.app_roles):
            roles = [
                replace(role, is_enabled=role.is_enabled and names.get(role.display_name, True))
                for role in now.app_roles
            ]
            now = update_application(self.desk, now.service_principal_id, app_roles=roles)
        kept = [role for role in now.app_roles if role.display_name in names]
        if len(kept) < len(now.app_roles):
            switched_off = [replace(role, is_enabled=False) for role in now.app_roles if role.display_name not in names]
            update_application(self.desk, now.service_principal_id, app_roles=[*kept, *switched_off])
            update_application(self.desk, now.service_principal_id, app_roles=kept)

    def _now(self, application: EnterpriseApplication) -> EnterpriseApplication:
        return next(
            each for each in applications(self.desk) if each.service_principal_id == application.service_principal_id
        )

    # ------------------------------------------------------------ credentials and settings of the application

    def _credentials(
        self, place: Place, application: EnterpriseApplication, wanted: Application, secrets: Mapping[str, str]
    ) -> None:
        stored = dict(self.desk.stores.secrets.get(application.service_principal_id))
        merged = {**stored, **self._given(place, stored, wanted, secrets)}
        if wanted.scope is not None:
            merged[SecretKey.SYNC_ALL] = _switch(stored.get(SecretKey.SYNC_ALL), on=wanted.scope == "all")
        if wanted.skip_out_of_scope_deletions is not None:
            merged[SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS] = _switch(
                stored.get(SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS), on=wanted.skip_out_of_scope_deletions
            )
        notices = _notices(read_notices(stored), wanted)
        if notices:
            merged[SecretKey.SYNC_NOTIFICATION_SETTINGS] = json.dumps(notices, ensure_ascii=False)
        if merged != stored:
            put_secrets(self.desk, application.service_principal_id, merged)

    def _given(
        self, place: Place, stored: Mapping[str, str], wanted: Application, secrets: Mapping[str, str]
    ) -> dict[str, str]:
        given = {}
        for key, value in (wanted.credentials or {}).items():
            kind, colon, _ = value.partition(":")
            if colon and kind in REFERENCE_KINDS:
                # A reference that the command could not follow leaves what is kept; without that it is refused.
                if key in secrets:
                    given[key] = secrets[key]
                elif not stored.get(key):
                    self.problems.append(
                        Problem(place=(*place, "credentials", key), sentence=f"{value} is not set: nothing is known.")
                    )
            elif key in MASKED_KEYS:
                self.problems.append(
                    Problem(
                        place=(*place, "credentials", key),
                        sentence="A secret does not stand in the file: write env:NAME or file:PATH.",
                    )
                )
            else:
                given[key] = value
        return given

    # ------------------------------------------------------------ assignments

    def _assign(self, place: Place, application: EnterpriseApplication, wanted: Application) -> None:
        now = self._now(application)
        roles = {DEFAULT_ACCESS_NAME: DEFAULT_ACCESS}
        kept = None if wanted.roles is None else {role.name for role in wanted.roles}
        for role in (role for role in now.app_roles if kept is None or role.display_name in kept):
            roles.setdefault(role.value or role.display_name, role.id)
            roles[role.display_name] = role.id
        closed = {
            name
            for role in now.app_roles
            if "User" not in role.allowed_member_types
            for name in (role.value, role.display_name)
        }
        asked: dict[tuple[str, str], Place] = {}
        wishes: list[Wish] = []
        for index, item in enumerate(wanted.assignments or ()):
            here = (*place, index)
            if item.role not in roles:
                shown = ", ".join(roles)
                self.problems.append(
                    Problem(place=(*here, "role"), sentence=f"There is no such role; there are {shown}.")
                )
                continue
            found = self._tried(here, partial(self.principals.find, item))
            if isinstance(found, Absent):
                if item.role in closed:
                    self.problems.append(
                        Problem(place=(*here, "role"), sentence=f"The role {item.role} is not for users and groups.")
                    )
                    continue
                wishes.append(Wish(kind=found.kind, name=found.name, role_id=roles[item.role]))
            else:
                asked.update({(principal, roles[item.role]): here for principal in found or ()})
        set_awaited(self.desk, now.service_principal_id, wishes)
        held = {
            (each.principal_id, each.role_id): each
            for each in assignments(self.desk, service_principal_id=now.service_principal_id)
        }
        new = [pair for pair in asked if pair not in held]
        for first in range(0, len(new), ASSIGNMENTS_A_CALL):
            piece = new[first : first + ASSIGNMENTS_A_CALL]
            grants = [Grant(principal_id=principal, role_id=role) for principal, role in piece]
            for pair, answer in zip(piece, assign_many(self.desk, now.service_principal_id, grants), strict=True):
                if isinstance(answer, Refused):
                    self.problems.append(Problem(place=asked[pair], sentence=answer.sentence))
        for pair, assignment in held.items():
            if pair not in asked:
                unassign(self.desk, now.service_principal_id, assignment.id)

    # ------------------------------------------------------------ jobs

    def _job(self, place: Place, application: EnterpriseApplication, index: int, wanted: Job) -> None:
        job = self._found(application, index)
        if job is None:
            job = self._tried(place, lambda: self._created(application))
            if job is None:
                return
        made = job
        if wanted.schema_ is not None or wanted.mappings is not None or wanted.attributes is not None:
            where = (*place, "schema") if wanted.schema_ is not None else (*place, "mappings")
            faults = list(_expression_faults(where, wanted))
            self.problems += faults
            if not faults:
                self._tried(where, lambda: self._rules(application, made, wanted))
        settings = {
            name: value
            for name, value in (wanted.settings or {}).items()
            if made.settings.get(name, "") != value and name not in PASSING_SETTINGS
        }
        interval = wanted.interval if wanted.interval != made.interval else None
        if settings or interval is not None:
            self._tried(
                (*place, "settings" if settings else "interval"),
                lambda: set_settings(self.desk, application.service_principal_id, made.id, settings, interval=interval),
            )

    def _found(self, application: EnterpriseApplication, index: int) -> SynchronizationJob | None:
        known = jobs(self.desk, application.service_principal_id)
        return known[index] if index < len(known) else None

    def _created(self, application: EnterpriseApplication) -> SynchronizationJob:
        before = {job.id for job in jobs(self.desk, application.service_principal_id)}
        made = create_job(self.desk, application.service_principal_id, None)
        if made.id in before:
            raise bad_request("A further job can be made once the one before it has been started.")
        return made

    def _rules(self, application: EnterpriseApplication, job: SynchronizationJob, wanted: Job) -> None:
        default = find_page(self.desk, job.template_id).schema_document()
        current = self.desk.stores.jobs.schema(job.id).document
        replace_schema(self.desk, application.service_principal_id, job.id, form_document(wanted, default, current))

    def _status(self, place: Place, application: EnterpriseApplication, index: int, wanted: Job) -> None:
        job = self._found(application, index)
        if job is None or wanted.status is None:
            return
        is_on = job.schedule_state is ScheduleState.ACTIVE
        if wanted.status == "running" and not is_on:
            self._tried(place, lambda: start(self.desk, application.service_principal_id, job.id))
        elif wanted.status == "stopped" and is_on:
            self._tried(place, lambda: pause(self.desk, application.service_principal_id, job.id))


def _aliases(part: Part) -> set[str]:
    """The keys that the document gives."""
    return {type(part).model_fields[name].alias or name for name in part.model_fields_set}


def _expression_faults(place: Place, wanted: Job) -> Iterator[Problem]:
    for index, mapping in enumerate(wanted.mappings or ()):
        for target, item in mapping.attributes.items():
            try:
                parse_expression(item.expression or '""')
            except ExpressionSyntaxError as error:
                yield Problem(place=(*place, index, "attributes", target), sentence=error.sentence)


def _switch(stored: str | None, *, on: bool) -> str:
    """A switch's text; one that is off already stays as it was written, or away."""
    return (stored or "") if is_true(stored) is on else str(on).lower()


def _notices(stored: Mapping[str, Any], wanted: Application) -> dict[str, Any]:
    notices = dict(stored)
    if wanted.notifications is not None:
        notices["Enabled"] = wanted.notifications.enabled
        notices["Recipients"] = ", ".join(wanted.notifications.recipients)
    if wanted.deletion_threshold == "off":
        notices["DeleteThresholdEnabled"] = False
    elif wanted.deletion_threshold is not None:
        notices["DeleteThresholdEnabled"] = True
        notices["DeleteThresholdValue"] = wanted.deletion_threshold
    return notices
