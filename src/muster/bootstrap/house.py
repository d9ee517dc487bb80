"""The provisioning service put together: the only place, with its neighbours, that names concrete classes."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from muster.administration.desk import Stores
from muster.administration.own_jobs import make_own_job
from muster.bootstrap.connections import Connections, Profile
from muster.bootstrap.job_parts import governed_parts, safeguarded, untouched_target
from muster.bootstrap.keys import KeyWatch, keys_of, unsealed
from muster.bootstrap.machine import SystemClock, SystemIds
from muster.bootstrap.rule_shelf import RuleShelf
from muster.bootstrap.sources import SourceJobs
from muster.bootstrap.tapping import make_tap
from muster.bootstrap.uploads import FolderUploads, KeptUploads, SharedUploads
from muster.bootstrap.views import is_transitive, view_of, with_scope
from muster.database.connection import Database, Synchronous, open_database
from muster.database.outage import full_disk_of
from muster.engine.explain import explain, find_change
from muster.engine.parts import EngineStores, JobParts
from muster.engine.weighing import weigh_safeguards
from muster.engine.whatif import compare_rules
from muster.gallery.catalogue import (
    CLIENTS_TEMPLATE_ID,
    FILE_TEMPLATE_ID,
    GENERIC_TEMPLATE_ID,
    GalleryPage,
    find,
    own_pages,
)
from muster.model.application import EnterpriseApplication, SecretKey
from muster.model.certificates import PresentedCertificate
from muster.model.directory import ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.job import SynchronizationJob
from muster.model.rules import SynchronizationSchema
from muster.model.schema_document import read_schema
from muster.model.whatif import OtherScope, Weighed, WhatIf
from muster.planning.checks import find_role_problems
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms
from muster.planning.policy import RemovalThreshold
from muster.planning.rules import JobRules
from muster.planning.terms import QuarantineTerms
from muster.ports.engine_room import Told
from muster.ports.source import Source
from muster.ports.target import Target
from muster.runs.executors import Executors
from muster.scim.dialect import overlay
from muster.sealing import Sealer, key_path
from muster.settings import Settings
from muster.sources.directory import DirectorySource
from muster.sources.files import open_file
from muster.sources.rows import FileLimits, FileRefused
from muster.store.budgets import SqlBudget
from muster.store.notes import SqlNotes
from muster.store.open import Store, open_store, prepare_tables
from muster.store.sessions import SqlShelf
from muster.targets.directory import DirectoryTarget
from muster.targets.scim import ScimTarget
from muster.ui.sessions import FaceMemory

DATABASE_NAME = "muster.db"
UPLOADS_NAME = "uploads"
HEARTBEAT_NAME = "engine.alive"
_SILENT_SECONDS = 30.0
_PREPARED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class House:
    """Everything of the service that has been opened in this process."""

    settings: Settings
    folder: Path
    database: Database
    store: Store
    tenant_id: str
    clock: SystemClock
    ids: SystemIds
    connections: Connections
    sources: SourceJobs
    rules: RuleShelf
    # Of an installation that several machines share: its engines.
    executors: Executors | None
    # Of one that several web processes share: their sessions, and what seals the forms of strangers.
    faces: FaceMemory | None
    # Why stored values cannot be opened, None if they can.
    key_trouble: Callable[[], str | None]

    def stores(self) -> Stores:
        """Returns what administration works with."""
        # Each by its name in the store; whether all are there is seen when the house opens.
        return Stores(**{each.name: getattr(self.store, each.name) for each in fields(Stores)})

    def engine_stores(self) -> EngineStores:
        """Returns what the engine works with."""
        store = self.store
        return EngineStores(
            jobs=store.jobs,
            cycles=store.cycles,
            links=store.links,
            census=store.census,
            plans=store.plans,
            holds=store.holds,
            discovery=store.discovery,
            log=store.log,
            notifier=store.outbox,
        )

    def uploads(self) -> KeptUploads:
        """Returns where uploads are kept."""
        if self.is_shared:
            return SharedUploads(self.store.uploads, self.clock)
        return FolderUploads(self.folder / UPLOADS_NAME)

    @property
    def is_shared(self) -> bool:
        """Whether several machines may work on the installation."""
        return self.settings.database is not None

    # ------------------------------------------------------------ the engine's life

    def beat(self) -> None:
        """Shows that an engine works on this folder; of a shared installation the runs show it."""
        if not self.is_shared:
            (self.folder / HEARTBEAT_NAME).touch(mode=0o600)

    def engine_trouble(self) -> str | None:
        """Returns why nothing is provisioned now: no engine is at work, or none could be."""
        # The disk of a folder says nothing of a database elsewhere.
        trouble = (None if self.is_shared else full_disk_of(self.folder)) or self.key_trouble()
        if trouble is not None:
            return trouble
        if self.executors is not None:
            if self.executors.living():
                return None
            # Who stops signs out; who died, or is cut off, stands on the list.
            trouble = "no engine has shown life for half a minute" if self.executors.beats() else "no engine is at work"
            return f"{trouble}: start muster serve or muster worker on this database"
        try:
            silent_for = abs(time.time() - (self.folder / HEARTBEAT_NAME).stat().st_mtime)
        except FileNotFoundError:
            return "the engine process has not started yet"
        if silent_for > _SILENT_SECONDS:
            return f"the engine process has shown no life for {silent_for:.0f} seconds: look at the service's log"
        return None

    # ------------------------------------------------------------ jobs

    def import_job_id(self) -> str:
        """Returns the job that carries files into the directory; made with the installation."""
        return f"file.{self.tenant_id.replace('-', '')}"

    def prepare(self) -> None:
        """Makes what every installation has: the jobs of file imports and of SCIM clients."""
        for page in own_pages():
            make_own_job(page, self.tenant_id, self.store.applications, self.store.jobs, self.ids, self.clock.now())

    def open_job(self, job_id: str, options: Mapping[str, str]) -> JobParts:
        """Returns a job's parts. Raises: JobFailure."""
        job = self._job(job_id)
        application = self._application(job.service_principal_id)
        schema, rules = self.rules.of(job)
        if application.template_id == FILE_TEMPLATE_ID:
            return self._inbound(job, rules, options)
        if application.template_id == CLIENTS_TEMPLATE_ID:
            raise SchemaRefused(
                "SCIM clients write when they like: there is nothing to read.",
                remedy="Look at what is held, or at the log.",
            )
        page = self._page(application)
        if page.is_source:
            return self.sources.parts(job, application, page, schema, rules)
        credentials = unsealed(self.store.secrets, application.service_principal_id)
        sync_all = credentials.get(SecretKey.SYNC_ALL, "false").strip().lower() == "true"
        role_problems = find_role_problems(schema) if sync_all else ()
        if role_problems:
            raise SchemaRefused(role_problems[0])
        source = self._directory_source(job, rules.kinds, sync_all=sync_all, named_groups=rules.named_groups)
        target = self._scim_target(application, credentials, schema, job_id)
        return self._outbound(job, application, rules, source, target, sync_all=sync_all)

    def _outbound(
        self,
        job: SynchronizationJob,
        application: EnterpriseApplication,
        rules: JobRules,
        source: Source,
        target: Target,
        *,
        sync_all: bool,
    ) -> JobParts:
        credentials = unsealed(self.store.secrets, application.service_principal_id)
        entitlement = EntitlementRules(sync_all=sync_all, accepts_default_access=application.accepts_default_access)
        parts = governed_parts(job, rules, credentials, entitlement, source, target)
        everyone = self._directory_source(job, tuple(rules.kinds), sync_all=True, named_groups=rules.named_groups)
        return replace(parts, everyone=everyone)

    def what_if(
        self, job_id: str, document: Mapping[str, Any] | None, scope: OtherScope, limit: int, told: Told | None = None
    ) -> WhatIf:
        """Returns what other rules, or another scope, would change. Writes nothing, asks nobody. Raises: JobFailure."""
        job = self._job(job_id)
        application = self._application(job.service_principal_id)
        kept = read_schema(self.store.jobs.schema(job_id).document)
        _, rules, _ = self.rules.compile(kept)
        others = rules if document is None else self.rules.compile(read_schema(document))[1]
        kept_secrets = unsealed(self.store.secrets, application.service_principal_id)
        saved = kept_secrets.get(SecretKey.SYNC_ALL, "").lower() == "true"
        wanted = saved if scope.sync_all is None else scope.sync_all
        page = self._page(application)
        if page.is_source:
            return compare_rules(
                self.sources.untouched(job, application, page, kept, rules),
                self.sources.untouched(job, application, page, kept, others),
                self.engine_stores(),
                self.clock,
                self.ids,
                limit=limit,
                told=told,
            )
        # Whoever is in scope under either.
        kinds = tuple(dict.fromkeys((*rules.kinds, *others.kinds)))
        named = tuple(sorted({*rules.named_groups, *others.named_groups}))
        widest = saved or wanted
        other_job, other_application = with_scope(job, application, scope)
        source = self._directory_source(job, kinds, sync_all=widest, named_groups=named)
        other_source = source
        if other_job is not job:
            other_source = self._directory_source(other_job, kinds, sync_all=widest, named_groups=named)
        target = untouched_target(page, application)
        before = self._outbound(job, application, rules, source, target, sync_all=saved)
        after = self._outbound(other_job, other_application, others, other_source, target, sync_all=wanted)
        if scope.skip_out_of_scope_deletions is not None:
            terms = replace(after.terms, skip_out_of_scope_deletions=scope.skip_out_of_scope_deletions)
            after = replace(after, terms=terms)
        widest_source = source if is_transitive(job) else other_source
        stores = self.engine_stores()
        return compare_rules(before, after, stores, self.clock, self.ids, limit=limit, source=widest_source, told=told)

    def weigh(
        self, job_id: str, settings: Mapping[str, str], notification: Mapping[str, object], told: Told | None = None
    ) -> Weighed:
        """Returns what other safeguards would let through. Writes nothing, asks nobody. Raises: JobFailure."""
        job = self._job(job_id)
        application = self._application(job.service_principal_id)
        kept = read_schema(self.store.jobs.schema(job_id).document)
        _, rules, _ = self.rules.compile(kept)
        secrets = unsealed(self.store.secrets, application.service_principal_id)
        page = self._page(application)
        if application.template_id == CLIENTS_TEMPLATE_ID:
            # Nobody knows what clients are going to ask for.
            return Weighed()
        if page.is_source:
            parts = self.sources.untouched(job, application, page, kept, rules)
        else:
            sync_all = secrets.get(SecretKey.SYNC_ALL, "").lower() == "true"
            source = self._directory_source(job, rules.kinds, sync_all=sync_all, named_groups=rules.named_groups)
            target = untouched_target(page, application)
            parts = self._outbound(job, application, rules, source, target, sync_all=sync_all)
        guarded = safeguarded(parts, {**job.settings, **settings}, secrets, notification)
        return weigh_safeguards(guarded, self.engine_stores(), self.clock, self.ids, told=told)

    def open_target(self, service_principal_id: str, credentials: Mapping[str, str] | None) -> Target:
        """Returns the target of an application with given or saved credentials. Raises: JobFailure."""
        application = self._application(service_principal_id)
        found = credentials if credentials is not None else unsealed(self.store.secrets, service_principal_id)
        page = self._page(application)
        if page.is_source:
            return self.sources.probed(application, page, found)
        jobs = self.store.jobs.list(service_principal_id)
        document = self.store.jobs.schema(jobs[0].id).document if jobs else page.schema_document()
        return self._scim_target(application, found, read_schema(document))

    def exchange_code(self, credentials: Mapping[str, str]) -> Mapping[str, str]:
        """Returns the tokens that an authorization code is exchanged for. Raises: JobFailure."""
        return self.connections.exchange_code(credentials)

    def look_at_certificate(self, credentials: Mapping[str, str]) -> PresentedCertificate:
        """Returns what the server of a Tenant URL presents. Raises: JobFailure."""
        return self.connections.look_at_certificate(credentials)

    def explain(self, job_id: str, name: str) -> Mapping[str, Any]:
        """Returns why a person is in or out of a job's scope, and why each value. Empty: nobody of that name."""
        parts = self.open_job(job_id, {})
        change = find_change(parts, name)
        if change is None:
            return {}
        return explain(parts, self.engine_stores(), change, self.clock, self.ids)

    def _inbound(self, job: SynchronizationJob, rules: JobRules, options: Mapping[str, str]) -> JobParts:
        path = self.uploads().fetch(options.get("file", ""))
        if not path.is_file():
            raise SchemaRefused("The uploaded file is no longer there.", remedy="Import the file again.")
        try:
            source = open_file(path, limits=FileLimits(of_directory=True, is_partial=True))
        except FileRefused as refusal:
            raise SchemaRefused(
                str(refusal), code="ImportFailed", remedy="Correct the file and import it again."
            ) from refusal
        return JobParts(
            job=job,
            rules=rules,
            terms=JobTerms(
                entitlement=EntitlementRules(sync_all=True, accepts_default_access=True, carries_inactive=True),
                never_removes=True,
            ),
            threshold=RemovalThreshold(),
            # A file with many bad rows says so; it slows nothing down.
            quarantine_terms=QuarantineTerms(proportion=1.0),
            source=source,
            target=DirectoryTarget(self.store.directory, self.clock),
            authority=self.sources.authority(job.id),
            together=self.database.together,
        )

    def _directory_source(
        self, job: SynchronizationJob, kinds: Iterable[ObjectKind], *, sync_all: bool, named_groups: tuple[str, ...]
    ) -> Source:
        return DirectorySource(self.store.feed, view_of(job, kinds, sync_all=sync_all, named_groups=named_groups))

    def _scim_target(
        self,
        application: EnterpriseApplication,
        credentials: Mapping[str, str],
        schema: SynchronizationSchema,
        job_id: str | None = None,
    ) -> ScimTarget:
        exchange = partial(self.store.secrets.exchange_tokens, application.service_principal_id)
        tap = None if job_id is None else make_tap(self.store.wire, self.store.jobs, self.clock, job_id, schema)
        # The rate is the target's, however many engines and jobs call it.
        budget_of = partial(SqlBudget, self.database) if self.is_shared else None
        return self.connections.open_target(self._profile(application), credentials, schema, exchange, tap, budget_of)

    def examine(self, service_principal_id: str) -> Mapping[str, Any]:
        """Returns the report of an examination of an application, which only reads. Raises: JobFailure."""
        application = self._application(service_principal_id)
        if self._page(application).is_source:
            raise SchemaRefused("A source is not examined: test its connection, or make a plan of it.")
        exchange = partial(self.store.secrets.exchange_tokens, service_principal_id)
        credentials = unsealed(self.store.secrets, service_principal_id)
        return self.connections.examine(self._profile(application), credentials, exchange).to_document()

    def _profile(self, application: EnterpriseApplication) -> Profile:
        page = self._page(application)
        return Profile(
            name=application.display_name,
            authentication_type=page.authentication_type,
            dialect=overlay(page.dialect, application.dialect),
        )

    def _job(self, job_id: str) -> SynchronizationJob:
        job = self.store.jobs.get(job_id)
        if job is None:
            raise SchemaRefused(f"There is no job {job_id}.", remedy="List the jobs of the application.")
        return job

    def _application(self, service_principal_id: str) -> EnterpriseApplication:
        application = self.store.applications.get(service_principal_id)
        if application is None:
            raise SchemaRefused("The application of this job no longer exists.", remedy="Delete the job.")
        return application

    def _page(self, application: EnterpriseApplication) -> GalleryPage:
        page = find(application.template_id) or find(GENERIC_TEMPLATE_ID)
        if page is None:
            raise SchemaRefused(f"The gallery has no page {application.template_id}.")
        return page


def _faces_on(database: Database, watch: KeyWatch) -> FaceMemory:
    """Returns the memory that the web processes of one database share."""
    keys = partial(watch.derived, "faces")
    return FaceMemory(shelf_of=partial(SqlShelf, database), notes_of=partial(SqlNotes, database), keys=keys)


def executors_on(database: Database) -> Executors:
    """Returns the engines of a shared database."""
    return Executors(database, silent_for=timedelta(seconds=_SILENT_SECONDS))


def open_house(settings: Settings, folder: Path) -> House:
    """Returns the service's stores and services, opened on a data folder or a PostgreSQL database.

    Raises: DatabaseError, SealingError.
    """
    location = settings.database or folder / DATABASE_NAME
    database = open_database(location, synchronous=Synchronous(settings.synchronous))
    tenant_id = prepare_tables(database)
    with database.exclusive("installation", patience=_PREPARED_WITHIN):
        keys = keys_of(database, settings, folder)
    is_shared = settings.database is not None
    watch = KeyWatch(database, keys, key_path(folder, key_file=settings.key_file), is_shared=is_shared)
    sealer = Sealer(keys[0], tenant=tenant_id, older=keys[1:], renewed=watch.renewed)
    clock, ids = SystemClock(), SystemIds()
    connections, store = Connections(settings, clock, ids), open_store(database, sealer)
    house = House(
        settings=settings,
        folder=folder,
        database=database,
        store=store,
        tenant_id=tenant_id,
        clock=clock,
        ids=ids,
        connections=connections,
        sources=SourceJobs(store, connections, settings, folder, clock, database.together),
        rules=RuleShelf(store.jobs, store.directory),
        executors=executors_on(database) if is_shared else None,
        faces=_faces_on(database, watch) if is_shared else None,
        key_trouble=watch.trouble,
    )
    with database.exclusive("installation", patience=_PREPARED_WITHIN):
        house.prepare()
    return house
