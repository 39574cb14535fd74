"""A controller on PostgreSQL, by nothing but its commands: made, started, told by a gateway, asked by a person."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bartizan.ids import SiteId
from bartizan.wire.down import ReportAck
from tests.cli.people import make_controller, serving
from tests.controller.gateway import Gateway, device, report
from tests.controller.test_program import controller
from tests.postgresql import Cluster


@pytest.fixture
def empty(postgresql: Cluster) -> Iterator[str]:
    """The address of a database that somebody just made."""
    with postgresql.database() as url:
        yield url


def test_a_report_is_taken_and_listed_and_outlives_the_controller(empty: str, tmp_path: Path) -> None:
    folder = tmp_path / "controller"
    make_controller(folder, database=empty)
    assert not (folder / "controller.db").exists()
    with serving(folder) as person:
        token = person.manage("enrolment-token", str(folder), "north", "--organisation", "estate").strip()
        asyncio.run(tell(folder, token))
        (listed,) = person.ask("device", "list")
        assert (listed["site"], listed["device"]["id"]) == ("north", "serial:0001")
        assert "DS-2CD2042WD-I" in person.do("device", "list")
    with serving(folder) as person:
        assert [each["device"]["id"] for each in person.ask("device", "list")] == ["serial:0001"]
        assert "entries, unbroken" in person.manage("audit", "verify", str(folder))


async def tell(folder: Path, token: str) -> None:
    """Enrol an emulated gateway and have it report a camera."""
    trusting = ssl.create_default_context(cafile=str(folder / "keys/ca.pem"))
    url = (folder / "api.url").read_text(encoding="ascii").strip()
    gateway = Gateway(SiteId("north"), folder.with_name("gateway"))
    async with httpx.AsyncClient(base_url=f"{url}/api/1/", verify=trusting, trust_env=False) as nobody:
        (await gateway.enrol(nobody, token)).raise_for_status()
    said = report(gateway, (device(1),))
    async with gateway.connect() as line:
        await line.say(gateway.hello())
        await line.say(said)
        assert (await line.hear(ReportAck)).digest == said.digest


def test_a_database_is_one_controllers(empty: str, tmp_path: Path) -> None:
    make_controller(tmp_path / "one", database=empty)
    second = controller("init", tmp_path / "two", "--database", empty)

    assert (second.exit_code, "another controller's" in second.stderr) == (1, True)
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("url", ["postgresql://bartizan@127.0.0.1/bartizan", "sqlite:///estate.db", "bartizan"])
def test_what_is_no_address_of_a_database_is_told_as_such(url: str, tmp_path: Path) -> None:
    made = controller("init", tmp_path / "controller", "--database", url)

    assert (made.exit_code, "postgresql+psycopg://USER@HOST/DATABASE" in made.stderr) == (1, True)


def test_a_database_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    made = controller("init", tmp_path / "new", "--database", f"postgresql+psycopg://x@/x?host={tmp_path}")

    assert (made.exit_code, "the database refuses" in made.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
