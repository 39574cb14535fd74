"""One founded estate for each test: founded once, copied for everybody. A gateway that holds its catalogue."""

from pathlib import Path

import pytest

from bartizan_agent.catalogue import CatalogueClient
from tests.trust.estate import NOW, Estate, policy


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return Estate.found(tmp_path_factory.mktemp("estate"))


@pytest.fixture
def estate(founded: Estate, tmp_path: Path) -> Estate:
    return founded.copy(tmp_path)


@pytest.fixture
def gateway(estate: Estate) -> CatalogueClient:
    """A gateway that holds one policy, which isolates."""
    estate.publish_policy(policy())
    gateway = estate.gateway()
    gateway.update(estate.all_files(), NOW)
    return gateway
