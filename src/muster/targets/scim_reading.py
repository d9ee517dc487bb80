"""Reading from a SCIM application: one by id, one by a value, everybody by pages; whatever its queries are worth."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import (
    Interrupted,
    ObjectFailure,
    OperationRefused,
    ProvisioningFailure,
    SchemaRefused,
    ValueRefused,
)
from muster.model.operation import MatchingValue, TargetResource
from muster.model.rules import AttributeDefinition
from muster.ports.target import ListedPage
from muster.ports.world import Clock
from muster.scim.client import (
    ClientRequest,
    ListAnswer,
    form_listing,
    form_lookup,
    form_read,
    is_match,
    read_document,
    read_resource,
    resource_id,
)
from muster.scim.mapping_paths import MappingPathInvalid, get_member, parse_mapping_path, read_value
from muster.targets.scim_failures import (
    Errand,
    Purpose,
    counted_only,
    failure_of_content,
    ignored_filter,
    unsendable,
)
from muster.targets.scim_pages import Place, read_page
from muster.targets.scim_schemas import propose_attributes
from muster.targets.scim_session import ScimSession, expect_ok, named
from muster.targets.scim_versions import version_in

_Read = TypeVar("_Read")

# A page that shows everybody at once, for services that know no second one.
LARGEST_PAGE = 10_000
# A list of more is followed by cursors where there are any: to find out costs two requests.
LONG_LIST = 1_000
# How a cursor is refused that is too old, too long or unknown.
_LEADS_NOWHERE = (400, 404, 410, 414, 422, 431, 501)
# So many filters in a row that are refused mean all of them.
REFUSED_FILTERS = 3
# What nobody is without (RFC 7643 §4): a list that does not show it shows less than there is.
_ALWAYS_THERE = frozenset({"userName", "displayName"})
# A list of everybody says who is absent for so long, or until something is written.
LISTED_FOR = timedelta(minutes=1)


@dataclass(slots=True)
class _Listing:
    """Who has which value, from a list of everybody: ids by attribute and folded value."""

    at: datetime
    ids: dict[str, dict[str, list[str]]] = field(default_factory=dict)


class ScimReader:
    """Reads; raises ProvisioningFailure."""

    def __init__(self, session: ScimSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._listings: dict[ObjectKind, _Listing] = {}
        self._listing_lock = threading.Lock()
        self._writes = 0
        self._refused_filters = 0

    def forget_lists(self) -> None:
        """Forgets who was absent: something has been written."""
        self._writes += 1
        self._listings.clear()

    # ------------------------------------------------------------ the connection

    def probe(self, matching_attribute: str, nobody: str) -> None:
        """Asks for a user whose value nobody has; nobody may be found. Raises JobFailure.

        An application that takes no filters has to list: its list is read instead.
        """
        kind, session = ObjectKind.USER.value, self._session
        if not session.dialect.may_filter(kind, matching_attribute) and session.dialect.can_list:
            self._page(ObjectKind.USER, None)
            return
        request = form_lookup(kind, matching_attribute, nobody, session.dialect)
        errand = session.errand(Purpose.PROBE, request.path)
        try:
            answer = session.ask(request, errand, lambda response: read_page(response, errand))
            if not answer.total and not answer.resources:
                return
            found = max(answer.total or 0, len(answer.resources))
            sentence = f"The application ignores the filter on {matching_attribute}: it found {found} accounts."
            refusal = failure_of_content(sentence, 200, errand)
        except ProvisioningFailure as failure:
            if failure.status not in (400, 501):
                raise
            refusal = failure
        if not session.dialect.can_list:
            raise refusal
        try:
            self._page(ObjectKind.USER, None)
        except ProvisioningFailure:
            raise refusal from None

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes that the application publishes. Raises JobFailure when it publishes none."""
        schemas, types = self._published("/Schemas"), self._published("/ResourceTypes", optional=True)
        found = propose_attributes(schemas, types)
        if not found:
            raise SchemaRefused(
                "The application publishes no schema of users or groups (/Schemas).",
                code="DiscoveryNotSupported",
                remedy="Add attributes to the list by hand.",
            )
        return found

    def _published(self, path: str, *, optional: bool = False) -> list[Mapping[str, Any]]:
        errand = self._session.errand(Purpose.LIST, path)

        def read(response: HttpResponse) -> list[Mapping[str, Any]]:
            if response.status in (404, 405, 501) or (optional and response.status != 200):
                return []
            listed = get_member(read_document(expect_ok(errand)(response).body), "Resources")
            return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []

        return self._session.ask(ClientRequest(method="GET", path=path), errand, read)

    # ------------------------------------------------------------ one by a value

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns all objects that really have the value."""
        dialect = self._session.dialect
        subject = f"{kind.value}s with {matching.attribute} = “{matching.shown}”"
        errand = self._session.errand(Purpose.LOOKUP, subject, (matching.value,) if matching.redacted else ())
        if not dialect.may_filter(kind.value, matching.attribute) and dialect.can_list:
            return self._find_in_list(kind, matching)
        try:
            request = form_lookup(kind.value, matching.attribute, matching.value, dialect)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error
        except TypeError as error:
            raise unsendable(errand) from error
        try:
            answer = self._ask(request, errand, lambda response: read_page(response, errand))
        except (ValueRefused, OperationRefused) as refusal:
            return self._find_despite(kind, matching, refusal)
        if answer.total and not answer.resources:
            # Whoever is counted is there: taken for nobody, they would be created once more.
            return self._find_despite(kind, matching, counted_only(matching.attribute, errand))
        self._refused_filters = 0
        found = [item for item in answer.resources if _matches(item, matching)]
        if len(found) < len(answer.resources):
            # The one asked for may be on another page: to call it absent would create it twice.
            if answer.total is None or len(answer.resources) < answer.total:
                return self._find_despite(kind, matching, ignored_filter(matching.attribute, errand))
            self._take_no_filters(kind, f"it answers {matching.attribute} with everybody")
        return tuple(self._session.resource(kind, item) for item in found)

    def _find_despite(
        self, kind: ObjectKind, matching: MatchingValue, refusal: ObjectFailure
    ) -> tuple[TargetResource, ...]:
        """Returns from a list of everybody who has the value, where the query did not tell. Raises the refusal."""
        if not self._session.dialect.can_list or refusal.status not in (None, 400, 501):
            raise refusal
        self._refused_filters += 1
        says_no = refusal.status != 400 or self._session.configuration().filter is False
        if says_no or self._refused_filters >= REFUSED_FILTERS:
            self._take_no_filters(kind, f"its queries are of no use ({refusal})")
        try:
            return self._find_in_list(kind, matching)
        except Interrupted:
            raise
        except ProvisioningFailure as failure:
            raise refusal from failure

    def _take_no_filters(self, kind: ObjectKind, why: str) -> None:
        self._session.learn(why, filterable={**self._session.dialect.filterable, kind.value: ()})

    def _find_in_list(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        # One at a time: the others find the list that the first has made.
        with self._listing_lock:
            listing = self._listings.get(kind)
            if listing is not None and self._clock.now() - listing.at > LISTED_FOR:
                listing = None
            by_value = None if listing is None else listing.ids.get(matching.attribute)
            if by_value is None:
                documents = self._list_values(kind, matching)
                return tuple(self._session.resource(kind, item) for item in documents if _matches(item, matching))
        read = (self.read_document(kind, target_id) for target_id in by_value.get(matching.value.casefold(), ()))
        found = (item for item in read if item is not None and _matches(item, matching))
        return tuple(self._session.resource(kind, item) for item in found)

    def _list_values(self, kind: ObjectKind, matching: MatchingValue) -> Sequence[Mapping[str, Any]]:
        """Lists everybody, keeps who has which value of an attribute, and returns those who have the one asked for.

        Raises when somebody may be missing.
        """
        path, wanted = parse_mapping_path(matching.attribute), matching.value.casefold()
        at, writes = self._clock.now(), self._writes
        by_value: dict[str, list[str]] = {}
        having: list[Mapping[str, Any]] = []
        seen: set[str] = set()
        start: str | None = None
        while True:
            page, documents = self._page(kind, start)
            for document in documents:
                target_id, value = resource_id(document), read_value(document, path)
                if target_id is None or target_id in seen:
                    continue
                seen.add(target_id)
                if value is not None:
                    folded = str(value).casefold()
                    by_value.setdefault(folded, []).append(target_id)
                    having += [document] if folded == wanted else []
            start = page.next_start
            if start is None:
                break
        if seen and not by_value and matching.attribute in _ALWAYS_THERE:
            raise OperationRefused(
                f"The application's list of {kind.value}s does not show their {matching.attribute}, "
                "and it takes no filters.",
                remedy="Ask the application's support to show whole resources in its lists, or to filter.",
            )
        if not page.is_whole or len(seen) < (page.total or 0):
            raise OperationRefused(
                f"Who is missing in the application's list of {kind.value}s cannot be told, and it takes no filters.",
                remedy="Ask the application's support to correct totalResults and startIndex of its lists, or filters.",
            )
        if writes == self._writes:
            listing = self._listings.get(kind)
            if listing is None or at - listing.at > LISTED_FOR:
                listing = self._listings[kind] = _Listing(at)
            listing.ids[matching.attribute] = by_value
        return having

    # ------------------------------------------------------------ one by its id

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object, or None on 404 and 410."""
        document = self.read_document(kind, target_id)
        return None if document is None else self._session.resource(kind, document)

    def read_document(self, kind: ObjectKind, target_id: str, *, with_members: bool = False) -> dict[str, Any] | None:
        """Returns an object as the application writes it, or None on 404 and 410."""
        found = self.read_version(kind, target_id, with_members=with_members)
        return None if found is None else found[0]

    def read_version(
        self, kind: ObjectKind, target_id: str, *, with_members: bool = False
    ) -> tuple[dict[str, Any], str | None] | None:
        """Returns an object as the application writes it, and the version that this is; None on 404 and 410."""
        errand = self._session.errand(Purpose.READ, named(kind, target_id))

        def read(response: HttpResponse) -> tuple[dict[str, Any], str | None] | None:
            if response.status in (404, 410):
                return None
            document = read_resource(expect_ok(errand)(response).body)
            return document, version_in(response, document)

        request = form_read(kind.value, target_id, self._session.dialect, with_members=with_members)
        return self._ask(request, errand, read)

    def _ask(self, request: ClientRequest, errand: Errand, read: Callable[[HttpResponse], _Read]) -> _Read:
        """As the session's, but without excludedAttributes where the application does not know that."""
        try:
            return self._session.ask(request, errand, read)
        except ProvisioningFailure as failure:
            if failure.status != 400 or not any(name == "excludedAttributes" for name, _ in request.query):
                raise
            plain = ClientRequest(
                method="GET",
                path=request.path,
                query=tuple(pair for pair in request.query if pair[0] != "excludedAttributes"),
            )
            try:
                answer = self._session.ask(plain, errand, read)
            except ProvisioningFailure:
                raise failure from None
            self._session.learn("it knows no excludedAttributes", excludes_members=False)
            return answer

    # ------------------------------------------------------------ everybody

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page of all objects. Raises: JobFailure."""
        return self._page(kind, start)[0]

    def _page(self, kind: ObjectKind, start: str | None) -> tuple[ListedPage, Sequence[Mapping[str, Any]]]:
        """Returns a page, and its documents.

        A list ends where the total says, where a page is empty, or where the first page comes again. It is whole unless
        a total was ever larger than what was shown. A long one is followed by cursors where the application has them,
        which show nobody twice and pass over nobody when others come and go: it ends where no cursor leads on.
        """
        place = Place.read(start)
        if place.cursor and (answer := self._follow(kind, place, place.cursor)):
            return self._shown(kind, place, answer)
        try:
            answer = self._ask_page(kind, place)
        except ProvisioningFailure as failure:
            if place.index == 1 or failure.status not in (400, 404, 416):
                raise
            # Lenient: some services call a page past the end an error.
            answer = ListAnswer(resources=(), total=None, start_index=place.index)
        first = resource_id(answer.resources[0]) if answer.resources else None
        if first is not None and first == place.first:
            return self._repeated(kind, answer)
        if start is None and (answer.total or 0) > LONG_LIST and self._session.configuration().cursors:
            by_cursor = self._follow(kind, place, "")
            if by_cursor is not None and by_cursor.next_cursor:
                return self._shown(kind, replace(place, total=answer.total or 0), by_cursor)
        return self._shown(kind, place, replace(answer, next_cursor=None))

    def _ask_page(self, kind: ObjectKind, place: Place, cursor: str | None = None) -> ListAnswer:
        request = form_listing(kind.value, place.index, self._session.dialect, cursor=cursor)
        errand = self._session.errand(Purpose.LIST, request.path)
        return self._ask(request, errand, lambda response: read_page(response, errand, past_end=place.index > 1))

    def _follow(self, kind: ObjectKind, place: Place, cursor: str) -> ListAnswer | None:
        """Returns the page that a cursor leads to; None where it leads nowhere, as one that is too old."""
        try:
            answer = self._ask_page(kind, place, cursor)
        except Interrupted:
            raise
        except ProvisioningFailure as failure:
            # At the beginning the first page is there already, by its index.
            if cursor and failure.status not in _LEADS_NOWHERE:
                raise
            return None
        if not answer.resources or resource_id(answer.resources[0]) == place.first:
            return None
        # Where a cursor led here, that none leads on is the end, whatever is counted.
        return answer if answer.next_cursor is not None else replace(answer, next_cursor="")

    def _shown(
        self, kind: ObjectKind, place: Place, answer: ListAnswer
    ) -> tuple[ListedPage, Sequence[Mapping[str, Any]]]:
        shown = place.index - 1 + len(answer.resources)
        if answer.next_cursor is None:
            total = max(answer.total or 0, place.total)
            # A total that is no more than this page may count the page only: then the next one is to be empty.
            is_clear = answer.total is not None and (answer.total > len(answer.resources) or not shown)
            ends = not answer.resources or (is_clear and shown >= total)
            is_whole = shown >= total
        else:
            # Cursors need no total (RFC 9865 §2), and one that is no more than this page may count the page only.
            counted = answer.total or 0
            total = counted if counted > len(answer.resources) else max(counted, place.total)
            # Cursors that lead in a circle do not lead on for ever.
            is_circle = shown > 2 * total + LONG_LIST
            ends, is_whole = not answer.next_cursor or is_circle, shown >= total and not is_circle
        first = resource_id(answer.resources[0]) if answer.resources else None
        following = Place(index=shown + 1, total=total, cursor=answer.next_cursor or "", first=first or "")
        page = ListedPage(
            resources=tuple(self._session.resource(kind, item) for item in answer.resources),
            next_start=None if ends else following.write(),
            total=total,
            is_whole=is_whole,
        )
        return page, answer.resources

    def _repeated(self, kind: ObjectKind, answer: ListAnswer) -> tuple[ListedPage, Sequence[Mapping[str, Any]]]:
        """Returns everybody at once where startIndex is ignored, as far as one page can show them."""
        total, documents, dialect = answer.total or 0, answer.resources, self._session.dialect
        if len(documents) < total <= LARGEST_PAGE:
            request = form_listing(kind.value, 1, dialect, count=total)
            errand = self._session.errand(Purpose.LIST, request.path)
            documents = self._ask(request, errand, lambda response: read_page(response, errand)).resources
        resources = tuple(self._session.resource(kind, item) for item in documents)
        page = ListedPage(resources=resources, next_start=None, total=total, is_whole=len(documents) >= total)
        return page, documents


def _matches(document: Mapping[str, Any], matching: MatchingValue) -> bool:
    return is_match(document, matching.attribute, matching.value, case_exact=matching.case_exact)
