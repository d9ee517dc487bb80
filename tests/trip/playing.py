"""A whole house in one process, no socket: directory, engine, our SCIM target and a SCIM server in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.scim_service import TOKEN, ScimService, generic_profile, profile_8x8
from fakes.scripted_transport import JoinedTransport
from fakes.store import fresh_store
from fakes.world import CountingIds, StillClock
from muster.bootstrap.rule_shelf import RuleShelf
from muster.bootstrap.views import view_of
from muster.engine.control import Control
from muster.engine.cycle import CycleEngine
from muster.engine.parts import EngineStores, JobParts
from muster.engine.planner import Planner
from muster.gallery.catalogue import find
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, EnterpriseApplication
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.hold import Hold, HoldFilter, HoldState
from muster.model.job import (
    DEFAULT_INTERVAL,
    Cycle,
    CycleState,
    Plan,
    PlannedOperation,
    PlanPart,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.log import LogEntry
from muster.model.operation import Link, Operation
from muster.model.schema_document import read_schema
from muster.planning.entitlement import EntitlementRules
from muster.planning.health import QuarantineTerms
from muster.planning.intent import JobTerms
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.protection import Protections
from muster.planning.terms import drift_policy
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryQuery, ObjectWrite
from muster.scim.errors import InvalidValue
from muster.sources.directory import DirectorySource
from muster.store.open import Store
from muster.targets.authorization import bearer
from muster.targets.scim import ScimTarget
from muster.targets.scim_names import mapped_attributes

ADDRESS = "https://scim.example/scim/v2"
APP = "11111111-1111-4111-8111-111111111111"
JOB = "job.1"
SITES = ("Rotterdam HQ", "London")


class Trip:
    """One company, one application, one job."""

    def __init__(self, folder: Path, page: str = "8x8", **terms: Any) -> None:
        self.store = self.open_store(folder)
        self.clock = StillClock()
        self.ids = CountingIds()
        self.terms = terms
        self.threshold = RemovalThreshold(enabled=False)
        self.approval = Approval.NONE
        self.protections = Protections()
        self.delete_grace = timedelta(0)
        found = find(page)
        assert found is not None
        self.page = found
        self.service = ScimService(profile_8x8(rule=_known_site) if page == "8x8" else generic_profile())
        self.transport = WatchedTransport(JoinedTransport(self.service))
        self.stores = EngineStores(
            jobs=self.store.jobs,
            cycles=self.store.cycles,
            links=self.store.links,
            census=self.store.census,
            plans=self.store.plans,
            holds=self.store.holds,
            discovery=self.store.discovery,
            log=self.store.log,
            notifier=self.store.outbox,
        )
        self._add_application()
        self.engine = self.new_engine()
        self.planner = Planner(self.stores, self.open_job, self.clock, self.ids, alone=self.engine.lock)
        self.control = Control(self.engine, self.stores, self.open_job, self.clock, self.ids)

    def open_store(self, folder: Path) -> Store:
        """Returns an empty store."""
        return fresh_store(folder)

    def new_engine(self) -> CycleEngine:
        """Returns an engine as another process would have it."""
        return CycleEngine(self.stores, self.open_job, self.clock, self.ids)

    def _add_application(self) -> None:
        self.store.applications.add(
            EnterpriseApplication(
                service_principal_id=APP,
                application_id="22222222-2222-4222-8222-222222222222",
                app_id="33333333-3333-4333-8333-333333333333",
                template_id=self.page.id,
                display_name=self.page.display_name,
                app_roles=self.page.app_roles,
                accepts_default_access=self.page.accepts_default_access,
                created_at=self.clock.now(),
            )
        )
        self.store.secrets.put(APP, {"BaseAddress": ADDRESS, "SecretToken": TOKEN})
        job = SynchronizationJob(
            id=JOB,
            service_principal_id=APP,
            template_id=self.page.job_template_id,
            schedule_state=ScheduleState.ACTIVE,
            interval=DEFAULT_INTERVAL,
            watermark=None,
            schema_version="1",
            created_at=self.clock.now(),
        )
        self.store.jobs.add(job, self.page.schema_document(), "test")

    def open_job(self, job_id: str, _options: Mapping[str, str]) -> JobParts:
        job = self.store.jobs.get(job_id)
        assert job is not None
        schema = read_schema(self.store.jobs.schema(job_id).document)
        rules = RuleShelf(self.store.jobs, self.store.directory).of(job)[1]
        application = self.store.applications.get(APP)
        assert application is not None
        sync_all = bool(self.terms.get("sync_all", False))
        everybody = view_of(job, rules.kinds, sync_all=True, named_groups=rules.named_groups)
        return JobParts(
            job=job,
            rules=rules,
            terms=JobTerms(
                entitlement=EntitlementRules(
                    sync_all=sync_all, accepts_default_access=application.accepts_default_access
                ),
                skip_out_of_scope_deletions=bool(self.terms.get("skip_out_of_scope_deletions", False)),
            ),
            threshold=self.threshold,
            quarantine_terms=QuarantineTerms(),
            approval=self.approval,
            protections=self.protections,
            delete_grace=self.delete_grace,
            drift=drift_policy(job.settings),
            source=DirectorySource(self.store.feed, replace(everybody, sync_all=sync_all)),
            everyone=DirectorySource(self.store.feed, everybody),
            target=ScimTarget(
                transport=self.transport,
                address=ADDRESS,
                authorization=bearer(TOKEN),
                dialect=self.page.dialect,
                attributes=mapped_attributes(schema),
                clock=self.clock,
                ids=self.ids,
            ),
        )

    # ------------------------------------------------------------ the directory

    def hire(self, name: str, *, assigned: bool = True, **attributes: Any) -> str:
        """Adds a person with everything 8x8 asks for, and returns the id."""
        given = {
            "userPrincipalName": f"{name.lower()}@lantaarn.example",
            "mail": f"{name.lower()}@lantaarn.example",
            "displayName": f"{name} Tester",
            "givenName": name,
            "surname": "Tester",
            "accountEnabled": True,
            "physicalDeliveryOfficeName": "London",
            **attributes,
        }
        person = self._write(ObjectKind.USER, None, {key: value for key, value in given.items() if value is not None})
        if assigned:
            self.assign(person)
        return person

    def edit(self, person: str, **attributes: Any) -> None:
        """Changes attributes of a person; None clears."""
        self._write(ObjectKind.USER, person, attributes)

    def set_manager(self, person: str, manager: str) -> None:
        write = ObjectWrite(kind=ObjectKind.USER, object_id=person, attributes={}, manager_id=manager, is_new=False)
        self.store.directory.write([write], self.clock.now())

    def found(self, name: str, members: list[str], *, assigned: bool = True) -> str:
        """Adds a group."""
        group = self._write(ObjectKind.GROUP, None, {"displayName": name, "securityEnabled": True})
        self.store.directory.change_members(group, add=members, remove=[])
        if assigned:
            self.assign(group, ObjectKind.GROUP)
        return group

    def assign(self, principal: str, kind: ObjectKind = ObjectKind.USER, role: str | None = None) -> str:
        """Assigns somebody with the role User, or another."""
        user_role = next((item.id for item in self.page.app_roles if item.display_name == "User"), DEFAULT_ACCESS)
        assignment = AppRoleAssignment(
            id=self.ids.new_id(),
            service_principal_id=APP,
            principal_id=principal,
            principal_kind=kind,
            principal_display_name=principal,
            role_id=role or user_role,
            created_at=self.clock.now(),
        )
        self.store.applications.assign([assignment])
        return assignment.id

    def unassign(self, person: str) -> None:
        for assignment in self.store.applications.assignments(principal_id=person):
            self.store.applications.unassign(assignment.id)

    def soft_delete(self, person: str) -> None:
        self.store.directory.set_lifecycle(ObjectKind.USER, person, Lifecycle.SOFT_DELETED, self.clock.now())

    def hard_delete(self, person: str) -> None:
        self.store.directory.set_lifecycle(ObjectKind.USER, person, Lifecycle.HARD_DELETED, self.clock.now())

    def purge(self, person: str) -> None:
        """Deletes somebody for good."""
        self.soft_delete(person)
        self.hard_delete(person)

    def restore(self, person: str) -> None:
        self.store.directory.set_lifecycle(ObjectKind.USER, person, Lifecycle.PRESENT, self.clock.now())

    def _write(self, kind: ObjectKind, object_id: str | None, attributes: Mapping[str, Any]) -> str:
        write = ObjectWrite(kind=kind, object_id=object_id, attributes=attributes, is_new=object_id is None)
        answer = self.store.directory.write([write], self.clock.now())[0]
        assert hasattr(answer, "object_id"), answer
        return str(answer.object_id)

    # ------------------------------------------------------------ cycles

    def run(self, engine: CycleEngine | None = None) -> Cycle | None:
        """Runs the next cycle to its end and returns it; None when there was nothing to do."""
        engine = engine or self.engine
        self.clock.advance(timedelta(seconds=1))
        self.transport.forget()
        cycle = engine.begin(JOB)
        if cycle is None:
            return None
        while engine.advance(cycle.id):
            pass
        ended = self.store.cycles.get(cycle.id)
        assert ended is not None and ended.state is not CycleState.RUNNING
        return ended

    def approve(self, state: HoldState = HoldState.APPROVED, by: str = "anna", **wanted: Any) -> int:
        """Decides what is held, all of it or what agrees with the filter; returns how many that were."""
        return self.store.holds.decide(JOB, HoldFilter(**wanted), state, by, self.clock.now())

    def everybody(self) -> DirectoryQuery:
        """Returns the search for all users."""
        return DirectoryQuery(kind=ObjectKind.USER)

    def filter(self, **wanted: Any) -> HoldFilter:
        """Returns a filter of what is held."""
        return HoldFilter(**wanted)

    def holds(self, **wanted: Any) -> list[Hold]:
        """Returns what is held."""
        return list(self.store.holds.list(JOB, HoldFilter(**wanted), 1000, None)[0])

    def planned(self, plan: Plan) -> list[Operation]:
        """Returns what of a plan may go."""
        return [each.operation for each in self.store.plans.operations(plan.id, PlanPart.SENT, 1000)]

    def held_in(self, plan: Plan) -> list[PlannedOperation]:
        """Returns what a plan holds."""
        return list(self.store.plans.operations(plan.id, PlanPart.HELD, 1000))

    def link(self, person: str, kind: ObjectKind = ObjectKind.USER) -> Link | None:
        return self.store.links.links(JOB, kind, [person]).get(person)

    def log(self, person: str | None = None) -> list[LogEntry]:
        """Returns log entries, newest first."""
        return list(self.store.log.search(LogQuery(job_id=JOB, source_id=person, limit=1000))[0])

    # ------------------------------------------------------------ the target

    def account(self, user_name: str) -> str:
        """Adds an account that we did not make to the target, and returns its id."""
        body = {
            "userName": user_name,
            "name": {"givenName": "Old", "familyName": "Name"},
            "emails": [{"value": "old@lantaarn.example", "type": "work"}],
            "active": True,
        }
        return str(self.service.ask("POST", "/Users", body).json["id"])

    def at_target(self, kind: str = "Users") -> dict[str, dict[str, Any]]:
        """Returns what the target has, by userName or displayName."""
        listed = self.service.ask("GET", f"/{kind}?count=1000").json
        return {item.get("userName") or item["displayName"]: item for item in listed["Resources"]}


class WatchedTransport:
    """Counts requests that write, and lets a test stand between."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.requests: list[HttpRequest] = []
        self.fault: Any = None

    @property
    def writes(self) -> list[str]:
        """Methods and paths of the requests that write since the last `forget`."""
        return [
            f"{request.method} {request.url.removeprefix(ADDRESS)}"
            for request in self.requests
            if request.method != "GET"
        ]

    def forget(self) -> None:
        self.requests = []

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        self.requests.append(request)
        if self.fault is not None:
            answer = self.fault(request, lambda: self._inner.send(request, deadline=deadline))
            if answer is not None:
                return answer
        return self._inner.send(request, deadline=deadline)


def _known_site(type_name: str, document: dict[str, Any], present: dict[str, Any] | None) -> dict[str, Any]:
    for urn in (
        "urn:ietf:params:scim:schemas:extension:8x8:1.1:User",
        "urn:8x8:scim:schemas:extension:8x8user:2.0:User",
    ):
        site = (document.get(urn) or {}).get("site")
        if site is not None and site not in SITES:
            raise InvalidValue(f"site: there is no site “{site}”")
    return document
