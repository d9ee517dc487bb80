"""The Configuration Manager's application in this process, over a database of its own, and a caller of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fakes.scim_service import TOKEN
from muster.configuration_manager.calls import CallLog
from muster.configuration_manager.customer import PREFIX, SCIM
from muster.configuration_manager.customers import Customer, Customers, Profile
from muster.configuration_manager.profiles import GENERIC_TYPES
from muster.configuration_manager.resources import open_resource_store
from muster.configuration_manager.scim_face import ScimFace
from muster.configuration_manager.site import Site
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, open_database
from muster.database.migration import migrate
from muster.http_server.messages import Lane, Request
from muster.scim.resources import ResourceType

MIGRATIONS = "muster.configuration_manager.migrations"
SITES = ("London", "Delft", "Leiden")


@dataclass(frozen=True, kw_only=True)
class PlayedSite:
    """The application and its customers."""

    application: Site
    customers: Customers
    database: Database
    calls: CallLog

    def create_customer(self, name: str, profile: Profile, *, strict: bool = False) -> tuple[Customer, str]:
        """A customer with all `SITES`, and its token."""
        now = datetime.now(UTC)
        customer = self.customers.create_customer(name, profile, now=now, is_strict=strict)
        for site in SITES:
            self.customers.add_site(customer, site, now=now)
        return customer, self.customers.issue_token(customer, now=now)

    def sender(
        self, name: str, profile: Profile, *, strict: bool = False
    ) -> Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, dict[str, str], bytes]]:
        """A caller of a new customer; the token of the exchanges stands for the customer's own."""
        customer, token = self.create_customer(name, profile, strict=strict)

        def send(
            method: str, path: str, headers: Mapping[str, str], body: bytes | None
        ) -> tuple[int, dict[str, str], bytes]:
            given = {key: value.replace(TOKEN, token) for key, value in headers.items()}
            where, _, query = path.partition("?")
            return self.ask(customer.name, method, where, query, given, body)

        return send

    def ask(
        self, customer: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body, as a client gets them; path and query are encoded."""
        where = f"{PREFIX}{customer}/{SCIM}{path}"
        target = where.encode() + (b"?" + query.encode(errors="replace") if query else b"")
        given = {name.lower().encode(): value.encode() for name, value in headers.items()}
        request = Request(method, target, given, body or b"", ("127.0.0.1", 50_000), False)
        if self.application.choose_lane(request) is Lane.TOGETHER:
            (answer,) = self.application.answer_together([request])
        else:
            answer = self.application.answer(request)
        body = b"" if method == "HEAD" else answer.body
        return answer.status, {name.lower(): value for name, value in answer.headers}, body


@contextmanager
def open_site(
    folder: Path, *, resource_types: tuple[ResourceType, ...] = GENERIC_TYPES, batch_limit: int | None = None
) -> Iterator[PlayedSite]:
    """The application over a new SQLite database in the folder; a `batch_limit` of 1 has it write as on PostgreSQL."""
    database = open_database(folder / "site.db")
    migrate(database, MIGRATIONS)
    writer = Writer(database, batch_limit=batch_limit)
    customers = Customers(database, writer)
    calls = CallLog(database, writer, resource_types)
    store = open_resource_store(database, writer, now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))
    scim = ScimFace(
        customers,
        store,
        calls,
        writer,
        public_url="http://cm.example",
        resource_types=resource_types,
        cursor_key=b"a key",
    )
    yield PlayedSite(application=Site(scim), customers=customers, database=database, calls=calls)
    calls.close()
    database.close()
