"""The reader of an LDAP server or Active Directory: which way it is read, and from where the next read goes on.

A cursor names the way, what was asked, and the server's own place (a synchronization cookie, an update number, a
time). One that was written for other bases, filters, attributes or another server counts as expired: then everything is
read again.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from muster.model.directory import ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.rules import AttributeDefinition
from muster.model.values import content_hash
from muster.ports.reader import CursorExpired, Ending, ReadPage
from muster.ports.world import Clock
from muster.sources.ldap.controls import ACTIVE_DIRECTORY as ACTIVE_DIRECTORY_CAPABILITY
from muster.sources.ldap.controls import DOMAIN_SCOPE, SYNC_REQUEST
from muster.sources.ldap.entries import EntryReader, Flavour
from muster.sources.ldap.filters import is_present, read_filter
from muster.sources.ldap.messages import Control, FoundEntry
from muster.sources.ldap.probing import known_attributes, look_at
from muster.sources.ldap.reading import Branch, LdapReading, MethodUnavailable, Report, SideSession
from muster.sources.ldap.session import LdapSession, open_session
from muster.sources.ldap.settings import LdapSettings, Method
from muster.transport.guard import AddressGuard

# What no way of telling changes tells (a branch that was moved as a whole gives its people other DNs) is found by
# reading everything this often.
WHOLE_EVERY = timedelta(hours=24)
# A mark tells who was changed and never who is gone: everybody is counted through this often.
LIST_EVERY = timedelta(minutes=5)
# Of a cursor that leads nowhere: when everything is read again.
AGAIN = "again_at"
# Servers that copy from each other bring changes with times that have passed already.
_OVERLAP = timedelta(minutes=5)
_ROOT = ("supportedControl", "supportedCapabilities", "namingContexts", "highestCommittedUSN", "dsServiceName")
_ROOT_MORE = ("defaultNamingContext", "subschemaSubentry", "vendorName", "dnsHostName")
_STAMP = "%Y%m%d%H%M%SZ"
_NEVER = "19700101000000Z"


class LdapReader:
    """Reads one server. A session is opened for each read and closed after it."""

    def __init__(
        self,
        guard: AddressGuard,
        settings: LdapSettings,
        *,
        flavour: Flavour,
        clock: Clock,
        wanted: Iterable[str] = (),
        answer_within: timedelta | None = None,
    ) -> None:
        """Args: wanted: the attributes to read; none: those that such a server usually has."""
        self._guard = guard
        self._settings = settings
        self._flavour = flavour
        self._clock = clock
        self._answer_within = answer_within
        self._session: LdapSession | None = None
        self._side = SideSession(self._open)
        names = tuple(wanted)
        self._entries = {kind: EntryReader(flavour, kind, names) for kind in ObjectKind}
        self._branches = tuple(self._find_branches())

    def probe(self) -> str:
        """Tests address, encryption, bind, bases and filters; returns what was found. Raises: JobFailure."""
        session = self._connect()
        try:
            root = self._read_root(session)
            known = known_attributes(session, root.schema_dn)
            found = [sentence for branch in self._branches for sentence in look_at(session, branch, known)]
            return " ".join((*found, f"Changes are found by {self._choose(root).value}."))
        finally:
            self.close()

    def read(self, cursor: str | None) -> Iterator[ReadPage]:
        """Yields pages; the last one has the ending and the next cursor. Raises: CursorExpired, JobFailure."""
        session = self._connect()
        try:
            root = self._read_root(session)
            method = self._choose(root)
            method, state = self._take_up(cursor, method, root)
            if state is not None and AGAIN in state:
                if self._clock.now() < datetime.fromisoformat(state[AGAIN]):
                    yield ReadPage(cursor=cursor, ending=Ending(state["ending"]), because=state["because"])
                    return
                state = None
            try:
                if method is Method.SYNCREPL and root.is_389:
                    raise MethodUnavailable
                yield from self._read(session, root, method, state)
            except MethodUnavailable:
                if self._settings.method is not Method.AUTO:
                    remedy = "Choose another way to find changes, or auto."
                    raise SchemaRefused(f"The server does not offer {method.value}.", remedy=remedy) from None
                yield from self._read(session, root, Method.TIMESTAMP, None)
        finally:
            self.close()

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes that are read of each kind."""
        return {branch.kind: branch.entries.describe() for branch in self._branches}

    def close(self) -> None:
        """Lets go of the connections."""
        self._side.close()
        if self._session is not None:
            self._session.close()
            self._session = None

    def _read(
        self, session: LdapSession, root: "_Root", method: Method, state: Mapping[str, Any] | None
    ) -> Iterator[ReadPage]:
        reading = LdapReading(session, self._side, self._flavour, self._branches)
        report = Report()
        began = self._clock.now().strftime(_STAMP)
        following: Mapping[str, Any] | None = None
        match method:
            case Method.SYNCREPL:
                keep: dict[str, bytes] = {}
                given = {} if state is None else {kind: _unpacked(text) for kind, text in state["cookies"].items()}
                pages: Iterator[ReadPage] = reading.read_synchronized(given, report, keep)
                yield from pages
                cookies = {kind: _packed(cookie) for kind, cookie in keep.items()}
                # A server that gives no cookie knows no changes.
                is_placed = len(cookies) == len(self._branches)
                following = {"cookies": cookies, **self._rounds(state)} if is_placed else None
            case Method.USN:
                following = {
                    "invocation": root.invocation,
                    "usn": root.usn,
                    **self._rounds(state),
                }
                if state is None:
                    yield from reading.read_everything(report)
                else:
                    yield from reading.read_since("uSNChanged", str(state["usn"] + 1), report, lists=self._lists(state))
            case Method.TIMESTAMP:
                stamp = _NEVER if state is None else str(state["stamp"])
                if state is None:
                    yield from reading.read_everything(report)
                else:
                    yield from reading.read_since("modifyTimestamp", _earlier(stamp), report, lists=self._lists(state))
                # By the server's own clock, of which its entries are all that can be seen; but no time to come: a clock
                # that was ahead, and was set right, would have nothing told until then.
                following = {"stamp": min(max(stamp, report.latest), began), **self._rounds(state)}
            case Method.DIR_SYNC:
                cookie = b"" if state is None else _unpacked(state["cookie"])
                for anchors, reached in reading.drain_dir_sync(root.context, cookie):
                    cookie = reached
                    if state is not None:
                        yield from reading.look_up(anchors, report)
                if state is None:
                    yield from reading.read_everything(report)
                else:
                    # Who was deleted is told only to whom the domain lets read its deleted objects.
                    yield from reading.list_everybody(report, lists=self._lists(state))
                following = {"cookie": _packed(cookie), **self._rounds(state)}
            case _:
                yield from reading.read_everything(report)
        yield self._last_page(report, method, root, following)

    def _last_page(
        self, report: Report, method: Method, root: "_Root", following: Mapping[str, Any] | None
    ) -> ReadPage:
        ending, because = report.settle()
        if following is None or ending is Ending.PARTIAL:
            # There is no place to go on from: everything is read again, and not at every look.
            quiet = Ending.PARTIAL if ending is Ending.PARTIAL else Ending.CHANGES
            again_at = (self._clock.now() + LIST_EVERY).isoformat()
            following = {AGAIN: again_at, "ending": quiet.value, "because": because}
        cursor = orjson.dumps({"method": method.value, "asked": self._asked(root), **following}).decode()
        return ReadPage(problems=tuple(report.problems), cursor=cursor, ending=ending, because=because)

    def _take_up(self, cursor: str | None, method: Method, root: "_Root") -> tuple[Method, Mapping[str, Any] | None]:
        """The way to read and what the cursor says; None for a read of everything. Raises: CursorExpired."""
        if cursor is None:
            return method, None
        try:
            state: Mapping[str, Any] = orjson.loads(cursor)
            is_ours = state["asked"] == self._asked(root)
            kept = Method(state["method"])
            whole_at = None if AGAIN in state else datetime.fromisoformat(state["whole_at"])
        except (ValueError, KeyError, TypeError):
            raise CursorExpired("The place where the last read ended cannot be read.") from None
        if self._settings.method is Method.AUTO and kept is Method.TIMESTAMP:
            # The server was found not to offer what it seemed to.
            method = Method.TIMESTAMP
        if not is_ours or kept is not method or (kept is Method.USN and not root.goes_on_from(state)):
            raise CursorExpired("The server, its bases or the way it is read are others than at the last read.")
        if whole_at is not None and whole_at + WHOLE_EVERY <= self._clock.now():
            raise CursorExpired("It is time to read everything again.")
        return method, state

    def _asked(self, root: "_Root") -> str:
        settings = self._settings
        names = [branch.entries.attributes for branch in self._branches]
        filters = [settings.user_filter, settings.group_filter]
        return content_hash([settings.address.url, settings.user_base, settings.group_base, filters, names, root.name])

    def _rounds(self, state: Mapping[str, Any] | None) -> Mapping[str, str]:
        """When everything was read, and everybody was listed, for the last time once this read has ended."""
        now = self._clock.now().isoformat()
        if state is None:
            return {"whole_at": now, "listed_at": now}
        listed_at = now if self._lists(state) else state["listed_at"]
        return {"whole_at": state["whole_at"], "listed_at": listed_at}

    def _lists(self, state: Mapping[str, Any]) -> bool:
        return datetime.fromisoformat(state["listed_at"]) + LIST_EVERY <= self._clock.now()

    def _choose(self, root: "_Root") -> Method:
        if self._settings.method is not Method.AUTO:
            return self._settings.method
        if root.is_active_directory:
            return Method.USN
        return Method.SYNCREPL if root.synchronizes else Method.TIMESTAMP

    def _find_branches(self) -> Iterator[Branch]:
        settings, flavour = self._settings, self._flavour
        text = settings.user_filter or flavour.user_filter
        yield Branch(
            kind=ObjectKind.USER,
            base=settings.user_base,
            filter_bytes=read_filter(text),
            entries=self._entries[ObjectKind.USER],
        )
        if settings.group_base is not None:
            text = settings.group_filter or flavour.group_filter
            yield Branch(
                kind=ObjectKind.GROUP,
                base=settings.group_base,
                filter_bytes=read_filter(text),
                entries=self._entries[ObjectKind.GROUP],
            )

    def _connect(self) -> LdapSession:
        self.close()
        self._session = self._open()
        return self._session

    def _open(self) -> LdapSession:
        if self._answer_within is None:
            return open_session(self._guard, self._settings.address)
        return open_session(self._guard, self._settings.address, answer_within=self._answer_within)

    def _read_root(self, session: LdapSession) -> "_Root":
        found = session.read_entry("", (*_ROOT, *_ROOT_MORE), is_present("objectClass"))
        root = _Root(found)
        if root.is_active_directory:
            session.controls = (Control(oid=DOMAIN_SCOPE),)
        if root.is_active_directory and root.service_name:
            service = session.read_entry(root.service_name, ("invocationId",), is_present("objectClass"))
            # Whoever may not read it knows the domain controller at least.
            root.invocation = (service is not None and _first(service, "invocationId").hex()) or root.service_name
        return root


class _Root:
    """What the root entry says of the server."""

    def __init__(self, found: FoundEntry | None) -> None:
        given = {} if found is None else found.attributes
        known = {
            name.casefold(): [value.decode(errors="replace") for value in values] for name, values in given.items()
        }

        def first(name: str) -> str:
            return next(iter(known.get(name.casefold(), ())), "")

        self.is_active_directory = ACTIVE_DIRECTORY_CAPABILITY in known.get("supportedcapabilities", ())
        # What 389 Directory Server (FreeIPA) gives since a cookie says of nobody unchanged that they are there, and
        # names entries by other ids than their entryUUID. Source: its sync_refresh.c and sync_util.c.
        self.is_389 = first("vendorName").startswith("389 ")
        self.synchronizes = SYNC_REQUEST in known.get("supportedcontrol", ()) and not self.is_389
        self.context = first("defaultNamingContext") or first("namingContexts")
        self.name = self.context
        self.service_name = first("dsServiceName")
        self.schema_dn = first("subschemaSubentry")
        # Numbers of one domain controller mean nothing to another: which one it is, is a part of the place.
        self.invocation = ""
        usn = first("highestCommittedUSN")
        self.usn = int(usn) if usn.isdecimal() else 0

    def goes_on_from(self, state: Mapping[str, Any]) -> bool:
        """Whether update numbers of a place mean something here: not those of another controller, nor of a later time.

        A controller that was put back from a copy of its disk gives numbers anew that it had given already.
        """
        is_same = state.get("invocation", self.invocation) == self.invocation
        return is_same and int(state.get("usn", 0)) <= self.usn


def _first(found: FoundEntry, name: str) -> bytes:
    return next((values[0] for key, values in found.attributes.items() if key.casefold() == name.casefold()), b"")


def _earlier(stamp: str) -> str:
    at = datetime.strptime(stamp, _STAMP)  # noqa: DTZ007  it says Z
    return max(_NEVER, (at - _OVERLAP).strftime(_STAMP))


def _packed(cookie: bytes) -> str:
    return base64.b64encode(cookie).decode()


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise CursorExpired("The place where the last read ended cannot be read.") from None
