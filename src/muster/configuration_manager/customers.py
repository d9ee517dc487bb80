"""Customers of the Configuration Manager, their sites and their API tokens."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from muster.configuration_manager.tables import COUNTED_TYPES, SHARED_SCOPE, counters, customers, sites, tokens
from muster.configuration_manager.writer import Writer
from muster.database import Database, is_unique_violation
from muster.sealing import hash_token, make_token

CUSTOMER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LIMIT_SITE_NAME_CHARACTERS = 128
TOKEN_PREFIX = "8x8_"  # noqa: S105 - how a token begins is no secret
SHOWN_CHARACTERS = 10
DEFAULT_OVERLAP = timedelta(hours=24)


class ConsoleRefusal(Exception):
    """What an administrator asked for cannot be done; the sentence says why and what to do."""


class Profile(StrEnum):
    """How a customer's SCIM endpoint behaves."""

    EIGHT_BY_EIGHT = "8x8"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A company whose people have accounts here; its name is in its SCIM address."""

    key: int
    name: str
    profile: Profile
    is_strict: bool
    created_at: datetime

    @property
    def unique_scope(self) -> int:
        """Among whom a userName must be unique: 8x8 customers share one scope, a generic customer has its own."""
        return SHARED_SCOPE if self.profile is Profile.EIGHT_BY_EIGHT else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token as it may be shown: never the token itself."""

    key: int
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who a bearer token speaks for."""

    customer: Customer
    token_key: int
    token_prefix: str


class Customers:
    """The customers in the database."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._access = database.prepare(
            sa.select(
                tokens.c.key,
                tokens.c.prefix,
                tokens.c.expires_at,
                customers.c.key,
                customers.c.name,
                customers.c.profile,
                customers.c.strict,
                customers.c.created_at,
            )
            .join(customers, customers.c.key == tokens.c.customer_key)
            .where(tokens.c.digest == sa.bindparam("digest"))
        )
        self._site_exists = database.prepare(
            sa.select(sites.c.key).where(
                sites.c.customer_key == sa.bindparam("customer_key"), sites.c.name == sa.bindparam("name")
            )
        )

    def create_customer(self, name: str, profile: Profile, *, now: datetime, is_strict: bool = False) -> Customer:
        """The new customer. Raises ConsoleRefusal for a name that is taken or cannot stand in an address."""
        if not CUSTOMER_NAME.fullmatch(name):
            raise ConsoleRefusal(
                f"{name!r} cannot be a customer's name: "
                "1 to 64 letters, digits, '.', '_' or '-', and a letter or digit first"
            )
        row = {"name": name, "profile": profile.value, "strict": is_strict, "created_at": now}

        def insert(connection: Connection) -> int:
            key = connection.scalar(sa.insert(customers).values(row).returning(customers.c.key))
            start = [{"customer_key": key, "type": kind, "total": 0} for kind in COUNTED_TYPES]
            connection.execute(sa.insert(counters), start)
            return int(key or 0)

        try:
            key = self._writer.run(insert)
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise ConsoleRefusal(f"there is a customer named {name} already: choose another name") from None
        return Customer(key=key, name=name, profile=profile, is_strict=is_strict, created_at=now)

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

    def issue_token(self, customer: Customer, *, now: datetime) -> str:
        """A new token, shown this once; the older ones stay valid."""
        return self._writer.run(lambda connection: _insert_token(connection, customer, now))

    def rotate_token(self, customer: Customer, *, now: datetime, overlap: timedelta = DEFAULT_OVERLAP) -> str:
        """A new token, shown this once; the older ones stay valid for the overlap and no longer."""
        end = now + overlap

        def rotate(connection: Connection) -> str:
            connection.execute(
                sa.update(tokens)
                .where(
                    tokens.c.customer_key == customer.key,
                    sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > end),
                )
                .values(expires_at=end)
            )
            connection.execute(
                sa.delete(tokens).where(tokens.c.customer_key == customer.key, tokens.c.expires_at <= now)
            )
            return _insert_token(connection, customer, now)

        return self._writer.run(rotate)

    def remove_token(self, customer: Customer, prefix: str) -> None:
        """Makes the token that begins so stop working at once. Raises ConsoleRefusal if none or several begin so."""
        chosen = [token for token in self.list_tokens(customer) if prefix and token.prefix.startswith(prefix)]
        if len(chosen) != 1:
            raise ConsoleRefusal(
                f"{'no' if not chosen else 'more than one'} token of customer {customer.name} begins with {prefix!r}: "
                "'token list' shows how each begins"
            )
        self._writer.run(
            lambda connection: connection.execute(sa.delete(tokens).where(tokens.c.key == chosen[0].key)).rowcount
        )

    def list_tokens(self, customer: Customer) -> list[ApiToken]:
        """The customer's tokens as they may be shown, the newest first."""
        query = sa.select(tokens).where(tokens.c.customer_key == customer.key).order_by(tokens.c.key.desc())
        with self._database.read() as connection:
            return [
                ApiToken(
                    key=row.key,
                    prefix=row.prefix,
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    last_used_at=row.last_used_at,
                )
                for row in connection.execute(query)
            ]

    def find_access(self, token: str, *, now: datetime) -> Access | None:
        """For whom the token speaks, or None for one that is unknown, removed or past its overlap."""
        row = self._access.fetch_one({"digest": hash_token(token)})
        if row is None:
            return None
        token_key, prefix, expires_at, key, name, profile, strict, created_at = row
        if expires_at is not None and expires_at <= now:
            return None
        customer = Customer(key=key, name=name, profile=Profile(profile), is_strict=bool(strict), created_at=created_at)
        return Access(customer=customer, token_key=token_key, token_prefix=prefix)


def _insert_token(connection: Connection, customer: Customer, now: datetime) -> str:
    token = make_token(TOKEN_PREFIX)
    row = {
        "customer_key": customer.key,
        "digest": hash_token(token),
        "prefix": token[:SHOWN_CHARACTERS],
        "created_at": now,
    }
    connection.execute(sa.insert(tokens).values(row))
    return token


def _customer(row: sa.Row[tuple[object, ...]]) -> Customer:
    values = row._mapping
    return Customer(
        key=values["key"],
        name=values["name"],
        profile=Profile(values["profile"]),
        is_strict=bool(values["strict"]),
        created_at=values["created_at"],
    )
