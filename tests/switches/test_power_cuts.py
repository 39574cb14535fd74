"""The process that sets a switch dies after any write; the next one finishes, or gives the port back as it was."""

import asyncio
import contextlib
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.errors import Unavailable
from bartizan.ids import DeviceId, Mac
from bartizan.wire import events
from bartizan_agent.notes import Note
from bartizan_agent.switches.enforcer import Switches
from bartizan_agent.switches.journal import Book, Journal, JournalDamaged
from bartizan_agent.switches.outcome import SwitchesEnforced
from bartizan_agent.switches.settings import From
from tests.fakes.memory_switch import MemorySwitch, PowerCut
from tests.switches.conftest import settings

MACS = {DeviceId(f"cam{port}"): Mac(f"02:00:00:00:01:{port:02x}") for port in (1, 2, 3)}
CAMERA = DeviceId("cam1")
WRITES = 7  # to make the VLAN, join it twice, name it, leave the other twice; one more for shutting down
OWN = settings(untouched=("p4",), vlans=(666, 667, 668), shutdown_from=From.QUARANTINE)


def enforcer(switch: MemorySwitch, file: Path, notes: list[Note] | None = None, *, at: float = 0.0) -> Switches:
    """A new process's enforcer."""
    tell = (notes if notes is not None else []).append
    return Switches((OWN,), Book(file), opener=lambda _: switch, own_macs=(), now=lambda: at, tell=tell)


def plugged_in() -> MemorySwitch:
    """A switch with three cameras in ports 1 to 3."""
    return MemorySwitch(learned={mac: int(name[3:]) for name, mac in MACS.items()})


def ruleset(**levels: Level) -> Ruleset:
    """The cameras at these levels, the others at watch."""
    return Ruleset(
        (),
        (),
        tuple(ContainedDevice(name, "cam0", levels.get(name, Level.WATCH), (mac,)) for name, mac in MACS.items()),
    )


@pytest.mark.parametrize("writes", range(WRITES + 1))
def test_a_hold_that_was_cut_off_is_finished(writes: int, tmp_path: Path) -> None:
    switch, file, wanted = plugged_in(), tmp_path / "switches.json", ruleset(cam1=Level.ISOLATE)
    switch.cut_after = writes
    with contextlib.suppress(PowerCut):
        asyncio.run(enforcer(switch, file).apply(wanted))
    switch.cut_after = None

    enforced = asyncio.run(enforcer(switch, file).apply(wanted))

    assert enforced.held() == {CAMERA: "switch sw1 port p1 (vlan 666)"}
    assert not any(1 in pair for pair in switch.reachable())


@pytest.mark.parametrize("level", [Level.ISOLATE, Level.QUARANTINE])
@pytest.mark.parametrize("writes", range(WRITES + 1))
@pytest.mark.parametrize("again", range(WRITES + 1))
def test_a_port_is_given_back_as_it_was_wherever_it_was_cut_off(
    level: Level, writes: int, again: int, tmp_path: Path
) -> None:
    """Twice: while it was held, and while it was given back."""
    switch, file = plugged_in(), tmp_path / "switches.json"
    before, reachable = deepcopy(switch.state), switch.reachable()
    switch.cut_after = writes
    with contextlib.suppress(PowerCut):
        asyncio.run(enforcer(switch, file).apply(ruleset(cam1=level)))
    switch.cut_after = again
    with contextlib.suppress(PowerCut):
        asyncio.run(enforcer(switch, file).remove_all())
    switch.cut_after = None

    asyncio.run(enforcer(switch, file).remove_all())

    assert (switch.state, switch.down, switch.reachable()) == (before, set(), reachable)
    assert Book(file).journal == Journal()


def test_nothing_is_set_that_could_not_be_written_down_before(tmp_path: Path) -> None:
    """A folder in place of the file: what a full or read-only disk does, for root too."""
    switch, file = plugged_in(), tmp_path / "switches.json"
    made = enforcer(switch, file)
    file.mkdir()

    with pytest.raises(Unavailable):
        asyncio.run(made.apply(ruleset(cam1=Level.ISOLATE)))

    assert switch.writes == 0


def test_nothing_is_set_while_the_journal_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "switches.json"
    file.write_bytes(b"\x00")

    with pytest.raises(JournalDamaged, match="set the switches' ports by hand, then remove it"):
        enforcer(plugged_in(), file)


def test_a_switch_that_takes_nothing_back_is_not_asked_at_every_look(tmp_path: Path) -> None:
    """Somebody put a held port back, and the switch refuses now: it stays held in the journal, and is not worn out."""
    switch, file, wanted = plugged_in(), tmp_path / "switches.json", ruleset(cam1=Level.ISOLATE)
    asyncio.run(enforcer(switch, file).apply(wanted))
    switch.state.pvid[1] = 1
    switch.state.quirks["refuse"] = "pvid"
    notes: list[Note] = []

    found = [asyncio.run(enforcer(switch, file, notes).apply(wanted)) for _ in range(5)]

    assert [each.shortfalls().keys() for each in found] == [{CAMERA}] * 5
    assert [note.kind for note in notes] == [events.SWITCH_DRIFT]
    assert [hold.ending for hold in Book(file).journal.holds] == [False]
    switch.state.quirks.clear()
    assert not asyncio.run(enforcer(switch, file).apply(wanted)).held()  # not yet: it is asked again in a minute
    assert asyncio.run(enforcer(switch, file, at=61.0).apply(wanted)).held()
    assert Book(file).journal.setbacks == ()


LEVELS = st.sampled_from(list(Level))


class Site(RuleBasedStateMachine):
    """Orders, crashes, silence and cables in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = contextlib.ExitStack()
        import tempfile

        self.file = Path(self.folder.enter_context(tempfile.TemporaryDirectory()), "switches.json")
        self.switch = plugged_in()
        self.before = deepcopy(self.switch.state)
        self.wanted = ruleset()
        self.enforced = SwitchesEnforced()

    @rule(one=LEVELS, two=LEVELS, three=LEVELS)
    def order(self, one: Level, two: Level, three: Level) -> None:
        self.wanted = ruleset(cam1=one, cam2=two, cam3=three)
        self.enforced = SwitchesEnforced()

    @rule(silent=st.booleans())
    def go_silent(self, *, silent: bool) -> None:
        self.switch.silent = silent
        self.enforced = SwitchesEnforced()

    @rule(mac=st.sampled_from([*MACS.values(), Mac("02:00:00:00:99:99")]), port=st.integers(1, 4))
    def say_something_under_any_address(self, mac: Mac, port: int) -> None:
        self.switch.learned[mac] = port
        self.enforced = SwitchesEnforced()

    @rule(writes=st.integers(0, 12))
    def apply_and_die(self, writes: int) -> None:
        self.switch.cut_after = writes
        self.enforced = SwitchesEnforced()
        with contextlib.suppress(PowerCut):
            asyncio.run(enforcer(self.switch, self.file).apply(self.wanted))
        self.switch.cut_after = None

    @rule()
    def apply(self) -> None:
        self.enforced = asyncio.run(enforcer(self.switch, self.file).apply(self.wanted))

    @precondition(lambda self: not self.switch.silent)
    @rule()
    def remove_all(self) -> None:
        asyncio.run(enforcer(self.switch, self.file).remove_all())
        self.enforced = SwitchesEnforced()
        assert (self.switch.state, self.switch.down) == (self.before, set())

    @invariant()
    def what_is_said_to_be_held_reaches_nobody(self) -> None:
        for device in self.enforced.held():
            ports = {hold.number for hold in Book(self.file).journal.holds if hold.device == device}
            assert not any(pair & ports and pair - {4} == pair for pair in self.switch.reachable())

    @invariant()
    def what_nobody_may_touch_is_as_it_was(self) -> None:
        assert self.switch.state.pvid[4] == 1
        assert 4 in self.switch.state.vlans[1].untagged
        assert 4 not in self.switch.down

    def teardown(self) -> None:
        self.folder.close()


TestSite = Site.TestCase
TestSite.settings = hypothesis_settings(max_examples=30, stateful_step_count=15)


@given(level=LEVELS, tagged=st.booleans())
def test_a_port_that_was_otherwise_than_others_comes_back_so(level: Level, *, tagged: bool) -> None:
    import tempfile

    switch = plugged_in()
    switch.state.vlans[20] = switch.state.vlans.pop(1)
    switch.state.pvid = dict.fromkeys(switch.state.pvid, 20)
    switch.down = {2}
    if tagged:
        switch.state.vlans[20].untagged.discard(3)
    before = deepcopy(switch.state)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "switches.json")
        asyncio.run(enforcer(switch, file).apply(ruleset(cam1=level, cam2=level, cam3=level)))
        asyncio.run(enforcer(switch, file).remove_all())

    assert (switch.state, switch.down) == (before, {2})
