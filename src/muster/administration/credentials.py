"""Synchronization secrets: kept, shown masked, and tried out (Test Connection)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from muster.administration.applications import find_application
from muster.administration.desk import Change, Desk
from muster.administration.refusals import bad_request, refusal_of
from muster.model.application import SecretKey
from muster.model.failures import ProvisioningFailure
from muster.model.roles import Permission
from muster.model.schema_document import read_schema
from muster.planning.checks import find_role_problems
from muster.planning.notices import addresses_in, is_mail_address

CATEGORY = "ProvisioningManagement"
MASK = "********"
VALUE_LIMIT = 10_000
URL_LIMIT = 2_048
RECIPIENTS_LIMIT = 10

# Graph's synchronizationSecret: what may be kept at all.
KNOWN_KEYS = frozenset(
    [
        "UserName",
        "Password",
        "SecretToken",
        "AppKey",
        "BaseAddress",
        "ClientIdentifier",
        "ClientSecret",
        "SingleSignOnType",
        "Sandbox",
        "Url",
        "Domain",
        "ConsumerKey",
        "ConsumerSecret",
        "TokenKey",
        "TokenExpiration",
        "Oauth2AccessToken",
        "Oauth2AccessTokenCreationTime",
        "Oauth2RefreshToken",
        "SyncAll",
        "InstanceName",
        "Oauth2ClientId",
        "Oauth2ClientSecret",
        "CompanyId",
        "UpdateKeyOnSoftDelete",
        "SynchronizationSchedule",
        "SystemOfRecord",
        "SandboxName",
        "EnforceDomain",
        "SyncNotificationSettings",
        "SkipOutOfScopeDeletions",
        "Oauth2AuthorizationCode",
        "Oauth2RedirectUri",
        "ApplicationTemplateIdentifier",
        "Oauth2TokenExchangeUri",
        "Oauth2AuthorizationUri",
        "AuthenticationType",
        "Server",
        "PerformInboundEntitlementGrants",
        "HardDeletesEnabled",
        "SyncAgentCompatibilityKey",
        "SyncAgentADContainer",
        "ValidateDomain",
        "TestReferences",
        "ConnectionString",
    ]
)
MASKED_KEYS = frozenset(
    [
        "Password",
        "SecretToken",
        "AppKey",
        "ClientSecret",
        "ConsumerSecret",
        "TokenKey",
        "Oauth2AccessToken",
        "Oauth2RefreshToken",
        "Oauth2ClientSecret",
        "Oauth2AuthorizationCode",
        "ConnectionString",
    ]
)
_SWITCHES = frozenset({SecretKey.SYNC_ALL.value, SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS.value})
# Changing one of these alters who is in scope: everyone is looked at again.
_SCOPE_KEYS = _SWITCHES


def put_secrets(desk: Desk, service_principal_id: str, secrets: Mapping[str, str]) -> None:
    """Replaces an application's secrets; an empty value removes a key, a masked one keeps what is stored.

    Raises: Refused.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    stored = desk.stores.secrets.get(application.service_principal_id)
    merged = _merged(stored, secrets)
    if merged.get(SecretKey.SYNC_ALL, "").lower() == "true":
        _check_role_mappings(desk, application.service_principal_id)
    desk.stores.secrets.put(application.service_principal_id, merged)
    if any((stored.get(key) or "").lower() != merged.get(key, "").lower() for key in _SCOPE_KEYS):
        for job in desk.stores.jobs.list(application.service_principal_id):
            desk.stores.jobs.set_watermark(job.id, None)
    changes = _changes(stored, merged)
    if changes:
        desk.note(
            "Update provisioning setting or credentials",
            CATEGORY,
            target=("ServicePrincipal", application.service_principal_id, application.display_name),
            changes=changes,
        )


def shown_secrets(desk: Desk, service_principal_id: str) -> Mapping[str, str]:
    """Returns an application's secrets with everything that is secret masked. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    stored = desk.stores.secrets.get(application.service_principal_id)
    return _masked(stored)


def validate(
    desk: Desk, service_principal_id: str, credentials: Mapping[str, str] | None, *, job_id: str | None = None
) -> None:
    """Tries credentials (None: the saved ones) at the target: Test Connection.

    Raises: Refused with the target's code, sentence and remedy.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    stored = desk.stores.secrets.get(application.service_principal_id)
    tried = stored if credentials is None else _merged(stored, {**_masked(stored), **credentials})
    if not tried.get(SecretKey.BASE_ADDRESS):
        raise bad_request("There is no Tenant URL yet: enter it and the secret token.", code="CredentialsMissing")
    try:
        target = desk.open_target(application.service_principal_id, None if credentials is None else tried)
        target.probe(_matching_attribute(desk, application.service_principal_id, job_id))
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure


def checked_secrets(secrets: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the secrets as they may be kept. Raises: Refused naming the key that is wrong, never its value."""
    for key, value in secrets.items():
        if key not in KNOWN_KEYS:
            raise bad_request(f"“{key[:60]}” is no key of synchronization secrets.", code="InvalidSecretKey")
        if len(value) > VALUE_LIMIT:
            raise bad_request(f"The value of {key} has more than {VALUE_LIMIT} characters.")
        if any(ord(character) < 32 for character in value):
            raise bad_request(f"The value of {key} holds a control character, perhaps from copying: enter it again.")
        if key in _SWITCHES and value.lower() not in ("", "true", "false"):
            raise bad_request(f"{key} takes true or false.")
    if secrets.get(SecretKey.BASE_ADDRESS):
        check_tenant_url(secrets[SecretKey.BASE_ADDRESS])
    if secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS):
        _check_notifications(secrets[SecretKey.SYNC_NOTIFICATION_SETTINGS])
    return secrets


def check_tenant_url(url: str) -> None:
    """Checks the shape of a Tenant URL. Raises: Refused."""
    problem = None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise bad_request("The Tenant URL (BaseAddress) is no web address.", code="InvalidTenantUrl") from None
    if len(url) > URL_LIMIT:
        problem = f"is longer than {URL_LIMIT} characters"
    elif parts.scheme not in ("https", "http"):
        problem = "must begin with https:// (or http:// for a target that has no TLS)"
    elif not parts.hostname or any(character.isspace() for character in url):
        problem = "is no web address"
    elif parts.username is not None or parts.password is not None:
        problem = "must not hold a user name or password: enter the secret token in its own field"
    elif parts.fragment:
        problem = "must not hold a #fragment"
    if problem:
        raise bad_request(f"The Tenant URL (BaseAddress) {problem}.", code="InvalidTenantUrl")


def _merged(stored: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    wanted = dict(checked_secrets(given))
    masked = [key for key, value in wanted.items() if key in MASKED_KEYS and value == MASK]
    for key in masked:
        wanted[key] = stored.get(key, "")
    # Else a stored token could be sent to an address of the caller's choice, and so be read.
    if any(wanted[key] for key in masked) and _origin(wanted) != _origin(stored):
        raise bad_request("The Tenant URL leads to another server: enter the secret token again.")
    return {key: value for key, value in wanted.items() if value}


def _masked(secrets: Mapping[str, str]) -> dict[str, str]:
    return {key: MASK if key in MASKED_KEYS else value for key, value in secrets.items()}


def _origin(secrets: Mapping[str, str]) -> tuple[str, str | None, int | None]:
    parts = urlsplit(secrets.get(SecretKey.BASE_ADDRESS, ""))
    return parts.scheme, parts.hostname, parts.port


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        (key, _shown(key, before.get(key)), _shown(key, after.get(key)))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


def _shown(key: str, value: str | None) -> str | None:
    return MASK if value is not None and key in MASKED_KEYS else value


def _check_notifications(text: str) -> None:
    try:
        settings: Any = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise bad_request(
            'SyncNotificationSettings takes a JSON object such as {"Enabled":true,"Recipients":"it@example.com"}.'
        )
    addresses = addresses_in(str(settings.get("Recipients") or ""))
    if len(addresses) > RECIPIENTS_LIMIT or not all(is_mail_address(address) for address in addresses):
        raise bad_request(f"Recipients takes up to {RECIPIENTS_LIMIT} e-mail addresses, separated by commas.")
    threshold = settings.get("DeleteThresholdValue")
    if threshold is not None and (not isinstance(threshold, int) or isinstance(threshold, bool) or threshold < 0):
        raise bad_request("DeleteThresholdValue takes a whole number from 0.")


def _check_role_mappings(desk: Desk, service_principal_id: str) -> None:
    """Refuses scope "all users and groups" while a mapping needs assignments."""
    for job in desk.stores.jobs.list(service_principal_id):
        problems = find_role_problems(read_schema(desk.stores.jobs.schema(job.id).document))
        if problems:
            raise bad_request(problems[0], code="RolesNeedAssignments")


def _matching_attribute(desk: Desk, service_principal_id: str, job_id: str | None) -> str:
    """The first matching attribute of the job's mapping of users; before a job exists `userName`."""
    jobs = desk.stores.jobs.list(service_principal_id)
    chosen = next((job for job in jobs if job_id in (None, job.id)), None)
    if chosen is None:
        return "userName"
    schema = read_schema(desk.stores.jobs.schema(chosen.id).document)
    matching = sorted(
        (attribute.matching_priority, attribute.target_attribute)
        for rule in schema.rules[:1]
        for mapping in rule.object_mappings[:1]
        for attribute in mapping.attribute_mappings
        if attribute.matching_priority > 0
    )
    return matching[0][1] if matching else "userName"
