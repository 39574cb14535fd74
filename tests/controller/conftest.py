"""Folders of controllers: made once, copied for whoever needs one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan_controller.directory import Folder
from bartizan_controller.initialise import Plan, initialise
from bartizan_controller.store import dialect, migrate
from bartizan_controller.store.database import Database
from tests.controller.running import LOOPBACK, ORGANISATION


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A controller as `init` leaves it, and its offline keys beside it."""
    base = tmp_path_factory.mktemp("template")
    initialise(Plan(Folder(base / "controller"), base / "offline", LOOPBACK, ORGANISATION), now=time.time())
    return base


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    url = dialect.sqlite_url(tmp_path / "test.db")
    migrate.upgrade(url)
    with Database(url) as opened:
        yield opened
