"""Drivers read recorded devices: each file holds what was said, and the state that the driver must read in it."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Failure, Tier
from bartizan_agent.recordings.model import Exchange, Of, Recording, decode, encode
from bartizan_agent.recordings.replay import read_again
from bartizan_lab import recordings as emulated
from bartizan_lab.recordings import SUBJECTS, Subject
from tests.lab.cameras.standing import loopback_address

FOLDER = Path(__file__).parents[1] / "recordings"
FILES = sorted(FOLDER.glob("*/*.json"))
BY_NAME = {driver.name: driver for driver in DRIVERS}


def recording(path: Path) -> Recording:
    return decode(path.read_bytes())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_driver_reads_the_recorded_device(path: Path) -> None:
    recorded = recording(path)

    assert await read_again(recorded, BY_NAME[recorded.driver]) == recorded.state


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recording_lies_where_it_belongs_and_is_written_as_the_tool_writes_it(path: Path) -> None:
    recorded = recording(path)

    assert path == FOLDER / recorded.driver / recorded.file_name
    assert path.read_text(encoding="utf-8") == encode(recorded)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_every_driver_has_a_recording_of_all_that_its_tier_reads(driver: Any) -> None:
    """A driver without one has never read anything: record a device, or an emulated one, and say which it was."""
    states = [recorded.state for recorded in map(recording, (FOLDER / driver.name).glob("*.json"))]

    assert states
    assert all(state.serial and state.model and state.firmware for state in states)
    if driver.tier is not Tier.SEES:
        assert all(state.stream and state.picture for state in states)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: f"{subject.kind} {subject.facts.get('model', '')}")
async def test_what_is_recorded_of_an_emulator_is_what_it_says_today(subject: Subject) -> None:
    """Otherwise run `python -m bartizan_lab.recordings` and look at the difference."""
    today = await asyncio.wait_for(emulated.recorded(subject, loopback_address()), 30)

    assert emulated.path_of(today).read_text(encoding="utf-8") == encode(today)


def test_what_was_recorded_of_emulators_says_so() -> None:
    made_here = {emulated.FOLDER / path.parent.name / path.name for path in FILES if recording(path).of is Of.EMULATOR}

    assert Counter(path.parent.name for path in made_here) == Counter(subject.driver.name for subject in SUBJECTS)


async def test_a_driver_that_asks_for_something_else_is_told_to_record_again() -> None:
    recorded = recording(FOLDER / "dahua" / "IPC-HDW5831R-ZE_2.800.0000016.0.R.json")
    without = msgspec.structs.replace(recorded, exchanges=recorded.exchanges[:2])

    with pytest.raises(LookupError, match="record the device again"):
        await read_again(without, BY_NAME["dahua"])


async def test_what_a_recorded_device_refuses_is_a_failure_as_on_the_wire() -> None:
    refusing = Exchange("GET", "/ISAPI/System/deviceInfo", 403)
    recorded = recording(FOLDER / "hikvision" / "I51DL_V5.5.800-build-210628.json")

    state = await read_again(msgspec.structs.replace(recorded, exchanges=(refusing,)), BY_NAME["hikvision"])

    assert isinstance(state, Failure)
    assert state.code == "forbidden"


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", json.dumps({"of": "camera"}).encode()])
def test_what_is_no_recording_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed, match="not a recording"):
        decode(text)
