"""The answers of /ServiceProviderConfig, /ResourceTypes and /Schemas, made from the definitions that validate.

Source: RFC 7643 §5 to §7; RFC 7644 §4.
"""

from __future__ import annotations

from typing import Any

from muster.scim.profile import ServerProfile
from muster.scim.resources import ResourceType
from muster.scim.schemas import SchemaDefinition
from muster.scim.service_schemas import RESOURCE_TYPE_URN, SERVICE_PROVIDER_CONFIG_URN, SERVICE_SCHEMAS


def describe_service(profile: ServerProfile, base_url: str) -> dict[str, Any]:
    """The ServiceProviderConfig document."""
    limits = profile.limits
    document: dict[str, Any] = {"schemas": [SERVICE_PROVIDER_CONFIG_URN]}
    if profile.documentation_uri is not None:
        document["documentationUri"] = profile.documentation_uri
    document |= {
        "patch": {"supported": True},
        "bulk": {
            "supported": profile.bulk,
            "maxOperations": limits.bulk_operations if profile.bulk else 0,
            "maxPayloadSize": limits.body_bytes if profile.bulk else 0,
        },
        "filter": {"supported": True, "maxResults": limits.page_size},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": limits.default_page_size,
            "maxPageSize": limits.page_size,
            "cursorTimeout": limits.cursor_seconds,
        },
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "OAuth Bearer Token",
                "description": "A bearer token in the Authorization header.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }
    return document


def describe_resource_type(resource_type: ResourceType, base_url: str) -> dict[str, Any]:
    """A ResourceType document."""
    return {
        "schemas": [RESOURCE_TYPE_URN],
        "id": resource_type.name,
        "name": resource_type.name,
        "endpoint": resource_type.endpoint,
        "description": resource_type.description,
        "schema": resource_type.schema.id,
        "schemaExtensions": [
            {"schema": extension.schema.id, "required": extension.required} for extension in resource_type.extensions
        ],
        "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{resource_type.name}"},
    }


def describe_schema(schema: SchemaDefinition, base_url: str) -> dict[str, Any]:
    """A Schema document."""
    return {
        **schema.to_document(),
        "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{schema.id}"},
    }


def published_schemas(profile: ServerProfile) -> dict[str, SchemaDefinition]:
    """Every schema of the service by its URN in lower case."""
    schemas: dict[str, SchemaDefinition] = {}
    for resource_type in profile.resource_types:
        for schema in (resource_type.schema, *(extension.schema for extension in resource_type.extensions)):
            schemas.setdefault(schema.id.lower(), schema)
    for schema in SERVICE_SCHEMAS:
        schemas[schema.id.lower()] = schema
    return schemas
