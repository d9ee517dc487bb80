"""The table of all calls: method, path, the permission a caller needs, who answers. What is not here is denied."""

from muster.administration.work import IMPORT_BYTES
from muster.model.roles import Permission
from muster.web.graph import (
    access,
    applications,
    batch,
    configuration,
    delta,
    dialects,
    groups,
    holds,
    identity_provider,
    links,
    logs,
    notifications,
    openid,
    people,
    plans,
    reconciliation,
    recycling,
    registrations,
    schema,
    sign_ins,
    single_sign_on,
    sources,
    synchronization,
    wire_log,
)
from muster.web.graph.call import Handler, Route, counted

_READ_PEOPLE = Permission.READ_DIRECTORY
_WRITE_PEOPLE = Permission.WRITE_DIRECTORY
_READ = Permission.READ_CONFIGURATION
_WRITE = Permission.WRITE_CONFIGURATION
_RUN = Permission.RUN_JOBS
_ACCESS = Permission.MANAGE_ACCESS
_SIGNED_IN = Permission.SIGNED_IN

_SP = "/servicePrincipals/{sp}"
_SYNC = f"{_SP}/synchronization"
_JOB = f"{_SYNC}/jobs/{{job}}"
_SCHEMA = f"{_JOB}/schema"
_ATTRIBUTES = f"{_SCHEMA}/directories/{{directory}}/objects/{{object}}/attributes"
_DELETED = "/directory/deletedItems"
_ROLES = "/roleManagement/directory"

_TABLE: tuple[tuple[str, str, Permission, Handler], ...] = (
    # People
    ("GET", "/users", _READ_PEOPLE, people.list_users),
    ("POST", "/users", _WRITE_PEOPLE, people.create_user),
    ("GET", "/users/$count", _READ_PEOPLE, people.count_users),
    ("GET", "/users/delta", _READ_PEOPLE, delta.user_delta),
    ("GET", "/users/{user}", _READ_PEOPLE, people.get_user),
    ("PATCH", "/users/{user}", _WRITE_PEOPLE, people.update_user),
    ("DELETE", "/users/{user}", _WRITE_PEOPLE, people.delete_user),
    ("GET", "/users/{user}/manager", _READ_PEOPLE, people.get_manager),
    ("PUT", "/users/{user}/manager/$ref", _WRITE_PEOPLE, people.set_manager),
    ("DELETE", "/users/{user}/manager/$ref", _WRITE_PEOPLE, people.clear_manager),
    ("GET", "/users/{user}/memberOf", _READ_PEOPLE, people.member_of),
    ("GET", "/users/{user}/memberOf/microsoft.graph.group", _READ_PEOPLE, people.member_of),
    ("GET", "/users/{user}/transitiveMemberOf", _READ_PEOPLE, people.transitive_member_of),
    ("GET", "/users/{user}/transitiveMemberOf/microsoft.graph.group", _READ_PEOPLE, people.transitive_member_of),
    ("GET", "/users/{user}/directReports", _READ_PEOPLE, people.list_reports),
    ("POST", "/users/{user}/revokeSignInSessions", _WRITE_PEOPLE, sign_ins.revoke_sessions),
    ("POST", "/users/{user}/createPasswordLink", _WRITE_PEOPLE, sign_ins.create_link),
    ("GET", "/users/{user}/authentication/methods", _READ_PEOPLE, sign_ins.list_methods),
    ("DELETE", "/users/{user}/authentication/methods/{method}", _WRITE_PEOPLE, sign_ins.remove_method),
    ("GET", "/groups", _READ_PEOPLE, people.list_groups),
    ("POST", "/groups", _WRITE_PEOPLE, groups.create_group),
    ("GET", "/groups/$count", _READ_PEOPLE, people.count_groups),
    ("GET", "/groups/delta", _READ_PEOPLE, delta.group_delta),
    ("GET", "/groups/{group}", _READ_PEOPLE, groups.get_group),
    ("PATCH", "/groups/{group}", _WRITE_PEOPLE, groups.update_group),
    ("DELETE", "/groups/{group}", _WRITE_PEOPLE, groups.delete_group),
    ("GET", "/groups/{group}/members", _READ_PEOPLE, groups.list_members),
    ("GET", "/groups/{group}/members/$count", _READ_PEOPLE, counted(groups.list_members)),
    ("GET", "/groups/{group}/members/$ref", _READ_PEOPLE, groups.list_member_references),
    ("GET", "/groups/{group}/members/microsoft.graph.user", _READ_PEOPLE, groups.list_user_members),
    ("GET", "/groups/{group}/members/microsoft.graph.group", _READ_PEOPLE, groups.list_group_members),
    ("GET", "/groups/{group}/transitiveMembers", _READ_PEOPLE, groups.list_transitive_members),
    ("GET", "/groups/{group}/transitiveMembers/$count", _READ_PEOPLE, counted(groups.list_transitive_members)),
    ("GET", "/groups/{group}/transitiveMembers/microsoft.graph.user", _READ_PEOPLE, groups.list_transitive_users),
    ("GET", "/groups/{group}/transitiveMembers/microsoft.graph.group", _READ_PEOPLE, groups.list_transitive_groups),
    ("POST", "/groups/{group}/members/$ref", _WRITE_PEOPLE, groups.add_member),
    ("DELETE", "/groups/{group}/members/{member}/$ref", _WRITE_PEOPLE, groups.remove_member),
    ("GET", "/groups/{group}/memberOf", _READ_PEOPLE, groups.member_of),
    ("GET", "/groups/{group}/transitiveMemberOf", _READ_PEOPLE, groups.transitive_member_of),
    ("POST", "/directoryObjects/getByIds", _READ_PEOPLE, people.get_objects),
    ("GET", "/users/{user}/provenance", _READ_PEOPLE, sources.user_provenance),
    ("GET", "/groups/{group}/provenance", _READ_PEOPLE, sources.group_provenance),
    ("GET", "/directoryObjects/{object}", _READ_PEOPLE, people.get_object),
    # What is in the bin may be of several kinds: administration asks for the permission to write it.
    ("GET", f"{_DELETED}/microsoft.graph.user", _READ_PEOPLE, recycling.list_users),
    ("GET", f"{_DELETED}/microsoft.graph.group", _READ_PEOPLE, recycling.list_groups),
    ("GET", f"{_DELETED}/microsoft.graph.application", _READ, recycling.list_applications),
    ("GET", f"{_DELETED}/microsoft.graph.servicePrincipal", _READ, recycling.list_service_principals),
    ("GET", f"{_DELETED}/{{item}}", _READ_PEOPLE, recycling.get_item),
    ("DELETE", f"{_DELETED}/{{item}}", _READ_PEOPLE, recycling.purge_item),
    ("POST", f"{_DELETED}/{{item}}/restore", _READ_PEOPLE, recycling.restore_item),
    # Applications
    ("GET", "/applicationTemplates", _READ, applications.list_templates),
    ("GET", "/applicationTemplates/{template}", _READ, applications.get_template),
    ("POST", "/applicationTemplates/{template}/instantiate", _WRITE, applications.instantiate),
    ("GET", "/applications", _READ, applications.list_applications),
    ("GET", "/applications/$count", _READ, counted(applications.list_applications)),
    ("POST", "/applications", _ACCESS, registrations.create_registration),
    ("GET", "/applications/{application}", _READ, applications.get_application),
    ("PATCH", "/applications/{application}", _WRITE, applications.update_application),
    ("DELETE", "/applications/{application}", _WRITE, applications.delete_application),
    ("POST", "/applications/{application}/addPassword", _ACCESS, registrations.add_password),
    ("POST", "/applications/{application}/removePassword", _ACCESS, registrations.remove_password),
    ("GET", "/servicePrincipals", _READ, applications.list_service_principals),
    ("GET", "/servicePrincipals/$count", _READ, counted(applications.list_service_principals)),
    ("POST", "/servicePrincipals", _ACCESS, registrations.create_service_principal),
    ("GET", _SP, _READ, applications.get_service_principal),
    ("PATCH", _SP, _WRITE, applications.update_service_principal),
    ("DELETE", _SP, _WRITE, applications.delete_service_principal),
    # Single sign-on
    ("POST", f"{_SP}/addTokenSigningCertificate", _WRITE, single_sign_on.add_certificate),
    ("DELETE", f"{_SP}/tokenSigningCertificates/{{certificate}}", _WRITE, single_sign_on.remove_certificate),
    ("GET", f"{_SP}/singleSignOn", _READ, single_sign_on.get_sign_on),
    ("PATCH", f"{_SP}/singleSignOn", _WRITE, single_sign_on.update_sign_on),
    ("POST", f"{_SP}/singleSignOn/test", _WRITE, single_sign_on.test_sign_on),
    ("GET", f"{_SP}/federationMetadata", _READ, single_sign_on.get_metadata),
    # Owners
    *(
        row
        for subject, read, write in (
            ("applications/{application}", _READ, _WRITE),
            ("servicePrincipals/{sp}", _READ, _WRITE),
            ("groups/{group}", _READ_PEOPLE, _WRITE_PEOPLE),
        )
        for row in (
            ("GET", f"/{subject}/owners", read, registrations.list_owners),
            ("POST", f"/{subject}/owners/$ref", write, registrations.add_owner),
            ("DELETE", f"/{subject}/owners/{{owner}}/$ref", write, registrations.remove_owner),
        )
    ),
    # Access
    ("POST", "/$batch", _SIGNED_IN, batch.run_batch),
    ("GET", "/me", _SIGNED_IN, access.get_me),
    ("GET", "/organization", _SIGNED_IN, access.list_organization),
    ("GET", "/organization/{organization}", _SIGNED_IN, access.get_organization),
    ("GET", f"{_ROLES}/roleDefinitions", _SIGNED_IN, access.list_definitions),
    ("GET", f"{_ROLES}/roleDefinitions/{{role}}", _SIGNED_IN, access.get_definition),
    ("GET", f"{_ROLES}/roleAssignments", _ACCESS, access.list_assignments),
    ("POST", f"{_ROLES}/roleAssignments", _ACCESS, access.assign_role),
    ("GET", f"{_ROLES}/roleAssignments/{{assignment}}", _ACCESS, access.get_assignment),
    ("DELETE", f"{_ROLES}/roleAssignments/{{assignment}}", _ACCESS, access.unassign_role),
    ("GET", "/tokens", _ACCESS, access.list_tokens),
    ("POST", "/tokens", _ACCESS, access.create_token),
    ("DELETE", "/tokens/{token}", _ACCESS, access.revoke_token),
    ("GET", "/administrators", _ACCESS, access.list_administrators),
    ("POST", "/administrators", _ACCESS, access.create_administrator),
    ("PATCH", "/administrators/{administrator}", _ACCESS, access.update_administrator),
    ("DELETE", "/administrators/{administrator}", _ACCESS, access.remove_administrator),
    ("DELETE", "/administrators/{administrator}/secondFactor", _ACCESS, sign_ins.remove_administrator_factor),
    # Assignments
    ("GET", f"{_SP}/appRoleAssignedTo", _READ, applications.list_assigned_to),
    ("POST", f"{_SP}/appRoleAssignedTo", _WRITE, applications.assign),
    ("GET", f"{_SP}/appRoleAssignedTo/$count", _READ, counted(applications.list_assigned_to)),
    ("GET", f"{_SP}/appRoleAssignedTo/{{assignment}}", _READ, applications.get_assigned_to),
    ("DELETE", f"{_SP}/appRoleAssignedTo/{{assignment}}", _WRITE, applications.unassign),
    ("GET", f"{_SP}/awaitedAssignments", _READ, applications.list_awaited),
    ("DELETE", f"{_SP}/awaitedAssignments/{{assignment}}", _WRITE, applications.stop_awaiting),
    *(
        row
        for holder in ("users/{user}", "groups/{group}")
        for row in (
            ("GET", f"/{holder}/appRoleAssignments", _READ, applications.list_assignments),
            ("POST", f"/{holder}/appRoleAssignments", _WRITE, applications.assign_principal),
            ("GET", f"/{holder}/appRoleAssignments/{{assignment}}", _READ, applications.get_assignment),
            ("DELETE", f"/{holder}/appRoleAssignments/{{assignment}}", _WRITE, applications.unassign_principal),
        )
    ),
    # Synchronization
    ("GET", _SYNC, _READ, synchronization.get_synchronization),
    ("GET", f"{_SYNC}/dialect", _READ, dialects.get_dialect),
    ("PATCH", f"{_SYNC}/dialect", _WRITE, dialects.update_dialect),
    ("POST", f"{_SYNC}/examine", _WRITE, dialects.examine),
    ("GET", f"{_SYNC}/secrets", _READ, synchronization.get_secrets),
    ("PUT", f"{_SYNC}/secrets", _WRITE, synchronization.put_secrets),
    ("POST", f"{_SYNC}/acquireAccessToken", _WRITE, synchronization.acquire_access_token),
    ("GET", f"{_SYNC}/templates", _READ, synchronization.list_templates),
    ("GET", f"{_SYNC}/secrets/$count", _READ, counted(synchronization.get_secrets)),
    ("GET", f"{_SYNC}/templates/$count", _READ, counted(synchronization.list_templates)),
    ("GET", f"{_SYNC}/templates/{{template}}", _READ, synchronization.get_template),
    ("GET", f"{_SYNC}/templates/{{template}}/schema", _READ, schema.get_template_schema),
    ("GET", f"{_SYNC}/jobs", _READ, synchronization.list_jobs),
    ("POST", f"{_SYNC}/jobs", _WRITE, synchronization.create_job),
    ("GET", f"{_SYNC}/jobs/$count", _READ, synchronization.count_jobs),
    ("POST", f"{_SYNC}/jobs/validateCredentials", _WRITE, synchronization.validate_credentials),
    ("GET", _JOB, _READ, synchronization.get_job),
    ("PATCH", _JOB, _WRITE, synchronization.update_job),
    ("DELETE", _JOB, _WRITE, synchronization.delete_job),
    ("POST", f"{_JOB}/start", _RUN, synchronization.start_job),
    ("POST", f"{_JOB}/pause", _RUN, synchronization.pause_job),
    ("POST", f"{_JOB}/restart", _RUN, synchronization.restart_job),
    ("POST", f"{_JOB}/validateCredentials", _WRITE, synchronization.validate_credentials),
    ("POST", f"{_JOB}/provisionOnDemand", _RUN, synchronization.provision_on_demand),
    ("POST", f"{_JOB}/bulkUpload", _WRITE_PEOPLE, synchronization.bulk_upload_people),
    ("GET", _SCHEMA, _READ, schema.get_schema),
    ("PUT", _SCHEMA, _WRITE, schema.put_schema),
    ("PATCH", _SCHEMA, _WRITE, schema.patch_schema),
    ("DELETE", _SCHEMA, _WRITE, schema.delete_schema),
    ("GET", f"{_SCHEMA}/functions", _READ, schema.list_functions),
    ("GET", f"{_SCHEMA}/filterOperators", _READ, schema.list_filter_operators),
    ("POST", f"{_SCHEMA}/parseExpression", _READ, schema.parse_expression),
    ("GET", f"{_SCHEMA}/directories", _READ, schema.list_directories),
    ("GET", f"{_SCHEMA}/directories/$count", _READ, counted(schema.list_directories)),
    ("GET", f"{_SCHEMA}/directories/{{directory}}", _READ, schema.get_directory),
    ("POST", f"{_SCHEMA}/directories/{{directory}}/discover", _WRITE, schema.discover_directory),
    # Single sign-on by OpenID Connect (ours)
    ("GET", f"{_SP}/openIdConnect", _READ, openid.get_settings),
    ("PATCH", f"{_SP}/openIdConnect", _WRITE, openid.update_settings),
    ("POST", f"{_SP}/openIdConnect/secrets", _WRITE, openid.add_secret),
    ("DELETE", f"{_SP}/openIdConnect/secrets/{{secret}}", _WRITE, openid.remove_secret),
    ("POST", "/openIdConnect/rollKey", Permission.MANAGE_INSTALLATION, openid.roll_key),
    ("GET", "/identityProvider", _READ, identity_provider.get_provider),
    ("PATCH", "/identityProvider", Permission.MANAGE_INSTALLATION, identity_provider.update_provider),
    ("DELETE", "/identityProvider", Permission.MANAGE_INSTALLATION, identity_provider.remove_provider),
    ("POST", "/identityProvider/test", Permission.MANAGE_INSTALLATION, identity_provider.look_at_provider),
    # Logs
    ("GET", "/auditLogs/provisioning", Permission.READ_LOGS, logs.list_provisioning),
    ("GET", "/auditLogs/provisioning/export", Permission.READ_LOGS, logs.export_provisioning),
    ("GET", "/auditLogs/provisioning/{entry}", Permission.READ_LOGS, logs.get_provisioning),
    ("GET", "/auditLogs/directoryAudits", Permission.READ_LOGS, logs.list_audits),
    ("GET", "/auditLogs/directoryAudits/{entry}", Permission.READ_LOGS, logs.get_audit),
    ("GET", "/auditLogs/signIns", Permission.READ_LOGS, sign_ins.list_sign_ins),
    ("GET", "/auditLogs/signIns/{entry}", Permission.READ_LOGS, sign_ins.get_sign_in),
    # Ours
    ("POST", f"{_SCHEMA}/validate", _READ, schema.validate_schema),
    ("GET", f"{_SCHEMA}/versions", _READ, schema.list_versions),
    ("GET", f"{_SCHEMA}/versions/{{version}}", _READ, schema.get_version),
    ("POST", f"{_SCHEMA}/versions/{{version}}/restore", _WRITE, schema.restore_version),
    ("POST", f"{_SYNC}/presentedCertificate", _WRITE, synchronization.presented_certificate),
    ("GET", _ATTRIBUTES, _READ, schema.list_attributes),
    ("POST", _ATTRIBUTES, _WRITE, schema.add_attribute),
    ("GET", f"{_ATTRIBUTES}/{{attribute}}", _READ, schema.get_attribute),
    ("PATCH", f"{_ATTRIBUTES}/{{attribute}}", _WRITE, schema.update_attribute),
    ("DELETE", f"{_ATTRIBUTES}/{{attribute}}", _WRITE, schema.delete_attribute),
    ("GET", f"{_JOB}/plans", _READ, plans.list_plans),
    ("POST", f"{_JOB}/plans", _RUN, plans.make_plan),
    ("GET", f"{_JOB}/plans/{{plan}}", _READ, plans.get_plan),
    ("GET", f"{_JOB}/plans/{{plan}}/operations", _READ, plans.list_planned),
    ("GET", f"{_JOB}/plans/{{plan}}/held", _READ, plans.list_held),
    ("POST", f"{_JOB}/plans/{{plan}}/apply", _RUN, plans.apply_plan),
    ("POST", f"{_JOB}/whatIf", _READ, plans.what_if),
    ("POST", f"{_JOB}/cycles/{{cycle}}/rollback", _RUN, plans.roll_back),
    ("GET", f"{_JOB}/heldOperations", _READ, holds.list_held),
    ("GET", f"{_JOB}/heldOperations/causes", _READ, holds.list_causes),
    ("POST", f"{_JOB}/heldOperations/approve", _RUN, holds.approve_held),
    ("POST", f"{_JOB}/heldOperations/reject", _RUN, holds.reject_held),
    ("GET", f"{_JOB}/safeguards", _READ, holds.get_safeguards),
    ("PATCH", f"{_JOB}/safeguards", _WRITE, holds.change_safeguards),
    ("POST", f"{_JOB}/safeguards/whatIf", _READ, holds.weigh_safeguards),
    ("GET", f"{_JOB}/cycles", _READ, plans.list_cycles),
    ("POST", f"{_JOB}/cycles", _RUN, plans.run_cycle),
    ("GET", f"{_JOB}/reconciliation", _READ, reconciliation.get_reconciliation),
    ("GET", f"{_JOB}/discoveredAccounts", _READ, reconciliation.list_discovered),
    ("GET", f"{_JOB}/explain", _READ, plans.explain),
    ("GET", f"{_JOB}/objectConnections", _READ, links.list_connections),
    ("GET", f"{_JOB}/objectConnections/{{object}}", _READ, links.get_connection),
    ("DELETE", f"{_JOB}/objectConnections/{{object}}", _RUN, links.delete_connection),
    ("GET", f"{_JOB}/wireLog", _READ, wire_log.list_exchanges),
    ("POST", f"{_JOB}/wireLog", _WRITE, wire_log.switch),
    ("GET", "/sources", _READ, sources.list_sources),
    ("POST", "/sources", _WRITE, sources.add_source),
    ("GET", "/sources/kinds", _READ, sources.list_kinds),
    ("GET", "/sources/{source}", _READ, sources.get_source),
    ("DELETE", "/sources/{source}", _WRITE, sources.remove_source),
    ("GET", f"{_JOB}/mirror", _READ, sources.get_mirror),
    ("POST", f"{_JOB}/mirror/acceptMissing", _RUN, sources.accept_missing),
    ("POST", f"{_JOB}/mirror/readAnew", _RUN, sources.read_anew),
    ("GET", f"{_JOB}/links", _READ, links.list_links),
    ("POST", f"{_JOB}/links/promote", _RUN, links.promote_links),
    ("GET", "/notifications/settings", _READ, notifications.get_settings),
    ("PATCH", "/notifications/settings", Permission.MANAGE_INSTALLATION, notifications.update_settings),
    ("POST", "/notifications/test", Permission.MANAGE_INSTALLATION, notifications.tell_test),
    ("GET", "/notifications/deliveries", _READ, notifications.list_deliveries),
    ("GET", "/configuration", _READ, configuration.get_configuration),
    ("GET", "/configuration/schema", _READ, configuration.get_schema),
    ("POST", "/configuration/plan", _WRITE, configuration.plan),
    ("POST", "/configuration/apply", _WRITE, configuration.apply),
    ("POST", "/imports", _WRITE_PEOPLE, plans.import_file),
    ("GET", "/imports/{work}", _WRITE_PEOPLE, plans.get_work),
    ("GET", "/work/{work}", _READ, plans.get_work),
)

# Owners see what is theirs in these; what has an application in its path they may call for their own.
_OPEN_TO_OWNERS = frozenset(
    {
        applications.list_applications,
        applications.list_service_principals,
        logs.list_provisioning,
        logs.get_provisioning,
        plans.get_work,
    }
)
_FINDING = frozenset({"$filter", "$search", "$orderby"})
_LOOKING = frozenset({"$filter", "$orderby"})
# What a call follows of $filter, $search, $orderby and $expand; a call that is not here follows none of them.
_OPTIONS: dict[Handler, frozenset[str]] = {
    people.list_users: _FINDING | {"$expand"},
    people.count_users: _FINDING,
    people.get_user: frozenset({"$expand"}),
    people.list_groups: _FINDING,
    people.count_groups: _FINDING,
    groups.get_group: frozenset({"$expand"}),
    # These refuse with a reason what makes no sense of a round of changes.
    delta.user_delta: _FINDING,
    delta.group_delta: _FINDING,
    recycling.list_users: _FINDING | {"$expand"},
    recycling.list_groups: _FINDING,
    recycling.list_applications: _FINDING,
    recycling.list_service_principals: _FINDING,
    applications.list_templates: _FINDING,
    applications.list_applications: _FINDING,
    applications.list_service_principals: _FINDING,
    applications.list_assigned_to: _FINDING,
    applications.list_assignments: _FINDING,
    access.list_definitions: _FINDING,
    access.list_assignments: _FINDING,
    access.list_tokens: _FINDING,
    access.list_administrators: _FINDING,
    logs.list_provisioning: _LOOKING,
    logs.export_provisioning: _LOOKING,
    logs.list_audits: _LOOKING,
    sign_ins.list_sign_ins: _LOOKING,
}
_EXPANDED: dict[Handler, frozenset[str]] = {
    people.list_users: frozenset({"manager"}),
    people.get_user: frozenset({"manager"}),
    groups.get_group: frozenset({"members"}),
    recycling.list_users: frozenset({"manager"}),
}
_LARGE: dict[Handler, int] = {plans.import_file: IMPORT_BYTES}

_BY_PATH = {path: handler for method, path, _, handler in _TABLE if method == "GET"}

ROUTES: tuple[Route, ...] = tuple(
    Route(
        method=method,
        path=path,
        permission=permission,
        handler=handler,
        limit_bytes=_LARGE.get(handler),
        is_open_to_owners=handler in _OPEN_TO_OWNERS,
        # A collection is counted as it is listed.
        expands=_EXPANDED.get(handler, frozenset()),
        options=_OPTIONS.get(handler) or _OPTIONS.get(_BY_PATH.get(path.removesuffix("/$count"), handler), frozenset()),
    )
    for method, path, permission, handler in _TABLE
)
