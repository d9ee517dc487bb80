"""Look-ups that are read from the bytes of their address: a user by id, or by `userName eq` and the like.

They are what identity providers ask most. Whatever differs from the plain form in any way is read as all else is.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from muster.http_server.messages import Request

# What takes a fraction of a millisecond however many users there are: it is answered where it arrives.
QUICK = re.compile(
    rb"/udi/customers/[^/?]+/scim/v2/Users(?:/[^/?]+|\?"
    rb"(?:(?:filter=(?:userName|id)(?:%20|\+)eq(?:%20|\+)(?:%22|\")(?:[^&%\"\\]++|%(?!22|5[cC]))*(?:%22|\")"
    rb"|startIndex=\d{1,3}|count=(?:\d{1,2}|100))(?:&|$))+)"
)
# Writes that may share a commit: of single users and groups.
SHARED = re.compile(rb"/udi/customers/[^/?]+/scim/v2/(?:Users|Groups)(?![^?]*/\.search(?:\?|$))")
_PLAIN = re.compile(
    rb"/udi/customers/([\w.-]+)/scim/v2(/Users(?:/([\w-]{1,64})"
    rb"|\?filter=(userName|id)(?:%20|\+)eq(?:%20|\+)%22((?:[\w.@-]++|%[2-7][\dA-Fa-f])+)%22))"
)


class Lookup(NamedTuple):
    """`path` is what the log says; a look-up without `resource_id` has a `filter`."""

    customer: str
    path: str
    resource_id: str
    filter: str


def read_lookup(request: Request) -> Lookup | None:
    """The look-up, or None for what is none, or asks for more than that."""
    headers = request.headers
    if request.method != "GET" or b"if-none-match" in headers or b"if-match" in headers:
        return None
    found = _PLAIN.fullmatch(request.target)
    if found is None:
        return None
    customer, path, resource_id, attribute, value = found.groups(b"")
    if resource_id:
        return Lookup(customer.decode(), path.decode(), resource_id.decode(), "")
    if b"%" in value:
        value = unquote_to_bytes(value)
        if b'"' in value or b"\\" in value or b"\x7f" in value:
            return None
    return Lookup(customer.decode(), path.decode(), "", f'{attribute.decode()} eq "{value.decode()}"')
