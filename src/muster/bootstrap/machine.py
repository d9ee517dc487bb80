"""What the service has of the machine: its time, its chance, and a folder for uploads."""

import os
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

# The two highest bits of this digit are fixed: RFC 9562 §4.1.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Returns the instant."""
        return datetime.now(UTC)

    def sleep(self, duration: timedelta) -> None:
        """Waits."""
        time.sleep(duration.total_seconds())


class SystemIds:
    """Chance from the operating system."""

    def new_id(self) -> str:
        """Returns a random GUID (version 4), at a third of the cost of the library's: every object takes two."""
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def draw(self, limit: int) -> int:
        """Returns a random number below the limit."""
        return secrets.randbelow(limit)


class FolderUploads:
    """Uploaded files in a folder of the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, upload_id: str, file_name: str, content: bytes) -> str:
        """Keeps a file, readable by the service alone, and returns its path."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{upload_id}{Path(file_name).suffix.lower()}"
        path.touch(mode=0o600)
        path.write_bytes(content)
        return str(path)

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
