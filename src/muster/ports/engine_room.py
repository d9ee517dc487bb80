"""What administration asks of the engine and of the connections to applications: it computes and looks, and writes
nothing at a target."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from muster.model.certificates import PresentedCertificate
from muster.model.whatif import OtherScope, Weighed, WhatIf
from muster.ports.target import Target

# Hears how many were looked at so far, page by page; what it raises ends the look.
Told = Callable[[int], None]


class EngineRoom(Protocol):
    """The engine and the connections, as administration reaches them. All raise ProvisioningFailure."""

    def open_target(self, service_principal_id: str, credentials: Mapping[str, str] | None) -> Target:
        """Returns the target of an application, to probe it with credentials or (None) with the saved ones."""
        ...

    def exchange_code(self, credentials: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the tokens, as secrets, that the token endpoint gives for the authorization code among these."""
        ...

    def look_at_certificate(self, credentials: Mapping[str, str]) -> PresentedCertificate:
        """Returns what the server of their Tenant URL presents."""
        ...

    def examine(self, service_principal_id: str) -> Mapping[str, Any]:
        """Returns the report of an examination of an application, which only reads."""
        ...

    def explain(self, job_id: str, name: str) -> Mapping[str, Any]:
        """Returns why somebody, by id or principal name, is in or out, and why each value. Empty: nobody is it."""
        ...

    def what_if(
        self, job_id: str, document: Mapping[str, Any] | None, scope: OtherScope, limit: int, told: Told | None = None
    ) -> WhatIf:
        """Returns what other rules (None: the saved ones) and another scope would change.

        `limit`: how many objects are told one by one; `told`: hears of the way there.
        """
        ...

    def weigh(
        self, job_id: str, settings: Mapping[str, str], notification: Mapping[str, object], told: Told | None = None
    ) -> Weighed:
        """Returns what other safeguards would let through: job settings, and notification settings, over the saved."""
        ...
