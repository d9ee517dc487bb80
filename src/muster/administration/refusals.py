"""Refusals: what an admin asked for and does not get, with a code, a sentence and what to do instead."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

from muster.model.failures import ProvisioningFailure
from muster.model.roles import PERMISSIONS, Permission
from muster.sealing import SealingError


class RefusalKind(StrEnum):
    """What sort of refusal it is; faces turn it into their status."""

    NOT_FOUND = "notFound"
    BAD_REQUEST = "badRequest"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    TOO_LARGE = "tooLarge"
    TOO_MANY = "tooMany"
    NOT_AVAILABLE = "notAvailable"
    PRECONDITION = "precondition"


class Refused(Exception):
    """A request that is not carried out and has changed nothing.

    `code` is Graph's error code; `details` are pairs of a code and a sentence (Graph error.details).
    """

    def __init__(
        self,
        kind: RefusalKind,
        code: str,
        sentence: str,
        *,
        details: Iterable[tuple[str, str]] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.code = code
        self.sentence = sentence
        self.details = tuple(details)
        self.retry_after = retry_after


def not_found(what: str, name: str) -> Refused:
    """Returns the refusal for an object that is not there."""
    return Refused(
        RefusalKind.NOT_FOUND,
        "Request_ResourceNotFound",
        f"{what} “{name[:200]}” does not exist, or one of its queried reference-property objects is not present.",
    )


def bad_request(sentence: str, *, code: str = "Request_BadRequest", details: Iterable[tuple[str, str]] = ()) -> Refused:
    """Returns the refusal for input that is wrong; the sentence says what and what to do."""
    return Refused(RefusalKind.BAD_REQUEST, code, sentence, details=details)


def conflict(sentence: str, *, code: str = "Conflict") -> Refused:
    """Returns the refusal for something that clashes with what is there."""
    return Refused(RefusalKind.CONFLICT, code, sentence)


def forbidden(permission: Permission) -> Refused:
    """Returns the refusal for a caller without the permission; names the roles that have it."""
    roles = ", ".join(role.value for role, given in PERMISSIONS.items() if permission in given)
    return Refused(
        RefusalKind.FORBIDDEN,
        "Authorization_RequestDenied",
        f"Insufficient privileges to complete the operation: it needs {permission.value}, "
        f"which these roles have: {roles}.",
    )


def locked(error: SealingError) -> Refused:
    """Returns the refusal for what needs a stored value that cannot be opened: the sealing key is lost."""
    return Refused(
        RefusalKind.NOT_AVAILABLE,
        "SealingKeyLost",
        f"This cannot be done: {error}. Put the lost key file back and start the service again.",
    )


def refusal_of(failure: ProvisioningFailure) -> Refused:
    """Returns the refusal for what a target or a job's rules made impossible: its code, sentence and remedy."""
    return bad_request(
        f"{failure.sentence} {failure.remedy}", code=failure.code, details=[(failure.code, failure.remedy)]
    )
