"""Every test here runs on both databases."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # First of all: what makes the store asks where.
    metafunc.fixturenames.insert(0, "place")
    metafunc.parametrize("place", ["sqlite", "postgresql"], indirect=True)
