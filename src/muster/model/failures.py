"""What can go wrong with one object or a whole job, named by what the engine does next.

ProvisioningFailure
├─ ObjectFailure: this object only; the cycle goes on
│  ├─ TargetBusy          retried next cycle, the escrow ladder after three
│  ├─ ValueRefused        the target said 400; a person must look
│  ├─ OperationRefused    403 or 405 on one object
│  ├─ Conflict            409: look up and adopt, else say what clashes
│  ├─ AmbiguousMatch      several target objects match; never the first
│  ├─ ReferenceMissing    the other end is not there yet: kept pending
│  ├─ TargetObjectGone    404 on a linked object: look again, then decide
│  └─ MappingFailed       an expression or a required value
└─ JobFailure: nothing further can work; the job is quarantined
   ├─ CredentialsRefused, SystemUnreachable, SchemaRefused, TooManyDeletes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """A failure as it is stored and shown: Graph's errorInformation."""

    code: str
    sentence: str
    remedy: str
    status: int | None = None
    retry: bool = True


class ProvisioningFailure(Exception):
    """Base of all expected failures: a code as Graph reports it, a sentence, a remedy."""

    code = "InternalError"
    remedy = "Look at the service's log for the traceback and report it."
    # False: nothing changes by trying again before somebody acts; it still gets its place on the ladder.
    retry = True

    def __init__(self, sentence: str, *, status: int | None = None, code: str | None = None, remedy: str | None = None):
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.code = code or type(self).code
        self.remedy = remedy or type(self).remedy

    def record(self) -> FailureRecord:
        """Returns the failure as a value."""
        return FailureRecord(
            code=self.code, sentence=self.sentence, remedy=self.remedy, status=self.status, retry=self.retry
        )


class ObjectFailure(ProvisioningFailure):
    """Concerns one object only."""


class JobFailure(ProvisioningFailure):
    """Concerns every object of the job: the cycle ends and the job is quarantined."""


class TargetBusy(ObjectFailure):
    """The target answered 5xx, or a read timed out."""

    code = "InternalServerError"
    remedy = "Nothing to do: it is tried again in the next cycle. If it lasts, ask the application's support."


class TargetThrottled(TargetBusy):
    """The target had no time for the object for as long as a cycle waits (429); it is no failure of the object's."""

    code = "TooManyRequests"


class ValueRefused(ObjectFailure):
    """The target refused a value (400, 413, 422)."""

    code = "UnprocessableEntity"
    remedy = "Correct the value in the directory or the attribute mapping; the next cycle tries again."
    retry = False


class OperationRefused(ObjectFailure):
    """The target allows the credentials but not this operation (403, 405, 501)."""

    code = "NotPermitted"
    remedy = "Check at the application whether its administrator token may do this, or switch the object action off."
    retry = False


class Conflict(ObjectFailure):
    """The target says that such an object exists (409), and a lookup could not settle it."""

    code = "EntryConflict"
    remedy = "Free the value at the application, or match on the attribute that clashes so that the account is adopted."
    retry = False


class AmbiguousMatch(ObjectFailure):
    """More than one target object matches."""

    code = "DuplicateTargetEntries"
    remedy = "Remove or correct the duplicates at the application, or match on an attribute that is unique there."
    retry = False

    def __init__(self, *, attribute: str, value: str, target_ids: Sequence[str]):
        shown = ", ".join(target_ids[:5]) + (", …" if len(target_ids) > 5 else "")
        super().__init__(f"{len(target_ids)} target objects have {attribute} = “{value}”: {shown}.")
        self.attribute = attribute
        self.target_ids = tuple(target_ids)


class ReferenceMissing(ObjectFailure):
    """The object that a reference points to is not at the target yet."""

    code = "UnableToResolveReferenceAttributeValue"
    remedy = "Nothing to do: it is set as soon as the other object is provisioned."


class TargetObjectGone(ObjectFailure):
    """A linked target object is no longer there (404)."""

    code = "InvalidAnchor"
    remedy = "Nothing to do: the object is matched or created again in the next cycle."


class MappingFailed(ObjectFailure):
    """A mapping gave no usable value: an expression failed, or a required attribute is empty."""

    code = "MissingValues"
    remedy = "Fill the source attribute of this person, or give the mapping a default value."
    retry = False


class LinkedElsewhere(ObjectFailure):
    """Another job already manages the target object."""

    code = "DuplicateSourceEntries"
    remedy = "Two jobs write to the same account: narrow the scope of one of them, or delete its object connection."
    retry = False


class CredentialsRefused(JobFailure):
    """The target refuses the credentials (401, or 403 on the probe)."""

    code = "InvalidCredentials"
    remedy = (
        "Check the Secret Token, and at the application that the account behind it still has admin permission; "
        "then press Test Connection."
    )


class SystemUnreachable(JobFailure):
    """No connection to the target, or something other than a SCIM service answers there."""

    code = "SystemUnreachable"
    remedy = (
        "Check the Tenant URL and that the application is up and can be reached from here; then press Test Connection."
    )


class SchemaRefused(JobFailure):
    """The job's rules cannot be used."""

    code = "SchemaInvalid"
    remedy = "Correct the mapping or filter that is named, or restore the default mappings."


class TooManyDeletes(JobFailure):
    """A cycle would remove more accounts than the job's threshold allows."""

    code = "TooManyDeletes"
    remedy = "Look at the held operations: approve them, or correct the scope or the source and restart."


class TooManyAsked(TooManyDeletes):
    """A SCIM client removes more than its job's thresholds allow: there is no scope to correct, and no restart."""

    remedy = "Look at the held operations: approve or reject them."


class Interrupted(JobFailure):
    """The job was stopped while it worked: no failure, it goes on from here when it is started again."""

    code = "Interrupted"
    remedy = "Start provisioning again: the cycle goes on where it was."


class Resting(Interrupted):
    """The target asks for a pause that nobody holds a place for: the job goes on by itself after it."""

    code = "TooManyRequests"
    remedy = "Nothing to do: it goes on by itself then. What was asked for by hand is to be asked for again."

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"The application asks for fewer requests, and to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC.",
            status=429,
        )
        self.until = until


class EngineFault(JobFailure):
    """Something that must not happen did: the job stops and the traceback is in the engine's log."""

    code = "InternalError"
    remedy = "Look at the engine's log for the traceback and report it; provisioning is tried again later by itself."


class Fenced(Exception):
    """Another process has taken the job over: stop at once, write nothing."""
