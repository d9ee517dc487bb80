"""The Configuration Manager's WSGI application in this process, over a database of its own, and a caller of it."""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from fakes.scim_service import TOKEN
from muster.configuration_manager.calls import CallLog
from muster.configuration_manager.customers import Customer, Customers, Profile
from muster.configuration_manager.profiles import GENERIC_TYPES
from muster.configuration_manager.resources import open_resource_store
from muster.configuration_manager.site import PREFIX, SCIM, ScimResource, WsgiApplication, make_site
from muster.configuration_manager.writer import Writer
from muster.database.connection import open_database
from muster.database.migration import migrate
from muster.scim.resources import ResourceType

MIGRATIONS = "muster.configuration_manager.migrations"
SITES = ("London", "Delft", "Leiden")


@dataclass(frozen=True, kw_only=True)
class PlayedSite:
    """The application and its customers."""

    application: WsgiApplication
    customers: Customers

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
        """Status, headers in lower case and body, as a WSGI server gets them; path and query are encoded."""
        where = f"{PREFIX}{customer}/{SCIM}{path}"
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(where).decode("latin-1"),
            "QUERY_STRING": query.encode(errors="replace").decode("latin-1"),
            "SERVER_NAME": "cm.example",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body or b""),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body is not None:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.encode().decode("latin-1")
        begun: list[Any] = []
        answered = b"".join(self.application(environ, lambda status, named, _=None: begun.extend((status, named))))
        return int(begun[0][:3]), {name.lower(): value for name, value in begun[1]}, answered


@contextmanager
def open_site(folder: Path, *, resource_types: tuple[ResourceType, ...] = GENERIC_TYPES) -> Iterator[PlayedSite]:
    """The application over a new SQLite database in the folder."""
    database = open_database(folder / "site.db")
    migrate(database, MIGRATIONS)
    writer = Writer(database)
    customers = Customers(database, writer)
    calls = CallLog(database, writer)
    store = open_resource_store(database, writer, now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))
    scim = ScimResource(
        customers,
        store,
        calls,
        public_url="http://cm.example",
        resource_types=resource_types,
        cursor_key=b"a key",
    )
    yield PlayedSite(application=make_site(scim), customers=customers)
    calls.close()
    database.close()
