"""Every test here runs on both databases, unless its module names one in STORES."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # First of all: what makes the store asks where.
    metafunc.fixturenames.insert(0, "place")
    stores = getattr(metafunc.module, "STORES", ("sqlite", "postgresql"))
    metafunc.parametrize("place", stores, indirect=True)
