"""Reading the logs: what provisioning did, and what administrators changed."""

from collections.abc import Callable, Sequence

from muster.administration.desk import Desk
from muster.model.log import LogEntry
from muster.model.roles import Permission
from muster.ports.administration import AuditEntry
from muster.ports.cycles import LogQuery

AUDIT_PAGE = 500
# A search that finds nothing must end: it looks at so many of the newest entries.
AUDIT_SCANNED = 50_000


def provisioning(desk: Desk, query: LogQuery) -> tuple[Sequence[LogEntry], str | None]:
    """Returns entries of the provisioning log, newest first, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    return desk.stores.log.search(query)


def find_entry(desk: Desk, entry_id: str) -> LogEntry | None:
    """Returns an entry of the provisioning log by its change id, None if there is none. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    found, _ = desk.stores.log.search(LogQuery(change_id=entry_id, limit=1))
    return found[0] if found else None


def audits(
    desk: Desk, matches: Callable[[AuditEntry], bool], after: str | None, limit: int
) -> tuple[Sequence[AuditEntry], str | None]:
    """Returns audit entries that match, newest first, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    found: list[AuditEntry] = []
    scanned = 0
    while len(found) < limit and scanned < AUDIT_SCANNED:
        wanted = min(AUDIT_PAGE, limit - len(found))
        page, after = desk.stores.audit.search(after=after, limit=wanted)
        found.extend(entry for entry in page if matches(entry))
        scanned += len(page)
        if after is None:
            break
    return found, after
