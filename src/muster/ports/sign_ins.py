"""The stores of signing in: people's passwords, second factors, and the log of sign-ins."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from muster.model.sign_in import SignIn, SignInResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCredentials:
    """What a person of the directory signs in with; without a password hash only through another provider."""

    person_id: str
    password_hash: str | None = field(default=None, repr=False)
    must_change: bool = False
    changed_at: datetime | None = None
    # Chance, exchanged when the person's sessions are to end.
    stamp: str = field(default="", repr=False)


class CredentialStore(Protocol):
    """Passwords of people. They go when the person is purged."""

    def get(self, person_id: str) -> PersonCredentials | None:
        """Returns a person's credentials; None: they never had any."""
        ...

    def set_password(
        self, person_id: str, password_hash: str | None, *, must_change: bool, at: datetime, stamp: str
    ) -> None:
        """Keeps another password, or none; a link to set one ends with it."""
        ...

    def renew_hash(self, person_id: str, password_hash: str) -> None:
        """Keeps another hash of the same password; sessions go on."""
        ...

    def set_stamp(self, person_id: str, stamp: str) -> None:
        """Ends the person's sessions."""
        ...

    def set_link(self, person_id: str, token_hash: str, expires_at: datetime) -> None:
        """Keeps the one link with which the person may set a password, in place of one before it."""
        ...

    def find_link(self, token_hash: str, at: datetime) -> str | None:
        """Returns whose link it is, None if it is unknown, used or over."""
        ...

    def take_link(self, token_hash: str, at: datetime) -> str | None:
        """As `find_link`, and the link is used by it: of two that come at once, one gets it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """The authenticator app of a person or an administrator (RFC 6238)."""

    holder_id: str
    # Base32, as apps take it; None while the key that opens it is lost: recovery codes alone fit then.
    secret: str | None = field(repr=False)
    # None: shown, but no code of it was given yet; it asks nothing until then.
    confirmed_at: datetime | None
    codes_left: int = 0


class SecondFactorStore(Protocol):
    """Second factors, sealed at rest; recovery codes as hashes."""

    def get(self, holder_id: str) -> SecondFactor | None:
        """Returns the holder's second factor."""
        ...

    def begin(self, holder_id: str, secret: str) -> None:
        """Keeps a secret that is not confirmed yet. Raises ValueError if a confirmed one is there."""
        ...

    def confirm(self, holder_id: str, step: int, recovery_hashes: Sequence[str], at: datetime) -> bool:
        """Confirms the secret with the step whose code was given, and uses it; False if that was done before."""
        ...

    def use_step(self, holder_id: str, step: int) -> bool:
        """Uses up a step and all before it; False if it was used already. Of two at once one gets True."""
        ...

    def use_recovery_code(self, holder_id: str, code_hash: str) -> bool:
        """Uses up a recovery code; False if there is none such."""
        ...

    def renew_recovery_codes(self, holder_id: str, recovery_hashes: Sequence[str]) -> None:
        """Keeps other recovery codes in place of those before."""
        ...

    def remove(self, holder_id: str) -> bool:
        """Removes the second factor and its recovery codes; False if there is none."""
        ...

    def reseal(self) -> int:
        """Seals with the key in force what was sealed with an older one, all or nothing; returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInQuery:
    """A search of the log of sign-ins."""

    entry_id: str | None = None
    person_id: str | None = None
    application_id: str | None = None
    result: SignInResult | None = None
    # A part of a name, without case.
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    after: str | None = None
    limit: int = 100


class SignInLog(Protocol):
    """The log of sign-ins."""

    def add(self, entry: SignIn) -> None:
        """Writes an entry."""
        ...

    def search(self, query: SignInQuery) -> tuple[Sequence[SignIn], str | None]:
        """Returns entries, newest first unless ascending, and the key to go on after."""
        ...
