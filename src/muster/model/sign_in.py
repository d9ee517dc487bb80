"""A sign-in as the log keeps it, and what came of it, by the numbers that Entra gives."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class SignInCode(IntEnum):
    """Source: Microsoft Entra authentication and authorization error codes (AADSTS…)."""

    SUCCESS = 0
    REDIRECT_WRONG = 50011
    UPSTREAM_REFUSED = 50008
    NOBODY = 50034
    LOCKED = 50053
    PASSWORD_CHANGE_DUE = 50055
    BLOCKED = 50057
    SECOND_FACTOR_DUE = 50076
    NOT_ASSIGNED = 50105
    WRONG_PASSWORD = 50126
    NOT_IN_DIRECTORY = 51004
    REQUEST_WRONG = 900144
    SECOND_FACTOR_WRONG = 500121
    APPLICATION_DISABLED = 7000112
    CODE_WRONG = 70008


# Why, as the log says it. Never shown to whoever tries to sign in.
REASONS: dict[SignInCode, str] = {
    SignInCode.SUCCESS: "",
    SignInCode.REDIRECT_WRONG: "The redirect or reply address is none that the application has registered.",
    SignInCode.UPSTREAM_REFUSED: "The other identity provider's answer was refused.",
    SignInCode.NOBODY: "The directory has no person of this name.",
    SignInCode.LOCKED: "Too many attempts failed: the account or the address has to wait.",
    SignInCode.PASSWORD_CHANGE_DUE: "The password has to be changed first.",
    SignInCode.BLOCKED: "The account is blocked from signing in.",
    SignInCode.SECOND_FACTOR_DUE: "A code of the authenticator app is needed, too.",
    SignInCode.NOT_ASSIGNED: "The person is not assigned to the application.",
    SignInCode.WRONG_PASSWORD: "Name or password is wrong.",
    SignInCode.NOT_IN_DIRECTORY: "Nobody of the directory fits what the other identity provider says.",
    SignInCode.REQUEST_WRONG: "The application's request cannot be read or is not allowed.",
    SignInCode.SECOND_FACTOR_WRONG: "The code is wrong, out of date or used already.",
    SignInCode.APPLICATION_DISABLED: "The application is disabled for sign-in.",
    SignInCode.CODE_WRONG: "The code or token that the application presented is not valid.",
}
# A step on the way: nothing failed, and nobody is in yet.
INTERRUPTIONS = frozenset({SignInCode.PASSWORD_CHANGE_DUE, SignInCode.SECOND_FACTOR_DUE})


class SignInResult(StrEnum):
    """What came of a sign-in."""

    SUCCESS = "success"
    FAILURE = "failure"
    INTERRUPTED = "interrupted"


class SignInMethod(StrEnum):
    """How somebody has shown who they are. Source: RFC 8176 where it has a name for it."""

    PASSWORD = "pwd"  # noqa: S105  a method's name, no secret
    ONE_TIME_CODE = "otp"
    RECOVERY_CODE = "recovery"
    # By another identity provider.
    FEDERATED = "fed"
    # A link that an administrator gave for setting a password.
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One sign-in: into the directory (no application), or from it into an application."""

    id: str
    at: datetime
    # None: nobody of the directory has the name.
    person_id: str | None
    # As typed, cut, when nobody has it.
    principal_name: str
    display_name: str
    code: SignInCode
    # Service principal id and name.
    application_id: str | None = None
    application_name: str | None = None
    # What else an administrator wants to know; never a secret.
    details: str = ""
    address: str = ""
    client: str = ""
    methods: tuple[str, ...] = ()

    @property
    def result(self) -> SignInResult:
        """What came of it."""
        if self.code is SignInCode.SUCCESS:
            return SignInResult.SUCCESS
        return SignInResult.INTERRUPTED if self.code in INTERRUPTIONS else SignInResult.FAILURE

    @property
    def reason(self) -> str:
        """Why it failed, "" for a success."""
        return REASONS[self.code]
