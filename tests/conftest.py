"""What all tests share: how hypothesis looks for examples, saying so where the kernel is not to be had, side by side.

Tests that need the kernel never pass by not running.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bartizan_lab import netns
from tests import side_by_side

# Machines differ in speed and are loaded; the first text that hypothesis makes on a clean clone costs it a second.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time, so that a change is judged by what it changed and not by chance.
settings.register_profile("repeatable", _PATIENT, max_examples=100, derandomize=True)
# Other examples every time, and many: `pytest --hypothesis-profile=explore tests/discovery/test_hostile_bytes.py`.
settings.register_profile("explore", _PATIENT, max_examples=5000)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    if netns.may_make() and not side_by_side.leads_workers(config):
        side_by_side.leave_the_machines_network(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.by_file import ByFile

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if side_by_side.is_worker(config):
        side_by_side.the_longest_first(items)
    if netns.may_make():
        return
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(pytest.mark.skip(reason="needs network namespaces: run as root, or through `make test`"))
