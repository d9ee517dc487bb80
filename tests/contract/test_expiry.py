"""Whoever uses a token or secret hears before it ends, once a step."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from faces.house import StandingClock
from fakes.mail_server import mail_server
from fakes.store import fresh_store
from muster.administration.access import OPERATOR
from muster.administration.applications import instantiate
from muster.administration.signing_certificates import create_certificate
from muster.administration.single_sign_on import set_sign_on
from muster.bootstrap.assembly import make_services
from muster.bootstrap.house import open_house
from muster.bootstrap.notifications import make_courier
from muster.engine.expiry import ExpiryWatch
from muster.gallery.catalogue import GENERIC_TEMPLATE_ID
from muster.model.clients import ClientApplication, ClientSecret
from muster.model.roles import Role
from muster.ports.administration import ApiToken
from muster.settings import load_settings


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


def test_those_whom_an_application_names_get_a_mail_before_its_signing_certificate_ends(tmp_path: Path) -> None:
    with mail_server() as kept:
        # The mail server is the operator's own.
        mail = {"smtp_host": "localhost", "smtp_port": kept.port, "smtp_security": "none", "mail_from": "m@example.com"}
        settings = load_settings(data=tmp_path, **mail, notify=("it@example.com",))
        house = open_house(settings, tmp_path)
        with closing(house.database):
            desk = make_services(house).desk(OPERATOR)
            sp = instantiate(desk, GENERIC_TEMPLATE_ID, "CRM").service_principal_id
            addresses = {"identifier": "https://crm.example", "reply_urls": ("https://crm.example/acs",)}
            set_sign_on(desk, sp, {**addresses, "notified": ("sso@example.com",)})
            ends = house.clock.now() + timedelta(days=6)
            made = create_certificate(desk, sp, ends_at=ends)
            # One that waits is no matter: nothing is signed by it yet.
            create_certificate(desk, sp, ends_at=ends)
            store = house.store
            watch = ExpiryWatch(
                store.access, store.clients, store.applications, store.single_sign_on, store.outbox, house.clock
            )
            for _ in range(2):
                watch.look()
                make_courier(house).work()
    told = {str(mail["To"]): mail for mail in kept.mails}
    assert sorted(told) == ["it@example.com", "sso@example.com"]
    assert len(kept.mails) == 2
    for mail in kept.mails:
        text = mail.get_body(("plain",))
        assert text is not None
        content = " ".join(text.get_content().split())
        assert f"The signing certificate {made.thumbprint[:8]}… of “CRM”" in content
    assert "CRM" in str(told["sso@example.com"]["Subject"])
