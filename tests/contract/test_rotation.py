"""Changing the sealing key: everything opens before, between and after, whatever happens on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner
from werkzeug.test import Client

from muster.administration.access import OPERATOR, create_token
from muster.administration.applications import instantiate
from muster.administration.credentials import put_secrets
from muster.administration.jobs import create_job
from muster.administration.openid import roll_keys
from muster.administration.secrets import MASK
from muster.administration.signing_certificates import create_certificate
from muster.bootstrap import rotation
from muster.bootstrap.assembly import make_chores, make_engine, make_services
from muster.bootstrap.folder import StartRefused, take_folder
from muster.bootstrap.house import House, open_house
from muster.bootstrap.rotation import begin_anew, rotate_key
from muster.cli.secrets import app
from muster.gallery.catalogue import GENERIC_TEMPLATE_ID
from muster.model.identity_provider import IdentityProvider
from muster.model.notice import NotificationSettings, Webhook
from muster.model.roles import Role
from muster.runs.executors import Executors
from muster.sealing import KEY_FILE_NAME, SealingError, load_keys, make_key, write_keys
from muster.settings import Settings
from muster.ui.sessions import FormSeal
from muster.web.site import make_site
from played_postgres import NO_POSTGRES, PlayedServer

SECRETS = {"BaseAddress": "https://scim.example.com/v2", "SecretToken": "hush-1", "ClientSecret": "hush-2"}
SETTINGS = NotificationSettings(webhook=Webhook(url="https://hook.example.com/", secret="hush-3"))
PROVIDER = IdentityProvider(
    display_name="Company ID",
    discovery_url="https://id.example.com/.well-known/openid-configuration",
    client_id="muster",
    client_secret="hush-5",
)
# Each secret of the application; the settings of notifications, a second factor, the identity provider; keys that sign
# assertions (one) and identity tokens (two, as one has taken the other's place).
SEALED = len(SECRETS) + 3 + 3


@contextmanager
def opened(folder: Path, **settings: object) -> Iterator[House]:
    house = open_house(Settings(data=folder, **settings), folder)  # type: ignore[arg-type]  # settings by name
    try:
        yield house
    finally:
        house.database.close()


@pytest.fixture
def installation(tmp_path: Path) -> tuple[Path, str]:
    """A data folder, and the application in it that has credentials."""
    folder = tmp_path / "service"
    with opened(folder) as house:
        desk = make_services(house).desk(OPERATOR)
        application = instantiate(desk, GENERIC_TEMPLATE_ID, "CRM")
        put_secrets(desk, application.service_principal_id, SECRETS)
        house.store.notification_settings.put(SETTINGS)
        house.store.second_factors.begin("ada", "hush-4")
        house.store.identity_providers.put(PROVIDER)
        create_certificate(desk, application.service_principal_id)
        roll_keys(desk)
        roll_keys(desk)
    return folder, application.service_principal_id


def secrets_in(folder: Path, application: str) -> Mapping[str, str]:
    with opened(folder) as house:
        assert house.store.notification_settings.get() == SETTINGS
        assert house.store.identity_providers.get() == PROVIDER
        found = house.store.second_factors.get("ada")
        assert found is not None
        assert found.secret == "hush-4"
        return dict(house.store.secrets.get(application))


def keys_that_sign(folder: Path, application: str) -> list[str]:
    """The private keys of single sign-on, of SAML and of OpenID Connect, as they open now."""
    with opened(folder) as house:
        active = house.store.single_sign_on.active_key(application)
        assert active is not None
        return [active[1], *(key.private_pem for key in house.store.openid.signing_keys())]


def key_ids(folder: Path) -> list[bytes]:
    return [key.key_id for key in load_keys(folder, key_file=None)]


def test_everything_is_sealed_with_the_new_key_and_the_old_one_is_gone(installation: tuple[Path, str]) -> None:
    folder, application = installation
    (before,) = key_ids(folder)
    signing = keys_that_sign(folder, application)
    assert len(signing) == 3
    old = (folder / KEY_FILE_NAME).read_text()
    done = rotate_key(Settings(data=folder))
    assert (done.resealed, done.was_begun) == (SEALED, False)
    (after,) = key_ids(folder)
    assert before != after and done.key_id == after.hex()
    assert secrets_in(folder, application) == SECRETS
    assert keys_that_sign(folder, application) == signing
    with opened(folder) as house:
        entries, _ = house.store.audit.search(after=None, limit=5)
        noted = next(item for item in entries if item.activity == "Rotate sealing key")
    assert noted.changes == (("keyId", before.hex(), after.hex()),)
    # The old key opens nothing any more.
    (folder / KEY_FILE_NAME).write_text(old)
    with pytest.raises(SealingError, match="another key"):
        secrets_in(folder, application)


@pytest.mark.parametrize("crash", ["before", "within", "after"])
def test_a_crash_on_the_way_loses_nothing_and_the_next_call_ends_it(
    installation: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    folder, application = installation
    written = 0

    def write(path: Path, keys: tuple[object, ...]) -> None:
        nonlocal written
        written += 1
        if crash == "after" and written == 2:
            raise KeyboardInterrupt
        write_keys(path, keys)  # type: ignore[arg-type]  # handed through
        if crash == "before":
            raise KeyboardInterrupt

    monkeypatch.setattr(rotation, "write_keys", write)
    if crash == "within":
        monkeypatch.setattr("muster.sealing.Sealer.unseal", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(Settings(data=folder))
    monkeypatch.undo()
    assert len(key_ids(folder)) == 2
    assert secrets_in(folder, application) == SECRETS
    expected, _ = key_ids(folder)
    done = rotate_key(Settings(data=folder))
    assert (done.was_begun, key_ids(folder)) == (True, [expected])
    assert secrets_in(folder, application) == SECRETS


def _interrupted(*_: object, **__: object) -> str:
    raise KeyboardInterrupt


def test_a_key_that_is_lost_or_opens_nothing_is_replaced_by_none(installation: tuple[Path, str]) -> None:
    folder, application = installation
    kept = (folder / KEY_FILE_NAME).read_text()
    write_keys(folder / KEY_FILE_NAME, [make_key()])
    stranger = key_ids(folder)
    with pytest.raises(SealingError, match="put the lost key file back"):
        rotate_key(Settings(data=folder))
    assert key_ids(folder) == stranger
    (folder / KEY_FILE_NAME).unlink()
    with pytest.raises(SealingError, match="and there is no"):
        rotate_key(Settings(data=folder))
    assert not (folder / KEY_FILE_NAME).exists(), "none is made up"
    (folder / KEY_FILE_NAME).write_text(kept)
    assert rotate_key(Settings(data=folder)).resealed == SEALED
    assert secrets_in(folder, application) == SECRETS


def test_a_process_that_goes_on_while_the_key_is_changed_elsewhere_seals_nothing_with_the_old_one(
    tmp_path: Path, server: PlayedServer | None
) -> None:
    if server is None:
        pytest.skip(NO_POSTGRES)
    url = server.url_of(server.create())
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    with opened(here, database=url) as house:
        house.store.notification_settings.put(SETTINGS)
    elsewhere.mkdir()
    # A machine without the key, or with another one, changes nothing and is left none that was made up.
    with pytest.raises(SealingError, match="copy the key file"):
        rotate_key(Settings(data=elsewhere, database=url))
    assert not (elsewhere / KEY_FILE_NAME).exists()
    write_keys(elsewhere / KEY_FILE_NAME, [make_key()])
    stranger = key_ids(elsewhere)
    with pytest.raises(SealingError, match="copy the key file"):
        rotate_key(Settings(data=elsewhere, database=url))
    assert key_ids(elsewhere) == stranger
    (elsewhere / KEY_FILE_NAME).write_text((here / KEY_FILE_NAME).read_text())
    # A change of the key that ends before the database knows of it: what is sealed here is still opened elsewhere.
    write_keys(here / KEY_FILE_NAME, [make_key(), *load_keys(here, key_file=None)])
    with opened(here, database=url) as house, opened(elsewhere, database=url) as other:
        house.store.notification_settings.put(SETTINGS)
        assert other.store.notification_settings.get() == SETTINGS
    with opened(elsewhere, database=url) as house:
        done = rotate_key(Settings(data=here, database=url))
        assert f"sealed with the key {done.key_id}" in str(house.engine_trouble())
        with pytest.raises(SealingError, match="and start again"):
            house.store.notification_settings.put(NotificationSettings())
        assert house.faces is not None
        forms = FormSeal(house.faces.keys, "form")
        assert forms.fits("cookie", forms.seal("cookie")), "without the new key the forms of its own are still taken"
        # Once its file has the new key, it is taken without a start: what is stored opens, and more is sealed with it.
        (elsewhere / KEY_FILE_NAME).write_text((here / KEY_FILE_NAME).read_text())
        assert house.store.notification_settings.get() == SETTINGS
        house.store.notification_settings.put(SETTINGS)
        assert done.key_id not in str(house.engine_trouble())
        with opened(here, database=url) as started:
            assert started.store.notification_settings.get() == SETTINGS
            assert started.faces is not None
            forms_there = FormSeal(started.faces.keys, "form")
            assert forms_there.fits("cookie", forms.seal("cookie"))
            assert forms.fits("cookie", forms_there.seal("cookie"))


def test_a_key_file_elsewhere_is_changed_in_its_place(installation: tuple[Path, str], tmp_path: Path) -> None:
    folder, application = installation
    elsewhere = tmp_path / "keys" / "muster"
    elsewhere.parent.mkdir()
    (folder / KEY_FILE_NAME).rename(elsewhere)
    before = elsewhere.read_text()
    assert rotate_key(Settings(data=folder, key_file=elsewhere)).key_file == elsewhere
    assert elsewhere.read_text() != before
    assert not (folder / KEY_FILE_NAME).exists()
    with opened(folder, key_file=elsewhere) as house:
        assert dict(house.store.secrets.get(application)) == SECRETS


def test_it_is_refused_while_the_service_runs_and_where_there_is_none(
    installation: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = installation
    before = key_ids(folder)
    with take_folder(folder, purpose="muster serve"), pytest.raises(StartRefused, match="muster serve"):
        rotate_key(Settings(data=folder))
    assert key_ids(folder) == before
    with pytest.raises(StartRefused, match="no installation"):
        rotate_key(Settings(data=tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_the_command_says_what_it_did(installation: tuple[Path, str]) -> None:
    folder, _ = installation
    told = CliRunner().invoke(app, ["rotate", "--data", str(folder)])
    assert (told.exit_code, f"{SEALED} stored values" in told.output) == (0, True)
    told = CliRunner().invoke(app, ["rotate", "--data", str(folder), "--json"])
    assert json.loads(told.output)["resealed"] == SEALED
    assert "hush" not in told.output


def test_a_lost_key_is_said_in_a_sentence_and_holds_up_only_what_it_sealed(
    installation: tuple[Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    folder, application = installation
    with opened(folder) as house:
        create_job(make_services(house).desk(OPERATOR), application, None)
    (folder / KEY_FILE_NAME).unlink()
    with opened(folder) as house:
        (job,) = house.store.jobs.list(application)
        house.beat()
        assert "put the lost key file back and start again" in caplog.text
        assert "put the lost key file back" in str(house.engine_trouble())
        assert make_engine(house).begin(job.id) is None
        (failed,) = house.store.cycles.history(job.id, 1)
        assert failed.failure is not None
        assert "sealed with another key" in failed.failure.sentence
        assert "Put the lost key file back" in failed.failure.remedy
        make_chores(house, lambda: True).work()
        services = make_services(house)
        _, token = create_token(services.desk(OPERATOR), "reader", [Role.GLOBAL_ADMINISTRATOR])
        api, bearer = Client(make_site(services)), {"Authorization": f"Bearer {token}"}
        address = f"/v1.0/servicePrincipals/{application}/synchronization/secrets"
        asked = api.get(address, headers=bearer)
        assert (asked.status_code, asked.get_json()["error"]["code"]) == (503, "SealingKeyLost")
        # Part of what is lost cannot be kept; all of it can be set anew.
        masked = {"value": [{"key": "SecretToken", "value": MASK}]}
        assert api.put(address, headers=bearer, json=masked).status_code == 503
        written = {"value": [{"key": key, "value": value} for key, value in SECRETS.items()]}
        assert api.put(address, headers=bearer, json=written).status_code == 204
        assert dict(house.store.secrets.get(application)) == SECRETS
        assert house.engine_trouble() is not None, "other values are still sealed with it"
        # The settings of notifications are entered anew, a part at a time; identity tokens get another key.
        told = "/v1.0/notifications/settings"
        assert api.get(told, headers=bearer).get_json()["webhook"] is None
        assert api.patch(told, headers=bearer, json={"recipients": ["ops@example.com"]}).status_code == 200
        assert house.store.notification_settings.get().recipients == ("ops@example.com",)
        assert house.store.openid.signing_keys() == []
    assert "Traceback" not in caplog.text


def test_a_lost_key_is_no_trouble_once_nothing_is_sealed_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    with opened(folder) as house:
        house.store.notification_settings.put(SETTINGS)
    (folder / KEY_FILE_NAME).unlink()
    with opened(folder) as house:
        house.beat()
        assert house.engine_trouble() is not None
        house.store.notification_settings.put(SETTINGS)
        assert house.engine_trouble() is None
    with opened(folder) as house:
        house.beat()
        assert house.engine_trouble() is None


def test_on_a_shared_database_a_lost_key_is_given_up_by_a_command(tmp_path: Path, server: PlayedServer | None) -> None:
    if server is None:
        pytest.skip(NO_POSTGRES)
    url = server.url_of(server.create())
    folder, settings = tmp_path / "service", {"database": url}
    with opened(folder, **settings) as house:
        house.store.notification_settings.put(SETTINGS)
        assert "no engine is at work: start" in str(house.engine_trouble())
    (folder / KEY_FILE_NAME).unlink()
    with pytest.raises(SealingError, match="muster secrets rotate --lost"), opened(folder, **settings):
        pass
    done = begin_anew(Settings(data=folder, database=url))
    assert [each.hex() for each in key_ids(folder)] == [done.key_id]
    with opened(folder, **settings) as house:
        assert "put the lost key file back" in str(house.engine_trouble())
        house.store.notification_settings.put(SETTINGS)
        assert "no engine is at work: start" in str(house.engine_trouble())
        executors = Executors(house.database, silent_for=timedelta(0))
        executors.beat("engine")
        silent = replace(house, executors=executors)
        assert "no engine has shown life for half a minute" in str(silent.engine_trouble())
        executors.sign_out("engine")
        assert "no engine is at work: start" in str(silent.engine_trouble()), "it did show life, until it was stopped"
    told = CliRunner().invoke(app, ["rotate", "--lost", "--data", str(folder)], env={"MUSTER_DATABASE": url})
    assert (told.exit_code, done.key_id in told.output) == (0, True)
