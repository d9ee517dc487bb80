"""The service's store, opened: every port of it over one database."""

import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from muster.database.connection import Database, serialize
from muster.database.migration import migrate
from muster.ports.administration import AccessStore, AuditStore, WorkQueue
from muster.ports.applications import ApplicationStore, JobStore, SecretStore
from muster.ports.clients import ClientStore, OwnerStore
from muster.ports.cycles import CensusStore, CycleStore, DiscoveryStore, LinkStore, LogStore
from muster.ports.directory import DirectoryFeed, DirectoryStore
from muster.ports.federation import IdentityProviderStore
from muster.ports.holds import HoldStore
from muster.ports.inbound import InboundStore
from muster.ports.measures import MeasureStore
from muster.ports.mirror import MirrorStore
from muster.ports.notifier import NotificationSettingsStore, Outbox
from muster.ports.openid import OpenIdStore
from muster.ports.plans import PlanStore
from muster.ports.retention import RecordStore
from muster.ports.sharing import ShareStore
from muster.ports.sign_ins import CredentialStore, SecondFactorStore, SignInLog
from muster.ports.single_sign_on import SingleSignOnStore
from muster.ports.supplies import SupplyStore
from muster.ports.wire import WireLog
from muster.sealing import SEALED_HEAD_BYTES, Sealer, key_id_of
from muster.store.access import SqlAccess
from muster.store.applications import SqlApplications, SqlSecrets
from muster.store.audit import SqlAudit
from muster.store.census import SqlCensus
from muster.store.clients import SqlClients, SqlOwners
from muster.store.credentials import SqlCredentials
from muster.store.cycles import SqlCycles
from muster.store.directory import SqlDirectory
from muster.store.discovery import SqlDiscovery
from muster.store.feed import SqlDirectoryFeed
from muster.store.holds import SqlHolds
from muster.store.identity_providers import SqlIdentityProviders
from muster.store.inbound import SqlInbound
from muster.store.jobs import SqlJobs
from muster.store.links import SqlLinks
from muster.store.log import SqlLog
from muster.store.measures import SqlMeasures
from muster.store.mirrors import SqlMirrors
from muster.store.notices import SqlNotificationSettings, SqlOutbox
from muster.store.openid import SqlOpenId
from muster.store.plans import SqlPlans
from muster.store.retention import SqlRecords
from muster.store.second_factors import SqlSecondFactors
from muster.store.sharing import SqlShares
from muster.store.sign_ins import SqlSignInLog
from muster.store.single_sign_on import SqlSingleSignOn
from muster.store.supplies import SqlSupplies
from muster.store.tables import METADATA, installation
from muster.store.uploads import SqlUploads
from muster.store.wire import SqlWireLog
from muster.store.work import SqlWorkQueue

MIGRATIONS = "muster.store.migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The ports of the store."""

    directory: DirectoryStore
    feed: DirectoryFeed
    applications: ApplicationStore
    secrets: SecretStore
    jobs: JobStore
    cycles: CycleStore
    shares: ShareStore
    links: LinkStore
    census: CensusStore
    holds: HoldStore
    discovery: DiscoveryStore
    log: LogStore
    mirrors: MirrorStore
    inbound: InboundStore
    plans: PlanStore
    work: WorkQueue
    audit: AuditStore
    access: AccessStore
    outbox: Outbox
    notification_settings: NotificationSettingsStore
    records: RecordStore
    supplies: SupplyStore
    measures: MeasureStore
    wire: WireLog
    clients: ClientStore
    owners: OwnerStore
    single_sign_on: SingleSignOnStore
    credentials: CredentialStore
    second_factors: SecondFactorStore
    sign_ins: SignInLog
    openid: OpenIdStore
    identity_providers: IdentityProviderStore
    uploads: SqlUploads


def read_key_id(database: Database) -> str | None:
    """Returns the id of the key that the installation's values are sealed with; None: nothing was sealed yet."""
    with database.read() as connection:
        return connection.execute(sa.select(installation.c.sealing_key_id)).scalar()


def write_key_id(database: Database, key_id: str) -> None:
    """Notes which key seals from now on."""
    with database.write() as connection:
        connection.execute(sa.update(installation).values(sealing_key_id=key_id))


def sealing_key_ids(database: Database) -> set[str]:
    """Returns the ids of the keys that stored values are sealed with."""
    columns = [table.c.sealed for table in METADATA.sorted_tables if "sealed" in table.c]
    heads = sa.union(*(sa.select(sa.func.substr(each, 1, SEALED_HEAD_BYTES)) for each in columns))
    with database.read() as connection:
        return {key_id_of(bytes(each)).hex() for each in connection.execute(heads).scalars()}


def prepare_tables(database: Database) -> str:
    """Returns the installation's tenant id, after every migration that is to run; an empty database gets one.

    Raises: DatabaseError if the database was written by a newer program.
    """
    migrate(database, MIGRATIONS)
    with database.write() as connection:
        serialize(connection, "installation")
        tenant = connection.execute(sa.select(installation.c.tenant_id)).scalar()
        if tenant is None:
            tenant = str(uuid.uuid4())
            connection.execute(sa.insert(installation).values(key=1, tenant_id=tenant))
    return str(tenant)


def open_store(database: Database, sealer: Sealer) -> Store:
    """Returns the store over a database that `prepare_tables` has prepared; the sealer is made for its tenant."""
    return Store(
        directory=SqlDirectory(database),
        feed=SqlDirectoryFeed(database),
        applications=SqlApplications(database),
        secrets=SqlSecrets(database, sealer),
        jobs=SqlJobs(database),
        cycles=SqlCycles(database),
        shares=SqlShares(database),
        links=SqlLinks(database),
        census=SqlCensus(database),
        holds=SqlHolds(database),
        discovery=SqlDiscovery(database),
        log=SqlLog(database),
        mirrors=SqlMirrors(database),
        inbound=SqlInbound(database),
        plans=SqlPlans(database),
        work=SqlWorkQueue(database),
        audit=SqlAudit(database),
        access=SqlAccess(database),
        outbox=SqlOutbox(database),
        notification_settings=SqlNotificationSettings(database, sealer),
        records=SqlRecords(database),
        supplies=SqlSupplies(database),
        measures=SqlMeasures(database),
        wire=SqlWireLog(database),
        clients=SqlClients(database),
        owners=SqlOwners(database),
        single_sign_on=SqlSingleSignOn(database, sealer),
        credentials=SqlCredentials(database),
        second_factors=SqlSecondFactors(database, sealer),
        sign_ins=SqlSignInLog(database),
        openid=SqlOpenId(database, sealer),
        identity_providers=SqlIdentityProviders(database, sealer),
        uploads=SqlUploads(database),
    )
