"""What all tests share: how hypothesis looks for examples, and saying so where the kernel is not to be had.

Tests that need the kernel never pass by not running.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# Machines differ in speed and are loaded; the first text that hypothesis makes on a clean clone costs it a second.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time, so that a change is judged by what it changed and not by chance.
settings.register_profile("repeatable", _PATIENT, max_examples=100, derandomize=True)
# Other examples every time, and many: `pytest --hypothesis-profile=explore tests/discovery/test_hostile_bytes.py`.
settings.register_profile("explore", _PATIENT, max_examples=5000)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(pytest.mark.skip(reason="needs network namespaces: run as root, or through `make test`"))
