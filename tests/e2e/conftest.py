"""Beside every failure, the ends of the programs' logs."""

from collections.abc import Generator

import pytest

from tests.e2e.deployment import Deployment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Deployment):
                report.sections.append(("programs", value.logs(40)))
    return report
