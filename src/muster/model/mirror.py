"""What is known of a source's mirror: how far it was read, and whether that read proves who is gone."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorState:
    """A mirror as it stands. `seq` numbers what really changed; equal content gets none."""

    job_id: str
    seq: int = 0
    # The try at reading, counted up: an entry carries that of the last read that named it.
    number: int = 0
    # Where the next read goes on; None: it reads everything.
    cursor: str | None = None
    # The read was cut off at a place from which it can go on.
    is_resumable: bool = False
    users: int = 0
    groups: int = 0
    # The last read of everybody proved who is gone; why not, as a sentence.
    is_whole: bool = False
    because: str | None = None
    # How many that read did not name, while nobody says that they are gone; its number.
    missing: int = 0
    full_number: int = 0
    # Sentences about what could not be read, of the last read that gave anything (the first of them); its number.
    problems: tuple[str, ...] = ()
    problem_count: int = 0
    problem_number: int = 0
    # When a read last ended well, and one of everybody that proved who is gone.
    read_at: datetime | None = None
    whole_at: datetime | None = None
    # When the read under way last kept a page; None: none is under way.
    reading_at: datetime | None = None
