"""A small company in a store: people, groups, an application, a job, by short names."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from muster.model.application import AppRole, AppRoleAssignment, EnterpriseApplication
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, ScheduleState, SynchronizationJob
from muster.model.operation import Acknowledged, Link, LinkState
from muster.ports.cycles import Settlement
from muster.ports.directory import JobView, ObjectWrite, WriteRefused
from muster.ports.source import Window
from muster.store.open import Store

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ROLE = AppRole(id="11111111-0000-0000-0000-000000000001", display_name="User", value="user")


class Company:
    """Edits a store; objects are named by the principal name's first part, or the group's display name."""

    def __init__(self, store: Store, *, application: str = "sp", job: str = "job") -> None:
        self.store = store
        self.application = application
        self.job = job
        self._assigned = 0

    def found(self) -> "Company":
        """Adds the application and its job."""
        self.store.applications.add(application(self.application))
        self.store.jobs.add(job(self.job, self.application), {"name": "rules"}, "admin")
        return self

    def hire(self, *names: str, **attributes: object) -> list[DirectoryObject]:
        return self._write(
            [
                ObjectWrite(
                    kind=ObjectKind.USER,
                    object_id=id_of(name),
                    attributes={"userPrincipalName": f"{name}@example.com", "displayName": name, **attributes},
                    is_new=True,
                )
                for name in names
            ]
        )

    def make_group(self, *names: str, members: Sequence[str] = (), **attributes: object) -> list[DirectoryObject]:
        made = self._write(
            [
                ObjectWrite(
                    kind=ObjectKind.GROUP,
                    object_id=id_of(name),
                    attributes={"displayName": name, "securityEnabled": True, **attributes},
                    is_new=True,
                )
                for name in names
            ]
        )
        for name in names:
            self.put_in(name, *members)
        return made

    def change(self, name: str, kind: ObjectKind = ObjectKind.USER, **attributes: object) -> DirectoryObject:
        write = ObjectWrite(kind=kind, object_id=id_of(name), attributes=attributes, is_new=False)
        return self._write([write])[0]

    def set_manager(self, name: str, manager: str) -> DirectoryObject:
        write = ObjectWrite(
            kind=ObjectKind.USER,
            object_id=id_of(name),
            attributes={},
            manager_id=id_of(manager) if manager else "",
            is_new=False,
        )
        return self._write([write])[0]

    def put_in(self, group: str, *members: str) -> int:
        return self.store.directory.change_members(id_of(group), add=[id_of(name) for name in members], remove=[])

    def take_out(self, group: str, *members: str) -> int:
        return self.store.directory.change_members(id_of(group), add=[], remove=[id_of(name) for name in members])

    def set_lifecycle(self, name: str, lifecycle: Lifecycle, kind: ObjectKind = ObjectKind.USER) -> DirectoryObject:
        return self.store.directory.set_lifecycle(kind, id_of(name), lifecycle, NOW)

    def assign(self, *names: str, role: str = ROLE.id) -> list[str]:
        """Assigns a role and returns the assignments' ids."""
        given = []
        for name in names:
            self._assigned += 1
            given.append(
                AppRoleAssignment(
                    id=f"{self.application}-{self._assigned}",
                    service_principal_id=self.application,
                    principal_id=id_of(name),
                    principal_kind=ObjectKind.USER,
                    principal_display_name=name,
                    role_id=role,
                    created_at=NOW,
                )
            )
        return [each.id for each in self.store.applications.assign(given) if each is not None]

    def unassign(self, name: str) -> None:
        for each in self.store.applications.assignments(principal_id=id_of(name)):
            self.store.applications.unassign(each.id)

    def link(self, *names: str, kind: ObjectKind = ObjectKind.USER, state: LinkState = LinkState.MANAGED) -> None:
        """Links objects to `t-name` at the target."""
        cycle = self.begin(f"link-{names[0]}", CycleKind.ON_DEMAND)
        self.store.cycles.settle(cycle, [settlement(name, kind=kind, state=state) for name in names])

    def begin(self, cycle_id: str = "cycle", kind: CycleKind = CycleKind.INITIAL) -> Cycle:
        begun = cycle_of(cycle_id, self.job, kind)
        self.store.cycles.begin(begun)
        return begun

    def view(self, *, sync_all: bool = False) -> JobView:
        return JobView(
            job_id=self.job,
            service_principal_id=self.application,
            sync_all=sync_all,
            kinds=(ObjectKind.USER, ObjectKind.GROUP),
        )

    def read(
        self, window: Window | None = None, kind: ObjectKind = ObjectKind.USER, *, sync_all: bool = False
    ) -> list[str]:
        """Returns the names that a read of three a page gives; the count must agree."""
        names: list[str] = []
        after: str | None = None
        view = self.view(sync_all=sync_all)
        while True:
            changes, after = self.store.feed.read(view, kind, window, after, 3)
            names += [name_of(change.source_id) for change in changes]
            if after is None:
                break
        assert self.store.feed.count(view, kind, window) == len(names)
        return names

    def _write(self, writes: Sequence[ObjectWrite]) -> list[DirectoryObject]:
        answers = self.store.directory.write(writes, NOW)
        done = [answer for answer in answers if not isinstance(answer, WriteRefused)]
        assert len(done) == len(writes), answers
        return done


def id_of(name: str) -> str:
    """Returns a GUID that says the name: its letters in hexadecimal."""
    digits = name.encode().hex().ljust(32, "0")
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def name_of(object_id: str) -> str:
    """Returns the name of such a GUID."""
    return bytes.fromhex(object_id.replace("-", "")).rstrip(b"\0").decode()


def application(name: str) -> EnterpriseApplication:
    return EnterpriseApplication(
        service_principal_id=name,
        application_id=f"application-{name}",
        app_id=f"app-{name}",
        template_id="template",
        display_name=f"Application {name}",
        app_roles=(ROLE,),
        accepts_default_access=False,
        created_at=NOW,
    )


def job(name: str, application_name: str) -> SynchronizationJob:
    return SynchronizationJob(
        id=name,
        service_principal_id=application_name,
        template_id="scim",
        schedule_state=ScheduleState.ACTIVE,
        interval=timedelta(minutes=40),
        watermark=None,
        schema_version="1",
        created_at=NOW,
    )


def cycle_of(cycle_id: str, job_id: str, kind: CycleKind) -> Cycle:
    return Cycle(
        id=cycle_id,
        job_id=job_id,
        kind=kind,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0,
        window_until=7,
        epoch=1,
        counters=Counters(),
        began_at=NOW,
        options={"census": "complete"},
    )


def link_of(name: str, *, kind: ObjectKind = ObjectKind.USER, state: LinkState, target_id: str | None = None) -> Link:
    return Link(
        source_id=id_of(name),
        kind=kind,
        target_id=target_id or f"t-{name}",
        state=state,
        owned=LinkState.MANAGED,
        acknowledged=Acknowledged(sent={"userName": name, "emails": ("a", "b")}, seen={"active": True}),
        display_name=name,
    )


def settlement(
    name: str,
    *,
    kind: ObjectKind = ObjectKind.USER,
    state: LinkState = LinkState.MANAGED,
    target_id: str | None = None,
) -> Settlement:
    return Settlement(kind=kind, source_id=id_of(name), link=link_of(name, kind=kind, state=state, target_id=target_id))
