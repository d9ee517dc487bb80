"""The contract of applications, assignments, secrets and jobs."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from fakes.company import NOW, ROLE, Company, application, id_of, job
from muster.database.connection import Database
from muster.model.application import DEFAULT_ACCESS, AppRole, AwaitedAssignment
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import FailureRecord
from muster.model.job import CycleKind, Quarantine, QuarantineReason, ScheduleState
from muster.model.roles import Caller
from muster.ports.cycles import LogQuery
from muster.store.open import Store


@pytest.fixture
def company(store: Store) -> Company:
    company = Company(store).found()
    company.hire("ann", "bob")
    company.make_group("eng")
    return company


@pytest.mark.parametrize("name", ["sp", "application-sp", "app-sp", "Application sp"])
def test_an_application_is_found_by_any_of_its_ids_and_its_name(company: Company, name: str) -> None:
    assert company.store.applications.get(name) == application("sp")


def test_applications_are_listed_by_name_without_case(company: Company) -> None:
    for name in ("B", "a"):
        company.store.applications.add(application(name))
    company.store.applications.change("B", display_name="b")
    company.store.applications.change("a", display_name="A")
    assert [each.display_name for each in company.store.applications.list()] == ["A", "Application sp", "b"]
    assert company.store.applications.get("nothing") is None


def test_an_application_changes_only_in_what_is_given(company: Company) -> None:
    roles = (ROLE, AppRole(id="2", display_name="Admin", allowed_member_types=("User", "Application")))
    changed = company.store.applications.change("sp", app_roles=roles)
    assert changed == company.store.applications.get("sp")
    assert (changed.app_roles, changed.display_name, changed.is_enabled) == (roles, "Application sp", True)
    assert company.store.applications.change("sp", is_enabled=False).app_roles == roles
    with pytest.raises(LookupError, match="no enterprise application x"):
        company.store.applications.change("x", is_enabled=False)


def test_an_assignment_is_made_once_and_told_with_the_principals_name(company: Company) -> None:
    assert len(company.assign("ann", "eng", "ann")) == 2
    assert company.assign("ann") == []
    company.change("ann", displayName="Ann Marie")
    found = company.store.applications.assignments(service_principal_id="sp")
    assert [(each.principal_id, each.principal_kind, each.principal_display_name) for each in found] == [
        (id_of("ann"), ObjectKind.USER, "Ann Marie"),
        (id_of("eng"), ObjectKind.GROUP, "eng"),
    ]
    assert company.store.applications.assignments(principal_id=id_of("ann")) == [found[0]]
    assert (found[0].role_id, found[0].created_at) == (ROLE.id, NOW)


def test_an_assignment_is_removed_once(company: Company) -> None:
    (assignment,) = company.assign("ann")
    removed = company.store.applications.unassign(assignment)
    assert removed is not None
    assert removed.principal_id == id_of("ann")
    assert company.store.applications.unassign(assignment) is None
    assert company.store.applications.assignments(principal_id=id_of("ann")) == []


def test_nobody_is_assigned_who_is_not_there(company: Company) -> None:
    with pytest.raises(LookupError, match="no object"):
        company.assign("ann", "nobody")
    assert company.store.applications.assignments(service_principal_id="sp") == []


def awaits(company: Company, kind: ObjectKind, name: str, role: str = ROLE.id) -> None:
    """The application waits for this one besides those it waits for."""
    kept = company.store.applications.awaited("sp")
    by = Caller(id="1", display_name="Ada", roles=frozenset())
    new = AwaitedAssignment(id=f"{name}-{role}", principal_kind=kind, name=name, role_id=role, created_at=NOW, by=by)
    company.store.applications.set_awaited("sp", [*kept, new])


def test_a_role_that_waits_for_a_name_is_given_to_whoever_comes_by_it(company: Company) -> None:
    awaits(company, ObjectKind.USER, "ZOE@Example.com")
    awaits(company, ObjectKind.USER, "zoe@example.com")
    awaits(company, ObjectKind.USER, "max@example.com", "no longer a role")
    assert [each.name for each in company.store.applications.awaited("sp")] == [
        "max@example.com",
        "ZOE@Example.com",
    ]
    before = company.store.feed.latest()
    company.hire("yan", "max")
    assert company.store.applications.assignments(service_principal_id="sp") == []
    company.hire("zoe")
    (given,) = company.store.applications.assignments(service_principal_id="sp")
    assert (given.id, given.principal_id, given.role_id) == (f"ZOE@Example.com-{ROLE.id}", id_of("zoe"), ROLE.id)
    assert company.store.feed.latest() > before
    assert [each.name for each in company.store.applications.awaited("sp")] == ["max@example.com"]
    (entry, *_), _ = company.store.audit.search(after=None, limit=1)
    assert (entry.by.display_name, entry.target_id) == ("Ada", "sp")
    assert entry.changes == (("User ZOE@Example.com", None, ROLE.display_name),)


def test_a_name_of_two_groups_names_none_and_a_deleted_user_comes_by_restoring(company: Company) -> None:
    awaits(company, ObjectKind.GROUP, "Sales")
    awaits(company, ObjectKind.USER, "ann@example.com", DEFAULT_ACCESS)
    company.store.directory.set_lifecycle(ObjectKind.USER, id_of("ann"), Lifecycle.SOFT_DELETED, NOW)
    assert len(company.store.applications.awaited("sp")) == 2
    company.store.directory.set_lifecycle(ObjectKind.USER, id_of("ann"), Lifecycle.PRESENT, NOW)
    (given,) = company.store.applications.assignments(service_principal_id="sp")
    assert (given.principal_id, given.role_id) == (id_of("ann"), DEFAULT_ACCESS)
    company.make_group("one", "two", displayName="sales", securityEnabled=True)
    assert [each.name for each in company.store.applications.awaited("sp")] == ["Sales"]
    company.change("two", ObjectKind.GROUP, displayName="Sales B")
    assert [each.name for each in company.store.applications.awaited("sp")] == ["Sales"]
    company.change("one", ObjectKind.GROUP, displayName="SALES")
    assert company.store.applications.awaited("sp") == []
    assert len(company.store.applications.assignments(service_principal_id="sp")) == 2


def test_an_application_goes_with_all_that_is_its_own(company: Company) -> None:
    company.assign("ann")
    company.link("ann")
    company.store.secrets.put("sp", {"SecretToken": "x"})
    company.store.applications.remove("sp")
    assert company.store.applications.list() == []
    assert company.store.jobs.list() == []
    assert company.store.applications.assignments(principal_id=id_of("ann")) == []
    with pytest.raises(LookupError):
        company.store.applications.remove("sp")


def test_secrets_are_replaced_as_a_list_and_sealed_at_rest(company: Company, store_database: Database) -> None:
    company.store.secrets.put("sp", {"SecretToken": "hush", "BaseAddress": "https://x/scim", "SyncAll": "false"})
    assert list(company.store.secrets.get("sp").items()) == [
        ("SecretToken", "hush"),
        ("BaseAddress", "https://x/scim"),
        ("SyncAll", "false"),
    ]
    with store_database.read() as connection:
        sealed = connection.execute(sa.text("SELECT sealed FROM secrets")).scalars().all()
    assert not any(b"hush" in bytes(value) or b"scim" in bytes(value) for value in sealed)
    company.store.secrets.put("sp", {"SecretToken": "", "BaseAddress": "https://y"})
    assert company.store.secrets.get("sp") == {"BaseAddress": "https://y"}
    with pytest.raises(LookupError):
        company.store.secrets.get("x")


SPELLINGS = [
    ("https://x.example/scim/v2", "https://X.example:443/scim/v2/?aadOptscim062020", True),
    ("http://x/scim", "http://x:80/scim", True),
    ("https://x/scim", "https://x/scim2", False),
    ("https://x/scim", "http://x/scim", False),
    ("https://x:1/scim", "https://x:2/scim", False),
    ("https://x/a", "https://x:nonsense/a", True),
]


@pytest.mark.parametrize(("one", "other", "same"), SPELLINGS)
def test_jobs_know_whose_object_it_is_over_spellings_of_one_address(
    company: Company, one: str, other: str, same: bool
) -> None:
    second = Company(company.store, application="other", job="other-job").found()
    company.store.secrets.put("sp", {"BaseAddress": one})
    company.store.secrets.put("other", {"BaseAddress": other})
    company.link("ann")
    owners = second.store.links.owners("other-job", ObjectKind.USER, ["t-ann", "t-bob"])
    assert owners == ({"t-ann": ("job", id_of("ann"))} if same else {})


def test_a_job_is_kept_and_found(company: Company) -> None:
    assert company.store.jobs.get("job") == job("job", "sp")
    assert company.store.jobs.get("x") is None
    Company(company.store, application="other", job="other-job").found()
    assert [each.id for each in company.store.jobs.list()] == ["job", "other-job"]
    assert [each.id for each in company.store.jobs.list("other")] == ["other-job"]
    with pytest.raises(LookupError):
        company.store.jobs.add(job("third", "nowhere"), {}, "me")


def test_a_job_changes_in_schedule_quarantine_settings_and_interval(company: Company) -> None:
    quarantine = Quarantine(
        reason=QuarantineReason.TOO_MANY_DELETES,
        failure=FailureRecord(code="TooManyDeletes", sentence="s", remedy="r"),
        began_at=NOW,
        series_began_at=NOW,
        series_count=1,
        next_attempt_at=NOW + timedelta(hours=1),
    )
    jobs = company.store.jobs
    jobs.set_schedule("job", ScheduleState.PAUSED)
    jobs.set_quarantine("job", quarantine)
    jobs.set_settings("job", {"a": "1", "b": "2"})
    jobs.set_settings("job", {"b": "3"})
    jobs.set_interval("job", timedelta(minutes=5))
    found = jobs.get("job")
    assert found is not None
    assert (found.schedule_state, found.quarantine, found.interval) == (
        ScheduleState.PAUSED,
        quarantine,
        timedelta(minutes=5),
    )
    assert found.settings == {"a": "1", "b": "3"}
    jobs.set_quarantine("job", None)
    assert jobs.get("job").quarantine is None  # type: ignore[union-attr]  # it is there


@pytest.mark.parametrize(
    "change",
    [
        lambda jobs: jobs.set_schedule("x", ScheduleState.PAUSED),
        lambda jobs: jobs.set_quarantine("x", None),
        lambda jobs: jobs.set_settings("x", {}),
        lambda jobs: jobs.set_watermark("x", 1),
        lambda jobs: jobs.save_schema("x", {}, "me", NOW),
        lambda jobs: jobs.schema("x"),
        lambda jobs: jobs.schema_versions("x"),
        lambda jobs: jobs.schema_version("x", "1"),
        lambda jobs: jobs.remove("x"),
    ],
)
def test_an_unknown_job_is_named(store: Store, change: object) -> None:
    with pytest.raises(LookupError, match="no job x"):
        change(store.jobs)  # type: ignore[operator]  # a row of a table


def test_rules_are_kept_in_versions_and_a_new_one_asks_for_an_initial_cycle(company: Company) -> None:
    jobs = company.store.jobs
    first = jobs.schema("job")
    assert (first.version, first.by, first.at, first.document) == ("1", "admin", NOW, {"name": "rules"})
    jobs.set_watermark("job", 12)
    document = {"z": [1, {"y": None}], "a": "ü"}
    assert jobs.save_schema("job", document, "me", NOW) == "2"
    saved = jobs.schema("job")
    assert (saved.version, saved.by, saved.document) == ("2", "me", document)
    assert list(saved.document) == ["z", "a"], "the order of a document is its author's"
    found = jobs.get("job")
    assert found is not None
    assert (found.watermark, found.schema_version) == (None, "2")
    assert [(kept.version, kept.by, kept.at) for kept in jobs.schema_versions("job")] == [
        ("2", "me", NOW),
        ("1", "admin", NOW),
    ]
    assert jobs.schema_version("job", "1") == first
    assert [jobs.schema_version("job", number) for number in ("3", "0", "x", "9" * 12)] == [None] * 4


def test_a_job_goes_with_its_links_and_cycles(company: Company) -> None:
    company.link("ann")
    company.begin()
    company.store.jobs.remove("job")
    assert company.store.jobs.list() == []
    assert company.store.cycles.get("cycle") is None
    company.store.jobs.add(job("job", "sp"), {}, "me")
    assert company.store.links.count_links("job") == 0
    assert company.store.log.search(LogQuery(job_id="job"))[0] == []


def test_removing_a_job_removes_thousands_of_links(company: Company) -> None:
    company.begin("big", CycleKind.ON_DEMAND)
    company.hire(*(f"n{number}" for number in range(2_000)))
    company.link(*(f"n{number}" for number in range(2_000)))
    company.store.jobs.remove("job")
    company.store.jobs.add(job("job", "sp"), {}, "me")
    assert company.store.links.count_links("job") == 0
