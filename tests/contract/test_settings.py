"""The settings kit: environment, options that win over it, and sentences for what cannot be read."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from muster.settings import Settings, SettingsError, is_loopback, load_settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MUSTER_{name.upper()}", raising=False)


def test_without_any_setting_the_defaults_hold() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.data, settings.allow_targets) == ("127.0.0.1", None, None, ())


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_PORT", "8081")
    monkeypatch.setenv("MUSTER_DATA", "/srv/muster")
    settings = load_settings(port=8082, data=None)
    assert (settings.port, settings.data) == (8082, Path("/srv/muster"))


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_PORT", "")
    assert load_settings().port is None


@pytest.mark.parametrize("text", ["127.0.0.0/8,10.1.2.3", "127.0.0.0/8 10.1.2.3/32", " 127.0.0.0/8 , 10.1.2.3 "])
def test_allowed_targets_are_networks_or_addresses(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_ALLOW_TARGETS", text)
    assert load_settings().allow_targets == (ip_network("127.0.0.0/8"), ip_network("10.1.2.3/32"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"allow_targets": "loopback"}, "MUSTER_ALLOW_TARGETS.*loopback is no network"),
        ({"port": 70000}, r"MUSTER_PORT \(--port\).*65535"),
        ({"public_url": "muster.example"}, "MUSTER_PUBLIC_URL"),
        ({"host": "192.0.2.1"}, "without TLS would send passwords in the clear"),
        ({"tls_cert": Path("cert.pem")}, "needs both the certificate"),
        ({"log_level": "loud"}, "MUSTER_LOG_LEVEL"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load_settings(**options)


def test_a_setting_is_refused_in_our_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(public_url="muster.example", port=70000, allow_targets="loopback")
    for foreign in ("Input", "String", "Value error", "pattern"):
        assert foreign not in str(caught.value)
    assert caught.value.is_usage
    monkeypatch.setenv("MUSTER_PORT", "70000")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert not caught.value.is_usage


def test_listening_for_all_is_allowed_behind_a_proxy_or_with_tls() -> None:
    assert load_settings(host="192.0.2.1", behind_proxy=True).host == "192.0.2.1"
    assert load_settings(host="2001:db8::1", tls_cert=Path("c"), tls_key=Path("k")).host == "2001:db8::1"


def test_passwords_in_addresses_show_in_no_representation_and_no_error() -> None:
    settings = load_settings(database="postgresql://muster:hunter2@db/muster", proxy="http://me:hunter2@proxy")
    assert "hunter2" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        load_settings(database=["hunter2"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("muster.example", False)]
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
