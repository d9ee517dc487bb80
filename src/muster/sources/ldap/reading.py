"""Ways to read an LDAP server: everything, what content synchronization tells, what a growing mark tells, DirSync.

Each yields pages whose cursors and ending are left to the reader, and returns how the read went. Nothing is inferred
from a search that was cut short: it makes the read partial, and a partial read proves nobody's absence.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from muster.model.directory import ObjectKind
from muster.ports.reader import CursorExpired, Ending, Entry, ReadPage
from muster.sources.ldap.controls import (
    SYNC_INFO,
    DirSyncState,
    SyncState,
    dir_sync_control,
    read_dir_sync,
    read_sync_end,
    read_sync_info,
    read_sync_state,
    sync_control,
)
from muster.sources.ldap.entries import TIMESTAMP, EntryReader, Flavour, find_range, read_anchor, with_values
from muster.sources.ldap.filters import all_of, any_of, has_value, is_at_least, is_present
from muster.sources.ldap.messages import Answer, FoundEntry, Intermediate, Reference, Result
from muster.sources.ldap.results import (
    COOKIE_REFUSED,
    CUT_SHORT,
    SUCCESS,
    SYNC_REFRESH_REQUIRED,
    UNAVAILABLE_CONTROL,
    cut_sentence,
    failure_of,
    referral_sentence,
)
from muster.sources.ldap.session import LdapSession

PAGE_ENTRIES = 1_000
_IDS_A_PAGE = 10_000
_LOOKED_UP_AT_ONCE = 50
# Why a read is partial, at most: a tree may refer to many servers.
_SENTENCES = 3
_EVERYTHING = is_present("objectClass")


class MethodUnavailable(Exception):
    """The server does not offer this way of telling changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Where objects of one kind are, which of them are meant, and how they are read."""

    kind: ObjectKind
    base: str
    filter_bytes: bytes
    entries: EntryReader


@dataclass(slots=True, kw_only=True)
class Report:
    """How a read went: why it is partial, if it is; sentences about entries that were left out."""

    cut: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # The latest modifyTimestamp among the entries.
    latest: str = ""
    ending: Ending = Ending.WHOLE

    def settle(self) -> tuple[Ending, str | None]:
        """Returns the ending, and why it proves nothing."""
        if self.cut:
            return Ending.PARTIAL, " ".join(self.cut)
        return self.ending, None


Pages = Iterator[ReadPage]


@dataclass(slots=True, kw_only=True)
class _Told:
    """Anchors of entries that a synchronization gave, and of those that it called gone."""

    given: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


class LdapReading:
    """One read over one connection; a second one answers what has to be asked while the first is listing."""

    def __init__(
        self, session: LdapSession, beside: "SideSession", flavour: Flavour, branches: Sequence[Branch]
    ) -> None:
        self._session = session
        self._beside = beside
        self._flavour = flavour
        self._branches = branches

    def read_everything(self, report: Report) -> Pages:
        """Yields all entries, in pages."""
        for branch in self._branches:
            yield from self._read_branch(branch, branch.filter_bytes, report)

    def read_since(self, mark: str, least: str, report: Report, *, lists: bool) -> Pages:
        """Yields entries whose mark (uSNChanged, modifyTimestamp) has reached a value, then (`lists`) all anchors."""
        for branch in self._branches:
            changed = all_of((branch.filter_bytes, is_at_least(mark, least)))
            yield from self._read_branch(branch, changed, report)
        yield from self.list_everybody(report, lists=lists)

    def list_everybody(self, report: Report, *, lists: bool) -> Pages:
        """Ends a read of changes: yields all anchors (`lists`), which proves who is gone, or nothing."""
        if not lists:
            report.ending = Ending.CHANGES
            return
        for branch in self._branches:
            yield from self.list_anchors(branch, report)

    def read_synchronized(self, cookies: Mapping[str, bytes], report: Report, keep: dict[str, bytes]) -> Pages:
        """Yields what content synchronization tells since the cookies, by kind; puts the next ones into `keep`.

        Raises: MethodUnavailable before the first page.
        """
        endings: dict[ObjectKind, Ending] = {}
        told = _Told()
        for branch in self._branches:
            cookie = cookies.get(branch.kind.value)
            endings[branch.kind] = yield from self._synchronize(branch, cookie, report, keep, told)
        # OpenLDAP's session log calls gone whatever changed and is not found by *this* search: a person who was changed
        # is told so to the search for groups. So nobody is gone before they are looked for everywhere.
        yield from self.look_up(sorted(told.gone - told.given), report)
        if Ending.WHOLE in endings.values():
            # Of one kind it was told who is there, of the other who is gone: who is there is asked of that, too.
            for branch in self._branches:
                if endings[branch.kind] is Ending.CHANGES:
                    yield from self.list_anchors(branch, report)
        else:
            report.ending = Ending.CHANGES

    def drain_dir_sync(self, context: str, cookie: bytes) -> Iterator[tuple[list[str], bytes]]:
        """Yields the anchors of what changed in a naming context since a cookie, and the next cookie.

        Raises: MethodUnavailable; JobFailure, CursorExpired for a cookie that this server does not take.
        """
        while True:
            anchors: list[str] = []
            state: DirSyncState | None = None
            for answer in self._session.search(
                base=context,
                filter_bytes=any_of((has_value("objectClass", "user"), has_value("objectClass", "group"))),
                attributes=(self._flavour.anchor, "isDeleted"),
                controls=(dir_sync_control(cookie),),
            ):
                if isinstance(answer, FoundEntry):
                    anchor = read_anchor(self._flavour.anchor, _folded(answer))
                    if anchor is not None:
                        anchors.append(anchor)
                elif isinstance(answer, Result):
                    if answer.code in COOKIE_REFUSED and cookie:
                        raise CursorExpired("The place where the last read ended cannot be read.")
                    self._check(answer, context)
                    with self._session.understanding():
                        state = read_dir_sync(answer.controls)
            assert state is not None  # noqa: S101  a search ends with its result or raises
            is_stuck = state.cookie == cookie and not anchors
            cookie = state.cookie
            yield anchors, cookie
            if not state.has_more:
                return
            if is_stuck:
                raise self._session.unreadable("says that more follows, and gives none")

    def look_up(self, anchors: Sequence[str], report: Report) -> Pages:
        """Yields objects by anchor as they stand; those that are not found where they are read are gone."""
        for start in range(0, len(anchors), _LOOKED_UP_AT_ONCE):
            piece = anchors[start : start + _LOOKED_UP_AT_ONCE]
            meant = any_of(has_value(self._flavour.anchor, self._flavour.anchor_bytes(each)) for each in piece)
            found: list[Entry] = []
            for branch in self._branches:
                for page in self._read_branch(branch, all_of((branch.filter_bytes, meant)), report):
                    found.extend(page.entries)
            known = {entry.source_id for entry in found}
            gone = () if report.cut else tuple(each for each in piece if each not in known)
            yield ReadPage(entries=found, removed=gone)

    def list_anchors(self, branch: Branch, report: Report) -> Pages:
        """Yields the anchors of everything in a branch."""
        anchors: list[str] = []
        for answer in self._session.search_pages(
            base=branch.base, filter_bytes=branch.filter_bytes, attributes=(self._flavour.anchor,), page_size=1_000
        ):
            if isinstance(answer, FoundEntry):
                anchor = read_anchor(self._flavour.anchor, _folded(answer))
                if anchor is not None:
                    anchors.append(anchor)
                if len(anchors) >= _IDS_A_PAGE:
                    yield ReadPage(unchanged=tuple(anchors))
                    anchors.clear()
            else:
                self._end(answer, branch, report)
        if anchors:
            yield ReadPage(unchanged=tuple(anchors))

    def _read_branch(self, branch: Branch, filter_bytes: bytes, report: Report) -> Pages:
        entries: list[Entry] = []
        for answer in self._session.search_pages(
            base=branch.base, filter_bytes=filter_bytes, attributes=branch.entries.attributes
        ):
            if isinstance(answer, FoundEntry):
                self._take(answer, branch, None, report, entries)
                if len(entries) >= PAGE_ENTRIES:
                    yield ReadPage(entries=tuple(entries))
                    entries.clear()
            else:
                self._end(answer, branch, report)
        if entries:
            yield ReadPage(entries=tuple(entries))

    def _synchronize(
        self, branch: Branch, cookie: bytes | None, report: Report, keep: dict[str, bytes], told: "_Told"
    ) -> Generator[ReadPage, None, Ending]:
        entries: list[Entry] = []
        unchanged: list[str] = []
        ending = Ending.WHOLE
        for answer in self._session.search(
            base=branch.base,
            filter_bytes=branch.filter_bytes,
            attributes=branch.entries.attributes,
            controls=(sync_control(cookie),),
        ):
            if isinstance(answer, FoundEntry):
                with self._session.understanding():
                    state, anchor = read_sync_state(answer.controls)
                if state is SyncState.DELETE:
                    told.gone.add(anchor)
                elif state is SyncState.PRESENT:
                    unchanged.append(anchor)
                else:
                    told.given.add(anchor)
                    self._take(answer, branch, anchor, report, entries)
            elif isinstance(answer, Intermediate) and answer.name == SYNC_INFO:
                with self._session.understanding():
                    ids = read_sync_info(answer.value)
                if ids is not None and ids.are_gone:
                    told.gone.update(ids.ids)
                elif ids is not None:
                    unchanged.extend(ids.ids)
            elif isinstance(answer, Result):
                if answer.code == SYNC_REFRESH_REQUIRED and cookie is not None:
                    return (yield from self._synchronize(branch, None, report, keep, told))
                self._end(answer, branch, report)
                if answer.code == SUCCESS:
                    with self._session.understanding():
                        end = read_sync_end(answer.controls)
                    # OpenLDAP gives no cookie when nothing has changed: the old one holds.
                    reached = end.cookie or cookie
                    if reached is not None:
                        keep[branch.kind.value] = reached
                    if cookie is not None and end.names_gone:
                        ending = Ending.CHANGES
            else:
                self._end(answer, branch, report)
            if len(entries) >= PAGE_ENTRIES or len(unchanged) >= _IDS_A_PAGE:
                yield ReadPage(entries=tuple(entries), unchanged=tuple(unchanged))
                entries, unchanged = [], []
        if entries or unchanged:
            yield ReadPage(entries=tuple(entries), unchanged=tuple(unchanged))
        return ending

    def _take(
        self, found: FoundEntry, branch: Branch, anchor: str | None, report: Report, entries: list[Entry]
    ) -> None:
        while (part := find_range(found)) is not None:
            found = self._complete(found, *part)
        entry = branch.entries.read(found, anchor)
        if entry is None:
            report.problems.append(f"{found.dn[:200]} has no {self._flavour.anchor} that can be read: it is left out.")
        else:
            entries.append(entry)
        changed_at = found.attributes.get(TIMESTAMP)
        if changed_at:
            # Lenient: fractions of a second are left out (389 Directory Server has them).
            report.latest = max(report.latest, f"{changed_at[0].decode(errors='replace')[:14]}Z")

    def _complete(self, found: FoundEntry, name: str, at: int) -> FoundEntry:
        """The entry with all values of an attribute that the server gives in pieces."""
        values = [value for key, kept in found.attributes.items() if _is_part(key, name) for value in kept]
        while True:
            more = self._beside.session().read_entry(found.dn, (f"{name};range={at}-*",), _EVERYTHING)
            if more is None:
                raise self._beside.session().changed_meanwhile(found.dn)
            values += [value for key, kept in more.attributes.items() if _is_part(key, name) for value in kept]
            part = find_range(more)
            if part is None:
                return with_values(found, name, values)
            if part[1] <= at:
                raise self._beside.session().changed_meanwhile(found.dn)
            at = part[1]

    def _end(self, answer: Answer, branch: Branch, report: Report) -> None:
        """Notes what keeps a search from being whole; nothing for what does not."""
        if isinstance(answer, Reference):
            sentence = referral_sentence(self._session.origin, answer.urls, branch.base)
            if sentence not in report.cut and len(report.cut) < _SENTENCES:
                report.cut.append(sentence)
        elif isinstance(answer, Result) and answer.code in CUT_SHORT:
            report.cut.append(cut_sentence(self._session.origin, answer, branch.base))
        elif isinstance(answer, Result):
            self._check(answer, branch.base)

    def _check(self, result: Result, base: str) -> None:
        if result.code == UNAVAILABLE_CONTROL:
            raise MethodUnavailable
        if result.code != SUCCESS:
            raise failure_of(self._session.origin, result, f"the base {base}")


class SideSession:
    """A second connection, opened when it is first needed."""

    def __init__(self, open_one: Callable[[], LdapSession]) -> None:
        self._open = open_one
        self._session: LdapSession | None = None

    def session(self) -> LdapSession:
        """Returns the connection. Raises: JobFailure."""
        if self._session is None:
            self._session = self._open()
        return self._session

    def close(self) -> None:
        """Closes it if it is open."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _is_part(key: str, name: str) -> bool:
    return key.partition(";")[0].casefold() == name.casefold()


def _folded(found: FoundEntry) -> dict[str, list[bytes]]:
    return {name.casefold(): values for name, values in found.attributes.items()}
