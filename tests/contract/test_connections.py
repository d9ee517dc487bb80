"""Connections to targets over real sockets and TLS: logins, certificates, references, and what is never called."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contract.played_servers import Authority, Behaviour, PlayedServer, answer
from fakes.world import CountingIds, StillClock
from muster.bootstrap.connections import Connections, Profile
from muster.gallery.catalogue import find
from muster.model.exchange import ConnectionFailed
from muster.model.failures import CredentialsRefused, JobFailure, SystemUnreachable
from muster.model.schema_document import read_schema
from muster.settings import Settings
from muster.transport.certificates import CertificateInvalid, check_identity, look_at_chain, read_certificates
from muster.transport.guard import AddressGuard

LOOPBACK = ip_network("127.0.0.0/8")
LISTING = json.dumps(
    {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}
).encode()
TOKEN = json.dumps({"access_token": "at-1", "token_type": "bearer", "expires_in": 3600}).encode()
Serve = Callable[..., PlayedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[PlayedServer] = []

    def _serve(behaviour: Behaviour, **options: Any) -> PlayedServer:
        servers.append(PlayedServer(behaviour, **options))
        return servers[-1]

    yield _serve
    for server in servers:
        server.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def connections(*, allowed: bool = True, folder: Path | None = None, **settings: Any) -> Connections:
    given = Settings(allow_targets=(LOOPBACK,) if allowed else (), credentials_folder=folder, **settings)
    return Connections(given, StillClock(), CountingIds())


def probe(
    secrets: dict[str, str], made: Connections | None = None, page: str = "scim", exchanged: list[Any] | None = None
) -> None:
    found = find(page)
    assert found is not None

    def exchange(used: str | None, given: Any) -> bool:
        if exchanged is not None:
            exchanged.append((used, dict(given)))
        return True

    profile = Profile(name=page, authentication_type=found.authentication_type, dialect=found.dialect)
    target = (made or connections()).open_target(profile, secrets, read_schema(found.schema_document()), exchange)
    target.probe("userName")


def tls(authority: Authority, *, ask_client: bool = False) -> Any:
    return authority.server_context(authority.issue("localhost", names=("127.0.0.1",)), ask_client=ask_client)


def https(server: PlayedServer, path: str = "") -> str:
    return f"https://127.0.0.1:{server.port}/{path}"


# ---------------------------------------------------------------- logins


@pytest.mark.parametrize(
    ("secrets", "line"),
    [
        ({"SecretToken": "t-1"}, b"Authorization: Bearer t-1"),
        ({"UserName": "u", "Password": "p"}, b"Authorization: Basic dTpw"),
        ({"HeaderName": "X-API-Key", "HeaderValue": "k-1"}, b"X-API-Key: k-1"),
    ],
)
def test_each_login_reaches_the_target(serve: Serve, secrets: dict[str, str], line: bytes) -> None:
    server = serve(answer(LISTING))
    probe({"BaseAddress": server.url, **secrets})
    assert line.lower() in server.requests[0].lower().split(b"\r\n")


@pytest.mark.parametrize("page", ["scim", "sap-cloud-platform-identity-authentication"])
def test_an_application_with_client_credentials_is_reached_over_tls_of_an_authority_of_its_own(
    serve: Serve, authority: Authority, page: str
) -> None:
    gate, server = serve(answer(TOKEN), tls=tls(authority)), serve(answer(LISTING), tls=tls(authority))
    made = connections()
    secrets = {
        "BaseAddress": https(server, "scim"),
        "TokenExchangeUri": https(gate, "token"),
        "ClientIdentifier": "app",
        "ClientSecret": "hush",
        "Oauth2Scope": "scim",
        "TrustedCertificates": authority.pem.decode(),
    }
    probe(secrets, made, page)
    # The next connection of the same process has the token still.
    probe(secrets, made, page)
    (asked,) = gate.requests
    assert asked.endswith(b"grant_type=client_credentials&scope=scim")
    assert all(b"authorization: Bearer at-1".lower() in request.lower() for request in server.requests)
    assert len(server.requests) == 2


def test_a_refresh_token_is_exchanged_and_what_comes_is_handed_back(serve: Serve) -> None:
    body = json.dumps({"access_token": "at-1", "refresh_token": "r-2", "expires_in": 3600}).encode()
    gate, server = serve(answer(body)), serve(answer(LISTING))
    exchanged: list[Any] = []
    secrets = {
        "BaseAddress": server.url,
        "Oauth2TokenExchangeUri": gate.url,
        "ClientIdentifier": "c",
        "ClientSecret": "s",
        "Oauth2RefreshToken": "r-1",
    }
    probe(secrets, page="slack", exchanged=exchanged)
    expires = str(int(StillClock().now().timestamp()) + 3600)
    given = {"Oauth2AccessToken": "at-1", "Oauth2RefreshToken": "r-2", "TokenExpiration": expires}
    assert exchanged == [("r-1", given)]
    with pytest.raises(CredentialsRefused, match="Nobody has authorized us"):
        probe({key: value for key, value in secrets.items() if key != "Oauth2RefreshToken"}, page="slack")


def test_an_authorization_code_becomes_tokens(serve: Serve) -> None:
    body = json.dumps({"access_token": "at-1", "refresh_token": "r-1"}).encode()
    gate = serve(answer(body))
    given = connections().exchange_code(
        {
            "Oauth2TokenExchangeUri": gate.url,
            "ClientIdentifier": "c",
            "ClientSecret": "s",
            "Oauth2AuthorizationCode": "code 1",
            "Oauth2RedirectUri": "https://muster.example/done",
            "Oauth2Scope": "a",
        }
    )
    assert given == {"Oauth2AccessToken": "at-1", "Oauth2RefreshToken": "r-1", "TokenExpiration": ""}
    form = gate.requests[0].rpartition(b"\r\n\r\n")[2]
    assert form == b"grant_type=authorization_code&code=code+1&redirect_uri=https%3A%2F%2Fmuster.example%2Fdone"


# ---------------------------------------------------------------- what is never called


def test_neither_target_nor_token_endpoint_on_loopback_is_called_unless_it_is_allowed(serve: Serve) -> None:
    gate, server = serve(answer(TOKEN)), serve(answer(LISTING))
    client = {"TokenExchangeUri": gate.url, "ClientIdentifier": "client", "ClientSecret": "hush"}
    for secrets in ({"SecretToken": "token-1"}, client):
        with pytest.raises(SystemUnreachable, match=r"is a loopback address|plain http") as refused:
            probe({"BaseAddress": server.url, **secrets}, connections(allowed=False))
        assert "--allow-target" in refused.value.remedy
    with pytest.raises(SystemUnreachable, match=r"token endpoint .* is not called"):
        probe({"BaseAddress": "https://scim.example.com/", **client}, connections(allowed=False))
    with pytest.raises(SystemUnreachable, match="is not called"):
        connections(allowed=False).exchange_code({**client, "Oauth2AuthorizationCode": "x"})
    with pytest.raises(SystemUnreachable, match="is not called"):
        connections(allowed=False).look_at_certificate({"BaseAddress": https(server)})
    assert (gate.connections, server.connections) == (0, 0)


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_a_token_endpoint_that_sends_on_is_not_followed(serve: Serve, status: str) -> None:
    elsewhere, server = serve(answer(TOKEN)), serve(answer(LISTING))
    gate = serve(answer(status=status, headers=(f"Location: {elsewhere.url}",)))
    with pytest.raises(SystemUnreachable, match="which is not followed"):
        probe(
            {
                "BaseAddress": server.url,
                "TokenExchangeUri": gate.url,
                "ClientIdentifier": "c",
                "ClientSecret": "s",
            }
        )
    assert (elsewhere.connections, server.connections) == (0, 0)


# ---------------------------------------------------------------- certificates


def test_a_target_that_asks_for_our_certificate_gets_the_one_of_its_application(
    serve: Serve, authority: Authority
) -> None:
    server = serve(answer(LISTING), tls=tls(authority, ask_client=True))
    certificate, _, key = authority.issue("muster").decode().partition("-----BEGIN PRIVATE KEY-----")
    secrets = {"BaseAddress": https(server), "TrustedCertificates": authority.pem.decode()}
    with pytest.raises(JobFailure):
        probe(secrets)
    probe(
        {
            **secrets,
            "ClientCertificate": certificate,
            "ClientCertificateKey": f"-----BEGIN PRIVATE KEY-----{key}",
        }
    )
    assert len(server.requests) == 1


def test_every_certificate_of_a_bundle_is_trusted(serve: Serve, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    authorities = [Authority(folder) for folder in folders]
    bundle = "\n".join(authority.pem.decode() for authority in authorities)
    for authority in authorities:
        server = serve(answer(LISTING), tls=tls(authority))
        probe({"BaseAddress": https(server), "TrustedCertificates": bundle})


def test_a_certificate_that_is_not_trusted_is_shown_and_once_trusted_it_is(serve: Serve, authority: Authority) -> None:
    chained = authority.issue("localhost", names=("scim.example.com", "127.0.0.1")) + authority.pem
    server = serve(answer(LISTING), tls=authority.server_context(chained))
    made, secrets = connections(), {"BaseAddress": https(server), "SecretToken": "t"}
    found = made.look_at_certificate(secrets)
    leaf, top = found.chain
    assert (leaf.subject, leaf.issuer, leaf.names) == (
        "CN=localhost",
        "CN=Played Authority",
        ("scim.example.com", "127.0.0.1"),
    )
    assert leaf.not_before < datetime.datetime.now(datetime.UTC) < leaf.not_after
    expected = x509.load_pem_x509_certificate(leaf.pem.encode()).fingerprint(hashes.SHA256()).hex().upper()
    assert leaf.fingerprint.replace(":", "") == expected
    assert found.problem is not None and "certificate" in found.problem
    assert found.trustable == top and top.is_authority
    assert server.requests == []
    trusting = {**secrets, "TrustedCertificates": found.trustable.pem}
    assert made.look_at_certificate(trusting).problem is None
    assert b"Authorization" not in server.requests[0]
    probe(trusting)


def test_the_next_address_of_a_name_is_looked_at_when_the_first_does_not_answer(
    serve: Serve, authority: Authority
) -> None:
    server = serve(answer(LISTING), tls=tls(authority))
    guard = AddressGuard(allowed=(LOOPBACK,), resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
    (leaf,) = look_at_chain(guard, f"https://scim.example.com:{server.port}/")
    assert leaf.subject == "CN=localhost"
    nowhere = AddressGuard(allowed=(LOOPBACK,), resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.3"])
    with pytest.raises(ConnectionFailed, match="cannot be connected to"):
        look_at_chain(nowhere, f"https://scim.example.com:{server.port}/")


def test_without_its_authority_a_signed_certificate_is_nothing_to_trust(serve: Serve, authority: Authority) -> None:
    server = serve(answer(LISTING), tls=tls(authority))
    found = connections().look_at_certificate({"BaseAddress": https(server)})
    assert (len(found.chain), found.trustable) == (1, None)


def test_a_certificate_that_signed_itself_can_be_trusted(serve: Serve, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alone")]), datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    identity = made.public_bytes(serialization.Encoding.PEM) + private
    server = serve(answer(LISTING), tls=authority.server_context(identity))
    address = f"https://localhost:{server.port}/"
    found = connections().look_at_certificate({"BaseAddress": address})
    assert found.trustable is not None and found.trustable.subject == "CN=alone"
    probe({"BaseAddress": address, "TrustedCertificates": found.trustable.pem})


def test_what_has_no_certificate_says_so(serve: Serve) -> None:
    plain = serve(answer(LISTING))
    with pytest.raises(SystemUnreachable, match="plain http"):
        connections().look_at_certificate({"BaseAddress": plain.url})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    with pytest.raises(SystemUnreachable, match="cannot be connected to"):
        connections().look_at_certificate({"BaseAddress": f"https://127.0.0.1:{port}/"})
    with pytest.raises(SystemUnreachable, match="through a proxy"):
        connections(proxy="http://127.0.0.1:9").look_at_certificate({"BaseAddress": https(plain)})


def test_certificates_that_cannot_be_used_are_named_before_anything_is_sent(serve: Serve, authority: Authority) -> None:
    server = serve(answer(LISTING), tls=tls(authority))
    with pytest.raises(CredentialsRefused, match="no certificate in it"):
        probe({"BaseAddress": https(server), "TrustedCertificates": "nonsense"})
    key = authority.issue("other").decode().partition("-----BEGIN PRIVATE KEY-----")[2]
    pair = {
        "ClientCertificate": authority.pem.decode(),
        "ClientCertificateKey": f"-----BEGIN PRIVATE KEY-----{key}",
    }
    with pytest.raises(CredentialsRefused, match="belongs to another certificate"):
        probe({"BaseAddress": https(server), **pair})
    assert server.connections == 0


def test_an_identity_is_checked_with_its_key(authority: Authority) -> None:
    identity = authority.issue("muster").decode()
    check_identity(identity, identity)
    with pytest.raises(CertificateInvalid, match="no private key"):
        check_identity(identity, authority.pem.decode())
    with pytest.raises(CertificateInvalid, match="no certificate"):
        check_identity("", identity)
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pass"),
    )
    with pytest.raises(CertificateInvalid, match="locked with a password"):
        check_identity(identity, locked.decode())
    with pytest.raises(CertificateInvalid, match="more than 50"):
        read_certificates(authority.pem.decode() * 51)
    assert read_certificates(authority.pem.decode())[0].names == ()


# ---------------------------------------------------------------- references


def test_a_secret_by_reference_is_read_when_the_connection_is_opened(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answer(LISTING))
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "token").write_text("from-file\n")
    monkeypatch.setenv("MUSTER_CREDENTIAL_CRM", "from-env")
    for reference in ("file:crm/token", "env:MUSTER_CREDENTIAL_CRM"):
        probe({"BaseAddress": server.url, "SecretToken": reference}, connections(folder=tmp_path))
    # A token that was changed in its place counts from the next connection on.
    (tmp_path / "crm" / "token").write_text("changed")
    probe({"BaseAddress": server.url, "SecretToken": "file:crm/token"}, connections(folder=tmp_path))
    sent = [request.partition(b"Bearer ")[2].partition(b"\r\n")[0] for request in server.requests]
    assert sent == [b"from-file", b"from-env", b"changed"]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:MUSTER_CREDENTIAL_NOT_SET", "is not set where the service runs"),
        ("env:PATH", "only variables that begin with MUSTER_CREDENTIAL_"),
        ("env:MUSTER_KEY_FILE", "only variables that begin with MUSTER_CREDENTIAL_"),
        ("file:nowhere", "cannot be read: No such file"),
        ("file:../outside", "no file within the folder"),
        ("file:/etc/hostname", "no file within the folder"),
        ("file:link", "no file within the folder"),
        ("file:.", "no file within the folder"),
        ("file:empty", "holds no text"),
        ("file:bytes", "holds no text"),
        ("file:large", "more than 65536 bytes"),
        ("file:nul\0", "cannot be"),
    ],
)
def test_what_a_reference_may_not_name_is_not_read(serve: Serve, tmp_path: Path, reference: str, said: str) -> None:
    server, folder = serve(answer(LISTING)), tmp_path / "credentials"
    folder.mkdir()
    (tmp_path / "outside").write_text("hush")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "empty").write_text("\n")
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "large").write_bytes(b"x" * 70_000)
    with pytest.raises(CredentialsRefused, match=said) as refused:
        probe({"BaseAddress": server.url, "SecretToken": reference}, connections(folder=folder))
    assert "SecretToken" in refused.value.sentence and "hush" not in refused.value.sentence
    assert server.connections == 0


def test_no_file_is_read_where_no_folder_is_set(serve: Serve) -> None:
    server = serve(answer(LISTING))
    with pytest.raises(CredentialsRefused, match="no folder is set"):
        probe({"BaseAddress": server.url, "SecretToken": "file:token"})
    with pytest.raises(CredentialsRefused, match="has no Tenant URL"):
        probe({"SecretToken": "t"})
