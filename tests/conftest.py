"""What all tests share: hypothesis' settings, saying so where there is no kernel, side by side, databases.

Tests that need the kernel never pass by not running.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from bartizan_lab import netns
from tests import side_by_side

if TYPE_CHECKING:
    from bartizan_controller.store.database import Database
    from tests.postgresql import Cluster

SORTS = ("sqlite", "postgresql")
"""Of databases that the controller runs on."""
MakeDatabase = Callable[[str], AbstractContextManager[str]]

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


@pytest.fixture(scope="session")
def postgresql() -> Iterator["Cluster"]:
    """A PostgreSQL server."""
    from tests.postgresql import cluster

    with cluster() as running:
        yield running


@pytest.fixture(scope="session")
def make_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeDatabase:
    """Makes a database with the controller's tables for a block, of one of `SORTS`; gives its address."""
    from bartizan_controller.store import dialect, migrate

    template = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(dialect.sqlite_url(template))

    @contextlib.contextmanager
    def make(sort: str) -> Iterator[str]:
        if sort == "postgresql":
            with request.getfixturevalue("postgresql").migrated() as url:
                yield url
        else:
            path = tmp_path_factory.mktemp("sqlite") / "test.db"
            shutil.copyfile(template, path)
            yield dialect.sqlite_url(path)

    return make


@pytest.fixture(scope="module", params=SORTS)
def new_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """What to configure as `database` of a new controller: nothing, and an empty one of PostgreSQL."""
    if request.param == "sqlite":
        yield ""
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture(params=SORTS)
def database_url(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[str]:
    """The address of a database with the controller's tables, of each sort that it runs on."""
    with make_database(request.param) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator["Database"]:
    """An empty database, of each sort that the controller runs on."""
    from bartizan_controller.store.database import Database

    with Database(database_url) as opened:
        yield opened
