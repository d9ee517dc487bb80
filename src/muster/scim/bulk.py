"""Bulk: several operations in one request, with references to what the same request makes.

Source: RFC 7644 §3.7.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from muster.scim.errors import Conflict, InvalidSyntax, InvalidValue, PayloadTooLarge, ScimError, ServiceUnavailable
from muster.scim.messages import (
    BULK_REQUEST_URN,
    BULK_RESPONSE_URN,
    MEDIA_TYPE,
    PATCH_URN,
    ScimRequest,
    ScimResponse,
    answer_error,
    answer_with,
    read_body,
)
from muster.scim.profile import ServerProfile

Answer = Callable[[ScimRequest], ScimResponse]
# The answer to a request that met a fault of the service: what is no ScimError.
AnswerFault = Callable[[Exception, ScimRequest], ScimResponse]
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFERENCE = re.compile(r"bulkId:([^/\"]+)")


@dataclass(slots=True)
class _Job:
    """One operation of the request and what became of it. `named` are the bulkIds it refers to; `deferred` is what of
    its data had to wait for the other end of a circle."""

    method: str
    path: str
    bulk_id: str | None
    version: str | None
    data: Any
    named: frozenset[str]
    deferred: dict[str, Any] | None = None
    response: ScimResponse | None = None


@dataclass(slots=True)
class _Progress:
    """What the operations so far have made: ids by bulkId; `expected` are the bulkIds still to come, `open` those of
    circles that were made without what they wait for; `outage` is the answer when nothing can be done any more."""

    expected: set[str]
    made: dict[str, str] = field(default_factory=dict)
    open: dict[str, _Job] = field(default_factory=dict)
    errors: int = 0
    outage: ScimResponse | None = None

    def awaits(self, named: frozenset[str]) -> bool:
        """Whether one of the bulkIds is still to come."""
        return any(name in self.expected and name not in self.made for name in named)

    def is_ready(self, job: _Job) -> bool:
        """Whether the operation waits for nothing. While a circle is open, what it made may be taken back: until then
        nothing else is changed there, or gets a reference to it, that could not be taken back with it."""
        return not self.awaits(job.named) and not (self.open and job.named and job.method != "POST")


class BulkEndpoint:
    """Answers /Bulk by asking the server for each operation."""

    def __init__(self, profile: ServerProfile, answer: Answer, answer_fault: AnswerFault) -> None:
        self._profile = profile
        self._answer = answer
        self._answer_fault = answer_fault

    def answer(self, request: ScimRequest, _: str) -> ScimResponse:
        """The BulkResponse. Operations go in their order, except that one waits for those it refers to.

        Raises: InvalidSyntax, InvalidValue, PayloadTooLarge.
        """
        jobs, fail_on_errors = self._read(read_body(request.body, self._profile.limits))
        progress = _Progress(expected={job.bulk_id for job in jobs if job.bulk_id is not None and job.method == "POST"})
        waiting, done = list(jobs), list[_Job]()
        while (
            waiting
            and progress.outage is None
            and not (fail_on_errors is not None and progress.errors >= fail_on_errors)
        ):
            job = _next_job(waiting, progress)
            waiting.remove(job)
            done.append(job)
            self._settle(job, self._carry_out(job, request, progress), progress)
            self._close_circles(done, request, progress)
        progress.expected.clear()  # of what is left nothing is made
        self._close_circles(done, request, progress)
        for job in waiting:
            job.response = progress.outage
        # In the order in which they were sent, for clients that go by it.
        operations = [_report(job, request.base_url) for job in jobs if job.response is not None]
        return answer_with(200, orjson.dumps({"schemas": [BULK_RESPONSE_URN], "Operations": operations}))

    @staticmethod
    def _settle(job: _Job, response: ScimResponse, progress: _Progress) -> None:
        job.response = response
        if response.status >= 400:
            progress.errors += 1
            if job.bulk_id is not None:
                progress.expected.discard(job.bulk_id)
        elif job.bulk_id is not None and response.status == 201:
            progress.made[job.bulk_id] = orjson.loads(response.body)["id"]
            if job.deferred is not None:
                progress.open[job.bulk_id] = job

    def _close_circles(self, done: list[_Job], request: ScimRequest, progress: _Progress) -> None:
        """Completes what was made without the other end of its circle, as soon as that is made, or has failed."""
        for bulk_id, job in list(progress.open.items()):
            # One that fails takes others back with it.
            if bulk_id in progress.open and not progress.awaits(_named(job.deferred)):
                del progress.open[bulk_id]
                self._complete(job, done, request, progress)

    def _complete(self, job: _Job, done: list[_Job], request: ScimRequest, progress: _Progress) -> None:
        """Adds to a resource of a circle what had to wait for the other end."""
        assert job.response is not None  # noqa: S101 - it was made
        added = {"schemas": [PATCH_URN], "Operations": [{"op": "add", "value": job.deferred}]}
        response = self._follow(job, "PATCH", added, request, progress)
        if response.status >= 400:
            self._withdraw(job, response, done, request, progress)
        else:
            headers = {**job.response.headers, "ETag": response.headers["ETag"]}
            job.response = ScimResponse(status=201, headers=headers, body=job.response.body)

    def _withdraw(
        self, job: _Job, refused: ScimResponse, done: list[_Job], request: ScimRequest, progress: _Progress
    ) -> None:
        """Takes back what was made of a circle that does not close, and what was made with a reference to it: what is
        told to have failed is not there when it is sent again."""
        assert job.bulk_id is not None  # noqa: S101 - it was made
        falling = {job.bulk_id: (job, refused)}
        while falling:
            bulk_id, (fallen, refusal) = falling.popitem()
            self._follow(fallen, "DELETE", None, request, progress)
            del progress.made[bulk_id]
            progress.open.pop(bulk_id, None)
            self._settle(fallen, refusal, progress)
            falling |= {
                other.bulk_id: (other, answer_error(_nothing_made(bulk_id)))
                for other in done
                if other.method == "POST" and other.bulk_id in progress.made and bulk_id in other.named
            }

    def _follow(self, job: _Job, method: str, data: Any, request: ScimRequest, progress: _Progress) -> ScimResponse:
        """The answer to one more operation on what an operation made."""
        assert job.response is not None  # noqa: S101 - it was made
        path = job.response.headers["Location"].removeprefix(request.base_url)
        following = _Job(method=method, path=path, bulk_id=None, version=None, data=data, named=frozenset())
        return self._carry_out(following, request, progress)

    def _read(self, body: Any) -> tuple[list[_Job], int | None]:
        limits = self._profile.limits
        if not isinstance(body, dict):
            raise InvalidSyntax("The body must be a BulkRequest object.")
        given = {key.lower(): value for key, value in body.items()}
        schemas = given.get("schemas")
        # Lenient: as of a PATCH and a SearchRequest, which clients send without `schemas` too.
        is_left_out = schemas is None and not self._profile.strict
        if not is_left_out and (not isinstance(schemas, list) or BULK_REQUEST_URN not in schemas):
            raise InvalidSyntax(f"schemas of the message must hold {BULK_REQUEST_URN}.")
        operations, fail_on_errors = given.get("operations"), given.get("failonerrors")
        if not isinstance(operations, list):
            raise InvalidSyntax("Operations must be a list.")
        if len(operations) > limits.bulk_operations:
            raise PayloadTooLarge(
                f"Operations has {len(operations)} entries; the limit (bulk operations) is {limits.bulk_operations}."
            )
        if fail_on_errors is not None and (
            not isinstance(fail_on_errors, int) or isinstance(fail_on_errors, bool) or fail_on_errors < 1
        ):
            raise InvalidValue(
                "failOnErrors must be a whole number of at least 1. Leave it out to go on whatever fails."
            )
        jobs = [_read_job(item) for item in operations]
        made = [job.bulk_id for job in jobs if job.method == "POST"]
        if len(set(made)) < len(made):
            twice = next(bulk_id for bulk_id in made if made.count(bulk_id) > 1)
            raise InvalidValue(f"The bulkId {str(twice)[:80]!r} is given to two resources. Give each one its own.")
        return jobs, fail_on_errors

    def _carry_out(self, job: _Job, request: ScimRequest, progress: _Progress) -> ScimResponse:
        try:
            path = _resolve(job.path, progress)
            data = _resolve_within(job.data, progress)
        except ScimError as refused:
            return answer_error(refused)
        job.path = path
        headers = {"content-type": MEDIA_TYPE}
        if job.version is not None:
            headers["if-match"] = job.version
        asked = ScimRequest(
            method=job.method,
            path=path,
            headers=headers,
            body=b"" if job.data is None else orjson.dumps(data),
            base_url=request.base_url,
        )
        try:
            answered = self._answer(asked)
        except Exception as error:  # the operations before are kept, and their ends are to be told
            answered = self._answer_fault(error, asked)
        if answered.status == ServiceUnavailable.status:
            progress.outage = answered
        return answered


def _read_job(item: Any) -> _Job:
    if not isinstance(item, dict):
        raise InvalidSyntax("Each entry of Operations must be an object.")
    given = {key.lower(): value for key, value in item.items()}
    method, path, bulk_id, version = (given.get(name) for name in ("method", "path", "bulkid", "version"))
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise InvalidSyntax("method of a bulk operation must be POST, PUT, PATCH or DELETE.")
    if not isinstance(path, str) or not path.startswith("/") or not _is_of_resources(path):
        raise InvalidSyntax("path of a bulk operation must be the path of a resource or endpoint, such as /Users.")
    if not isinstance(bulk_id, str | None) or not isinstance(version, str | None):
        raise InvalidSyntax("bulkId and version of a bulk operation must be texts.")
    if method.upper() == "POST" and not bulk_id:
        raise InvalidSyntax("A bulk operation POST needs a bulkId.")
    data = given.get("data")
    named = _named([path, data])
    return _Job(method=method.upper(), path=path, bulk_id=bulk_id, version=version, data=data, named=named)


def _is_of_resources(path: str) -> bool:
    """Whether the path, split as the server splits it, is neither Bulk (within Bulk it passes the limit of operations)
    nor a search."""
    parts = path.strip("/").split("/")
    return parts[0] != "Bulk" and parts[-1] != ".search"


def _named(value: Any) -> frozenset[str]:
    """The bulkIds that a value refers to, at any depth."""
    return frozenset(_REFERENCE.findall(orjson.dumps(value).decode()))


def _next_job(waiting: list[_Job], progress: _Progress) -> _Job:
    """The first operation that waits for nothing. In a circle one is made without what it waits for, which is added
    as soon as that is there. Source: RFC 7644 §3.7.1."""
    for job in waiting:
        if progress.is_ready(job):
            return job
    posts = [job for job in waiting if job.method == "POST"]  # whatever waits, waits for one of them
    for job in posts:
        if isinstance(job.data, dict) and not progress.awaits(_named(job.path)):
            job.deferred = {name: value for name, value in job.data.items() if progress.awaits(_named(value))}
            job.data = {name: value for name, value in job.data.items() if name not in job.deferred}
            return job
    return posts[0]


def _resolve(text: str, progress: _Progress) -> str:
    """The text with each reference replaced by the id. Raises: Conflict when nothing was made under it."""

    def found(match: re.Match[str]) -> str:
        made = progress.made.get(match.group(1))
        if made is None:
            raise _nothing_made(match.group(1))
        return made

    return _REFERENCE.sub(found, text)


def _nothing_made(bulk_id: str) -> Conflict:
    return Conflict(f"Nothing was made under the bulkId {bulk_id[:80]!r}.")


def _resolve_within(value: Any, progress: _Progress) -> Any:
    if isinstance(value, str):
        return _resolve(value, progress) if "bulkId:" in value else value
    if isinstance(value, list):
        return [_resolve_within(item, progress) for item in value]
    if isinstance(value, dict):
        return {key: _resolve_within(item, progress) for key, item in value.items()}
    return value


def _report(job: _Job, base_url: str) -> dict[str, Any]:
    """What the BulkResponse says of one operation. Source: RFC 7644 §3.7.3."""
    response = job.response
    assert response is not None  # noqa: S101 - only what was carried out is reported
    entry: dict[str, Any] = {"method": job.method, "status": str(response.status)}
    if job.bulk_id is not None:
        entry["bulkId"] = job.bulk_id
    location = response.headers.get("Location")
    if location is None and job.method != "POST" and "bulkId:" not in job.path:
        location = f"{base_url}{job.path}"
    if location is not None:
        entry["location"] = location
    if "ETag" in response.headers:
        entry["version"] = response.headers["ETag"]
    if response.status >= 400:
        entry["response"] = orjson.loads(response.body)
    return entry
