"""The schemas of users and groups, their extensions, and the attributes common to every resource.

Source: RFC 7643 §3.1, §4, §8.7.1; the 8x8 extension as its two published URNs name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.scim.attributes import (
    AttributeDefinition,
    AttributeType,
    Mutability,
    Returned,
    Uniqueness,
    multi_valued,
    text,
)

USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER_8X8_URN = "urn:ietf:params:scim:schemas:extension:8x8:1.1:User"
USER_8X8_MIRROR_URN = "urn:8x8:scim:schemas:extension:8x8user:2.0:User"
SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"

# Lenient: Entra names this schema on every group it makes; it has no attributes.
MICROSOFT_GROUP_URN = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SchemaDefinition:
    """A schema: its URN and attributes."""

    id: str
    name: str
    description: str
    attributes: tuple[AttributeDefinition, ...]
    by_name: Mapping[str, AttributeDefinition] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {attribute.name.lower(): attribute for attribute in self.attributes})

    def to_document(self) -> dict[str, object]:
        """The schema as /Schemas shows it, without meta."""
        return {
            "schemas": [SCHEMA_URN],
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.to_document() for attribute in self.attributes],
        }


def _read_only(
    name: str, description: str, *, type_: AttributeType = AttributeType.STRING, case_exact: bool = False
) -> AttributeDefinition:
    return AttributeDefinition(
        name=name, description=description, type=type_, case_exact=case_exact, mutability=Mutability.READ_ONLY
    )


COMMON_ATTRIBUTES: tuple[AttributeDefinition, ...] = (
    AttributeDefinition(
        name="schemas",
        description="URNs of the schemas the resource uses.",
        type=AttributeType.REFERENCE,
        multi_valued=True,
        required=True,
        case_exact=True,
        reference_types=("uri",),
        returned=Returned.ALWAYS,
    ),
    AttributeDefinition(
        name="id",
        description="The identifier this service gave the resource; it never changes.",
        case_exact=True,
        mutability=Mutability.READ_ONLY,
        returned=Returned.ALWAYS,
        uniqueness=Uniqueness.SERVER,
    ),
    text("externalId", "The identifier the client gave the resource.", case_exact=True),
    AttributeDefinition(
        name="meta",
        description="When and what the resource is.",
        type=AttributeType.COMPLEX,
        mutability=Mutability.READ_ONLY,
        sub_attributes=(
            _read_only("resourceType", "The name of the resource type.", case_exact=True),
            _read_only("created", "When the resource was made.", type_=AttributeType.DATE_TIME),
            _read_only("lastModified", "When the resource last changed.", type_=AttributeType.DATE_TIME),
            _read_only("location", "The address of the resource.", type_=AttributeType.REFERENCE, case_exact=True),
            _read_only("version", "The version, as the ETag header has it.", case_exact=True),
        ),
    ),
)

_NAME = AttributeDefinition(
    name="name",
    description="The parts of the person's name.",
    type=AttributeType.COMPLEX,
    sub_attributes=(
        text("formatted", "The whole name as it is shown."),
        text("familyName", "The family name."),
        text("givenName", "The given name."),
        text("middleName", "The middle names."),
        text("honorificPrefix", "Titles before the name."),
        text("honorificSuffix", "What follows the name."),
    ),
)

_ADDRESS_PARTS = (
    text("formatted", "The whole address as it is written on an envelope."),
    text("streetAddress", "Street and number."),
    text("locality", "The town."),
    text("region", "The state or region."),
    text("postalCode", "The postal code."),
    text("country", "The country as a code of two letters (ISO 3166-1)."),
)

USER_SCHEMA = SchemaDefinition(
    id=USER_URN,
    name="User",
    description="A user account.",
    attributes=(
        AttributeDefinition(
            name="userName",
            description="The name the user signs in with, unique in this service in any letter case.",
            required=True,
            uniqueness=Uniqueness.SERVER,
        ),
        _NAME,
        text("displayName", "The name shown to other people."),
        text("nickName", "The casual name."),
        AttributeDefinition(
            name="profileUrl",
            description="The address of the user's page.",
            type=AttributeType.REFERENCE,
            case_exact=True,
            reference_types=("external",),
        ),
        text("title", "The job title."),
        text("userType", "The relation between the user and the organisation."),
        text("preferredLanguage", "The preferred language, as Accept-Language has it."),
        text("locale", "The locale that localises numbers, dates and currency."),
        text("timezone", "The time zone, as a name of the IANA database."),
        AttributeDefinition(name="active", description="Whether the account may be used.", type=AttributeType.BOOLEAN),
        AttributeDefinition(
            name="password",
            description="A password; taken and never shown.",
            case_exact=True,
            mutability=Mutability.WRITE_ONLY,
            returned=Returned.NEVER,
        ),
        multi_valued(
            "emails", "E-mail addresses.", value=text("value", "The address."), types=("work", "home", "other")
        ),
        multi_valued(
            "phoneNumbers",
            "Phone numbers.",
            value=text("value", "The number."),
            types=("work", "home", "mobile", "fax", "pager", "other"),
        ),
        multi_valued(
            "ims",
            "Addresses of instant messaging.",
            value=text("value", "The address."),
            types=("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
        ),
        multi_valued(
            "photos",
            "Addresses of pictures of the user.",
            value=AttributeDefinition(
                name="value",
                description="The address of the picture.",
                type=AttributeType.REFERENCE,
                case_exact=True,
                reference_types=("external",),
            ),
            types=("photo", "thumbnail"),
        ),
        multi_valued("addresses", "Postal addresses.", types=("work", "home", "other"), others=_ADDRESS_PARTS),
        AttributeDefinition(
            name="groups",
            description="The groups the user is a direct member of; changed through the groups.",
            type=AttributeType.COMPLEX,
            multi_valued=True,
            mutability=Mutability.READ_ONLY,
            sub_attributes=(
                _read_only("value", "The id of the group.", case_exact=True),
                AttributeDefinition(
                    name="$ref",
                    description="The address of the group.",
                    type=AttributeType.REFERENCE,
                    case_exact=True,
                    mutability=Mutability.READ_ONLY,
                    reference_types=("Group",),
                ),
                _read_only("display", "The name of the group."),
                AttributeDefinition(
                    name="type",
                    description="Whether the membership is direct.",
                    canonical_values=("direct", "indirect"),
                    mutability=Mutability.READ_ONLY,
                ),
            ),
        ),
        multi_valued("entitlements", "Things the user is entitled to.", value=text("value", "The entitlement.")),
        multi_valued("roles", "Roles of the user.", value=text("value", "The role.")),
        multi_valued(
            "x509Certificates",
            "Certificates of the user.",
            value=AttributeDefinition(
                name="value",
                description="The certificate, DER in base64.",
                type=AttributeType.BINARY,
                case_exact=True,
            ),
        ),
    ),
)

GROUP_SCHEMA = SchemaDefinition(
    id=GROUP_URN,
    name="Group",
    description="A group of users and groups.",
    attributes=(
        AttributeDefinition(
            name="displayName",
            description="The name of the group, unique in this service in any letter case.",
            required=True,
            uniqueness=Uniqueness.SERVER,
        ),
        AttributeDefinition(
            name="members",
            description="The direct members of the group.",
            type=AttributeType.COMPLEX,
            multi_valued=True,
            sub_attributes=(
                AttributeDefinition(
                    name="value",
                    description="The id of the member.",
                    required=True,
                    case_exact=True,
                    mutability=Mutability.IMMUTABLE,
                ),
                AttributeDefinition(
                    name="$ref",
                    description="The address of the member.",
                    type=AttributeType.REFERENCE,
                    case_exact=True,
                    mutability=Mutability.IMMUTABLE,
                    reference_types=("User", "Group"),
                ),
                AttributeDefinition(
                    name="display", description="The name of the member.", mutability=Mutability.IMMUTABLE
                ),
                AttributeDefinition(
                    name="type",
                    description="What the member is.",
                    canonical_values=("User", "Group"),
                    mutability=Mutability.IMMUTABLE,
                ),
            ),
        ),
    ),
)

ENTERPRISE_USER_SCHEMA = SchemaDefinition(
    id=ENTERPRISE_USER_URN,
    name="EnterpriseUser",
    description="What an organisation adds to a user account.",
    attributes=(
        text("employeeNumber", "The number the organisation gave the person."),
        text("costCenter", "The cost centre."),
        text("organization", "The organisation."),
        text("division", "The division."),
        text("department", "The department."),
        AttributeDefinition(
            name="manager",
            description="The person's manager.",
            type=AttributeType.COMPLEX,
            sub_attributes=(
                text("value", "The id of the manager's account.", case_exact=True),
                AttributeDefinition(
                    name="$ref",
                    description="The address of the manager's account.",
                    type=AttributeType.REFERENCE,
                    case_exact=True,
                    reference_types=("User",),
                ),
                _read_only("displayName", "The name of the manager."),
            ),
        ),
    ),
)


def schema_8x8(urn: str, *, site_mutability: Mutability = Mutability.READ_WRITE) -> SchemaDefinition:
    """The 8x8 extension of a user under one of its two URNs."""
    return SchemaDefinition(
        id=urn,
        # Clients make classes of schemas by their names, so the two need different ones.
        name="EightByEightUser" if urn == USER_8X8_URN else "EightByEightUser2",
        description="What 8x8 adds to a user account.",
        attributes=(
            AttributeDefinition(
                name="site",
                description="The name of the 8x8 site the user belongs to, exactly as the console has it.",
                case_exact=True,
                mutability=site_mutability,
            ),
        ),
    )
