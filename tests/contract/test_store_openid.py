"""The store of OpenID Connect, on every database."""

from datetime import timedelta

import pytest

from fakes.company import NOW
from muster.model.application import EnterpriseApplication
from muster.model.identity_provider import IdentityProvider
from muster.model.openid import OpenIdGrant, OpenIdKey, OpenIdSecret, OpenIdSettings
from muster.store.open import Store

GRANT = OpenIdGrant(
    service_principal_id="sp",
    person_id="ada",
    redirect_uri="https://crm.example.com/callback",
    scope="openid",
    authenticated_at=NOW,
    stamp="stamp",
    methods=("pwd",),
)
SOON, LATER = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)


def test_settings_are_kept_whole_and_go_with_the_application(store: Store) -> None:
    application = EnterpriseApplication(
        service_principal_id="sp",
        application_id="application",
        app_id="app",
        template_id="t",
        display_name="CRM",
        app_roles=(),
        accepts_default_access=True,
    )
    store.applications.add(application)
    assert store.openid.settings("sp") is None
    secret = OpenIdSecret(key_id="1", secret_hash="hash", hint="m", created_at=NOW)
    for settings in (OpenIdSettings(), OpenIdSettings(is_enabled=True, redirect_uris=("a", "b"), secrets=(secret,))):
        store.openid.put("sp", settings)
        assert store.openid.settings("sp") == settings
        assert store.openid.all_settings() == {"sp": settings}
    store.applications.remove("sp")
    assert store.openid.settings("sp") is None
    with pytest.raises(LookupError):
        store.openid.put("sp", OpenIdSettings())


def test_the_identity_provider_is_one_and_can_be_taken_away(store: Store) -> None:
    kept = store.identity_providers
    assert kept.get() is None
    for name in ("First", "Second"):
        provider = IdentityProvider(
            display_name=name, discovery_url="https://id.example.com", client_id="muster", client_secret="hush"
        )
        kept.put(provider)
        assert kept.get() == provider
    assert kept.reseal() == 0
    kept.put(None)
    assert kept.get() is None
    assert kept.reseal() == 0


def test_a_code_is_taken_once_and_in_time_and_the_second_time_revokes_the_token(store: Store) -> None:
    kept = store.openid
    kept.add_code("code", GRANT, SOON)
    kept.add_code("late", GRANT, SOON)
    assert kept.take_code("unknown", NOW) is None
    assert kept.take_code("late", SOON) is None
    assert kept.take_code("code", NOW) == GRANT
    assert kept.add_token("code", "token", LATER)
    assert not kept.add_token("code", "another", LATER)
    assert kept.find_token("token", NOW) == GRANT
    assert kept.find_token("token", LATER) is None
    assert kept.take_code("code", NOW) is None
    assert kept.find_token("token", NOW) is None
    assert not kept.add_token("code", "third", LATER)


def test_keys_are_sealed_listed_from_the_newest_and_dropped_by_age_but_the_last(store: Store) -> None:
    def key(number: int) -> OpenIdKey:
        return OpenIdKey(key_id=str(number), created_at=NOW + timedelta(days=number), private_pem=f"pem {number}")

    for number in (1, 2):
        store.openid.add_key(key(number), NOW)
    assert store.openid.signing_keys() == [key(2), key(1)]
    store.openid.add_key(key(90), NOW + timedelta(days=83))
    assert store.openid.signing_keys() == [key(90), key(2)]
    assert store.openid.reseal() == 0
    assert "pem" not in repr(key(1))
