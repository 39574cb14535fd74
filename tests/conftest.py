"""Tests that need the kernel say so when it is not to be had; they never pass by not running."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("netns"):
            item.add_marker(pytest.mark.skip(reason="needs network namespaces: run as root, or through `make test`"))
