"""API tokens: of which client, issued by which administrator, and for whom one speaks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager.customer import ConsoleRefusal, Customer
from muster.configuration_manager.tables import administrators, customers, tokens
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database
from muster.sealing import hash_token, make_token

TOKEN_PREFIX = "8x8_"  # noqa: S105 - how a token begins is no secret
SHOWN_CHARACTERS = 10
DEFAULT_OVERLAP = timedelta(hours=24)
FIRST_CLIENT = "identity provider"
LIMIT_CLIENT_CHARACTERS = 100
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token as it may be shown: never the token itself."""

    key: int
    prefix: str
    client: str
    administrator: str | None
    has_role: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TokenOwner(NamedTuple):  # made and compared once a millisecond
    """Whom a bearer token belongs to: the customer by key and revision, the client, and the administrator who issued
    it (None: the operator, by a command), who may have lost the role since."""

    customer_key: int
    customer_revision: int
    token_key: int
    token_prefix: str
    client: str
    administrator: str | None
    has_role: bool


class Tokens:
    """The tokens in the database."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._owner = database.prepare(
            sa.select(
                tokens.c.key,
                tokens.c.prefix,
                tokens.c.client,
                sa.type_coerce(tokens.c.expires_at, sa.types.NullType()),
                customers.c.key,
                customers.c.revision,
                administrators.c.name,
                administrators.c.role,
            )
            .select_from(
                tokens.join(customers, customers.c.key == tokens.c.customer_key).outerjoin(
                    administrators, administrators.c.key == tokens.c.administrator_key
                )
            )
            .where(tokens.c.digest == sa.bindparam("digest"))
        ).in_order(("digest",))
        self._expiry = database.prepare(sa.select(tokens.c.expires_at).where(tokens.c.key == sa.bindparam("key")))

    def issue_token(
        self, customer: Customer, *, now: datetime, client: str | None = None, administrator: str | None = None
    ) -> str:
        """A new token, shown this once; the older ones stay valid. Without a client's name it is a new client's."""
        _check_client(client)

        def issue(connection: Connection) -> str:
            named = client if client is not None else _name_client(connection, customer)
            return _insert_token(connection, customer, now, named, _require_administrator(connection, administrator))

        return self._writer.run(issue)

    def rotate_token(
        self,
        customer: Customer,
        *,
        now: datetime,
        overlap: timedelta = DEFAULT_OVERLAP,
        client: str | None = None,
        administrator: str | None = None,
        token: str | None = None,
    ) -> str:
        """A new token of a client, shown this once; its older ones stay valid for the overlap and no longer.

        `token`: the one that `draft_token` has made and that was shown already.

        Without a client's name it is the one that writes, else the customer's first. Raises ConsoleRefusal.
        """
        _check_client(client)
        end = now + overlap

        def rotate(connection: Connection) -> str:
            named = client or customer.settings.writing_client or _first_client(connection, customer) or FIRST_CLIENT
            owned = (tokens.c.customer_key == customer.key, tokens.c.client == named)
            connection.execute(
                sa.update(tokens)
                .where(*owned, sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > end))
                .values(expires_at=end)
            )
            connection.execute(sa.delete(tokens).where(*owned, tokens.c.expires_at <= now))
            issuer = _require_administrator(connection, administrator)
            return _insert_token(connection, customer, now, named, issuer, token)

        return self._writer.run(rotate)

    def clear_tokens(self, customer: Customer) -> int:
        """Makes all tokens of the customer stop working at once, and returns how many that were."""
        return self._writer.run(
            lambda connection: (
                connection.execute(sa.delete(tokens).where(tokens.c.customer_key == customer.key)).rowcount
            )
        )

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
        query = (
            sa.select(tokens, administrators.c.name, administrators.c.role)
            .outerjoin(administrators, administrators.c.key == tokens.c.administrator_key)
            .where(tokens.c.customer_key == customer.key)
            .order_by(tokens.c.key.desc())
        )
        with self._database.read() as connection:
            return [
                ApiToken(
                    key=row.key,
                    prefix=row.prefix,
                    client=row.client,
                    administrator=row.name,
                    has_role=row.name is None or row.role == ADMINISTRATOR,
                    created_at=row.created_at,
                    expires_at=row.expires_at,
                    last_used_at=row.last_used_at,
                )
                for row in connection.execute(query)
            ]

    def find_owner(self, digest: str, *, now: datetime) -> TokenOwner | None:
        """Whom the token of this hash belongs to, or None for one that is unknown, removed or past its overlap."""
        rows = self._owner.fetch_values((digest,))
        if not rows:
            return None
        key, prefix, client, expires, customer_key, revision, name, role = rows[0]
        if expires is not None:
            expiry = self._expiry.fetch_one({"key": key})
            if expiry is None or expiry[0] <= now:
                return None
        return TokenOwner(customer_key, revision, key, prefix, client, name, name is None or role == ADMINISTRATOR)


def _check_client(client: str | None) -> None:
    if client is not None and (not client.strip() or len(client) > LIMIT_CLIENT_CHARACTERS):
        raise ConsoleRefusal(f"a client's name has 1 to {LIMIT_CLIENT_CHARACTERS} characters")


def _first_client(connection: Connection, customer: Customer) -> str | None:
    query = sa.select(tokens.c.client).where(tokens.c.customer_key == customer.key).order_by(tokens.c.key).limit(1)
    return connection.scalar(query)


def _name_client(connection: Connection, customer: Customer) -> str:
    taken = set(connection.scalars(sa.select(tokens.c.client).where(tokens.c.customer_key == customer.key)))
    if not taken:
        return FIRST_CLIENT
    number = 2
    while f"client {number}" in taken:
        number += 1
    return f"client {number}"


def _require_administrator(connection: Connection, name: str | None) -> int | None:
    if name is None:
        return None
    row = connection.execute(
        sa.select(administrators.c.key, administrators.c.role).where(administrators.c.name == name)
    ).first()
    if row is None or row.role != ADMINISTRATOR:
        raise ConsoleRefusal(f"{name} is no administrator: 'admin list' shows who is")
    return int(row.key)


def draft_token() -> str:
    """A token that nothing knows yet: it works once it is kept."""
    return make_token(TOKEN_PREFIX)


def _insert_token(
    connection: Connection,
    customer: Customer,
    now: datetime,
    client: str,
    administrator_key: int | None,
    drafted: str | None = None,
) -> str:
    token = drafted or draft_token()
    row = {
        "customer_key": customer.key,
        "digest": hash_token(token),
        "prefix": token[:SHOWN_CHARACTERS],
        "client": client,
        "administrator_key": administrator_key,
        "created_at": now,
    }
    connection.execute(sa.insert(tokens).values(row))
    return token
