"""What bodies and answers of the API look like: JSON schemas by name."""

from typing import Any

from muster.administration.secrets import KNOWN_KEYS
from muster.model.directory import ATTRIBUTES_OF, AttributeType, DirectoryAttribute, ObjectKind
from muster.model.job import ResetScope
from muster.model.log import LogStatus, ProvisioningAction
from muster.model.roles import Role
from muster.web.graph.render import EXTENSION_ATTRIBUTES, LISTS_OF_ONE

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
_FLAG: Schema = {"type": "boolean"}
_ANY: Schema = {}
_TYPES = {AttributeType.BOOLEAN: "boolean", AttributeType.INTEGER: "integer"}


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _texts(*names: str) -> Schema:
    return dict.fromkeys(names, _TEXT)


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _attribute(attribute: DirectoryAttribute) -> Schema:
    if attribute.multivalued or attribute.graph_name in LISTS_OF_ONE:
        return {"type": ["array", "null"], "items": _TEXT}
    return {"type": [_TYPES.get(attribute.type, "string"), "null"]}


def _directory_object(kind: ObjectKind, *, writable: bool) -> Schema:
    properties: Schema = {
        attribute.graph_name: _attribute(attribute)
        for attribute in ATTRIBUTES_OF[kind].values()
        if attribute.name not in EXTENSION_ATTRIBUTES and (attribute.writable or not writable)
    }
    if kind is ObjectKind.USER:
        properties["onPremisesExtensionAttributes"] = _object(dict.fromkeys(sorted(EXTENSION_ATTRIBUTES), _MAYBE))
    if writable:
        return _object(properties)
    return _object({**properties, "createdDateTime": _MAYBE, "deletedDateTime": _MAYBE})


_ROLE = _object(
    {
        **_texts("id", "displayName"),
        "value": _MAYBE,
        "description": _MAYBE,
        "isEnabled": _FLAG,
        "allowedMemberTypes": _list({"enum": ["User", "Application"]}),
    },
    "id",
    "displayName",
)
_PAIR = _object({"key": _TEXT, "value": _MAYBE}, "key")
_SECRET = _object({"key": {"enum": sorted(KNOWN_KEYS)}, "value": _MAYBE}, "key", "value")
_SUBJECT = _object(
    {
        "objectId": _TEXT,
        "objectTypeName": {"enum": ["User", "Group"]},
        "links": _object({"members": _list(_object({"objectId": _TEXT}, "objectId"))}),
    },
    "objectId",
)
_ROLES: Schema = _list({"enum": [role.value for role in Role]})

SCHEMAS: dict[str, Schema] = {
    "error": _object(
        {
            "error": _object(
                {
                    **_texts("code", "message"),
                    "details": _list(_object(_texts("code", "message"))),
                    "innerError": _object(_texts("date", "request-id", "client-request-id"), "date", "request-id"),
                },
                "code",
                "message",
                "innerError",
            )
        },
        "error",
    ),
    "anything": _object({}),
    "nothing": _object({}),
    "reference": _object({"@odata.id": _TEXT}, "@odata.id"),
    "user": _directory_object(ObjectKind.USER, writable=False),
    "userWrite": _directory_object(ObjectKind.USER, writable=True),
    "group": _directory_object(ObjectKind.GROUP, writable=False),
    "groupWrite": _directory_object(ObjectKind.GROUP, writable=True),
    "directoryObject": _object({**_texts("id"), "@odata.type": _TEXT, "displayName": _MAYBE}),
    "ids": _object({"ids": _list(_TEXT), "types": _list({"enum": ["user", "group"]})}, "ids"),
    "applicationTemplate": _object({**_texts("id", "displayName"), "supportedProvisioningTypes": _list(_TEXT)}),
    "instantiate": _object({"displayName": _TEXT}),
    "applicationServicePrincipal": _object({"application": _ANY, "servicePrincipal": _ANY}),
    "application": _object({**_texts("id", "appId", "displayName"), "appRoles": _list(_ROLE)}),
    "applicationWrite": _object({"displayName": _TEXT, "appRoles": _list(_ROLE)}),
    "registrationWrite": _object({"displayName": _TEXT}, "displayName"),
    "servicePrincipal": _object(
        {**_texts("id", "appId", "displayName"), "accountEnabled": _FLAG, "appRoles": _list(_ROLE)}
    ),
    "servicePrincipalMake": _object({"appId": _TEXT}, "appId"),
    "servicePrincipalWrite": _object(
        {"displayName": _TEXT, "accountEnabled": _FLAG, "acceptsDefaultAccess": _FLAG, "appRoles": _list(_ROLE)}
    ),
    "addPassword": _object({"passwordCredential": _object({"displayName": _MAYBE, "endDateTime": _MAYBE})}),
    "removePassword": _object(_texts("keyId"), "keyId"),
    "passwordCredential": _object({**_texts("keyId", "hint", "secretText"), "displayName": _MAYBE}),
    "appRoleAssignment": _object(
        _texts("id", "appRoleId", "principalId", "principalType", "resourceId", "resourceDisplayName")
    ),
    "appRoleAssignmentWrite": _object(
        _texts("principalId", "resourceId", "appRoleId"), "principalId", "resourceId", "appRoleId"
    ),
    "roleDefinition": _object({**_texts("id", "displayName", "description"), "isBuiltIn": _FLAG}),
    "roleAssignment": _object(_texts("id", "principalId", "roleDefinitionId", "directoryScopeId")),
    "roleAssignmentWrite": _object(
        {**_texts("principalId", "roleDefinitionId"), "directoryScopeId": {"const": "/"}},
        "principalId",
        "roleDefinitionId",
    ),
    "token": _object({**_texts("id", "name"), "roles": _ROLES, "lastUsedDateTime": _MAYBE}),
    "tokenWrite": _object(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 120},
            "roles": {**_ROLES, "minItems": 1},
            "expiresInDays": {"type": "integer", "minimum": 1, "maximum": 3660},
        },
        "name",
        "roles",
    ),
    "administrator": _object({**_texts("id", "displayName"), "roles": _ROLES}),
    "administratorWrite": _object(
        {**_texts("displayName", "password"), "roles": {**_ROLES, "minItems": 1}}, "displayName", "password", "roles"
    ),
    "rolesWrite": _object({"roles": {**_ROLES, "minItems": 1}}, "roles"),
    "organization": _object(_texts("id", "displayName")),
    "batch": _object(
        {
            "requests": {
                "type": "array",
                "minItems": 1,
                "maxItems": 20,
                "items": _object(
                    {
                        **_texts("id", "url"),
                        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
                        "headers": {"type": "object", "additionalProperties": _TEXT},
                        "body": _ANY,
                        "dependsOn": _list(_TEXT),
                    },
                    "id",
                    "method",
                    "url",
                ),
            }
        },
        "requests",
    ),
    "batchResponse": _object({"responses": _list(_object({"id": _TEXT, "status": {"type": "integer"}}))}),
    "secrets": {"anyOf": [_object({"value": _list(_SECRET)}, "value"), _list(_SECRET)]},
    "pair": _PAIR,
    "credentials": _object({"useSavedCredentials": _FLAG, "credentials": _list(_PAIR)}),
    "synchronization": _object({"id": _TEXT, "jobs": _list(_ANY), "secrets": _list(_PAIR), "templates": _list(_ANY)}),
    "synchronizationTemplate": _object(_texts("id", "applicationId", "factoryTag", "description")),
    "synchronizationJob": _object(
        {
            **_texts("id", "templateId"),
            "schedule": _object({"expiration": _MAYBE, **_texts("interval", "state")}),
            "status": _object({"code": _TEXT}),
            "synchronizationJobSettings": _list(_object({"name": _TEXT, "value": _MAYBE})),
        }
    ),
    "synchronizationJobWrite": _object(
        {
            "templateId": _TEXT,
            "schedule": _object({"interval": _TEXT, "state": {"enum": ["Active", "Paused", "Disabled"]}}),
            "synchronizationJobSettings": _list(_object({"name": _TEXT, "value": _MAYBE}, "name")),
        }
    ),
    "restart": _object(
        {"criteria": _object({"resetScope": {"type": "string", "examples": [scope.value for scope in ResetScope]}})}
    ),
    "provisionOnDemand": _object(
        {
            "parameters": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": _object(
                    {"ruleId": _TEXT, "subjects": {"type": "array", "minItems": 1, "maxItems": 1, "items": _SUBJECT}},
                    "subjects",
                ),
            }
        },
        "parameters",
    ),
    "stringKeyStringValuePair": _object(_texts("key", "value"), "key", "value"),
    "synchronizationSchema": _object({"synchronizationRules": _list(_ANY), "directories": _list(_ANY)}),
    "parseExpression": _object(
        {
            "expression": {"type": "string", "minLength": 1, "maxLength": 10_000},
            "testInputObject": _object({"properties": _list(_object({"key": _TEXT, "value": _ANY}, "key"))}),
            "testUser": _TEXT,
        },
        "expression",
    ),
    "parseExpressionResponse": _object({"parsingSucceeded": _FLAG, "evaluationSucceeded": _FLAG}),
    "named": _object({"name": _TEXT}),
    "directoryDefinition": _object({**_texts("id", "name"), "objects": _list(_ANY)}),
    "objectConnection": _object(_texts("objectId", "sourceAnchor", "targetAnchor", "objectTypeName")),
    "provisioningObjectSummary": _object(
        {
            **_texts("id", "activityDateTime", "jobId", "cycleId", "changeId"),
            "provisioningAction": {"enum": [action.value for action in ProvisioningAction]},
            "provisioningStatusInfo": _object({"status": {"enum": [status.value for status in LogStatus]}}),
            "provisioningSteps": _list(_ANY),
            "modifiedProperties": _list(_ANY),
        }
    ),
    "directoryAudit": _object(
        {**_texts("id", "activityDateTime", "activityDisplayName", "category"), "targetResources": _list(_ANY)}
    ),
}
