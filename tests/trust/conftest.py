"""One founded estate for each test."""

from pathlib import Path

import pytest

from tests.trust.estate import Estate


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)
