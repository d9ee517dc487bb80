"""An application with all that its pages show above their own content: gallery page, job, state, tabs."""

from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import jobs
from muster.administration.refusals import not_found
from muster.gallery.catalogue import CLIENTS_TEMPLATE_ID, GalleryPage, find
from muster.model.application import EnterpriseApplication
from muster.model.directory import ObjectKind
from muster.model.job import SynchronizationJob
from muster.model.roles import Permission
from muster.ui.language import gettext
from muster.web.portal.cycles import Badge, CycleView, job_badge, view_cycle
from muster.web.portal.paths import address, desk


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
        return self.page is not None and not self.page.is_managed

    @property
    def is_of_clients(self) -> bool:
        """Whether it stands for SCIM clients: nothing is run, and what they take away may be held."""
        return self.page is not None and self.page.id == CLIENTS_TEMPLATE_ID

    @property
    def is_busy(self) -> bool:
        """Whether it stands for SCIM clients that have come already: before that it is found among the sources."""
        return self.is_of_clients and self.current is not None

    @property
    def is_source(self) -> bool:
        """Whether it is a source of the directory's people, with pages of its own."""
        return self.page is not None and self.page.is_source

    @property
    def has_accounts(self) -> bool:
        """Whether it is provisioned to, and has the pages of its accounts."""
        return self.status is not None and not self.is_own and not self.is_source

    def linked(self, kind: ObjectKind | None = None) -> str:
        """Returns the address of the list of those whom it links, of one kind or all."""
        if self.has_accounts:
            return self.to("provisioning", "accounts", kind=kind)
        return address("groups" if kind is ObjectKind.GROUP else "users", source=self.sp if self.is_source else None)

    @property
    def job(self) -> SynchronizationJob:
        """The job. Raises: Refused while provisioning is not set up."""
        if self.status is None:
            raise not_found("The synchronization job of", self.application.display_name)
        return self.status.job

    def to(self, *parts: str, **query: str | None) -> str:
        """Returns the address of one of its pages."""
        return address("applications", self.sp, *parts, **query)

    def tabs(self) -> tuple[tuple[str, str, bool], ...]:
        """Names and addresses of its pages, and whether the page is the one that is shown (or one below it)."""
        pages: list[tuple[str, tuple[str, ...]]] = [(gettext("Overview"), ())]
        if self.is_source:
            pages += [
                (gettext("Source"), ("source",)),
                (gettext("Mappings"), ("mappings",)),
                (gettext("Plans"), ("plans",)),
            ]
        elif not self.is_own:
            pages += [
                (gettext("Users and groups"), ("users-and-groups",)),
                (gettext("Single sign-on"), ("single-sign-on",)),
                (gettext("Provisioning"), ("provisioning",)),
            ]
            if self.status is not None:
                pages += [
                    (gettext("Mappings"), ("mappings",)),
                    (gettext("On demand"), ("on-demand",)),
                    (gettext("Plans"), ("plans",)),
                ]
        if self.is_of_clients:
            pages += [(gettext("Held"), ("held",)), (gettext("Safeguards"), ("provisioning", "safeguards"))]
        if desk().may(Permission.READ_LOGS):
            pages += [(gettext("Logs"), ("logs",)), (gettext("Insights"), ("insights",))]
        if not self.is_own and not self.is_source:
            pages += [(gettext("Roles"), ("roles",)), (gettext("Properties"), ("properties",))]
        here = flask.request.path
        # What is held is reached through the plans, the manifest through the roles, at addresses beside theirs.
        beside: dict[tuple[str, ...], str] = {("plans",): self.to("held"), ("roles",): self.to("manifest")}
        return tuple(
            (
                name,
                to,
                here == to or (bool(parts) and here.startswith(f"{to}/")) or here == beside.get(parts),
            )
            for name, parts in pages
            for to in (self.to(*parts),)
        )

    def parts(self) -> tuple[tuple[str, str, bool], ...]:
        """Names and addresses of the pages of provisioning, and whether the page is the one that is shown."""
        pages: tuple[tuple[str, tuple[str, ...]], ...] = (
            (gettext("Set-up"), ()),
            (gettext("Safeguards"), ("safeguards",)),
            (gettext("Accounts"), ("accounts",)),
            (gettext("Wire log"), ("requests",)),
        )
        if self.is_source:
            pages = ((gettext("Safeguards"), ("safeguards",)),)
        here = flask.request.path
        return tuple(
            (name, to, here == to or (bool(parts) and here.startswith(f"{to}/")))
            for name, parts in pages
            for to in (self.to("provisioning", *parts),)
        )

    def places(self) -> tuple[tuple[str, str, str], ...]:
        """Names, addresses and icons of all its pages, those below the tabs too: what the palette leads to."""
        found = [(name, to, "chevron-right") for name, to, _ in self.tabs()]
        if self.status is not None and not self.is_own:
            found += [(name, to, "settings") for name, to, _ in self.parts()[0 if self.is_source else 1 :]]
            deeper = [
                (gettext("Expression builder"), ("mappings", "expression"), "code"),
                (gettext("Versions"), ("mappings", "versions"), "history"),
                (gettext("Schema as JSON"), ("mappings", "schema"), "file-code"),
                (gettext("Held"), ("held",), "clock"),
                (gettext("Restart"), ("restart",), "rotate"),
            ]
            if not self.is_source:
                deeper += [
                    (gettext("Reconciliation"), ("provisioning", "accounts"), "refresh"),
                    (gettext("Credentials"), ("provisioning",), "key"),
                    (gettext("Waiting for a retry"), ("provisioning", "accounts", "waiting"), "refresh"),
                    (gettext("Managed by nobody"), ("provisioning", "accounts", "unmanaged"), "help-circle"),
                ]
            found += [(name, self.to(*parts), icon) for name, parts, icon in deeper]
        if not self.is_own and not self.is_source:
            found += [
                (gettext("Add user/group"), self.to("users-and-groups", "add"), "user-plus"),
                (gettext("OpenID Connect"), self.to("single-sign-on", "openid-connect"), "key"),
                (gettext("Manifest"), self.to("manifest"), "file-code"),
            ]
        return tuple(found)


def find_shelf(sp: str) -> Shelf:
    """Returns an application's shelf. Raises: Refused."""
    return shelf(registry.find_application(desk(), sp))


def shelf(application: EnterpriseApplication) -> Shelf:
    """Returns the application with what is known of its provisioning. Raises: Refused."""
    own = desk().of_owner(application.service_principal_id)
    known = jobs.jobs(own, application.service_principal_id)
    status = jobs.status_of(own, known[0]) if known else None
    current = None
    if status is not None and status.latest is not None:
        current = view_cycle(status.latest, flask.g.now, application.service_principal_id)
    return Shelf(
        application=application,
        page=find(application.template_id),
        status=status,
        badge=job_badge(status),
        current=current,
    )


def show(template: str, shelf: Shelf, **values: Any) -> str:
    """Returns a page of an application."""
    return flask.render_template(template, shelf=shelf, **values)
