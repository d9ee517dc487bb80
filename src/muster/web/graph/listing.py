"""Listing a collection that is small enough to be read whole: filtered, searched, ordered, in pages."""

from collections.abc import Callable, Iterable
from typing import Any

from muster.model.conditions import holds
from muster.web.graph.call import Answer, Call, Document
from muster.web.graph.properties import Properties, bind, read_search

ORDERS = ("displayName", "createdDateTime", "principalDisplayName", "name")


def narrowed(
    call: Call, path: str, items: Iterable[Any], shown: Callable[[Any], Document], known: Properties
) -> Answer:
    """Returns the answer that lists what $filter and $search let through. Raises: Refused."""
    options = call.options()
    wanted = None if options.search is None else read_search(options.search, known, "displayName")
    parts = tuple(part for part in (bind(options.filter, known), wanted) if part is not None)
    found = [document for document in map(shown, items) if all(holds(part, document) for part in parts)]
    order = known.order(options.order_by, *ORDERS)
    if order is not None:
        found.sort(key=lambda document: str(document.get(order[0]) or "").casefold(), reverse=order[1])
    start = int(options.after) if options.after is not None and options.after.isdigit() else 0
    end = start + options.limit
    return call.collection(
        path,
        found[start:end],
        dict,
        next_after=str(end) if end < len(found) else None,
        total=len(found),
    )
