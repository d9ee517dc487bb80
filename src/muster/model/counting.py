"""How many there are, in words."""


def number_of(count: int, one: str, many: str | None = None) -> str:
    """Returns a number with its noun: `1 change`, `2 changes`; `many` where it is not made with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
