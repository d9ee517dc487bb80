"""Enterprise applications: the list, and one application's overview, assignments and mappings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import assignments as assigning
from muster.administration import jobs, rules
from muster.administration.refusals import not_found
from muster.gallery.catalogue import GalleryPage, find
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, EnterpriseApplication
from muster.model.directory import ObjectKind
from muster.model.job import CycleState, ScheduleState, SynchronizationJob
from muster.model.roles import Permission
from muster.model.rules import AttributeMapping, ObjectAction, ObjectMapping
from muster.model.schema_document import read_schema
from muster.ui.frame import live
from muster.web.portal.cycles import Badge, CycleView, job_badge, next_cycle_at, view_cycle
from muster.web.portal.paths import address, desk, place, text

CYCLES_SHOWN = 8
ROWS = 100
# The page looks again after so many seconds.
PACE_RUNNING = 1
PACE_IDLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """An application with its page of the gallery and its (first) job."""

    application: EnterpriseApplication
    page: GalleryPage | None
    status: jobs.JobStatus | None
    badge: Badge
    current: CycleView | None

    @property
    def sp(self) -> str:
        """The service principal's id: the application's place in addresses."""
        return self.application.service_principal_id

    @property
    def is_own(self) -> bool:
        """Whether it belongs to the installation (the import of files) and is not run by admins."""
        return self.page is not None and not self.page.is_application

    def tabs(self) -> tuple[tuple[str, str], ...]:
        """Names and addresses of its pages."""
        pages = (("Overview", ()), ("Users and groups", ("users-and-groups",)), ("Mappings", ("mappings",)))
        own = tuple((name, address("applications", self.sp, *parts)) for name, parts in pages)
        log = ("Provisioning logs", address("applications", self.sp, "logs"))
        return (*own, log) if flask.g.me.may(Permission.READ_LOGS) else own


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRow:
    """An assignment, and whether it entitles."""

    assignment: AppRoleAssignment
    role: str
    entitles: bool
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRow:
    """One attribute mapping as it is shown."""

    mapping: AttributeMapping
    kind: str


def show_list() -> Any:
    """GET /applications"""
    wanted = text("search")
    shelves = [shelf(application) for application in registry.applications(desk())]
    shown = [
        each
        for each in shelves
        if not each.is_own and (wanted is None or wanted.casefold() in each.application.display_name.casefold())
    ]
    return flask.render_template("applications/list.html", shelves=shown, search=wanted)


def show_overview(sp: str) -> Any:
    """GET /applications/<sp>"""
    found = find_shelf(sp)
    assigned = assigning.assignments(desk(), service_principal_id=found.sp)
    return flask.render_template(
        "applications/overview.html",
        shelf=found,
        kinds=Counter(each.principal_kind for each in assigned),
        may_run=flask.g.me.may(Permission.RUN_JOBS),
        **_live_values(found),
    )


def show_live(sp: str) -> Any:
    """GET /applications/<sp>/live: what changes by itself, asked for again and again."""
    found = find_shelf(sp)
    answer = live(flask.render_template("applications/live.html", shelf=found, **_live_values(found)))
    if text("state") not in (None, _state(found)):
        # The buttons of the page fit no longer.
        answer.headers["HX-Refresh"] = "true"
    return answer


def start(sp: str) -> Any:
    """POST /applications/<sp>/start"""
    found = find_shelf(sp)
    jobs.start(desk(), found.sp, _job_of(found).id)
    return flask.redirect(address("applications", found.sp), 303)


def pause(sp: str) -> Any:
    """POST /applications/<sp>/pause"""
    found = find_shelf(sp)
    jobs.pause(desk(), found.sp, _job_of(found).id)
    return flask.redirect(address("applications", found.sp), 303)


def show_assignments(sp: str) -> Any:
    """GET /applications/<sp>/users-and-groups"""
    found = find_shelf(sp)
    wanted = text("search")
    after = int((place() or "0").partition(":")[0])
    rows = [
        row
        for row in _assignment_rows(found.application)
        if wanted is None or wanted.casefold() in row.assignment.principal_display_name.casefold()
    ]
    return flask.render_template(
        "applications/assignments.html",
        shelf=found,
        rows=rows[after : after + ROWS],
        total=len(rows),
        search=wanted,
        next_after=str(after + ROWS) if after + ROWS < len(rows) else None,
        is_first=after == 0,
        without_role=sum(1 for row in rows if not row.entitles),
    )


def show_mappings(sp: str) -> Any:
    """GET /applications/<sp>/mappings"""
    found = find_shelf(sp)
    shown: Sequence[tuple[ObjectMapping, tuple[MappingRow, ...]]] = ()
    version = None
    if found.status is not None:
        version = rules.schema_of(desk(), found.sp, found.status.job.id)
        shown = tuple(
            (mapping, tuple(MappingRow(mapping=each, kind=_kind(each)) for each in mapping.attribute_mappings))
            for rule in read_schema(version.document).rules
            for mapping in rule.object_mappings
        )
    return flask.render_template(
        "applications/mappings.html", shelf=found, mappings=shown, version=version, actions=tuple(ObjectAction)
    )


def find_shelf(sp: str) -> Shelf:
    """Returns an application's shelf. Raises: Refused."""
    return shelf(registry.find_application(desk(), sp))


def shelf(application: EnterpriseApplication) -> Shelf:
    """Returns the application with what is known of its provisioning. Raises: Refused."""
    known = jobs.jobs(desk(), application.service_principal_id)
    status = jobs.status_of(desk(), known[0]) if known else None
    current = None
    if status is not None and status.newest is not None:
        current = view_cycle(status.newest, flask.g.now, application.service_principal_id)
    return Shelf(
        application=application,
        page=find(application.template_id),
        status=status,
        badge=job_badge(status),
        current=current,
    )


def _live_values(found: Shelf) -> dict[str, Any]:
    status = found.status
    if status is None:
        return {"history": (), "next_at": None, "pace": PACE_IDLE, "state": _state(found), "started": False}
    cycles = jobs.cycles(desk(), found.sp, status.job.id, CYCLES_SHOWN)
    is_running = status.newest is not None and status.newest.state is CycleState.RUNNING
    return {
        "history": [view_cycle(cycle, flask.g.now, found.sp) for cycle in cycles],
        "next_at": next_cycle_at(status),
        "pace": PACE_RUNNING if is_running else PACE_IDLE,
        "state": _state(found),
        "started": status.job.schedule_state is ScheduleState.ACTIVE,
    }


def _state(found: Shelf) -> str:
    return "None" if found.status is None else found.status.job.code.value


def _job_of(found: Shelf) -> SynchronizationJob:
    if found.status is None:
        raise not_found("The synchronization job of", found.application.display_name)
    return found.status.job


def _assignment_rows(application: EnterpriseApplication) -> list[AssignmentRow]:
    roles = {role.id: role for role in application.app_roles}
    rows = []
    for each in assigning.assignments(desk(), service_principal_id=application.service_principal_id):
        role = roles.get(each.role_id)
        is_default = each.role_id == DEFAULT_ACCESS
        rows.append(
            AssignmentRow(
                assignment=each,
                role="Default Access" if is_default else "Unknown role" if role is None else role.display_name,
                entitles=application.accepts_default_access or not is_default,
                to=address("groups" if each.principal_kind is ObjectKind.GROUP else "users", each.principal_id),
            )
        )
    # Groups first, as they count for many; then by name.
    rows.sort(
        key=lambda row: (
            row.assignment.principal_kind is ObjectKind.USER,
            row.assignment.principal_display_name.casefold(),
        )
    )
    return rows


def _kind(mapping: AttributeMapping) -> str:
    expression = mapping.expression
    if expression is None:
        return "None"
    if expression.startswith("[") and expression.find("]") == len(expression) - 1:
        return "Direct"
    return "Constant" if expression.startswith('"') and expression.count('"') == 2 else "Expression"
