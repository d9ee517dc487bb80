"""The schemas of the service's own resources: ServiceProviderConfig, ResourceType, Schema.

Source: RFC 7643 §5, §6, §7, §8.7.2; RFC 9865 §4.
"""

from __future__ import annotations

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.schemas import SCHEMA_URN, SchemaDefinition

SERVICE_PROVIDER_CONFIG_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"


def _shown(
    name: str,
    description: str,
    *,
    type_: AttributeType = AttributeType.STRING,
    required: bool = False,
    many: bool = False,
    case_exact: bool = False,
    values: tuple[str, ...] = (),
    references: tuple[str, ...] = (),
    subs: tuple[AttributeDefinition, ...] = (),
) -> AttributeDefinition:
    return AttributeDefinition(
        name=name,
        description=description,
        type=AttributeType.COMPLEX if subs else type_,
        required=required,
        multi_valued=many,
        case_exact=case_exact,
        canonical_values=values,
        mutability=Mutability.READ_ONLY,
        reference_types=references,
        sub_attributes=subs,
    )


_SUPPORTED = _shown("supported", "Whether the service can do it.", type_=AttributeType.BOOLEAN, required=True)


def _number(name: str, description: str, *, required: bool = True) -> AttributeDefinition:
    return _shown(name, description, type_=AttributeType.INTEGER, required=required)


def _flag(name: str, description: str) -> AttributeDefinition:
    return _shown(name, description, type_=AttributeType.BOOLEAN, required=True)


SERVICE_PROVIDER_CONFIG_SCHEMA = SchemaDefinition(
    id=SERVICE_PROVIDER_CONFIG_URN,
    name="ServiceProviderConfig",
    description="What this service can do.",
    attributes=(
        _shown(
            "documentationUri",
            "Where the service is described.",
            type_=AttributeType.REFERENCE,
            case_exact=True,
            references=("external",),
        ),
        _shown("patch", "PATCH.", required=True, subs=(_SUPPORTED,)),
        _shown(
            "bulk",
            "Several operations in one request.",
            required=True,
            subs=(
                _SUPPORTED,
                _number("maxOperations", "The most operations of one request."),
                _number("maxPayloadSize", "The most bytes of one request."),
            ),
        ),
        _shown(
            "filter",
            "Filters.",
            required=True,
            subs=(_SUPPORTED, _number("maxResults", "The most resources of one answer.")),
        ),
        _shown("changePassword", "Changing passwords.", required=True, subs=(_SUPPORTED,)),
        _shown("sort", "Sorting.", required=True, subs=(_SUPPORTED,)),
        _shown("etag", "Versions as ETags.", required=True, subs=(_SUPPORTED,)),
        _shown(
            "pagination",
            "How lists are paged.",
            subs=(
                _flag("cursor", "Whether pages are asked for by cursor."),
                _flag("index", "Whether pages are asked for by startIndex."),
                _shown("defaultPaginationMethod", "The way when none is asked for.", values=("cursor", "index")),
                _number("defaultPageSize", "The resources of a page when no count is sent.", required=False),
                _number("maxPageSize", "The most resources of a page.", required=False),
                _number("cursorTimeout", "The seconds that a cursor is good for.", required=False),
            ),
        ),
        _shown(
            "authenticationSchemes",
            "How a client shows who it is.",
            required=True,
            many=True,
            subs=(
                _shown(
                    "type",
                    "The kind of authentication.",
                    required=True,
                    values=("oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"),
                ),
                _shown("name", "The name people know it by.", required=True),
                _shown("description", "What it is.", required=True),
                _shown(
                    "specUri",
                    "Where it is specified.",
                    type_=AttributeType.REFERENCE,
                    case_exact=True,
                    references=("external",),
                ),
                _shown(
                    "documentationUri",
                    "Where its use is described.",
                    type_=AttributeType.REFERENCE,
                    case_exact=True,
                    references=("external",),
                ),
                _shown("primary", "Whether it is the preferred one.", type_=AttributeType.BOOLEAN),
            ),
        ),
    ),
)

RESOURCE_TYPE_SCHEMA = SchemaDefinition(
    id=RESOURCE_TYPE_URN,
    name="ResourceType",
    description="A kind of resource that this service keeps.",
    attributes=(
        _shown("id", "The name of the type, as an identifier."),
        _shown("name", "The name of the type.", required=True),
        _shown("description", "What the type is."),
        _shown(
            "endpoint",
            "Where resources of the type are, below the address of the service.",
            type_=AttributeType.REFERENCE,
            required=True,
            case_exact=True,
            references=("uri",),
        ),
        _shown(
            "schema",
            "The URN of the type's own schema.",
            type_=AttributeType.REFERENCE,
            required=True,
            case_exact=True,
            references=("uri",),
        ),
        _shown(
            "schemaExtensions",
            "The extensions of the type.",
            required=True,
            many=True,
            subs=(
                _shown(
                    "schema",
                    "The URN of the extension.",
                    type_=AttributeType.REFERENCE,
                    required=True,
                    case_exact=True,
                    references=("uri",),
                ),
                _shown(
                    "required",
                    "Whether every resource must have the extension.",
                    type_=AttributeType.BOOLEAN,
                    required=True,
                ),
            ),
        ),
    ),
)


def _characteristics() -> tuple[AttributeDefinition, ...]:
    """The attributes that describe an attribute."""
    return (
        _shown("name", "The name of the attribute.", required=True, case_exact=True),
        _shown(
            "type",
            "The type of its values.",
            required=True,
            values=tuple(kind.value for kind in AttributeType),
        ),
        _shown("multiValued", "Whether it holds a list.", type_=AttributeType.BOOLEAN, required=True),
        _shown("description", "What it is."),
        _shown("required", "Whether it must have a value.", type_=AttributeType.BOOLEAN),
        _shown("canonicalValues", "Suggested values.", many=True, case_exact=True),
        _shown("caseExact", "Whether letter case matters.", type_=AttributeType.BOOLEAN),
        _shown(
            "mutability",
            "Who may change it, and when.",
            case_exact=True,
            values=("readOnly", "readWrite", "immutable", "writeOnly"),
        ),
        _shown("returned", "When it is shown.", case_exact=True, values=("always", "never", "default", "request")),
        _shown("uniqueness", "Among what its values are unique.", case_exact=True, values=("none", "server", "global")),
        _shown("referenceTypes", "What a reference may point to.", many=True, case_exact=True),
    )


SCHEMA_SCHEMA = SchemaDefinition(
    id=SCHEMA_URN,
    name="Schema",
    description="The attributes of resources.",
    attributes=(
        _shown("id", "The URN of the schema.", required=True, case_exact=True),
        _shown("name", "The name of the schema."),
        _shown("description", "What the schema is for."),
        _shown(
            "attributes",
            "The attributes of the schema.",
            required=True,
            many=True,
            subs=(
                *_characteristics(),
                _shown(
                    "subAttributes", "The sub-attributes of a complex attribute.", many=True, subs=_characteristics()
                ),
            ),
        ),
    ),
)

SERVICE_SCHEMAS = (SERVICE_PROVIDER_CONFIG_SCHEMA, RESOURCE_TYPE_SCHEMA, SCHEMA_SCHEMA)
