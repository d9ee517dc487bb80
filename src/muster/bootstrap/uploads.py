"""Where uploaded files are: in the data folder, or in the database that several machines share."""

import io
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

from muster.ports.world import Clock
from muster.sources.encoding import detect_encoding
from muster.store.uploads import SqlUploads


class KeptUploads(Protocol):
    """Keeps uploaded files for the engine, which names them by the path that `keep` gave."""

    def notices(self, content: bytes) -> tuple[str, ...]:
        """Returns what whoever uploads a file may want to know of how it is read."""
        ...

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        """Keeps a file, readable by the service alone, and returns its path."""
        ...

    def fetch(self, path: str) -> Path:
        """Returns the file on this machine; it may be gone."""
        ...

    def drop(self, path: str) -> None:
        """Removes an uploaded file; nothing for one that is gone, or that is no upload."""
        ...

    def drop_older(self, than: datetime) -> None:
        """Removes uploads from before an instant."""
        ...


class NoticedUploads:
    """Says of files how they are read."""

    def notices(self, content: bytes) -> tuple[str, ...]:
        """Returns what was guessed about a file."""
        notice = detect_encoding(io.BytesIO(content)).notice
        return () if notice is None else (notice,)


class FolderUploads(NoticedUploads):
    """Uploaded files in a folder of the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        """Keeps a file, readable by the service alone, and returns its path."""
        path = self._folder / name_of(upload_id, file_name)
        _write_private(path, content)
        return str(path)

    def fetch(self, path: str) -> Path:
        """Returns the file."""
        return Path(path)

    def drop(self, path: str) -> None:
        """Removes an uploaded file; nothing for one that is gone, or that is no upload."""
        if Path(path).resolve().parent == self._folder.resolve():
            Path(path).unlink(missing_ok=True)

    def drop_older(self, than: datetime) -> None:
        """Removes uploads from before an instant."""
        for path in self._folder.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < than.timestamp():
                    path.unlink()


class SharedUploads(NoticedUploads):
    """Uploaded files in the database; an engine has a copy while it reads one."""

    def __init__(self, store: SqlUploads, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._folder = Path(tempfile.gettempdir())

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        """Keeps a file and returns its name."""
        name = name_of(upload_id, file_name)
        self._store.add(name, content, self._clock.now())
        return name

    def fetch(self, path: str) -> Path:
        """Returns the copy on this machine, made when it is first asked for."""
        copy = self._folder / f"muster-upload-{Path(path).name}"
        if not copy.is_file():
            content = self._store.get(path)
            if content is not None:
                _write_private(copy, content)
        return copy

    def drop(self, path: str) -> None:
        """Removes an uploaded file and this machine's copy."""
        self._store.drop(path)
        (self._folder / f"muster-upload-{Path(path).name}").unlink(missing_ok=True)

    def drop_older(self, than: datetime) -> None:
        """Removes uploads from before an instant."""
        self._store.drop_older(than)
        for copy in self._folder.glob("muster-upload-*"):
            with suppress(OSError):
                if copy.stat().st_mtime < than.timestamp():
                    copy.unlink()


def name_of(upload_id: str, file_name: str) -> str:
    """Returns the name that a file is kept under: of its own nothing but the suffix is taken."""
    return f"{upload_id}{Path(file_name).suffix.lower()}"


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
