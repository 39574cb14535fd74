"""What tests of the agent stand on: an authority, a running broker, a clock that a test can move."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agent.estate import Authority, Broker


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def broker(authority: Authority, tmp_path: Path) -> AsyncIterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(authority, folder)
    await broker.start()
    try:
        yield broker
    finally:
        broker.stop()
