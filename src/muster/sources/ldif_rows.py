"""Reads entries of an LDIF file as people and groups: content records, and changes that add or delete.

An entry's kind is told by its object classes; managers and members, which LDIF names by DN, are given by the principal
names, and groups by the ids, of the entries of the same file. The entries are held in memory, as those that are
referred to may come last.

Source: RFC 2849; which attribute becomes which is as for LDAP servers (docs/sources/ldap.md).
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from muster.model.directory import ObjectKind
from muster.sources.columns import IS_SOFT_DELETED
from muster.sources.ldap.names import normalised_dn
from muster.sources.rows import FileLimits, FileRefused, RawRow, ReadRow, RowProblem, group_id, quoted

_PEOPLE = frozenset({"person", "organizationalperson", "inetorgperson", "user", "posixaccount"})
_GROUPS = frozenset({"group", "groupofnames", "groupofuniquenames", "posixgroup", "groupofmembers"})
# In Active Directory each is a user, too.
_MACHINE = "computer"
# Ours <- LDIF's: the first that has a value.
_USER: Mapping[str, tuple[str, ...]] = {
    "userPrincipalName": ("userprincipalname", "mail"),
    "displayName": ("displayname", "cn"),
    "givenName": ("givenname",),
    "surname": ("sn",),
    "mail": ("mail",),
    "mailNickname": ("mailnickname", "uid", "samaccountname"),
    "employeeId": ("employeeid", "employeenumber"),
    "employeeType": ("employeetype",),
    "jobTitle": ("title",),
    "department": ("department", "ou", "departmentnumber"),
    "companyName": ("company", "o"),
    "division": ("division",),
    "physicalDeliveryOfficeName": ("physicaldeliveryofficename", "roomnumber"),
    "streetAddress": ("streetaddress", "street", "postaladdress"),
    "city": ("l",),
    "state": ("st",),
    "postalCode": ("postalcode",),
    "country": ("c", "co"),
    "preferredLanguage": ("preferredlanguage",),
    "telephoneNumber": ("telephonenumber",),
    "mobile": ("mobile",),
    "facsimileTelephoneNumber": ("facsimiletelephonenumber",),
}
_GROUP: Mapping[str, tuple[str, ...]] = {
    "displayName": ("displayname", "cn"),
    "description": ("description",),
    "mail": ("mail",),
}
_MEMBERS = ("member", "uniquemember")
_MEMBER_UID, _MANAGER = "memberuid", "manager"
_DISABLED_BIT = 2
_LOCKED_FOR_GOOD = "000001010000Z"
_LINE_CHARACTERS = 1_048_576


@dataclass(slots=True)
class _Entry:
    """One record: attribute names in lower case, without options; `optioned` has what they were given with."""

    line: int
    dn: str = ""
    change: str = "add"
    values: dict[str, list[str]] = field(default_factory=dict)
    optioned: dict[str, list[str]] = field(default_factory=dict)

    def first(self, *names: str) -> str | None:
        return next((self.values[name][0] for name in names if self.values.get(name)), None)

    @property
    def kind(self) -> ObjectKind | None:
        classes = {name.lower() for name in self.values.get("objectclass", ())}
        if classes & _GROUPS:
            return ObjectKind.GROUP
        if _MACHINE in classes:
            return None
        return ObjectKind.USER if classes & _PEOPLE else None


def read_ldif(text: TextIO, kind: ObjectKind | None, limits: FileLimits) -> Iterator[ReadRow]:
    """Yields the people and groups of a file and what is wrong in it; `kind` alone is read, if it is given.

    Raises: FileRefused for a file that is no LDIF, or when a limit is passed.
    """
    entries: list[_Entry] = []
    problems: list[RowProblem] = []
    for read in _records(text, limits):
        if isinstance(read, RowProblem):
            problems.append(read)
        else:
            # What is said in one language (`cn;lang-nl`) counts where nothing is said for all.
            read.values = {**read.optioned, **read.values}
            entries.append(read)
        if len(entries) > limits.rows:
            raise FileRefused(f"The file has more than {limits.rows:,} entries.", remedy="Import it in several files.")
    if not entries and not problems:
        raise FileRefused("The file holds no entry: each begins with a line dn: …")
    names, by_uid = _names(entries)
    wrong = {**_twins(entries), **_nameless(entries), **_strangers(entries, names, by_uid, limits)}
    yield from problems
    yield from (each for each in ObjectKind if kind in (None, each) and any(entry.kind is each for entry in entries))
    for entry in entries:
        found = entry.kind
        if entry.line in wrong:
            yield wrong[entry.line]
        elif found is not None and kind in (None, found):
            manager = entry.first(_MANAGER)
            if limits.goes_on and manager and normalised_dn(manager) not in names:
                del entry.values[_MANAGER]
                yield _unknown_manager(entry, manager)
            yield _row(entry, found, names, by_uid, limits)


def _names(entries: Sequence[_Entry]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns by what other rows of the file call people and groups: by DN, and people by uid."""
    names: dict[str, str] = {}
    by_uid: dict[str, str] = {}
    for entry in entries:
        if entry.kind is ObjectKind.GROUP:
            called = entry.first(*_GROUP["displayName"])
            if called is not None:
                names[normalised_dn(entry.dn)] = group_id(called.strip())
            continue
        name = entry.first(*_USER["userPrincipalName"])
        if entry.kind is ObjectKind.USER and name is not None:
            names[normalised_dn(entry.dn)] = name
            by_uid.update(dict.fromkeys(entry.values.get("uid", ()), name))
    return names, by_uid


def _nameless(entries: Sequence[_Entry]) -> dict[int, RowProblem]:
    """Returns what is wrong with deletions that give nothing but a DN, by which nobody is known here."""
    return {
        entry.line: RowProblem(
            line=entry.line,
            sentence=f"Line {entry.line}: who is deleted is not told by a DN alone: give objectClass and mail, too. "
            "The entry is not read.",
        )
        for entry in entries
        if entry.change == "delete" and entry.kind is None
    }


def _twins(entries: Sequence[_Entry]) -> dict[int, RowProblem]:
    """Returns what is wrong with groups of one name that are different groups, by line: a file has no other id."""
    by_name: dict[str, dict[str, _Entry]] = {}
    for entry in entries:
        called = entry.first(*_GROUP["displayName"])
        if entry.kind is ObjectKind.GROUP and called is not None:
            by_name.setdefault(group_id(called.strip()), {}).setdefault(normalised_dn(entry.dn), entry)
    return {
        entry.line: RowProblem(
            line=entry.line,
            sentence=f"Line {entry.line}: {len(same)} groups of the file are called "
            f"{quoted(entry.first(*_GROUP['displayName']) or '')}, so nobody can tell which is meant: it is not read.",
            kind=ObjectKind.GROUP,
        )
        for same in by_name.values()
        if len(same) > 1
        for entry in same.values()
    }


def _strangers(
    entries: Sequence[_Entry], names: Mapping[str, str], by_uid: Mapping[str, str], limits: FileLimits
) -> dict[int, RowProblem]:
    """Returns what is wrong with groups that would lose members for being no entries of the file, by line.

    In a whole list of people, whoever is no entry is nobody, or a machine. Elsewhere another file may have them: after
    earlier files each one, in a file of groups alone too; in one that adds, those of a group of whom none is there.
    """
    there = {*names, *(normalised_dn(entry.dn) for entry in entries if entry.kind is None)}
    is_each_needed = limits.goes_on or not any(entry.kind is ObjectKind.USER for entry in entries)
    found: dict[int, RowProblem] = {}
    for entry in entries:
        if entry.kind is not ObjectKind.GROUP or entry.change == "delete":
            continue
        # groupOfNames must have a member: an empty name stands for nobody.
        named = [(dn, normalised_dn(dn) in there) for name in _MEMBERS for dn in entry.values.get(name, ()) if dn]
        named += [(uid, uid in by_uid) for uid in entry.values.get(_MEMBER_UID, ())]
        strangers = [name for name, is_there in named if not is_there]
        if strangers and (is_each_needed or (limits.is_partial and len(strangers) == len(named))):
            found[entry.line] = RowProblem(
                line=entry.line,
                sentence=f"{_place(entry)}: the member {quoted(strangers[0])} is no entry of the file, so nobody can "
                "tell who that is. The group is not read; its members stay.",
                kind=ObjectKind.GROUP,
            )
    return found


def _unknown_manager(entry: _Entry, manager: str) -> RowProblem:
    return RowProblem(
        line=entry.line,
        sentence=f"{_place(entry)}: the manager {quoted(manager)} is no entry of the file, so nobody can tell who that "
        "is. The one who is there stays.",
    )


def _row(
    entry: _Entry, kind: ObjectKind, names: Mapping[str, str], by_uid: Mapping[str, str], limits: FileLimits
) -> RawRow:
    chosen = _USER if kind is ObjectKind.USER else _GROUP
    values: dict[str, object] = {
        name: value for name, sources in chosen.items() if (value := entry.first(*sources)) is not None
    }
    if kind is ObjectKind.USER:
        values["accountEnabled"] = "false" if _is_disabled(entry) else "true"
        manager = entry.first(_MANAGER)
        if manager is not None:
            # As among members, an empty name stands for nobody.
            values["manager"] = names.get(normalised_dn(manager), manager) or None
    elif not limits.is_partial or any(name in entry.values for name in (*_MEMBERS, _MEMBER_UID)):
        given = [names.get(normalised_dn(dn)) for name in _MEMBERS for dn in entry.values.get(name, ())]
        given += [by_uid.get(uid) for uid in entry.values.get(_MEMBER_UID, ())]
        # Who is neither a person nor a group of this file (a machine) is no member.
        values["members"] = [name for name in given if name is not None]
    if entry.change == "delete":
        values[IS_SOFT_DELETED] = "true"
    return RawRow(line=entry.line, place=_place(entry), kind=kind, values=values)


def _place(entry: _Entry) -> str:
    """Where an entry stands: its lines have no columns; who it is about, a DN says."""
    return f"Line {entry.line} ({quoted(entry.dn)})"


def _is_disabled(entry: _Entry) -> bool:
    control = entry.first("useraccountcontrol") or "0"
    is_switched_off = control.isdecimal() and bool(int(control) & _DISABLED_BIT)
    is_locked = entry.first("pwdaccountlockedtime") == _LOCKED_FOR_GOOD
    return is_switched_off or is_locked or (entry.first("nsaccountlock") or "").lower() == "true"


def _records(text: TextIO, limits: FileLimits) -> Iterator[_Entry | RowProblem]:
    """Yields the records; one that holds a mistake is left out whole."""
    entry: _Entry | None = None
    wrong: RowProblem | None = None
    line, is_ended = 0, True
    for line, content, is_ended in _logical_lines(text):  # noqa: B007  is_ended is of the last one
        if not content:
            if entry is not None:
                yield wrong or entry
            entry, wrong = None, None
            continue
        name, colon, rest = content.partition(":")
        name, has_options, _ = name.partition(";")
        name = name.strip().lower()
        if entry is None:
            if name == "version" and colon:
                continue
            if name != "dn" or not colon:
                raise FileRefused(f"Line {line}: an entry begins with dn: …, not with {quoted(content)}.")
            entry = _Entry(line=line)
        value = _value(rest) if colon else None
        if value is None or len(value) > limits.value_characters * 4:
            why = "is no attribute: value" if value is None else "is too long"
            wrong = wrong or RowProblem(
                line=line, sentence=f"Line {line}: {quoted(content)} {why}. The entry is not read."
            )
        elif name == "dn":
            entry.dn = value
        elif name == "changetype":
            entry.change = value.strip().lower()
            if entry.change not in ("add", "delete"):
                wrong = wrong or RowProblem(
                    line=line,
                    sentence=f"Line {line}: changetype {quoted(value)} is not read: give the whole entry (an empty "
                    "manager: or member: takes away who is there), or delete.",
                )
        else:
            values = (entry.optioned if has_options else entry.values).setdefault(name, [])
            if len(values) >= limits.members:
                raise FileRefused(f"Line {line}: {name} has more than {limits.members:,} values.")
            values.append(value)
    if entry is not None:
        if wrong is None and not is_ended:
            # A whole line has an end (RFC 2849): half a mail address would be somebody else.
            sentence = f"Line {line}: the file ends within an entry: it was cut off. The entry is not read."
            wrong = RowProblem(line=line, sentence=sentence)
        yield wrong or entry


def _value(rest: str) -> str | None:
    """The value behind the colon; None for one that cannot be read, or that stands in another file (`:<`)."""
    if rest.startswith(":"):
        try:
            data = base64.b64decode(rest[1:].strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        # What is no text (a picture, a certificate) stands for itself, and no column takes it.
        return data.decode(errors="replace")
    return None if rest.startswith("<") else rest.lstrip(" ")


def _logical_lines(text: TextIO) -> Iterator[tuple[int, str, bool]]:
    """Yields the number of each line, its text with what goes on behind a blank joined, and whether it has an end.

    Comments are left out.
    """
    begun, kept = 0, ""
    is_open, is_ended = False, True
    try:
        for number, raw in enumerate(text, start=1):
            line = raw.rstrip("\r\n")
            is_ended = line != raw
            if line.startswith(" ") and is_open:
                kept += line[1:]
                if len(kept) > _LINE_CHARACTERS:
                    raise FileRefused(f"Line {begun}: a value has more than {_LINE_CHARACTERS:,} characters.")
                continue
            if is_open and not kept.startswith("#"):
                yield begun, kept, True
            begun, kept, is_open = number, line, True
    except UnicodeError as error:
        raise FileRefused(f"The file is not valid {getattr(error, 'encoding', 'text')}.") from None
    if is_open and not kept.startswith("#"):
        yield begun, kept, is_ended
