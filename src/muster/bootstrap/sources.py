"""From a source's stored connection to its reader: the one table of kinds of sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from muster.bootstrap.references import resolve_references
from muster.gallery.catalogue import GalleryPage
from muster.model.connection import ConnectionField
from muster.model.failures import CredentialsRefused, SchemaRefused
from muster.ports.reader import Reader
from muster.ports.world import Clock
from muster.settings import Settings
from muster.transport.client import HttpTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a reader is opened with."""

    # As admins know the source.
    name: str
    # Fields of the gallery page's `connection` by name: defaults filled in, references to files and variables resolved.
    # What is neither given nor has a default is not in it.
    values: Mapping[str, str]
    # What the job's mappings name, by kind: a reader need not ask for more. Empty: everything.
    attributes: frozenset[str]
    clock: Clock
    settings: Settings
    # A guarded transport with the certificates among the values (TrustedCertificates, ClientCertificate…).
    open_transport: Callable[[], HttpTransport]


# Job template id (gallery page) -> its reader. Raises: JobFailure for values that cannot be used together.
READERS: dict[str, Callable[[Connection], Reader]] = {}


def open_reader(page: GalleryPage, connection: Connection) -> Reader:
    """Returns the reader of a source. Raises: JobFailure."""
    opener = READERS.get(page.job_template_id)
    if opener is None:
        raise SchemaRefused(f"{page.display_name} cannot be read by this installation.")
    return opener(connection)


def connection_values(
    name: str, fields: tuple[ConnectionField, ...], secrets: Mapping[str, str], settings: Settings
) -> Mapping[str, str]:
    """Returns the values of a connection's fields. Raises: CredentialsRefused naming those that are missing."""
    known = resolve_references(secrets, settings.credentials_folder)
    values = {field.name: known.get(field.name) or field.default for field in fields}
    missing = ", ".join(field.label for field in fields if field.required and values[field.name] is None)
    if missing:
        raise CredentialsRefused(f"{name} has no {missing}.", remedy="Enter it under Connection, then test it.")
    return {field: value for field, value in values.items() if value is not None}
