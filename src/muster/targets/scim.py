"""A SCIM application as a target: drives the SCIM client in the application's dialect over a transport."""

from collections.abc import Callable, Mapping, Sequence

from muster.model.directory import ObjectKind
from muster.model.failures import SystemUnreachable
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Operation, TargetResource
from muster.model.rules import AttributeDefinition
from muster.ports.target import Capabilities, ListedPage, WriteResult, Written
from muster.ports.transport import Transport
from muster.ports.world import Clock, Ids
from muster.scim.client import AddressInvalid, project_references, read_address
from muster.scim.dialect import Dialect
from muster.scim.mapping_paths import get_member
from muster.targets.authorization import Authorization
from muster.targets.pace import Budget, Pace
from muster.targets.scim_bulk import ScimBulk
from muster.targets.scim_names import AttributesByKind
from muster.targets.scim_reading import ScimReader
from muster.targets.scim_session import ScimSession
from muster.targets.scim_wire import ScimWire
from muster.targets.scim_writing import ScimWriter
from muster.targets.stopping import StoppableClock

# How often a read is tried before it counts as failed.
READ_ATTEMPTS = 3


class ScimTarget:
    """Implements `ports.target.Target` for one application; calls may come from several threads."""

    def __init__(
        self,
        *,
        transport: Transport,
        address: str,
        authorization: Authorization,
        dialect: Dialect,
        attributes: AttributesByKind,
        clock: Clock,
        ids: Ids,
        read_attempts: int = 1,
        budget: Budget | None = None,
    ) -> None:
        """Raises: SystemUnreachable when the Tenant URL cannot be used."""
        try:
            tenant = read_address(address)
        except AddressInvalid as error:
            raise SystemUnreachable(str(error), remedy="Correct the Tenant URL, then press Test Connection.") from error
        dialect = dialect.with_flags(tenant.flags)
        self._ids = ids
        self._clock = StoppableClock(clock)
        self._wire = ScimWire(
            transport=transport,
            address=tenant,
            authorization=authorization,
            media_type=dialect.media_type,
            clock=self._clock,
            pace=Pace(
                self._clock,
                dialect.requests_per_second,
                at_once=dialect.concurrency,
                most_at_once=_most_at_once(dialect),
                budget=budget,
            ),
        )
        self._session = ScimSession(
            wire=self._wire,
            address=tenant.base,
            authorization=authorization,
            dialect=dialect,
            attributes=attributes,
            clock=self._clock,
            read_attempts=read_attempts,
        )
        self._reader = ScimReader(self._session, clock)
        self._writer = ScimWriter(self._session, self._reader)
        self._bulk = ScimBulk(self._session, self._reader, self._writer)

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect says, and what the application has shown since."""
        dialect = self._session.dialect
        return Capabilities(
            can_list=dialect.can_list,
            page_size=dialect.page_size,
            concurrency=_most_at_once(dialect),
            requests_per_second=dialect.requests_per_second,
            members_per_request=dialect.members_per_request,
            can_delete=dialect.can_delete,
        )

    def stop_when(self, is_stopped: Callable[[], bool]) -> None:
        """Has calls raise Interrupted, and those that wait for their turn, once `is_stopped` says so."""
        self._clock.is_stopped = is_stopped

    def requests_made(self) -> int:
        """Returns how many requests were sent."""
        return self._wire.requests

    def probe(self, matching_attribute: str) -> None:
        """Asks for a user with a random value; nobody may be found. Raises JobFailure."""
        self._reader.probe(matching_attribute, self._ids.new_id())

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes that the application publishes. Raises JobFailure when it publishes none."""
        return self._reader.describe()

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns all objects that really have the value."""
        return self._reader.find(kind, matching)

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object, or None on 404 and 410."""
        return self._reader.read(kind, target_id)

    def members(self, kind: ObjectKind, target_id: str, attribute: str) -> tuple[str, ...] | None:
        """Returns the target ids that an object's list holds; None: it is gone, or does not show the list."""
        document = self._reader.read_document(kind, target_id, with_members=True)
        if document is None or get_member(document, attribute) is None:
            return None
        return project_references(document, [attribute])[attribute]

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page of all objects. Raises: JobFailure, for half a census is none."""
        return self._reader.list_page(kind, start)

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object. Raises: UnknownOutcome when it is confirmed without an id to know it by."""
        return self._writer.create(kind, values)

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes attributes or references, in several requests where members are many."""
        return self._writer.update(kind, target_id, changes)

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Deletes an object; 404 and 410 mean that it is done."""
        self._writer.delete(kind, target_id)

    def learned(self) -> Mapping[str, object]:
        """Returns the fields of the dialect in which the application turned out to be another."""
        now = self._session.dialect.to_document()
        return {name: now[name] for name in self._session.learned}

    def most_together(self) -> int:
        """Returns how many operations may go in one request now; 1: each goes alone."""
        return self._bulk.most_together()

    def write_together(self, operations: Sequence[Operation]) -> Sequence[WriteResult]:
        """Writes operations in as few requests as the application takes."""
        return self._bulk.write_together(operations)


def _most_at_once(dialect: Dialect) -> int:
    """Returns how many requests there may be at once: more if the rate is known, should the target answer slowly."""
    return dialect.concurrency if dialect.requests_per_second is None else dialect.concurrency * 4
