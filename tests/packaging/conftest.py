"""Wheels and installations, made once for all packaging tests."""

import pytest

from tests.packaging.installation import Installation, Wheel, build, install


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    """The four distributions by package name, built from this tree."""
    return build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def gateway(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What is installed on a gateway: the agent and the core."""
    return install(tmp_path_factory.mktemp("gateway"), wheels["bartizan"], wheels["bartizan_agent"])


@pytest.fixture(scope="session")
def central(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What is installed where the controller runs: the controller and the core."""
    return install(tmp_path_factory.mktemp("central"), wheels["bartizan"], wheels["bartizan_controller"])
