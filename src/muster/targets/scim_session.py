"""One application in hand: how requests reach it, its dialect, and what it turned out to do otherwise."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import ProvisioningFailure, SystemUnreachable, TargetBusy
from muster.model.operation import TargetResource
from muster.ports.world import Clock
from muster.scim.client import (
    AnswerUnreadable,
    ClientRequest,
    project,
    project_references,
    read_document,
    resource_id,
)
from muster.scim.configuration import Configuration, read_configuration
from muster.scim.dialect import Dialect, PatchForm
from muster.scim.mapping_paths import get_member
from muster.targets.authorization import Authorization
from muster.targets.scim_failures import Errand, Purpose, failure_of, failure_of_content
from muster.targets.scim_names import NO_NAMES, AttributesByKind, read_names
from muster.targets.scim_wire import ScimWire

logger = logging.getLogger(__name__)

_Read = TypeVar("_Read")

_FIRST_PAUSE = timedelta(milliseconds=500)
# Of a read: the same again may well be answered.
_PASSING = frozenset({500, 502, 503, 504})


class ScimSession:
    """Shared by what reads and what writes; calls may come from several threads.

    `dialect` is what the gallery page says until the application shows that it does otherwise (`learn`). What was
    learned holds for the life of this value, a cycle: the next one asks again, for applications are corrected.
    """

    def __init__(
        self,
        *,
        wire: ScimWire,
        address: str,
        authorization: Authorization,
        dialect: Dialect,
        attributes: AttributesByKind,
        clock: Clock,
        read_attempts: int,
    ) -> None:
        self.wire = wire
        self.dialect = dialect
        self.learned: dict[str, object] = {}
        # Whether 200 without content has been seen to mean what 204 means; a middle box says it of what it dropped.
        self.confirms_in_silence = False
        # Whether the last change was answered so.
        self.falls_silent = False
        self._address = address
        self._authorization = authorization
        self._names = {kind: read_names(mapped) for kind, mapped in attributes.items()}
        self._clock = clock
        self._read_attempts = read_attempts
        self._configuration: Configuration | None = None

    def learn(self, why: str, **values: Any) -> None:
        """Notes what the application does otherwise than its dialect says."""
        self.dialect = replace(self.dialect, **values)
        self.learned |= values
        logger.info("the application's dialect is another: %s", why, extra={"learned": sorted(values)})

    @property
    def is_standard(self) -> bool:
        """Whether PATCH is written as the standard has it."""
        return self.dialect.patch_form is PatchForm.STANDARD

    def configuration(self) -> Configuration:
        """Returns what the application says of itself; it is asked once, when the answer first matters."""
        if self._configuration is None:
            errand = self.errand(Purpose.READ, "/ServiceProviderConfig")
            try:
                response = self.wire.send(ClientRequest(method="GET", path="/ServiceProviderConfig"), errand)
                self._configuration = (
                    read_configuration(read_document(response.body)) if response.status == 200 else Configuration()
                )
            except (ProvisioningFailure, AnswerUnreadable):
                return Configuration()
        return self._configuration

    def ask(self, request: ClientRequest, errand: Errand, read: Callable[[HttpResponse], _Read]) -> _Read:
        """Returns what `read` makes of an answer; a read that fails in passing is asked again.

        Raises: ProvisioningFailure.
        """
        attempts = 1 if errand.purpose is Purpose.PROBE else self._read_attempts
        while True:
            attempts -= 1
            try:
                response = self.wire.send(request, errand)
                if attempts <= 0 or response.status not in _PASSING:
                    return read(response)
            except AnswerUnreadable as error:
                if attempts <= 0:
                    raise failure_of_content(str(error), response.status, errand) from error
            except (TargetBusy, SystemUnreachable) as failure:
                if attempts <= 0 or failure.status is not None:
                    raise
            self._clock.sleep(_FIRST_PAUSE * 2 ** (self._read_attempts - attempts - 1))

    def errand(self, purpose: Purpose, subject: str, redacted: Sequence[Any] = ()) -> Errand:
        """Returns what a request is sent for, in words."""
        return Errand(
            purpose=purpose,
            subject=subject,
            address=self._address,
            credential=self._authorization.name,
            secrets=self._authorization.secrets,
            redacted=tuple(value for value in redacted if isinstance(value, str) and value),
        )

    def resource(self, kind: ObjectKind, document: Mapping[str, Any]) -> TargetResource:
        """Returns a document as the engine sees it, limited to mapped attributes."""
        names = self._names.get(kind, NO_NAMES)
        shown = get_member(document, "displayName") or get_member(document, "userName")
        return TargetResource(
            target_id=resource_id(document) or "",
            attributes=project(document, names.values, booleans=names.booleans),
            references=project_references(document, names.references),
            display_name=str(shown) if shown else None,
        )


def expect_ok(errand: Errand) -> Callable[[HttpResponse], HttpResponse]:
    """Returns a reading of answers that raises the failure of any status but 200."""

    def read(response: HttpResponse) -> HttpResponse:
        if response.status != 200:
            raise failure_of(response, errand)
        return response

    return read


def named(kind: ObjectKind, target_id: str) -> str:
    """Returns the words for an object at the target."""
    return f"{kind.value.lower()} {target_id}"
