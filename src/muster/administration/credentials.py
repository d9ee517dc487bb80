"""Credentials and settings of an application: kept, shown masked, tried out (Test Connection), authorized."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from muster.administration.applications import find_application, require_managed, template_of
from muster.administration.desk import Change, Desk
from muster.administration.refusals import bad_request, refusal_of
from muster.administration.secrets import MASK, SWITCHES, check_identity_of, checked_secrets, masked_keys
from muster.model.application import SecretKey
from muster.model.certificates import PresentedCertificate
from muster.model.connection import ConnectionField
from muster.model.credentials import is_reference, token_endpoint_of
from muster.model.failures import ProvisioningFailure
from muster.model.roles import Permission
from muster.model.schema_document import read_schema
from muster.planning.checks import find_role_problems
from muster.sealing import SealingError

CATEGORY = "ProvisioningManagement"
# Changing one of these alters who is in scope: everyone is looked at again.
_SCOPE_KEYS = SWITCHES
# Of a source: where its password goes.
_SERVER = "Server"
_AUTHORIZED_KEYS = (
    SecretKey.OAUTH2_ACCESS_TOKEN.value,
    SecretKey.OAUTH2_REFRESH_TOKEN.value,
    SecretKey.TOKEN_EXPIRATION.value,
)

# Graph keeps thresholds and whom to tell here: the installation's own jobs have them, and no credentials.
_GUARDING = frozenset({SecretKey.SYNC_NOTIFICATION_SETTINGS.value})


def put_secrets(desk: Desk, service_principal_id: str, secrets: Mapping[str, str]) -> None:
    """Replaces an application's secrets; an empty value removes a key, a masked one keeps what is stored.

    Raises: Refused.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    stored = _stored(desk, application.service_principal_id, secrets)
    connection = template_of(desk, application).connection
    if connection or {key for key, value in secrets.items() if value} - _GUARDING:
        require_managed(desk, application)
    merged = _merged(stored, secrets, connection)
    if merged.get(SecretKey.SYNC_ALL, "").lower() == "true":
        _check_role_mappings(desk, application.service_principal_id)
    desk.stores.secrets.put(application.service_principal_id, merged)
    if any((stored.get(key) or "").lower() != merged.get(key, "").lower() for key in _SCOPE_KEYS):
        for job in desk.stores.jobs.list(application.service_principal_id):
            desk.stores.jobs.set_watermark(job.id, None)
    changes = _changes(stored, merged, masked_keys(connection))
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
    return _masked(stored, masked_keys(template_of(desk, application).connection))


def lost_secrets(desk: Desk, service_principal_id: str) -> Sequence[str]:
    """Returns the names of the secrets that cannot be opened, as their key is lost: none or all. Raises: Refused."""
    try:
        shown_secrets(desk, service_principal_id)
    except SealingError:
        return desk.stores.secrets.names(service_principal_id)
    return ()


def kept_secrets(desk: Desk, service_principal_id: str) -> Mapping[str, str]:
    """Returns the secrets as shown; none while they are lost, so that they can be entered anew. Raises: Refused."""
    try:
        return shown_secrets(desk, service_principal_id)
    except SealingError:
        return {}


def validate(
    desk: Desk, service_principal_id: str, credentials: Mapping[str, str] | None, *, job_id: str | None = None
) -> str | None:
    """Tries credentials (None: the saved ones) at the target: Test Connection; returns what was found at a source.

    Raises: Refused with the target's code, sentence and remedy.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    tried = _tried(desk, service_principal_id, credentials)
    try:
        target = desk.engine_room.open_target(service_principal_id, None if credentials is None else tried)
        return target.probe(_matching_attribute(desk, service_principal_id, job_id))
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure


def acquire_token(desk: Desk, service_principal_id: str, credentials: Mapping[str, str] | None) -> None:
    """Exchanges an authorization code for tokens and keeps them with the credentials; without a code the credentials
    are tried, which fetches an access token where they are for one.

    Raises: Refused with the code, sentence and remedy of what the application says.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    given = dict(credentials or {})
    if not given.get(SecretKey.OAUTH2_AUTHORIZATION_CODE):
        validate(desk, service_principal_id, credentials)
        return
    tried = _tried(desk, service_principal_id, given)
    try:
        acquired = desk.engine_room.exchange_code(tried)
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure
    # A code is good once. What an authorization before this one has given is no longer true.
    spent = (*_AUTHORIZED_KEYS, SecretKey.OAUTH2_AUTHORIZATION_CODE.value)
    put_secrets(
        desk, service_principal_id, {**{key: value for key, value in tried.items() if key not in spent}, **acquired}
    )


def presented_certificate(
    desk: Desk, service_principal_id: str, credentials: Mapping[str, str] | None
) -> PresentedCertificate:
    """Returns what the server of the Tenant URL presents, for somebody to decide on trust. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    tried = _tried(desk, service_principal_id, credentials)
    try:
        return desk.engine_room.look_at_certificate(tried)
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure


def _tried(desk: Desk, service_principal_id: str, credentials: Mapping[str, str] | None) -> Mapping[str, str]:
    """The stored credentials with those that are given in their place."""
    application = find_application(desk, service_principal_id)
    stored = _stored(desk, application.service_principal_id, credentials)
    connection = template_of(desk, application).connection
    masked = _masked(stored, masked_keys(connection))
    tried = stored if credentials is None else _merged(stored, {**masked, **credentials}, connection)
    if connection:
        check_connection(connection, tried)
    elif not tried.get(SecretKey.BASE_ADDRESS):
        raise bad_request("There is no Tenant URL yet: enter it and the secret token.", code="CredentialsMissing")
    return tried


def _stored(desk: Desk, service_principal_id: str, given: Mapping[str, str] | None) -> Mapping[str, str]:
    """The stored secrets; none while the key that opens them is lost, for a list that keeps none of them."""
    try:
        return desk.stores.secrets.get(service_principal_id)
    except SealingError:
        if given is None or MASK in given.values():
            raise
        return {}


def check_connection(fields: Sequence[ConnectionField], secrets: Mapping[str, str]) -> None:
    """Checks that a source's connection has all that it needs. Raises: Refused naming what is missing."""
    missing = [field for field in fields if field.required and not secrets.get(field.name)]
    if missing:
        names = ", ".join(f"{field.label} ({field.name})" for field in missing)
        raise bad_request(f"The source has no {names} yet: enter it.", code="CredentialsMissing")


def _merged(
    stored: Mapping[str, str], given: Mapping[str, str], connection: Sequence[ConnectionField] = ()
) -> dict[str, str]:
    wanted = dict(checked_secrets(given, connection))
    hidden = masked_keys(connection)
    masked = [key for key, value in wanted.items() if key in hidden and value == MASK]
    for key in masked:
        wanted[key] = stored.get(key, "")
    kept = [key for key in masked if wanted[key]]
    # Else a stored token could be sent to an address of the caller's choice, and so be read.
    if kept:
        if _origin(wanted.get(SecretKey.BASE_ADDRESS)) != _origin(stored.get(SecretKey.BASE_ADDRESS)):
            raise bad_request("The Tenant URL leads to another server: enter the secret token again.")
        if token_endpoint_of(wanted) and _origin(token_endpoint_of(wanted)) != _origin(token_endpoint_of(stored)):
            if not token_endpoint_of(stored):
                raise bad_request(
                    f"There was no token endpoint before: enter the client secret, and send {' and '.join(kept)} empty "
                    "or as a new value; a secret that is kept is not taken to another server."
                )
            raise bad_request("The token endpoint is on another server: enter the client secret again.")
        if wanted.get(_SERVER) != stored.get(_SERVER):
            raise bad_request("The source is another server now: enter the password again.")
    check_identity_of(wanted)
    return {key: value for key, value in wanted.items() if value}


def _masked(secrets: Mapping[str, str], hidden: Collection[str]) -> dict[str, str]:
    return {key: _shown(key, value, hidden) or "" for key, value in secrets.items()}


def _origin(address: str | None) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address or "")
    return parts.scheme, parts.hostname, parts.port


def _changes(before: Mapping[str, str], after: Mapping[str, str], hidden: Collection[str]) -> tuple[Change, ...]:
    return tuple(
        (key, _shown(key, before.get(key), hidden), _shown(key, after.get(key), hidden))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


def _shown(key: str, value: str | None, hidden: Collection[str]) -> str | None:
    # Where a secret is kept is none.
    return MASK if value is not None and key in hidden and not is_reference(value) else value


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
