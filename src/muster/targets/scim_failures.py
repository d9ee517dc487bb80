"""What an answer of a SCIM application means for the engine: one table from status and purpose to a failure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from muster.model.exchange import (
    AddressRefused,
    ExchangeFailed,
    HttpResponse,
    ResponseTooLarge,
    TransportTimeout,
    TrustFailed,
)
from muster.model.failures import (
    Conflict,
    CredentialsRefused,
    OperationRefused,
    ProvisioningFailure,
    SystemUnreachable,
    TargetBusy,
    TargetObjectGone,
    ValueRefused,
)
from muster.model.wire import without_secrets
from muster.ports.target import UnknownOutcome
from muster.scim.client import read_error

INCOMPATIBLE = "SystemForCrossDomainIdentityManagementServiceIncompatible"
SEVERAL_ENTRIES = "SystemForCrossDomainIdentityManagementMultipleEntriesInResponse"

_ADDRESS_REMEDY = "Check the Tenant URL: it must end where /Users begins, as the application shows it."
_MOVED_REMEDY = (
    "Enter the address it leads to as Tenant URL, if that is the application's. "
    "An application that sends /Users on to /Users/ must answer at /Users itself."
)
_INCOMPATIBLE_REMEDY = (
    "Check that the Tenant URL leads to the SCIM service itself, "
    "and that no sign-in page or proxy answers in its place."
)


class Purpose(StrEnum):
    """Why a request is sent: what its failure means depends on it."""

    PROBE = "probe"
    # Pages of everybody: fails for the whole job like the probe.
    LIST = "list"
    # One object, by id or by a matching value.
    LOOKUP = "lookup"
    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    # Several of the three in one request.
    BULK = "bulk"

    @property
    def writes(self) -> bool:
        """Whether a lost answer leaves the outcome unknown."""
        return self in (Purpose.CREATE, Purpose.UPDATE, Purpose.DELETE, Purpose.BULK)

    @property
    def concerns_job(self) -> bool:
        """Whether a failure concerns every object."""
        return self in (Purpose.PROBE, Purpose.LIST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A request's purpose, and its object in words for sentences."""

    purpose: Purpose
    # "user 2819c223", "users with userName “a@b”", "/Users"
    subject: str
    # The Tenant URL without query.
    address: str
    # What is presented to be let in, in words.
    credential: str = "Secret Token"
    # Never shown: taken out of texts that a target gives back.
    # Asked when a text is there: an access token may be a new one by then.
    secrets: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)
    # Values of mappings that redact; taken out likewise.
    redacted: tuple[str, ...] = field(default=(), repr=False)


def failure_of(response: HttpResponse, errand: Errand) -> ProvisioningFailure:
    """Returns what a refusing answer (3xx, 4xx but 429, 5xx) means."""
    status, purpose = response.status, errand.purpose
    scim_type, detail = read_error(response.body)
    # What to do follows it as a sentence of its own.
    said = _ended(f": {hide(detail, errand)}") if detail else "."
    what = f"{errand.subject} (HTTP {status}{f', {scim_type}' if scim_type else ''}){said}"
    match status:
        case 401:
            sentence = f"The application does not accept the {errand.credential}{said}"
            return CredentialsRefused(sentence, status=status, remedy=_remedy_of(errand))
        case 403 if purpose.concerns_job:
            sentence = f"The application refuses this {errand.credential} access to {what}"
            return CredentialsRefused(sentence, status=status, remedy=_remedy_of(errand))
        case 404 | 410 if purpose in (Purpose.UPDATE, Purpose.DELETE):
            return TargetObjectGone(f"The application no longer has {what}", status=status)
        case 404 | 410 if purpose is not Purpose.CREATE:
            sentence = f"Nothing answers at {errand.address} to {what}"
            return SystemUnreachable(sentence, status=status, remedy=_ADDRESS_REMEDY)
        case 409:
            return Conflict(f"The application has another object with the same values as {what}", status=status)
        case 400 if scim_type == "uniqueness":
            # Lenient: some servers answer a duplicate with 400.
            return Conflict(f"The application has another object with the same values as {what}", status=status)
        case 400 | 422 if purpose is Purpose.CREATE and _TAKEN.search(detail or ""):
            # Lenient: others say it in words alone. The account is looked for; if nobody has it, this is what is told.
            return Conflict(f"The application has another object with the same values as {what}", status=status)
        case _ if 300 <= status < 400:
            where = _place_of(response.headers.get("location", ""))
            sentence = f"{errand.address} sends on to {hide(where, errand)} (HTTP {status}), which is not followed."
            return SystemUnreachable(sentence, status=status, remedy=_MOVED_REMEDY)
        case _ if status >= 500 and status not in (501, 505):
            sentence = f"The application has a problem of its own with {what}"
            return SystemUnreachable(sentence, status=status) if purpose.concerns_job else _busy(sentence, status)
        case _ if purpose.concerns_job:
            return SystemUnreachable(f"The application refuses {what}", status=status, remedy=_ADDRESS_REMEDY)
        case 402:
            sentence = f"The application has no licence left for {what}"
            return ValueRefused(sentence, status=status, code="LicenseLimitExceeded", remedy="Buy or free a licence.")
        case 403 | 405 | 501 | 404:
            return OperationRefused(
                f"The application does not allow {_VERBS[purpose]} {what}", status=status, code=_REFUSALS[status]
            )
        case 408:
            return _busy(f"The application gave up waiting for {what}", status, code="Timeout")
        case _:
            code = "SchemaAttributeNotFound" if scim_type in ("invalidPath", "noTarget") else None
            return ValueRefused(f"The application refuses {_VERBS[purpose]} {what}", status=status, code=code)


def failure_without_answer(error: ExchangeFailed, errand: Errand) -> ProvisioningFailure | UnknownOutcome:
    """Returns what it means that no answer came, or that the request could not even be sent."""
    if isinstance(error, AddressRefused):
        remedy = (
            "If the application really runs in your own network, start the service with "
            "--allow-target and its network (or MUSTER_ALLOW_TARGETS); else correct the Tenant URL."
        )
        why = hide(error.why, errand)
        return SystemUnreachable(f"{errand.address} is not called: {why}.", remedy=remedy)
    reason = hide(error.why, errand)
    if isinstance(error, TrustFailed) and (errand.purpose.concerns_job or not error.sent):
        return SystemUnreachable(f"{errand.address} cannot be called: {reason}.", remedy=error.remedy)
    if errand.purpose.concerns_job or not error.sent:
        return SystemUnreachable(f"{errand.address} cannot be reached: {reason}.")
    if errand.purpose.writes:
        return UnknownOutcome(f"No answer came to {_VERBS[errand.purpose]} {errand.subject}: {reason}")
    if isinstance(error, ResponseTooLarge):
        return TargetBusy(f"The answer about {errand.subject} is too long: {_ended(reason)}", code=INCOMPATIBLE)
    code = "Timeout" if isinstance(error, TransportTimeout) else "WebExceptionProtocolError"
    return TargetBusy(f"No answer came about {errand.subject}: {_ended(reason)}", code=code)


def failure_of_content(reason: str, status: int, errand: Errand) -> ProvisioningFailure:
    """Returns what a successful answer means whose body is not what SCIM prescribes."""
    sentence = f"{errand.address} does not answer like a SCIM service. {reason}"
    if errand.purpose.concerns_job:
        return SystemUnreachable(sentence, status=status, remedy=_INCOMPATIBLE_REMEDY)
    return TargetBusy(
        f"{sentence} Asked was {errand.subject}.", status=status, code=INCOMPATIBLE, remedy=_INCOMPATIBLE_REMEDY
    )


def ignored_filter(attribute: str, errand: Errand) -> OperationRefused:
    """Returns the failure of a lookup that was answered with everybody."""
    return OperationRefused(
        f"The application ignores the filter on {attribute}: it answered {errand.subject} with others too, "
        "and not with all of them.",
        code=SEVERAL_ENTRIES,
        remedy=f"Match on an attribute that the application can filter by, or correct its filter on {attribute}.",
    )


def counted_only(attribute: str, errand: Errand) -> OperationRefused:
    """Returns the failure of a lookup whose answer counts objects and shows none."""
    return OperationRefused(
        f"The application counts {errand.subject}, and shows none of them.",
        code=INCOMPATIBLE,
        remedy=f"Match on an attribute that the application can filter by, or correct its filter on {attribute}.",
    )


def unsendable(errand: Errand) -> ValueRefused:
    """Returns the failure of a value that JSON cannot carry: half of a surrogate pair."""
    subject = errand.subject.encode("utf-8", "replace").decode()
    return ValueRefused(f"A value of {subject} holds a character that cannot be sent as UTF-8.")


def hide(text: str | None, errand: Errand) -> str:
    """Returns a text without credentials and redacted values, should a target have given them back."""
    shown = text or ""
    for value in errand.redacted:
        shown = shown.replace(value, "[Redact]")
    return without_secrets(shown, errand.secrets())


def _remedy_of(errand: Errand) -> str:
    return (
        f"Check the {errand.credential}, and at the application that the account behind it still has admin permission; "
        "then press Test Connection."
    )


def _busy(sentence: str, status: int, code: str | None = None) -> TargetBusy:
    return TargetBusy(sentence, status=status, code=code)


def _ended(said: str) -> str:
    """Returns a text of others as the end of a sentence."""
    said = said.rstrip()
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."


def _place_of(location: str) -> str:
    """Returns a Location to show: without its query, which may hold what nobody is to see."""
    place = location.partition("?")[0].partition("#")[0]
    is_shown = place.isprintable() and not any(character.isspace() for character in place) and "@" not in place
    return place[:_PLACE_CHARACTERS] if place and is_shown else "another address"


# How applications say, without a scimType, that somebody has these values.
_TAKEN = re.compile(r"already (?:been )?(?:exists?|taken|in use|used|registered)|duplicate|(?:not|be) unique", re.I)
_PLACE_CHARACTERS = 200
_VERBS = {
    Purpose.PROBE: "the query for",
    Purpose.LIST: "listing",
    Purpose.LOOKUP: "the query for",
    Purpose.READ: "reading",
    Purpose.CREATE: "creating",
    Purpose.UPDATE: "changing",
    Purpose.DELETE: "deleting",
    Purpose.BULK: "sending",
}
_REFUSALS = {403: "InsufficientRights", 404: "NotPermitted", 405: "MethodNotAllowed", 501: "NotImplemented"}
