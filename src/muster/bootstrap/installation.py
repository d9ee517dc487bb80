"""The Configuration Manager's parts over an open database: what its web process needs; no settings, no supervisor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from muster.configuration_manager.administrators import Administrators
from muster.configuration_manager.customer import Customer, customer_url
from muster.configuration_manager.customers import Customers
from muster.configuration_manager.profiles import GENERIC_TYPES
from muster.configuration_manager.sign_on import SignOns, addresses_of
from muster.configuration_manager.sign_on_flow import SignOnFlow
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database
from muster.scim.custom_schemas import SchemaMistake, extend_types, read_definitions
from muster.scim.resources import ResourceType

CURSOR_KEY = "cursor-key"
LIMIT_SCHEMA_BYTES = 4_194_304


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An open installation."""

    database: Database
    writer: Writer
    customers: Customers
    administrators: Administrators
    sign_ons: SignOns
    flow: SignOnFlow
    public_url: str

    def url_of(self, customer: Customer) -> str:
        """The customer's SCIM address: what is entered as the tenant URL."""
        return customer_url(self.public_url, customer.name)


def read_resource_types(folder: Path) -> tuple[ResourceType, ...]:
    """The resource types of the generic profile with what the JSON files of the folder add. Raises: SchemaMistake."""
    documents: list[tuple[str, Any]] = []
    for file in sorted(folder.glob("*.json")):
        try:
            if file.stat().st_size > LIMIT_SCHEMA_BYTES:
                raise SchemaMistake(f"{file}: it is larger than the limit (schema file) of {LIMIT_SCHEMA_BYTES} bytes.")
            documents.append((str(file), orjson.loads(file.read_bytes())))
        except orjson.JSONDecodeError:
            raise SchemaMistake(f"{file}: it is not valid JSON.") from None
        except OSError as error:
            raise SchemaMistake(f"{file}: it cannot be read: {error.strerror}.") from None
    return extend_types(GENERIC_TYPES, read_definitions(documents))


def assemble(database: Database, public_url: str) -> Installation:
    """The installation over an open database."""
    writer = Writer(database)
    sign_ons = SignOns(database, writer)
    return Installation(
        database=database,
        writer=writer,
        customers=Customers(database, writer),
        administrators=Administrators(database, writer),
        sign_ons=sign_ons,
        flow=SignOnFlow(database, writer, sign_ons, addresses_of(public_url)),
        public_url=public_url,
    )
