"""A folder that another system puts files into: each is read once, then moved to `processed` or `failed` beside it.

A file is taken when it has rested for two seconds, oldest name first, one a read. A snapshot lists everybody of the
kinds it speaks of (a file of people says nothing of groups), so that whoever is missing has left, by the rule of
completeness; a file of changes adds, updates, and removes whoever it marks with isSoftDeleted, by any name that earlier
files gave them. A file that cannot be read goes to `failed`, with a text beside it that says why.
"""

import fnmatch
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from muster.model.counting import number_of
from muster.model.directory import MEMBER_GROUPS, MEMBERS, ObjectKind
from muster.model.failures import SchemaRefused, SystemUnreachable
from muster.model.operation import Change
from muster.ports.reader import Ending, Entry, ReadPage
from muster.ports.world import Clock
from muster.sources.columns import IDENTITIES, IS_SOFT_DELETED
from muster.sources.files import SUFFIXES, FileSource, open_file
from muster.sources.rows import FileLimits, FileRefused, quoted

PROCESSED, FAILED = "processed", "failed"
_RESTED = timedelta(seconds=2)
# The file server's clock may be wrong: what seems to have changed later than this is looked at twice by our own.
_OLD = timedelta(days=1)
_PAGE = 500
_LOOKED_INTO_BYTES = 16 * 1024 * 1024
# What programs call a file that they are still writing.
_UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload", "~")
# The folder's state says where to go on; there is nothing to keep.
_CURSOR = "folder"


class FileContent(StrEnum):
    """What a file of the folder says of those who are not in it."""

    SNAPSHOT = "snapshot"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFolder:
    """Where files come in, and what they are."""

    path: Path
    content: FileContent
    pattern: str = "*"
    # The folders within which it must lie, symbolic links followed.
    allowed: Sequence[Path] = ()


class FolderReader:
    """Implements `ports.reader.Reader` and `AcknowledgingReader` over a folder."""

    def __init__(self, folder: WatchedFolder, clock: Clock, find: Callable[[ObjectKind, str], Change | None]) -> None:
        """Args: find: returns whom earlier files had by a name, be they there or gone; None: nobody."""
        self._find = find
        self._folder = folder
        self._clock = clock
        is_sequel = folder.content is FileContent.CHANGES
        self._limits = FileLimits(is_partial=is_sequel, goes_on=is_sequel)
        # The file that is being read: where it goes once its last page is kept, and what is said beside it.
        self._done: _Read | None = None

    def probe(self) -> str:
        """Returns how many files wait. Raises: SystemUnreachable, SchemaRefused."""
        path = self._checked()
        if not os.access(path, os.W_OK):
            raise SystemUnreachable(
                f"{path} cannot be written: files that were read could not be moved to {PROCESSED}.",
                remedy="Let the service's user write there.",
            )
        waiting = self._waiting(path)
        count = len(waiting)
        said = f"{path} can be read; {count} {'file waits' if count == 1 else 'files wait'} there."
        # To count the rows of a large one takes longer than somebody waits for a test.
        small = (file for file in waiting[:1] if (state := _state_of(file)) and state[1] <= _LOOKED_INTO_BYTES)
        return " ".join((said, *map(self._look_into, small)))

    def read(self, cursor: str | None) -> Iterator[ReadPage]:  # noqa: ARG002  the folder itself says what is new
        """Yields the next file's people and groups; nothing new when no file has come."""
        path = self._checked()
        file = self._next(path)
        if file is not None:
            yield from self._read_file(file)
            return
        yield ReadPage(cursor=_CURSOR, ending=Ending.CHANGES)

    def acknowledge(self, cursor: str | None) -> None:  # noqa: ARG002  a file is kept or not
        """Moves a file whose last page is kept."""
        done, self._done = self._done, None
        # Another file in its place has not been read: it is the next one.
        if done is not None and _state_of(done.file) == done.state:
            self._move(done.file, done.place, done.said)

    def close(self) -> None:
        """Lets go of nothing: a file is closed when it was read."""

    def _read_file(self, file: Path) -> Iterator[ReadPage]:
        state = _state_of(file)
        try:
            source = open_file(file, limits=self._limits)
        except FileRefused as refused:
            if _state_of(file) != state:
                yield self._unfinished(file)
                return
            sentence = f"{file.name}: {refused}"
            self._done = _Read(file=file, state=state, place=FAILED, said=(sentence,))
            yield ReadPage(problems=(sentence,), cursor=_CURSOR, ending=Ending.CHANGES)
            return
        with closing(source):
            if _state_of(file) != state:
                yield self._unfinished(file)
                return
            said: list[str] = []
            for kind in ObjectKind:
                for page in self._pages(source, kind, file.name):
                    said += (*page.problems, *page.remarks)
                    yield page
            self._done = _Read(file=file, state=state, place=PROCESSED, said=(*source.notices, *said))
            is_snapshot = self._folder.content is FileContent.SNAPSHOT
            ending = Ending.WHOLE if is_snapshot else Ending.CHANGES
            yield ReadPage(cursor=_CURSOR, ending=ending, kinds=source.kinds)

    def _unfinished(self, file: Path) -> ReadPage:
        sentence = f"{file.name} was changed while it was read: nothing of it is taken, and it is read once it rests."
        return ReadPage(problems=(sentence,), cursor=_CURSOR, ending=Ending.CHANGES)

    def _pages(self, source: FileSource, kind: ObjectKind, name: str) -> Iterator[ReadPage]:
        after: str | None = None
        while True:
            page = source.read(kind, None, after, _PAGE)
            left = [change for change in page.changes if change.attributes.get(IS_SOFT_DELETED) is True]
            meant = {change.source_id: self._meant(change) for change in left}
            problems = [each for each in page.problems if each not in source.remarks]
            # Whoever is in no snapshot has left, and need not have been there.
            if self._folder.content is FileContent.CHANGES:
                problems += [_nobody(source, change) for change in left if meant[change.source_id] is None]
            yield ReadPage(
                entries=[self._entry(change) for change in page.changes if change.source_id not in meant],
                removed=[each for each in meant.values() if each is not None],
                problems=tuple(f"{name}: {each}" for each in problems),
                remarks=tuple(f"{name}: {each}" for each in page.problems if each in source.remarks),
            )
            after = page.next_after
            if after is None:
                return

    def _meant(self, change: Change) -> str | None:
        """Returns the source id of whoever bears the name by which a row calls somebody; None: nobody."""
        found = self._find(change.kind, change.source_id)
        if found is None:
            return None
        # A name of before may be another's by now.
        borne = (found.source_id, *(found.attributes.get(name) for name in IDENTITIES[change.kind]))
        is_borne = change.source_id.casefold() in (str(name).casefold() for name in borne)
        return found.source_id if is_borne else None

    def _entry(self, change: Change) -> Entry:
        attributes = {name: value for name, value in change.attributes.items() if name != IS_SOFT_DELETED}
        return Entry(
            kind=change.kind,
            source_id=change.source_id,
            attributes=attributes,
            names=(
                change.source_id,
                *(str(attributes[name]) for name in IDENTITIES[change.kind] if attributes.get(name)),
            ),
            references=_as_named(change.references),
            is_partial=self._folder.content is FileContent.CHANGES,
        )

    def _checked(self) -> Path:
        # Where it lies comes first: whoever sets a source up is not told which other paths this machine has.
        path = Path(os.path.realpath(self._folder.path))
        if not any(path.is_relative_to(allowed.resolve()) for allowed in self._folder.allowed):
            raise SchemaRefused(
                f"{self._folder.path} lies in no folder that files may be read from.",
                remedy="Name its folder in MUSTER_IMPORT_FOLDERS and start the service again, or choose one within "
                + ", ".join(str(allowed) for allowed in self._folder.allowed),
            )
        try:
            path = path.resolve(strict=True)
        except OSError as error:
            raise SystemUnreachable(
                f"{self._folder.path} cannot be opened: {error.strerror}.",
                remedy="Make the folder, or correct its path.",
            ) from None
        if not path.is_dir():
            raise SystemUnreachable(f"{path} is no folder.", remedy="Name the folder, not a file in it.")
        return path

    def _look_into(self, file: Path) -> str:
        """What a file holds, and what is odd about it."""
        try:
            with closing(open_file(file, limits=self._limits)) as source:
                users, groups = (source.count(kind, None) for kind in (ObjectKind.USER, ObjectKind.GROUP))
                wrong = number_of(len(source.problems), "problem")
                held = f"{file.name} has {number_of(users, 'user')} and {number_of(groups, 'group')}; {wrong} in it."
                return " ".join((held, *source.problems[:1], *source.notices[:1]))
        except FileRefused as refused:
            return f"{file.name}: {refused}"

    def _next(self, path: Path) -> Path | None:
        """Returns the first file by name that nobody writes any more."""
        for file in self._waiting(path):
            state = _state_of(file)
            if state is None:
                continue
            age = self._clock.now() - datetime.fromtimestamp(state[2] / 1e9, UTC)
            if age >= _OLD:
                return file
            if timedelta() <= age < _RESTED:
                continue
            self._clock.sleep(_RESTED)
            if _state_of(file) == state:
                return file
        return None

    def _waiting(self, path: Path) -> list[Path]:
        """Returns the files to read, by name."""
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
            return [
                Path(entry.path)
                for entry in entries
                if entry.is_file(follow_symlinks=False) and self._is_wanted(entry.name)
            ]
        except OSError as error:
            raise SystemUnreachable(f"{path} cannot be read: {error.strerror}.") from None

    def _is_wanted(self, name: str) -> bool:
        folded = name.casefold()
        return (
            not name.startswith(".")
            and not folded.endswith(_UNFINISHED)
            and folded.endswith(SUFFIXES)
            and fnmatch.fnmatch(folded, self._folder.pattern.casefold())
        )

    def _move(self, file: Path, place: str, said: Sequence[str]) -> None:
        folder = file.parent / place
        stamp = f"{self._clock.now():%Y%m%dT%H%M%S%f}"
        target = folder / f"{file.stem}.{stamp}{file.suffix}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            file.rename(target)
            if said:
                target.with_name(f"{target.name}.problems.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
        except OSError as error:
            raise SystemUnreachable(
                f"{file.name} was read, but cannot be moved to {folder}: {error.strerror}. It would be read again.",
                remedy="Let the service's user write there.",
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A file that was read: as it was then, where it goes, and what is said beside it."""

    file: Path
    state: tuple[int, int, int] | None
    place: str
    said: Sequence[str]


def _state_of(file: Path) -> tuple[int, int, int] | None:
    """Which file stands there, and its last change; None: none."""
    try:
        found = file.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _nobody(source: FileSource, change: Change) -> str:
    place, name = source.place_of(change.kind, change.source_id), quoted(change.source_id)
    return f"{place}: no earlier file has {name}, who is said to have left: nobody is removed."


def _as_named(references: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """References with people and groups among one another again: the mirror, which knows earlier files, tells them."""
    if MEMBER_GROUPS not in references:
        return references
    named = (*references.get(MEMBERS, ()), *references[MEMBER_GROUPS])
    return {**{name: ids for name, ids in references.items() if name != MEMBER_GROUPS}, MEMBERS: named}
