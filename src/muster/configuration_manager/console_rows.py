"""What the console's lists show of accounts and calls, and how accounts are searched."""

from datetime import UTC, datetime
from typing import Any

import orjson
from babel.dates import format_datetime

from muster.scim.filters import AttributePath, Comparison, FilterOperator, Or
from muster.scim.repository import Document
from muster.scim.schemas import USER_8X8_URN
from muster.ui.language import language


def search_filter(text: str) -> Or:
    """Accounts whose user name or display name holds a text."""
    names = ("userName", "displayName")
    return Or(
        filters=tuple(
            Comparison(attribute=AttributePath(attribute=name), operator=FilterOperator.CONTAINS, value=text)
            for name in names
        )
    )


def user_row(document: Document) -> dict[str, Any]:
    """What a line of the list of users shows."""
    name = document.get("name") or {}
    parts = [name.get("givenName"), name.get("familyName")]
    return {
        "name": " ".join(part for part in parts if part) or document.get("displayName") or "–",
        "user_name": document.get("userName"),
        "title": document.get("title") or "–",
        "site": (document.get(USER_8X8_URN) or {}).get("site") or "–",
        "is_active": document.get("active") is not False,
        "modified": datetime.fromisoformat(document["meta"]["lastModified"]),
    }


def shown_instant(value: datetime | None) -> str:
    """An instant in the reader's language, in UTC; a dash for none."""
    if value is None:
        return "–"
    return str(format_datetime(value, "d MMM yyyy HH:mm:ss", tzinfo=UTC, locale=language().value))


def shown_json(text: str) -> str:
    """A body with a line for each value; as it came if it is no JSON, or only the beginning of one."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text
