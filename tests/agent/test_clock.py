"""The gateway's clock where the machine's is wrong. The floor is a file's time, so a test sets it there."""

import os
from pathlib import Path

import pytest

from bartizan_agent.clock import STEADY_SECONDS, GatewayClock

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
NOW = 1_800_000_000.0
EXPIRY = NOW + 5 * DAY


class Machine:
    """Its clocks, which a test sets, and its disk."""

    def __init__(self, file: Path, seen_until: float = NOW) -> None:
        self.file = file
        file.touch()
        os.utime(file, (seen_until, seen_until))
        self.wall = NOW
        self.monotonic = 1000.0
        self.clock = self.started()

    def started(self) -> GatewayClock:
        """Start the agent."""
        self.clock = GatewayClock(self.file, lambda: self.wall, lambda: self.monotonic)
        return self.clock

    def passes(self, seconds: float) -> None:
        """Let time pass, while the agent looks at its clock."""
        for _ in range(4):
            self.wall += seconds / 4
            self.monotonic += seconds / 4
            self.look()

    def is_set(self, wall: float) -> float:
        """Set the clock; return what the agent sees of it."""
        self.wall = wall
        return self.look()

    def look(self) -> float:
        step = self.clock.stepped_seconds()
        self.clock.keep(no_later_than=EXPIRY)
        return step


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "clock")


def test_a_clock_that_is_behind_what_was_seen_does_not_take_time_back(machine: Machine) -> None:
    machine.passes(HOUR)
    machine.is_set(NOW - 10 * YEAR)

    assert machine.clock.now() == pytest.approx(NOW + HOUR)
    assert machine.clock.behind_seconds() == pytest.approx(10 * YEAR + HOUR)


def test_while_a_clock_is_behind_time_goes_on(machine: Machine) -> None:
    """What ends by time, a waiver or a release, ends all the same."""
    machine.is_set(NOW - 10 * YEAR)
    machine.passes(2 * HOUR)

    assert machine.clock.now() == pytest.approx(NOW + 2 * HOUR)


def test_the_present_is_kept_for_the_next_start(machine: Machine) -> None:
    machine.passes(HOUR)
    machine.wall = 0.0

    assert machine.started().now() == pytest.approx(NOW + HOUR)


def test_a_clock_that_was_years_ahead_is_forgotten_once_it_is_right(machine: Machine) -> None:
    """Else all that is signed would be expired, and nothing flashed, for years or for days."""
    assert machine.is_set(NOW + 5 * YEAR) == pytest.approx(5 * YEAR)
    machine.passes(HOUR)
    assert machine.clock.now() == pytest.approx(NOW + 5 * YEAR + HOUR)
    assert machine.is_set(NOW + HOUR) == pytest.approx(-5 * YEAR)

    assert machine.clock.behind_seconds() == 0.0
    assert machine.clock.now() == pytest.approx(NOW + HOUR)


def test_a_gateway_that_starts_years_ahead_is_well_once_its_clock_is_right(machine: Machine) -> None:
    machine.wall = NOW + 5 * YEAR
    machine.started()
    machine.passes(HOUR)
    machine.started()
    machine.is_set(NOW + HOUR)

    assert machine.clock.behind_seconds() == 0.0


def test_a_clock_that_was_a_day_ahead_is_forgotten_as_well(machine: Machine) -> None:
    """Where the catalogue is not expired by it, nothing tells that it is wrong until it is put right."""
    machine.is_set(NOW + DAY)
    machine.passes(HOUR)
    machine.is_set(NOW + HOUR)

    assert machine.clock.behind_seconds() == 0.0
    assert machine.started().now() == pytest.approx(NOW + HOUR)


def test_a_jump_of_long_ago_gives_no_leave_to_go_back(machine: Machine) -> None:
    machine.is_set(NOW + DAY)
    machine.passes(STEADY_SECONDS + HOUR)
    machine.is_set(NOW)

    assert machine.clock.behind_seconds() == pytest.approx(DAY + STEADY_SECONDS + HOUR)


def test_a_clock_never_set_forward_cannot_be_set_back(machine: Machine) -> None:
    machine.passes(HOUR)
    machine.is_set(NOW - DAY)

    assert machine.clock.now() == pytest.approx(NOW + HOUR)


def test_a_clock_set_forward_and_too_far_back_stays_above_what_was_seen_before(machine: Machine) -> None:
    machine.passes(HOUR)
    machine.is_set(NOW + DAY)
    machine.is_set(NOW - YEAR)

    assert machine.clock.now() == pytest.approx(NOW + HOUR)


def test_a_clock_that_went_steadily_past_the_expiry_cannot_make_the_catalogue_fresh_again(machine: Machine) -> None:
    """A gateway that was off for months and is right about the date."""
    machine.wall = NOW + YEAR
    machine.started()
    machine.passes(STEADY_SECONDS + HOUR)
    machine.is_set(NOW)

    assert machine.clock.now() >= EXPIRY


def test_the_floor_never_sinks(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "clock", seen_until=NOW + YEAR)
    machine.clock.keep(no_later_than=0.0)

    assert machine.clock.now() == pytest.approx(NOW + YEAR)
    assert machine.started().now() == pytest.approx(NOW + YEAR)
