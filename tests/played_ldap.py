"""A real OpenLDAP server on a free port, with its own people, started by the tests that need it."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from played_packages import install
from waiting import eventually

SUFFIX = "dc=example,dc=com"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
ADMIN, READER, PASSWORD = f"cn=admin,{SUFFIX}", f"cn=reader,{SUFFIX}", "correct horse"
SKIP = "no OpenLDAP server: install it (Debian: apt install slapd ldap-utils)"
_MODULES = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap", "/usr/libexec/openldap")
_SCHEMAS = ("/etc/ldap/schema", "/etc/openldap/schema")
_TREE = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=nested,{PEOPLE}
objectClass: organizationalUnit
ou: nested

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups

"""


@cache
def find_slapd() -> tuple[str, str, str] | None:
    """The server, its modules and its schemas; as root on Debian they are installed if they are not there."""
    for _ in range(2):
        program = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec:/usr/local/libexec")
        modules = next((each for each in _MODULES if (Path(each) / "syncprov.so").exists()), None)
        schemas = next((each for each in _SCHEMAS if (Path(each) / "inetorgperson.schema").exists()), None)
        if program and modules and schemas and shutil.which("ldapmodify"):
            return _copied(program), modules, schemas
        if not install("slapd", "ldap-utils"):
            return None
    return None


def _copied(program: str) -> str:
    """A copy of the server: on Ubuntu the one in its place may read no folder of a test's (AppArmor goes by path)."""
    folder = tempfile.mkdtemp(prefix="muster-slapd-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return shutil.copy(program, folder)


@dataclass(kw_only=True)
class Slapd:
    """A running server."""

    port: int
    # Where it speaks TLS from the start, if it has certificates.
    secure_port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def change(self, ldif: str) -> None:
        """Carries out changes, written as LDIF."""
        command = ["ldapmodify", "-x", "-H", self.url, "-D", ADMIN, "-w", PASSWORD]
        done = subprocess.run(command, input=ldif.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def add(self, *entries: str) -> None:
        self.change("\n".join(entry.replace("\n", "\nchangetype: add\n", 1) for entry in entries))

    def delete(self, dn: str) -> None:
        self.change(f"dn: {dn}\nchangetype: delete\n")

    def set(self, dn: str, name: str, *values: str) -> None:
        """Gives an attribute these values."""
        self.change(
            f"dn: {dn}\nchangetype: modify\nreplace: {name}\n" + "".join(f"{name}: {value}\n" for value in values)
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def person(uid: str, name: str, *more: str, base: str = PEOPLE) -> str:
    """A person as LDIF."""
    given, _, surname = name.partition(" ")
    lines = [
        f"dn: uid={uid},{base}",
        "objectClass: inetOrgPerson",
        f"uid: {uid}",
        f"cn: {name}",
        f"givenName: {given}",
        f"sn: {surname or given}",
        f"displayName: {name}",
        f"mail: {uid}@example.com",
        *more,
    ]
    return "\n".join(lines) + "\n"


def group(name: str, *members: str) -> str:
    """A group as LDIF; members by uid, or by DN."""
    named = [member if "=" in member else f"uid={member},{PEOPLE}" for member in members]
    lines = [f"dn: cn={name},{GROUPS}", "objectClass: groupOfNames", f"cn: {name}"]
    return "\n".join([*lines, *(f"member: {member}" for member in named or [""])]) + "\n"


@contextmanager
def played_slapd(
    folder: Path,
    entries: Sequence[str] = (),
    *,
    synchronizes: bool = True,
    session_log: bool = True,
    size_limit: str = "unlimited",
    tls: "Certificates | None" = None,
    port: int | None = None,
) -> Iterator[Slapd]:
    """A server with these entries. `session_log`: it tells who is gone, else who is there."""
    found = find_slapd()
    assert found is not None, SKIP
    program, modules, schemas = found
    data = folder / "data"
    data.mkdir(parents=True)
    overlay = "overlay syncprov\n" + ("syncprov-sessionlog 1000\n" if session_log else "") if synchronizes else ""
    lines = [f"include {schemas}/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")]
    lines += [f"modulepath {modules}", "moduleload back_mdb"] + (["moduleload syncprov"] if synchronizes else [])
    lines += ["moduleload ppolicy"]
    lines += [f"pidfile {folder}/slapd.pid", f"sizelimit {size_limit}"]
    if tls is not None:
        lines += [f"TLSCertificateFile {tls.certificate}", f"TLSCertificateKeyFile {tls.key}"]
        lines += [f"TLSCACertificateFile {tls.authority}"]
    lines += ["database mdb", f'suffix "{SUFFIX}"', f'rootdn "{ADMIN}"', f'rootpw "{PASSWORD}"']
    lines += [f"directory {data}", "maxsize 1073741824", "dbnosync", "index objectClass,uid,entryUUID eq"]
    lines += ["index entryCSN,modifyTimestamp eq", "access to * by users read by anonymous auth"]
    # The root DN has no limits: people are read by an account of its own, as they would be.
    (folder / "slapd.conf").write_text("\n".join(lines) + "\n" + overlay)
    reader = f"dn: {READER}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\n"
    reader += f"cn: reader\nuserPassword: {PASSWORD}\n"
    content = _TREE + "\n".join((reader, *entries))
    loaded = subprocess.run(
        [program, "-T", "add", "-q", "-w", "-f", str(folder / "slapd.conf")],
        input=content.encode(),
        capture_output=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr.decode()
    port, secure_port = port or _free_port(), _free_port()
    addresses = f"ldap://127.0.0.1:{port}/" + (f" ldaps://127.0.0.1:{secure_port}/" if tls is not None else "")
    process = subprocess.Popen(
        [program, "-h", addresses, "-f", str(folder / "slapd.conf"), "-d", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: _answers(port)), "slapd did not start"
        yield Slapd(port=port, secure_port=secure_port, folder=folder, process=process)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """An authority of its own and a server's certificate for 127.0.0.1 and localhost."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Certificates for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Authority")])

    def built(subject: str, public: ec.EllipticCurvePublicKey, *, is_authority: bool) -> x509.Certificate:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(authority_key, hashes.SHA256())

    files = Certificates(authority=folder / "ca.pem", certificate=folder / "server.pem", key=folder / "server.key")
    pem = serialization.Encoding.PEM
    files.authority.write_bytes(
        built("Example Authority", authority_key.public_key(), is_authority=True).public_bytes(pem)
    )
    files.certificate.write_bytes(built("localhost", key.public_key(), is_authority=False).public_bytes(pem))
    files.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
