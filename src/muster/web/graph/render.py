"""Directory objects, applications and assignments as Graph shows them."""

from datetime import datetime
from typing import Any

from muster.gallery.catalogue import GalleryPage
from muster.model.application import AppRole, AppRoleAssignment, AwaitedAssignment, EnterpriseApplication
from muster.model.certificates import PresentedCertificate, ShownCertificate
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.directory import ATTRIBUTES_OF, USER_ATTRIBUTES, DirectoryObject, ObjectKind
from muster.web.graph.call import Document

# Microsoft Graph shows these of a user unless $select says otherwise, absent ones as null.
DEFAULT_PROPERTIES = (
    "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName", "accountEnabled",
)  # fmt: skip
EXTENSION_ATTRIBUTES = frozenset(f"extensionAttribute{number}" for number in range(1, 16))
LISTS_OF_ONE = frozenset({"businessPhones"})
_UNSET = "0001-01-01T00:00:00Z"
HIDDEN_TAG = "HideApp"


def instant(at: datetime | None) -> str | None:
    """Returns an instant as Graph writes it, None for none."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}{f'.{at.microsecond:06d}' if at.microsecond else ''}Z"


def instant_or_unset(at: datetime | None) -> str:
    """Returns an instant, Graph's year 1 for none (synchronizationStatus)."""
    return instant(at) or _UNSET


def user(person: DirectoryObject) -> Document:
    """Returns Graph's user: the default properties, then every other that has a value."""
    document: Document = {"id": person.object_id, **dict.fromkeys(DEFAULT_PROPERTIES)}
    document["businessPhones"] = []
    extensions: Document = {}
    for attribute in USER_ATTRIBUTES:
        value = person.attributes.get(attribute.name)
        if value is None or attribute.name == "objectId":
            continue
        if attribute.name in EXTENSION_ATTRIBUTES:
            extensions[attribute.graph_name] = value
        elif attribute.graph_name in LISTS_OF_ONE:
            document[attribute.graph_name] = [value]
        else:
            document[attribute.graph_name] = list(value) if attribute.multivalued else value
    if extensions:
        document["onPremisesExtensionAttributes"] = extensions
    document["createdDateTime"] = instant(person.created_at)
    document["deletedDateTime"] = instant(person.deleted_at)
    return document


def group(found: DirectoryObject) -> Document:
    """Returns Graph's group."""
    document: Document = {"id": found.object_id, "groupTypes": []}
    for attribute in ATTRIBUTES_OF[ObjectKind.GROUP].values():
        if attribute.name != "objectId":
            document[attribute.graph_name] = found.attributes.get(attribute.name)
    document["createdDateTime"] = instant(found.created_at)
    document["deletedDateTime"] = instant(found.deleted_at)
    return document


def directory_object(found: DirectoryObject) -> Document:
    """Returns a user or group with its type, as collections of both show it."""
    is_user = found.kind is ObjectKind.USER
    return {
        "@odata.type": "#microsoft.graph.user" if is_user else "#microsoft.graph.group",
        **(user(found) if is_user else group(found)),
    }


def template(page: GalleryPage) -> Document:
    """Returns Graph's applicationTemplate."""
    return {
        "id": page.id,
        "displayName": page.display_name,
        "description": page.description,
        "publisher": page.publisher,
        "categories": list(page.categories),
        "homePageUrl": page.home_page_url,
        "logoUrl": None,
        "supportedProvisioningTypes": ["sync"] if page.supports_provisioning else [],
        "supportedSingleSignOnModes": list(page.single_sign_on_modes),
    }


def app_role(role: AppRole) -> Document:
    """Returns Graph's appRole."""
    return {
        "id": role.id,
        "displayName": role.display_name,
        "description": role.description,
        "value": role.value,
        "isEnabled": role.is_enabled,
        "allowedMemberTypes": list(role.allowed_member_types),
        "origin": "Application",
    }


def application(found: EnterpriseApplication) -> Document:
    """Returns Graph's application (the registration)."""
    return {
        "id": found.application_id,
        "appId": found.app_id,
        "applicationTemplateId": found.template_id,
        "displayName": found.display_name,
        "signInAudience": "AzureADMyOrg",
        "appRoles": [app_role(role) for role in found.app_roles],
        "createdDateTime": instant(found.created_at),
        "deletedDateTime": instant(found.deleted_at),
    }


def service_principal(found: EnterpriseApplication) -> Document:
    """Returns Graph's servicePrincipal; `acceptsDefaultAccess` is ours."""
    return {
        "id": found.service_principal_id,
        "appId": found.app_id,
        "appDisplayName": found.display_name,
        "applicationTemplateId": found.template_id,
        "displayName": found.display_name,
        "accountEnabled": found.is_enabled,
        "appRoleAssignmentRequired": True,
        "acceptsDefaultAccess": found.accepts_default_access,
        "notes": found.notes,
        "appRoles": [app_role(role) for role in found.app_roles],
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [found.app_id],
        # Source: Graph, servicePrincipal.tags: what is hidden has no tile in My Apps.
        "tags": ["WindowsAzureActiveDirectoryIntegratedApp", *([] if found.is_visible else [HIDDEN_TAG])],
        "createdDateTime": instant(found.created_at),
        "deletedDateTime": instant(found.deleted_at),
    }


def assignment(given: AppRoleAssignment, resource_display_name: str) -> Document:
    """Returns Graph's appRoleAssignment."""
    return {
        "id": given.id,
        "deletedDateTime": None,
        "appRoleId": given.role_id,
        "createdDateTime": instant(given.created_at),
        "principalDisplayName": given.principal_display_name,
        "principalId": given.principal_id,
        "principalType": given.principal_kind.value,
        "resourceDisplayName": resource_display_name,
        "resourceId": given.service_principal_id,
    }


def awaited_assignment(given: AwaitedAssignment) -> Document:
    """Returns a role that waits for somebody (ours)."""
    return {
        "id": given.id,
        "principalType": given.principal_kind.value,
        "principalName": given.name,
        "appRoleId": given.role_id,
        "createdDateTime": instant(given.created_at),
    }


def registration(client: ClientApplication) -> Document:
    """Returns Graph's application of a registration; its secrets without their texts."""
    return {
        "id": client.application_id,
        "appId": client.app_id,
        "applicationTemplateId": None,
        "displayName": client.display_name,
        "signInAudience": "AzureADMyOrg",
        "appRoles": [],
        "identifierUris": [],
        "keyCredentials": [],
        "passwordCredentials": [{**client_secret(secret), "secretText": None} for secret in client.secrets],
        "createdDateTime": instant(client.created_at),
        "deletedDateTime": None,
    }


def client_service_principal(client: ClientApplication) -> Document:
    """Returns Graph's servicePrincipal of a registration; `roles` is ours."""
    return {
        "id": client.service_principal_id,
        "appId": client.app_id,
        "appDisplayName": client.display_name,
        "applicationTemplateId": None,
        "displayName": client.display_name,
        "accountEnabled": client.is_enabled,
        "appRoleAssignmentRequired": False,
        "appRoles": [],
        "servicePrincipalType": "Application",
        "servicePrincipalNames": [client.app_id],
        "tags": [],
        "roles": sorted(role.value for role in client.roles),
        "createdDateTime": instant(client.created_at),
        "deletedDateTime": None,
    }


def client_secret(secret: ClientSecret) -> Document:
    """Returns Graph's passwordCredential, without the secret."""
    return {
        "keyId": secret.key_id,
        "displayName": secret.display_name,
        "hint": secret.hint,
        "customKeyIdentifier": None,
        "startDateTime": instant(secret.created_at),
        "endDateTime": instant(secret.expires_at),
        "lastUsedDateTime": instant(secret.last_used_at),
    }


def pairs(values: Any) -> list[Document]:
    """Returns a mapping as Graph's list of key and value."""
    return [{"key": key, "value": value} for key, value in values.items()]


def presented_certificate(found: PresentedCertificate) -> Document:
    """Returns what a server presents (ours)."""
    return {
        "host": found.host,
        "isTrusted": found.problem is None,
        "problem": found.problem,
        "chain": [_certificate(item) for item in found.chain],
        "trustable": None if found.trustable is None else _certificate(found.trustable),
    }


def _certificate(item: ShownCertificate) -> Document:
    return {
        "subject": item.subject,
        "issuer": item.issuer,
        "serialNumber": item.serial_number,
        "notBefore": instant(item.not_before),
        "notAfter": instant(item.not_after),
        "sha256Fingerprint": item.fingerprint,
        "names": list(item.names),
        "isAuthority": item.is_authority,
        "pem": item.pem,
    }
