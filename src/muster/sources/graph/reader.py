"""The reader of Microsoft Graph: people, groups, members and managers by delta query.

The first read is a round of everything, each later one of what changed since its `deltaLink`. In a round of everything
a group may come several times, with more of its members each time.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from muster.model.directory import MEMBER_GROUPS, MEMBERS, AttributeType, ObjectKind
from muster.model.failures import SystemUnreachable
from muster.model.rules import AttributeDefinition
from muster.model.values import Value, content_hash
from muster.ports.reader import CursorExpired, Ending, Entry, ReadPage
from muster.sources.graph.session import GraphSession

USER_ATTRIBUTES = (
    *("userPrincipalName", "displayName", "givenName", "surname", "mail", "mailNickname", "accountEnabled", "userType"),
    *("employeeId", "employeeType", "jobTitle", "department", "companyName", "officeLocation", "streetAddress", "city"),
    *("state", "postalCode", "country", "usageLocation", "preferredLanguage", "businessPhones", "mobilePhone"),
    *("faxNumber", "proxyAddresses", "otherMails", "employeeHireDate", "onPremisesExtensionAttributes"),
)
GROUP_ATTRIBUTES = ("displayName", "description", "mailNickname", "mail", "securityEnabled", "mailEnabled")
_EXTENSIONS = "onPremisesExtensionAttributes"
_COLLECTIONS = {ObjectKind.USER: "users", ObjectKind.GROUP: "groups"}
_DEFAULTS = {ObjectKind.USER: USER_ATTRIBUTES, ObjectKind.GROUP: GROUP_ATTRIBUTES}
_REFERENCES = {ObjectKind.USER: "manager", ObjectKind.GROUP: MEMBERS}
# Graph has a list for what people have one of.
_FIRST_OF = frozenset({"businessPhones"})
_MEMBER_TYPES = ("#microsoft.graph.user", "#microsoft.graph.group")
_PAGES_LIMIT = 1_000_000


class GraphReader:
    """Reads one tenant."""

    def __init__(self, session: GraphSession, *, with_groups: bool = True, wanted: Iterable[str] = ()) -> None:
        """Args: wanted: the attributes to read, by Graph's names; none: those that people usually have."""
        self._session = session
        self._kinds = tuple(ObjectKind) if with_groups else (ObjectKind.USER,)
        names = set(wanted)
        self._selected = {kind: _selected(kind, names) for kind in self._kinds}

    def probe(self) -> str:
        """Asks for one person and one group; returns what was found. Raises: JobFailure."""
        found = []
        for kind in self._kinds:
            what = _COLLECTIONS[kind]
            page = self._session.get(f"{self._session.base_url}/{what}?$top=1&$select=id")
            if not isinstance(page.get("value"), list):
                raise SystemUnreachable(f"{self._session.base_url} answers something other than Microsoft Graph.")
            found.append(f"{'people' if kind is ObjectKind.USER else 'groups'} can be read")
        return f"{self._session.base_url} answers: {' and '.join(found)}."

    def read(self, cursor: str | None) -> Iterator[ReadPage]:
        """Yields pages; the last one has the ending and the next cursor. Raises: CursorExpired, JobFailure."""
        links = self._links(cursor)
        following: dict[str, str] = {}
        for kind in self._kinds:
            following[kind.value] = yield from self._round(kind, links.get(kind.value))
        written = orjson.dumps({"asked": self._asked(), "links": following}).decode()
        yield ReadPage(cursor=written, ending=Ending.WHOLE if cursor is None else Ending.CHANGES)

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes that are read of each kind."""
        return {
            kind: (
                AttributeDefinition(name="id", anchor=True),
                *(AttributeDefinition(name=name) for name in self._selected[kind] if name != _EXTENSIONS),
                *(
                    AttributeDefinition(name=name, type=AttributeType.REFERENCE, multivalued=kind is ObjectKind.GROUP)
                    for name in ((MEMBERS, MEMBER_GROUPS) if kind is ObjectKind.GROUP else (_REFERENCES[kind],))
                ),
            )
            for kind in self._kinds
        }

    def close(self) -> None:
        """Lets go of nothing: connections are the transport's."""

    def _round(self, kind: ObjectKind, link: str | None) -> Generator[ReadPage, None, str]:
        """Yields the pages of a round and returns its deltaLink."""
        is_first = link is None
        url = link or self._first_url(kind)
        seen: set[str] = set()
        for _ in range(_PAGES_LIMIT):
            document = self._session.get(url)
            value = document.get("value")
            if not isinstance(value, list):
                raise SystemUnreachable(
                    f"{self._session.base_url} gives a page of {_COLLECTIONS[kind]} without a value."
                )
            yield _page(kind, value, is_first=is_first, seen=seen)
            end = document.get("@odata.deltaLink")
            if isinstance(end, str):
                return end
            following = document.get("@odata.nextLink")
            if not isinstance(following, str) or following == url:
                # A page that says neither how to go on nor that it was the last was cut off.
                raise SystemUnreachable(
                    f"{self._session.base_url} ended the changes of {_COLLECTIONS[kind]} without a deltaLink."
                )
            url = following
        raise SystemUnreachable(f"{self._session.base_url} gives pages of {_COLLECTIONS[kind]} without end.")

    def _first_url(self, kind: ObjectKind) -> str:
        query = urlencode({"$select": ",".join((*self._selected[kind], _REFERENCES[kind]))}, safe=",$")
        return f"{self._session.base_url}/{_COLLECTIONS[kind]}/delta?{query}"

    def _links(self, cursor: str | None) -> Mapping[str, str]:
        if cursor is None:
            return {}
        try:
            state = orjson.loads(cursor)
            links: Mapping[str, str] = state["links"]
            is_ours = state["asked"] == self._asked() and all(kind.value in links for kind in self._kinds)
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise CursorExpired("Other attributes or another tenant are read than at the last read.")
        return links

    def _asked(self) -> str:
        return content_hash([self._session.base_url, {kind.value: names for kind, names in self._selected.items()}])


def _selected(kind: ObjectKind, wanted: set[str]) -> tuple[str, ...]:
    usual = _DEFAULTS[kind]
    if not wanted:
        return usual
    named = [name for name in usual if name in wanted]
    # A name of another kind's attribute is refused by Graph: what is not usual is asked of people alone.
    known = {name for names in _DEFAULTS.values() for name in names}
    others = [name for name in wanted if name not in known and name not in (*_REFERENCES.values(), MEMBER_GROUPS)]
    if kind is ObjectKind.USER:
        if any(name.startswith("extensionAttribute") for name in others):
            named.append(_EXTENSIONS)
        named += sorted(
            name
            for name in others
            if name not in ("id", "IsSoftDeleted") and not name.startswith("extensionAttribute") and name.isidentifier()
        )
    return tuple(dict.fromkeys(named))


def _page(kind: ObjectKind, items: Sequence[Any], *, is_first: bool, seen: set[str]) -> ReadPage:
    entries: list[Entry] = []
    # As a set that keeps the order of the page.
    removed: dict[str, None] = {}
    problems: list[str] = []
    for item in items:
        source_id = item.get("id") if isinstance(item, dict) else None
        if not isinstance(source_id, str) or not source_id:
            problems.append(f"One of the {_COLLECTIONS[kind]} has no id: it is left out.")
        elif "@removed" in item:
            # Deleted for good, or into the bin of the tenant, from where it comes back as any other.
            removed[source_id] = None
        else:
            entries.append(_entry(kind, source_id, item, is_first=is_first, is_again=source_id in seen))
            seen.add(source_id)
            # Who was removed before, in the same page, has come back since.
            removed.pop(source_id, None)
    return ReadPage(entries=tuple(entries), removed=tuple(removed), problems=tuple(problems))


def _entry(kind: ObjectKind, source_id: str, item: Mapping[str, Any], *, is_first: bool, is_again: bool) -> Entry:
    # Of what did not change a round of changes may say nothing.
    is_partial = not is_first or is_again
    attributes: dict[str, Value] = {"id": source_id}
    for name, value in item.items():
        if name == _EXTENSIONS and isinstance(value, dict):
            attributes.update((key, _value(key, text)) for key, text in value.items())
        elif "@" not in name and name not in ("id", "manager", "members"):
            attributes[name] = _value(name, value)
    if not is_partial:
        attributes = {name: value for name, value in attributes.items() if value is not None}
    references: dict[str, tuple[str, ...]] = {}
    added: dict[str, tuple[str, ...]] = {}
    gone: dict[str, tuple[str, ...]] = {}
    if kind is ObjectKind.USER:
        manager = _manager(item)
        if manager is not None or not is_partial:
            references["manager"] = manager or ()
    else:
        came, went = _members(item)
        if is_partial:
            added, gone = ({"members": came} if came else {}), ({"members": went} if went else {})
        else:
            references["members"] = came
    principal = item.get("userPrincipalName")
    return Entry(
        kind=kind,
        source_id=source_id,
        attributes=attributes,
        names=(source_id, principal) if isinstance(principal, str) and principal else (source_id,),
        references=references,
        added=added,
        removed=gone,
        is_partial=is_partial,
    )


def _value(name: str, value: Any) -> Value:
    if isinstance(value, list):
        texts = tuple(each if isinstance(each, str) else str(each) for each in value if each is not None)
        if name in _FIRST_OF:
            return texts[0] if texts else None
        return texts or None
    if isinstance(value, dict):
        return None
    return None if value == "" else value


def _manager(item: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The manager by id; None: nothing is said."""
    told = item.get("manager@delta")
    if isinstance(told, list):
        return tuple(str(each["id"]) for each in told if isinstance(each, dict) and "id" in each and not _left(each))[
            :1
        ]
    whole = item.get("manager")
    if isinstance(whole, dict) and whole.get("id"):
        return (str(whole["id"]),)
    return None


def _members(item: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    came: list[str] = []
    went: list[str] = []
    for each in item.get("members@delta") or ():
        if isinstance(each, dict) and each.get("id") and each.get("@odata.type", _MEMBER_TYPES[0]) in _MEMBER_TYPES:
            (went if _left(each) else came).append(str(each["id"]))
    return tuple(dict.fromkeys(came)), tuple(dict.fromkeys(went))


def _left(item: Mapping[str, Any]) -> bool:
    return "@removed" in item
