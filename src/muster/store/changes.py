"""The numbers of the change feed, and the rows that say whose entitlement may have changed.

Every writer of the directory or of assignments first holds the feed: no number commits before a lower one, so that a
reader who has seen n never meets a number below it later.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.database.connection import serialize
from muster.store.operator_tables import feed_marks
from muster.store.tables import changes, feed

# Between two marks of when the feed was where; a change counts from the mark before it.
MARKED_EVERY = timedelta(seconds=1)
_AT, _RECENTLY = sa.bindparam("at", type_=feed_marks.c.at.type), sa.bindparam("recently", type_=feed_marks.c.at.type)
# One that is of the future is of a clock that was set back since.
_IS_MARKED = sa.exists().where(feed_marks.c.at > _RECENTLY, feed_marks.c.at <= _AT)
_MARK = sa.insert(feed_marks).from_select(
    ["seq", "at"], sa.select(sa.bindparam("first", type_=sa.BigInteger), _AT).where(~_IS_MARKED)
)


class Cause(StrEnum):
    """Why somebody's entitlement may have changed."""

    # A user or group was deleted, restored or purged; a group became security-enabled or ceased to be.
    ELIGIBILITY = "eligibility"
    # `member` came into the group `object` or left it.
    MEMBER = "member"
    # `object` was assigned to the application or unassigned.
    ASSIGNMENT = "assignment"
    # The application's roles, acceptance of Default Access or switch changed.
    APPLICATION = "application"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChange:
    """A row of the feed that has no number yet."""

    cause: Cause
    object_key: int | None = None
    member_key: int | None = None
    application_key: int | None = None


def hold_feed(connection: Connection) -> None:
    """Waits for other writers of the feed and keeps them waiting to the end of this transaction. Called first."""
    serialize(connection, "directory feed")


def allocate(connection: Connection, count: int) -> int:
    """Returns the first of `count` new numbers. The feed must be held."""
    last = connection.execute(sa.update(feed).values(seq=feed.c.seq + count).returning(feed.c.seq)).scalar_one()
    first = int(last) - count + 1
    now = _now()
    connection.execute(_MARK, {"first": first, "at": now, "recently": now - MARKED_EVERY})
    return first


def _now() -> datetime:
    return datetime.now(UTC)


def record(connection: Connection, given: Sequence[FeedChange]) -> int | None:
    """Returns the number of the last of these changes, which are written in order; None if there is none."""
    if not given:
        return None
    first = allocate(connection, len(given))
    connection.execute(
        sa.insert(changes),
        [
            {
                "seq": seq,
                "cause": change.cause.value,
                "object_key": change.object_key,
                "member_key": change.member_key,
                "application_key": change.application_key,
            }
            for seq, change in enumerate(given, first)
        ],
    )
    return first + len(given) - 1


def marked_at(connection: Connection, seqs: Sequence[int]) -> dict[int, datetime]:
    """Returns by number when it was given, or up to a second earlier; nothing of what is older than the marks kept."""
    if not seqs:
        return {}
    before = sa.select(sa.func.max(feed_marks.c.seq)).where(feed_marks.c.seq <= min(seqs)).scalar_subquery()
    marks = sa.select(feed_marks.c.seq, feed_marks.c.at).where(
        feed_marks.c.seq >= sa.func.coalesce(before, 0), feed_marks.c.seq <= max(seqs)
    )
    found = connection.execute(marks.order_by(feed_marks.c.seq)).all()
    starts = [row.seq for row in found]
    places = ((seq, bisect_right(starts, seq) - 1) for seq in seqs)
    return {seq: found[place].at for seq, place in places if place >= 0}


def latest(connection: Connection) -> int:
    """Returns the last number that is committed."""
    return int(connection.execute(_LATEST).scalar_one())


_LATEST = sa.select(feed.c.seq)
