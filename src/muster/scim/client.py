"""The client's side of SCIM: request values to send, and answers read and checked. No socket is opened here.

Source: RFC 7644 §3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import orjson

from muster.scim.dialect import ADDRESS_FLAGS, Dialect, PatchForm
from muster.scim.errors import ERROR_URN
from muster.scim.filters import AttributePath, Comparison, FilterOperator, render_filter
from muster.scim.mapping_paths import MappingPath, get_member, parse_mapping_path, read_references, read_value
from muster.scim.messages import PATCH_URN
from muster.scim.updates import form_create_body

ADDRESS_CHARACTERS = 2_000
DETAIL_CHARACTERS = 300
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ERROR_MARK = ERROR_URN.encode()
_FLAG_NAMES = {flag.lower(): flag for flag in ADDRESS_FLAGS}


class AddressInvalid(ValueError):
    """A Tenant URL that cannot be used; the sentence says why and how it should look."""


class AnswerUnreadable(ValueError):
    """An answer that is not what SCIM prescribes: a web page, nothing, half a document, a list without its parts."""


# ---------------------------------------------------------------- addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAddress:
    """A Tenant URL taken apart: `base` without slash at its end, further query values, compatibility flags."""

    base: str
    query: tuple[tuple[str, str], ...] = ()
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """A request relative to the Tenant URL. `path` is percent-encoded already, query values are not."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    # The version that is changed, where the service demands to be told (RFC 7644 §3.14).
    if_match: str | None = None

    def body_bytes(self) -> bytes | None:
        """Returns the body as JSON, or None."""
        return None if self.body is None else orjson.dumps(self.body)


def read_address(text: str) -> TenantAddress:
    """Returns the parts of a Tenant URL; `https://x/scim/v2/?aadOptscim062020` means `https://x/scim/v2` and a flag.

    Raises: AddressInvalid.
    """
    if len(text) > ADDRESS_CHARACTERS or any(character.isspace() for character in text.strip()):
        raise AddressInvalid("The Tenant URL is too long or holds a blank. It looks like https://example.com/scim/v2.")
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise AddressInvalid("The Tenant URL cannot be read. It looks like https://example.com/scim/v2.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressInvalid("The Tenant URL must begin with https:// and name a host, as https://example.com/scim/v2.")
    if parts.username is not None or parts.password is not None:
        raise AddressInvalid("The Tenant URL holds a user name or password: put the token into Secret Token instead.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    return TenantAddress(
        base=urlunsplit((parts.scheme, host if port is None else f"{host}:{port}", parts.path.rstrip("/"), "", "")),
        query=tuple((name, value) for name, value in pairs if name.lower() not in _FLAG_NAMES),
        flags=frozenset(_FLAG_NAMES[name.lower()] for name, _ in pairs if name.lower() in _FLAG_NAMES),
    )


def form_url(address: TenantAddress, request: ClientRequest) -> str:
    """Returns the whole address of a request; everything in a query value but letters and digits is percent-encoded."""
    pairs = (*request.query, *address.query)
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" if value else quote(name) for name, value in pairs
    )
    return f"{address.base}{request.path}{'?' if query else ''}{query}"


# ---------------------------------------------------------------- requests


def form_lookup(kind: str, attribute: str, value: str, dialect: Dialect) -> ClientRequest:
    """Returns the query for everybody whose attribute equals a value. Raises: MappingPathInvalid."""
    text = form_equality_filter(parse_mapping_path(attribute), value, dialect)
    return ClientRequest(
        method="GET", path=dialect.paths[kind], query=(*_without_members(kind, dialect), ("filter", text))
    )


def form_equality_filter(path: MappingPath, value: str, dialect: Dialect) -> str:
    """Returns `userName eq "x"`; a value in an element is compared inside the brackets, as the standard has it."""
    comparison = render_filter(
        Comparison(attribute=AttributePath(attribute="x"), operator=FilterOperator.EQUAL, value=value)
    ).removeprefix("x")
    if path.conditions and dialect.patch_form is PatchForm.STANDARD:
        marks = [f"{name} eq {orjson.dumps(marked).decode()}" for name, marked in path.conditions]
        head = path.attribute if path.schema is None else f"{path.schema}:{path.attribute}"
        compared = f"{path.sub_attribute or 'value'}{comparison}"
        return f"{head}[{' and '.join([*marks, compared])}]"
    return f"{path.text}{comparison}"


def form_listing(
    kind: str, start_index: int, dialect: Dialect, *, count: int | None = None, cursor: str | None = None
) -> ClientRequest:
    """Returns the request for a page of everybody; `start_index` counts from 1, `count` None is the dialect's.

    A `cursor` is asked for instead of an index; an empty one begins the list (RFC 9865 §2.1).
    """
    place = ("startIndex", str(start_index)) if cursor is None else ("cursor", cursor)
    page = (place, ("count", str(count or dialect.page_size)))
    return ClientRequest(method="GET", path=dialect.paths[kind], query=(*_without_members(kind, dialect), *page))


def form_read(kind: str, resource_id: str, dialect: Dialect, *, with_members: bool = False) -> ClientRequest:
    """Returns the request for one resource."""
    query = () if with_members else _without_members(kind, dialect)
    return ClientRequest(method="GET", path=_path_of(kind, resource_id, dialect), query=query)


def form_create(kind: str, values: Mapping[str, Any], dialect: Dialect) -> ClientRequest:
    """Returns the request that creates a resource from values by mapping path. Raises: MappingPathInvalid."""
    return ClientRequest(method="POST", path=dialect.paths[kind], body=form_create_body(kind, values, dialect))


def form_change(kind: str, resource_id: str, body: Mapping[str, Any], dialect: Dialect) -> ClientRequest:
    """Returns the request that carries a change: PATCH for a patch body, else PUT."""
    method = "PATCH" if PATCH_URN in body.get("schemas", ()) else "PUT"
    return ClientRequest(method=method, path=_path_of(kind, resource_id, dialect), body=body)


def form_delete(kind: str, resource_id: str, dialect: Dialect) -> ClientRequest:
    """Returns the request that deletes a resource."""
    return ClientRequest(method="DELETE", path=_path_of(kind, resource_id, dialect))


def _path_of(kind: str, resource_id: str, dialect: Dialect) -> str:
    return f"{dialect.paths[kind]}/{quote(resource_id, safe='')}"


def _without_members(kind: str, dialect: Dialect) -> tuple[tuple[str, str], ...]:
    return (("excludedAttributes", "members"),) if kind == "Group" and dialect.excludes_members else ()


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """A page of resources as documents; `total` counts all pages, None: the service does not say.

    `next_cursor` asks for the next page, where the service pages by cursors.
    """

    resources: tuple[Mapping[str, Any], ...]
    total: int | None
    start_index: int
    next_cursor: str | None = None


def read_document(body: bytes) -> dict[str, Any]:
    """Returns the JSON object an answer holds. Raises: AnswerUnreadable, saying what it is instead."""
    # Lenient: a service written with .NET may begin with a byte order mark (RFC 8259 §8.1 lets a reader pass over it).
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise AnswerUnreadable("The answer is empty.")
    if body.lstrip()[:1] == b"<":
        raise AnswerUnreadable("The answer is a web page (HTML or XML) instead of JSON.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AnswerUnreadable("The answer is no valid JSON, or was cut off.") from None
    if not isinstance(document, dict):
        raise AnswerUnreadable("The answer is JSON, but no object.")
    return document


def read_resource(body: bytes) -> dict[str, Any]:
    """Returns the resource an answer holds. Raises: AnswerUnreadable when it has no id."""
    document = read_document(body)
    if resource_id(document) is None:
        raise AnswerUnreadable("The answer is a JSON object without an id.")
    return document


def read_list(body: bytes, *, past_end: bool = False) -> ListAnswer:
    """Returns the page an answer holds; one that may be `past_end` of the list may count others and show none.

    Raises: AnswerUnreadable when it is no list of resources with ids.
    """
    document = read_document(body)
    total, listed = _whole_number(get_member(document, "totalResults")), get_member(document, "Resources")
    # Lenient: some servers do not count, and show what there is.
    if total is None and not isinstance(listed, list):
        raise AnswerUnreadable("The answer is no ListResponse: totalResults is missing or no number.")
    # Lenient: an empty page may leave Resources out, and some servers write null.
    resources = [] if listed is None else listed
    if not isinstance(resources, list) or not all(isinstance(item, dict) for item in resources):
        raise AnswerUnreadable("The answer is no ListResponse: Resources is no list of objects.")
    if any(resource_id(item) is None for item in resources):
        raise AnswerUnreadable("The answer lists a resource without an id.")
    if total and listed is None and not past_end:
        raise AnswerUnreadable(f"The answer counts {total} results and shows none.")
    start = _whole_number(get_member(document, "startIndex"))
    following = get_member(document, "nextCursor")
    return ListAnswer(
        resources=tuple(resources),
        total=total,
        start_index=1 if start is None else start,
        next_cursor=following if isinstance(following, str) and following else None,
    )


def read_error(body: bytes) -> tuple[str | None, str | None]:
    """Returns scimType and detail of an error body, shortened to one line; None for what is not there."""
    try:
        document = read_document(body)
    except AnswerUnreadable:
        return None, None
    scim_type = get_member(document, "scimType")
    # Lenient: other services' bodies say it under another name.
    texts = (get_member(document, name) for name in ("detail", "message", "error_description", "error", "title"))
    detail = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    return (scim_type if isinstance(scim_type, str) and scim_type else None), _one_line(detail)


def told_status(status: int, body: bytes) -> int:
    """Returns the status that an answer means: that of an error in the body of a success, or 500.

    Lenient: some gateways answer 200 to everything.
    """
    if not 200 <= status < 300 or _ERROR_MARK not in body:
        return status
    try:
        document = read_document(body)
    except AnswerUnreadable:
        return status
    schemas = get_member(document, "schemas")
    if not isinstance(schemas, list) or ERROR_URN not in schemas:
        return status
    told = _whole_number(get_member(document, "status"))
    return told if told is not None and 400 <= told < 600 else 500


def resource_id(document: Mapping[str, Any]) -> str | None:
    """Returns a resource's id as text. Lenient: some servers number their resources."""
    value = get_member(document, "id")
    if isinstance(value, bool) or value in (None, ""):
        return None
    return str(value) if isinstance(value, str | int) else None


def is_match(document: Mapping[str, Any], attribute: str, value: str, *, case_exact: bool) -> bool:
    """Whether a resource really has the value that was asked for: some servers ignore filters and answer everybody."""
    found = read_value(document, parse_mapping_path(attribute))
    if found is None:
        return False
    text = str(found)
    return text == value if case_exact else text.casefold() == value.casefold()


def project(
    document: Mapping[str, Any], paths: Sequence[str], *, booleans: Collection[str] = ("active",)
) -> dict[str, Any]:
    """Returns a resource's values by mapping path, limited to `paths`; what is absent is left out.

    Those in `booleans` come as bool even when the server writes texts.
    """
    projection: dict[str, Any] = {}
    present = {name.lower() for name in document}
    for name in paths:
        path = parse_mapping_path(name)
        if present.isdisjoint(path.roots):
            continue
        value = read_value(document, path)
        if name in booleans and isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if value is not None:
            projection[name] = _frozen(value)
    return projection


def project_references(document: Mapping[str, Any], paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Returns the ids that reference attributes point to, limited to `paths`."""
    return {name: read_references(document, parse_mapping_path(name)) for name in paths}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


def _whole_number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _one_line(text: str | None) -> str | None:
    if text is None:
        return None
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARACTERS else line[: DETAIL_CHARACTERS - 1] + "…"
