"""Commit-confirm: the way to the controller comes back by itself, and nobody gains anything else by cutting it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.containment.management import may_cut
from bartizan.containment.model import ContainedDevice, ManagementPath, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan_agent import confirmation
from bartizan_agent.confirmation import GRACE_SECONDS, Confirmation
from bartizan_agent.places import Places
from tests.agent.moving_clock import MovingClock
from tests.containment.reference_model import is_management, passes
from tests.containment.rulesets import packets_near, paths, rulesets

PATH = ManagementPath(Address("10.9.0.1"), Address("10.1.0.5"), 8883)
ROAMED = replace(PATH, own=Address("10.8.0.1"))
CALM = Ruleset((Segment("cam0", Level.WATCH),), (), ())
TIGHT = Ruleset((Segment("cam0", Level.ISOLATE),), (), ())
TIGHTER = Ruleset((Segment("cam0", Level.QUARANTINE),), (), ())
WITHIN = 120.0


class Bench:
    """A confirmation with its disk, its clock and a kernel that is only a count."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder)
        self.clock = MovingClock()
        self.spared = 0
        self.wanted = CALM
        self.start()

    def start(self, *, seconds: float = 0.0) -> None:
        """Begin anew, as after a kill or a reboot: what was not kept is forgotten."""
        self.clock.move(seconds)
        self.confirmation = Confirmation(self.places, self.clock, WITHIN)

    def change(self, wanted: Ruleset) -> Ruleset:
        """Want something else; return what is enforced."""
        self.wanted = wanted
        return self.look()

    def look(self) -> Ruleset:
        amended = self.confirmation.amended(self.wanted, lambda: self.spared)
        self.confirmation.enforced(amended)
        self.confirmation.keep()
        return amended

    def silence(self, seconds: float) -> Ruleset:
        self.clock.move(seconds)
        return self.look()

    def answer(self, path: ManagementPath = PATH) -> bool:
        self.clock.move(0.1)
        return self.confirmation.answered(path, self.clock.monotonic(), lambda: self.spared)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.change(CALM)
    bench.answer()
    return bench


def test_a_change_that_is_answered_stands(bench: Bench) -> None:
    bench.change(TIGHT)
    bench.answer()

    assert bench.silence(10 * WITHIN) == TIGHT


def test_a_change_that_is_not_answered_is_amended_and_nothing_of_it_taken_back(bench: Bench) -> None:
    assert bench.change(TIGHT) == TIGHT
    assert bench.confirmation.due_in() == WITHIN
    assert bench.silence(WITHIN - 1) == TIGHT
    assert bench.silence(1) == replace(TIGHT, management=PATH)
    assert bench.confirmation.suspects == ("strangers on cam0 are held at isolate",)


def test_a_change_that_cannot_have_cut_the_way_is_never_amended(bench: Bench) -> None:
    bench.change(TIGHT)
    bench.answer()
    camera = ContainedDevice(
        DeviceId("camera"), "cam0", Level.QUARANTINE, (Mac("02:00:00:00:00:02"),), (Address("10.9.0.2"),)
    )

    bench.change(replace(TIGHT, devices=(camera,)))

    assert bench.confirmation.due_in() == float("inf")
    assert bench.silence(10 * WITHIN).management is None


def test_an_answer_to_what_was_asked_before_the_change_proves_nothing(bench: Bench) -> None:
    asked_at = bench.clock.monotonic()
    bench.clock.move(1)
    bench.change(TIGHT)

    bench.confirmation.answered(PATH, asked_at, lambda: 0)

    assert bench.silence(WITHIN).management == PATH


def test_later_changes_do_not_put_off_the_deadline(bench: Bench) -> None:
    """Or a camera that keeps changing its address would keep the gateway cut off."""
    bench.change(TIGHT)
    bench.silence(WITHIN - 1)

    assert bench.change(TIGHTER).management is None
    assert bench.silence(1).management == PATH


def test_the_way_stays_let_through_while_the_kernel_needs_it(bench: Bench) -> None:
    bench.change(TIGHT)
    bench.silence(WITHIN)
    bench.spared = 7

    assert not bench.answer()
    assert bench.confirmation.is_needed
    assert bench.silence(10 * WITHIN).management == PATH
    assert bench.change(CALM) == CALM
    assert not bench.confirmation.is_needed


def test_a_way_let_through_for_nothing_is_closed_when_the_link_is_back(bench: Bench) -> None:
    """The link was away for another reason: the kernel had no packet of it to spare."""
    bench.change(TIGHT)
    bench.silence(WITHIN)

    assert bench.answer()
    assert bench.silence(10 * WITHIN) == TIGHT


def test_another_uplink_that_works_takes_the_place_of_the_one_let_through(bench: Bench) -> None:
    bench.change(TIGHT)
    bench.silence(WITHIN)
    bench.spared = 7

    assert bench.answer(ROAMED)
    assert bench.look() == TIGHT
    assert confirmation.read(bench.places).path == ROAMED


def test_a_gateway_that_was_never_answered_lets_nothing_through(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    bench.change(TIGHT)

    assert bench.silence(10 * WITHIN) == TIGHT


@pytest.mark.parametrize(("away", "left"), [(0.0, 70.0), (60.0, GRACE_SECONDS), (1e9, GRACE_SECONDS), (-1e6, WITHIN)])
def test_the_deadline_outlives_the_agent_and_a_reboot(bench: Bench, away: float, left: float) -> None:
    """Whatever the clock says after it: the agent gets time to be answered, and never more than a change has."""
    bench.change(TIGHT)
    bench.silence(50)
    bench.start(seconds=away)

    assert bench.look() == TIGHT
    assert bench.confirmation.due_in() == pytest.approx(left)
    assert bench.silence(left).management == PATH


def test_what_is_let_through_outlives_the_agent_and_a_reboot(bench: Bench) -> None:
    bench.change(TIGHT)
    bench.silence(WITHIN)
    bench.start(seconds=3600)

    assert bench.look().management == PATH


def test_a_change_that_the_agent_did_not_live_to_keep_has_its_deadline_from_the_start(bench: Bench) -> None:
    bench.look()
    bench.confirmation.amended(TIGHT, lambda: 0)
    bench.start()

    assert bench.change(TIGHT) == TIGHT
    assert bench.silence(WITHIN).management == PATH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        '{"path":{"own":"0.0.0.0","controller":"10.1.0.5","port":8883},"let_through":true}',
        '{"path":{"own":"10.9.0.1","controller":"10.1.0.5","port":0},"let_through":true}',
        '{"path":{"own":"10.9.0.1","controller":"fd00::1","port":8883},"let_through":true}',
        '{"path":null,"let_through":true,"besides":1}',
    ],
)
def test_what_cannot_be_read_lets_nothing_through_and_costs_no_ruleset(tmp_path: Path, text: str) -> None:
    places = Places(tmp_path)
    places.confirmation.write_text(text, encoding="utf-8")
    fresh = Confirmation(places, MovingClock(), WITHIN)

    assert fresh.amended(TIGHT, lambda: 0) == TIGHT


def test_a_segment_that_lets_the_way_through_is_no_suspect() -> None:
    estate = (Network("10.0.0.0/8"),)
    egress = Ruleset((Segment("cam0", Level.BLOCK_EGRESS),), estate, ())

    assert may_cut(egress, PATH) == frozenset()
    assert may_cut(replace(egress, estate_networks=()), PATH)
    assert may_cut(egress, replace(PATH, port=853))


@given(rulesets(), paths(), st.data())
@settings(max_examples=60)
def test_whatever_drops_the_way_is_a_suspect(ruleset: Ruleset, path: ManagementPath, data: st.DataObject) -> None:
    """By segment or by address; MACs stand in no way, so these are left out."""
    devices = tuple(replace(device, macs=()) for device in ruleset.devices if device.addresses)
    bare = replace(ruleset, management=None, devices=devices)
    sent = data.draw(st.lists(packets_near(path), min_size=20, max_size=20))

    cut = [one for one in sent if is_management(replace(bare, management=path), one) and not passes(bare, one)]

    assert not cut or may_cut(bare, path)


class Thief(RuleBasedStateMachine):
    """Whoever cuts the link, ends the agent and turns the clock at will, while changes come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.bench = Bench(Path(self.folder.name))
        self.answered: set[ManagementPath] = set()
        self.enforced = self.bench.look()

    @rule(wanted=rulesets())
    def change(self, wanted: Ruleset) -> None:
        self.enforced = self.bench.change(replace(wanted, management=None))

    @rule(seconds=st.sampled_from((1.0, WITHIN, 10 * WITHIN)))
    def cut_the_link(self, seconds: float) -> None:
        self.enforced = self.bench.silence(seconds)

    @rule(path=paths())
    def answer(self, path: ManagementPath) -> None:
        self.answered.add(path)
        self.bench.answer(path)
        self.enforced = self.bench.look()

    @rule(packets=st.integers(0, 3))
    def forge_packets_of_the_way(self, packets: int) -> None:
        self.bench.spared += packets

    @rule(seconds=st.sampled_from((-1e7, 0.0, 1e7)))
    def kill(self, seconds: float) -> None:
        self.bench.start(seconds=seconds)
        self.enforced = self.bench.look()

    @invariant()
    def nothing_but_a_way_that_worked_is_let_through(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert replace(self.enforced, management=None) == self.bench.wanted
        assert self.enforced.management is None or self.enforced.management in self.answered


TestThief = Thief.TestCase
TestThief.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


@given(rulesets(), paths(), st.data())
@settings(max_examples=60)
def test_letting_the_way_through_lets_nothing_else_through(
    ruleset: Ruleset, path: ManagementPath, data: st.DataObject
) -> None:
    bare, amended = replace(ruleset, management=None), replace(ruleset, management=path)
    sent = data.draw(st.lists(packets_near(path), min_size=30, max_size=30))

    for one in sent:
        assert passes(amended, one) == passes(bare, one) or is_management(amended, one)
