"""Several writes in one request (/Bulk), where the administrator wants it and the application offers it.

Each operation keeps an answer of its own: what the application says of it is read as if it had been sent alone. What
cannot go with others (it needs a look before, or several requests), and what is refused in a way that sending alone
knows to deal with, is sent alone. Where nobody can tell what became of an operation its outcome is unknown, and the
engine looks it up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from muster.model.counting import number_of
from muster.model.exchange import HttpResponse
from muster.model.failures import JobFailure, ObjectFailure
from muster.model.operation import Operation, OperationKind
from muster.ports.target import UnknownOutcome, WriteResult, Written, values_of
from muster.ports.wire import concerning
from muster.scim.bulk_client import BulkAnswer, BulkPart, fitting, form_bulk, form_part, read_bulk
from muster.scim.client import AnswerUnreadable, ClientRequest, read_error
from muster.targets.scim_failures import Errand, Purpose, failure_of
from muster.targets.scim_reading import ScimReader
from muster.targets.scim_session import ScimSession
from muster.targets.scim_silence import shows_on
from muster.targets.scim_writing import ScimWriter, operation_of

# An application that takes long for a request gets a smaller one next: a leaver waits for its end.
_FIRST, _MOST = 20, 1_000
_GOAL = timedelta(seconds=1)
# Part of the operations may have been carried out before it gave up.
_OPEN = frozenset({408, 500, 502, 503, 504})
_TOO_LARGE, _THROTTLED = 413, 429
# A change so refused has other ways, which `ScimWriter.update` knows: fewer members, another form, PUT.
_OTHER_WAYS = frozenset({400, 405, 413, 415, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An operation on its way: its place among all, and its request as it stands in a bulk."""

    place: int
    operation: Operation
    part: BulkPart
    errand: Errand


class ScimBulk:
    """Writes several operations at once; calls may come from several threads."""

    def __init__(self, session: ScimSession, reader: ScimReader, writer: ScimWriter) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._size = _FIRST

    def most_together(self) -> int:
        """Returns how many operations may go in one request now; 1: each goes alone."""
        dialect = self._session.dialect
        if not dialect.bulk:
            return 1
        offered = self._session.configuration()
        if offered.bulk is not True:
            self._session.learn("it does not offer Bulk", bulk=False)
            return 1
        return min(dialect.operations_per_request, offered.bulk_max_operations or _MOST, self._size)

    def write_together(self, operations: Sequence[Operation]) -> Sequence[WriteResult]:
        """Returns one result an operation, in order; a JobFailure stands for each that was not carried out."""
        results: dict[int, WriteResult] = {}
        try:
            self._write(operations, results)
        except JobFailure as failure:
            return [results.get(place, failure) for place in range(len(operations))]
        return [results[place] for place in range(len(operations))]

    def _write(self, operations: Sequence[Operation], results: dict[int, WriteResult]) -> None:
        waiting = self._formed(operations)
        while len(waiting) > 1 and (most := self.most_together()) > 1:
            count = fitting(
                [entry.part for entry in waiting], most, self._session.configuration().bulk_max_payload_bytes
            )
            if count == 1:
                # Too large for a bulk, whatever goes with it.
                waiting = waiting[1:]
                continue
            entries = waiting[:count]
            if self._send(entries, results):
                waiting = waiting[count:]
        for place, operation in enumerate(operations):
            if place not in results:
                results[place] = self._write_alone(operation)

    def _formed(self, operations: Sequence[Operation]) -> list[_Entry]:
        """Returns what can go with others: one request an operation, and one operation an object."""
        entries: list[_Entry] = []
        addressed: set[str] = set()
        for place, operation in enumerate(operations):
            try:
                request, errand = self._request(operation) or (None, None)
                if request is None or errand is None or not _is_plain(request) or request.path in addressed:
                    continue
                entries.append(_Entry(place=place, operation=operation, part=form_part(request, place), errand=errand))
            except (ObjectFailure, TypeError):
                # Nothing that can be sent: alone it says why.
                continue
            if request.method != "POST":
                addressed.add(request.path)
        return entries

    def _request(self, operation: Operation) -> tuple[ClientRequest, Errand] | None:
        kind, target_id = operation.object_kind, operation.target_id or ""
        match operation.kind:
            case OperationKind.CREATE:
                return self._writer.form_creation(kind, values_of(operation))
            case OperationKind.DELETE:
                return self._writer.form_deletion(kind, target_id)
            case _:
                return self._writer.form_update(kind, target_id, operation.changes)

    # ------------------------------------------------------------ together

    def _send(self, entries: Sequence[_Entry], results: dict[int, WriteResult]) -> bool:
        """Sends entries in one request and notes their results; returns whether they are done with, or go alone.

        False: the request was not carried out, and smaller ones may be. Raises JobFailure.
        """
        hidden = [value for entry in entries for value in entry.errand.redacted]
        errand = self._session.errand(Purpose.BULK, number_of(len(entries), "operation"), hidden)
        try:
            response = self._session.wire.send(form_bulk([entry.part for entry in entries]), errand)
        except (UnknownOutcome, ObjectFailure) as trouble:
            # The answer was lost, or the application had no time for it.
            results.update((entry.place, trouble) for entry in entries)
            return True
        finally:
            self._reader.forget_lists()
        if response.status == _TOO_LARGE or (response.status == 400 and read_error(response.body)[0] == "tooMany"):
            size = len(entries) // 2
            self._session.learn(
                f"it takes no more than {number_of(size, 'operation')} at once", operations_per_request=size
            )
            return False
        if 200 <= response.status < 300:
            self._fit(response.elapsed)
            self._read(response, entries, results)
            return True
        if response.status in _OPEN:
            self._leave_open(entries, results, f"The application gave up (HTTP {response.status})")
            return True
        if response.status == 401 or response.status < 400:
            raise failure_of(response, errand)
        self._session.learn(f"it refuses Bulk (HTTP {response.status})", bulk=False)
        return True

    def _fit(self, elapsed: timedelta) -> None:
        if elapsed > _GOAL:
            self._size = max(self._size // 2, 2)
        elif elapsed < _GOAL / 2:
            self._size = min(self._size * 2, _MOST)

    def _read(self, response: HttpResponse, entries: Sequence[_Entry], results: dict[int, WriteResult]) -> None:
        try:
            answers = read_bulk(response.body, [entry.part for entry in entries])
        except AnswerUnreadable as error:
            self._leave_open(entries, results, f"The answer to Bulk cannot be read. {error}")
            self._session.learn("its answers to Bulk cannot be read", bulk=False)
            return
        for entry, answer in zip(entries, answers, strict=True):
            if answer is None:
                self._leave_open([entry], results, "The answer to Bulk does not tell")
                self._session.learn("its answers to Bulk leave operations out", bulk=False)
            elif not _goes_alone(entry.operation, answer):
                result = self._result(entry, answer)
                # Sent alone it is looked at, too.
                if not _leaves_on(entry.operation, result):
                    results[entry.place] = result

    def _result(self, entry: _Entry, answer: BulkAnswer) -> WriteResult:
        operation, writer = entry.operation, self._writer
        kind, target_id = operation.object_kind, operation.target_id or ""
        headers = {} if answer.location is None else {"location": answer.location}
        response = HttpResponse(status=answer.status, headers=headers, body=answer.body, elapsed=timedelta())
        try:
            match operation.kind:
                case OperationKind.CREATE:
                    return writer.created(kind, response, entry.errand)
                case OperationKind.DELETE:
                    writer.deleted(kind, response, entry.errand)
                    return Written(target_id=target_id)
                case _:
                    return writer.updated(kind, target_id, response, entry.errand)
        except (ObjectFailure, JobFailure, UnknownOutcome) as trouble:
            return trouble

    @staticmethod
    def _leave_open(entries: Sequence[_Entry], results: dict[int, WriteResult], why: str) -> None:
        for entry in entries:
            results[entry.place] = UnknownOutcome(f"{why}: nobody knows what became of {entry.errand.subject}.")

    # ------------------------------------------------------------ alone

    def _write_alone(self, operation: Operation) -> WriteResult:
        """Sends one operation as any target takes it. Raises JobFailure."""
        kind, target_id = operation.object_kind, operation.target_id or ""
        try:
            with concerning(operation.source_id):
                match operation.kind:
                    case OperationKind.CREATE:
                        return self._writer.create(kind, values_of(operation))
                    case OperationKind.DELETE:
                        self._writer.delete(kind, target_id)
                        return Written(target_id=target_id)
                    case _:
                        return self._writer.update(kind, target_id, operation.changes)
        except (ObjectFailure, UnknownOutcome) as trouble:
            return trouble


def _is_plain(request: ClientRequest) -> bool:
    """Whether the path stands in a bulk as in an address: services differ in whether they decode it there."""
    return "%" not in request.path


def _goes_alone(operation: Operation, answer: BulkAnswer) -> bool:
    if answer.status == _THROTTLED:
        return True
    return _is_change(operation) and answer.status in _OTHER_WAYS


def _leaves_on(operation: Operation, result: WriteResult) -> bool:
    """Whether the answer to a change that switches somebody off shows that they have access still."""
    operations = map(operation_of, operation.changes) if _is_change(operation) else ()
    return isinstance(result, Written) and shows_on(operations, result.resource)


def _is_change(operation: Operation) -> bool:
    return operation.kind not in (OperationKind.CREATE, OperationKind.DELETE)
