"""Customers of the Configuration Manager, their settings and their sites."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.customer import (
    CUSTOMER_NAME,
    AccountLimits,
    ConsoleRefusal,
    Customer,
    CustomerSettings,
    Profile,
    Retrieval,
    default_settings,
)
from muster.configuration_manager.tables import COUNTED_TYPES, counters, customers, sites
from muster.configuration_manager.tokens import TOKEN_PREFIX, ApiToken, TokenOwner, Tokens
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, is_unique_violation
from muster.sealing import hash_token

__all__ = [
    "TOKEN_PREFIX",
    "Access",
    "ApiToken",
    "ConsoleRefusal",
    "Customer",
    "Customers",
    "Profile",
]

LIMIT_SITE_NAME_CHARACTERS = 128
REMEMBERED_NS = 1_000_000
REMEMBERED_TOKENS = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """For whom a bearer token speaks; `has_role` False: its administrator lost the role, and with that the token."""

    customer: Customer
    token_key: int
    token_prefix: str
    client: str
    administrator: str | None
    has_role: bool


class _Remembered(NamedTuple):
    """What a token was found to be, and when, before it was looked up."""

    asked_at: int
    commits: int
    digest: str
    owner: TokenOwner
    access: Access


class Customers(Tokens):
    """The customers in the database, and their tokens."""

    def __init__(self, database: Database, writer: Writer) -> None:
        super().__init__(database, writer)
        self._known: dict[int, Customer] = {}
        self._accesses: dict[str, _Remembered] = {}
        self._site_exists = database.prepare(
            sa.select(sites.c.key).where(
                sites.c.customer_key == sa.bindparam("customer_key"), sites.c.name == sa.bindparam("name")
            )
        )

    def create_customer(
        self,
        name: str,
        profile: Profile,
        *,
        now: datetime,
        is_strict: bool = False,
        settings: CustomerSettings | None = None,
    ) -> Customer:
        """The new customer. Raises ConsoleRefusal for a name that is taken or cannot stand in an address."""
        if not CUSTOMER_NAME.fullmatch(name):
            raise ConsoleRefusal(
                f"{name!r} cannot be a customer's name: "
                "1 to 64 letters, digits, '.', '_' or '-', and a letter or digit first"
            )
        chosen = settings or default_settings(profile, is_strict=is_strict)
        row = {"name": name, "profile": profile.value, "created_at": now, "revision": 1, **_row(chosen)}

        def insert(connection: Connection) -> int:
            key = connection.scalar(sa.insert(customers).values(row).returning(customers.c.key))
            start = [{"customer_key": key, "type": kind, "total": 0, "active": 0} for kind in COUNTED_TYPES]
            connection.execute(sa.insert(counters), start)
            return int(key or 0)

        try:
            key = self._writer.run(insert)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise ConsoleRefusal(f"there is a customer named {name} already: choose another name") from None
        return Customer(key=key, name=name, profile=profile, created_at=now, settings=chosen)

    def change_settings(self, customer: Customer, settings: CustomerSettings) -> Customer:
        """The customer with the settings; whoever serves it sees them at its next request."""
        values = {**_row(settings), "revision": customers.c.revision + 1}
        self._writer.run(
            lambda connection: (
                connection.execute(sa.update(customers).where(customers.c.key == customer.key).values(values)).rowcount
            )
        )
        return self.require_customer(customer.name)

    def claim_writing(self, customer: Customer, client: str) -> str:
        """The client that may write from now on: this one, unless another was first."""

        def claim(connection: Connection) -> str:
            connection.execute(
                sa.update(customers)
                .where(customers.c.key == customer.key, customers.c.writing_client.is_(None))
                .values(writing_client=client, revision=customers.c.revision + 1)
            )
            return str(connection.scalar(sa.select(customers.c.writing_client).where(customers.c.key == customer.key)))

        return self._writer.run(claim)

    def find_customer(self, name: str) -> Customer | None:
        """The customer of that name, or None."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(customers).where(customers.c.name == name)).first()
        return None if row is None else _customer(row)

    def require_customer(self, name: str) -> Customer:
        """The customer of that name. Raises ConsoleRefusal."""
        customer = self.find_customer(name)
        if customer is None:
            raise ConsoleRefusal(f"there is no customer named {name}: 'customer list' shows all")
        return customer

    def list_customers(self) -> list[Customer]:
        """All customers by name."""
        with self._database.read() as connection:
            return [_customer(row) for row in connection.execute(sa.select(customers).order_by(customers.c.name))]

    def count_active(self, customer: Customer) -> int:
        """How many users are active, each of which takes a licence."""
        query = sa.select(counters.c.active).where(counters.c.customer_key == customer.key, counters.c.type == "User")
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def add_site(self, customer: Customer, name: str, *, now: datetime) -> None:
        """Adds a site. Raises ConsoleRefusal for a name that is empty, too long or there already."""
        if not name.strip() or len(name) > LIMIT_SITE_NAME_CHARACTERS:
            raise ConsoleRefusal(f"a site's name has 1 to {LIMIT_SITE_NAME_CHARACTERS} characters")
        row = {"customer_key": customer.key, "name": name, "created_at": now}
        try:
            self._writer.run(lambda connection: connection.execute(sa.insert(sites).values(row)))
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise ConsoleRefusal(f"customer {customer.name} has a site named {name} already") from None

    def list_sites(self, customer: Customer) -> list[str]:
        """The names of the customer's sites, in order."""
        query = sa.select(sites.c.name).where(sites.c.customer_key == customer.key).order_by(sites.c.name)
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def is_site(self, customer: Customer, name: str) -> bool:
        """Whether the customer has a site of exactly this name."""
        return self._site_exists.fetch_one({"customer_key": customer.key, "name": name}) is not None

    def find_access(self, token: str, *, now: datetime) -> Access | None:
        """For whom the token speaks, or None for one that is unknown, removed or past its overlap.

        What was found counts for another millisecond, unless this process wrote something meanwhile: requests that
        come at once share one look-up, and a token that a command removes stops working all the same.
        """
        asked_at = time.monotonic_ns()
        commits = self._writer.commits
        held = self._accesses.get(token)
        if held is not None and asked_at - held.asked_at < REMEMBERED_NS and held.commits == commits:
            return held.access
        digest = hash_token(token) if held is None else held.digest
        owner = self.find_owner(digest, now=now)
        # The row tells of every change: the customer's revision is in it.
        access = held.access if held is not None and held.owner == owner else self._access_of(owner)
        if owner is None or access is None:
            self._accesses.pop(token, None)
            return None
        if len(self._accesses) >= REMEMBERED_TOKENS:
            self._accesses.clear()
        self._accesses[token] = _Remembered(asked_at, commits, digest, owner, access)
        return access

    def _access_of(self, owner: TokenOwner | None) -> Access | None:
        if owner is None:
            return None
        customer = self._known.get(owner.customer_key)
        if customer is None or customer.revision != owner.customer_revision:
            with self._database.read() as connection:
                row = connection.execute(sa.select(customers).where(customers.c.key == owner.customer_key)).first()
            if row is None:
                return None
            customer = self._known[owner.customer_key] = _customer(row)
        return Access(
            customer=customer,
            token_key=owner.token_key,
            token_prefix=owner.token_prefix,
            client=owner.client,
            administrator=owner.administrator,
            has_role=owner.has_role,
        )


def release_writing(settings: CustomerSettings) -> CustomerSettings:
    """The settings with nobody holding the right to write: the next client that writes takes it."""
    return replace(settings, writing_client=None)


def _row(settings: CustomerSettings) -> dict[str, object]:
    return {
        "strict": settings.is_strict,
        "retrieval": settings.retrieval.value,
        "limits": settings.limits.value,
        "one_writer": settings.has_one_writer,
        "writing_client": settings.writing_client,
        "rate_limit": settings.rate_limit,
        "licences": settings.licences,
        "licence_limit": settings.has_licence_limit,
    }


def _customer(row: sa.Row[tuple[object, ...]]) -> Customer:
    values = row._mapping
    return Customer(
        key=values["key"],
        name=values["name"],
        profile=Profile(values["profile"]),
        created_at=values["created_at"],
        revision=values["revision"],
        settings=CustomerSettings(
            is_strict=bool(values["strict"]),
            retrieval=Retrieval(values["retrieval"]),
            limits=AccountLimits(values["limits"]),
            has_one_writer=bool(values["one_writer"]),
            writing_client=values["writing_client"],
            rate_limit=values["rate_limit"],
            licences=values["licences"],
            has_licence_limit=bool(values["licence_limit"]),
        ),
    )
