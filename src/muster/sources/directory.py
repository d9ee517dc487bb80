"""Our own directory as a source: one job's view of the change feed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from muster.model.cause import Cause
from muster.model.directory import ObjectKind
from muster.model.operation import Change
from muster.ports.directory import DirectoryFeed, JobView
from muster.ports.source import SourcePage, Window


class DirectorySource:
    """Reads what bears on one job. The feed has no holes, so that a full read always proves absence."""

    def __init__(self, feed: DirectoryFeed, view: JobView) -> None:
        self._feed = feed
        self._view = view

    def latest(self) -> int:
        """Returns the end of the feed."""
        return self._feed.latest()

    def changed_at(self, seqs: Sequence[int]) -> Mapping[int, datetime]:
        """Returns by number of the feed when it was given, or a little earlier; nothing of what is long past."""
        return self._feed.changed_at(seqs)

    def is_complete(self) -> bool:
        """Returns true: a read that cannot be finished raises instead."""
        return True

    def count(self, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects a read will give."""
        return self._feed.count(self._view, kind, window) if kind in self._view.kinds else 0

    def read(self, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns the next page after a key; a kind that the job does not carry has no page."""
        if kind not in self._view.kinds:
            return SourcePage(changes=(), next_after=None)
        changes, next_after = self._feed.read(self._view, kind, window, after, limit)
        return SourcePage(changes=tuple(changes), next_after=next_after)

    def read_one(self, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object as it stands, by id or principal name."""
        return self._feed.read_one(self._view, kind, source_id)

    def causes(
        self, kind: ObjectKind, source_ids: Sequence[str], window: Window | None, *, by_filter: bool = False
    ) -> Mapping[str, Cause]:
        """Returns by source id what last took an object out of scope, or out of a group that a filter names."""
        return self._feed.causes(self._view, kind, source_ids, window, by_filter=by_filter)

    def groups_of(self, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Returns by source id the ids and names of the groups that an object is a direct member of."""
        return self._feed.groups_of(source_ids)
