"""Microsoft's own SDK and azure-identity over TLS drive a real job against our Configuration Manager.

The libraries take 390 MB: they are installed into an environment of their own, when MUSTER_TEST_SDK asks for it:
`1` makes it once in the user's cache, anything else is the Python of an environment that has them.
"""

import json
import os
import re
import subprocess
import sys
import venv
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from played_configuration_manager import configuration_manager
from played_installation import command, service

WANTED = os.environ.get("MUSTER_TEST_SDK")
PACKAGES = ("msgraph-sdk>=1.40,<2", "azure-identity>=1.25,<2", "aiohttp")
SCRIPT = Path(__file__).parent / "graph_sdk_script.py"

pytestmark = pytest.mark.skipif(not WANTED, reason="set MUSTER_TEST_SDK=1 to install Microsoft's SDK and try it")


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that has the SDK."""
    if WANTED != "1":
        return str(WANTED)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "muster" / "sdk"
    found = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([found, "-m", "pip", "-q", "install", *PACKAGES], check=True)
        (folder / "ready").touch()
    return str(found)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_the_sdk_and_azure_identity_drive_everything_that_they_have_calls_for(tmp_path: Path, python: str) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with (
        configuration_manager(tmp_path / "cm") as manager,
        service(tmp_path / "service", options=tls) as served,
    ):
        customer = manager.customer("lantaarn", profile="8x8", sites=("London",))
        made = command(
            "client", "create", "sdk", "--role", "Global Administrator", "--data", served.folder, "--json"
        ).json
        environment = {
            **os.environ,
            "SSL_CERT_FILE": str(certificate),
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        given = tmp_path / "given.json"
        given.write_text(
            json.dumps(
                {
                    "url": served.url,
                    "tenant": made["tenantId"],
                    "client": made["clientId"],
                    "secret": made["secret"],
                    "scim": customer.url,
                    "scimToken": customer.token,
                    **prepared(served.folder),
                }
            )
        )
        done = subprocess.run(
            [python, SCRIPT, given], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    counts = re.findall(r"(\d+) passed, (\d+) failed", done.stdout)
    assert counts, done.stdout + done.stderr[-3_000:]
    assert counts[-1][1] == "0", done.stdout
    assert int(counts[-1][0]) >= 35


def prepared(folder: Path) -> dict[str, str]:
    """An application of the gallery and a user, made by a command's way in."""
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from muster.cli.reach import open_api\n"
        "with open_api(Path(sys.argv[1]), None, None) as api:\n"
        "    both = api.post('/applicationTemplates/8x8/instantiate', {'displayName': '8x8'})\n"
        "    user = api.post('/users', {'accountEnabled': True, 'displayName': 'Ada Long', 'givenName': 'Ada',\n"
        "        'surname': 'Long', 'mail': 'ada@lantaarn.example', 'officeLocation': 'London',\n"
        "        'userPrincipalName': 'ada@lantaarn.example'})\n"
        "    print(json.dumps({'sp': both['servicePrincipal']['id'], 'user': user['id']}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
