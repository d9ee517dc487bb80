"""Changes at an application that demands to be told which version is changed (If-Match), as it turns out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from muster.model.exchange import HttpResponse
from muster.scim.client import AnswerUnreadable, ClientRequest, read_document
from muster.scim.mapping_paths import get_member
from muster.targets.scim_failures import Errand, Purpose
from muster.targets.scim_session import ScimSession

# Precondition Failed and Precondition Required: the second is for those who named none, and some say the first.
DEMANDS = (412, 428)
GONE = 404
# Somebody else may change the object between the look and the change.
TRIES = 3

Query = tuple[tuple[str, str], ...]


class Versions:
    """Sends changes, with the version of the object once the application has demanded that."""

    def __init__(self, session: ScimSession) -> None:
        self._session = session
        self._is_demanded = False

    def send(self, request: ClientRequest, errand: Errand) -> HttpResponse:
        """Returns the answer to a change or a deletion. Raises: ProvisioningFailure, UnknownOutcome.

        Source: RFC 7644 §3.14; RFC 6585 §3.
        """
        if self._is_demanded:
            # A group may have a hundred thousand members. Where the version is another without them, it is refused.
            shown = self._look(request.path, self._without_members(request.path))
            request = replace(request, if_match=_version_shown(shown))
        response = self._session.wire.send(request, errand)
        for _ in range(TRIES):
            if response.status not in DEMANDS:
                break
            # What is refused so has not been carried out.
            shown = self._look(request.path)
            if shown.status == GONE:
                # There is no version to name: some ask for one before they look whether there is anything.
                return shown
            version = _version_shown(shown)
            if version is None:
                break
            self._is_demanded = True
            response = self._session.wire.send(replace(request, if_match=version), errand)
        return response

    def send_formed(self, request: ClientRequest, version: str | None, errand: Errand) -> HttpResponse:
        """Returns the answer to what was formed from a document of that version, sent once. Raises as `send`."""
        if self._is_demanded:
            request = replace(request, if_match=version)
        response = self._session.wire.send(request, errand)
        self._is_demanded |= response.status in DEMANDS and version is not None
        return response

    def _without_members(self, path: str) -> Query:
        dialect = self._session.dialect
        is_group = path.startswith(f"{dialect.paths.get('Group', '/Groups')}/")
        return (("excludedAttributes", "members"),) if is_group and dialect.excludes_members else ()

    def _look(self, path: str, query: Query = ()) -> HttpResponse:
        errand = self._session.errand(Purpose.READ, path)
        return self._session.wire.send(ClientRequest(method="GET", path=path, query=query), errand)


def _version_shown(response: HttpResponse) -> str | None:
    """Returns the version of the object that was asked for; None if it is gone, or has none."""
    if response.status != 200:
        return None
    try:
        return version_in(response, read_document(response.body))
    except AnswerUnreadable:
        return version_in(response, {})


def version_in(response: HttpResponse, document: Mapping[str, Any]) -> str | None:
    """Returns the version of an object as an answer with it says; None if it has none."""
    meta = get_member(document, "meta")
    version = get_member(meta, "version") if isinstance(meta, Mapping) else None
    return response.headers.get("etag") or (version if isinstance(version, str) and version else None)
