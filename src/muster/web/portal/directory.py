"""People and groups of the directory; why a person is in or out of an application, and where each value comes from."""

from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import assignments as assigning
from muster.administration import explaining, groups, links, owners, people, provenance
from muster.administration.refusals import Refused
from muster.model.application import DEFAULT_ACCESS, EnterpriseApplication
from muster.model.directory import ATTRIBUTES_OF, AttributeType, DirectoryObject, Lifecycle, ObjectKind
from muster.model.log import shown
from muster.model.roles import Permission
from muster.ports.directory import DirectoryQuery
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import gettext, told
from muster.ui.wording import moment
from muster.web.portal.outlooks import why_values
from muster.web.portal.paths import choice, desk, place, text
from muster.web.portal.shelves import find_shelf, shelf

ROWS = 50
_STATES = {"deleted": Lifecycle.SOFT_DELETED}


def show_users() -> Any:
    """GET /users"""
    wanted, state = text("search"), choice("state", _STATES)
    if (source := text("source")) is not None:
        return _come_from(source, ObjectKind.USER)
    lifecycle = _STATES.get(state or "", Lifecycle.PRESENT)
    after = place()
    query = DirectoryQuery(
        kind=ObjectKind.USER,
        lifecycles=(lifecycle,),
        search=wanted,
        counted=after is None,
        after=after,
        limit=ROWS,
    )
    return flask.render_template(
        "directory/users.html",
        page=people.search(desk(), query),
        search=wanted,
        state=state,
        origin=None,
        is_first=query.after is None,
    )


def show_user(user_id: str) -> Any:
    """GET /users/<user_id>"""
    user = find_person(user_id)
    may_configure = flask.g.me.may(Permission.READ_CONFIGURATION)
    is_present = user.lifecycle is Lifecycle.PRESENT
    return flask.render_template(
        "directory/user.html",
        user=user,
        manager=people.manager_of(desk(), user.object_id) if is_present else None,
        groups=groups.groups_of(desk(), user.object_id),
        attributes=_attributes(user),
        origins=provenance.dated_origins(desk(), user),
        grants=_grants(user) if may_configure else (),
        provisioned=_provisioned() if may_configure else (),
        may_explain=may_configure,
        may_read_logs=flask.g.me.may(Permission.READ_LOGS),
    )


def show_why(user_id: str, sp: str) -> Any:
    """GET /users/<user_id>/why/<sp>: a page to send to the helpdesk, or a part of the person's page."""
    user = find_person(user_id)
    found = find_shelf(sp)
    explained, refusal = None, None
    if found.status is None:
        refusal = gettext("%(name)s has no provisioning job yet.", name=found.application.display_name)
    else:
        try:
            explained = explaining.explain(desk(), found.sp, found.status.job.id, user.object_id)
        except Refused as refused:
            refusal = told(refused.sentence)
    return flask.render_template(
        "directory/why.html" if is_fragment_wanted() else "directory/why_page.html",
        user=user,
        shelf=found,
        **why_values(
            explained,
            refusal,
            found,
            is_part=is_fragment_wanted(),
            is_deleted=user.lifecycle is not Lifecycle.PRESENT,
        ),
    )


def show_groups() -> Any:
    """GET /groups"""
    wanted = text("search")
    if (source := text("source")) is not None:
        return _come_from(source, ObjectKind.GROUP)
    after = place()
    query = DirectoryQuery(kind=ObjectKind.GROUP, search=wanted, counted=after is None, after=after, limit=ROWS)
    return flask.render_template(
        "directory/groups.html",
        page=people.search(desk(), query),
        search=wanted,
        origin=None,
        is_first=query.after is None,
    )


def _come_from(sp: str, kind: ObjectKind) -> str:
    """The list of those whom a source has brought in."""
    found = find_shelf(sp)
    after = place()
    return flask.render_template(
        "directory/groups.html" if kind is ObjectKind.GROUP else "directory/users.html",
        page=links.come_from(desk(), found.sp, found.job.id, kind, after, ROWS),
        origin=found,
        search=None,
        state=None,
        is_first=after is None,
    )


def show_group(group_id: str, refusal: Refused | None = None) -> Any:
    """GET /groups/<group_id>"""
    group = groups.find_group(desk(), group_id)
    after = place()
    return flask.render_template(
        "directory/group.html",
        group=group,
        page=groups.members(desk(), group.object_id, after, ROWS),
        is_first=after is None,
        owners=owners.owners(desk(), owners.SubjectKind.GROUP, group.object_id),
        refusal=refusal,
        form=flask.request.form,
        grants=_grants(group) if flask.g.me.may(Permission.READ_CONFIGURATION) else (),
    )


def find_person(user_id: str) -> DirectoryObject:
    """Returns a user, present or in the recycle bin. Raises: Refused."""
    try:
        return people.find_user(desk(), user_id)
    except Refused as unknown:
        try:
            return people.find_deleted_user(desk(), user_id)
        except Refused:
            raise unknown from None


def _attributes(user: DirectoryObject) -> list[tuple[str, str | None]]:
    """What is filled, in the directory's order."""
    return [
        (name, moment(value) if attribute.type is AttributeType.DATE_TIME else value)
        for name, attribute in ATTRIBUTES_OF[user.kind].items()
        for value in (shown(user.attributes.get(name)),)
        if user.attributes.get(name) not in (None, "", ())
    ]


def _grants(principal: DirectoryObject) -> list[tuple[EnterpriseApplication, str]]:
    """Applications that are given directly, and the role's name."""
    known = {found.service_principal_id: found for found in registry.applications(desk())}
    grants = []
    for each in assigning.assignments(desk(), principal_id=principal.object_id):
        application = known.get(each.service_principal_id)
        if application is None:
            continue
        role = next((role.display_name for role in application.app_roles if role.id == each.role_id), None)
        named = gettext("Default Access") if each.role_id == DEFAULT_ACCESS else role or gettext("Unknown role")
        grants.append((application, named))
    return grants


def _provisioned() -> list[EnterpriseApplication]:
    """Applications that have a job to ask why of."""
    shelves = [shelf(application) for application in registry.applications(desk())]
    return [each.application for each in shelves if each.status is not None and not each.is_own and not each.is_source]
