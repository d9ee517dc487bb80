"""What a source has supplied of an object of our directory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One source's part in an object."""

    job_id: str
    source_id: str
    target_id: str
    # The source still has the object.
    is_live: bool
    # Attributes and references of the directory that it last wrote, or would write.
    sent: frozenset[str]
    # Attributes that the object has at the source, under the source's names.
    has: frozenset[str]
