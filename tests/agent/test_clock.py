"""The gateway's clock where the machine's is wrong. The floor is a file's time, so a test sets it there."""

import os
import time
from pathlib import Path

import pytest

from bartizan_agent.clock import GatewayClock

YEAR = 365 * 86400.0


def seen_until(file: Path, seconds: float) -> GatewayClock:
    file.touch()
    os.utime(file, (seconds, seconds))
    return GatewayClock(file)


def test_a_clock_that_is_behind_what_was_seen_stands_still_there(tmp_path: Path) -> None:
    floor = time.time() + YEAR
    clock = seen_until(tmp_path / "clock", floor)

    assert clock.now() == pytest.approx(floor)
    assert clock.behind_seconds() == pytest.approx(YEAR, abs=5)


def test_the_present_is_kept_for_the_next_start(tmp_path: Path) -> None:
    GatewayClock(tmp_path / "clock").keep(no_later_than=time.time() + YEAR)

    assert (tmp_path / "clock").stat().st_mtime == pytest.approx(time.time(), abs=5)


def test_a_clock_that_ran_ahead_is_not_followed_past_what_it_could_make_look_fresh(tmp_path: Path) -> None:
    """Else all that is signed would be expired for years after somebody put the clock right."""
    expires_at = time.time() - 5 * YEAR  # as a catalogue's end looks from a clock that is five years ahead
    GatewayClock(tmp_path / "clock").keep(no_later_than=expires_at)

    assert (tmp_path / "clock").stat().st_mtime == pytest.approx(expires_at)


def test_the_floor_never_sinks(tmp_path: Path) -> None:
    floor = time.time() + YEAR
    clock = seen_until(tmp_path / "clock", floor)
    clock.keep(no_later_than=0.0)

    assert clock.now() == pytest.approx(floor)
    assert GatewayClock(tmp_path / "clock").now() == pytest.approx(floor)
