"""Every test here runs on both databases, unless its module names one in STORES."""

import pytest


@pytest.fixture(autouse=True)
def _where(place: str) -> None:
    """First of all: what makes the store asks where."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    stores = getattr(metafunc.module, "STORES", ("sqlite", "postgresql"))
    metafunc.parametrize("place", stores, indirect=True)
