"""Synchronization secrets: which keys there are, which of them never show, and what each of them takes.

Source: Microsoft Graph, synchronizationSecret.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from muster.administration.refusals import Refused, bad_request
from muster.model.application import SecretKey
from muster.model.connection import ConnectionField
from muster.model.credentials import (
    ENVIRONMENT_PREFIX,
    AuthenticationType,
    ClientAuthentication,
    is_reference,
    read_choice,
)
from muster.model.failures import CredentialsRefused
from muster.planning.notices import addresses_in, is_mail_address
from muster.transport.certificates import CertificateInvalid, check_identity, read_certificates

MASK = "********"
VALUE_LIMIT = 10_000
PEM_LIMIT = 200_000
URL_LIMIT = 2_048
RECIPIENTS_LIMIT = 10
SWITCHES = frozenset({SecretKey.SYNC_ALL.value, SecretKey.SKIP_OUT_OF_SCOPE_DELETIONS.value})

# What may be kept at all: Graph's keys, then ours.
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
        "TokenExchangeUri",
        "Oauth2Scope",
        "Oauth2ClientAuthentication",
        "HeaderName",
        "HeaderValue",
        "ClientCertificate",
        "ClientCertificateKey",
        "TrustedCertificates",
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
        "HeaderValue",
        "ClientCertificateKey",
    ]
)
_PEM_KEYS = frozenset(
    {
        SecretKey.CLIENT_CERTIFICATE.value,
        SecretKey.CLIENT_CERTIFICATE_KEY.value,
        SecretKey.TRUSTED_CERTIFICATES.value,
    }
)
# What may be kept elsewhere and named here (`env:NAME`, `file:NAME`).
_REFERRING_KEYS = MASKED_KEYS | _PEM_KEYS | {"UserName", "ClientIdentifier", "Oauth2ClientId"}
_ENVIRONMENT_NAME = re.compile(rf"{ENVIRONMENT_PREFIX}[A-Z0-9_]+")
_FILE_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# A request forms these itself.
_OWN_HEADERS = frozenset(
    {"accept", "connection", "content-length", "content-type", "cookie", "host", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)


def checked_secrets(secrets: Mapping[str, str], fields: Sequence[ConnectionField] = ()) -> Mapping[str, str]:
    """Returns the secrets as they may be kept. Raises: Refused naming the key that is wrong, never its value.

    Args:
        fields: of a source: the fields of its connection, which are keys, too.
    """
    own = {field.name: field for field in fields}
    for key, value in secrets.items():
        if key not in KNOWN_KEYS and key not in own:
            raise bad_request(f"“{key[:60]}” is no key of synchronization secrets.", code="InvalidSecretKey")
        _check_text(key, value, is_long=key in own and own[key].multiline)
        choices = own[key].choices if key in own else ()
        if value and choices and value not in choices:
            raise bad_request(f"{key} takes {' or '.join(choices)}.")
        if key in SWITCHES and value.lower() not in ("", "true", "false"):
            raise bad_request(f"{key} takes true or false.")
        if not value or value == MASK:
            continue
        if key in _REFERRING_KEYS and is_reference(value):
            _check_reference(key, value)
        elif key in _CHECKS:
            _CHECKS[key](value)
    return secrets


def check_identity_of(secrets: Mapping[str, str]) -> None:
    """Checks that client certificate and key go together, where both are held here. Raises: Refused."""
    certificate, key = secrets.get(SecretKey.CLIENT_CERTIFICATE), secrets.get(SecretKey.CLIENT_CERTIFICATE_KEY)
    if certificate and key and not is_reference(certificate) and not is_reference(key):
        try:
            check_identity(certificate, key)
        except CertificateInvalid as error:
            raise _invalid_certificate(SecretKey.CLIENT_CERTIFICATE_KEY, error) from error


def check_url(name: str, url: str, *, code: str) -> None:
    """Checks the shape of an address that is called; `name` is the key it stands under. Raises: Refused."""
    problem = None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise bad_request(f"{name} is no web address.", code=code) from None
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
        raise bad_request(f"{name} {problem}.", code=code)


def masked_keys(fields: Sequence[ConnectionField] = ()) -> frozenset[str]:
    """Returns the keys whose values never show; `fields` are those of a source's connection."""
    return MASKED_KEYS | {field.name for field in fields if field.is_secret}


def _check_text(key: str, value: str, *, is_long: bool = False) -> None:
    is_long = is_long or key in _PEM_KEYS
    limit = PEM_LIMIT if is_long else VALUE_LIMIT
    if len(value) > limit:
        raise bad_request(f"The value of {key} has more than {limit} characters.")
    allowed = "\r\n\t" if is_long else ""
    if any(ord(character) < 32 and character not in allowed for character in value):
        raise bad_request(f"The value of {key} holds a control character, perhaps from copying: enter it again.")


def _check_reference(key: str, value: str) -> None:
    kind, _, name = value.partition(":")
    if kind == "env" and not _ENVIRONMENT_NAME.fullmatch(name):
        raise bad_request(
            f"{key} may name a variable that begins with {ENVIRONMENT_PREFIX}, in capitals, digits and underscores: "
            f"env:{ENVIRONMENT_PREFIX}CRM.",
            code="InvalidReference",
        )
    if kind == "file" and not (len(name) <= 1_024 and _FILE_NAME.fullmatch(name)):
        raise bad_request(
            f"{key} may name a file within the folder of credentials (MUSTER_CREDENTIALS_FOLDER): file:crm/token.",
            code="InvalidReference",
        )


def _check_header_name(name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise bad_request("HeaderName takes the name of a header, such as X-API-Key.")
    if name.lower() in _OWN_HEADERS:
        raise bad_request(f"HeaderName cannot be {name}: that header is formed with each request.")


def _choice_of(key: SecretKey, choices: type[StrEnum]) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            read_choice(choices, value)
        except CredentialsRefused as refused:
            raise bad_request(f"{key.value}: {refused.sentence}") from refused

    return check


def _check_certificates(key: SecretKey) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            read_certificates(value)
        except CertificateInvalid as error:
            raise _invalid_certificate(key, error) from error

    return check


def _invalid_certificate(key: SecretKey, error: CertificateInvalid) -> Refused:
    return bad_request(f"{key.value} cannot be used: {error}.", code="InvalidCertificate")


def _address_of(key: str, name: str, code: str) -> Callable[[str], None]:
    return lambda value: check_url(f"{name} ({key})", value, code=code)


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


_CHECKS: Mapping[str, Callable[[str], None]] = {
    SecretKey.BASE_ADDRESS: _address_of(SecretKey.BASE_ADDRESS, "The Tenant URL", "InvalidTenantUrl"),
    **{
        key: _address_of(key, "The token endpoint", "InvalidTokenEndpoint")
        for key in (SecretKey.OAUTH2_TOKEN_EXCHANGE_URI, SecretKey.TOKEN_EXCHANGE_URI)
    },
    "Oauth2AuthorizationUri": _address_of(
        "Oauth2AuthorizationUri", "The authorization address", "InvalidAuthorizationAddress"
    ),
    SecretKey.AUTHENTICATION_TYPE: _choice_of(SecretKey.AUTHENTICATION_TYPE, AuthenticationType),
    SecretKey.OAUTH2_CLIENT_AUTHENTICATION: _choice_of(SecretKey.OAUTH2_CLIENT_AUTHENTICATION, ClientAuthentication),
    SecretKey.HEADER_NAME: _check_header_name,
    SecretKey.CLIENT_CERTIFICATE: _check_certificates(SecretKey.CLIENT_CERTIFICATE),
    SecretKey.TRUSTED_CERTIFICATES: _check_certificates(SecretKey.TRUSTED_CERTIFICATES),
    SecretKey.SYNC_NOTIFICATION_SETTINGS: _check_notifications,
}
