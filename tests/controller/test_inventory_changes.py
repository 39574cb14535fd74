"""Reports become rows: what changed is told, what did not is left alone, and counters agree with counting."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from bartizan.containment.level import Level
from bartizan.identity.model import Device
from bartizan.ids import BootId, DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.inventory import FieldChange
from bartizan_controller.store import counters, devices, history, organisations, reported, tables
from bartizan_controller.store.counters import Miscount
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
    return estate.change(lambda c: reported.replace(c, site, COUNCIL, seen, now=now))


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
    told = estate.query(lambda c: history.changes_of(c, NORTH, one, limit=100))
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
    estate.change(lambda c: reported.replace(c, NORTH, COUNCIL, seen, now=1.0))

    ((_, state),) = estate.query(lambda c: devices.page(c, Filter(), limit=10))
    assert (state.posture, state.agrees) == (None, False)


def test_what_a_gateway_cannot_enforce_is_never_counted_as_held(estate: Database) -> None:
    said = report(Gateway(NORTH, Path()), (device(1),), level=Level.ISOLATE)
    (held,) = said.posture.devices
    around = msgspec.structs.replace(held, enforceable=False, not_enforceable_because="it shares a switch with b")
    for now, posture in ((1.0, held), (2.0, around)):
        seen = inventory.join(said.devices, msgspec.structs.replace(said.posture, devices=(posture,)))
        estate.change(lambda c, seen=seen, now=now: reported.replace(c, NORTH, COUNCIL, seen, now=now))  # type: ignore[misc]

    ((_, state),) = estate.query(lambda c: devices.page(c, Filter(), limit=10))
    assert state.posture is not None
    assert (state.posture.enforced, state.agrees) == (Level.ISOLATE, False)
    assert estate.query(lambda c: counters.counted(c, ["site/north"]))["agrees"] == {"false": 1}
    assert estate.query(counters.recount) == ()


def test_history_is_intervals_without_gap_and_tells_what_was_so_at_any_time(estate: Database) -> None:
    take(estate, NORTH, (device(1),), now=100.0)
    take(estate, NORTH, (device(1, firmware="5.5.89"),), now=200.0)
    take(estate, NORTH, (), now=300.0)
    take(estate, NORTH, (device(1, firmware="5.5.89"),), now=400.0)
    one = DeviceId("serial:0001")

    chain = estate.query(lambda c: history.of_device(c, NORTH, one, limit=100))
    assert [(each.since, each.until, each.facts.get("firmware", "absent")) for each in chain] == [
        (400.0, None, "5.5.89"),
        (300.0, 400.0, "absent"),
        (200.0, 300.0, "5.5.89"),
        (100.0, 200.0, "5.5.0"),
    ]
    assert [ran(estate, one, moment, moment) for moment in (99.9, 100.0, 199.9, 350.0)] == [
        [],
        ["5.5.0"],
        ["5.5.0"],
        ["absent"],
    ]
    assert ran(estate, one, 150.0, 300.0) == ["5.5.89", "5.5.0"]


def ran(estate: Database, device: DeviceId, begin: float, end: float) -> list[str]:
    found = estate.query(lambda c: history.within(c, NORTH, device, begin=begin, end=end, limit=10))
    return [interval.facts.get("firmware", "absent") for interval in found]


def test_two_dates_differ_by_what_did_not_change_back(estate: Database) -> None:
    take(estate, NORTH, (device(1), device(2), device(3)), now=100.0)
    take(estate, NORTH, (device(1, firmware="6"), device(2, firmware="6"), device(4)), now=200.0)
    take(estate, NORTH, (device(1), device(2, firmware="6"), device(4)), now=300.0)

    found, rest = estate.query(lambda c: history.differences(c, None, begin=150.0, end=300.0, limit=10))
    assert [(each.device, each.before.get("firmware"), each.after.get("firmware")) for each in found] == [
        ("serial:0002", "5.5.0", "6"),
        ("serial:0003", "5.5.0", None),
        ("serial:0004", None, "5.5.0"),
    ]
    assert rest is None
    nobody = estate.query(lambda c: history.differences(c, frozenset(), begin=0.0, end=300.0, limit=10))
    assert nobody == ((), None)


def test_counters_agree_with_counting_whatever_is_reported(estate: Database) -> None:
    """A hundred random reports, and every counter is what counting the rows would give."""
    chance = random.Random(7)
    for _ in range(100):
        found = tuple(
            device(
                n,
                maker=chance.choice(("hikvision", "dahua", "")),
                firmware=chance.choice("56"),
                vulnerabilities=tuple(chance.sample(("CVE-2021-36260", "CVE-2017-7921", "a-1"), chance.randrange(4))),
                lost=chance.random() < 0.1,
            )
            for n in chance.sample(range(12), chance.randrange(12))
        )
        take(estate, chance.choice((NORTH, SOUTH)), found, level=chance.choice(list(Level)))

    assert estate.query(counters.recount) == ()
    kept = estate.query(lambda c: counters.counted(c, [counters.ESTATE]))
    rows = estate.query(lambda c: c.execute(select(tables.devices.c.maker, tables.devices.c.wanted)).all())
    assert kept["maker"] == Counter(row.maker for row in rows)
    assert kept["wanted"] == Counter(row.wanted for row in rows)
    assert kept["devices"] == {"": len(rows)}
    exposed = estate.query(lambda c: c.execute(select(tables.device_advisories.c.advisory)).all())
    assert kept["vulnerable-to"] == Counter(row.advisory for row in exposed)
    halves = estate.query(lambda c: counters.counted(c, ["site/north", "site/south"]))
    assert halves == kept


def test_counters_that_are_wrong_are_found_and_put_right(estate: Database) -> None:
    take(estate, NORTH, (device(1), device(2)))
    wrong = update(tables.counters).where(tables.counters.c.scope == "site/north").values(count=7)
    estate.change(lambda c: c.execute(wrong.where(tables.counters.c.dimension == "maker")))

    expected = (Miscount("site/north", "maker", "hikvision", kept=7, counted=2),)
    assert estate.query(counters.recount) == expected
    assert estate.change(counters.repair) == expected
    assert estate.change(counters.repair) == ()
