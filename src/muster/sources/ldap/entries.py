"""Entries as the mirror keeps them: which attributes are read, how their values are written, and whom they refer to.

An attribute is one text, or a tuple of texts if it is among those that hold several; the others give their first value,
so that a mapping never gets a list one day and a text the next. What is no text is written in Base64.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from muster.model.directory import MEMBER_GROUPS, MEMBERS, AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition
from muster.model.values import Value
from muster.ports.reader import Entry
from muster.sources.ldap.messages import FoundEntry
from muster.sources.ldap.names import normalised_dn

RANGE = ";range="
_BINARY = frozenset(("objectguid", "objectsid"))
# Read of every entry and never kept: it would make every entry another one.
TIMESTAMP = "modifyTimestamp"
_MEMBERS = ("member", "uniqueMember", "memberUid")
MANAGER, DN = "manager", "dn"
# memberUid names people by uid: it stands beside DNs among the names of an entry.
_UID = "uid:"
# Of descriptions: a server has some dozens, whoever plays one may have more.
_PLAIN_LIMIT = 1_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What a kind of server has: its anchor, what people and groups are, and what is read of them."""

    name: str
    anchor: str
    user_filter: str
    group_filter: str
    user_attributes: tuple[str, ...]
    group_attributes: tuple[str, ...]
    multivalued: frozenset[str]

    def attributes_of(self, kind: ObjectKind) -> tuple[str, ...]:
        """Returns the attributes that are read of a kind, references apart."""
        return self.user_attributes if kind is ObjectKind.USER else self.group_attributes

    def anchor_bytes(self, anchor: str) -> bytes:
        """Returns an anchor as a filter compares it."""
        return UUID(anchor).bytes_le if self.anchor == "objectGUID" else anchor.encode()


_SHARED = (
    *("uid", "cn", "sn", "givenName", "displayName", "initials", "mail", "title", "description", "employeeNumber"),
    *("employeeType", "telephoneNumber", "mobile", "homePhone", "facsimileTelephoneNumber", "preferredLanguage"),
    *("physicalDeliveryOfficeName", "l", "st", "postalCode", "c", "co"),
)
OPEN_LDAP = Flavour(
    name="LDAP",
    anchor="entryUUID",
    user_filter="(objectClass=inetOrgPerson)",
    group_filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
    user_attributes=(
        *_SHARED,
        *(
            "departmentNumber",
            "o",
            "ou",
            "roomNumber",
            "street",
            "postalAddress",
            "objectClass",
            "mailAlternateAddress",
        ),
        # Operational: an account that its administrator locked, in OpenLDAP and 389 Directory Server.
        *("pwdAccountLockedTime", "nsAccountLock"),
    ),
    group_attributes=("cn", "displayName", "description", "mail", "objectClass"),
    multivalued=frozenset(("objectclass", "mailalternateaddress")),
)
ACTIVE_DIRECTORY = Flavour(
    name="Active Directory",
    anchor="objectGUID",
    user_filter="(&(objectCategory=person)(objectClass=user))",
    group_filter="(objectClass=group)",
    user_attributes=(
        *_SHARED,
        *("userPrincipalName", "sAMAccountName", "mailNickname", "userAccountControl", "accountExpires", "objectSid"),
        *("department", "company", "division", "employeeID", "streetAddress", "proxyAddresses", "otherMailbox"),
        *("wWWHomePage", "info", *(f"extensionAttribute{number}" for number in range(1, 16))),
    ),
    group_attributes=(
        *("cn", "displayName", "description", "mail", "mailNickname", "sAMAccountName", "groupType", "objectSid"),
    ),
    multivalued=frozenset(("objectclass", "proxyaddresses", "otherMailbox".lower())),
)


class EntryReader:
    """Makes entries of one kind of object out of what a search found."""

    def __init__(self, flavour: Flavour, kind: ObjectKind, wanted: Iterable[str] = ()) -> None:
        """Args: wanted: the attributes to read; none: those that such a server usually has."""
        names = [
            name
            for name in (sorted(wanted) or flavour.attributes_of(kind))
            if name not in (DN, MANAGER, MEMBERS, MEMBER_GROUPS, TIMESTAMP, flavour.anchor)
            and _NAME.fullmatch(name) is not None
        ]
        self._anchor = flavour.anchor
        self._kind = kind
        self._many = flavour.multivalued
        # Servers spell names as they like: ours count.
        self._spelling = {name.casefold(): name for name in names}
        # Descriptions that name an attribute and no more, in lower case: each is folded once.
        self._plain: dict[str, str] = {}
        needed = (MANAGER, "uid") if kind is ObjectKind.USER else _MEMBERS
        self.attributes: tuple[str, ...] = tuple(dict.fromkeys((*names, *needed, flavour.anchor, TIMESTAMP)))
        self._described = names

    def read(self, found: FoundEntry, source_id: str | None = None) -> Entry | None:
        """Returns the entry, None if it has no anchor. `source_id`: its anchor, if the server told it apart."""
        plain = self._plain
        try:
            given = {plain[described]: values for described, values in found.attributes.items()}
        except KeyError:
            given = self._folded(found.attributes)
        anchor = source_id or read_anchor(self._anchor, given)
        if anchor is None:
            return None
        attributes: dict[str, Value] = {}
        for name, values in given.items():
            spelled = self._spelling.get(name)
            if spelled is None or not values:
                continue
            if name in self._many:
                attributes[spelled] = tuple([_text(name, value) for value in values])
            elif text := _text(name, values[0]):
                attributes[spelled] = text
        # Always there, so that a mapping can take the place in the tree from it.
        attributes[DN] = found.dn
        attributes[self._anchor] = anchor
        names = [normalised_dn(found.dn)]
        if self._kind is ObjectKind.USER and given.get("uid"):
            names.append(f"{_UID}{given['uid'][0].decode(errors='replace')}")
        return Entry(
            kind=self._kind,
            source_id=anchor,
            attributes=attributes,
            names=tuple(names),
            references=self._read_references(given),
        )

    def _folded(self, attributes: Mapping[str, list[bytes]]) -> dict[str, list[bytes]]:
        """Returns values by attributes in lower case, of which those without options are remembered."""
        given: dict[str, list[bytes]] = {}
        for described, values in attributes.items():
            name, has_options, _ = described.partition(";")
            folded = name.casefold()
            # What is said in one language (`cn;lang-nl`) counts where nothing is said for all.
            if not has_options or folded not in given:
                given[folded] = values
            if not has_options and len(self._plain) < _PLAIN_LIMIT:
                self._plain[described] = folded
        return given

    def describe(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes that entries of the kind have."""
        names = [self._anchor, DN, *self._described]
        plain = [
            AttributeDefinition(name=name, multivalued=name.casefold() in self._many, anchor=name == self._anchor)
            for name in names
        ]
        if self._kind is ObjectKind.USER:
            return (*plain, AttributeDefinition(name=MANAGER, type=AttributeType.REFERENCE))
        many = (
            AttributeDefinition(name=name, type=AttributeType.REFERENCE, multivalued=True)
            for name in (MEMBERS, MEMBER_GROUPS)
        )
        return (*plain, *many)

    def _read_references(self, given: Mapping[str, list[bytes]]) -> dict[str, tuple[str, ...]]:
        if self._kind is ObjectKind.USER:
            managers = given.get(MANAGER, [])
            return {MANAGER: tuple(normalised_dn(value.decode(errors="replace")) for value in managers[:1])}
        named = [
            normalised_dn(value.decode(errors="replace"))
            for name in ("member", "uniquemember")
            for value in given.get(name, [])
            # groupOfNames must have a member: an empty name stands for nobody.
            if value
        ]
        named += [f"{_UID}{value.decode(errors='replace')}" for value in given.get("memberuid", [])]
        return {MEMBERS: tuple(dict.fromkeys(named))}


def read_anchor(name: str, given: Mapping[str, list[bytes]]) -> str | None:
    """Returns the anchor among attributes by their names in lower case."""
    values = given.get(name.casefold())
    if not values:
        return None
    if name == "objectGUID":
        return str(UUID(bytes_le=values[0])) if len(values[0]) == 16 else None
    text = values[0].decode(errors="replace").strip().lower()
    return text or None


def find_range(found: FoundEntry) -> tuple[str, int] | None:
    """Returns the attribute that was given in part, and how many of its values were; None: all is whole.

    Source: MS-ADTS 3.1.1.3.1.3.3, `member;range=0-1499`; the last part ends with `-*`.
    """
    for name in found.attributes:
        if ";" not in name:
            continue
        plain, mark, place = name.partition(RANGE)
        if mark and not place.endswith("-*"):
            _, _, last = place.partition("-")
            if last.isdecimal():
                return plain, int(last) + 1
    return None


def with_values(found: FoundEntry, name: str, values: Iterable[bytes]) -> FoundEntry:
    """Returns the entry with all values of an attribute that was given in part."""
    attributes = {
        key: kept for key, kept in found.attributes.items() if key.partition(";")[0].casefold() != name.casefold()
    }
    return FoundEntry(dn=found.dn, attributes={**attributes, name: list(values)}, controls=found.controls)


def _text(name: str, value: bytes) -> str:
    if name in _BINARY:
        return _sid(value) if name == "objectsid" else str(UUID(bytes_le=value)) if len(value) == 16 else _packed(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _packed(value)
    return _packed(value) if "\0" in text else text


def _packed(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _sid(value: bytes) -> str:
    """Returns a security identifier as S-1-5-21-…. Source: MS-DTYP 2.4.2."""
    if len(value) < 8 or len(value) != 8 + 4 * value[1]:
        return _packed(value)
    parts = [int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4)]
    return "-".join(["S", str(value[0]), str(int.from_bytes(value[2:8])), *map(str, parts)])
