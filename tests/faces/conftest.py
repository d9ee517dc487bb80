"""The service that each test of the faces gets for itself."""

from pathlib import Path

import pytest

from faces.house import House, Started


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def job(house: House) -> Started:
    return Started(house)
