"""A source outside as the engine reads it: its mirror, filled by its reader before each cycle.

source = MirrorSource(job_id, mirrors, open_reader, clock)
source.refresh()        # reads what is new; a failure is the job's, and what was kept until then stays kept
"""

from collections.abc import Callable
from contextlib import closing

from muster.model.directory import ObjectKind
from muster.model.failures import SystemUnreachable
from muster.model.mirror import MirrorState
from muster.model.operation import Change
from muster.planning.completeness import DEFAULT_LOST_SHARE
from muster.ports.mirror import MirrorStore
from muster.ports.reader import AcknowledgingReader, CursorExpired, Reader
from muster.ports.source import SourcePage, Window
from muster.ports.world import Clock


class MirrorSource:
    """Implements `ports.source.RefreshedSource` over a mirror and a reader."""

    def __init__(
        self,
        job_id: str,
        mirrors: MirrorStore,
        open_reader: Callable[[], Reader],
        clock: Clock,
        *,
        lost_share: float = DEFAULT_LOST_SHARE,
    ) -> None:
        self._job_id = job_id
        self._mirrors = mirrors
        self._open_reader = open_reader
        self._clock = clock
        self._lost_share = lost_share
        # What the reads of this cycle could not read.
        self._told: tuple[str, ...] = ()
        # What they left out of objects that they could read: the mirror shows it, and nothing failed.
        self._remarks: set[str] = set()

    def refresh(self, *, anew: bool = False) -> bool:
        """Reads the source from where the last read ended, or (`anew`) everything; returns whether to tell anything.

        Raises: JobFailure, BeingRead.
        """
        before = self._mirrors.state(self._job_id)
        self._remarks.clear()
        with closing(self._open_reader()) as reader:
            try:
                after = self._read(reader, anew=anew)
            except CursorExpired:
                after = self._read(reader, anew=True)
        told = _told(after)
        # What was told once is told again only once it is otherwise.
        self._told = tuple(each for each in told if each not in self._remarks) if told != _told(before) else ()
        return bool(self._told)

    def _read(self, reader: Reader, *, anew: bool) -> MirrorState:
        state = self._mirrors.begin(self._job_id, self._clock.now(), anew=anew)
        try:
            for page in reader.read(state.cursor):
                self._remarks.update(page.remarks)
                state = self._mirrors.keep(state, page, self._clock.now(), lost_share=self._lost_share)
                if isinstance(reader, AcknowledgingReader):
                    reader.acknowledge(state.cursor)
                if page.ending is not None:
                    return state
        except BaseException:
            self._mirrors.break_off(state)
            raise
        self._mirrors.break_off(state)
        raise SystemUnreachable(
            "The source ended the read before its end.", remedy="Nothing is lost: the next read goes on."
        )

    def latest(self) -> int:
        """Returns the number of the last change."""
        return self._mirrors.state(self._job_id).seq

    def is_complete(self) -> bool:
        """Whether who is removed is known to be gone: a mirror removes nobody on less."""
        return True

    def count(self, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects a read will give."""
        return self._mirrors.count(self._job_id, kind, window)

    def read(self, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns the next page; with the last one of users, what could not be read of the source."""
        page = self._mirrors.read(self._job_id, kind, window, after, limit)
        if kind is not ObjectKind.USER or page.next_after is not None:
            return page
        return SourcePage(changes=page.changes, next_after=None, problems=self._told)

    def read_one(self, kind: ObjectKind, source_id: str) -> Change | None:
        """Returns one object by source id or by another of its names."""
        return self._mirrors.read_one(self._job_id, kind, source_id)


def _told(state: MirrorState) -> tuple[str, ...]:
    hidden = state.problem_count - len(state.problems)
    more = (f"{hidden:,} more problems are not listed.",) if hidden > 0 else ()
    return (*state.problems, *more, *((state.because,) if state.because else ()))
