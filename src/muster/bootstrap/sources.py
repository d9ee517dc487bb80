"""Sources outside: from a stored connection to a reader, and to the parts of the job that carries it in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import quote

from muster.administration.provenance import standings
from muster.bootstrap.connections import Connections
from muster.bootstrap.job_parts import governed_parts
from muster.bootstrap.keys import unsealed
from muster.bootstrap.references import resolve_references
from muster.engine.parts import JobParts
from muster.gallery.catalogue import GalleryPage, find_inbound
from muster.model.application import EnterpriseApplication
from muster.model.connection import ConnectionField
from muster.model.credentials import ClientAuthentication, OAuthClient
from muster.model.directory import ObjectKind
from muster.model.failures import CredentialsRefused, SchemaRefused
from muster.model.job import SynchronizationJob
from muster.model.operation import Change
from muster.model.rules import SynchronizationSchema
from muster.model.schema_checks import attributes_in
from muster.planning.entitlement import EntitlementRules
from muster.planning.precedence import LAST_PRECEDENCE, Standing, withheld_from
from muster.planning.rules import JobRules
from muster.planning.terms import lost_share, read_every
from muster.ports.directory import DirectoryStore
from muster.ports.reader import Reader
from muster.ports.supplies import Authority, SupplyStore
from muster.ports.target import Target
from muster.ports.world import Clock
from muster.settings import Settings
from muster.sources.folder import FileContent, FolderReader, WatchedFolder
from muster.sources.graph.reader import GraphReader
from muster.sources.graph.session import GraphSession
from muster.sources.ldap.entries import ACTIVE_DIRECTORY, OPEN_LDAP, Flavour
from muster.sources.ldap.reader import LdapReader
from muster.sources.ldap.settings import read_ldap_settings
from muster.sources.mirror import MirrorSource
from muster.store.open import Store
from muster.targets.directory import DirectoryTarget
from muster.targets.oauth import AccessToken, request_token
from muster.targets.untouched import UntouchedTarget
from muster.transport.client import HttpTransport
from muster.transport.guard import AddressGuard

# Within the data folder: where files may always be read from.
IMPORTS_NAME = "imports"


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
    # The service's data folder.
    folder: Path
    # Whom the mirror has by a name.
    find: Callable[[ObjectKind, str], Change | None]
    # A guarded transport with the certificates among the values (TrustedCertificates, ClientCertificate…).
    open_transport: Callable[[], HttpTransport]


def _open_folder(connection: Connection) -> Reader:
    allowed = (connection.folder / IMPORTS_NAME, *connection.settings.import_folders)
    named = Path(connection.values["Server"])
    watched = WatchedFolder(
        # A name alone is one within our own folder.
        path=named if named.is_absolute() else connection.folder / IMPORTS_NAME / named,
        content=FileContent(connection.values["FileContent"]),
        pattern=connection.values["FilePattern"],
        allowed=allowed,
    )
    return FolderReader(watched, connection.clock, connection.find)


def _open_ldap(flavour: Flavour, connection: Connection) -> Reader:
    return LdapReader(
        AddressGuard(allowed=connection.settings.allow_targets),
        read_ldap_settings(connection.values),
        flavour=flavour,
        clock=connection.clock,
        wanted=connection.attributes,
    )


def _open_graph(connection: Connection) -> Reader:
    values, transport = connection.values, connection.open_transport()
    tenant = quote(values["CompanyId"].strip(), safe="")
    client = OAuthClient(
        token_endpoint=values["Oauth2TokenExchangeUri"].replace("{tenant}", tenant),
        client_id=values["ClientIdentifier"],
        client_secret=values["ClientSecret"],
        authentication=ClientAuthentication.BODY,
        scopes=values["Oauth2Scope"],
    )
    held: list[AccessToken] = []

    def token(anew: bool) -> str:
        if anew or not held or held[0].until <= connection.clock.now():
            grant = {"grant_type": "client_credentials"}
            held[:] = [request_token(client, grant, transport=transport, clock=connection.clock)]
        return held[0].token

    session = GraphSession(transport, values["Server"], token, connection.clock)
    return GraphReader(session, with_groups=values["Content"] != "users", wanted=connection.attributes)


# Job template id (gallery page) -> its reader. Raises: JobFailure for values that cannot be used together.
READERS: dict[str, Callable[[Connection], Reader]] = {
    "folder": _open_folder,
    "ldap": partial(_open_ldap, OPEN_LDAP),
    "active-directory": partial(_open_ldap, ACTIVE_DIRECTORY),
    "microsoft-graph": _open_graph,
}


class SourceJobs:
    """Opens the jobs of sources."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        settings: Settings,
        folder: Path,
        clock: Clock,
        together: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """Args: together: one transaction over the store."""
        self._store = store
        self._connections = connections
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._together = together

    def parts(
        self,
        job: SynchronizationJob,
        application: EnterpriseApplication,
        page: GalleryPage,
        schema: SynchronizationSchema,
        rules: JobRules,
    ) -> JobParts:
        """Returns the parts of a source's job; its reader is opened when it is read."""
        secrets = unsealed(self._store.secrets, application.service_principal_id)
        entitlement = EntitlementRules(sync_all=True, accepts_default_access=True, carries_inactive=True)
        source = MirrorSource(
            job.id,
            self._store.mirrors,
            partial(
                self.open_reader, application, page, secrets, schema, partial(self._store.mirrors.read_one, job.id)
            ),
            self._clock,
            lost_share=lost_share(job.settings),
        )
        target = DirectoryTarget(self._store.directory, self._clock)
        parts = governed_parts(job, rules, secrets, entitlement, source, target)
        return replace(parts, authority=self.authority(job.id), together=self._together)

    def authority(self, job_id: str) -> Authority:
        """Returns whose word counts for more than a job's."""
        return _Precedence(job_id, partial(standings, self._store.jobs, self._store.applications), self._store.supplies)

    def untouched(
        self,
        job: SynchronizationJob,
        application: EnterpriseApplication,
        page: GalleryPage,
        schema: SynchronizationSchema,
        rules: JobRules,
    ) -> JobParts:
        """Returns the parts of a job for comparing rules: nobody is asked, nothing is written."""
        parts = self.parts(job, application, page, schema, rules)
        return replace(parts, target=UntouchedTarget(parts.target.capabilities), together=None)

    def probed(self, application: EnterpriseApplication, page: GalleryPage, secrets: Mapping[str, str]) -> Target:
        """Returns the directory, whose probe is that of the source: Test Connection. Raises: JobFailure."""
        reader = self.open_reader(application, page, secrets, None, lambda _kind, _name: None)
        return _ProbedSource(self._store.directory, self._clock, reader)

    def open_reader(
        self,
        application: EnterpriseApplication,
        page: GalleryPage,
        secrets: Mapping[str, str],
        schema: SynchronizationSchema | None,
        find: Callable[[ObjectKind, str], Change | None],
    ) -> Reader:
        """Returns the reader of a source with the given connection. Raises: JobFailure."""
        values = _connection_values(application.display_name, page.connection, secrets, self._settings)
        opener = READERS.get(page.job_template_id)
        if opener is None:
            raise SchemaRefused(f"{page.display_name} cannot be read by this installation.")
        return opener(
            Connection(
                name=application.display_name,
                values=values,
                attributes=frozenset() if schema is None else _named_attributes(schema),
                clock=self._clock,
                settings=self._settings,
                folder=self._folder,
                find=find,
                open_transport=partial(self._connections.open_transport, values),
            )
        )

    def read_every(self, job: SynchronizationJob) -> timedelta | None:
        """Returns how often a job's source is asked for news; None: its source is our directory, or a single file."""
        page = find_inbound(job.template_id)
        return None if page is None or not page.is_source else read_every(job.settings, page.read_every)


class _Precedence:
    """Implements `ports.supplies.Authority` for one job; the order is looked up once somebody is to be written."""

    def __init__(self, job_id: str, read_standings: Callable[[], dict[str, Standing]], supplies: SupplyStore) -> None:
        self._job_id = job_id
        self._read_standings = read_standings
        self._supplies = supplies

    @cached_property
    def _order(self) -> tuple[Standing, Mapping[str, Standing]]:
        others = self._read_standings()
        last = Standing(job_id=self._job_id, name="", precedence=LAST_PRECEDENCE)
        mine = others.pop(self._job_id, last)
        return mine, others

    def withheld(self, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Returns by target id the attributes that are withheld, each with the name of whoever supplies it."""
        mine, others = self._order
        supplied = self._supplies.supplies(kind, target_ids) if others else {}
        edited = self._supplies.edited(target_ids) if mine.local_first else {}
        return {
            target_id: withheld_from(mine, others, supplied.get(target_id, ()), edited.get(target_id, ()))
            for target_id in {*supplied, *edited}
        }


class _ProbedSource(DirectoryTarget):
    """Our directory as the target of a source: what is to be tested is the source."""

    def __init__(self, store: DirectoryStore, clock: Clock, reader: Reader) -> None:
        super().__init__(store, clock)
        self._reader = reader

    def probe(self, matching_attribute: str) -> str:  # noqa: ARG002  nobody is looked for
        """Tests the connection of the source; returns what was found there. Raises: JobFailure."""
        with closing(self._reader) as reader:
            return reader.probe()


def _named_attributes(schema: SynchronizationSchema) -> frozenset[str]:
    names: set[str] = set()
    for rule in schema.rules:
        for mapping in rule.object_mappings:
            for item in mapping.attribute_mappings:
                names.update(attributes_in(item.expression or ""))
            for group in mapping.scope.groups:
                names.update(clause.attribute for clause in group.clauses)
    return frozenset(names)


def _connection_values(
    name: str, fields: tuple[ConnectionField, ...], secrets: Mapping[str, str], settings: Settings
) -> Mapping[str, str]:
    """Returns the values of a connection's fields. Raises: CredentialsRefused naming those that are missing."""
    known = resolve_references(secrets, settings.credentials_folder)
    values = {field.name: known.get(field.name) or field.default for field in fields}
    missing = ", ".join(field.label for field in fields if field.required and values[field.name] is None)
    if missing:
        raise CredentialsRefused(f"{name} has no {missing}.", remedy="Enter it under Connection, then test it.")
    return {field: value for field, value in values.items() if value is not None}
