"""One call of the API and its answer as values, and the route that joins them; no HTTP library here."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from muster.administration.desk import Desk
from muster.administration.refusals import RefusalKind, Refused, bad_request
from muster.model.roles import Permission
from muster.web.access import Budget, read_json
from muster.web.graph.odata import Options, read_options, skip_token

Document = dict[str, Any]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as handlers see it: who asks (the desk), path parts, query, body."""

    desk: Desk
    method: str
    # The public address of this request: https://host/v1.0/users?$top=5
    url: str
    # https://host/v1.0
    root: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    on_demand_budget: Budget | None = None
    bulk_budget: Budget | None = None
    # If-Match and If-None-Match, as they were sent.
    if_match: str | None = None
    if_none_match: str | None = None
    # Does another request of the same caller, for $batch.
    dispatch: "Callable[[InnerRequest], InnerAnswer]" = field(default=lambda _: InnerAnswer(status=501), repr=False)

    @property
    def version(self) -> str:
        """`v1.0` or `beta`."""
        return self.root.rpartition("/")[2]

    def options(self) -> Options:
        """Returns the OData options. Raises: Refused."""
        return read_options(self.query, urlsplit(self.url).path)

    def body(self) -> Any:
        """Returns the JSON body. Raises: Refused."""
        if not self.raw.strip():
            raise bad_request("A JSON request payload is required.")
        return read_json(self.raw)

    def fields(self, *, optional: bool = False) -> Document:
        """Returns the JSON body, which must be an object; nothing for no body if it is optional. Raises: Refused."""
        if optional and not self.raw.strip():
            return {}
        body = self.body()
        if not isinstance(body, dict):
            raise bad_request("The JSON request payload must be an object.")
        return body

    def collection(
        self,
        path: str,
        items: Iterable[_Item],
        render: Callable[[_Item], Document],
        *,
        next_after: str | None = None,
        total: int | None = None,
    ) -> "Answer":
        """Returns the answer that lists items, with the link to the next page."""
        options = self.options()
        rendered = [select(render(item), options.select, *options.expand) for item in items]
        document: Document = {"@odata.context": f"{self.root}/$metadata#{path}"}
        if options.count:
            document["@odata.count"] = len(rendered) if total is None else total
        document["value"] = rendered
        if next_after is not None:
            document["@odata.nextLink"] = self._next_link(next_after)
        return Answer(document=document)

    def whole(self, path: str, items: Sequence[_Item], render: Callable[[_Item], Document]) -> "Answer":
        """Returns the answer that lists items of which there are few: all of them, or as many as $top asks for."""
        options = self.options()
        start = int(options.after) if options.after is not None and options.after.isdigit() else 0
        end = len(items) if options.top is None else start + options.top
        after = str(end) if end < len(items) else None
        return self.collection(path, items[start:end], render, next_after=after, total=len(items))

    def entity(self, path: str, document: Document, *, status: int = 200, **headers: str) -> "Answer":
        """Returns the answer that shows one object."""
        shown = select(document, self.options().select, *self.options().expand)
        return Answer(
            status=status,
            document={"@odata.context": f"{self.root}/$metadata#{path}/$entity", **shown},
            headers=headers,
        )

    def tagged(self, path: str, document: Document, etag: str) -> "Answer":
        """Returns the answer that shows one object with its ETag; 304 for a reader who has it as it is."""
        if self.if_none_match is not None and etag in _tags(self.if_none_match):
            return Answer(status=304, headers={"ETag": etag})
        shown = self.entity(path, document)
        return replace(shown, headers={**shown.headers, "ETag": etag})

    def check_match(self, etag: str) -> None:
        """Checks that the object is as the caller last saw it, if they said how. Raises: Refused (412)."""
        if self.if_match is not None and not {etag, "*"} & _tags(self.if_match):
            raise Refused(
                RefusalKind.PRECONDITION,
                "PreconditionFailed",
                "The object has changed since it was read: read it again, and send the change with its new ETag.",
            )

    def _next_link(self, next_after: str) -> str:
        return link_after(self.url, next_after)


def link_after(url: str, next_after: str) -> str:
    """Returns the address of the rest of a collection."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "$skiptoken"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("$skiptoken", skip_token(next_after, parts.path))])))


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerRequest:
    """A request of a batch; the path is relative to the version, headers are in small letters."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerAnswer:
    """What a request of a batch was answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: JSON, plain text, a stream of bytes with its own content type, or nothing (204)."""

    status: int = 200
    document: Any = None
    text: str | None = None
    stream: Iterator[bytes] | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = Answer(status=204)

Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A call that exists: what it needs of the caller and who answers it. What is in no route is denied."""

    method: str
    path: str
    permission: Permission
    handler: Handler
    # Largest body; None: that of JSON calls.
    limit_bytes: int | None = None
    # Owners of applications may call it without a role, and are shown what is theirs. What has an application in its
    # path they may call for their own in any case.
    is_open_to_owners: bool = False
    # Of $filter, $search, $orderby and $expand those that it follows: the others are refused, never passed over.
    options: frozenset[str] = frozenset()
    # What $expand may name.
    expands: frozenset[str] = frozenset()


def counted(handler: Handler) -> Handler:
    """Returns who answers `…/$count` of a collection: how many there are, as plain text."""

    def count(call: Call) -> Answer:
        listed = handler(replace(call, query={**call.query, "$count": "true", "$top": "1"}))
        return Answer(text=str(listed.document["@odata.count"]))

    count.__doc__ = f"{(handler.__doc__ or '').partition(':')[0].rstrip('.')}/$count."
    return count


def _tags(header: str) -> set[str]:
    return {part.strip() for part in header.split(",")}


def select(document: Document, names: frozenset[str] | None, *always: str) -> Document:
    """Returns the properties that $select names; always the annotations and what is expanded."""
    if names is None:
        return document
    return {name: value for name, value in document.items() if name in names or name in always or name[0] == "@"}


def check_fixed(fields: Mapping[str, Any], fixed: Mapping[str, str], known: Collection[str]) -> None:
    """Checks that a change has properties that are known, and those that are fixed as they are. Raises: Refused."""
    other = [name for name, value in fixed.items() if fields.get(name, value) != value]
    if other:
        raise bad_request(f"{', '.join(other)} cannot be changed: leave it out.")
    unknown = [name for name in fields if name not in fixed and name not in known and "@odata." not in name]
    if unknown:
        raise bad_request(f"The properties {', '.join(unknown[:5])[:300]} cannot be changed here.")


def text_of(fields: Mapping[str, Any], name: str, *, optional: bool = False) -> str | None:
    """Returns a text property of a body. Raises: Refused if it is missing or no text."""
    value = fields.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, str) or not value:
        raise bad_request(f"The property {name} is required and takes a text.")
    return value


def required_text(fields: Mapping[str, Any], name: str) -> str:
    """Returns a text property that must be there. Raises: Refused."""
    return text_of(fields, name) or ""


def flag_of(fields: Mapping[str, Any], name: str) -> bool | None:
    """Returns a Boolean property, None if it is not given. Raises: Refused."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"The property {name} takes true or false.")
    return value


def list_of(fields: Mapping[str, Any], name: str) -> list[Any]:
    """Returns a list property, empty if it is not given. Raises: Refused."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request(f"The property {name} takes a list.")
    return value


def object_list(fields: Mapping[str, Any], name: str) -> list[Document]:
    """Returns a list of objects. Raises: Refused."""
    items = list_of(fields, name)
    if any(not isinstance(item, dict) for item in items):
        raise bad_request(f"The property {name} takes a list of objects.")
    return items


def key_of(part: str) -> str:
    """Returns a key as it was written in parentheses, with the slashes that its segment could not hold."""
    return part.replace("%2F", "/")


def referenced_id(reference: Any) -> str:
    """Returns the id in an `@odata.id`: the last segment of its address, `users('id')` too. Raises: Refused."""
    if not isinstance(reference, str) or len(reference) > 1_000:
        raise bad_request('A reference is written {"@odata.id": "https://…/users/{id}"}.')
    last = reference.rstrip("/").rpartition("/")[2]
    name, opened, rest = last.partition("('")
    # A quote within a key is written twice.
    found = rest.removesuffix("')").replace("''", "'") if opened else name
    if not found:
        raise bad_request('A reference is written {"@odata.id": "https://…/users/{id}"}.')
    return found
