"""Directory objects: users and groups, their attributes under the names mappings use, and their life."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from muster.model.values import Attributes

RESTORABLE_FOR = timedelta(days=30)


class ObjectKind(StrEnum):
    """What an object of the directory is."""

    USER = "User"
    GROUP = "Group"


class Lifecycle(StrEnum):
    """Where an object stands between hire and purge."""

    PRESENT = "present"
    SOFT_DELETED = "softDeleted"
    HARD_DELETED = "hardDeleted"


class AttributeType(StrEnum):
    """Types of attributes in a synchronization schema (Graph attributeDefinition.type)."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    DATE_TIME = "DateTime"
    REFERENCE = "Reference"
    BINARY = "Binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryAttribute:
    """One attribute: `name` as mappings write it, `graph_name` as Microsoft Graph spells it."""

    name: str
    graph_name: str
    type: AttributeType = AttributeType.STRING
    multivalued: bool = False
    # Written by admins and sources; the others are the directory's own or computed.
    writable: bool = True


class DirectoryObject(msgspec.Struct, frozen=True, kw_only=True):
    """A user or group as it stands; `attributes` has no computed one and no reference."""

    object_id: str
    kind: ObjectKind
    lifecycle: Lifecycle
    seq: int
    attributes: Attributes
    manager_id: str | None = None
    deleted_at: datetime | None = None
    created_at: datetime | None = None

    @property
    def display_name(self) -> str:
        """The name people know it by: display name, else the principal name, else the id."""
        for name in ("displayName", "userPrincipalName"):
            if self.attributes.get(name):
                return str(self.attributes[name])
        return self.object_id


def _same(*names: str) -> tuple[DirectoryAttribute, ...]:
    return tuple(DirectoryAttribute(name=name, graph_name=name) for name in names)


# A group's members, and the groups among them. Whoever is read by name may turn out to be either; a reference of ours
# points to one kind.
MEMBERS, MEMBER_GROUPS = "members", "memberGroups"

USER_ATTRIBUTES: tuple[DirectoryAttribute, ...] = (
    DirectoryAttribute(name="objectId", graph_name="id", writable=False),
    *_same("userPrincipalName", "mailNickname", "mail", "givenName", "surname", "displayName"),
    DirectoryAttribute(name="accountEnabled", graph_name="accountEnabled", type=AttributeType.BOOLEAN),
    *_same("userType", "employeeId", "employeeType", "jobTitle", "department", "companyName", "division", "costCenter"),
    DirectoryAttribute(name="physicalDeliveryOfficeName", graph_name="officeLocation"),
    *_same("streetAddress", "city", "state", "postalCode", "country", "usageLocation", "preferredLanguage"),
    DirectoryAttribute(name="telephoneNumber", graph_name="businessPhones"),
    DirectoryAttribute(name="mobile", graph_name="mobilePhone"),
    DirectoryAttribute(name="facsimileTelephoneNumber", graph_name="faxNumber"),
    DirectoryAttribute(name="proxyAddresses", graph_name="proxyAddresses", multivalued=True),
    DirectoryAttribute(name="otherMails", graph_name="otherMails", multivalued=True),
    DirectoryAttribute(name="employeeHireDate", graph_name="employeeHireDate", type=AttributeType.DATE_TIME),
    *_same(*(f"extensionAttribute{number}" for number in range(1, 16))),
)

GROUP_ATTRIBUTES: tuple[DirectoryAttribute, ...] = (
    DirectoryAttribute(name="objectId", graph_name="id", writable=False),
    *_same("displayName", "description", "mailNickname", "mail"),
    DirectoryAttribute(name="securityEnabled", graph_name="securityEnabled", type=AttributeType.BOOLEAN),
    DirectoryAttribute(name="mailEnabled", graph_name="mailEnabled", type=AttributeType.BOOLEAN),
)

# Computed for a job when a person is read for it (never stored): see planning.intent.
COMPUTED_ATTRIBUTES = ("originalUserPrincipalName", "IsSoftDeleted", "appRoleAssignments")

ATTRIBUTES_OF: dict[ObjectKind, dict[str, DirectoryAttribute]] = {
    ObjectKind.USER: {attribute.name: attribute for attribute in USER_ATTRIBUTES},
    ObjectKind.GROUP: {attribute.name: attribute for attribute in GROUP_ATTRIBUTES},
}


def original_principal_name(name: str) -> str:
    """Returns a guest's own address for `alias_theirdomain#EXT#@tenant`; any other name as it is.

    Source: how Entra flows userPrincipalName of B2B guests (strip `#EXT#@tenant`, last `_` becomes `@`).
    """
    marker = name.upper().find("#EXT#@")
    if marker < 0:
        return name
    local = name[:marker]
    alias, underscore, domain = local.rpartition("_")
    return f"{alias}@{domain}" if underscore else local


TEXT_LIMIT = 1_024
VALUES_LIMIT = 250
# Source: Microsoft Graph, displayName of user and group, userPrincipalName.
_TEXT_LIMITS = {"displayName": 256, "userPrincipalName": 113}


def why_text_is_refused(name: str, text: str) -> str | None:
    """Returns what is wrong with a text for an attribute, as the end of a sentence; None: the directory takes it."""
    limit = _TEXT_LIMITS.get(name, TEXT_LIMIT)
    if len(text) > limit:
        return f"takes at most {limit:,} characters"
    # Nearly all texts are printable; of the others most hold a line's end.
    if not text.isprintable() and any(ord(character) < 32 and character not in "\t\n\r" for character in text):
        return "holds a control character"
    return None
