"""The service that each test of the faces gets for itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from faces.house import House, Started
from muster import sealing


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashes of passwords that take no time, as hundreds of these tests sign in; how strong real ones are,
    tests/contract/test_sealing.py says."""
    real = sealing._PASSWORDS
    sealing._PASSWORDS = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield
    sealing._PASSWORDS = real


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def job(house: House) -> Started:
    return Started(house)
