"""The countdown of what has to go, from the command line, on what gateways reported."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bartizan.identity.model import Device
from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.store import dialect, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Organisation, Site
from tests.cli.people import Person, make_controller, serving
from tests.controller.gateway import Gateway, device, report

DAY = 86_400.0
NOW = time.time()
COUNCIL = OrganisationId("county")
GONE = msgspec.structs.replace(device(3), lost=True)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """An administrator of three sites: one late, one that has time, one that has nothing to remove."""
    folder = tmp_path_factory.mktemp("removals") / "controller"
    make_controller(folder)
    url = dialect.sqlite_url(folder / "controller.db")
    migrate.upgrade(url)
    with Database(url) as database:
        database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "County")))
        take(database, "school", {device(1): 40.5 * DAY, GONE: -20 * DAY})
        take(database, "town-hall", {device(4): 300.5 * DAY, device(5): -2.2 * DAY, device(6): None})
        take(database, "yard", {device(7): None})
    with serving(folder) as somebody:
        yield somebody


def take(database: Database, site: str, days: dict[Device, float | None]) -> None:
    """Have a gateway report devices, each with how far away its day is, in seconds."""
    database.change(lambda c: organisations.add_site(c, Site(SiteId(site), COUNCIL, site)))
    said = report(Gateway(SiteId(site), Path(), BootId("b")), tuple(days))
    held = tuple(
        msgspec.structs.replace(posture, remove_by=None if after is None else NOW + after)
        for posture, after in zip(said.posture.devices, days.values(), strict=True)
    )
    seen = inventory.join(said.devices, msgspec.structs.replace(said.posture, devices=held))
    database.change(lambda c: reported.replace(c, SiteId(site), COUNCIL, seen, now=NOW))


def test_sites_are_listed_by_their_day_with_what_is_left(person: Person) -> None:
    """A day that passed counts only for what is still there."""
    late, in_time = person.ask("estate", "removals")

    assert (late["site"], late["remaining"], late["overdue"], late["unseen"]) == ("town-hall", 2, 1, 0)
    assert (in_time["site"], in_time["remaining"], in_time["overdue"], in_time["unseen"]) == ("school", 1, 0, 1)
    shown = person.do("estate", "removals")
    assert "2 days over" in shown
    assert "40 days" in shown


def test_the_devices_of_a_site_are_listed_one_by_one(person: Person) -> None:
    found = person.ask("estate", "removals", "--site", "school")

    assert [(each["device"], each["overdue"], each["unseen"]) for each in found] == [
        ("serial:0001", False, False),
        ("serial:0003", False, True),
    ]
    assert "not seen" in person.do("estate", "removals", "--site", "school")
    assert "Nothing has to go at this site." in person.do("estate", "removals", "--site", "yard")
    assert person.run("estate", "removals", "--site", "nowhere").returncode != 0
