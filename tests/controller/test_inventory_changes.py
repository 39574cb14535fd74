"""Reports become rows: what changed is told, what did not is left alone, and counters agree with counting."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, select

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Kind
from bartizan.ids import BootId, DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.inventory import FieldChange
from bartizan_controller.store import devices, organisations, tables
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report

COUNCIL = OrganisationId("council")
NORTH, SOUTH = SiteId("north"), SiteId("south")


@pytest.fixture
def estate(database: Database) -> Database:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    for site in (NORTH, SOUTH):
        database.change(lambda c, site=site: organisations.add_site(c, Site(site, COUNCIL, site)))  # type: ignore[misc]
    return database


def take(
    estate: Database, site: SiteId, found: tuple[Device, ...], *, now: float = 100.0, level: Level = Level.WATCH
) -> int:
    """Take a report in; return how many devices changed."""
    said = report(Gateway(site, Path(), BootId("b")), found, level=level)
    seen = inventory.join(said.devices, said.posture)
    return estate.change(lambda c: devices.replace(c, site, COUNCIL, seen, now=now))


def test_only_what_changed_is_written(estate: Database) -> None:
    assert take(estate, NORTH, tuple(device(n) for n in range(10))) == 10
    assert take(estate, NORTH, tuple(device(n) for n in range(10))) == 0
    assert take(estate, NORTH, (device(0, firmware="6"), *(device(n) for n in range(1, 10)))) == 1


def test_being_seen_again_is_no_change_but_is_known(estate: Database) -> None:
    take(estate, NORTH, (device(1, last_seen=50.0),))
    assert take(estate, NORTH, (device(1, last_seen=60.0),)) == 0

    state = estate.query(lambda c: devices.find(c, NORTH, DeviceId("serial:0001"), None))
    assert state.device.last_seen == 60.0


def test_history_tells_when_and_what_newest_first(estate: Database) -> None:
    take(estate, NORTH, (device(1),), now=100.0)
    take(estate, NORTH, (device(1, firmware="5.5.89"),), now=200.0, level=Level.ISOLATE)
    take(estate, NORTH, (), now=300.0)

    one = DeviceId("serial:0001")
    told = estate.query(lambda c: devices.history_of(c, NORTH, one, limit=100))
    assert [change for change in told if change.at == 200.0] == [
        FieldChange(one, 200.0, "enforced", "watch", "isolate"),
        FieldChange(one, 200.0, "wanted", "watch", "isolate"),
        FieldChange(one, 200.0, "firmware", "5.5.0", "5.5.89"),
    ]
    assert FieldChange(one, 300.0, "presence", "present", "") in told
    assert FieldChange(one, 100.0, "maker", "", "hikvision") in told


def test_a_device_named_twice_in_one_report_is_one_device(estate: Database) -> None:
    assert take(estate, NORTH, (device(1), device(1, firmware="6"))) == 1


def test_a_device_that_is_not_judged_yet_agrees_with_nothing(estate: Database) -> None:
    said = report(Gateway(NORTH, Path()), (device(1),))
    seen = inventory.join(said.devices, msgspec.structs.replace(said.posture, devices=()))
    estate.change(lambda c: devices.replace(c, NORTH, COUNCIL, seen, now=1.0))

    (state,) = estate.query(lambda c: devices.page(c, Filter(), limit=10))
    assert (state.posture, state.agrees) == (None, False)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(site=SOUTH), ["south/serial:0001"]),
        (Filter(maker="dahua"), ["north/serial:0002"]),
        (Filter(kind=Kind.RECORDER), []),
        (Filter(level=Level.ISOLATE), ["south/serial:0001"]),
        (Filter(vulnerable=True), ["north/serial:0003"]),
        (Filter(advisory="CVE-2021-36260"), ["north/serial:0003"]),
        (Filter(advisory="CVE-2021-33044"), []),
        (Filter(site=NORTH, maker="hikvision"), ["north/serial:0001", "north/serial:0003"]),
        (Filter(organisations=frozenset()), []),
        (Filter(organisations=frozenset({COUNCIL}), agrees=True, maker="dahua"), ["north/serial:0002"]),
    ],
    ids=str,
)
def test_devices_are_found_by_what_is_known_of_them(estate: Database, wanted: Filter, expected: list[str]) -> None:
    take(estate, NORTH, (device(1), device(2, maker="dahua"), device(3, vulnerabilities=("CVE-2021-36260",))))
    take(estate, SOUTH, (device(1),), level=Level.ISOLATE)

    page = estate.query(lambda c: devices.page(c, wanted, limit=10))
    assert [f"{state.site}/{state.device.id}" for state in page] == expected


def test_pages_join_without_gap_or_repetition(estate: Database) -> None:
    for site in (NORTH, SOUTH):
        take(estate, site, tuple(device(n) for n in range(7)))

    def walk(connection: Connection) -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        while page := devices.page(connection, Filter(), after=seen[-1] if seen else ("", ""), limit=3):
            seen += [(state.site, state.device.id) for state in page]
        return seen

    assert estate.query(walk) == [(site, f"serial:{n:04d}") for site in ("north", "south") for n in range(7)]


def test_counters_agree_with_counting_whatever_is_reported(estate: Database) -> None:
    """A hundred random reports, and every counter is what counting the rows would give."""
    chance = random.Random(7)
    for _ in range(100):
        found = tuple(
            device(n, maker=chance.choice(("hikvision", "dahua", "")), firmware=chance.choice("56"))
            for n in chance.sample(range(12), chance.randrange(12))
        )
        take(estate, chance.choice((NORTH, SOUTH)), found, level=chance.choice(list(Level)))

    kept = estate.query(lambda c: devices.counted(c, [devices.ESTATE]))
    rows = estate.query(lambda c: c.execute(select(tables.devices.c.maker, tables.devices.c.wanted)).all())
    assert kept["maker"] == Counter(row.maker for row in rows)
    assert kept["wanted"] == Counter(row.wanted for row in rows)
    assert kept["devices"] == {"": len(rows)}
    halves = estate.query(lambda c: devices.counted(c, ["site/north", "site/south"]))
    assert halves == kept
