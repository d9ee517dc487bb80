"""Queries at the root: one list over the resources of all types.

Source: RFC 7644 §3.4.2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from muster.scim.cursors import CursorDesk, turn
from muster.scim.endpoint import ResourceEndpoint
from muster.scim.errors import InvalidFilter, InvalidPath, ScimError, TooMany
from muster.scim.evaluation import bind_filter
from muster.scim.filters import Filter, parse_filter, render_attribute_path
from muster.scim.limits import Limits
from muster.scim.messages import ScimRequest, ScimResponse, answer_with, write_list
from muster.scim.parameters import SearchParameters
from muster.scim.reduction import named_attributes, reduce_filter
from muster.scim.repository import ResourceQuery, StoredResource
from muster.scim.sorting import order_of

_Found = tuple[ResourceEndpoint, StoredResource]


class Everything:
    """Answers a query from the endpoints of all types. An attribute that a type does not have counts as one without a
    value, in a filter and in the order."""

    def __init__(self, endpoints: Sequence[ResourceEndpoint], desk: CursorDesk, limits: Limits) -> None:
        self._endpoints = endpoints
        self._desk = desk
        self._limits = limits

    def answer(self, parameters: SearchParameters, request: ScimRequest) -> ScimResponse:
        """The list. Raises: InvalidFilter, InvalidPath when no type knows the names; TooMany; InvalidCursor."""
        if parameters.cursor is None:
            total, found = self._read(parameters, parameters.start_index - 1, parameters.limit)
            paging: dict[str, int | str | None] = {"startIndex": parameters.start_index}
        else:
            cursor = self._desk.open(parameters, "/", by_place=False, now=request.asked_at)
            wanted = cursor.count + 1 if cursor.count else 0
            total, found = self._read(parameters, cursor.position, wanted)
            page = turn(cursor, len(found), ())
            found = found[page.shown]
            paging = {
                name: None if beside is None else self._desk.write(beside, parameters, "/", now=request.asked_at)
                for name, beside in (("previousCursor", page.previous), ("nextCursor", page.following))
            }
        bodies = [endpoint.write(stored, parameters, request.base_url) for endpoint, stored in found]
        return answer_with(200, write_list(bodies, total=total, **paging))

    def _read(self, parameters: SearchParameters, skipped: int, count: int) -> tuple[int, list[_Found]]:
        queries = self._bind(parameters)
        if parameters.sort_by is not None:
            return self._merge(queries, skipped, count, descending=parameters.descending)
        total, found = 0, list[_Found]()
        for endpoint, query in queries:
            start_index = max(0, skipped - total) + 1
            page = endpoint.read(query._replace(start_index=start_index, limit=count - len(found)))
            total += page.total
            found += [(endpoint, stored) for stored in page.resources]
        return total, found

    def _merge(
        self, queries: Sequence[tuple[ResourceEndpoint, ResourceQuery]], skipped: int, count: int, *, descending: bool
    ) -> tuple[int, list[_Found]]:
        """One order over all types: each gives as many as could be on the page."""
        depth = skipped + count
        if depth > self._limits.merged_results:
            raise TooMany(
                f"A sorted list over all types goes to the limit (merged results) of {self._limits.merged_results}. "
                "Filter, or ask one type at its own endpoint."
            )
        total = 0
        present: list[tuple[Any, _Found]] = []
        absent: list[_Found] = []
        for endpoint, query in queries:
            page = endpoint.read(query._replace(start_index=1, limit=depth if count else 0))
            total += page.total
            for stored in page.resources:
                order = None if query.sort_by is None else order_of(stored.document, query.sort_by, endpoint.type)
                if order is None:
                    absent.append((endpoint, stored))
                else:
                    present.append(((type(order).__name__, order), (endpoint, stored)))
        present.sort(key=lambda pair: pair[0], reverse=descending)
        ordered = [found for _, found in present]
        merged = absent + ordered if descending else ordered + absent
        return total, merged[skipped:depth]

    def _bind(self, parameters: SearchParameters) -> list[tuple[ResourceEndpoint, ResourceQuery]]:
        refused: ScimError | None = None
        unsorted: ScimError | None = None
        queries: list[tuple[ResourceEndpoint, ResourceQuery]] = []
        tree = None if parameters.filter is None else parse_filter(parameters.filter, limits=self._limits)
        if tree is not None:
            self._check_known(tree)
        for endpoint in self._endpoints:
            left = True if tree is None else reduce_filter(tree, endpoint.type)
            query = endpoint.bind(parameters._replace(filter=None, sort_by=None))
            if left is False:
                continue
            if left is not True:
                try:
                    query = query._replace(filter=bind_filter(left, endpoint.type))
                except InvalidFilter as error:
                    refused = refused or error
                    continue
            try:
                query = query._replace(sort_by=endpoint.bind_sort(parameters.sort_by))
            except InvalidPath as error:
                unsorted = unsorted or error
            queries.append((endpoint, query))
        if refused is not None and not queries:
            raise refused
        if unsorted is not None and all(query.sort_by is None for _, query in queries):
            raise unsorted
        return queries

    def _check_known(self, tree: Filter) -> None:
        """Raises InvalidFilter for an attribute that no type has."""
        for path in named_attributes(tree):
            if all(endpoint.type.resolve(path) is None for endpoint in self._endpoints):
                raise InvalidFilter(
                    f"{render_attribute_path(path)} is not an attribute of any type. Look at /Schemas for the names."
                )
