"""The portal as a WSGI application: every page, the door before them, and what all pages know."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
from werkzeug.exceptions import InternalServerError

from muster.administration.refusals import RefusalKind, Refused, locked
from muster.database.outage import outage_of
from muster.model.roles import Permission
from muster.sealing import SealingError
from muster.ui.brake import Attempts
from muster.ui.frame import came_from, make_face, message, show_http_error
from muster.ui.language import gettext, marked, told
from muster.ui.wording import plain
from muster.web.portal import (
    account,
    accounts,
    applications,
    assignments,
    audit,
    consequences,
    credentials,
    cycle_pages,
    directory,
    door,
    finding,
    gallery,
    home,
    identity_provider,
    imports,
    insights,
    logs,
    looking,
    mappings,
    notifications,
    on_demand,
    openid_sign_on,
    people,
    plans,
    properties,
    provisioning,
    rules,
    safeguards,
    scoping,
    sign_ins,
    single_sign_on,
    sources,
    wire,
)
from muster.web.portal.attribute_names import attribute_name
from muster.web.portal.forms import SAID
from muster.web.portal.needs import at_the_door
from muster.web.portal.paths import address
from muster.web.portal.places import places
from muster.web.portal.shared import Shared
from muster.web.services import Services

View = Callable[..., Any]

TEMPLATES = Path(__file__).with_name("templates")

_APP = "/applications/<sp>"
_MAPPING = f"{_APP}/mappings/<int:number>"

# rule, endpoint, view. Every endpoint needs a session but those the door names.
PAGES: tuple[tuple[str, str, View], ...] = (
    ("/", "home", home.show),
    ("/find", "find", finding.find),
    ("/account", "account", account.show_account),
    ("/applications", "applications", applications.show_list),
    ("/applications/new", "gallery", gallery.show_gallery),
    ("/applications/new/<template_id>", "gallery_page", gallery.show_page),
    (_APP, "application", applications.show_overview),
    (f"{_APP}/live", "application_live", applications.show_live),
    (f"{_APP}/restart", "show_restart", applications.show_restart),
    (f"{_APP}/properties", "properties", properties.show_properties),
    (f"{_APP}/single-sign-on", "single_sign_on", single_sign_on.show_sign_on),
    (f"{_APP}/single-sign-on/openid-connect", "openid_sign_on", openid_sign_on.show_openid),
    (f"{_APP}/single-sign-on/<name>", "sign_on_file", single_sign_on.download),
    (f"{_APP}/roles", "roles", properties.show_roles),
    (f"{_APP}/roles/<role_id>", "role", properties.show_role),
    (f"{_APP}/manifest", "manifest", properties.show_manifest),
    (f"{_APP}/manifest.json", "manifest_file", properties.download_manifest),
    (f"{_APP}/users-and-groups", "assignments", assignments.show_assignments),
    (f"{_APP}/users-and-groups/add", "assign", assignments.show_adding),
    (f"{_APP}/provisioning", "provisioning", provisioning.show_provisioning),
    (f"{_APP}/provisioning/authorize", "authorize", credentials.authorize),
    (credentials.RETURN_PATH, "come_back", credentials.come_back),
    (f"{_APP}/provisioning/safeguards", "safeguards", safeguards.show_safeguards),
    (f"{_APP}/looking/<name>", "look", looking.show_look),
    (f"{_APP}/looking/<name>/affected", "affected", consequences.show_affected),
    (f"{_APP}/provisioning/accounts", "accounts", accounts.show_accounts),
    (f"{_APP}/provisioning/accounts/waiting", "waiting_accounts", accounts.show_waiting),
    (f"{_APP}/provisioning/accounts/unmanaged", "unmanaged_accounts", accounts.show_unmanaged),
    (f"{_APP}/provisioning/requests", "requests", wire.show_requests),
    (f"{_APP}/cycles/<cycle_id>", "cycle", cycle_pages.show_cycle),
    (f"{_APP}/mappings", "mappings", mappings.show_mappings),
    (f"{_APP}/mappings/expression", "builder", mappings.show_builder),
    (f"{_APP}/mappings/schema", "schema", rules.show_schema),
    (f"{_APP}/mappings/schema.json", "schema_file", rules.download_schema),
    (f"{_APP}/mappings/versions", "versions", rules.show_versions),
    (f"{_APP}/mappings/versions/<version>", "version", rules.show_version),
    (f"{_MAPPING}/attributes/new", "new_attribute", mappings.show_attribute),
    (f"{_MAPPING}/attributes/<target>", "attribute", mappings.show_attribute),
    (f"{_MAPPING}/scope", "scope", scoping.show_scope),
    (f"{_MAPPING}/list", "attribute_list", rules.show_attributes),
    (f"{_APP}/logs", "application_logs", logs.show_for_application),
    ("/logs", "logs", logs.show),
    ("/logs/<entry_id>", "log_entry", logs.show_entry),
    ("/audit", "audit", audit.show),
    ("/notifications", "notifications", notifications.show_settings),
    ("/insights", "insights", insights.show_all),
    (f"{_APP}/insights", "application_insights", insights.show_for_application),
    (f"{_APP}/on-demand", "on_demand", on_demand.show_on_demand),
    (f"{_APP}/on-demand/<work_id>", "on_demand_result", on_demand.show_result),
    (f"{_APP}/plans", "plans", plans.show_plans),
    (f"{_APP}/plans/<plan_id>", "plan", plans.show_plan),
    (f"{_APP}/plans/making/<work_id>", "plan_making", plans.show_making),
    (f"{_APP}/held", "held", plans.show_held),
    ("/logs/download", "log_file", logs.download),
    ("/sources", "sources", sources.show_list),
    ("/sources/new", "source_kinds", sources.show_kinds),
    ("/sources/new/<kind>", "new_source", sources.show_adding),
    (f"{_APP}/source", "source", sources.show_source),
    ("/import", "import_form", imports.show_form),
    ("/import/<work_id>", "import_work", imports.show_work),
    ("/users", "users", directory.show_users),
    ("/users/new", "user_form", people.show_form),
    ("/users/<user_id>/edit", "user_edit", people.show_form),
    ("/groups/new", "group_form", people.show_group_form),
    ("/groups/<group_id>/edit", "group_edit", people.show_group_form),
    ("/users/<user_id>", "user", directory.show_user),
    ("/users/<user_id>/why/<sp>", "why", directory.show_why),
    ("/users/<user_id>/sign-in", "person_sign_in", sign_ins.show_person),
    ("/sign-ins", "sign_ins", sign_ins.show),
    ("/identity-provider", "identity_provider", identity_provider.show_provider),
    ("/groups", "groups", directory.show_groups),
    ("/groups/<group_id>", "group", directory.show_group),
)
ACTIONS: tuple[tuple[str, str, View], ...] = (
    ("/applications/new/<template_id>", "create_application", gallery.create),
    (f"{_APP}/start", "start", applications.start),
    (f"{_APP}/pause", "pause", applications.pause),
    (f"{_APP}/restart", "restart", applications.restart),
    (f"{_APP}/properties", "save_properties", properties.save_properties),
    (f"{_APP}/single-sign-on", "save_sign_on", single_sign_on.save_sign_on),
    (f"{_APP}/single-sign-on/openid-connect", "save_openid", openid_sign_on.save_openid),
    (f"{_APP}/single-sign-on/openid-connect/secrets", "change_openid_secrets", openid_sign_on.change_secrets),
    (f"{_APP}/single-sign-on/certificates", "change_certificates", single_sign_on.change_certificates),
    (f"{_APP}/single-sign-on/test", "test_sign_on", single_sign_on.test_sign_on),
    (f"{_APP}/properties/scope", "try_default_access", properties.try_default_access),
    (f"{_APP}/remove", "remove_application", properties.remove),
    (f"{_APP}/owners", "change_owners", properties.change_owners),
    (f"{_APP}/roles/<role_id>", "save_role", properties.save_role),
    (f"{_APP}/roles/<role_id>/remove", "remove_role", properties.remove_role),
    (f"{_APP}/manifest", "save_manifest", properties.save_manifest),
    (f"{_APP}/users-and-groups/add", "add_assignments", assignments.add),
    (f"{_APP}/users-and-groups/remove", "remove_assignments", assignments.remove),
    (f"{_APP}/users-and-groups/awaited/remove", "stop_awaiting", assignments.stop_awaiting),
    (f"{_APP}/users-and-groups/role", "change_role", assignments.change_role),
    (f"{_APP}/provisioning", "save_provisioning", provisioning.save),
    (f"{_APP}/provisioning/safeguards", "save_safeguards", safeguards.save_safeguards),
    (f"{_APP}/provisioning/safeguards/scope", "try_leavers", safeguards.try_leavers),
    (f"{_APP}/provisioning/safeguards/weigh", "weigh_safeguards", safeguards.weigh),
    (f"{_APP}/provisioning/weigh", "weigh_threshold", provisioning.weigh),
    (f"{_APP}/provisioning/accounts", "promote", accounts.promote),
    (f"{_APP}/provisioning/accounts/settings", "save_reconciliation", accounts.save_reconciliation),
    (f"{_APP}/provisioning/reconcile", "reconcile", accounts.reconcile),
    (f"{_APP}/provisioning/requests", "switch_wire_log", wire.switch),
    (f"{_APP}/cycles/<cycle_id>/rollback", "roll_back", cycle_pages.roll_back),
    (f"{_APP}/provisioning/scope", "try_scope", provisioning.try_scope),
    (f"{_APP}/provisioning/test", "test_connection", provisioning.test),
    (f"{_APP}/provisioning/certificate", "look_at_certificate", credentials.look_at_certificate),
    (f"{_APP}/provisioning/examine", "examine", provisioning.examine),
    (f"{_APP}/mappings/try", "try_expression", mappings.try_expression),
    (f"{_APP}/mappings/schema", "change_schema", rules.change_schema),
    (f"{_APP}/mappings/reset", "reset_mappings", rules.reset),
    (f"{_APP}/mappings/versions/<version>/restore", "restore_version", rules.restore_version),
    (_MAPPING, "save_actions", mappings.save_actions),
    (f"{_MAPPING}/attributes/new", "add_attribute", mappings.save_attribute),
    (f"{_MAPPING}/attributes/<target>", "save_attribute", mappings.save_attribute),
    (f"{_MAPPING}/attributes/<target>/remove", "remove_attribute", mappings.remove_attribute),
    (f"{_MAPPING}/scope", "change_scope", scoping.change_scope),
    (f"{_MAPPING}/list", "change_attribute_list", rules.save_attribute),
    (f"{_APP}/on-demand", "provision", on_demand.provision),
    (f"{_APP}/plans", "make_plan", plans.make),
    (f"{_APP}/plans/<plan_id>/apply", "apply_plan", plans.apply),
    (f"{_APP}/held", "decide", plans.decide),
    ("/sources/new/<kind>", "add_source", sources.add),
    (f"{_APP}/source", "save_source", sources.save),
    (f"{_APP}/source/test", "test_source", sources.test),
    (f"{_APP}/source/read", "read_source", sources.read),
    (f"{_APP}/source/accept", "accept_missing", sources.accept),
    (f"{_APP}/source/remove", "remove_source", sources.remove),
    ("/notifications", "save_notifications", notifications.save),
    ("/identity-provider", "save_provider", identity_provider.save_provider),
    ("/identity-provider/test", "look_at_provider", identity_provider.look_at_provider),
    ("/notifications/test", "tell_test", notifications.tell_test),
    ("/import", "upload", imports.upload),
    ("/users/new", "create_user", people.save),
    ("/users/<user_id>/edit", "save_user", people.save),
    ("/users/<user_id>/enabled", "set_enabled", people.set_enabled),
    ("/users/<user_id>/delete", "delete_user", people.delete),
    ("/users/<user_id>/restore", "restore_user", people.restore),
    ("/users/<user_id>/purge", "purge_user", people.purge),
    ("/users/<user_id>/sign-in/password", "set_password", sign_ins.set_password),
    ("/users/<user_id>/sign-in/password/remove", "remove_password", sign_ins.remove_password),
    ("/users/<user_id>/sign-in/link", "create_link", sign_ins.create_link),
    ("/users/<user_id>/sign-in/sessions", "end_sessions", sign_ins.end_sessions),
    ("/users/<user_id>/sign-in/factor", "remove_factor", sign_ins.remove_factor),
    ("/account/app/begin", "begin_app", account.begin_app),
    ("/account/app", "confirm_app", account.confirm_app),
    ("/account/app/remove", "remove_app", account.remove_app),
    ("/account/codes", "renew_codes", account.renew_codes),
    ("/groups/new", "create_group", people.save_group),
    ("/groups/<group_id>/edit", "save_group", people.save_group),
    ("/groups/<group_id>/delete", "delete_group", people.delete_group),
    ("/groups/<group_id>/members", "change_members", people.change_members),
    ("/groups/<group_id>/owners", "change_group_owners", people.change_owners),
)

logger = logging.getLogger(__name__)

_STATUS = {
    RefusalKind.NOT_FOUND: (404, marked("That is not here")),
    RefusalKind.BAD_REQUEST: (400, marked("That cannot be done")),
    RefusalKind.FORBIDDEN: (403, marked("Your role does not allow this")),
    RefusalKind.CONFLICT: (409, marked("That cannot be done now")),
    RefusalKind.TOO_LARGE: (413, marked("That is too much at once")),
    RefusalKind.TOO_MANY: (429, marked("Too many requests")),
    RefusalKind.NOT_AVAILABLE: (503, marked("That is not available now")),
}


def make_portal(
    services: Services, *, set_up_hash: str | None = None, live_for: timedelta = timedelta(0)
) -> flask.Flask:
    """Returns the portal. `set_up_hash`: the hash of the one-time token with which the first administrator is made;
    `live_for`: how long open overviews of an application share what one of them was told."""
    app = make_face(__name__, TEMPLATES)
    app.extensions[applications.LIVE] = Shared[tuple[str, str]](live_for)
    app.extensions["services"] = services
    app.extensions["attempts"] = Attempts()
    door.hang(app, services, set_up_hash)
    for rule, endpoint, view in PAGES:
        app.add_url_rule(rule, endpoint, view, methods=["GET"])
    for rule, endpoint, view in ACTIONS:
        app.add_url_rule(rule, endpoint, at_the_door(rule, view), methods=["POST"])
    app.register_error_handler(Refused, _show_refusal)
    app.register_error_handler(SealingError, _show_locked)
    app.register_error_handler(InternalServerError, _show_fault)
    app.jinja_env.globals.update(address=address, attribute_name=attribute_name)
    app.context_processor(_known_to_all)
    return app


def _known_to_all() -> dict[str, Any]:
    me = flask.g.get("me")
    # On the pages of an application its owner may what others need a role for. A form that is refused has no desk yet.
    desk = flask.g.get("desk")
    may = _may_nothing if desk is None else desk.may
    said = SAID.get(flask.request.args.get("said", ""))
    return {
        "me": me,
        "may_configure": may(Permission.WRITE_CONFIGURATION),
        "may_run": may(Permission.RUN_JOBS),
        "may_write": may(Permission.WRITE_DIRECTORY),
        "may_read_logs": may(Permission.READ_LOGS),
        "now": flask.g.get("now"),
        "csrf_token": flask.g.session.csrf_token if flask.g.get("session") is not None else "",
        "path": flask.request.path,
        # A form's address may show nothing by itself: the switch of languages leads to the page it stood on.
        "here": came_from() or flask.request.full_path.removesuffix("?"),
        "said": None if said is None else gettext(said),
        "places": places() if me is not None else (),
    }


def _may_nothing(_permission: Permission) -> bool:
    return False


def _show_fault(fault: InternalServerError) -> Any:
    """What nobody foresaw, or the database is away: that passes, and nothing of the request was kept."""
    original = fault.original_exception
    if original is None or outage_of(original) is None:
        return show_http_error(fault)
    text = gettext("Nothing of this was kept. Try again in a moment; if it stays, look at the service's log.")
    page, status = message(503, gettext("The database cannot be reached now"), text, back=came_from())
    return page, status, {"Retry-After": "5"}


def _show_locked(error: SealingError) -> Any:
    logger.error("a page cannot be shown: %s", error)
    return _show_refusal(locked(error))


def _show_refusal(refused: Refused) -> Any:
    status, title = _STATUS[refused.kind]
    return message(status, gettext(title), told(plain(refused.sentence)), back=came_from())
