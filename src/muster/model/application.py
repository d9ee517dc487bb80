"""Enterprise applications, app roles and assignments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster.model.directory import ObjectKind
from muster.model.roles import Caller

DEFAULT_ACCESS = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRole:
    """A role of an application's manifest (Graph appRole)."""

    id: str
    display_name: str
    value: str | None = None
    description: str = ""
    is_enabled: bool = True
    allowed_member_types: tuple[str, ...] = ("User",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseApplication:
    """An application registered in the directory: Graph's application and servicePrincipal in one."""

    service_principal_id: str
    application_id: str
    app_id: str
    template_id: str
    display_name: str
    app_roles: tuple[AppRole, ...]
    # False: people who hold only Default Access are not effectively entitled (8x8's gallery page, 2020).
    accepts_default_access: bool
    is_enabled: bool = True
    # In My Apps, for people who are assigned to it.
    is_visible: bool = True
    notes: str | None = None
    # Fields of the dialect (scim.dialect) that an administrator has set otherwise than the gallery page.
    dialect: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    # In the recycle bin since.
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRoleAssignment:
    """A role given to a user or group (Graph appRoleAssignment)."""

    id: str
    service_principal_id: str
    principal_id: str
    principal_kind: ObjectKind
    principal_display_name: str
    role_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedAssignment:
    """A role for somebody whom the directory does not have yet: given as soon as it does.

    `name` is a user's principal name, or a group's display name.
    """

    id: str
    principal_kind: ObjectKind
    name: str
    role_id: str
    created_at: datetime
    # Who declared it: it is given in their name.
    by: Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGrant:
    """One way in which an object came to a role: directly, or as a direct member of an assigned group."""

    role_id: str
    role_value: str | None
    role_display_name: str
    # None: assigned directly.
    via_group_id: str | None = None
    via_group_name: str | None = None


class SecretKey(StrEnum):
    """Keys of synchronization secrets that this product acts on (others are kept and given back)."""

    BASE_ADDRESS = "BaseAddress"
    SECRET_TOKEN = "SecretToken"  # noqa: S105  the key's name on Graph's wire, no secret
    USER_NAME = "UserName"
    PASSWORD = "Password"  # noqa: S105  likewise
    AUTHENTICATION_TYPE = "AuthenticationType"
    CLIENT_IDENTIFIER = "ClientIdentifier"
    CLIENT_SECRET = "ClientSecret"  # noqa: S105  likewise
    OAUTH2_CLIENT_ID = "Oauth2ClientId"
    OAUTH2_CLIENT_SECRET = "Oauth2ClientSecret"  # noqa: S105  likewise
    OAUTH2_TOKEN_EXCHANGE_URI = "Oauth2TokenExchangeUri"  # noqa: S105  likewise
    OAUTH2_AUTHORIZATION_CODE = "Oauth2AuthorizationCode"
    OAUTH2_REDIRECT_URI = "Oauth2RedirectUri"
    OAUTH2_ACCESS_TOKEN = "Oauth2AccessToken"  # noqa: S105  likewise
    OAUTH2_ACCESS_TOKEN_CREATION_TIME = "Oauth2AccessTokenCreationTime"  # noqa: S105  likewise
    OAUTH2_REFRESH_TOKEN = "Oauth2RefreshToken"  # noqa: S105  likewise
    TOKEN_EXPIRATION = "TokenExpiration"  # noqa: S105  likewise
    # Ours: Graph has no key for these.
    TOKEN_EXCHANGE_URI = "TokenExchangeUri"  # noqa: S105  likewise
    OAUTH2_SCOPE = "Oauth2Scope"
    OAUTH2_CLIENT_AUTHENTICATION = "Oauth2ClientAuthentication"
    HEADER_NAME = "HeaderName"
    HEADER_VALUE = "HeaderValue"
    CLIENT_CERTIFICATE = "ClientCertificate"
    CLIENT_CERTIFICATE_KEY = "ClientCertificateKey"
    TRUSTED_CERTIFICATES = "TrustedCertificates"
    # What is no credential.
    SYNC_ALL = "SyncAll"
    SYNC_NOTIFICATION_SETTINGS = "SyncNotificationSettings"
    SKIP_OUT_OF_SCOPE_DELETIONS = "SkipOutOfScopeDeletions"
