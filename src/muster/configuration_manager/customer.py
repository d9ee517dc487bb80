"""What a customer is: its profile and its settings."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from muster.configuration_manager.tables import SHARED_SCOPE

PREFIX = "/udi/customers/"
SCIM = "scim/v2"
CUSTOMER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LIMIT_REQUESTS_A_MINUTE = 1_000_000
LIMIT_LICENCES = 1_000_000_000


class ConsoleRefusal(Exception):
    """What an administrator asked for cannot be done; the sentence says why and what to do."""


class Profile(StrEnum):
    """How a customer's SCIM endpoint behaves."""

    EIGHT_BY_EIGHT = "8x8"
    GENERIC = "generic"


class Retrieval(StrEnum):
    """Which users SCIM shows: all, or those alone that the identity provider created."""

    ALL = "all"
    PROVISIONED = "provisioned"


class AccountLimits(StrEnum):
    """What the 8x8 profile takes as names and the like: any script, or no more than what 8x8 documents for its API."""

    LENIENT = "lenient"
    DOCUMENTED = "documented"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSettings:
    """What an administrator switches.

    `rate_limit` counts requests a minute of one token, None: any number. `writing_client` is the one client that may
    write while `has_one_writer`; None until the first write.
    """

    is_strict: bool = False
    retrieval: Retrieval = Retrieval.ALL
    limits: AccountLimits = AccountLimits.LENIENT
    has_one_writer: bool = False
    writing_client: str | None = None
    rate_limit: int | None = None
    licences: int | None = None
    has_licence_limit: bool = False

    def __post_init__(self) -> None:
        """Raises ConsoleRefusal for numbers that make no sense."""
        if self.rate_limit is not None and not 0 < self.rate_limit <= LIMIT_REQUESTS_A_MINUTE:
            raise ConsoleRefusal(f"the rate limit is 1 to {LIMIT_REQUESTS_A_MINUTE} requests a minute, or none")
        if self.licences is not None and not 0 <= self.licences <= LIMIT_LICENCES:
            raise ConsoleRefusal(f"the number of licences is 0 to {LIMIT_LICENCES}")
        if self.has_licence_limit and self.licences is None:
            raise ConsoleRefusal("a licence limit needs the number of licences: give that too")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A company whose people have accounts here; its name is in its SCIM address."""

    key: int
    name: str
    profile: Profile
    created_at: datetime
    revision: int = 1
    settings: CustomerSettings = field(default_factory=CustomerSettings)

    @property
    def is_strict(self) -> bool:
        """Whether its endpoint refuses what the RFC does not know."""
        return self.settings.is_strict

    @property
    def unique_scope(self) -> int:
        """Among whom a userName must be unique: 8x8 customers share one scope, a generic customer has its own."""
        return SHARED_SCOPE if self.profile is Profile.EIGHT_BY_EIGHT else self.key

    @property
    def licence_limit(self) -> int | None:
        """How many users may be active; None: any number."""
        return self.settings.licences if self.settings.has_licence_limit else None


def default_settings(profile: Profile, *, is_strict: bool = False) -> CustomerSettings:
    """The settings of a new customer. Source: 8x8, "User provisioning with SCIM API": one client may write."""
    return CustomerSettings(is_strict=is_strict, has_one_writer=profile is Profile.EIGHT_BY_EIGHT)


def customer_url(public_url: str, customer: str) -> str:
    """The 8x8 URL of a customer: what is entered as the tenant URL."""
    return f"{public_url.rstrip('/')}{PREFIX}{customer}/{SCIM}"
