"""What an administrator enters of an LDAP server, checked. The fields stand on the gallery's pages of these sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from muster.model.failures import SchemaRefused
from muster.sources.ldap.connecting import Encryption, ServerAddress
from muster.sources.ldap.filters import FilterInvalid, read_filter

_BASE_CHARACTERS = 1_024
_Choice = TypeVar("_Choice", bound=StrEnum)


class Method(StrEnum):
    """How changes since the last read are found."""

    AUTO = "auto"
    # OpenLDAP and others with content synchronization (RFC 4533).
    SYNCREPL = "syncrepl"
    # Active Directory: DirSync, or the number that every change gets.
    DIR_SYNC = "dirSync"
    USN = "uSNChanged"
    TIMESTAMP = "modifyTimestamp"
    # Everything is read, every five minutes.
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapSettings:
    """A server, what of it is read, and how. A filter that is None is the usual one of such a server."""

    address: ServerAddress
    user_base: str
    user_filter: str | None = None
    # None: no groups are read.
    group_base: str | None = None
    group_filter: str | None = None
    method: Method = Method.AUTO


def read_ldap_settings(values: Mapping[str, str]) -> LdapSettings:
    """Returns the settings of a connection. Raises: SchemaRefused, naming the field that is wrong."""
    given = {name: value.strip() for name, value in values.items() if value.strip()}
    for name in ("Server", "UserBase"):
        if name not in given:
            raise SchemaRefused(f"{name} is empty.", remedy="Enter the server's address and the base DN of its people.")
    for name in ("UserBase", "GroupBase"):
        if len(given.get(name, "")) > _BASE_CHARACTERS:
            raise SchemaRefused(f"{name} has more than {_BASE_CHARACTERS:,} characters.", remedy="Enter one DN.")
    for name in ("UserFilter", "GroupFilter"):
        if name in given:
            try:
                read_filter(given[name])
            except FilterInvalid as error:
                raise SchemaRefused(f"{name}: {error}", remedy="Correct the filter (RFC 4515).") from None
    if ("UserName" in given) != ("Password" in given):
        sentence = (
            "There is a bind DN and no password." if "UserName" in given else "There is a password and no bind DN."
        )
        raise SchemaRefused(sentence, remedy="Enter both, or neither to bind anonymously.")
    return LdapSettings(
        address=ServerAddress(
            url=given["Server"],
            encryption=_choice(Encryption, given, "Encryption", Encryption.START_TLS),
            bind_dn=given.get("UserName", ""),
            # Blanks at its ends belong to a password.
            password=values.get("Password", ""),
            ca_pem=given.get("TrustedCertificates"),
        ),
        user_base=given["UserBase"],
        user_filter=given.get("UserFilter"),
        group_base=given.get("GroupBase"),
        group_filter=given.get("GroupFilter"),
        method=_choice(Method, given, "Method", Method.AUTO),
    )


def _choice(kind: type[_Choice], given: Mapping[str, str], name: str, default: _Choice) -> _Choice:
    try:
        return kind(given.get(name, default))
    except ValueError:
        choices = ", ".join(each.value for each in kind)
        raise SchemaRefused(f"{name} is “{given[name][:60]}”.", remedy=f"Choose one of {choices}.") from None
