"""Reading the logs: what provisioning did, and what administrators changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request, not_found
from muster.model.log import LogEntry
from muster.model.roles import Permission
from muster.ports.administration import AuditEntry
from muster.ports.cycles import LogQuery

PAGE = 500
# A search that finds nothing must end: it looks at so many of the newest entries.
SCANNED = 50_000

_Entry = TypeVar("_Entry")


def provisioning(
    desk: Desk, query: LogQuery, matches: Callable[[LogEntry], bool] | None = None
) -> tuple[Sequence[LogEntry], str | None]:
    """Returns entries of the provisioning log, newest first unless ascending, and the key to go on after.

    `matches` narrows what the query finds further. Raises: Refused.
    """
    query = _allowed(desk, query)
    if matches is None:
        return desk.stores.log.search(query)
    return _collected(
        lambda after, limit: desk.stores.log.search(replace(query, after=after, limit=limit)),
        matches,
        query.after,
        query.limit,
    )


def leaves_out(desk: Desk, query: LogQuery) -> bool:
    """Whether a search looks at the newest entries alone, and there are older ones in its dates. Raises: Refused."""
    return desk.stores.log.leaves_out(_allowed(desk, query))


def find_entry(desk: Desk, entry_id: str) -> LogEntry:
    """Returns an entry of the provisioning log. Raises: Refused."""
    found, _ = desk.stores.log.search(_allowed(desk, LogQuery(entry_id=entry_id)))
    entry = next((each for each in found if each.id == entry_id), None)
    if entry is None:
        raise not_found("Log entry", entry_id)
    return entry


def every_entry(desk: Desk, query: LogQuery, matches: Callable[[LogEntry], bool] | None = None) -> Iterator[LogEntry]:
    """Returns all entries of a search one after the other, read a page at a time. Raises: Refused, before the first."""
    return _every(desk, replace(_allowed(desk, query), limit=PAGE), matches)


def _every(desk: Desk, query: LogQuery, matches: Callable[[LogEntry], bool] | None) -> Iterator[LogEntry]:
    while True:
        page, after = desk.stores.log.search(query)
        yield from (entry for entry in page if matches is None or matches(entry))
        if after is None:
            return
        query = replace(query, after=after)


def count_provisioning(desk: Desk, query: LogQuery, matches: Callable[[LogEntry], bool] | None = None) -> int:
    """Returns how many entries a search finds in all. Raises: Refused if it has to look at too many."""
    query = _allowed(desk, query)
    if matches is None:
        return desk.stores.log.count(query)
    if desk.stores.log.count(query) > SCANNED:
        raise bad_request(f"$count looks at up to {SCANNED:,} entries here: narrow the search by activityDateTime.")
    whole = replace(query, after=None, limit=SCANNED)
    return sum(1 for entry in desk.stores.log.search(whole)[0] if matches(entry))


def audits(
    desk: Desk, matches: Callable[[AuditEntry], bool], after: str | None, limit: int, *, ascending: bool = False
) -> tuple[Sequence[AuditEntry], str | None]:
    """Returns audit entries that match, newest first unless ascending, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    search = desk.stores.audit.search
    return _collected(lambda start, count: search(after=start, limit=count, ascending=ascending), matches, after, limit)


def find_audit(desk: Desk, entry_id: str) -> AuditEntry:
    """Returns an entry of the audit log. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    found = desk.stores.audit.get(entry_id)
    if found is None:
        raise not_found("Audit entry", entry_id)
    return found


def count_audits(desk: Desk, matches: Callable[[AuditEntry], bool]) -> int:
    """Returns how many of the newest audit entries match. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    return sum(1 for entry in desk.stores.audit.search(after=None, limit=SCANNED)[0] if matches(entry))


def _allowed(desk: Desk, query: LogQuery) -> LogQuery:
    """The query, for owners held to their own applications. Raises: Refused."""
    if not desk.caller.may(Permission.READ_LOGS) and desk.caller.owned:
        return replace(query, among=desk.caller.owned)
    desk.require(Permission.READ_LOGS)
    return query


def _collected(
    search: Callable[[str | None, int], tuple[Sequence[_Entry], str | None]],
    matches: Callable[[_Entry], bool],
    after: str | None,
    limit: int,
) -> tuple[Sequence[_Entry], str | None]:
    found: list[_Entry] = []
    scanned = 0
    while len(found) < limit and scanned < SCANNED:
        page, after = search(after, min(PAGE, limit - len(found)))
        found.extend(entry for entry in page if matches(entry))
        scanned += len(page)
        if after is None:
            break
    return found, after
