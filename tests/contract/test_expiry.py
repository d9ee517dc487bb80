"""Whoever uses a token or secret hears before it ends, once a step."""

from datetime import timedelta
from pathlib import Path

from faces.house import StandingClock
from fakes.store import fresh_store
from muster.engine.expiry import ExpiryWatch
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role
from muster.ports.administration import ApiToken


def test_tokens_and_secrets_are_told_of_before_they_end(tmp_path: Path) -> None:
    store, clock = fresh_store(tmp_path), StandingClock()
    for name, lifetime in (("long", timedelta(days=90)), ("passing", timedelta(hours=12)), ("endless", None)):
        token = ApiToken(
            id=name,
            name=name,
            roles=frozenset({Role.GLOBAL_READER}),
            created_at=clock.at,
            expires_at=None if lifetime is None else clock.at + lifetime,
            last_used_at=None,
        )
        store.access.add_token(token, f"hash-{name}")
    client = ClientApplication(
        application_id="a",
        service_principal_id="sp",
        app_id="c",
        display_name="deploy",
        roles=frozenset(),
        created_at=clock.at,
    )
    store.clients.add(client)
    secret = ClientSecret(
        key_id="k",
        display_name=None,
        hint="muster_s_abc",
        created_at=clock.at,
        expires_at=clock.at + timedelta(days=30),
    )
    store.clients.add_secret("a", secret, "hash")
    watch = ExpiryWatch(store.access, store.clients, store.applications, store.single_sign_on, store.outbox, clock)

    def told() -> list[str]:
        """What has been told since it was last asked."""
        watch.look()
        watch.look()
        notices = store.outbox.unaddressed(10)
        for notice in notices:
            store.outbox.address(notice.id, (), clock.at)
        return [str(notice.concerns) for notice in notices]

    assert told() == ["The secret muster_s_abc… of the app registration “deploy”"]
    assert told() == []
    clock.at += timedelta(days=23)
    assert len(told()) == 1
    clock.at += timedelta(days=40)
    assert told() == ["The API token “long”"]
    store.access.remove_token("long")
    clock.at += timedelta(days=25)
    assert told() == []
