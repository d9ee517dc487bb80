"""What a source asks for to be reached: fields of its connection, as forms, commands and checks show them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionField:
    """One field, kept as a synchronization secret of this name (sealed); only what `is_secret` never shows again."""

    name: str
    label: str
    required: bool = False
    is_secret: bool = False
    hint: str = ""
    # What holds when nothing is entered.
    default: str | None = None
    # The values it takes, the first is shown first; none: any text.
    choices: tuple[str, ...] = ()
    # Certificates, lists: entered in several lines.
    multiline: bool = False
