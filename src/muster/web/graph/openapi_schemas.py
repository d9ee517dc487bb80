"""What bodies and answers of the API look like: JSON schemas by name."""

from muster.administration.secrets import KNOWN_KEYS
from muster.model.directory import ATTRIBUTES_OF, AttributeType, DirectoryAttribute, ObjectKind
from muster.model.identity_provider import MatchingAttribute
from muster.model.job import ResetScope
from muster.model.log import LogStatus, ProvisioningAction
from muster.model.roles import Role
from muster.model.single_sign_on import Hash, NameFormat, Signed
from muster.web.graph.openapi_ours import OURS
from muster.web.graph.openapi_shapes import ANY, FLAG, MAYBE, TEXT, Schema, listed, texts, thing
from muster.web.graph.render import EXTENSION_ATTRIBUTES, LISTS_OF_ONE

_TYPES = {AttributeType.BOOLEAN: "boolean", AttributeType.INTEGER: "integer"}


def _attribute(attribute: DirectoryAttribute) -> Schema:
    if attribute.multivalued or attribute.graph_name in LISTS_OF_ONE:
        return {"type": ["array", "null"], "items": TEXT}
    return {"type": [_TYPES.get(attribute.type, "string"), "null"]}


_OPENID: Schema = {
    "isEnabled": FLAG,
    "isPublicClient": FLAG,
    "requiresPkce": FLAG,
    "redirectUris": listed(TEXT),
    "signOnUrl": MAYBE,
    "claims": listed(thing({**texts("name", "expression"), "scope": MAYBE}, "name", "expression")),
}
_PROVIDER: Schema = {
    **texts("displayName", "wellKnownEndpoint", "clientId", "scope", "matchingClaim"),
    "clientSecret": MAYBE,
    "matchingAttribute": {"enum": [each.value for each in MatchingAttribute]},
    **dict.fromkeys(("signsInPeople", "signsInAdministrators", "keepsPasswords"), FLAG),
}
_PASSWORD = {
    "type": ["object", "null"],
    "properties": {"password": {"type": "string", "writeOnly": True}, "forceChangePasswordNextSignIn": FLAG},
}


def _directory_object(kind: ObjectKind, *, writable: bool) -> Schema:
    properties: Schema = {
        attribute.graph_name: _attribute(attribute)
        for attribute in ATTRIBUTES_OF[kind].values()
        if attribute.name not in EXTENSION_ATTRIBUTES and (attribute.writable or not writable)
    }
    if kind is ObjectKind.USER:
        properties["onPremisesExtensionAttributes"] = thing(dict.fromkeys(sorted(EXTENSION_ATTRIBUTES), MAYBE))
    if writable:
        return thing({**properties, **({"passwordProfile": _PASSWORD} if kind is ObjectKind.USER else {})})
    return thing({**properties, "createdDateTime": MAYBE, "deletedDateTime": MAYBE})


_ROLE = thing(
    {
        **texts("id", "displayName"),
        "value": MAYBE,
        "description": MAYBE,
        "isEnabled": FLAG,
        "allowedMemberTypes": listed({"enum": ["User", "Application"]}),
    },
    "id",
    "displayName",
)
_PAIR = thing({"key": TEXT, "value": MAYBE}, "key")
_SECRET = thing({"key": {"enum": sorted(KNOWN_KEYS)}, "value": MAYBE}, "key", "value")
_SUBJECT = thing(
    {
        "objectId": TEXT,
        "objectTypeName": {"enum": ["User", "Group"]},
        "links": thing({"members": listed(thing({"objectId": TEXT}, "objectId"))}),
    },
    "objectId",
)
_ROLES: Schema = listed({"enum": [role.value for role in Role]})

# Single sign-on by Graph's own names.
_WEB: Schema = {"identifierUris": listed(TEXT), "web": thing({"redirectUris": listed(TEXT), "logoutUrl": MAYBE})}
_GRAPH_SIGN_ON: Schema = {
    **dict.fromkeys(
        ("preferredSingleSignOnMode", "loginUrl", "logoutUrl", "preferredTokenSigningKeyThumbprint"), MAYBE
    ),
    **dict.fromkeys(("replyUrls", "notificationEmailAddresses"), listed(TEXT)),
    "samlSingleSignOnSettings": {"type": ["object", "null"], "properties": {"relayState": MAYBE}},
}
_SIGN_ON = {
    "preferredSingleSignOnMode": {"enum": ["saml", None]},
    **dict.fromkeys(("identifier", "signOnUrl", "relayState", "logoutUrl", "verificationCertificate"), MAYBE),
    "replyUrls": listed(TEXT),
    "nameIdFormat": {"enum": [each.value for each in NameFormat]},
    "nameIdExpression": TEXT,
    "claims": listed(thing(texts("name", "expression"), "name", "expression")),
    "signingOption": {"enum": [each.value for each in Signed]},
    "signingAlgorithm": {"enum": [each.value for each in Hash]},
    "notificationEmailAddresses": listed(TEXT),
}
_CERTIFICATE = thing(
    {
        **texts("keyId", "customKeyIdentifier", "displayName", "thumbprint", "startDateTime", "endDateTime", "key"),
        **texts("type", "usage"),
        "isActive": FLAG,
    }
)

SCHEMAS: dict[str, Schema] = {
    "error": thing(
        {
            "error": thing(
                {
                    **texts("code", "message"),
                    "details": listed(thing(texts("code", "message"))),
                    "innerError": thing(texts("date", "request-id", "client-request-id"), "date", "request-id"),
                },
                "code",
                "message",
                "innerError",
            )
        },
        "error",
    ),
    "anything": thing({}),
    "reference": thing({"@odata.id": TEXT}, "@odata.id"),
    "user": _directory_object(ObjectKind.USER, writable=False),
    "userWrite": _directory_object(ObjectKind.USER, writable=True),
    "group": _directory_object(ObjectKind.GROUP, writable=False),
    "groupWrite": _directory_object(ObjectKind.GROUP, writable=True),
    "directoryObject": thing({**texts("id"), "@odata.type": TEXT, "displayName": MAYBE}),
    "ids": thing({"ids": listed(TEXT), "types": listed({"enum": ["user", "group"]})}, "ids"),
    "applicationTemplate": thing({**texts("id", "displayName"), "supportedProvisioningTypes": listed(TEXT)}),
    "instantiate": thing({"displayName": TEXT}),
    "applicationServicePrincipal": thing({"application": ANY, "servicePrincipal": ANY}),
    "application": thing({**texts("id", "appId", "displayName"), "appRoles": listed(_ROLE), **_WEB}),
    "applicationWrite": thing({"displayName": TEXT, "appRoles": listed(_ROLE), **_WEB}),
    "registrationWrite": thing({"displayName": TEXT}, "displayName"),
    "servicePrincipal": thing(
        {
            **texts("id", "appId", "displayName"),
            "accountEnabled": FLAG,
            "appRoles": listed(_ROLE),
            **_GRAPH_SIGN_ON,
            "preferredTokenSigningKeyEndDateTime": MAYBE,
        }
    ),
    "servicePrincipalMake": thing({"appId": TEXT}, "appId"),
    "servicePrincipalWrite": thing(
        {
            **{"displayName": TEXT, "accountEnabled": FLAG, "acceptsDefaultAccess": FLAG, "appRoles": listed(_ROLE)},
            **_GRAPH_SIGN_ON,
        }
    ),
    "singleSignOn": thing(
        {
            **_SIGN_ON,
            "preferredTokenSigningKeyThumbprint": MAYBE,
            "certificates": listed(_CERTIFICATE),
            "identityProvider": thing(texts("identifier", "loginUrl", "logoutUrl", "metadataUrl", "userAccessUrl")),
        }
    ),
    "singleSignOnWrite": thing({**_SIGN_ON, "preferredTokenSigningKeyThumbprint": TEXT, "metadata": TEXT}),
    "selfSignedCertificate": _CERTIFICATE,
    "addTokenSigningCertificate": thing({"displayName": TEXT, "endDateTime": TEXT}),
    "principal": thing(texts("principalId"), "principalId"),
    "triedSignOn": thing(
        {
            **texts("nameId", "nameIdFormat", "replyUrl", "response"),
            "attributes": listed(thing({"name": TEXT, "values": listed(TEXT)})),
            "isAssigned": FLAG,
        }
    ),
    "addPassword": thing({"passwordCredential": thing({"displayName": MAYBE, "endDateTime": MAYBE})}),
    "removePassword": thing(texts("keyId"), "keyId"),
    "passwordCredential": thing({**texts("keyId", "hint", "secretText"), "displayName": MAYBE}),
    "appRoleAssignment": thing(
        texts("id", "appRoleId", "principalId", "principalType", "resourceId", "resourceDisplayName")
    ),
    "appRoleAssignmentWrite": thing(
        texts("principalId", "resourceId", "appRoleId"), "principalId", "resourceId", "appRoleId"
    ),
    "roleDefinition": thing({**texts("id", "displayName", "description"), "isBuiltIn": FLAG}),
    "roleAssignment": thing(texts("id", "principalId", "roleDefinitionId", "directoryScopeId")),
    "roleAssignmentWrite": thing(
        {**texts("principalId", "roleDefinitionId"), "directoryScopeId": {"const": "/"}},
        "principalId",
        "roleDefinitionId",
    ),
    "token": thing({**texts("id", "name"), "roles": _ROLES, "lastUsedDateTime": MAYBE}),
    "tokenWrite": thing(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 120},
            "roles": {**_ROLES, "minItems": 1},
            "expiresInDays": {"type": "integer", "minimum": 1, "maximum": 3660},
        },
        "name",
        "roles",
    ),
    "administrator": thing({**texts("id", "displayName"), "roles": _ROLES}),
    "administratorWrite": thing(
        {**texts("displayName", "password"), "roles": {**_ROLES, "minItems": 1}}, "displayName", "password", "roles"
    ),
    "rolesWrite": thing({"roles": {**_ROLES, "minItems": 1}}, "roles"),
    "organization": thing(texts("id", "displayName")),
    "batch": thing(
        {
            "requests": {
                "type": "array",
                "minItems": 1,
                "maxItems": 20,
                "items": thing(
                    {
                        **texts("id", "url"),
                        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
                        "headers": {"type": "object", "additionalProperties": TEXT},
                        "body": ANY,
                        "dependsOn": listed(TEXT),
                    },
                    "id",
                    "method",
                    "url",
                ),
            }
        },
        "requests",
    ),
    "batchResponse": thing({"responses": listed(thing({"id": TEXT, "status": {"type": "integer"}}))}),
    "secrets": {"anyOf": [thing({"value": listed(_SECRET)}, "value"), listed(_SECRET)]},
    "pair": _PAIR,
    "credentials": thing({"useSavedCredentials": FLAG, "credentials": listed(_PAIR)}),
    "synchronization": thing({"id": TEXT, "jobs": listed(ANY), "secrets": listed(_PAIR), "templates": listed(ANY)}),
    "synchronizationTemplate": thing(texts("id", "applicationId", "factoryTag", "description")),
    "synchronizationJob": thing(
        {
            **texts("id", "templateId"),
            "schedule": thing({"expiration": MAYBE, **texts("interval", "state")}),
            "status": thing({"code": TEXT}),
            "synchronizationJobSettings": listed(thing({"name": TEXT, "value": MAYBE})),
        }
    ),
    "synchronizationJobWrite": thing(
        {
            "templateId": TEXT,
            "schedule": thing({"interval": TEXT, "state": {"enum": ["Active", "Paused", "Disabled"]}}),
            "synchronizationJobSettings": listed(thing({"name": TEXT, "value": MAYBE}, "name")),
        }
    ),
    "restart": thing(
        {"criteria": thing({"resetScope": {"type": "string", "examples": [scope.value for scope in ResetScope]}})}
    ),
    "provisionOnDemand": thing(
        {
            "parameters": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": thing(
                    {"ruleId": TEXT, "subjects": {"type": "array", "minItems": 1, "maxItems": 1, "items": _SUBJECT}},
                    "subjects",
                ),
            }
        },
        "parameters",
    ),
    "stringKeyStringValuePair": thing(texts("key", "value"), "key", "value"),
    "synchronizationSchema": thing({"synchronizationRules": listed(ANY), "directories": listed(ANY)}),
    "parseExpression": thing(
        {
            "expression": {"type": "string", "minLength": 1, "maxLength": 10_000},
            "testInputObject": thing({"properties": listed(thing({"key": TEXT, "value": ANY}, "key"))}),
            "testUser": TEXT,
        },
        "expression",
    ),
    "parseExpressionResponse": thing({"parsingSucceeded": FLAG, "evaluationSucceeded": FLAG}),
    "named": thing({"name": TEXT}),
    "directoryDefinition": thing({**texts("id", "name"), "objects": listed(ANY)}),
    "objectConnection": thing(texts("objectId", "sourceAnchor", "targetAnchor", "objectTypeName")),
    "provisioningObjectSummary": thing(
        {
            **texts("id", "activityDateTime", "jobId", "cycleId", "changeId"),
            "provisioningAction": {"enum": [action.value for action in ProvisioningAction]},
            "provisioningStatusInfo": thing({"status": {"enum": [status.value for status in LogStatus]}}),
            "provisioningSteps": listed(ANY),
            "modifiedProperties": listed(ANY),
        }
    ),
    "openIdConnect": thing({**_OPENID, "id": TEXT, "clientId": TEXT, "issuer": TEXT, "secrets": listed(ANY)}),
    "openIdConnectWrite": thing(_OPENID),
    "identityProvider": thing({**_PROVIDER, "issuer": TEXT, "redirectUris": listed(TEXT)}, "wellKnownEndpoint"),
    "identityProviderWrite": thing(_PROVIDER),
    "identityProviderLooks": thing(
        {**texts("issuer", "authorizationEndpoint", "tokenEndpoint"), "userinfoEndpoint": MAYBE}, "issuer"
    ),
    "openIdSecret": thing(texts("keyId", "hint", "secretText", "createdDateTime"), "keyId", "secretText"),
    "openIdKey": thing(texts("keyId", "createdDateTime"), "keyId"),
    "flag": thing({"value": FLAG}, "value"),
    "passwordLink": thing(texts("link", "expirationDateTime"), "link", "expirationDateTime"),
    "authenticationMethod": thing({**texts("@odata.type", "id"), "createdDateTime": MAYBE}, "@odata.type", "id"),
    "signIn": thing(
        {
            **texts("id", "createdDateTime", "userPrincipalName", "userDisplayName", "appDisplayName", "ipAddress"),
            "userId": MAYBE,
            "status": thing({"errorCode": {"type": "integer"}, "failureReason": MAYBE}, "errorCode"),
        },
        "id",
        "createdDateTime",
        "status",
    ),
    "directoryAudit": thing(
        {**texts("id", "activityDateTime", "activityDisplayName", "category"), "targetResources": listed(ANY)}
    ),
    **OURS,
}
