"""OData query options: $filter, $search, $orderby, $top, $skiptoken, $select, $expand, $count.

Source: OData 4.01 URL conventions §5, as far as Microsoft Graph takes it for these resources.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from muster.administration.refusals import bad_request
from muster.model.conditions import Condition
from muster.web.graph.filters import read_filter

TOP_LIMIT = 1000
TOP_DEFAULT = 100
_CHECK_BYTES = 6
LATEST = "latest"
_STORE_KEY = re.compile(r"[0-9]{1,18}(:[^\x00]{0,1000})?", re.DOTALL)
# Only some calls follow these.
CHOSEN = frozenset({"$filter", "$search", "$orderby", "$expand"})
_KNOWN = frozenset(
    {"$filter", "$top", "$skiptoken", "$select", "$count", "$orderby", "$search", "$expand", "$format", "$deltatoken"}
)
_EXPANDED = re.compile(r"\s*([A-Za-z]\w*|\*)\s*(?:\(\s*\$select=([^()]*)\))?\s*(?:,|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The query options of one request."""

    filter: Condition | None = None
    top: int | None = None
    after: str | None = None
    # Where the last round of changes ended; "latest": from now on.
    delta_after: str | None = None
    select: frozenset[str] | None = None
    count: bool = False
    order_by: str | None = None
    search: str | None = None
    # What to expand, with its own $select.
    expand: Mapping[str, frozenset[str] | None] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """How many entries a page holds."""
        return self.top if self.top is not None else TOP_DEFAULT


def check_options(names: Iterable[str], followed: frozenset[str]) -> None:
    """Checks that a call follows every query option it is given: none is passed over. Raises: Refused."""
    for name in names:
        if name.startswith("$") and name not in followed and (name in CHOSEN or name not in _KNOWN):
            raise bad_request(f"The query option {name[:60]} is not supported here.")


def check_expanded(text: str | None, followed: frozenset[str]) -> None:
    """Checks that a call shows all that it is asked to show with each object. Raises: Refused."""
    for name in _expand(text):
        if name not in followed:
            raise bad_request(f"$expand takes {', '.join(sorted(followed))} here, not {name[:60]}.")


def read_options(query: Mapping[str, str], scope: str) -> Options:
    """Returns the query options of a request to the collection `scope`.

    Raises: Refused naming the option, for $filter also the position.
    """
    delta = query.get("$deltatoken")
    return Options(
        filter=read_filter(query["$filter"]) if "$filter" in query else None,
        top=_top(query.get("$top")),
        after=_opened(query["$skiptoken"], scope, "$skiptoken") if "$skiptoken" in query else None,
        delta_after=delta if delta in (None, LATEST) else _opened(delta, scope, "$deltatoken"),
        select=_names(query.get("$select")),
        count=_flag("$count", query.get("$count")),
        order_by=query.get("$orderby"),
        search=query.get("$search"),
        expand=_expand(query.get("$expand")),
    )


def skip_token(after: str, scope: str) -> str:
    """Returns a store's key as an opaque $skiptoken, which serves for this collection alone."""
    return base64.urlsafe_b64encode(_check(after, scope) + after.encode()).decode().rstrip("=")


def _opened(token: str, scope: str, option: str) -> str:
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        after = content[_CHECK_BYTES:].decode()
    except (binascii.Error, ValueError):
        content, after = b"", ""
    # Whoever can compute the check can make a token, so the key's form is checked, too.
    if content[:_CHECK_BYTES] != _check(after, scope) or not _STORE_KEY.fullmatch(after):
        raise bad_request(f"The {option} is not one that this service gave out for this collection.")
    return after


def _check(after: str, scope: str) -> bytes:
    # No secret: it keeps mangled tokens, and those of other collections, away from the store.
    return hashlib.blake2b(f"{scope}\n{after}".encode(), digest_size=_CHECK_BYTES).digest()


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= TOP_LIMIT:
        raise bad_request(f"$top takes a whole number from 1 to {TOP_LIMIT}.")
    return int(text)


def _flag(name: str, text: str | None) -> bool:
    if text is not None and text.lower() not in ("true", "false"):
        raise bad_request(f"{name} takes true or false.")
    return text is not None and text.lower() == "true"


def _names(text: str | None) -> frozenset[str] | None:
    found = frozenset(name.strip().partition("/")[0] for name in (text or "").split(",") if name.strip())
    return None if not found or "*" in found else found


def _expand(text: str | None) -> dict[str, frozenset[str] | None]:
    """`manager`, `manager($select=id,displayName)`, several joined by commas."""
    wanted: dict[str, frozenset[str] | None] = {}
    place = 0
    while text and place < len(text):
        found = _EXPANDED.match(text, place)
        if found is None or found.end() == place:
            raise bad_request(f"$expand: at position {place + 1}, write a name, or a name($select=id,displayName).")
        wanted[found[1]] = _names(found[2])
        place = found.end()
    return wanted
