"""Folders of controllers: made once, copied for whoever needs one."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan_controller import estate
from bartizan_controller.config import Config
from bartizan_controller.directory import Folder
from bartizan_controller.initialise import Plan, initialise
from bartizan_controller.store.database import Database
from tests.conftest import SORTS, MakeDatabase
from tests.controller.running import LOOPBACK, ORGANISATION


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A controller as `init` leaves it, and its offline keys beside it."""
    base = tmp_path_factory.mktemp("template")
    initialise(Plan(Folder(base / "controller"), base / "offline", LOOPBACK, ORGANISATION), now=time.time())
    return base


@pytest.fixture(scope="module", params=SORTS)
def configured(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Config]:
    """What a copy of the template is run with: its own database, and another one of PostgreSQL with the same in it."""
    if request.param == "sqlite":
        yield LOOPBACK
        return
    with make_database(request.param) as url:
        with Database(url) as database:
            database.change(
                lambda c: estate.add_organisation(c, ORGANISATION, ORGANISATION, None, by="init", now=time.time())
            )
        yield msgspec.structs.replace(LOOPBACK, database=url)
