"""Making an installation what a configuration says, as a whole or not at all; and comparing the two beforehand.

A plan is an apply that is compared with what was there and then taken back: what it shows is what an apply does.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.administration.applications import applications
from muster.administration.awaited import awaited
from muster.administration.configuration.assigned import AssignedPeople, find_assigned_people, standings
from muster.administration.configuration.consequences import (
    Consequence,
    find_consequences,
    put_back,
    rules_in_force,
)
from muster.administration.configuration.export import (
    DEFAULT_ACCESS_NAME,
    configured,
    described,
    export_configuration,
    reference_for,
)
from muster.administration.configuration.principals import Principals
from muster.administration.configuration.steps import Problem, Steps
from muster.administration.desk import Desk
from muster.administration.refusals import conflict
from muster.administration.secrets import MASKED_KEYS
from muster.model.application import EnterpriseApplication
from muster.model.configuration import Configuration, Finding, write_configuration
from muster.model.directory import ObjectKind
from muster.model.roles import Permission
from muster.model.schema_difference import SchemaDifference, find_differences
from muster.model.values import canonical_json
from muster.ports.directory import DirectoryQuery

# By application and key: what the references of a document stand for, looked up where the command runs.
Secrets = Mapping[str, Mapping[str, str]]

# Of so many people rules are tried within the transaction, with the assignments of the document; it keeps others from
# writing for a second or two. Of more they are tried after it, with those of today.
TRIED_WITHIN = 10_000
_HIDDEN = "********"


class ConfigurationRefused(Exception):
    """A configuration that cannot be applied; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)

    @classmethod
    def of(cls, found: Sequence[Finding]) -> "ConfigurationRefused":
        """Returns the refusal of a document that cannot be read."""
        return cls([Problem(place=place, sentence=sentence) for place, sentence in found])


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPlan:
    """What an apply would change. The same differences have the same hash."""

    hash: str
    differences: Sequence[SchemaDifference]
    # Applications of the installation that the document does not name: they stay as they are.
    unnamed: Sequence[str]
    # What it means for people; found for a plan alone.
    consequences: Sequence[Consequence] = ()
    # Of whom its changed assignments, roles and switches speak; found for a plan alone.
    assigned: Sequence[AssignedPeople] = ()


class _TakenBack(Exception):
    """Ends a transaction that was made to be compared."""


def plan_configuration(
    desk: Desk, configuration: Configuration, secrets: Secrets, found: Sequence[Finding] = ()
) -> ConfigurationPlan:
    """Returns what applying a configuration would change; changes nothing.

    Args:
        found: what is already known to be wrong; it is told together with whatever else is.

    Raises: Refused; ConfigurationRefused with everything that is wrong.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    names = _names(configuration)
    before, in_force = standings(desk, names), rules_in_force(desk, names)
    consequences: Sequence[Consequence] | None = None
    try:
        with desk.together():
            plan = _apply(desk, configuration, secrets, found)
            after = standings(desk, names)
            if _are_few(desk):
                put_back(desk, in_force)
                consequences = _consequences(desk, configuration, plan)
            raise _TakenBack
    except _TakenBack:
        if consequences is None:
            consequences = _consequences(desk, configuration, plan)
        assigned = find_assigned_people(desk, before, after) if plan.differences else ()
        return replace(plan, consequences=consequences, assigned=assigned)


def _are_few(desk: Desk) -> bool:
    """Whether everybody can be looked at while nobody else writes: then rules are tried with the new assignments."""
    query = DirectoryQuery(kind=ObjectKind.USER, counted=True, limit=1)
    return (desk.stores.directory.search(query).total or 0) <= TRIED_WITHIN


def _consequences(desk: Desk, configuration: Configuration, plan: ConfigurationPlan) -> Sequence[Consequence]:
    """What other rules and scopes mean. Where assignments change as well, "nothing changes" would not be true, and is
    not said."""
    if not plan.differences:
        return ()
    return [
        each
        for each in find_consequences(desk, configuration)
        if _differs(plan, each.application, ("scope", "jobs", "defaultAccessEntitles"))
        and (each.what_if.affected or not _differs(plan, each.application, ("assignments", "roles", "enabled")))
    ]


def _differs(plan: ConfigurationPlan, application: str, parts: Sequence[str]) -> bool:
    begins = tuple(f"applications[{application}].{part}" for part in parts)
    return any(each.path.startswith(begins) for each in plan.differences)


def _names(configuration: Configuration) -> Sequence[str]:
    return [application.name for application in configuration.applications]


def apply_configuration(
    desk: Desk,
    configuration: Configuration,
    secrets: Secrets,
    found: Sequence[Finding] = (),
    expected: str | None = None,
) -> ConfigurationPlan:
    """Returns what was changed: all of the configuration is in force, or none of it.

    Args:
        found: as a plan takes it.
        expected: the hash of the plan that was read; None applies whatever there is to do.
    Raises: Refused, also when the plan is no longer what was read; ConfigurationRefused with everything that is wrong.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    with desk.together():
        plan = _apply(desk, configuration, secrets, found)
        if expected is not None and plan.hash != expected:
            raise conflict(
                "The installation has changed since the plan was made: plan again, read it, and apply that.",
                code="PlanRefused",
            )
    return plan


def _apply(desk: Desk, configuration: Configuration, secrets: Secrets, found: Sequence[Finding]) -> ConfigurationPlan:
    names = _names(configuration)
    before, kept = _shown(desk, names), _secrets_of(desk)
    problems = [Problem(place=place, sentence=sentence) for place, sentence in found]
    work = Steps(desk=desk, principals=Principals(desk), problems=problems)
    for index, application in enumerate(configuration.applications):
        work.carry_out(("applications", index), application, secrets.get(application.name, {}))
    if work.problems:
        raise ConfigurationRefused(work.problems)
    after = _shown(desk, names)
    differences = [
        *find_differences(_with_own_references(before, configuration), _with_own_references(after, configuration)),
        *_changed_secrets(kept, _secrets_of(desk)),
    ]
    unnamed = [each.display_name for each in described(desk) if each.display_name not in names]
    summary = canonical_json([[each.path, each.before, each.after] for each in differences])
    return ConfigurationPlan(
        hash=hashlib.sha256(summary).hexdigest(),
        differences=differences,
        unnamed=unnamed,
    )


def _shown(desk: Desk, names: Sequence[str]) -> Mapping[str, Any]:
    """The named applications as they are compared: one that is not there yet has nothing but its name."""
    found = {
        each["name"]: each for each in write_configuration(export_configuration(desk, names)).get("applications", ())
    }
    waiting = {each.display_name: _awaited(desk, each) for each in configured(desk) if each.display_name in found}
    return {
        "applications": [_compared(found.get(name, {"name": name}), waiting.get(name, frozenset())) for name in names]
    }


def _awaited(desk: Desk, application: EnterpriseApplication) -> frozenset[tuple[str, str]]:
    """Kind and name of those whom an application waits for."""
    return frozenset((each.principal_kind.value, each.name) for each in awaited(desk, application.service_principal_id))


def _with_own_references(shown: Mapping[str, Any], configuration: Configuration) -> Mapping[str, Any]:
    """The applications with each secret under the reference that the document has for it, not the one of an export."""
    own = {each.name: each.credentials or {} for each in configuration.applications}

    def named(name: str, credentials: Mapping[str, str]) -> Mapping[str, str]:
        return {
            key: own[name].get(key, value) if value == reference_for(name, key) else value
            for key, value in credentials.items()
        }

    return {
        "applications": [
            {**each, "credentials": named(each["name"], each["credentials"])} if each.get("credentials") else each
            for each in shown["applications"]
        ]
    }


def _compared(application: Mapping[str, Any], waiting: frozenset[tuple[str, str]]) -> Mapping[str, Any]:
    # By names: a list would differ as a whole, and nobody would see in what.
    given = {
        f"{each.get('group') or each.get('user')} as {each.get('role', DEFAULT_ACCESS_NAME)}": "awaited"
        if {("Group", each.get("group")), ("User", each.get("user"))} & waiting
        else "assigned"
        for each in application.get("assignments", ())
    }
    named = {
        "assignments": given,
        "roles": {role["name"]: role for role in application.get("roles", ())},
        "jobs": {str(number): _compared_job(job) for number, job in enumerate(application.get("jobs", ()), 1)},
    }
    return {**application, **named}


def _compared_job(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**job, "mappings": {mapping["name"]: mapping for mapping in job.get("mappings", ())}}


def _secrets_of(desk: Desk) -> dict[str, Mapping[str, str]]:
    return {each.display_name: desk.stores.secrets.get(each.service_principal_id) for each in applications(desk)}


def _changed_secrets(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Sequence[SchemaDifference]:
    """That a secret has another value now, never which."""
    return [
        SchemaDifference(path=f"applications[{name}].credentials.{key} (value)", before=_HIDDEN, after=_HIDDEN)
        for name, secrets in after.items()
        for key in sorted(MASKED_KEYS & secrets.keys() & before.get(name, {}).keys())
        if secrets[key] != before[name][key]
    ]
