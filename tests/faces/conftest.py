"""The service that each test of the faces gets for itself."""

from collections.abc import Iterator
from pathlib import Path

import flask
import pytest
from argon2 import PasswordHasher
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from faces.house import House, Started
from muster import sealing
from muster.web.portal import looking


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashes of passwords that take no time, as hundreds of these tests sign in; how strong real ones are,
    tests/contract/test_sealing.py says."""
    real = sealing._PASSWORDS
    sealing._PASSWORDS = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield
    sealing._PASSWORDS = real


@pytest.fixture(autouse=True)
def patient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks at everybody answers at once, however busy the machine; that it need not, a test of its own says."""
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 60.0)


class KeptTemplates(BytecodeCache):
    """Templates as they were first compiled, in memory: each page's own cost a tenth of a second a test."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        # The console compiles the frame that both parties share in another way.
        return super().get_bucket(environment, f"{name} {environment.trim_blocks}", filename, source)

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def templates_compiled_once() -> Iterator[None]:
    before = flask.Flask.jinja_options
    flask.Flask.jinja_options = {**before, "bytecode_cache": KeptTemplates()}
    yield
    flask.Flask.jinja_options = before


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def job(house: House) -> Started:
    return Started(house)
