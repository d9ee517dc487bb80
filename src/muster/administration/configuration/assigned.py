"""What a configuration means for who is assigned: each group with its people, and people by role."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from muster.administration.assignments import assignments
from muster.administration.awaited import awaited
from muster.administration.configuration.export import DEFAULT_ACCESS_NAME, configured
from muster.administration.desk import Desk
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, AwaitedAssignment, EnterpriseApplication
from muster.model.directory import ObjectKind
from muster.model.job import TRANSITIVE_GROUPS_SETTING

_PAGE = 1_000
# So many names of one role are told.
_SHOWN = 10

Held = Mapping[tuple[str, str], AppRoleAssignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An application and who is assigned to it, at one time."""

    application: EnterpriseApplication
    held: Held
    # Members of groups within assigned groups count: a job of it asks for them.
    transitive: bool
    awaited: Sequence[AwaitedAssignment] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedPeople:
    """A group, or people one by one, of whom an application's change speaks; people in two groups count in both."""

    application: str
    people: int
    sentence: str


def standings(desk: Desk, names: Sequence[str]) -> Mapping[str, Standing]:
    """Returns the named applications that there are, with their assignments. Raises: Refused."""
    return {
        each.display_name: Standing(
            application=each,
            held={
                (given.principal_id, given.role_id): given
                for given in assignments(desk, service_principal_id=each.service_principal_id)
            },
            awaited=awaited(desk, each.service_principal_id),
            transitive=any(
                job.settings.get(TRANSITIVE_GROUPS_SETTING, "").lower() == "true"
                for job in desk.stores.jobs.list(each.service_principal_id)
            ),
        )
        for each in configured(desk)
        if each.display_name in names
    }


def find_assigned_people(
    desk: Desk, before: Mapping[str, Standing], after: Mapping[str, Standing]
) -> Sequence[AssignedPeople]:
    """Returns what becomes otherwise for those who are assigned; nothing for what stays as it is."""
    return [found for name, now in after.items() for found in _Comparison(desk, name).of(before.get(name), now)]


class _Comparison:
    def __init__(self, desk: Desk, name: str) -> None:
        self._desk = desk
        self._name = name
        self._sizes: dict[str, int] = {}
        self._transitive = False

    def of(self, before: Standing | None, after: Standing) -> Iterator[AssignedPeople]:
        held: Held = {} if before is None else before.held
        self._transitive = after.transitive
        roles = _role_names(after.application) | ({} if before is None else _role_names(before.application))
        yield from self._told([held[pair] for pair in held.keys() - after.held.keys()], roles, "no longer assigned as")
        yield from self._told([after.held[pair] for pair in after.held.keys() - held.keys()], roles, "assigned as")
        yield from self._awaited(() if before is None else before.awaited, after.awaited, roles)
        if before is None:
            return
        kept = [after.held[pair] for pair in held.keys() & after.held.keys()]
        was, now = before.application, after.application
        if was.accepts_default_access is not now.accepts_default_access:
            effect = "entitles now" if now.accepts_default_access else "entitles no longer"
            by_default = [each for each in kept if each.role_id == DEFAULT_ACCESS]
            yield self._line(by_default, f"Default Access {effect}")
        if was.is_enabled is not now.is_enabled:
            yield self._line(kept, f"the application is switched {'on' if now.is_enabled else 'off'} for sign-in")
        known = {role.id: role for role in was.app_roles}
        for role in now.app_roles:
            if role.id in known and role != known[role.id]:
                given = [each for each in kept if each.role_id == role.id]
                yield self._line(given, f"the role {roles[role.id]} changes")

    def _told(
        self, given: Sequence[AppRoleAssignment], roles: Mapping[str, str], what: str
    ) -> Iterator[AssignedPeople]:
        for each in sorted(given, key=lambda item: item.principal_display_name):
            if each.principal_kind is ObjectKind.GROUP:
                size, role = self._size(each.principal_id), roles.get(each.role_id, each.role_id)
                sentence = f"group {each.principal_display_name}, {_people(size)}, is {what} {role}"
                yield AssignedPeople(application=self._name, people=size, sentence=sentence)
        alone = Counter(roles.get(each.role_id, each.role_id) for each in given if _is_person(each))
        for role, count in sorted(alone.items()):
            sentence = f"{_people(count)} {'is' if count == 1 else 'are'} {what} {role}, by name or by a rule"
            yield AssignedPeople(application=self._name, people=count, sentence=sentence)

    def _awaited(
        self, before: Sequence[AwaitedAssignment], after: Sequence[AwaitedAssignment], roles: Mapping[str, str]
    ) -> Iterator[AssignedPeople]:
        """Whom the directory does not have: a name that is mistyped is seen here before anything is applied."""
        known = {each.id for each in before}
        new = [each for each in after if each.id not in known]
        for role_id in dict.fromkeys(each.role_id for each in new):
            names = [f"{each.principal_kind.value.lower()} {each.name}" for each in new if each.role_id == role_id]
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            verb, role = "is" if len(names) == 1 else "are", roles.get(role_id, role_id)
            yield AssignedPeople(
                application=self._name,
                people=0,
                sentence=f"{shown} {verb} not in the directory yet, and will be {role} once there",
            )

    def _line(self, given: Sequence[AppRoleAssignment], what: str) -> AssignedPeople:
        count = sum(1 if _is_person(each) else self._size(each.principal_id) for each in given)
        return AssignedPeople(
            application=self._name, people=count, sentence=f"{what}: {_people(count)} assigned so before and after"
        )

    def _size(self, group_id: str) -> int:
        """How many people are members of a group, at any depth where a job counts them so."""
        if group_id not in self._sizes:
            count, after = 0, None
            while True:
                page = self._desk.stores.directory.members(group_id, after, _PAGE, transitive=self._transitive)
                count += sum(each.kind is ObjectKind.USER for each in page.objects)
                after = page.next_after
                if after is None:
                    break
            self._sizes[group_id] = count
        return self._sizes[group_id]


def _role_names(application: EnterpriseApplication) -> dict[str, str]:
    return {DEFAULT_ACCESS: DEFAULT_ACCESS_NAME} | {role.id: role.display_name for role in application.app_roles}


def _is_person(given: AppRoleAssignment) -> bool:
    return given.principal_kind is ObjectKind.USER


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"
