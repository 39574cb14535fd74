"""One founded estate for each test: founded once, copied for everybody."""

from pathlib import Path

import pytest

from tests.trust.estate import Estate


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return Estate.found(tmp_path_factory.mktemp("estate"))


@pytest.fixture
def estate(founded: Estate, tmp_path: Path) -> Estate:
    return founded.copy(tmp_path)
