"""How devices were held, written down from look to look: what statements are made of."""

import random
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.containment.statement import Held, Holding
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan_agent.holdings import OF_A_DEVICE, SCHEMA, Holdings, held_by, of_device
from bartizan_agent.store import open_store, open_volatile

ONE, TWO = DeviceId("serial:0001"), DeviceId("serial:0002")


def held(level: Level) -> Held:
    return Held(level, (Mac("02:00:00:00:00:01"),), (), ())


ISOLATED, BLOCKED = held(Level.ISOLATE), held(Level.BLOCK_EGRESS)


def spans(found: tuple[Holding, ...]) -> list[tuple[int, int, Level | None]]:
    return [(round(one.since), round(one.until), one.held.level if one.held else None) for one in found]


def test_a_change_is_between_two_looks_and_a_device_that_vanishes_is_not_held() -> None:
    store = open_volatile([SCHEMA])
    kept = Holdings(store, 0.0)
    for began, found in (
        (100, {ONE: ISOLATED}),
        (200, {ONE: ISOLATED, TWO: BLOCKED}),
        (300, {ONE: BLOCKED, TWO: BLOCKED}),
        (400, {TWO: BLOCKED}),
        (500, {ONE: ISOLATED, TWO: BLOCKED}),
        (600, {ONE: ISOLATED, TWO: BLOCKED}),
    ):
        assert kept.take(found, float(began), began + 10.0)

    assert spans(of_device(store, ONE, 600.0)) == [
        (110, 200, Level.ISOLATE),
        (310, 310, Level.BLOCK_EGRESS),
        (410, 410, None),
        (510, 600, Level.ISOLATE),
    ]
    assert spans(of_device(store, TWO, 600.0)) == [(210, 600, Level.BLOCK_EGRESS)]


def test_a_restart_goes_on_with_what_was_open_as_far_as_it_was_confirmed(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        Holdings(store, 0.0).take({ONE: ISOLATED, TWO: ISOLATED}, 100.0, 110.0)
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        again = Holdings(store, 150.0)
        again.take({ONE: ISOLATED, TWO: BLOCKED}, 900.0, 910.0)

        assert spans(of_device(store, ONE, 900.0)) == [(110, 900, Level.ISOLATE)]
        assert spans(of_device(store, TWO, 900.0)) == [(110, 150, Level.ISOLATE), (910, 910, Level.BLOCK_EGRESS)]


def test_what_the_disk_refuses_is_not_taken_over(tmp_path: Path) -> None:
    many = {DeviceId(f"serial:{number:04}"): ISOLATED for number in range(1000, 1500)}
    with closing(open_store(tmp_path / "store", [SCHEMA])) as store:
        kept = Holdings(store, 0.0)
        kept.take({ONE: ISOLATED}, 100.0, 110.0)
        (pages,) = store.execute("PRAGMA page_count").fetchone()
        store.execute(f"PRAGMA max_page_count={pages}")
        assert not kept.take({ONE: BLOCKED, **many}, 200.0, 210.0)
        assert not kept.take({ONE: BLOCKED, **many}, 300.0, 310.0)

        store.execute("PRAGMA max_page_count=100000")
        assert kept.take({ONE: BLOCKED, **many}, 400.0, 410.0)
        assert spans(of_device(store, ONE, 400.0)) == [(110, 110, Level.ISOLATE), (410, 410, Level.BLOCK_EGRESS)]


def test_holdings_of_a_device_are_bounded() -> None:
    store, chance = open_volatile([SCHEMA]), random.Random(3)
    kept = Holdings(store, 0.0)
    for at in range(3 * OF_A_DEVICE):
        kept.take({ONE: chance.choice((ISOLATED, BLOCKED))}, float(at), at + 0.5)

    assert 0 < len(of_device(store, ONE, 1e6)) <= OF_A_DEVICE


@pytest.mark.parametrize(
    ("level", "reach"),
    [
        (Level.WATCH, ("everything",)),
        (Level.BLOCK_EGRESS, ("10.0.0.0/8", "10.1.0.5", "10.1.0.6")),
        (Level.ISOLATE, ("10.1.0.5", "10.1.0.6")),
        (Level.QUARANTINE, ()),
    ],
)
def test_what_a_device_can_reach_follows_from_its_level(level: Level, reach: tuple[str, ...]) -> None:
    device = ContainedDevice(ONE, "cam0", level, (Mac("02:00:00:00:00:01"),), (), (Address("10.1.0.6"),))
    ruleset = Ruleset((Segment("cam0", Level.ISOLATE),), (Network("10.0.0.0/8"),), (device,), (Address("10.1.0.5"),))

    found = held_by(ruleset, ruleset.devices, {"cam0": "a flowtable offloads cam0"})
    assert (found[ONE].reach, found[ONE].around) == (reach, "a flowtable offloads cam0")
    assert held_by(ruleset, ruleset.devices, {})[ONE].around == ""
