"""The pages of a SCIM application's lists: where the next one begins, and what an answer shows."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from muster.model.exchange import HttpResponse
from muster.scim.client import AnswerUnreadable, ListAnswer, read_document, read_list
from muster.scim.mapping_paths import get_member
from muster.scim.messages import LIST_URN
from muster.targets.scim_failures import Errand, failure_of

_WITH_CURSOR = "c "


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a list goes on: the index of the next one, counted from 1, the largest total told before, the cursor that
    leads there ("": none), and the id of the first one on the page before."""

    index: int = 1
    total: int = 0
    cursor: str = ""
    first: str = ""

    @classmethod
    def read(cls, start: str | None) -> "Place":
        """Returns the place that was written as the key of a page; None: the beginning."""
        if start is None:
            return cls()
        index, total, first = start.removeprefix(_WITH_CURSOR).split(" ", 2)
        cursor = ""
        if start.startswith(_WITH_CURSOR):
            cursor, _, first = first.partition(" ")
        return cls(index=int(index), total=int(total), cursor=unquote(cursor), first=first)

    def write(self) -> str:
        """Returns the key of the page that begins here: `index total id`, or `c index total cursor id`."""
        if self.cursor:
            return f"{_WITH_CURSOR}{self.index} {self.total} {quote(self.cursor, safe='')} {self.first}"
        return f"{self.index} {self.total} {self.first}"


def read_page(response: HttpResponse, errand: Errand, *, past_end: bool = False) -> ListAnswer:
    """Returns the page of a list that is the answer. Raises: ProvisioningFailure, AnswerUnreadable."""
    if response.status == 404 and _lists_nobody(response.body):
        # Lenient: some services call an empty list so. That they sent it says that the address is right.
        return ListAnswer(resources=(), total=0, start_index=1)
    if response.status != 200:
        raise failure_of(response, errand)
    return read_list(response.body, past_end=past_end)


def _lists_nobody(body: bytes) -> bool:
    try:
        document = read_document(body)
    except AnswerUnreadable:
        return False
    schemas = get_member(document, "schemas")
    is_list = isinstance(schemas, list) and LIST_URN in schemas
    return is_list and get_member(document, "totalResults") == 0 and not get_member(document, "Resources")
