"""The SCIM repository's contract: over memory, over SQLite and, where one can be had, over PostgreSQL."""

import random
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.schema import CreateSchema, DropSchema

from fakes.scim_repository import MemoryRepository, counted_ids, ticking_clock
from muster.configuration_manager.customers import Customers, Profile
from muster.configuration_manager.marks import Mark, Marks
from muster.configuration_manager.resources import ResourceStore, SqlRepository, open_resource_store
from muster.configuration_manager.tables import resources
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, open_database
from muster.database.migration import migrate
from muster.database.statements import driver_of
from muster.scim.errors import InvalidValue, PreconditionFailed, ResourceNotFound, UniquenessConflict
from muster.scim.evaluation import bound_filter, compile_filter
from muster.scim.repository import Document, MembersChange, Repository, ResourceQuery
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType
from muster.scim.sorting import bound_sort
from waiting import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = (GENERIC_USER_TYPE, GROUP_TYPE)
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MIGRATIONS = "muster.configuration_manager.migrations"
UNKNOWN_ID = "00000000-0000-4000-8000-ffffffffffff"


@dataclass
class Sql:
    """A database with its customers; `repository()` is a new customer's."""

    database: Database
    writer: Writer
    customers: Customers
    store: ResourceStore
    numbers: Iterator[int]

    def repository(self, profile: Profile = Profile.GENERIC, types: Sequence[ResourceType] = TYPES) -> SqlRepository:
        customer = self.customers.create_customer(f"c{next(self.numbers)}", profile, now=NOW)
        return SqlRepository(
            self.store,
            customer_key=customer.key,
            unique_scope=customer.unique_scope,
            resource_types=types,
            base_url="https://cm.example/scim/v2",
        )


def _open(location: str | Path, *, batch_limit: int) -> Sql:
    database = open_database(location)
    writer = Writer(database, batch_limit=batch_limit)
    store = open_resource_store(database, writer, now=ticking_clock(), new_id=counted_ids())
    return Sql(database, writer, Customers(database, writer), store, count(1))


@contextmanager
def _opened(dialect: str, folder: Path, postgres: str | None) -> Iterator[Sql]:
    if dialect == "sqlite":
        opened = _open(folder / "cm.db", batch_limit=64)
        migrate(opened.database, MIGRATIONS)
        yield opened
        opened.database.close()
        return
    if postgres is None:
        pytest.skip("PostgreSQL is not installed and MUSTER_TEST_POSTGRES not set")
    schema = f"t{uuid.uuid4().hex}"
    opened = _open(f"{postgres}{'&' if '?' in postgres else '?'}options=-csearch_path%3D{schema}", batch_limit=1)
    with opened.database.write() as connection:
        connection.execute(CreateSchema(schema))
    migrate(opened.database, MIGRATIONS)
    yield opened
    with opened.database.write() as connection:
        connection.execute(DropSchema(schema, cascade=True))
    opened.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest, tmp_path: Path, postgres: str | None) -> Iterator[Sql]:
    with _opened(request.param, tmp_path, postgres) as opened:
        yield opened


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, postgres: str | None) -> Iterator[Repository]:
    if request.param == "memory":
        yield MemoryRepository(TYPES)
        return
    with _opened(request.param, tmp_path, postgres) as opened:
        yield opened.repository()


def _user(user_name: str, /, **others: Any) -> Document:
    return {"schemas": [GENERIC_USER_TYPE.schema.id], "userName": user_name, **others}


def _group(name: str, *members: str, **others: Any) -> Document:
    listed = {"members": [{"value": member} for member in members]} if members else {}
    return {"schemas": [GROUP_TYPE.schema.id], "displayName": name, **listed, **others}


def _named(kind: str, name: str) -> Document:
    return _user(name) if kind == "User" else _group(name)


def _setting(**values: Any) -> Callable[[Document], Document]:
    return lambda document: {**document, **values}


def _same(document: Document) -> Document:
    return document


def _ids(members: Sequence[dict[str, Any]]) -> set[str]:
    return {member["value"] for member in members}


def _members(repository: Repository, group_id: str) -> set[str]:
    found = repository.get("Group", group_id)
    assert found is not None
    return _ids(found.document.get("members", []))


def _find(repository: Repository, text: str, kind: ResourceType = GENERIC_USER_TYPE, **others: Any) -> list[str]:
    query = ResourceQuery(filter=bound_filter(text, kind), **others)
    name = "userName" if kind is GENERIC_USER_TYPE else "displayName"
    return [found.document[name] for found in repository.query(kind.name, query).resources]


# One resource


def test_an_inserted_resource_has_an_id_and_meta_and_is_read_back_as_it_was_answered(repository: Repository) -> None:
    made = repository.insert("User", _user("ada", name={"familyName": "Lovelace"}, active=True))
    assert made.document["id"] == made.id
    assert made.document["meta"]["resourceType"] == "User"
    assert made.document["meta"]["created"] == made.document["meta"]["lastModified"]
    assert made.document["meta"]["version"] == f'W/"{made.version}"'
    assert repository.get("User", made.id) == made


def test_the_body_is_the_document_and_ends_with_meta(repository: Repository) -> None:
    made = repository.insert("User", _user("ada", externalId="7", title="Countess"))
    assert orjson.loads(made.body) == made.document
    assert list(made.document)[:3] == ["schemas", "id", "externalId"]
    assert list(made.document)[-1] == "meta"
    assert made.body.endswith(b"}}")


@pytest.mark.parametrize(("type_name", "resource_id"), [("User", UNKNOWN_ID), ("Group", "x"), ("User", "")])
def test_an_unknown_id_is_not_found(repository: Repository, type_name: str, resource_id: str) -> None:
    assert repository.get(type_name, resource_id) is None
    with pytest.raises(ResourceNotFound):
        repository.change(type_name, resource_id, _same)
    with pytest.raises(ResourceNotFound):
        repository.replace(type_name, resource_id, _same)
    with pytest.raises(ResourceNotFound):
        repository.delete(type_name, resource_id)


def test_an_id_of_another_type_is_not_found(repository: Repository) -> None:
    made = repository.insert("User", _user("ada"))
    assert repository.get("Group", made.id) is None


def test_a_deleted_resource_is_gone_and_its_user_name_is_free(repository: Repository) -> None:
    made = repository.insert("User", _user("ada"))
    repository.delete("User", made.id)
    assert repository.get("User", made.id) is None
    assert repository.query("User", ResourceQuery()).total == 0
    again = repository.insert("User", _user("ada"))
    assert again.id != made.id


def test_a_change_makes_a_new_version_and_keeps_id_and_created(repository: Repository) -> None:
    made = repository.insert("User", _user("ada"))
    changed = repository.change("User", made.id, _setting(title="Countess"))
    assert changed.document["title"] == "Countess"
    assert changed.version != made.version
    assert changed.document["meta"]["created"] == made.document["meta"]["created"]
    assert changed.document["meta"]["lastModified"] > made.document["meta"]["lastModified"]
    assert repository.get("User", made.id) == changed


@pytest.mark.parametrize("method", ["change", "replace"])
def test_what_changes_nothing_keeps_the_version(repository: Repository, method: str) -> None:
    made = repository.insert("User", _user("ada"))
    assert getattr(repository, method)("User", made.id, _same) == made


def test_a_refused_change_leaves_the_resource_as_it_was(repository: Repository) -> None:
    made = repository.insert("User", _user("ada"))

    def refuse(_: Document) -> Document:
        raise InvalidValue("title: no.")

    with pytest.raises(InvalidValue):
        repository.change("User", made.id, refuse)
    assert repository.get("User", made.id) == made


@pytest.mark.parametrize("method", ["change", "replace"])
def test_a_version_that_has_passed_is_refused(repository: Repository, method: str) -> None:
    made = repository.insert("User", _user("ada"))
    changed = repository.change("User", made.id, _setting(title="1"), if_version=made.version)
    with pytest.raises(PreconditionFailed):
        getattr(repository, method)("User", made.id, _setting(title="2"), if_version=made.version)
    with pytest.raises(PreconditionFailed):
        repository.delete("User", made.id, if_version=made.version)
    repository.delete("User", made.id, if_version=changed.version)


# Uniqueness


@pytest.mark.parametrize("other", ["ada@x.example", "ADA@x.example", "Ada@X.Example"])
def test_a_user_name_is_unique_whatever_its_letter_case(repository: Repository, other: str) -> None:
    repository.insert("User", _user("ada@x.example"))
    with pytest.raises(UniquenessConflict, match="userName"):
        repository.insert("User", _user(other))
    assert repository.query("User", ResourceQuery()).total == 1


def test_a_change_to_a_taken_user_name_is_refused(repository: Repository) -> None:
    repository.insert("User", _user("ada"))
    made = repository.insert("User", _user("bob"))
    with pytest.raises(UniquenessConflict):
        repository.change("User", made.id, _setting(userName="ADA"))
    assert repository.get("User", made.id) == made


def test_a_user_may_write_its_own_name_anew(repository: Repository) -> None:
    made = repository.insert("User", _user("ada"))
    assert repository.change("User", made.id, _setting(userName="Ada")).document["userName"] == "Ada"


def test_a_group_name_is_unique_whatever_its_letter_case(repository: Repository) -> None:
    repository.insert("Group", _group("Sales"))
    with pytest.raises(UniquenessConflict, match="displayName"):
        repository.insert("Group", _group("sales"))


def test_users_may_share_a_display_name(repository: Repository) -> None:
    repository.insert("User", _user("ada", displayName="A"))
    repository.insert("User", _user("bob", displayName="A"))
    assert _find(repository, 'displayName eq "a"') == ["ada", "bob"]


def test_generic_customers_do_not_share_user_names(sql: Sql) -> None:
    first, second = sql.repository(), sql.repository()
    first.insert("User", _user("ada"))
    second.insert("User", _user("ada"))
    assert [first.query("User", ResourceQuery()).total, second.query("User", ResourceQuery()).total] == [1, 1]


def test_8x8_customers_share_user_names(sql: Sql) -> None:
    first = sql.repository(Profile.EIGHT_BY_EIGHT, (USER_8X8_TYPE,))
    second = sql.repository(Profile.EIGHT_BY_EIGHT, (USER_8X8_TYPE,))
    first.insert("User", _user("ada"))
    with pytest.raises(UniquenessConflict):
        second.insert("User", _user("ADA"))


def test_a_customer_sees_nothing_of_another(sql: Sql) -> None:
    first, second = sql.repository(), sql.repository()
    made = first.insert("User", _user("ada", externalId="7"))
    assert second.get("User", made.id) is None
    assert _find(second, 'userName eq "ada"') == []
    assert _find(second, 'externalId eq "7" or title co "x"') == []
    group = second.insert("Group", _group("Sales"))
    with pytest.raises(InvalidValue):
        second.change("Group", group.id, _same, members=MembersChange(add=({"value": made.id},)))
    with pytest.raises(ResourceNotFound):
        second.delete("User", made.id)


def test_of_sixteen_that_insert_one_user_name_one_succeeds(sql: Sql) -> None:
    repository = sql.repository()
    barrier = threading.Barrier(16)
    outcomes: list[str] = []

    def insert() -> None:
        barrier.wait()
        try:
            repository.insert("User", _user("ada"))
            outcomes.append("made")
        except UniquenessConflict:
            outcomes.append("refused")

    _run_together([insert] * 16)
    assert sorted(outcomes) == ["made"] + ["refused"] * 15
    assert repository.query("User", ResourceQuery()).total == 1


def test_no_change_of_concurrent_writers_is_lost(sql: Sql) -> None:
    repository = sql.repository()
    made = repository.insert("User", _user("ada"))

    def note(number: int) -> Callable[[], None]:
        entry = {"value": str(number)}
        return lambda: _ignore(
            repository.change(
                "User", made.id, lambda document: {**document, "roles": [*document.get("roles", []), entry]}
            )
        )

    _run_together([note(number) for number in range(12)])
    found = repository.get("User", made.id)
    assert found is not None
    assert {role["value"] for role in found.document["roles"]} == {str(number) for number in range(12)}
    assert int(found.version) == 13


def test_of_64_threads_that_create_one_name_one_succeeds(sql: Sql) -> None:
    repository = sql.repository()
    outcomes: list[str] = []

    def create() -> None:
        try:
            outcomes.append(repository.insert("User", _user("Ada")).id)
        except UniquenessConflict:
            outcomes.append("taken")

    _run_together([create] * 64)
    assert len(outcomes) == 64
    assert outcomes.count("taken") == 63


def _ignore(_: object) -> None:
    return None


def _run_together(works: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("attribute", ["userName", "externalId", "displayName"])
def test_a_zero_character_in_an_indexed_attribute_is_refused(sql: Sql, attribute: str) -> None:
    with pytest.raises(InvalidValue, match=attribute):
        sql.repository().insert("User", {**_user("ada"), attribute: "a\0b"})


def test_a_zero_character_in_an_id_finds_nothing(repository: Repository) -> None:
    assert repository.get("User", "a\0b") is None
    with pytest.raises(ResourceNotFound):
        repository.delete("User", "a\0b")


# Members


def test_members_are_kept_apart_and_given_back(repository: Repository) -> None:
    ada, bob = (repository.insert("User", _user(name)).id for name in ("ada", "bob"))
    made = repository.insert("Group", _group("Sales", ada, bob))
    assert _ids(made.document["members"]) == {ada, bob}
    without = repository.get("Group", made.id, with_members=False)
    assert without is not None
    assert "members" not in without.document


def test_a_group_may_be_a_member(repository: Repository) -> None:
    inner = repository.insert("Group", _group("Inner")).id
    outer = repository.insert("Group", _group("Outer", inner)).id
    assert _members(repository, outer) == {inner}


def test_a_member_that_does_not_exist_is_refused_and_nothing_is_stored(sql: Sql) -> None:
    repository = sql.repository()
    with pytest.raises(InvalidValue, match=UNKNOWN_ID):
        repository.insert("Group", _group("Sales", UNKNOWN_ID))
    assert repository.query("Group", ResourceQuery()).total == 0
    assert repository.query("Group", ResourceQuery(filter=bound_filter("displayName pr", GROUP_TYPE))).total == 0


@pytest.mark.parametrize(
    ("clear", "remove", "add", "after"),
    [
        (False, "", "c", "abc"),
        (False, "a", "", "b"),
        (False, "a", "a", "ab"),
        (True, "", "", ""),
        (True, "", "c", "c"),
        (False, "c", "", "ab"),
        (False, "", "a", "ab"),
        (False, "ab", "cd", "cd"),
    ],
)
def test_members_change_in_the_order_clear_remove_add(
    repository: Repository, clear: bool, remove: str, add: str, after: str
) -> None:
    ids = {name: repository.insert("User", _user(name)).id for name in "abcd"}
    group = repository.insert("Group", _group("Sales", ids["a"], ids["b"]))
    change = MembersChange(
        clear=clear, remove=tuple(ids[name] for name in remove), add=tuple({"value": ids[name]} for name in add)
    )
    repository.change("Group", group.id, _same, members=change)
    assert _members(repository, group.id) == {ids[name] for name in after}


@pytest.mark.parametrize(
    ("clear", "remove", "add"),
    [(False, "", "ada"), (False, "bob", ""), (True, "", "ada"), (False, "ada", "ada")],
)
def test_a_change_of_members_that_changes_nothing_keeps_the_version(
    repository: Repository, clear: bool, remove: str, add: str
) -> None:
    ids = {name: repository.insert("User", _user(name)).id for name in ("ada", "bob")}
    group = repository.insert("Group", _group("Sales", ids["ada"]))
    change = MembersChange(
        clear=clear,
        remove=(ids[remove], UNKNOWN_ID) if remove else (),
        # Who stays keeps the name it was added with.
        add=({"value": ids[add], "display": "Ada"},) if add else (),
    )
    assert repository.change("Group", group.id, _same, members=change).version == group.version
    assert repository.get("Group", group.id) == group


def test_a_change_of_members_makes_a_new_version(repository: Repository) -> None:
    ada = repository.insert("User", _user("ada")).id
    group = repository.insert("Group", _group("Sales"))
    changed = repository.change("Group", group.id, _same, members=MembersChange(add=({"value": ada},)))
    assert changed.version != group.version


def test_replacing_a_group_replaces_its_members(repository: Repository) -> None:
    ada, bob = (repository.insert("User", _user(name)).id for name in ("ada", "bob"))
    group = repository.insert("Group", _group("Sales", ada))
    replaced = repository.replace("Group", group.id, _setting(displayName="Trade", members=[{"value": bob}]))
    assert (replaced.document["displayName"], _ids(replaced.document["members"])) == ("Trade", {bob})
    assert _members(repository, group.id) == {bob}


def test_a_deleted_user_is_no_member_any_more(repository: Repository) -> None:
    ada, bob = (repository.insert("User", _user(name)).id for name in ("ada", "bob"))
    group = repository.insert("Group", _group("Sales", ada, bob))
    repository.delete("User", ada)
    assert _members(repository, group.id) == {bob}


def test_a_group_that_loses_a_member_by_deletion_has_a_new_version(sql: Sql) -> None:
    repository = sql.repository()
    ada = repository.insert("User", _user("ada")).id
    group = repository.insert("Group", _group("Sales", ada))
    repository.delete("User", ada)
    found = repository.get("Group", group.id)
    assert found is not None
    assert found.version != group.version


def test_a_user_shows_its_groups(repository: Repository) -> None:
    ada = repository.insert("User", _user("ada"))
    assert "groups" not in ada.document
    group = repository.insert("Group", _group("Sales", ada.id))
    found = repository.get("User", ada.id)
    assert found is not None
    assert [(item["value"], item["display"]) for item in found.document["groups"]] == [(group.id, "Sales")]
    assert orjson.loads(found.body) == found.document
    assert repository.change("User", ada.id, _setting(title="x")).document["groups"] == found.document["groups"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_page_of_everybody_shows_the_groups_of_whoever_is_in_one(repository: Repository, place: int) -> None:
    people = [repository.insert("User", _user(name)) for name in ("ada", "bob", "eve")]
    assert all("groups" not in found.document for found in repository.query("User", ResourceQuery(limit=9)).resources)
    group = repository.insert("Group", _group("Sales", people[place].id))
    found = repository.query("User", ResourceQuery(limit=9))
    shown = [_ids(each.document.get("groups", [])) for each in found.resources]
    assert shown == [{group.id} if at == place else set() for at in range(3)]
    assert found.total == 3


# Queries

PEOPLE: tuple[Document, ...] = (
    _user("ada", externalId="A1", active=True, displayName="Ada", title="Countess", name={"familyName": "Lovelace"}),
    _user("Bob", externalId="a1", active=False, displayName="bob", emails=[{"value": "bob@x.example", "type": "work"}]),
    _user("Çelik", active=True, displayName="100%_x", **{ENTERPRISE: {"department": "Sales"}}),
    _user("dora.ß", externalId="d'\"\\", displayName="Straße"),
    _user("eve", active=True, name={"familyName": "lovelace"}, emails=[{"value": "e@y.example", "primary": True}]),
    _user("ﬁona", displayName="adam", title="countess of x"),
)
FILTERS = (
    'userName eq "ADA"',
    'userName eq "bob"',
    'userName eq "çelik"',
    'userName eq "DORA.SS"',
    'userName eq "fiona"',
    'userName ne "ada"',
    'userName sw "d"',
    'userName sw ""',
    'userName co "o"',
    'userName ew "A"',
    'userName gt "bob"',
    'userName ge "BOB"',
    'userName lt "bob"',
    'userName le "bob"',
    'externalId eq "a1"',
    'externalId eq "A1"',
    'externalId ne "A1"',
    'externalId sw "a"',
    'externalId co "A"',
    'externalId ew "1"',
    'externalId eq "d\'\\"\\\\"',
    "externalId pr",
    "not (externalId pr)",
    'displayName eq "STRASSE"',
    'displayName co "%_"',
    'displayName co "%"',
    'displayName sw "AD"',
    'displayName ew "_X"',
    "displayName pr",
    'displayName ne "ada"',
    'not (displayName eq "ada")',
    "active eq true",
    "active eq false",
    "active ne true",
    "not (active eq true)",
    "active eq null",
    'title eq "COUNTESS"',
    'title co "of"',
    'name.familyName eq "lovelace"',
    'emails.value eq "BOB@x.example"',
    'emails eq "bob@x.example"',
    'emails[type eq "work" and value co "bob"]',
    "emails[primary eq true]",
    "emails pr",
    f'{ENTERPRISE}:department eq "sales"',
    'userName eq "ada" or title pr',
    'userName sw "a" and active eq true',
    "title pr and active eq true",
    'active eq true and (userName eq "eve" or name.familyName eq "Lovelace")',
    "not (title pr) and not (active eq true)",
    'userName eq "ada" and userName eq "bob"',
    'meta.lastModified gt "2026-01-01T00:00:02Z"',
    'meta.created le "2026-01-01T00:00:02Z"',
    'meta.created eq "2026-01-01T00:00:01.000+00:00"',
    'meta.resourceType eq "User"',
    'id eq "00000000-0000-4000-8000-000000000002"',
    'id co "000000000003"',
    'userName eq "\\u0000"',
    'userName co "\\u0000"',
    'schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"',
)


@pytest.fixture
def twins(sql: Sql) -> tuple[MemoryRepository, SqlRepository]:
    """The same people in memory and in the database, with the same ids and instants."""
    memory = MemoryRepository(TYPES)
    for person in PEOPLE:
        memory.insert("User", person)
    stored = sql.repository()
    for person in PEOPLE:
        stored.insert("User", person)
    return memory, stored


def test_every_filter_finds_in_the_database_what_it_finds_in_memory(
    twins: tuple[MemoryRepository, SqlRepository],
) -> None:
    memory, stored = twins
    wrong = {
        text: (found, wanted) for text in FILTERS if (found := _find(stored, text)) != (wanted := _find(memory, text))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('meta.location sw "https://cm.example/scim/v2/Users/"', ["ada", "bob"]),
        ('meta.location ew "{bob}"', ["bob"]),
        ('title eq "x" and not (meta.location co "{bob}")', ["ada"]),
        ('meta.location eq "/Users/{bob}"', []),
        (f'{ENTERPRISE}:manager.$ref eq "https://cm.example/scim/v2/Users/m-1"', ["bob"]),
        (f'{ENTERPRISE}:manager[$ref pr and value eq "m-1"]', ["bob"]),
        (f"not ({ENTERPRISE}:manager.$ref pr)", ["ada"]),
    ],
)
def test_addresses_are_found_though_they_are_made_when_shown(sql: Sql, text: str, names: list[str]) -> None:
    repository = sql.repository()
    repository.insert("User", _user("ada", title="x"))
    bob = repository.insert("User", _user("bob", title="x", **{ENTERPRISE: {"manager": {"value": "m-1"}}}))
    assert _find(repository, text.replace("{bob}", bob.id)) == names


def test_addresses_give_an_order(sql: Sql) -> None:
    repository = sql.repository()
    ids = sorted(repository.insert("User", _user(name)).id for name in ("ada", "bob", "eve"))
    query = ResourceQuery(sort_by=bound_sort("meta.location", GENERIC_USER_TYPE), descending=True)
    assert [found.id for found in repository.query("User", query).resources] == ids[::-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "attribute",
    ["userName", "displayName", "externalId", "active", "title", "name.familyName", "emails", "meta.created", "id"],
)
def test_every_order_is_that_of_memory(
    twins: tuple[MemoryRepository, SqlRepository], attribute: str, descending: bool
) -> None:
    query = ResourceQuery(sort_by=bound_sort(attribute, GENERIC_USER_TYPE), descending=descending)
    wanted, found = (
        [each.document["userName"] for each in repository.query("User", query).resources] for repository in twins
    )
    assert found == wanted


@pytest.mark.parametrize("text", [None, "active eq true", "title pr or userName pr", 'userName eq "ada"'])
@pytest.mark.parametrize(("start", "length"), [(1, 2), (2, 2), (3, 0), (1, 0), (7, 5), (100, 1), (1, 1)])
def test_every_page_is_that_of_memory(
    twins: tuple[MemoryRepository, SqlRepository], text: str | None, start: int, length: int
) -> None:
    bound = None if text is None else bound_filter(text, GENERIC_USER_TYPE)
    query = ResourceQuery(filter=bound, start_index=start, limit=length)
    wanted, found = (repository.query("User", query) for repository in twins)
    assert found.total == wanted.total
    assert [each.document["userName"] for each in found.resources] == [
        each.document["userName"] for each in wanted.resources
    ]


@pytest.mark.parametrize("kind", ["User", "Group"])
def test_pages_read_one_after_the_other_are_those_of_the_whole_list_whatever_changes_between(
    repository: Repository, kind: str
) -> None:
    chance, place, names = random.Random(11), 1, count()
    wanted = [repository.insert(kind, _named(kind, f"n{next(names)}")).id for _ in range(12)]
    for turn in range(200):
        match chance.randrange(4):
            case 0:
                wanted.append(repository.insert(kind, _named(kind, f"n{next(names)}")).id)
            case 1 if len(wanted) > 6:
                repository.delete(kind, wanted.pop(chance.choice([0, -1, len(wanted) // 2])))
        if turn == 40 and kind == "User":
            # From here on some of them are members: their groups are read with them.
            repository.insert("Group", _group("Sales", *wanted))
        length = chance.choice([3, 3, 3, 5])
        page = repository.query(kind, ResourceQuery(start_index=place, limit=length))
        assert (page.total, [each.id for each in page.resources]) == (len(wanted), wanted[place - 1 :][:length])
        place = place + len(page.resources) if page.resources and chance.randrange(8) else 1


def test_a_page_deep_in_a_list_is_read_from_where_the_one_before_it_ended(sql: Sql) -> None:
    repository = sql.repository()
    ids = [repository.insert("User", _user(f"u{number}")).id for number in range(30)]
    repository.insert("Group", _group("Sales", ids[25]))
    for start in (1, 11):
        repository.query("User", ResourceQuery(start_index=start, limit=10))
    mark = sql.store.marks.find((repository._customer_key, "User", False), 21)
    assert mark is not None
    # A mark that leads elsewhere is followed: the list is not counted through.
    elsewhere = replace(mark, key=mark.key + 2)
    sql.store.marks.keep((repository._customer_key, "User", False), 21, elsewhere)
    page = repository.query("User", ResourceQuery(start_index=21, limit=10))
    assert [each.id for each in page.resources] == ids[22:]


def test_no_more_marks_are_kept_than_may_be() -> None:
    marks, mark = Marks(limit=2), Mark(key=1, total=1, newest=1)
    for start in (1, 2):
        marks.keep((1, "User", False), start, mark)
    assert marks.find((1, "User", False), 1) == mark
    marks.keep((1, "User", False), 3, mark)
    assert [marks.find((1, "User", False), start) for start in (1, 2, 3)] == [mark, None, mark]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('members eq "{ada}"', ["Both", "Sales"]),
        ('members.value eq "{bob}"', ["Both"]),
        ('members[value eq "{ada}"]', ["Both", "Sales"]),
        ('displayName eq "sales" and members eq "{bob}"', []),
        ('id eq "{sales}" and members eq "{ada}"', ["Sales"]),
        ("members pr", ["Both", "Sales"]),
        ("not (members pr)", ["Empty"]),
        ('not (members eq "{bob}")', ["Empty", "Sales"]),
        ('members eq "nobody"', []),
        ('members.value co "{ada}"', ["Both", "Sales"]),
    ],
)
def test_groups_are_found_by_their_members(repository: Repository, text: str, names: list[str]) -> None:
    ada, bob = (repository.insert("User", _user(name)).id for name in ("ada", "bob"))
    sales = repository.insert("Group", _group("Sales", ada)).id
    repository.insert("Group", _group("Both", ada, bob))
    repository.insert("Group", _group("Empty"))
    text = text.replace("{ada}", ada).replace("{bob}", bob).replace("{sales}", sales)
    assert sorted(_find(repository, text, GROUP_TYPE)) == names


def test_users_are_found_by_their_groups(repository: Repository) -> None:
    ada, _ = (repository.insert("User", _user(name)).id for name in ("ada", "bob"))
    group = repository.insert("Group", _group("Sales", ada)).id
    assert _find(repository, f'groups.value eq "{group}"') == ["ada"]


@pytest.mark.parametrize("text", [None, 'displayName eq "Sales"', "displayName pr"])
def test_a_list_may_leave_the_members_out(repository: Repository, text: str | None) -> None:
    ada = repository.insert("User", _user("ada")).id
    repository.insert("Group", _group("Sales", ada))
    bound = None if text is None else bound_filter(text, GROUP_TYPE)
    shown, hidden = (
        repository.query("Group", ResourceQuery(filter=bound, with_members=with_members)).resources[0].document
        for with_members in (True, False)
    )
    assert _ids(shown["members"]) == {ada}
    assert "members" not in hidden


def test_members_of_a_large_group_are_all_there(sql: Sql) -> None:
    repository = sql.repository()
    ids = [repository.insert("User", _user(f"u{number}")).id for number in range(1_100)]
    group = repository.insert("Group", _group("All", *ids))
    assert _members(repository, group.id) == set(ids)
    repository.change("Group", group.id, _same, members=MembersChange(remove=tuple(ids[:-1])))
    assert _members(repository, group.id) == {ids[-1]}


def test_the_kept_counter_agrees_with_the_rows(sql: Sql) -> None:
    repository = sql.repository()
    ids = [repository.insert("User", _user(f"u{number}")).id for number in range(5)]
    for resource_id in ids[:2]:
        repository.delete("User", resource_id)
    with pytest.raises(UniquenessConflict):
        repository.insert("User", _user("u4"))
    everyone = ResourceQuery(filter=bound_filter("userName pr", GENERIC_USER_TYPE))
    assert repository.query("User", ResourceQuery()).total == repository.query("User", everyone).total == 3


# Group commit


def test_one_refused_writer_in_a_shared_commit_does_not_harm_the_others(tmp_path: Path) -> None:
    opened = _open(tmp_path / "cm.db", batch_limit=64)
    migrate(opened.database, MIGRATIONS)
    repository = opened.repository()
    repository.insert("User", _user("taken"))
    refused: list[str] = []

    def insert(name: str) -> Callable[[], None]:
        def work() -> None:
            try:
                repository.insert("User", _user(name))
            except UniquenessConflict:
                refused.append(name)

        return work

    with opened.database.write():  # everyone queues behind this one, so they share a commit
        threads = [threading.Thread(target=insert("taken" if n % 4 == 0 else f"u{n}")) for n in range(16)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(opened.writer._queue) >= 15)
    for thread in threads:
        thread.join()
    assert len(refused) == 4
    assert repository.query("User", ResourceQuery()).total == 13
    opened.database.close()


def test_writers_that_share_a_commit_see_each_other_and_are_refused_alone(tmp_path: Path) -> None:
    opened = _open(tmp_path / "cm.db", batch_limit=64)
    migrate(opened.database, MIGRATIONS)
    repository = opened.repository()

    def work(connection: Connection) -> list[str]:
        told = []
        for name in ("ada", "ben", "ada"):
            try:
                repository.insert("User", _user(name))
                told.append(name)
            except UniquenessConflict:
                told.append("refused")
        assert repository.query("User", ResourceQuery()).total == 2, "what was written is read, by whatever statement"
        assert connection.in_transaction()
        return told

    commits = opened.writer.commits
    assert opened.writer.share(work) == ["ada", "ben", "refused"]
    assert opened.writer.commits == commits + 1
    assert repository.query("User", ResourceQuery()).total == 2
    opened.database.close()


def test_nothing_of_a_shared_commit_that_fails_is_kept(tmp_path: Path) -> None:
    opened = _open(tmp_path / "cm.db", batch_limit=64)
    migrate(opened.database, MIGRATIONS)
    repository = opened.repository()

    def work(_: Connection) -> None:
        repository.insert("User", _user("ada"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        opened.writer.share(work)
    assert repository.query("User", ResourceQuery()).total == 0
    assert repository.insert("User", _user("ada")).version == "1", "this thread writes by itself again"
    opened.database.close()


def test_what_failed_after_it_had_written_is_taken_back_and_the_others_are_kept(tmp_path: Path) -> None:
    opened = _open(tmp_path / "cm.db", batch_limit=64)
    migrate(opened.database, MIGRATIONS)
    repository = opened.repository()
    group = {"schemas": [GROUP_TYPE.schema.id], "displayName": "readers", "members": [{"value": "nobody"}]}
    runs = []

    def work(_: Connection) -> int:
        runs.append(repository.insert("User", _user("ada")).id)
        with pytest.raises(InvalidValue):
            repository.insert("Group", group)  # its row is written before its members are looked for
        runs.append(repository.insert("User", _user("ben")).id)
        return len(repository.take_changes())

    assert opened.writer.share(work) == 2
    assert len(runs) == 4, "all was done twice, the second time with savepoints"
    assert repository.query("Group", ResourceQuery()).total == 0
    kept = [found.id for found in repository.query("User", ResourceQuery()).resources]
    assert kept == runs[2:]
    opened.database.close()


def test_of_those_who_share_a_commit_that_is_taken_back_nobody_is_told_that_it_was_kept(tmp_path: Path) -> None:
    opened = _open(tmp_path / "cm.db", batch_limit=64)
    migrate(opened.database, MIGRATIONS)
    repository = opened.repository()

    def lose(connection: Connection) -> None:
        driver_of(connection).execute("ROLLBACK")  # as SQLite does by itself when its disk is full
        raise ZeroDivisionError

    with ThreadPoolExecutor() as pool:
        with opened.database.write():
            alone = pool.submit(repository.insert, "User", _user("ada"))
            assert eventually(lambda: opened.writer._has_leader and not opened.writer._queue)
            together = [pool.submit(repository.insert, "User", _user("ben")), pool.submit(opened.writer.run, lose)]
            assert eventually(lambda: len(opened.writer._queue) == 2)
        assert alone.result().version == "1"
        for each in together:
            with pytest.raises(ZeroDivisionError):
                each.result()
    assert repository.query("User", ResourceQuery()).total == 1
    opened.database.close()


# Many writers at once


def _at_once(count_of_threads: int, work: Callable[[int], None]) -> None:
    """Runs the work in that many threads and raises what one of them raised."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count_of_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _one_more(document: Document) -> Document:
    return {**document, "title": str(int(document.get("title", "0")) + 1)}


def test_64_writers_with_a_version_lose_no_update(sql: Sql) -> None:
    repository = sql.repository()
    made = repository.insert("User", _user("ada"))
    refused: list[int] = []

    def work(number: int) -> None:
        for _ in range(3):
            while True:
                present = repository.get("User", made.id)
                assert present is not None
                try:
                    repository.change("User", made.id, _one_more, if_version=present.version)
                    break
                except PreconditionFailed:
                    refused.append(number)

    _at_once(64, work)
    found = repository.get("User", made.id)
    assert found is not None
    assert (found.document["title"], found.version) == ("192", "193")
    assert refused, "some of them must have met"


def test_64_writers_without_a_version_follow_each_other(sql: Sql) -> None:
    repository = sql.repository()
    made = repository.insert("User", _user("ada"))
    _at_once(64, lambda _: [repository.change("User", made.id, _one_more) for _ in range(3)] and None)
    found = repository.get("User", made.id)
    assert found is not None
    assert found.document["title"] == "192"


def test_of_64_writers_of_8_names_8_are_kept(sql: Sql) -> None:
    repository = sql.repository()
    kept: list[int] = []

    def work(number: int) -> None:
        try:
            repository.insert("User", _user(f"U{number % 8}" if number % 2 else f"u{number % 8}"))
            kept.append(number)
        except UniquenessConflict:
            pass

    _at_once(64, work)
    assert len(kept) == 8
    assert repository.query("User", ResourceQuery()).total == 8


def test_64_writers_of_one_group_and_its_members_end_well(sql: Sql) -> None:
    repository = sql.repository()
    ids = [repository.insert("User", _user(f"u{number}")).id for number in range(64)]
    group = repository.insert("Group", _group("All"))

    def work(number: int) -> None:
        repository.change("Group", group.id, _same, members=MembersChange(add=({"value": ids[number]},)))
        if number % 2:
            repository.delete("User", ids[number])

    _at_once(64, work)
    assert _members(repository, group.id) == set(ids[::2])


def test_groups_that_become_each_others_member_do_not_stop_each_other(
    sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.configuration_manager.writer.LIMIT_ATTEMPTS", 1)
    repository = sql.repository()
    pair = [repository.insert("Group", _group(name)).id for name in ("A", "B")]
    ready = threading.Barrier(8)

    def work(number: int) -> None:
        group, member = pair if number % 2 else reversed(pair)
        ready.wait()
        repository.change("Group", group, _same, members=MembersChange(add=({"value": member},)))

    _at_once(8, work)
    assert [_members(repository, each) for each in pair] == [{pair[1]}, {pair[0]}]


def test_work_that_meets_a_deadlock_is_done_again(tmp_path: Path, postgres: str | None) -> None:
    with _opened("postgresql", tmp_path, postgres) as opened:
        repository = opened.repository()
        ids = [repository.insert("User", _user(name)).id for name in ("ada", "ben")]
        scope = repository._customer_key, "User"
        met = threading.Barrier(2)
        runs: list[int] = []

        def lock(connection: Connection, user_id: str) -> None:
            opened.store.statements.all.by_id_for_update.run_values((*scope, user_id), on=connection)

        def work(number: int) -> None:
            def lock_both(connection: Connection) -> None:
                runs.append(number)
                lock(connection, ids[number])
                if len(runs) <= 2:
                    met.wait()
                lock(connection, ids[1 - number])

            opened.writer.run(lock_both)

        _at_once(2, work)
        assert len(runs) == 3


def _is_somebody_waiting(opened: Sql) -> bool:
    query = """
        SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
    """
    with opened.database.read() as connection:
        return bool(connection.exec_driver_sql(query).scalar_one())


def test_a_member_who_is_being_deleted_is_refused_as_one_who_does_not_exist(
    tmp_path: Path, postgres: str | None
) -> None:
    with _opened("postgresql", tmp_path, postgres) as opened:
        repository = opened.repository()
        leaver = repository.insert("User", _user("ada")).id
        group = repository.insert("Group", _group("A")).id

        def add() -> None:
            with pytest.raises(InvalidValue):
                repository.change("Group", group, _same, members=MembersChange(add=({"value": leaver},)))

        with ThreadPoolExecutor() as pool:
            with opened.database.write() as connection:
                connection.execute(sa.delete(resources).where(resources.c.resource_id == leaver))
                adding = pool.submit(add)
                assert eventually(lambda: _is_somebody_waiting(opened))
            adding.result()


def test_a_group_that_gets_a_member_who_is_deleted_at_once_has_a_new_version(
    tmp_path: Path, postgres: str | None
) -> None:
    with _opened("postgresql", tmp_path, postgres) as opened:
        repository = opened.repository()
        leaver = repository.insert("User", _user("ada")).id
        group = repository.insert("Group", _group("A")).id
        with ThreadPoolExecutor() as pool:
            with opened.database.write() as connection:
                key = connection.scalar(sa.select(resources.c.key).where(resources.c.resource_id == group)) or 0
                repository._membership.change(key, MembersChange(add=({"value": leaver},)), connection)
                deleting = pool.submit(repository.delete, "User", leaver)
                assert eventually(lambda: _is_somebody_waiting(opened))
            deleting.result()
        found = repository.get("Group", group)
        assert found is not None
        assert ("members" in found.document, found.version) == (False, "2")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('userName gt "u1"', 8),
        ('userName ge "u1"', 9),
        ('userName lt "u8"', 8),
        ('userName le "u8"', 9),
        ('userName gt "u6"', 3),
        ('meta.created gt "2020-01-01T00:00:00Z"', 10),
        ('displayName gt "a"', 0),
    ],
)
def test_a_broad_comparison_is_counted_by_what_it_leaves_out(
    sql: Sql, monkeypatch: pytest.MonkeyPatch, text: str, wanted: int
) -> None:
    monkeypatch.setattr("muster.configuration_manager.reading.REST_ROWS", 3)
    repository = sql.repository()
    for number in range(10):
        repository.insert("User", _user(f"u{number}"))
    bound = bound_filter(text, GENERIC_USER_TYPE)
    predicate = compile_filter(bound, GENERIC_USER_TYPE)
    found = repository.query("User", ResourceQuery(filter=bound, limit=2))
    every = [each.document for each in repository.query("User", ResourceQuery()).resources]
    assert found.total == wanted
    assert [each.document for each in found.resources] == [each for each in every if predicate(each)][:2]


# What is shown of a customer


def test_what_was_made_by_hand_is_hidden_where_only_the_providers_own_is_shown(sql: Sql) -> None:
    customer = sql.customers.create_customer("hand", Profile.GENERIC, now=NOW)
    terms: dict[str, Any] = {
        "customer_key": customer.key,
        "unique_scope": customer.unique_scope,
        "resource_types": TYPES,
        "base_url": "https://cm.example/scim/v2",
    }
    desk = SqlRepository(sql.store, by_hand=True, **terms)
    shown = SqlRepository(sql.store, only_provisioned=True, **terms)
    hidden = desk.insert("User", _user("hidden"))
    own = shown.insert("User", _user("own"))
    assert shown.get("User", hidden.id) is None
    assert shown.get("User", own.id) == own
    for text in ('userName eq "hidden"', 'userName sw "hid"', 'nickName ne "x" and userName sw "h"'):
        assert _find(shown, text) == []
        assert _find(desk, text) == ["hidden"]
    assert [shown.query("User", ResourceQuery(limit=n)).total for n in (0, 10)] == [1, 1]
    assert [desk.query("User", ResourceQuery(limit=n)).total for n in (0, 10)] == [2, 2]
    with pytest.raises(ResourceNotFound):
        shown.delete("User", hidden.id)
    with pytest.raises(UniquenessConflict):
        shown.insert("User", _user("hidden"))


def test_a_change_is_noted_with_what_was_before_and_after(sql: Sql) -> None:
    repository = sql.repository()
    made = repository.insert("User", _user("ada"))
    changed = repository.change("User", made.id, _setting(title="Countess"))
    repository.change("User", made.id, _same)
    repository.delete("User", made.id)
    noted = [(change.before, change.after) for change in repository.take_changes()]
    assert noted == [(None, made.body), (made.body, changed.body), (changed.body, None)]
    assert repository.take_changes() == []


# Pages by place


def _walk(repository: Repository, text: str | None, size: int) -> list[list[str]]:
    """The userNames of all pages, each read after the last place of the one before."""
    pages: list[list[str]] = []
    place = 0
    while True:
        bound = None if text is None else bound_filter(text, GENERIC_USER_TYPE)
        page = repository.query("User", ResourceQuery(filter=bound, after=place, limit=size))
        if not page.resources:
            return pages
        assert len(page.places) == len(page.resources)
        place = page.places[-1]
        pages.append([found.document["userName"] for found in page.resources])


# Nothing, what an index answers, what a column answers, and what only the documents answer.
@pytest.mark.parametrize("text", [None, 'userName sw "u"', "active eq true", 'title eq "T"'])
def test_pages_after_a_place_follow_the_order_of_creation(repository: Repository, text: str | None) -> None:
    for number in range(5):
        repository.insert("User", _user(f"u{number}", title="t", active=True))
    assert _walk(repository, text, 2) == [["u0", "u1"], ["u2", "u3"], ["u4"]]


@pytest.mark.parametrize("text", [None, 'userName sw "u"', 'title eq "T"'])
def test_a_page_before_a_place_ends_just_before_it(repository: Repository, text: str | None) -> None:
    for number in range(5):
        repository.insert("User", _user(f"u{number}", title="t"))
    bound = None if text is None else bound_filter(text, GENERIC_USER_TYPE)
    whole = repository.query("User", ResourceQuery(filter=bound, after=0, limit=5))
    for place, wanted in ((whole.places[3], ["u1", "u2"]), (whole.places[1], ["u0"]), (whole.places[0], [])):
        page = repository.query("User", ResourceQuery(filter=bound, before=place, limit=2))
        assert [found.document["userName"] for found in page.resources] == wanted
        assert page.total == 5
    nothing = repository.query("User", ResourceQuery(filter=bound, before=whole.places[4], limit=0))
    assert (nothing.total, list(nothing.resources)) == (5, [])


def test_a_deleted_resource_shifts_no_page(repository: Repository) -> None:
    made = [repository.insert("User", _user(f"u{number}")) for number in range(6)]
    first = repository.query("User", ResourceQuery(after=0, limit=2))
    repository.delete("User", made[0].id)
    repository.delete("User", made[1].id)
    second = repository.query("User", ResourceQuery(after=first.places[-1], limit=2))
    assert [found.document["userName"] for found in second.resources] == ["u2", "u3"]


def test_a_lookup_by_place_finds_the_one_and_then_nothing(repository: Repository) -> None:
    repository.insert("User", _user("ada"))
    bound = bound_filter('userName eq "ada"', GENERIC_USER_TYPE)
    first = repository.query("User", ResourceQuery(filter=bound, after=0, limit=2))
    assert [found.document["userName"] for found in first.resources] == ["ada"]
    assert not repository.query("User", ResourceQuery(filter=bound, after=first.places[0], limit=2)).resources
