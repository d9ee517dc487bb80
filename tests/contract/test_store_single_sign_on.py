"""The store of single sign-on on every database: identifiers are unique, one key is active, keys are sealed."""

from datetime import UTC, datetime, timedelta

import pytest

from muster.model.application import EnterpriseApplication
from muster.model.single_sign_on import Claim, SamlSettings, SigningCertificate
from muster.ports.single_sign_on import IdentifierTaken
from muster.store.open import Store

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@pytest.fixture
def kept(store: Store) -> Store:
    for name in ("a", "b"):
        store.applications.add(
            EnterpriseApplication(
                service_principal_id=name,
                application_id=f"application-{name}",
                app_id=f"app-{name}",
                template_id="t",
                display_name=name,
                app_roles=(),
                accepts_default_access=False,
            )
        )
    return store


def _certificate(name: str, *, is_active: bool) -> SigningCertificate:
    return SigningCertificate(
        key_id=name,
        pem=f"pem of {name}",
        thumbprint=name.upper(),
        subject=f"CN={name}",
        not_before=NOW + timedelta(seconds=ord(name[-1])),
        not_after=NOW + timedelta(days=1_000),
        is_active=is_active,
    )


def test_settings_are_kept_whole_and_an_identifier_once(kept: Store) -> None:
    store = kept.single_sign_on
    assert store.settings("a") is None
    settings = SamlSettings(
        is_enabled=True,
        identifier="https://x.example",
        reply_urls=("https://x.example/1", "https://x.example/2"),
        claims=(Claim(name="n", expression="[mail]"),),
        notified=("a@x.example",),
    )
    store.put("a", settings)
    assert store.settings("a") == settings
    assert store.of_identifier("https://x.example") == "a"
    with pytest.raises(IdentifierTaken):
        store.put("b", settings)
    store.put("b", SamlSettings())
    store.put("a", SamlSettings())
    assert store.of_identifier("https://x.example") is None
    store.put("b", settings)
    kept.applications.set_deleted("b", NOW)
    assert store.of_identifier("https://x.example") is None
    with pytest.raises(LookupError):
        store.put("nothing", settings)


def test_one_key_of_an_application_is_active(kept: Store) -> None:
    store = kept.single_sign_on
    assert store.active_key("a") is None
    store.add_key("a", _certificate("k1", is_active=True), "secret 1")
    store.add_key("a", _certificate("k2", is_active=False), "secret 2")
    store.add_key("b", _certificate("k3", is_active=True), "secret 3")
    assert [(each.key_id, each.is_active) for each in store.certificates("a")] == [("k2", False), ("k1", True)]
    assert store.active_key("a") == (_certificate("k1", is_active=True), "secret 1")
    assert store.activate("a", "k2")
    assert not store.activate("a", "k3")
    assert store.active_key("a") == (_certificate("k2", is_active=True), "secret 2")
    assert not store.remove_key("a", "k2")
    assert store.remove_key("a", "k1")
    assert not store.remove_key("a", "k1")
    assert sorted((sp, each.key_id) for sp, each in store.all_certificates()) == [("a", "k2"), ("b", "k3")]


def test_keys_are_sealed_and_go_with_their_application(kept: Store) -> None:
    kept.single_sign_on.add_key("a", _certificate("k1", is_active=True), "secret 1")
    assert kept.single_sign_on.reseal() == 0
    kept.applications.remove("a")
    assert kept.single_sign_on.all_certificates() == []
