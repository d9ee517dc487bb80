"""The stores of app registrations and owners."""

from datetime import timedelta

import pytest

from fakes.company import NOW
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role
from muster.store.open import Store

CLIENT = ClientApplication(
    application_id="application",
    service_principal_id="sp",
    app_id="app",
    display_name="Deploy",
    roles=frozenset({Role.APPLICATION_ADMINISTRATOR}),
    created_at=NOW,
)
LATER = NOW + timedelta(hours=1)


def secret(key_id: str) -> ClientSecret:
    return ClientSecret(key_id=key_id, display_name=None, hint="m", created_at=NOW, expires_at=NOW + timedelta(days=1))


@pytest.fixture
def kept(store: Store) -> Store:
    store.clients.add(CLIENT)
    for key_id in ("first", "second"):
        store.clients.add_secret("application", secret(key_id), f"hash-{key_id}")
    return store


@pytest.mark.parametrize("name", ["application", "sp", "app"])
def test_a_registration_is_found_by_each_of_its_ids(kept: Store, name: str) -> None:
    found = kept.clients.get(name)
    assert found is not None
    assert (found.display_name, found.roles) == ("Deploy", CLIENT.roles)
    assert [each.key_id for each in found.secrets] == ["first", "second"]
    assert kept.clients.list() == [found]
    assert kept.clients.get("nothing") is None


def test_a_secret_is_found_by_its_client_and_hash_alone(kept: Store) -> None:
    assert kept.clients.find_secret("app", "hash-first") == secret("first")
    assert kept.clients.find_secret("app", "hash-third") is None
    assert kept.clients.find_secret("other", "hash-first") is None


def test_an_access_token_has_the_roles_that_the_client_has_now(kept: Store) -> None:
    kept.clients.add_access_token("app", "first", "token", "hash", NOW, LATER)
    found = kept.access.token("hash", NOW)
    assert found is not None
    assert (found.client_id, found.roles, found.name) == ("sp", CLIENT.roles, "Deploy")
    assert kept.access.tokens() == []
    kept.clients.change("application", display_name="Other", roles=frozenset())
    found = kept.access.token("hash", NOW)
    assert found is not None
    assert found.roles == frozenset()
    assert kept.access.token("hash", LATER) is None
    used = kept.clients.get("app")
    assert used is not None
    assert [each.last_used_at for each in used.secrets] == [NOW, None]


def test_a_token_goes_with_its_secret_and_expired_ones_with_the_next(kept: Store) -> None:
    kept.clients.add_access_token("app", "first", "one", "hash-1", NOW, LATER)
    kept.clients.add_access_token("app", "second", "two", "hash-2", NOW, LATER)
    assert kept.clients.remove_secret("application", "first")
    assert not kept.clients.remove_secret("application", "first")
    assert kept.access.token("hash-1", NOW) is None
    assert kept.access.token("hash-2", NOW) is not None
    kept.clients.add_access_token("app", "second", "three", "hash-3", LATER, LATER + timedelta(hours=1))
    assert kept.access.token("hash-2", NOW) is None
    kept.clients.remove("application")
    assert kept.access.token("hash-3", LATER) is None
    assert kept.clients.list() == []


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(LookupError, match="app registration nothing"):
        store.clients.add_secret("nothing", secret("x"), "hash")


def test_owners_are_kept_once_and_in_order(kept: Store) -> None:
    assert kept.owners.add("sp-1", "b")
    assert kept.owners.add("sp-1", "a")
    assert not kept.owners.add("sp-1", "a")
    assert kept.owners.add("sp-2", "a")
    assert kept.owners.owners("sp-1") == ["b", "a"]
    assert kept.owners.owned_by("a") == {"sp-1", "sp-2"}
    assert kept.owners.remove("sp-1", "a")
    assert not kept.owners.remove("sp-1", "a")
    assert kept.owners.owned_by("a") == {"sp-2"}


def test_a_registration_that_is_gone_owns_nothing(kept: Store) -> None:
    kept.owners.add("sp-1", "sp")
    kept.clients.remove("application")
    assert kept.owners.owners("sp-1") == []
